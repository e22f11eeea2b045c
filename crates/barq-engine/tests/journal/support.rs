//! Places for journals, on either database, and events to put into them.

use std::path::PathBuf;

use barq_engine::journal::{
    Batch, Document, Head, Journal, JournalSettings, JournalWriter, NewEvent,
};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

pub(crate) const KEY: [u8; 32] = [42; 32];
/// 2026-01-02T03:04:05.000006Z, in microseconds.
const BEGIN_MICROS: i64 = 1_767_323_045_000_006;

/// The database that a test runs on.
#[derive(Clone, Debug)]
pub(crate) enum Server {
    Sqlite,
    Postgres { url: String },
}

/// Room for one journal.
#[derive(Debug)]
pub(crate) struct Place {
    server: Server,
    directory: TempDir,
    schema: String,
}

impl Server {
    pub(crate) fn postgres() -> Option<Self> {
        match std::env::var("BARQ_TEST_POSTGRES_URL") {
            Ok(url) if !url.is_empty() => Some(Self::Postgres { url }),
            _ => {
                eprintln!("NOT RUN on PostgreSQL: BARQ_TEST_POSTGRES_URL is not set");
                None
            }
        }
    }

    pub(crate) async fn place(&self) -> Place {
        let directory = tempfile::tempdir().unwrap();
        let schema = directory.path().file_name().unwrap().to_str().unwrap();
        let schema: String = schema.chars().filter(char::is_ascii_alphanumeric).collect();
        let place = Place {
            server: self.clone(),
            schema: format!("journal_{}_{}", std::process::id(), schema.to_lowercase()),
            directory,
        };
        if let Self::Postgres { url } = self {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let sql = format!("CREATE SCHEMA {}", place.schema);
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await
                .unwrap();
            connection.close().await.unwrap();
        }
        place
    }
}

impl Place {
    pub(crate) fn url(&self) -> String {
        match &self.server {
            Server::Sqlite => self.file().to_str().unwrap().to_owned(),
            Server::Postgres { url } => self.in_schema(url),
        }
    }

    pub(crate) fn in_schema(&self, url: &str) -> String {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}options[search_path]={}", self.schema)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("journal.sqlite")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) async fn open(&self) -> Journal {
        open_at(self.url()).await
    }

    pub(crate) async fn owner(&self) -> JournalWriter {
        self.open().await.take_ownership().await.unwrap()
    }

    /// Runs SQL behind the journal's back.
    pub(crate) async fn raw(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.server {
            Server::Sqlite => {
                let mut connection = SqliteConnection::connect(&self.url()).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Server::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url()).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// Removes what a temporary directory does not.
    pub(crate) async fn end(self) {
        if let Server::Postgres { .. } = self.server {
            self.raw(&format!("DROP SCHEMA {} CASCADE", self.schema))
                .await;
        }
    }
}

pub(crate) async fn open_at(url: String) -> Journal {
    Journal::open(JournalSettings { url, mac_key: KEY })
        .await
        .unwrap()
}

pub(crate) fn at(offset_micros: i64) -> Timestamp {
    Timestamp::from_microsecond(BEGIN_MICROS + offset_micros).unwrap()
}

/// The `number`-th of a series of different events.
pub(crate) fn event(number: u64) -> NewEvent {
    NewEvent {
        at: at(i64::try_from(number).unwrap()),
        actor: format!("actor-{}", number % 3),
        app: (!number.is_multiple_of(4)).then(|| format!("app-{}", number % 2)),
        subject: format!("delivery:fleet-{}", number % 5),
        kind: format!("kind-{}", number % 7),
        version: 1,
        payload: Document::encode(
            &serde_json::json!({ "number": number, "text": "ünïcode \u{0}" }),
        )
        .unwrap(),
    }
}

pub(crate) fn batch(numbers: impl IntoIterator<Item = u64>) -> Batch {
    Batch {
        events: numbers.into_iter().map(event).collect(),
        ..Batch::default()
    }
}

/// Appends the first `count` events one by one.
pub(crate) async fn fill(writer: &JournalWriter, count: u64) -> Head {
    let mut head = writer.journal().head().await.unwrap();
    for number in 1..=count {
        head = writer.append(head, batch([number])).await.unwrap().head;
    }
    head
}

/// The whole journal holds.
pub(crate) async fn assert_intact(journal: &Journal) {
    let report = journal.verify(1, &[]).await.unwrap();
    assert_eq!(report.fault, None);
    assert_eq!(report.through, journal.head().await.unwrap());
}
