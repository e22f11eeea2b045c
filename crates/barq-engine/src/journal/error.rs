//! What can go wrong between the journal and its database, sorted by what the caller can do about it.
//!
//! The two databases say the same thing in different codes (SQLite's result codes, PostgreSQL's SQLSTATE); the engine must not know
//! either. A full disk, a lock, a broken device and a lost connection are told apart because people answer them differently.

/// A failed database operation. `operation` completes the sentence "could not …".
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No space is left for the database. Nothing was written; it goes on once there is space.
    #[error("could not {operation}: the disk of the journal is full")]
    DiskFull {
        /// What was being done.
        operation: &'static str,
        /// The database's own words.
        source: sqlx::Error,
    },
    /// Another writer held the database for longer than the journal waits. Nothing was written; it may be tried again.
    #[error("could not {operation}: another writer holds the journal")]
    Locked {
        /// What was being done.
        operation: &'static str,
        /// The database's own words.
        source: sqlx::Error,
    },
    /// The device or the file system failed, or the file may not be written.
    #[error("could not {operation}: reading or writing the journal's storage failed")]
    InputOutput {
        /// What was being done.
        operation: &'static str,
        /// The database's own words.
        source: sqlx::Error,
    },
    /// The database server could not be reached, or the connection was lost.
    #[error("could not {operation}: no connection to the journal's database")]
    Disconnected {
        /// What was being done.
        operation: &'static str,
        /// The database's own words.
        source: sqlx::Error,
    },
    /// The database file is damaged or is no database.
    #[error("could not {operation}: the journal's database is damaged")]
    Damaged {
        /// What was being done.
        operation: &'static str,
        /// The database's own words.
        source: sqlx::Error,
    },
    /// A stored row holds a value that the journal never writes.
    #[error("could not {operation}: row {row} holds an impossible {field}")]
    ImpossibleRow {
        /// What was being done.
        operation: &'static str,
        /// The row's key.
        row: String,
        /// The field that could not be understood.
        field: &'static str,
    },
    /// Anything else that the database refused.
    #[error("could not {operation}: the journal's database refused")]
    Refused {
        /// What was being done.
        operation: &'static str,
        /// The database's own words.
        source: sqlx::Error,
    },
}

impl StorageError {
    pub(super) fn new(operation: &'static str, source: sqlx::Error) -> Self {
        match cause(&source) {
            Cause::DiskFull => Self::DiskFull { operation, source },
            Cause::Locked => Self::Locked { operation, source },
            Cause::InputOutput => Self::InputOutput { operation, source },
            Cause::Disconnected => Self::Disconnected { operation, source },
            Cause::Damaged => Self::Damaged { operation, source },
            Cause::Other => Self::Refused { operation, source },
        }
    }
}

/// Names the operation that a raw database error interrupted.
pub(super) trait During<T> {
    fn during(self, operation: &'static str) -> Result<T, StorageError>;
}

impl<T> During<T> for Result<T, sqlx::Error> {
    fn during(self, operation: &'static str) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::new(operation, source))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    DiskFull,
    Locked,
    InputOutput,
    Disconnected,
    Damaged,
    Other,
}

fn cause(error: &sqlx::Error) -> Cause {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            match code.parse::<u32>() {
                // SQLSTATE has five characters, SQLite's extended codes at most four digits.
                Ok(code_sqlite) if code.len() < SQLSTATE_CHARACTERS => cause_sqlite(code_sqlite),
                _ => cause_postgres(&code),
            }
        }
        sqlx::Error::PoolTimedOut => Cause::Locked,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Cause::Disconnected,
        _ => Cause::Other,
    }
}

const SQLSTATE_CHARACTERS: usize = 5;

/// The primary code is the low byte of the extended one: <https://www.sqlite.org/rescode.html>.
fn cause_sqlite(code: u32) -> Cause {
    match code & 0xff {
        13 => Cause::DiskFull,
        5 | 6 => Cause::Locked,
        // IOERR, READONLY, CANTOPEN, PERM.
        10 | 8 | 14 | 3 => Cause::InputOutput,
        // CORRUPT, NOTADB.
        11 | 26 => Cause::Damaged,
        _ => Cause::Other,
    }
}

/// <https://www.postgresql.org/docs/16/errcodes-appendix.html>.
fn cause_postgres(code: &str) -> Cause {
    match code {
        "53100" => Cause::DiskFull,
        // lock_not_available, serialization_failure, deadlock_detected, statement cancelled by a time-out.
        "55P03" | "40001" | "40P01" | "57014" => Cause::Locked,
        // io_error, undefined_file, read_only_sql_transaction.
        "58030" | "58P01" | "25006" => Cause::InputOutput,
        // too_many_connections, admin_shutdown, crash_shutdown, cannot_connect_now, idle_in_transaction_session_timeout.
        "53300" | "57P01" | "57P02" | "57P03" | "25P03" => Cause::Disconnected,
        "XX001" | "XX002" => Cause::Damaged,
        other if other.starts_with("08") => Cause::Disconnected,
        _ => Cause::Other,
    }
}

#[cfg(test)]
mod tests;
