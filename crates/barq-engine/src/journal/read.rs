//! Reading events: pages in order, by subject, by app, and for the audit.
//!
//! Each page is one statement, so a reader never holds the database while its client is slow. Pages are keyed by sequence: what is appended
//! meanwhile shifts nothing.

use jiff::Timestamp;

use super::Journal;
use super::database::{Row, WriteTransaction};
use super::error::{During as _, StorageError};
use super::event::{BATCH_ID_BYTES, BatchId, Document, Mac, NewEvent, Recorded, Sequence};
use super::select::Select;

/// Items of one page, whatever limit the caller gives.
pub const PAGE_ITEMS_MAX: usize = 1_000;

/// Events next to a time that are looked at for the place where it is in the journal.
const PLACES_MAX: usize = 100;

/// In the order of `event_values` and [`recorded`].
pub(super) const EVENT_COLUMNS: &str =
    "sequence, at_micros, actor, app, subject, kind, version, payload, batch, mac";

/// Which events to read; what is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Belonging to this app.
    pub app: Option<String>,
    /// About this subject.
    pub subject: Option<String>,
    /// Caused by this actor.
    pub actor: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl Journal {
    /// The events after `after` (0: from the first), oldest first, at most `limit` and [`PAGE_ITEMS_MAX`].
    pub async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Recorded>, StorageError> {
        self.read_matching(&EventFilter::default(), after, limit)
            .await
    }

    /// As [`Self::read`], of one subject.
    pub async fn read_subject(
        &self,
        subject: &str,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Recorded>, StorageError> {
        let filter = EventFilter {
            subject: Some(subject.to_owned()),
            ..EventFilter::default()
        };
        self.read_matching(&filter, after, limit).await
    }

    /// As [`Self::read`], of one app.
    pub async fn read_app(
        &self,
        app: &str,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Recorded>, StorageError> {
        let filter = EventFilter {
            app: Some(app.to_owned()),
            ..EventFilter::default()
        };
        self.read_matching(&filter, after, limit).await
    }

    /// As [`Self::read`], of those that match.
    pub async fn read_matching(
        &self,
        filter: &EventFilter,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<Recorded>, StorageError> {
        let mut select = matching(filter);
        select.and("sequence >", i64::try_from(after).unwrap_or(i64::MAX));
        self.select_events(select, "sequence", limit).await
    }

    /// Those that match, newest first, older than `before` where given: the audit's page.
    pub async fn read_newest(
        &self,
        filter: &EventFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Recorded>, StorageError> {
        let mut select = matching(filter);
        if let Some(before) = before {
            select.and("sequence <", i64::try_from(before).unwrap_or(i64::MAX));
        }
        // Without a place to begin and to end at, all that is newer or older would be read and thrown away.
        if let Some(until) = filter.until {
            let places = self.places("at_micros <", until, "at_micros DESC, sequence DESC");
            let Some(last) = places.await?.into_iter().max() else {
                return Ok(Vec::new());
            };
            select.and("sequence <=", last);
        }
        if let Some(since) = filter.since {
            let places = self.places("at_micros >=", since, "at_micros, sequence");
            let Some(first) = places.await?.into_iter().min() else {
                return Ok(Vec::new());
            };
            select.and("sequence >=", first);
        }
        self.select_events(select, "sequence DESC", limit).await
    }

    /// The places of the events next to a time. Times follow the order of the journal but where the clock was put back: by
    /// more events than are looked at here, those of that time are told apart by the place alone.
    async fn places(
        &self,
        comparison: &'static str,
        at: Timestamp,
        order: &'static str,
    ) -> Result<Vec<i64>, StorageError> {
        let mut select = Select::new("sequence", "events");
        select.and(comparison, at.as_microsecond());
        let rows = self.select(select, order, PLACES_MAX).await?;
        rows.iter()
            .map(|row| row.get(0).during(READ_EVENTS))
            .collect()
    }

    /// As [`Self::read_matching`], but a row that cannot be read does not hide the others: each comes with its sequence.
    pub(super) async fn read_each(
        &self,
        filter: &EventFilter,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(Sequence, Result<Recorded, StorageError>)>, StorageError> {
        let mut select = matching(filter);
        select.and("sequence >", i64::try_from(after).unwrap_or(i64::MAX));
        let rows = self.select(select, "sequence", limit).await?;
        let each = |row: &Row| {
            let sequence: i64 = row.get(0).during(READ_EVENTS)?;
            // The schema holds sequences above zero.
            Ok((
                Sequence::try_from(sequence).unwrap_or_default(),
                recorded(row),
            ))
        };
        rows.iter().map(each).collect()
    }

    async fn select_events(
        &self,
        select: Select,
        order: &'static str,
        limit: usize,
    ) -> Result<Vec<Recorded>, StorageError> {
        let rows = self
            .select(select, order, limit.min(PAGE_ITEMS_MAX))
            .await?;
        rows.iter().map(recorded).collect()
    }

    async fn select(
        &self,
        select: Select,
        order: &'static str,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let (sql, values) = select.finish(order, limit);
        let rows = self.shared.database.fetch_all(sql, &values).await;
        rows.during(READ_EVENTS)
    }
}

const READ_EVENTS: &str = "read events";

/// The last two events, the newest first.
pub(super) async fn newest_two(
    transaction: &mut WriteTransaction,
) -> Result<Vec<Recorded>, StorageError> {
    let (sql, values) = Select::new(EVENT_COLUMNS, "events").finish("sequence DESC", 2);
    let rows = transaction
        .fetch_all(sql, &values)
        .await
        .during(READ_EVENTS)?;
    rows.iter().map(recorded).collect()
}

/// The precision that is stored.
pub(super) fn to_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond())
        .expect("the microsecond of a timestamp is within its range")
}

/// The code in a column; none where it has not the length of one.
pub(super) fn code(row: &Row, column: usize) -> Result<Option<Mac>, sqlx::Error> {
    Ok(row.get::<Vec<u8>>(column)?.try_into().ok().map(Mac))
}

fn matching(filter: &EventFilter) -> Select {
    let mut select = Select::new(EVENT_COLUMNS, "events");
    select.and_where_given("app =", filter.app.as_deref());
    select.and_where_given("subject =", filter.subject.as_deref());
    select.and_where_given("actor =", filter.actor.as_deref());
    select.and_where_given("kind =", filter.kind.as_deref());
    if let Some(since) = filter.since {
        select.and("at_micros >=", since.as_microsecond());
    }
    if let Some(until) = filter.until {
        select.and("at_micros <", until.as_microsecond());
    }
    select
}

fn recorded(row: &Row) -> Result<Recorded, StorageError> {
    let stored: i64 = row.get(0).during(READ_EVENTS)?;
    let impossible = |field| StorageError::ImpossibleRow {
        operation: READ_EVENTS,
        row: format!("events {stored}"),
        field,
    };
    let batch: Vec<u8> = row.get(8).during(READ_EVENTS)?;
    let batch: [u8; BATCH_ID_BYTES] = batch.try_into().map_err(|_| impossible("batch"))?;
    Ok(Recorded {
        sequence: Sequence::try_from(stored).map_err(|_| impossible("sequence"))?,
        event: NewEvent {
            at: Timestamp::from_microsecond(row.get(1).during(READ_EVENTS)?)
                .map_err(|_| impossible("time"))?,
            actor: row.get(2).during(READ_EVENTS)?,
            app: row.get(3).during(READ_EVENTS)?,
            subject: row.get(4).during(READ_EVENTS)?,
            kind: row.get(5).during(READ_EVENTS)?,
            version: u16::try_from(row.get::<i64>(6).during(READ_EVENTS)?)
                .map_err(|_| impossible("version"))?,
            payload: Document::stored(row.get(7).during(READ_EVENTS)?),
        },
        batch: BatchId(batch),
        mac: code(row, 9)
            .during(READ_EVENTS)?
            .ok_or_else(|| impossible("mac"))?,
    })
}
