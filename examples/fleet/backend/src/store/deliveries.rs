//! Deliveries in the database, each with its assignment. A change of status locks the row, and ends the assignment with
//! it.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{Slice, Store, StoreError, read};
use crate::domain::{
    AssignmentId, CourierId, Delivery, DeliveryAssignment, DeliveryId, DeliveryStatus, NewDelivery, StatusChange,
    VehicleId, check_transition,
};

impl Store {
    /// Adds a delivery.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn add_delivery(&self, new: &NewDelivery) -> Result<Delivery, StoreError> {
        let statement = "INSERT INTO deliveries (recipient, pickup, dropoff, weight_kg) VALUES ($1, $2, $3, $4)
                         RETURNING id, recipient, pickup, dropoff, weight_kg, status, note, created_at, updated_at,
                                   NULL::bigint AS assignment_id, NULL::bigint AS courier_id, NULL::bigint AS vehicle_id";
        let row = sqlx::query(statement)
            .bind(&new.recipient)
            .bind(&new.pickup)
            .bind(&new.dropoff)
            .bind(new.weight_kg)
            .fetch_one(&self.pool)
            .await?;
        Ok(delivery(&row)?)
    }

    /// A delivery.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delivery(&self, id: DeliveryId) -> Result<Delivery, StoreError> {
        let statement = "SELECT d.id, recipient, pickup, dropoff, weight_kg, status, note, d.created_at, updated_at,
                                a.id AS assignment_id, courier_id, vehicle_id
                         FROM deliveries d LEFT JOIN assignments a ON a.delivery_id = d.id WHERE d.id = $1";
        let row = sqlx::query(statement).bind(id.0).fetch_optional(&self.pool).await?;
        Ok(delivery(&row.ok_or_else(|| not_found(id))?)?)
    }

    /// Deliveries, the newest first; of one status if one is given.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn deliveries(&self, status: Option<DeliveryStatus>, slice: Slice) -> Result<Vec<Delivery>, StoreError> {
        let statement = "SELECT d.id, recipient, pickup, dropoff, weight_kg, status, note, d.created_at, updated_at,
                                a.id AS assignment_id, courier_id, vehicle_id
                         FROM deliveries d LEFT JOIN assignments a ON a.delivery_id = d.id
                         WHERE ($1::text IS NULL OR status = $1) AND ($2::bigint IS NULL OR d.id < $2)
                         ORDER BY d.id DESC LIMIT $3";
        let rows = sqlx::query(statement)
            .bind(status.map(DeliveryStatus::as_str))
            .bind(slice.before)
            .bind(slice.count)
            .fetch_all(&self.pool)
            .await?;
        read::all(&rows, delivery)
    }

    /// Moves a delivery along its life; at the end of it the assignment ends too.
    ///
    /// # Errors
    /// [`crate::domain::Conflict::Transition`] if its life does not lead there.
    pub async fn change_delivery_status(&self, id: DeliveryId, change: &StatusChange) -> Result<Delivery, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query("SELECT status FROM deliveries WHERE id = $1 FOR UPDATE")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or_else(|| not_found(id))?;
        check_transition(read::word(&row, "status", DeliveryStatus::from_text)?, change.status)?;
        let statement =
            "UPDATE deliveries SET status = $2, note = coalesce($3, note), updated_at = now() WHERE id = $1";
        sqlx::query(statement)
            .bind(id.0)
            .bind(change.status.as_str())
            .bind(&change.note)
            .execute(&mut *transaction)
            .await?;
        if change.status.has_ended() {
            sqlx::query("UPDATE assignments SET ended_at = now() WHERE delivery_id = $1 AND ended_at IS NULL")
                .bind(id.0)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.delivery(id).await
    }
}

pub(super) fn not_found(id: DeliveryId) -> StoreError {
    StoreError::NotFound { what: "delivery", id: id.0 }
}

fn delivery(row: &PgRow) -> Result<Delivery, sqlx::Error> {
    let status = read::word(row, "status", DeliveryStatus::from_text)?;
    let assignment = match row.try_get::<Option<i64>, _>("assignment_id")? {
        None => None,
        Some(id) => Some(DeliveryAssignment {
            id: AssignmentId(id),
            courier_id: CourierId(row.try_get("courier_id")?),
            vehicle_id: VehicleId(row.try_get("vehicle_id")?),
        }),
    };
    Ok(Delivery {
        id: DeliveryId(row.try_get("id")?),
        recipient: row.try_get("recipient")?,
        pickup: row.try_get("pickup")?,
        dropoff: row.try_get("dropoff")?,
        weight_kg: row.try_get("weight_kg")?,
        status,
        next: status.next().to_vec(),
        note: row.try_get("note")?,
        assignment,
        created_at: read::moment(row, "created_at")?,
        updated_at: read::moment(row, "updated_at")?,
    })
}
