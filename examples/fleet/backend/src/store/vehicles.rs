//! Vehicles in the database. Leaving service locks the row, so that no assignment slips in between.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{Slice, Store, StoreError, read, unique};
use crate::domain::{Conflict, NewVehicle, Vehicle, VehicleId, VehicleKind, VehicleStatus};

impl Store {
    /// Adds a vehicle.
    ///
    /// # Errors
    /// [`Conflict::NotUnique`] if the plate is in use.
    pub async fn add_vehicle(&self, new: &NewVehicle) -> Result<Vehicle, StoreError> {
        let statement = "INSERT INTO vehicles (plate, kind, capacity_kg) VALUES ($1, $2, $3)
                         RETURNING id, plate, kind, capacity_kg, status, created_at, updated_at";
        let row = sqlx::query(statement)
            .bind(&new.plate)
            .bind(new.kind.as_str())
            .bind(new.capacity_kg)
            .fetch_one(&self.pool)
            .await
            .map_err(unique("plate"))?;
        Ok(vehicle(&row)?)
    }

    /// A vehicle.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn vehicle(&self, id: VehicleId) -> Result<Vehicle, StoreError> {
        let statement = "SELECT id, plate, kind, capacity_kg, status, created_at, updated_at
                         FROM vehicles WHERE id = $1";
        let row = sqlx::query(statement).bind(id.0).fetch_optional(&self.pool).await?;
        Ok(vehicle(&row.ok_or_else(|| not_found(id))?)?)
    }

    /// Vehicles, the newest first; of one status if one is given.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn vehicles(&self, status: Option<VehicleStatus>, slice: Slice) -> Result<Vec<Vehicle>, StoreError> {
        let statement = "SELECT id, plate, kind, capacity_kg, status, created_at, updated_at FROM vehicles
                         WHERE ($1::text IS NULL OR status = $1) AND ($2::bigint IS NULL OR id < $2)
                         ORDER BY id DESC LIMIT $3";
        let rows = sqlx::query(statement)
            .bind(status.map(VehicleStatus::as_str))
            .bind(slice.before)
            .bind(slice.count)
            .fetch_all(&self.pool)
            .await?;
        read::all(&rows, vehicle)
    }

    /// Changes whether a vehicle may carry deliveries.
    ///
    /// # Errors
    /// [`Conflict::StillCarries`] if it is to stop while it carries something.
    pub async fn set_vehicle_status(&self, id: VehicleId, status: VehicleStatus) -> Result<Vehicle, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT id FROM vehicles WHERE id = $1 FOR UPDATE")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or_else(|| not_found(id))?;
        let open: i64 = sqlx::query("SELECT count(*) FROM assignments WHERE vehicle_id = $1 AND ended_at IS NULL")
            .bind(id.0)
            .fetch_one(&mut *transaction)
            .await?
            .try_get(0)?;
        if status != VehicleStatus::Active && open > 0 {
            return Err(Conflict::StillCarries(open).into());
        }
        let statement = "UPDATE vehicles SET status = $2, updated_at = now() WHERE id = $1
                         RETURNING id, plate, kind, capacity_kg, status, created_at, updated_at";
        let row = sqlx::query(statement).bind(id.0).bind(status.as_str()).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(vehicle(&row)?)
    }
}

fn not_found(id: VehicleId) -> StoreError {
    StoreError::NotFound { what: "vehicle", id: id.0 }
}

fn vehicle(row: &PgRow) -> Result<Vehicle, sqlx::Error> {
    Ok(Vehicle {
        id: VehicleId(row.try_get("id")?),
        plate: row.try_get("plate")?,
        kind: read::word(row, "kind", VehicleKind::from_text)?,
        capacity_kg: row.try_get("capacity_kg")?,
        status: read::word(row, "status", VehicleStatus::from_text)?,
        created_at: read::moment(row, "created_at")?,
        updated_at: read::moment(row, "updated_at")?,
    })
}
