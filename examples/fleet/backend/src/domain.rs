//! The fleet's rules: values that are valid by construction, and what may happen to them. Pure: no HTTP, no SQL, no
//! clock, so every rule is tested without a database. The values serialise as the API shows them.

mod assignment;
mod courier;
mod delivery;
mod id;
mod invalid;
mod text_enum;
mod vehicle;

pub use assignment::{Assignment, AssignmentFacts, NewAssignment, check_assignment};
pub use courier::{Courier, CourierStatus, NewCourier};
pub use delivery::{Delivery, DeliveryAssignment, DeliveryStatus, NewDelivery, StatusChange, check_transition};
pub use id::{AssignmentId, CourierId, DeliveryId, VehicleId};
pub use invalid::{Checker, FieldError, Invalid};
pub use vehicle::{NewVehicle, Vehicle, VehicleKind, VehicleStatus};

use thiserror::Error;

/// A valid wish that the present state does not allow: HTTP 409.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Conflict {
    /// The delivery's life does not lead there.
    #[error("a delivery that is {from} cannot become {to}; it can become: {}", names(.from.next()))]
    Transition {
        /// What it is.
        from: DeliveryStatus,
        /// What was wished.
        to: DeliveryStatus,
    },
    /// The vehicle is in maintenance or retired.
    #[error("the vehicle is {0}, only an active one carries deliveries")]
    VehicleNotActive(VehicleStatus),
    /// The courier does not work now.
    #[error("the courier is {0}")]
    CourierNotOnDuty(CourierStatus),
    /// Another courier drives it.
    #[error("the vehicle is driven by courier {0} until that courier's deliveries end")]
    VehicleTaken(CourierId),
    /// Too heavy.
    #[error("the delivery weighs {weight_kg} kg and the vehicle has {free_kg} kg left")]
    OverCapacity {
        /// The delivery's weight, kg.
        weight_kg: i32,
        /// What the vehicle can still take, kg.
        free_kg: i64,
    },
    /// A vehicle or courier that still carries something cannot stop.
    #[error("it still carries {0} open deliveries")]
    StillCarries(i64),
    /// A value that must be unique is in use.
    #[error("{0} is in use already")]
    NotUnique(&'static str),
}

fn names(statuses: &[DeliveryStatus]) -> String {
    if statuses.is_empty() {
        return "nothing, it has ended".to_owned();
    }
    statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
