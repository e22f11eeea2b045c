//! The domain of barq, pure: what a commit's journey to production is, and what may happen on it.
//!
//! | module | what |
//! | --- | --- |
//! | `configuration` | `barq.toml` |
//! | `event` | what happened: all that is stored |
//! | `state` | what events add up to (`delivery`, `rollout`, `service`, `incident`) |
//! | `command`, `observation` | what is asked, and what the data plane sees |
//! | `decide` | the rules: command and state to events |
//! | `pending`, `effect` | what must be done outside, derived from the state |
//! | `explain` | what everything waits for |
//! | `report` | the incident report |
//! | `invariant` | what must always hold, checked independently of the rules |
//!
//! No tokio, no I/O, no clock, no randomness: time and chance are arguments. So every rule can be tested as a table, and
//! a replay of the journal is the same code as the live path.

pub mod command;
pub mod configuration;
mod decide;
pub mod delivery;
pub mod effect;
pub mod event;
pub mod explain;
pub mod identity;
pub mod incident;
pub mod invariant;
pub mod observation;
mod pending;
pub mod report;
pub mod rollout;
pub mod service;
pub mod state;

/// What the data plane judges with, for those who may not import it themselves: the simulation runs the same code.
pub use barq_judge as judge;
pub use decide::{Act, ask, decide};
pub use explain::explain;
pub use pending::{deadline, next_deadline, pending, unfinished};
