//! What a line of the log looks like to the one who reads it.

use std::io;
use std::sync::Arc;

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(emit: impl FnOnce()) -> Vec<Value> {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::registry().with(layer(Box::new(captured.clone())));
    tracing::subscriber::with_default(subscriber, emit);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_event_carries_its_spans_fields() {
    let lines = lines(|| {
        let _request = tracing::info_span!("request", request_id = "r-1", trace = "t-1").entered();
        tracing::error!(operation = "read", attempts = 3, "the database said: \"no\"\n");
    });
    assert_eq!(lines.len(), 1);
    for (field, expected) in [
        ("severity", Value::from("ERROR")),
        ("message", "the database said: \"no\"\n".into()),
        ("request_id", "r-1".into()),
        ("trace", "t-1".into()),
        ("operation", "read".into()),
        ("attempts", 3.into()),
    ] {
        assert_eq!(lines[0][field], expected, "{field}");
    }
    assert!(lines[0]["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn sources_are_told_once_each() {
    let error = io::Error::new(io::ErrorKind::NotFound, "no such host");
    let error = sqlx::Error::Io(error);
    assert!(with_sources(&error).contains("no such host"));
}

#[test]
fn the_last_words_are_a_line_of_the_log() {
    let line: Value = serde_json::from_str(&line("CRITICAL", "configuration: DATABASE_URL is not set")).unwrap();
    assert_eq!(line["severity"], "CRITICAL");
    assert_eq!(line["message"], "configuration: DATABASE_URL is not set");
}
