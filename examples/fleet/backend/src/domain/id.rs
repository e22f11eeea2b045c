//! Numbers that name things, a type for each, so that a courier is never taken for a vehicle.

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

id!(
    /// Names a vehicle.
    VehicleId
);
id!(
    /// Names a courier.
    CourierId
);
id!(
    /// Names a delivery.
    DeliveryId
);
id!(
    /// Names an assignment.
    AssignmentId
);
