//! Small pieces of text: times, durations, hashes, colours of states.

use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp, Unit};

pub use barq_core::report::count;

/// How many digits of a hash are shown.
const SHORT_HASH: usize = 12;

/// All lines but the first begin with `indent`.
pub fn indent(text: &str, indent: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{indent}"))
}

/// The first digits of a commit's or an image's hash.
pub fn short(hash: &str) -> &str {
    let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
    digits.get(..SHORT_HASH).unwrap_or(digits)
}

/// At most so many characters: the words that fit, and `…` for the rest.
pub fn shorten(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    let room = characters_max.saturating_sub(1);
    let kept: String = text.chars().take(room).collect();
    let whole_words = kept
        .rsplit_once(' ')
        .map_or(kept.as_str(), |(words, _)| words);
    format!("{}…", whole_words.trim_end_matches([' ', ',', ';', ':']))
}

/// A time as people say it: `2026-03-01 12:30:05Z`.
pub fn time(at: Timestamp) -> String {
    let at = at.round(Unit::Second).unwrap_or(at);
    at.to_string().replace('T', " ")
}

/// The time of the day only: `12:30:05`.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// A duration as people say it: `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration_ms(milliseconds: f64) -> String {
    let seconds = milliseconds / 1000.0;
    let whole = seconds.round() as u64;
    match whole {
        _ if milliseconds < 10.0 => format!("{milliseconds:.1} ms"),
        _ if seconds < 1.0 => format!("{milliseconds:.0} ms"),
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        ..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// What people write for a duration: `30s`, `10m`, `2h`, `1d`; none where it is none of these.
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let number: i64 = digits.parse().ok()?;
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number
        .checked_mul(seconds)
        .filter(|seconds| *seconds >= 0)
        .map(SignedDuration::from_secs)
}

/// How long until a time, or how long ago: `in 3 min 20 s`, `5.0 s ago`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let milliseconds = (at.as_millisecond() - now.as_millisecond()) as f64;
    match milliseconds {
        0.0.. => format!("in {}", duration_ms(milliseconds)),
        _ => format!("{} ago", duration_ms(-milliseconds)),
    }
}

/// A state's name in its colour: good, bad, or on the way.
pub fn state(name: &str) -> String {
    let color = match name {
        "succeeded" | "passed" | "healthy" | "ok" => AnsiColor::Green,
        "failed" | "rolled_back" | "rolling_back" | "timed_out" | "rejected" | "unhealthy"
        | "aborted" => AnsiColor::Red,
        "awaiting_approval" | "paused" | "expired" | "skipped" => AnsiColor::Yellow,
        "cancelled" | "superseded" | "stopped" => AnsiColor::BrightBlack,
        _ => AnsiColor::Cyan,
    };
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{name}{style:#}")
}

/// Bold.
pub fn strong(text: &str) -> String {
    let style = Style::new().bold();
    format!("{style}{text}{style:#}")
}

/// A mark for yes, no, and "not enough evidence".
pub fn mark(ok: Option<bool>) -> String {
    let (color, mark) = match ok {
        Some(true) => (AnsiColor::Green, "✓"),
        Some(false) => (AnsiColor::Red, "✗"),
        None => (AnsiColor::Yellow, "?"),
    };
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{mark}{style:#}")
}
