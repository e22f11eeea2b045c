//! What `up` and a child say to each other on the child's connection to `up.sock`, after it got its listener there.
//!
//! A word a line, in each direction; whatever the other does not know it leaves unheard, so that two versions get along.
//! The connection is the child's for its life: what is said on it can't reach another process, as a signal could, and its
//! end tells each that the other is gone. Both ends are this program, so lines need no bound.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// What `up` tells a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Leave everything to the next node, but serve on.
    HandOver,
    /// Accept no more, let what is in flight end, and end; the instances stay.
    End,
}

/// What a node tells `up`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It runs, and waits for the node before it to hand over.
    Waits,
    /// It serves.
    Serves,
    /// The next node may take over; it serves on.
    HandedOver,
    /// It does not hand over, and why.
    Keeps(String),
}

impl Order {
    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::HandOver => "hand-over",
            Self::End => "end",
        }
    }

    fn read(line: &str) -> Option<Self> {
        [Self::HandOver, Self::End]
            .into_iter()
            .find(|order| order.word() == line)
    }
}

impl Said {
    /// As it is written.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Waits => "waits".to_owned(),
            Self::Serves => "serves".to_owned(),
            Self::HandedOver => "handed-over".to_owned(),
            Self::Keeps(why) => format!("keeps {}", why.replace('\n', " ")),
        }
    }

    /// What a line says; none for what a later version says.
    pub(crate) fn read(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("keeps", why)) => Some(Self::Keeps(why.to_owned())),
            _ => [Self::Waits, Self::Serves, Self::HandedOver]
                .into_iter()
                .find(|said| said.words() == line),
        }
    }
}

/// A child's end of the line.
#[derive(Debug)]
pub(crate) struct Lifeline {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Lifeline {
    /// On the connection over which the listener came.
    pub(crate) fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            lines: BufReader::new(reader).lines(),
            writer,
        }
    }

    /// The next order; none: `up` is gone. Nothing is lost if this is given up and asked again.
    pub(crate) async fn order(&mut self) -> Option<Order> {
        loop {
            match self.lines.next_line().await {
                Ok(Some(line)) => match Order::read(&line) {
                    Some(order) => return Some(order),
                    None => {
                        tracing::warn!(line, "up says something that this version does not know");
                    }
                },
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Tells `up`. One that is gone hears nothing, and [`Self::order`] tells so.
    pub(crate) async fn say(&mut self, said: &Said) {
        let line = format!("{}\n", said.words());
        if let Err(error) = self.writer.write_all(line.as_bytes()).await {
            tracing::debug!(%error, "up does not hear");
        }
    }
}

#[cfg(test)]
mod tests;
