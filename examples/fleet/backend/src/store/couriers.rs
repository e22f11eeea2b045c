//! Couriers in the database. Going off duty locks the row, so that no assignment slips in between.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{Slice, Store, StoreError, read, unique};
use crate::domain::{Conflict, Courier, CourierId, CourierStatus, NewCourier};

impl Store {
    /// Adds a courier.
    ///
    /// # Errors
    /// [`Conflict::NotUnique`] if the telephone number is in use.
    pub async fn add_courier(&self, new: &NewCourier) -> Result<Courier, StoreError> {
        let statement = "INSERT INTO couriers (name, phone) VALUES ($1, $2)
                         RETURNING id, name, phone, status, created_at, updated_at";
        let row = sqlx::query(statement)
            .bind(&new.name)
            .bind(&new.phone)
            .fetch_one(&self.pool)
            .await
            .map_err(unique("phone"))?;
        Ok(courier(&row)?)
    }

    /// A courier.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn courier(&self, id: CourierId) -> Result<Courier, StoreError> {
        let statement = "SELECT id, name, phone, status, created_at, updated_at FROM couriers WHERE id = $1";
        let row = sqlx::query(statement).bind(id.0).fetch_optional(&self.pool).await?;
        Ok(courier(&row.ok_or_else(|| not_found(id))?)?)
    }

    /// Couriers, the newest first; of one status if one is given.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn couriers(&self, status: Option<CourierStatus>, slice: Slice) -> Result<Vec<Courier>, StoreError> {
        let statement = "SELECT id, name, phone, status, created_at, updated_at FROM couriers
                         WHERE ($1::text IS NULL OR status = $1) AND ($2::bigint IS NULL OR id < $2)
                         ORDER BY id DESC LIMIT $3";
        let rows = sqlx::query(statement)
            .bind(status.map(CourierStatus::as_str))
            .bind(slice.before)
            .bind(slice.count)
            .fetch_all(&self.pool)
            .await?;
        read::all(&rows, courier)
    }

    /// Changes whether a courier works now.
    ///
    /// # Errors
    /// [`Conflict::StillCarries`] if the courier is to stop while carrying something.
    pub async fn set_courier_status(&self, id: CourierId, status: CourierStatus) -> Result<Courier, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT id FROM couriers WHERE id = $1 FOR UPDATE")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or_else(|| not_found(id))?;
        let open: i64 = sqlx::query("SELECT count(*) FROM assignments WHERE courier_id = $1 AND ended_at IS NULL")
            .bind(id.0)
            .fetch_one(&mut *transaction)
            .await?
            .try_get(0)?;
        if status == CourierStatus::OffDuty && open > 0 {
            return Err(Conflict::StillCarries(open).into());
        }
        let statement = "UPDATE couriers SET status = $2, updated_at = now() WHERE id = $1
                         RETURNING id, name, phone, status, created_at, updated_at";
        let row = sqlx::query(statement).bind(id.0).bind(status.as_str()).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(courier(&row)?)
    }
}

fn not_found(id: CourierId) -> StoreError {
    StoreError::NotFound { what: "courier", id: id.0 }
}

fn courier(row: &PgRow) -> Result<Courier, sqlx::Error> {
    Ok(Courier {
        id: CourierId(row.try_get("id")?),
        name: row.try_get("name")?,
        phone: row.try_get("phone")?,
        status: read::word(row, "status", CourierStatus::from_text)?,
        created_at: read::moment(row, "created_at")?,
        updated_at: read::moment(row, "updated_at")?,
    })
}
