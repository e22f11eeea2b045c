//! Assignments: who carries a delivery in what, and when that is allowed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AssignmentId, Conflict, CourierId, CourierStatus, DeliveryId, DeliveryStatus, VehicleId, VehicleStatus,
    check_transition,
};

/// A delivery given to a courier and a vehicle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Assignment {
    /// Its number.
    pub id: AssignmentId,
    /// What is carried.
    pub delivery_id: DeliveryId,
    /// By whom.
    pub courier_id: CourierId,
    /// In what.
    pub vehicle_id: VehicleId,
    /// Since when.
    pub created_at: Timestamp,
    /// When the delivery ended; null while it is open.
    pub ended_at: Option<Timestamp>,
}

/// A wish to give a delivery to a courier and a vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAssignment {
    /// What is to be carried.
    pub delivery_id: DeliveryId,
    /// By whom.
    pub courier_id: CourierId,
    /// In what.
    pub vehicle_id: VehicleId,
}

/// What the decision rests on, read under locks so that it still holds when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentFacts {
    /// The delivery's status.
    pub delivery_status: DeliveryStatus,
    /// The delivery's weight, kg.
    pub weight_kg: i32,
    /// The courier.
    pub courier_id: CourierId,
    /// The courier's status.
    pub courier_status: CourierStatus,
    /// The vehicle's status.
    pub vehicle_status: VehicleStatus,
    /// What the vehicle can carry at once, kg.
    pub capacity_kg: i32,
    /// What the vehicle carries already, kg.
    pub loaded_kg: i64,
    /// Who drives the vehicle already.
    pub driver: Option<CourierId>,
}

/// Whether the delivery may be given to the courier and the vehicle.
///
/// # Errors
/// The first rule that is against it.
pub fn check_assignment(facts: &AssignmentFacts) -> Result<(), Conflict> {
    check_transition(facts.delivery_status, DeliveryStatus::Assigned)?;
    if facts.courier_status != CourierStatus::OnDuty {
        return Err(Conflict::CourierNotOnDuty(facts.courier_status));
    }
    if facts.vehicle_status != VehicleStatus::Active {
        return Err(Conflict::VehicleNotActive(facts.vehicle_status));
    }
    if let Some(driver) = facts.driver.filter(|driver| *driver != facts.courier_id) {
        return Err(Conflict::VehicleTaken(driver));
    }
    let free_kg = i64::from(facts.capacity_kg) - facts.loaded_kg;
    if i64::from(facts.weight_kg) > free_kg {
        return Err(Conflict::OverCapacity { weight_kg: facts.weight_kg, free_kg });
    }
    Ok(())
}
