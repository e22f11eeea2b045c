//! Makes the core durable: journal, single-writer loop, executor of effects, ports, read models.
//!
//! `engine` is the loop; `machine` is the part of it that the simulation drives too; `journal` keeps what happened;
//! `ports` are what adapters implement; `executor` carries effects out; `history` and `projection` read;
//! `recall` is for what can't be recorded; `words` puts an error into one line. It knows no neighbour: no HTTP, no
//! processes, no git.

mod codec;
pub mod engine;
mod executor;
pub mod history;
pub mod journal;
pub mod machine;
mod moment;
pub mod ports;
mod projection;
pub mod recall;
pub mod simulation;
mod words;

pub use codec::{CodecError, decode, encode};
pub use words::chain;
