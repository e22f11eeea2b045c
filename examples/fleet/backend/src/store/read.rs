//! Reading columns into the domain's values. A value that this version does not know is an error, never a guess.

use jiff::{SignedDuration, Timestamp};
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Postgres, Row, Type};

/// A `timestamptz` as a [`Timestamp`]. sqlx knows other time types only.
struct Moment(Timestamp);

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

/// 2000-01-01 in Unix time, s: PostgreSQL sends microseconds from then.
const POSTGRES_EPOCH_SECONDS: i64 = 946_684_800;

impl<'row> Decode<'row, Postgres> for Moment {
    fn decode(value: PgValueRef<'row>) -> Result<Self, sqlx::error::BoxDynError> {
        if value.format() != PgValueFormat::Binary {
            return Err("a timestamptz is read in its binary form only".into());
        }
        let microseconds = <i64 as Decode<Postgres>>::decode(value)?;
        let epoch = Timestamp::from_second(POSTGRES_EPOCH_SECONDS)?;
        Ok(Self(epoch.checked_add(SignedDuration::from_micros(microseconds))?))
    }
}

/// A moment.
pub(super) fn moment(row: &PgRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    row.try_get::<Moment, _>(column).map(|moment| moment.0)
}

/// A moment that may be missing.
pub(super) fn moment_or_null(row: &PgRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<Moment>, _>(column)?.map(|moment| moment.0))
}

/// A word of one of the domain's enumerations, e.g. `word(row, "status", VehicleStatus::from_text)`.
pub(super) fn word<T>(row: &PgRow, column: &str, from_text: impl Fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    from_text(&text).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: format!("this version does not know the word {text:?}").into(),
    })
}

/// All rows of a list.
pub(super) fn all<T>(
    rows: &[PgRow],
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, super::StoreError> {
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}
