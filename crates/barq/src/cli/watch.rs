//! `barq watch`: follows a delivery and tells its story as it happens.
//!
//! An event is a reason to read the delivery again; what is printed is its timeline, from where it was left. So a
//! server that restarts in between costs nothing: after the connection comes back, the story goes on at its next line.

use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::Context;
use super::delivery_text::{story_line, summary, waiting_line};
use crate::client::Client;
use crate::client::events::Events;
use crate::client::types::Delivery;
use crate::output::text::state;
use crate::output::{Exit, Failure};

/// How long a server may stay away before the watch ends with exit code 3.
const RECONNECT_PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait for an event before the delivery is read again anyway.
const REREAD_INTERVAL: Duration = Duration::from_secs(10);
/// How often the countdown moves, on a terminal.
const REDRAW_INTERVAL: Duration = Duration::from_secs(1);
/// The first new attempt to read the delivery; each further one waits twice as long.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// No attempt waits longer.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// `barq watch [DELIVERY]`.
pub(super) async fn watch(context: &Context, id: Option<String>) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = context.delivery(&client, id).await?;
    let mut story = Story::new(context, format!("{}/deliveries/{id}", client.server()));
    let mut events = Events::new(client.clone(), vec![("delivery", id.clone())]);
    // The server is there at the start, or the command is wrong: only later it may be away for a while.
    let mut patience = Duration::ZERO;
    loop {
        events.connect(patience).await?;
        let delivery = read(&client, &id, patience).await?;
        patience = RECONNECT_PATIENCE;
        if let Some(exit) = story.tell(&delivery) {
            return Ok(exit);
        }
        story.wait(&mut events, &delivery).await;
    }
}

struct Story<'a> {
    context: &'a Context,
    /// Where it is seen in a browser.
    page: String,
    told: usize,
    waiting: Option<String>,
    drawn: bool,
}

impl<'a> Story<'a> {
    fn new(context: &'a Context, page: String) -> Self {
        Self {
            context,
            page,
            told: 0,
            waiting: None,
            drawn: false,
        }
    }

    /// Prints what is new. The exit code, where the delivery has come to its gate or its end.
    fn tell(&mut self, delivery: &Delivery) -> Option<Exit> {
        let output = self.context.output;
        self.erase();
        if self.told == 0 && !output.json() {
            output.note(&format!("{}\n{}", summary_head(delivery), self.page));
        }
        for entry in delivery.timeline.iter().skip(self.told) {
            match output.json() {
                true => output.document(entry),
                false => output.text(&story_line(entry)),
            }
        }
        self.told = self.told.max(delivery.timeline.len());
        let at_gate = delivery.state == "awaiting_approval";
        if !delivery.ended() && !at_gate {
            self.tell_waiting(delivery);
            return None;
        }
        self.conclude(delivery, at_gate);
        match at_gate || delivery.state == "succeeded" {
            true => Some(Exit::Done),
            false => Some(Exit::Failed),
        }
    }

    fn conclude(&self, delivery: &Delivery, at_gate: bool) {
        let output = self.context.output;
        if output.json() {
            output.document(delivery);
            return;
        }
        output.note("");
        output.text(&summary(delivery, Timestamp::now()));
        if at_gate {
            output.note(&format!(
                "\nstaging is verified; `barq approve {id}` sends it to production, `barq reject {id}` does not",
                id = delivery.id
            ));
        }
    }

    /// Where there is no terminal for a countdown, a new reason to wait is a line of its own.
    fn tell_waiting(&mut self, delivery: &Delivery) {
        let message = delivery
            .waiting
            .as_ref()
            .map(|waiting| waiting.message.clone());
        let output = self.context.output;
        if message == self.waiting || output.interactive() || output.json() {
            return;
        }
        if let Some(waiting) = &delivery.waiting {
            let line = waiting_line(waiting, Timestamp::now());
            output.note(&format!("          waiting: {line}"));
        }
        self.waiting = message;
    }

    /// Until something has happened, or may have.
    async fn wait(&mut self, events: &mut Events, delivery: &Delivery) {
        let reread = tokio::time::sleep(REREAD_INTERVAL);
        tokio::pin!(reread);
        loop {
            self.draw(delivery);
            tokio::select! {
                _ = events.next() => return,
                () = &mut reread => return,
                () = tokio::time::sleep(REDRAW_INTERVAL), if self.context.output.interactive() => {}
            }
        }
    }

    /// The state and its countdown, on the terminal's last line.
    fn draw(&mut self, delivery: &Delivery) {
        if !self.context.output.interactive() {
            return;
        }
        let waiting = delivery
            .waiting
            .as_ref()
            .map_or_else(String::new, |waiting| {
                format!(": {}", waiting_line(waiting, Timestamp::now()))
            });
        let mut stdout = anstream::stdout();
        // A terminal that went away ends the command by its signal, not here.
        drop(write!(
            stdout,
            "\r\x1b[K{}{waiting}",
            state(&delivery.state)
        ));
        drop(stdout.flush());
        self.drawn = true;
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.drawn) {
            drop(write!(anstream::stdout(), "\r\x1b[K"));
        }
    }
}

fn summary_head(delivery: &Delivery) -> String {
    format!(
        "{}  {}  {}",
        delivery.id,
        crate::output::text::short(&delivery.commit),
        super::delivery_text::first_line(&delivery.message)
    )
}

/// The delivery, from a server that may be restarting.
async fn read(client: &Client, id: &str, patience: Duration) -> Result<Delivery, Failure> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut delay = RETRY_MIN;
    loop {
        let failure = match client.get(&["api", "v1", "deliveries", id], &[]).await {
            Ok(delivery) => return Ok(delivery),
            Err(failure) => failure,
        };
        let late = tokio::time::Instant::now() + delay > deadline;
        if failure.exit != Exit::Unreachable || late {
            return Err(failure);
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(RETRY_MAX);
    }
}
