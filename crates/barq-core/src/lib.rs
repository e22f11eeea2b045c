//! The domain: configuration, state machines, invariants.
pub mod configuration;
