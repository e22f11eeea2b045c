//! Durations (`"1h30m"`) and sizes (`"2GiB"`) as text, both ways.
//!
//! A number without its unit is refused, with the spelling that was probably meant: a bare `30` means seconds to one
//! reader and minutes to the next, and a `GB` is not a `GiB`.

use std::time::Duration;

use super::rules::Fault;

/// The units of a duration from long to short, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The units of a size from large to small, in bytes.
const SIZE_UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// Reads `"250ms"`, `"5m"`, `"1h30m"`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, Fault> {
    read_duration(text).map_err(|fault| readable(fault, |instead| read_duration(instead).is_ok()))
}

/// Reads `"2GiB"`, `"512MiB"`; the result is in bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, Fault> {
    read_size(text).map_err(|fault| readable(fault, |instead| read_size(instead).is_ok()))
}

/// Keeps a suggestion only if it can be read itself.
fn readable(fault: Fault, is_readable: impl Fn(&str) -> bool) -> Fault {
    Fault {
        instead: fault.instead.filter(|instead| is_readable(instead)),
        ..fault
    }
}

fn read_duration(text: &str) -> Result<Duration, Fault> {
    let parts =
        split(text).ok_or_else(|| Fault::new("a duration is a number and a unit, like \"5m\""))?;
    if parts.is_empty() {
        return Err(Fault::new(
            "a duration is a number and a unit, like \"5m\"; this is empty",
        ));
    }
    let compact: String = parts
        .iter()
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    let mut total_ms: u64 = 0;
    let mut shorter_than = u64::MAX;
    for (number, unit) in &parts {
        let unit_ms = duration_unit(text, number, unit, &parts)?;
        if unit_ms >= shorter_than {
            return Err(Fault::new(
                "units go from long to short, each once, like \"1h30m\"",
            ));
        }
        shorter_than = unit_ms;
        if number.contains('.') {
            let whole =
                fraction_of(number, unit_ms).map(|ms| format_duration(Duration::from_millis(ms)));
            return Err(
                Fault::new("numbers are whole").instead_of(whole.filter(|_| parts.len() == 1))
            );
        }
        let part_ms = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit_ms));
        total_ms = part_ms
            .and_then(|part_ms| total_ms.checked_add(part_ms))
            .ok_or_else(|| Fault::new("this is too long to count"))?;
    }
    if compact != text {
        return Err(Fault::new("there are no spaces in a duration").instead_of(Some(compact)));
    }
    Ok(Duration::from_millis(total_ms))
}

/// Writes a duration as [`parse_duration`] reads it; parts of a millisecond are left out.
pub(crate) fn format_duration(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, unit_ms) in &DURATION_UNITS[1..] {
        if rest_ms >= *unit_ms {
            text.push_str(&format!("{}{unit}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

fn read_size(text: &str) -> Result<u64, Fault> {
    let example = "a size is a whole number and a unit (KiB, MiB, GiB, TiB), like \"2GiB\"";
    let parts = split(text).ok_or_else(|| Fault::new(example))?;
    let [(number, unit)] = parts.as_slice() else {
        return Err(Fault::new(example));
    };
    let Some((known, unit_bytes)) = size_unit(unit) else {
        return Err(Fault::new(example));
    };
    if unit.is_empty() {
        return Err(Fault::new(format!("{example}; this has no unit")));
    }
    if number.contains('.') {
        let smaller = SIZE_UNITS.iter().find(|(_, bytes)| *bytes < unit_bytes);
        let whole = smaller.and_then(|(smaller, bytes)| {
            fraction_of(number, unit_bytes)
                .filter(|total| total % bytes == 0)
                .map(|total| format!("{}{smaller}", total / bytes))
        });
        return Err(Fault::new("numbers are whole").instead_of(whole));
    }
    if format!("{number}{known}") != text {
        let reason = if *unit == known {
            "there are no spaces in a size"
        } else {
            "the units are KiB, MiB, GiB and TiB"
        };
        return Err(Fault::new(reason).instead_of(Some(format!("{number}{known}"))));
    }
    let bytes = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_bytes));
    bytes.ok_or_else(|| Fault::new("this is too large to count"))
}

/// Writes a size as [`parse_size`] reads it, in the largest unit that is exact; parts of a KiB are left out.
pub(crate) fn format_size(bytes: u64) -> String {
    let exact = SIZE_UNITS
        .iter()
        .find(|(_, unit_bytes)| bytes >= *unit_bytes && bytes.is_multiple_of(*unit_bytes));
    let (unit, unit_bytes) = exact.unwrap_or(&SIZE_UNITS[3]);
    format!("{}{unit}", bytes / unit_bytes)
}

/// The length of a duration's unit in milliseconds, or what to write in its place.
fn duration_unit(
    text: &str,
    number: &str,
    unit: &str,
    parts: &[(&str, &str)],
) -> Result<u64, Fault> {
    if let Some((_, unit_ms)) = DURATION_UNITS.iter().find(|(known, _)| *known == unit) {
        return Ok(*unit_ms);
    }
    if unit.is_empty() {
        let seconds = (parts.len() == 1).then(|| format!("{number}s"));
        return Err(
            Fault::new(format!("{text:?} has no unit (ms, s, m, h, d)")).instead_of(seconds)
        );
    }
    let meant = match unit.to_ascii_lowercase().trim_end_matches('s') {
        "day" | "d" => Some("d"),
        "hour" | "hr" | "h" => Some("h"),
        "minute" | "min" | "m" => Some("m"),
        "second" | "sec" | "" => Some("s"),
        "millisecond" | "milli" | "msec" => Some("ms"),
        _ => None,
    };
    let instead = meant
        .filter(|_| parts.len() == 1)
        .map(|meant| format!("{number}{meant}"));
    Err(Fault::new(format!(
        "{unit:?} is no unit of time; there are ms, s, m, h and d"
    ))
    .instead_of(instead))
}

/// The size unit that was written or probably meant, with its bytes; the empty one counts as MiB for a suggestion.
fn size_unit(unit: &str) -> Option<(&'static str, u64)> {
    let initial = match unit.to_ascii_lowercase().as_str() {
        "k" | "kb" | "ki" | "kib" => "KiB",
        "" | "m" | "mb" | "mi" | "mib" => "MiB",
        "g" | "gb" | "gi" | "gib" => "GiB",
        "t" | "tb" | "ti" | "tib" => "TiB",
        _ => return None,
    };
    SIZE_UNITS.into_iter().find(|(known, _)| *known == initial)
}

/// Splits `1h 30m` into numbers and units; none if it does not have that form.
fn split(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let number_end = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_end);
        let tail = tail.trim_start();
        let unit_end = tail
            .find(|letter: char| !letter.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        if number.is_empty()
            || number.starts_with('.')
            || number.ends_with('.')
            || number.matches('.').count() > 1
        {
            return None;
        }
        parts.push((number, unit));
        rest = tail.trim_start();
    }
    Some(parts)
}

/// `1.5` units as a whole number of the smallest, where it is one.
fn fraction_of(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.')?;
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = fraction.parse::<u64>().ok()?.checked_mul(unit)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    if part.is_multiple_of(scale) {
        whole.checked_add(part / scale)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
