//! The journal's schema, as numbered steps for each database.
//!
//! The two databases have a file each: their types and collations differ, and a schema reads better in one piece than assembled. The
//! files are compiled in, so that a binary always carries the schema it needs. A file that was ever released is never edited: sqlx keeps
//! the checksum of what it applied and refuses to go on.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// One step: its number, what it does, and the SQL for each database.
struct Step {
    number: i64,
    description: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const STEPS: &[Step] = &[Step {
    number: 1,
    description: "journal",
    sqlite: include_str!("../../migrations/sqlite/0001_journal.sql"),
    postgres: include_str!("../../migrations/postgres/0001_journal.sql"),
}];

/// The steps for SQLite.
pub(super) fn sqlite() -> Migrator {
    migrator(|step| step.sqlite)
}

/// The steps for PostgreSQL.
pub(super) fn postgres() -> Migrator {
    migrator(|step| step.postgres)
}

fn migrator(sql: fn(&Step) -> &'static str) -> Migrator {
    let migration = |step: &Step| {
        Migration::new(
            step.number,
            step.description.into(),
            MigrationType::Simple,
            sql(step).into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(STEPS.iter().map(migration).collect())
}
