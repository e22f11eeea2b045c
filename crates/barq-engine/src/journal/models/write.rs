//! Writing the read models, inside the transaction of an append or of a rebuild.

use super::super::append::stored_sequence;
use super::super::database::{Value, WriteTransaction};
use super::super::error::{During as _, StorageError};
use super::super::event::Sequence;
use super::{DeliveryRow, IncidentRow, ReadModel, ReadModelChange, TokenRow};

const PUT_DELIVERY: &str = "INSERT INTO deliveries \
     (id, app, number, state, commit_hash, created_at_micros, finished_at_micros, document, sequence) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET app = excluded.app, number = excluded.number, \
     state = excluded.state, commit_hash = excluded.commit_hash, created_at_micros = excluded.created_at_micros, \
     finished_at_micros = excluded.finished_at_micros, document = excluded.document, sequence = excluded.sequence";
const PUT_INCIDENT: &str = "INSERT INTO incidents (id, app, environment, opened_at_micros, state, document, sequence) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET app = excluded.app, \
     environment = excluded.environment, opened_at_micros = excluded.opened_at_micros, state = excluded.state, \
     document = excluded.document, sequence = excluded.sequence";
const PUT_TOKEN: &str = "INSERT INTO tokens (name, role, hash, created_at_micros, revoked_at_micros, sequence) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET role = excluded.role, hash = excluded.hash, \
     created_at_micros = excluded.created_at_micros, revoked_at_micros = excluded.revoked_at_micros, sequence = excluded.sequence";
const PUT_SETTING: &str = "INSERT INTO settings (key, value, sequence) VALUES ($1, $2, $3) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, sequence = excluded.sequence";

/// Applies one change, which follows from the event at `sequence`.
pub(in crate::journal) async fn apply(
    transaction: &mut WriteTransaction,
    change: &ReadModelChange,
    sequence: Sequence,
) -> Result<(), StorageError> {
    let (sql, mut values): (&'static str, Vec<Value>) = match change {
        ReadModelChange::PutDelivery(row) => (PUT_DELIVERY, delivery(row)),
        ReadModelChange::PutIncident(row) => (PUT_INCIDENT, incident(row)),
        ReadModelChange::PutToken(row) => (PUT_TOKEN, token(row)),
        ReadModelChange::PutSetting { key, value } => (
            PUT_SETTING,
            vec![key.as_str().into(), value.as_str().into()],
        ),
        ReadModelChange::RemoveDelivery(id) => {
            return remove(transaction, "DELETE FROM deliveries WHERE id = $1", id).await;
        }
        ReadModelChange::RemoveIncident(id) => {
            return remove(transaction, "DELETE FROM incidents WHERE id = $1", id).await;
        }
        ReadModelChange::RemoveToken(name) => {
            return remove(transaction, "DELETE FROM tokens WHERE name = $1", name).await;
        }
        ReadModelChange::RemoveSetting(key) => {
            return remove(transaction, "DELETE FROM settings WHERE key = $1", key).await;
        }
    };
    values.push(stored_sequence(sequence));
    transaction
        .execute(sql, &values)
        .await
        .during("write a read model")?;
    Ok(())
}

/// Removes all rows of one read model.
pub(in crate::journal) async fn clear(
    transaction: &mut WriteTransaction,
    model: ReadModel,
) -> Result<(), StorageError> {
    let sql = match model {
        ReadModel::Deliveries => "DELETE FROM deliveries",
        ReadModel::Incidents => "DELETE FROM incidents",
        ReadModel::Tokens => "DELETE FROM tokens",
        ReadModel::Settings => "DELETE FROM settings",
    };
    transaction
        .execute(sql, &[])
        .await
        .during("empty a read model")?;
    Ok(())
}

/// Stores which version of the projecting code the rows are from.
pub(in crate::journal) async fn set_version(
    transaction: &mut WriteTransaction,
    version: u32,
) -> Result<(), StorageError> {
    transaction
        .execute(
            "UPDATE projection SET version = $1 WHERE singleton = 1",
            &[i64::from(version).into()],
        )
        .await
        .during("store the version of the read models")?;
    Ok(())
}

async fn remove(
    transaction: &mut WriteTransaction,
    sql: &'static str,
    key: &str,
) -> Result<(), StorageError> {
    transaction
        .execute(sql, &[key.into()])
        .await
        .during("remove from a read model")?;
    Ok(())
}

fn delivery(row: &DeliveryRow) -> Vec<Value> {
    vec![
        row.id.as_str().into(),
        row.app.as_str().into(),
        i64::from(row.number).into(),
        row.state.as_str().into(),
        row.commit_hash.as_str().into(),
        row.created_at.as_microsecond().into(),
        row.finished_at.map(|at| at.as_microsecond()).into(),
        row.document.as_str().into(),
    ]
}

fn incident(row: &IncidentRow) -> Vec<Value> {
    vec![
        row.id.as_str().into(),
        row.app.as_str().into(),
        row.environment.as_str().into(),
        row.opened_at.as_microsecond().into(),
        row.state.as_str().into(),
        row.document.as_str().into(),
    ]
}

fn token(row: &TokenRow) -> Vec<Value> {
    vec![
        row.name.as_str().into(),
        row.role.as_str().into(),
        row.hash.as_str().into(),
        row.created_at.as_microsecond().into(),
        row.revoked_at.map(|at| at.as_microsecond()).into(),
    ]
}
