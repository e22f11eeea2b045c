//! The read models: rows that are written in the transaction of the events they follow from.
//!
//! They exist so that a page is a query and not a replay. They hold nothing that the events do not: emptied, they are filled again from the
//! journal, and a stored version says which projecting code filled them. Documents are opaque here; only what is filtered and sorted by
//! has a column.

mod query;
mod write;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::event::{Document, Sequence};

pub(super) use self::write::{apply, clear, set_version};

/// A table of the read models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadModel {
    /// One row per delivery.
    Deliveries,
    /// One row per incident.
    Incidents,
    /// One row per token.
    Tokens,
    /// One row per setting.
    Settings,
}

/// A delivery as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// `<app>-<number>`.
    pub id: String,
    /// Its app.
    pub app: String,
    /// Counts the app's deliveries from 1.
    pub number: u32,
    /// Its state, in the API's word.
    pub state: String,
    /// The full hash of the commit.
    pub commit_hash: String,
    /// When it was pushed.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// All the rest.
    pub document: Document,
}

/// An incident as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRow {
    /// Its id.
    pub id: String,
    /// The app that it happened to.
    pub app: String,
    /// The environment that it happened in.
    pub environment: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its state, in the API's word.
    pub state: String,
    /// All the rest.
    pub document: Document,
}

/// A token: its hash, never itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its name, unique.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// Hash of the secret, unique: requests are found by it.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub revoked_at: Option<Timestamp>,
}

/// A change of the read models that follows from events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadModelChange {
    /// Inserts or replaces the delivery of this id.
    PutDelivery(DeliveryRow),
    /// Removes the delivery of this id.
    RemoveDelivery(String),
    /// Inserts or replaces the incident of this id.
    PutIncident(IncidentRow),
    /// Removes the incident of this id.
    RemoveIncident(String),
    /// Inserts or replaces the token of this name.
    PutToken(TokenRow),
    /// Removes the token of this name.
    RemoveToken(String),
    /// Inserts or replaces a setting.
    PutSetting {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
    /// Removes the setting of this name.
    RemoveSetting(String),
}

/// A row with the event that it is up to date with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<Row> {
    /// The newest event of the append that last wrote the row.
    pub sequence: Sequence,
    /// The row.
    pub row: Row,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<Row, Cursor> {
    /// Its rows, newest first.
    pub items: Vec<Stored<Row>>,
    /// Where the next page begins; none on the last one.
    pub next: Option<Cursor>,
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Of this app. They are then in the order of their numbers, else of their times.
    pub app: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<String>,
    /// Of this commit.
    pub commit_hash: Option<String>,
}

/// Which incidents to list.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// Of this app.
    pub app: Option<String>,
    /// In this environment.
    pub environment: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<String>,
}

/// The last delivery of a page. As text it is the API's `next`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryCursor {
    created_at_micros: i64,
    number: u32,
    id: String,
}

/// The last incident of a page. As text it is the API's `next`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentCursor {
    opened_at_micros: i64,
    id: String,
}

/// Text that no page ever gave as its `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the cursor of a page")]
pub struct CursorError;

impl fmt::Display for DeliveryCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}.{}.{}",
            self.created_at_micros, self.number, self.id
        )
    }
}

impl FromStr for DeliveryCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(CursorError);
        Ok(Self {
            created_at_micros: part()?.parse().map_err(|_| CursorError)?,
            number: part()?.parse().map_err(|_| CursorError)?,
            id: identifier(part()?)?,
        })
    }
}

impl fmt::Display for IncidentCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.opened_at_micros, self.id)
    }
}

impl FromStr for IncidentCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (time, id) = text.split_once('.').ok_or(CursorError)?;
        Ok(Self {
            opened_at_micros: time.parse().map_err(|_| CursorError)?,
            id: identifier(id)?,
        })
    }
}

/// PostgreSQL refuses text with NUL, and a client's mistake must not look like a failing database.
fn identifier(text: &str) -> Result<String, CursorError> {
    if text.contains('\0') {
        return Err(CursorError);
    }
    Ok(text.to_owned())
}
