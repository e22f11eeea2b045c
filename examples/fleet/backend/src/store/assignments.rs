//! Assignments in the database. The facts of a decision are read under row locks and handed to the domain, which
//! decides.

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::{Slice, Store, StoreError, deliveries, read};
use crate::domain::{
    Assignment, AssignmentFacts, AssignmentId, CourierId, CourierStatus, DeliveryId, DeliveryStatus, NewAssignment,
    VehicleId, VehicleStatus, check_assignment,
};

impl Store {
    /// Gives a delivery to a courier and a vehicle.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for any of the three; the first rule that is against it.
    pub async fn assign(&self, new: NewAssignment) -> Result<Assignment, StoreError> {
        let mut transaction = self.pool.begin().await?;
        check_assignment(&facts(&mut transaction, new).await?)?;
        let statement = "INSERT INTO assignments (delivery_id, courier_id, vehicle_id) VALUES ($1, $2, $3)
                         RETURNING id, delivery_id, courier_id, vehicle_id, created_at, ended_at";
        let row = sqlx::query(statement)
            .bind(new.delivery_id.0)
            .bind(new.courier_id.0)
            .bind(new.vehicle_id.0)
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query("UPDATE deliveries SET status = 'assigned', updated_at = now() WHERE id = $1")
            .bind(new.delivery_id.0)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(assignment(&row)?)
    }

    /// An assignment.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn assignment(&self, id: AssignmentId) -> Result<Assignment, StoreError> {
        let statement = "SELECT id, delivery_id, courier_id, vehicle_id, created_at, ended_at
                         FROM assignments WHERE id = $1";
        let row = sqlx::query(statement).bind(id.0).fetch_optional(&self.pool).await?;
        let row = row.ok_or(StoreError::NotFound { what: "assignment", id: id.0 })?;
        Ok(assignment(&row)?)
    }

    /// Assignments, the newest first; the open or the ended ones if told.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn assignments(&self, open: Option<bool>, slice: Slice) -> Result<Vec<Assignment>, StoreError> {
        let statement = "SELECT id, delivery_id, courier_id, vehicle_id, created_at, ended_at FROM assignments
                         WHERE ($1::boolean IS NULL OR (ended_at IS NULL) = $1) AND ($2::bigint IS NULL OR id < $2)
                         ORDER BY id DESC LIMIT $3";
        let rows = sqlx::query(statement).bind(open).bind(slice.before).bind(slice.count).fetch_all(&self.pool).await?;
        read::all(&rows, assignment)
    }
}

/// What an assignment is decided on. The three rows stay locked until the transaction ends.
async fn facts(connection: &mut PgConnection, new: NewAssignment) -> Result<AssignmentFacts, StoreError> {
    let delivery = sqlx::query("SELECT status, weight_kg FROM deliveries WHERE id = $1 FOR UPDATE")
        .bind(new.delivery_id.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| deliveries::not_found(new.delivery_id))?;
    let courier = sqlx::query("SELECT status FROM couriers WHERE id = $1 FOR UPDATE")
        .bind(new.courier_id.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(StoreError::NotFound { what: "courier", id: new.courier_id.0 })?;
    let vehicle = sqlx::query("SELECT status, capacity_kg FROM vehicles WHERE id = $1 FOR UPDATE")
        .bind(new.vehicle_id.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(StoreError::NotFound { what: "vehicle", id: new.vehicle_id.0 })?;
    let statement = "SELECT coalesce(sum(weight_kg), 0)::bigint AS loaded_kg, max(courier_id) AS driver
                     FROM assignments a JOIN deliveries d ON d.id = a.delivery_id
                     WHERE vehicle_id = $1 AND ended_at IS NULL";
    let load = sqlx::query(statement).bind(new.vehicle_id.0).fetch_one(&mut *connection).await?;
    Ok(AssignmentFacts {
        delivery_status: read::word(&delivery, "status", DeliveryStatus::from_text)?,
        weight_kg: delivery.try_get("weight_kg")?,
        courier_id: new.courier_id,
        courier_status: read::word(&courier, "status", CourierStatus::from_text)?,
        vehicle_status: read::word(&vehicle, "status", VehicleStatus::from_text)?,
        capacity_kg: vehicle.try_get("capacity_kg")?,
        loaded_kg: load.try_get("loaded_kg")?,
        driver: load.try_get::<Option<i64>, _>("driver")?.map(CourierId),
    })
}

fn assignment(row: &PgRow) -> Result<Assignment, sqlx::Error> {
    Ok(Assignment {
        id: AssignmentId(row.try_get("id")?),
        delivery_id: DeliveryId(row.try_get("delivery_id")?),
        courier_id: CourierId(row.try_get("courier_id")?),
        vehicle_id: VehicleId(row.try_get("vehicle_id")?),
        created_at: read::moment(row, "created_at")?,
        ended_at: read::moment_or_null(row, "ended_at")?,
    })
}
