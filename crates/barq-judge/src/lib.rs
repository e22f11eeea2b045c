//! What is an error, tripwire, lease, and which configuration of a service is in force: the judgement that the node, the
//! engine and the simulation share.
//!
//! It exists as a crate so that all three run the same code. Pure: no I/O, no clock, no randomness, no async runtime. `now`
//! is the time since the node's run began; runs and contents are opaque. It must not know sockets, files or deliveries.
//!
//! How the parts play together, for whoever embeds them:
//! 1. [`Control`] says which shares are in force. Everything that changes it goes through one lock per service.
//! 2. Each revision has one [`Tripwire`] for its whole life. A request routed by share is admitted through it.
//! 3. When [`Tripwire::record_error`] gives [`TripNow`], no request is admitted any more; the caller then tells
//!    [`Control::trip`]. A configuration that arrives between the two finds the wire tripped: [`Tripwire::arm`] refuses,
//!    and the trip is told first.
//! 4. Before a plan with a canary is accepted, [`Control::count`] says whether its step is the one that is being counted;
//!    the wire is armed with that ([`Tripwire::arm_step`]), and a trip that comes about by it is told after the plan is in
//!    force. After a restart the count begins with what was noted of the step ([`Tripwire::restore`]).
//! 5. [`Control::recall`] is a trip by somebody's word: for when the planner can't write down what it decided.
//! 6. [`Control::tick`] at [`Control::next_deadline`] takes the traffic back when the lease runs out.

pub mod control;
pub mod lease;
pub mod outcome;
pub mod plan;
pub mod tripwire;

pub use control::{
    Accepted, Considered, Control, Durable, RecallRefusal, Recalled, Refusal, Standing, Trip,
};
pub use lease::{Lease, LeaseRefusal, Run};
pub use outcome::{Failure, Outcome};
pub use plan::{Canary, Invalid, Plan, Share};
pub use tripwire::{Admission, AlreadyTripped, Count, Limit, Noted, Past, TripNow, Tripwire};
