//! Vehicles: what can carry, how much, and whether it may now. What one carries at present is the assignment's matter.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text_enum::text_enum;
use super::{Checker, Invalid, VehicleId};

const PLATE_CHARACTERS_MAX: usize = 16;
const CAPACITY_KG_MAX: i32 = 44_000;

text_enum!(
    /// What sort of vehicle it is.
    VehicleKind {
        /// A cargo bicycle.
        Bicycle = "bicycle",
        /// A van.
        Van = "van",
        /// A truck.
        Truck = "truck",
    }
);

text_enum!(
    /// Whether it may carry deliveries.
    VehicleStatus {
        /// It may.
        Active = "active",
        /// Not now.
        Maintenance = "maintenance",
        /// Never again.
        Retired = "retired",
    }
);

/// A vehicle of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Vehicle {
    /// Its number.
    pub id: VehicleId,
    /// Its plate, unique in the fleet.
    pub plate: String,
    /// What it is.
    pub kind: VehicleKind,
    /// What it can carry at once, kg.
    pub capacity_kg: i32,
    /// Whether it may carry.
    pub status: VehicleStatus,
    /// When it joined the fleet.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A vehicle that is to join the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVehicle {
    /// Its plate: letters, digits, spaces and dashes; kept in capitals.
    pub plate: String,
    /// What it is.
    pub kind: VehicleKind,
    /// What it can carry at once, kg.
    pub capacity_kg: i32,
}

impl NewVehicle {
    /// The vehicle with its values checked and in their usual form.
    ///
    /// # Errors
    /// All values that cannot be used.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut checker = Checker::default();
        let plate = checker.text("plate", &self.plate, PLATE_CHARACTERS_MAX).to_uppercase();
        if !plate.chars().all(|character| character.is_alphanumeric() || matches!(character, ' ' | '-')) {
            checker.fault("plate", "must be made of letters, digits, spaces and dashes");
        }
        let capacity_kg = checker.positive("capacity_kg", self.capacity_kg, CAPACITY_KG_MAX);
        checker.finish(Self { plate, kind: self.kind, capacity_kg })
    }
}
