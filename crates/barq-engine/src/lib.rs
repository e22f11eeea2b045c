//! Journal, single-writer loop, executor, ports, read models.

pub mod journal;
