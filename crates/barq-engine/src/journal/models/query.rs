//! Reading the read models: single rows and pages, newest first.

use jiff::Timestamp;

use super::super::Journal;
use super::super::database::Row;
use super::super::error::{During as _, StorageError};
use super::super::event::{Document, Sequence};
use super::super::read::PAGE_ITEMS_MAX;
use super::super::select::Select;
use super::{
    DeliveryCursor, DeliveryFilter, DeliveryRow, IncidentCursor, IncidentFilter, IncidentRow, Page,
    Stored, TokenRow,
};

const DELIVERY_COLUMNS: &str = "sequence, id, app, number, state, commit_hash, created_at_micros, finished_at_micros, document";
const INCIDENT_COLUMNS: &str = "sequence, id, app, environment, opened_at_micros, state, document";
const TOKEN_COLUMNS: &str = "sequence, name, role, hash, created_at_micros, revoked_at_micros";

const OPERATION: &str = "read a read model";

impl Journal {
    /// The delivery of this id.
    pub async fn delivery(&self, id: &str) -> Result<Option<Stored<DeliveryRow>>, StorageError> {
        let mut select = Select::new(DELIVERY_COLUMNS, "deliveries");
        select.and("id =", id);
        Ok(self.select_rows(select, "id", 1, delivery).await?.pop())
    }

    /// A page of deliveries, newest first: at most `limit` and [`PAGE_ITEMS_MAX`] rows, after the page that gave `before`.
    pub async fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<&DeliveryCursor>,
        limit: usize,
    ) -> Result<Page<DeliveryRow, DeliveryCursor>, StorageError> {
        let mut select = Select::new(DELIVERY_COLUMNS, "deliveries");
        select.and_where_given("app =", filter.app.as_deref());
        select.and_where_given("commit_hash =", filter.commit_hash.as_deref());
        select.and_one_of("state", &filter.states);
        // Within an app the numbers are the order, whatever a clock that was set back says.
        let order = if filter.app.is_some() {
            if let Some(before) = before {
                select.and_row_before("number, id", i64::from(before.number), &before.id);
            }
            "number DESC, id DESC"
        } else {
            if let Some(before) = before {
                select.and_row_before(
                    "created_at_micros, id",
                    before.created_at_micros,
                    &before.id,
                );
            }
            "created_at_micros DESC, id DESC"
        };
        let limit = limit.clamp(1, PAGE_ITEMS_MAX);
        let rows = self.select_rows(select, order, limit + 1, delivery).await?;
        Ok(page(rows, limit, |row| DeliveryCursor {
            created_at_micros: row.created_at.as_microsecond(),
            number: row.number,
            id: row.id.clone(),
        }))
    }

    /// The incident of this id.
    pub async fn incident(&self, id: &str) -> Result<Option<Stored<IncidentRow>>, StorageError> {
        let mut select = Select::new(INCIDENT_COLUMNS, "incidents");
        select.and("id =", id);
        Ok(self.select_rows(select, "id", 1, incident).await?.pop())
    }

    /// A page of incidents, newest first: at most `limit` and [`PAGE_ITEMS_MAX`] rows, after the page that gave `before`.
    pub async fn list_incidents(
        &self,
        filter: &IncidentFilter,
        before: Option<&IncidentCursor>,
        limit: usize,
    ) -> Result<Page<IncidentRow, IncidentCursor>, StorageError> {
        let mut select = Select::new(INCIDENT_COLUMNS, "incidents");
        select.and_where_given("app =", filter.app.as_deref());
        select.and_where_given("environment =", filter.environment.as_deref());
        select.and_one_of("state", &filter.states);
        if let Some(before) = before {
            select.and_row_before("opened_at_micros, id", before.opened_at_micros, &before.id);
        }
        let limit = limit.clamp(1, PAGE_ITEMS_MAX);
        let rows = self
            .select_rows(
                select,
                "opened_at_micros DESC, id DESC",
                limit + 1,
                incident,
            )
            .await?;
        Ok(page(rows, limit, |row| IncidentCursor {
            opened_at_micros: row.opened_at.as_microsecond(),
            id: row.id.clone(),
        }))
    }

    /// The token with this hash, revoked or not.
    pub async fn token_by_hash(
        &self,
        hash: &str,
    ) -> Result<Option<Stored<TokenRow>>, StorageError> {
        let mut select = Select::new(TOKEN_COLUMNS, "tokens");
        select.and("hash =", hash);
        Ok(self.select_rows(select, "name", 1, token).await?.pop())
    }

    /// Tokens by name, after `after` where given; at most `limit` and [`PAGE_ITEMS_MAX`].
    pub async fn list_tokens(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<TokenRow>>, StorageError> {
        let mut select = Select::new(TOKEN_COLUMNS, "tokens");
        select.and_where_given("name >", after);
        self.select_rows(select, "name", limit.min(PAGE_ITEMS_MAX), token)
            .await
    }

    /// The value of a setting.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StorageError> {
        let mut select = Select::new("value", "settings");
        select.and("key =", key);
        let value = |row: &Row| row.get(0).during(OPERATION);
        Ok(self.select_rows(select, "key", 1, value).await?.pop())
    }

    /// The version of the projecting code that filled the read models; 0 where they are not, or not completely, filled.
    pub async fn projection_version(&self) -> Result<u32, StorageError> {
        let version = |row: &Row| {
            let version: i64 = row.get(0).during(OPERATION)?;
            u32::try_from(version).map_err(|_| impossible("projection", "version"))
        };
        let mut versions = self
            .select_rows(
                Select::new("version", "projection"),
                "singleton",
                1,
                version,
            )
            .await?;
        versions
            .pop()
            .ok_or_else(|| impossible("projection", "absence"))
    }

    async fn select_rows<T>(
        &self,
        select: Select,
        order: &'static str,
        rows_max: usize,
        read: impl Fn(&Row) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let (sql, values) = select.finish(order, rows_max);
        let rows = self
            .shared
            .database
            .fetch_all(sql, &values)
            .await
            .during(OPERATION)?;
        rows.iter().map(read).collect()
    }
}

/// The rows were read one further than the page is long, to know whether there is a next one.
fn page<T, Cursor>(
    mut items: Vec<Stored<T>>,
    limit: usize,
    cursor: impl Fn(&T) -> Cursor,
) -> Page<T, Cursor> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursor(&last.row));
    Page { items, next }
}

fn delivery(row: &Row) -> Result<Stored<DeliveryRow>, StorageError> {
    let id: String = row.get(1).during(OPERATION)?;
    Ok(Stored {
        sequence: sequence(row, &id)?,
        row: DeliveryRow {
            app: row.get(2).during(OPERATION)?,
            number: u32::try_from(row.get::<i64>(3).during(OPERATION)?)
                .map_err(|_| impossible(&id, "number"))?,
            state: row.get(4).during(OPERATION)?,
            commit_hash: row.get(5).during(OPERATION)?,
            created_at: time(row.get(6).during(OPERATION)?, &id)?,
            finished_at: optional_time(row.get(7).during(OPERATION)?, &id)?,
            document: Document::stored(row.get(8).during(OPERATION)?),
            id,
        },
    })
}

fn incident(row: &Row) -> Result<Stored<IncidentRow>, StorageError> {
    let id: String = row.get(1).during(OPERATION)?;
    Ok(Stored {
        sequence: sequence(row, &id)?,
        row: IncidentRow {
            app: row.get(2).during(OPERATION)?,
            environment: row.get(3).during(OPERATION)?,
            opened_at: time(row.get(4).during(OPERATION)?, &id)?,
            state: row.get(5).during(OPERATION)?,
            document: Document::stored(row.get(6).during(OPERATION)?),
            id,
        },
    })
}

fn token(row: &Row) -> Result<Stored<TokenRow>, StorageError> {
    let name: String = row.get(1).during(OPERATION)?;
    Ok(Stored {
        sequence: sequence(row, &name)?,
        row: TokenRow {
            role: row.get(2).during(OPERATION)?,
            hash: row.get(3).during(OPERATION)?,
            created_at: time(row.get(4).during(OPERATION)?, &name)?,
            revoked_at: optional_time(row.get(5).during(OPERATION)?, &name)?,
            name,
        },
    })
}

fn sequence(row: &Row, key: &str) -> Result<Sequence, StorageError> {
    Sequence::try_from(row.get::<i64>(0).during(OPERATION)?)
        .map_err(|_| impossible(key, "sequence"))
}

fn time(micros: i64, key: &str) -> Result<Timestamp, StorageError> {
    Timestamp::from_microsecond(micros).map_err(|_| impossible(key, "time"))
}

fn optional_time(micros: Option<i64>, key: &str) -> Result<Option<Timestamp>, StorageError> {
    micros.map(|micros| time(micros, key)).transpose()
}

fn impossible(row: &str, field: &'static str) -> StorageError {
    StorageError::ImpossibleRow {
        operation: OPERATION,
        row: row.to_owned(),
        field,
    }
}
