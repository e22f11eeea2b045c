//! The durable journal: one chained order of events, and the read models that change with them.
//!
//! Everything that barq decides is first an event here; the state is what a replay of the events gives. So an append is all or nothing: the
//! events, the changed rows of the read models and the answer kept for a repeated request become durable in one transaction, which
//! advances one head row by compare-and-set. That row also carries the epoch of the owner, so that a control plane that was replaced
//! learns of it at its next append and stops.
//!
//! SQLite is the embedded default, PostgreSQL the alternative; both pass the same tests. The journal does not know what events mean
//! and must not learn it: kinds and versions are the caller's words, payloads and documents opaque JSON. It reads no clock.
//!
//! **Invariant**: nothing writes but a [`JournalWriter`], and only while its epoch is the current one.

mod append;
mod backup;
mod chain;
mod database;
mod error;
mod event;
mod idempotency;
mod migrations;
mod models;
mod read;
mod replay;
mod select;
mod transfer;
mod verify;
mod writer;

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

pub use self::append::{AppendError, Appended, Batch};
pub use self::backup::BackupError;
use self::chain::ChainKey;
use self::database::Database;
pub use self::database::OpenError;
use self::error::During as _;
pub use self::error::StorageError;
pub use self::event::{
    BATCH_EVENTS_MAX, BatchId, Document, Head, HexError, InvalidBatch, Mac, NAME_BYTES_MAX,
    NewEvent, PAYLOAD_BYTES_MAX, Recorded, Sequence,
};
pub use self::idempotency::{IdempotencyRecord, RESPONSE_BYTES_MAX};
pub use self::models::{
    CursorError, DeliveryCursor, DeliveryFilter, DeliveryRow, IncidentCursor, IncidentFilter,
    IncidentRow, Page, ReadModel, ReadModelChange, Stored, TokenRow,
};
pub use self::read::{EventFilter, PAGE_ITEMS_MAX};
pub use self::replay::{Replay, ReplayError};
pub use self::transfer::{ExportError, ImportError};
pub use self::verify::{ChainFault, Fault, VerifyReport};
pub use self::writer::{JournalWriter, OwnershipError, RebuildError};

/// Where the journal is kept and the key of its chain.
#[derive(Clone)]
pub struct JournalSettings {
    /// The path of an SQLite file (created if missing), or `postgres://…`.
    pub url: String,
    /// The key of the events' codes. A journal is read and continued with the key that it was begun with.
    pub mac_key: [u8; 32],
}

impl fmt::Debug for JournalSettings {
    /// Shows neither the key nor the address, which may hold a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JournalSettings")
            .finish_non_exhaustive()
    }
}

/// An open journal, for reading. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: Database,
    key: ChainKey,
    /// The newest sequence that this process has seen committed.
    newest: watch::Sender<Sequence>,
}

impl Journal {
    /// Opens the journal and brings its schema up to date. To write, [take ownership](Self::take_ownership).
    pub async fn open(settings: JournalSettings) -> Result<Self, OpenError> {
        let database = Database::open(&settings.url).await?;
        let key = ChainKey::new(&settings.mac_key);
        begin_empty(&database, &key).await?;
        let head = read_head(&database).await?.head;
        Ok(Self {
            shared: Arc::new(Shared {
                database,
                key,
                newest: watch::Sender::new(head.sequence),
            }),
        })
    }

    /// The newest event's position and code: where an append must start, and what to record outside for [`verify`](Self::verify).
    pub async fn head(&self) -> Result<Head, StorageError> {
        Ok(read_head(&self.shared.database).await?.head)
    }

    /// Follows the newest sequence, as committed by writers of this process. A reader that wakes reads on from where it was; however
    /// slow it is, it misses nothing.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Sequence> {
        self.shared.newest.subscribe()
    }

    /// Gives the connections back. Appends that have begun come to their end first.
    pub async fn close(&self) {
        self.shared.database.close().await;
    }
}

impl Shared {
    /// Tells the followers; a late answer never takes them back.
    fn announce(&self, head: Head) {
        self.newest.send_if_modified(|newest| {
            let grown = *newest < head.sequence;
            *newest = (*newest).max(head.sequence);
            grown
        });
    }
}

/// The head row as it is stored.
#[derive(Clone, Copy, Debug)]
struct HeadRow {
    head: Head,
    seal: Mac,
    epoch: i64,
    /// The highest sequence among the events, which is the head's own unless somebody interfered.
    events_newest: Option<Sequence>,
}

/// One statement, so one state of the database.
const READ_HEAD: &str = "SELECT sequence, mac, seal, epoch, (SELECT MAX(sequence) FROM events) FROM journal_head WHERE singleton = 1";

async fn read_head(database: &Database) -> Result<HeadRow, StorageError> {
    const OPERATION: &str = "read the head of the journal";
    let row = database
        .fetch_optional(READ_HEAD, &[])
        .await
        .during(OPERATION)?;
    head_row(row, OPERATION)
}

fn head_row(row: Option<database::Row>, operation: &'static str) -> Result<HeadRow, StorageError> {
    let impossible = |field| StorageError::ImpossibleRow {
        operation,
        row: "journal_head".to_owned(),
        field,
    };
    let row = row.ok_or_else(|| impossible("absence"))?;
    let sequence = |value: i64| Sequence::try_from(value).map_err(|_| impossible("sequence"));
    Ok(HeadRow {
        head: Head {
            sequence: sequence(row.get(0).during(operation)?)?,
            mac: read::code(&row, 1)
                .during(operation)?
                .ok_or_else(|| impossible("mac"))?,
        },
        seal: read::code(&row, 2)
            .during(operation)?
            .ok_or_else(|| impossible("seal"))?,
        epoch: row.get(3).during(operation)?,
        events_newest: row
            .get::<Option<i64>>(4)
            .during(operation)?
            .map(sequence)
            .transpose()?,
    })
}

/// The head row cannot come with the schema: its seal needs the key.
async fn begin_empty(database: &Database, key: &ChainKey) -> Result<(), StorageError> {
    const OPERATION: &str = "begin an empty journal";
    let present = database
        .fetch_optional(READ_HEAD, &[])
        .await
        .during(OPERATION)?;
    if present.is_some() {
        return Ok(());
    }
    let seal = key.seal(Head::EMPTY);
    let mut transaction = database.write().await.during(OPERATION)?;
    transaction
        .execute(
            "INSERT INTO journal_head (singleton, sequence, mac, seal, epoch) VALUES (1, 0, $1, $2, 0) ON CONFLICT DO NOTHING",
            &[Head::EMPTY.mac.0.as_slice().into(), seal.0.as_slice().into()],
        )
        .await
        .during(OPERATION)?;
    transaction
        .commit()
        .await
        .map_err(|error| StorageError::new(OPERATION, error.0))
}
