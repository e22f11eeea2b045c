//! Durations in stored JSON: whole milliseconds, under field names that end in `_ms`.
//!
//! A number with its unit in the name reads the same in every language and for ever; serde's own form of a duration
//! (`{secs, nanos}`) does not. The parser refuses durations finer than a millisecond, so nothing is lost.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Writes whole milliseconds; a duration too long for the type (584 million years) is written as the longest.
pub(crate) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Reads whole milliseconds.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}
