//! The journal's stream of server-sent events, taken up again where it broke.
//!
//! An event here is a reason to look: the caller reads the state that it shows anew. So nothing is lost that matters
//! when the stream breaks, and `Last-Event-ID` only keeps the caller from missing the change between two connections.

use std::time::Duration;

use super::Client;
use super::lines::Lines;
use crate::output::Failure;

/// The first new connection is tried after this; each further one after twice as long.
const RECONNECT_MIN: Duration = Duration::from_millis(100);
/// No new connection waits longer.
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// A server sends a sign of life every 15 seconds; after three missing ones it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its place in the journal.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Its document.
    pub data: String,
}

/// The stream.
pub struct Events {
    client: Client,
    query: Vec<(&'static str, String)>,
    last: Option<String>,
    lines: Option<Lines>,
    parser: Parser,
}

impl Events {
    /// Events of what the query says, from the first connection on.
    pub fn new(client: Client, query: Vec<(&'static str, String)>) -> Self {
        Self {
            client,
            query,
            last: None,
            lines: None,
            parser: Parser::default(),
        }
    }

    /// Connects if it is not connected. After that no event is missed.
    ///
    /// # Errors
    /// When the server stays away for longer than `patience`, or refuses.
    pub async fn connect(&mut self, patience: Duration) -> Result<(), Failure> {
        if self.lines.is_some() {
            return Ok(());
        }
        let deadline = tokio::time::Instant::now() + patience;
        let mut delay = RECONNECT_MIN;
        loop {
            let mut headers = vec![("accept", "text/event-stream".to_owned())];
            headers.extend(self.last.clone().map(|last| ("last-event-id", last)));
            let path = ["api", "v1", "events"];
            match self.client.stream(&path, &self.query, &headers).await {
                Ok(response) => {
                    self.parser = Parser::default();
                    self.lines = Some(Lines::new(response));
                    return Ok(());
                }
                Err(failure) => {
                    let temporary = matches!(
                        failure.exit,
                        crate::output::Exit::Unreachable | crate::output::Exit::Failed
                    );
                    if !temporary || tokio::time::Instant::now() + delay > deadline {
                        return Err(failure);
                    }
                }
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(RECONNECT_MAX);
        }
    }

    /// The next event; none when the connection is gone and [`Self::connect`] is due. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let lines = self.lines.as_mut()?;
            let line = tokio::time::timeout(SILENCE_MAX, lines.next()).await;
            let Ok(Ok(Some(line))) = line else {
                self.lines = None;
                return None;
            };
            if let Some(event) = self.parser.line(&line) {
                if !event.id.is_empty() {
                    self.last = Some(event.id.clone());
                }
                return Some(event);
            }
        }
    }
}

/// The format of server-sent events (WHATWG HTML, section 9.2), as far as a server of ours uses it.
#[derive(Debug, Default)]
pub(super) struct Parser(Event);

impl Parser {
    /// Takes a line; an empty one ends an event.
    pub(super) fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.0);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.0.id),
            "event" => value.clone_into(&mut self.0.kind),
            "data" => {
                if !self.0.data.is_empty() {
                    self.0.data.push('\n');
                }
                self.0.data.push_str(value);
            }
            // A comment, or a field that we do not use.
            _ => {}
        }
        None
    }
}
