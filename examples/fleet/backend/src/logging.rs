//! The log: one JSON object a line on standard output, in the fields that Cloud Logging and barq read (`severity`,
//! `message`, `time`, and whatever the event and its spans carry: `request_id`, `trace`, …).
//!
//! A small layer of our own, because `tracing-subscriber`'s JSON nests fields where no log store looks for them.
//! Must never fail a request: a line that cannot be written is lost.

use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Installs the log for the whole process, and the hook that logs a panic's message and place with the request's id.
pub fn install(levels: &Targets, output: Box<dyn Write + Send>) {
    let subscriber = tracing_subscriber::registry().with(layer(output).with_filter(levels.clone()));
    if let Err(error) = subscriber.try_init() {
        tracing::warn!(error = %error, "a log was installed before; it stays");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("panic without a message");
        tracing::error!(place, "panic: {message}");
    }));
}

/// The layer that writes the lines.
pub fn layer<S>(output: Box<dyn Write + Send>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    JsonLines { output: Mutex::new(output) }
}

/// A line of the log made by hand, for a process that ends before it has a log.
#[must_use]
pub fn line(severity: &str, message: &str) -> String {
    format_line(severity, Map::from_iter([("message".to_owned(), message.into())]))
}

/// An error and what caused it, on one line.
#[must_use]
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("writing to a String cannot fail");
        source = cause.source();
    }
    text
}

struct JsonLines {
    output: Mutex<Box<dyn Write + Send>>,
}

impl<S> Layer<S> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.0.extend(outer.0.clone());
            }
        }
        event.record(&mut fields);
        fields.0.insert("target".to_owned(), event.metadata().target().into());
        let line = format_line(severity(event.metadata().level()), fields.0);
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // When standard output is gone there is nowhere left to report it.
        drop(output.write_all(line.as_bytes()));
    }
}

/// The fields of a span or an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

fn format_line(severity: &str, mut fields: Map<String, Value>) -> String {
    fields.insert("severity".to_owned(), severity.into());
    fields.insert("time".to_owned(), jiff::Timestamp::now().to_string().into());
    let mut line = Value::Object(fields).to_string();
    line.push('\n');
    line
}

/// The level's name in Cloud Logging.
fn severity(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

#[cfg(test)]
mod tests;
