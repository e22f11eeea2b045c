//! Errors and ends in words, for observations: people read them, and have nothing else when a deploy fails.

use std::error::Error;
use std::path::Path;

use barq_shim::{ExitOutcome, ExitRecord, output};

/// Lines of output that explain a failure.
const TAIL_LINES_MAX: usize = 20;

/// Bytes of output that explain a failure.
const TAIL_BYTES_MAX: usize = 4 * 1024;

/// What programs say when their port is taken (`EADDRINUSE` of libc, Node.js, Java, Go, Python …).
const PORT_TAKEN_WORDS: [&str; 2] = ["address already in use", "eaddrinuse"];

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// How a process ended.
pub(super) fn exit(record: Option<&ExitRecord>) -> String {
    match record.map(|record| &record.outcome) {
        Some(ExitOutcome::Code(code)) => format!("it exited with code {code}"),
        Some(ExitOutcome::Signal(signal)) => format!("signal {signal} ended it"),
        Some(ExitOutcome::SpawnFailed(why)) => format!("it could not be started: {why}"),
        Some(ExitOutcome::Lost) | None => "it is gone without a trace of its end".to_owned(),
    }
}

/// The end of a run's output; empty if there is none.
pub(super) fn tail(directory: &Path) -> String {
    let lines = match output::tail(directory, TAIL_LINES_MAX) {
        Ok(chunk) => chunk.lines,
        Err(error) => return format!("(its output: {})", chain(&error)),
    };
    let text = lines
        .into_iter()
        .map(|line| line.text)
        .collect::<Vec<_>>()
        .join("\n");
    let surplus = text.len().saturating_sub(TAIL_BYTES_MAX);
    let start = (surplus..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    text[start..].to_owned()
}

/// A failure with the end of the output.
pub(super) fn with_tail(failure: &str, tail: &str) -> String {
    if tail.is_empty() {
        failure.to_owned()
    } else {
        format!("{failure}\n{tail}")
    }
}

/// Whether the end of the output says that the port was taken.
pub(super) fn says_port_taken(tail: &str) -> bool {
    let tail = tail.to_lowercase();
    PORT_TAKEN_WORDS.iter().any(|words| tail.contains(words))
}
