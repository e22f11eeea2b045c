//! The domain: configuration, state machines, invariants.
