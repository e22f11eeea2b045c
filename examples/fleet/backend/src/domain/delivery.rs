//! Deliveries: what is to be carried, and the life of it.
//!
//! created → assigned → picked_up → delivered; cancelled before it is picked up, failed once somebody has set out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text_enum::text_enum;
use super::{AssignmentId, Checker, Conflict, CourierId, DeliveryId, Invalid, VehicleId};

const RECIPIENT_CHARACTERS_MAX: usize = 100;
const ADDRESS_CHARACTERS_MAX: usize = 300;
const NOTE_CHARACTERS_MAX: usize = 500;
const WEIGHT_KG_MAX: i32 = 44_000;

text_enum!(
    /// Where a delivery is in its life.
    DeliveryStatus {
        /// Waits for a courier and a vehicle.
        Created = "created",
        /// Has both.
        Assigned = "assigned",
        /// Is on its way.
        PickedUp = "picked_up",
        /// Arrived.
        Delivered = "delivered",
        /// Called off before it was picked up.
        Cancelled = "cancelled",
        /// Could not be delivered.
        Failed = "failed",
    }
);

impl DeliveryStatus {
    /// What it can become.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Created => &[Self::Assigned, Self::Cancelled],
            Self::Assigned => &[Self::PickedUp, Self::Cancelled, Self::Failed],
            Self::PickedUp => &[Self::Delivered, Self::Failed],
            Self::Delivered | Self::Cancelled | Self::Failed => &[],
        }
    }

    /// Whether its life is over.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        self.next().is_empty()
    }
}

/// Whether a delivery may go from one status to another.
///
/// # Errors
/// [`Conflict::Transition`] if not.
pub fn check_transition(from: DeliveryStatus, to: DeliveryStatus) -> Result<(), Conflict> {
    if from.next().contains(&to) { Ok(()) } else { Err(Conflict::Transition { from, to }) }
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// Who gets it.
    pub recipient: String,
    /// Where it is fetched.
    pub pickup: String,
    /// Where it is brought.
    pub dropoff: String,
    /// Its weight, kg.
    pub weight_kg: i32,
    /// Where it is in its life.
    pub status: DeliveryStatus,
    /// What it can become.
    pub next: Vec<DeliveryStatus>,
    /// Why it was cancelled or failed, or what the courier noted.
    pub note: Option<String>,
    /// Who carries it in what; null until it is assigned.
    pub assignment: Option<DeliveryAssignment>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Who carries a delivery in what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryAssignment {
    /// The assignment.
    pub id: AssignmentId,
    /// Who.
    pub courier_id: CourierId,
    /// In what.
    pub vehicle_id: VehicleId,
}

/// A delivery to be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDelivery {
    /// Who gets it.
    pub recipient: String,
    /// Where it is fetched.
    pub pickup: String,
    /// Where it is brought.
    pub dropoff: String,
    /// Its weight, kg; what weighs less than a kilogram counts as one.
    pub weight_kg: i32,
}

impl NewDelivery {
    /// The delivery with its values checked and in their usual form.
    ///
    /// # Errors
    /// All values that cannot be used.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut checker = Checker::default();
        let checked = Self {
            recipient: checker.text("recipient", &self.recipient, RECIPIENT_CHARACTERS_MAX),
            pickup: checker.text("pickup", &self.pickup, ADDRESS_CHARACTERS_MAX),
            dropoff: checker.text("dropoff", &self.dropoff, ADDRESS_CHARACTERS_MAX),
            weight_kg: checker.positive("weight_kg", self.weight_kg, WEIGHT_KG_MAX),
        };
        if !checked.pickup.is_empty() && checked.pickup == checked.dropoff {
            checker.fault("dropoff", "must differ from pickup");
        }
        checker.finish(checked)
    }
}

/// A wish to move a delivery along its life.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    /// What it is to become.
    pub status: DeliveryStatus,
    /// Why; required for `cancelled` and `failed`.
    #[serde(default)]
    pub note: Option<String>,
}

impl StatusChange {
    /// The wish with its values checked and in their usual form.
    ///
    /// # Errors
    /// All values that cannot be used.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut checker = Checker::default();
        match self.status {
            DeliveryStatus::Created => checker.fault("status", "is only the beginning"),
            DeliveryStatus::Assigned => checker.fault("status", "is reached by creating an assignment"),
            DeliveryStatus::Cancelled | DeliveryStatus::Failed if self.note.is_none() => {
                checker.fault("note", "must say why");
            }
            DeliveryStatus::PickedUp
            | DeliveryStatus::Delivered
            | DeliveryStatus::Cancelled
            | DeliveryStatus::Failed => {}
        }
        let note = self.note.map(|note| checker.text("note", &note, NOTE_CHARACTERS_MAX));
        checker.finish(Self { status: self.status, note })
    }
}
