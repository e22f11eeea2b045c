//! The rules, tested as data: every state of a small rollout, random walks beyond it, and single rules in tables.

mod access;
mod gate;
mod peers;
mod proof;
mod random;
mod recall;
mod rollback;
mod rules;
mod walk;
mod world;
