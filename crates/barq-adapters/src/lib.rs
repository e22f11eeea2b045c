//! The engine's ports implemented: embedded node, runner, registry.
