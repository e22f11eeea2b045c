//! What is an error, tripwire, lease: the judgement that node, engine and simulation share.
