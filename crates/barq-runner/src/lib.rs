//! Runs checks and builds in child processes and streams their output.
