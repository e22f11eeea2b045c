//! The journal as a portable file: JSON lines that either database reads back.
//!
//! A header, one line per event with its code, and a last line with the head, so that a file that was cut short is no journal. The codes
//! travel along: an import checks the chain with the same key, and goes in one transaction into an empty journal or not at all. Payloads are
//! carried as strings, because the codes cover their bytes. Read models are not carried: they are filled again from the events.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

use super::append::{AppendError, advance, insert_events, refusal};
use super::error::{During as _, StorageError};
use super::event::{Document, Head, NewEvent, PAYLOAD_BYTES_MAX, Recorded, Sequence};
use super::models;
use super::replay::ReplayError;
use super::{Journal, JournalWriter};

const FORMAT: &str = "barq-journal";
const FORMAT_VERSION: u32 = 1;
/// A line: the longest payload with every byte escaped (`\u0000`), and room for the rest.
const LINE_BYTES_MAX: u64 = 12 * PAYLOAD_BYTES_MAX as u64 + 64 * 1024;
/// Events that are checked and written together; what an import holds in memory.
const IMPORT_EVENTS_MAX: usize = 500;

/// Why a journal could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal could not be read, or is broken.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The file could not be written.
    #[error("could not write the exported journal")]
    Write(#[source] io::Error),
    /// An event could not be put into JSON.
    #[error("could not encode event {sequence}")]
    Encode {
        /// Which.
        sequence: Sequence,
        /// Why.
        source: serde_json::Error,
    },
}

/// Why a journal could not be imported. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could not be read.
    #[error("could not read line {line} of the exported journal")]
    Read {
        /// Counted from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is longer than any that an export writes.
    #[error("line {line} of the exported journal is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong {
        /// Counted from 1.
        line: u64,
    },
    /// A line is not what an export writes.
    #[error("line {line} of the exported journal cannot be understood")]
    Line {
        /// Counted from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// The header is missing, or of another format.
    #[error("this is no exported journal of format {FORMAT} {FORMAT_VERSION}")]
    Header,
    /// The chain does not hold under this key.
    #[error(
        "event {sequence} of the exported journal does not verify: the key is another, or the file was altered"
    )]
    Broken {
        /// The first event that does not.
        sequence: Sequence,
    },
    /// The file ends early, or goes on after its end.
    #[error("the exported journal is incomplete: it does not end with its head")]
    Incomplete,
    /// The journal already has events, or was taken over.
    #[error("could not import into this journal")]
    Refused(#[source] Box<AppendError>),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Header { format: String, version: u32 },
    Event(EventLine),
    End { sequence: Sequence, mac: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct EventLine {
    sequence: Sequence,
    at_micros: i64,
    actor: String,
    app: Option<String>,
    subject: String,
    kind: String,
    version: u16,
    payload: String,
    batch: String,
    mac: String,
}

impl Journal {
    /// Writes all events that are there now; answers the head that the file ends with. The caller makes the file durable.
    pub async fn export(
        &self,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<Head, ExportError> {
        let last = self.head().await.map_err(ReplayError::from)?;
        let header = Line::Header {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
        };
        write_line(out, &header, 0).await?;
        let mut replay = self.replay(Head::EMPTY);
        let mut at = Head::EMPTY;
        while at.sequence < last.sequence {
            let page = replay.next_page().await?;
            if page.is_empty() {
                let sequence = at.sequence + 1;
                return Err(ReplayError::Broken { sequence }.into());
            }
            for recorded in page
                .iter()
                .take_while(|recorded| recorded.sequence <= last.sequence)
            {
                write_line(out, &Line::Event(event_line(recorded)), recorded.sequence).await?;
                at = Head::from(recorded);
            }
        }
        let end = Line::End {
            sequence: at.sequence,
            mac: at.mac.to_string(),
        };
        write_line(out, &end, at.sequence).await?;
        out.flush().await.map_err(ExportError::Write)?;
        Ok(at)
    }
}

impl JournalWriter {
    /// Fills this empty journal with an exported one, after checking its chain under this journal's key. The read models count as not filled
    /// afterwards.
    pub async fn import(
        &self,
        input: &mut (impl AsyncBufRead + Unpin + Send),
    ) -> Result<Head, ImportError> {
        const OPERATION: &str = "import a journal";
        let mut lines = Lines { input, number: 0 };
        match lines.next().await? {
            Some(Line::Header { format, version })
                if format == FORMAT && version == FORMAT_VERSION => {}
            _ => return Err(ImportError::Header),
        }
        let mut transaction = self.shared.database.write().await.during(OPERATION)?;
        // Held by us from here on; only the last step says where the journal now ends.
        if !advance(
            &mut transaction,
            &self.shared,
            self.epoch,
            Head::EMPTY,
            Head::EMPTY,
        )
        .await?
        {
            let refusal = refusal(transaction, self.epoch, Head::EMPTY).await?;
            return Err(ImportError::Refused(Box::new(refusal)));
        }
        let mut at = Head::EMPTY;
        let head = loop {
            let (events, end) = lines.batch().await?;
            at = self.check(at, &events)?;
            insert_events(&mut transaction, &events).await?;
            if let Some(end) = end {
                break end;
            }
        };
        if head != at || lines.next().await?.is_some() {
            return Err(ImportError::Incomplete);
        }
        if !advance(
            &mut transaction,
            &self.shared,
            self.epoch,
            Head::EMPTY,
            head,
        )
        .await?
        {
            let refusal = refusal(transaction, self.epoch, Head::EMPTY).await?;
            return Err(ImportError::Refused(Box::new(refusal)));
        }
        models::set_version(&mut transaction, 0).await?;
        transaction
            .commit()
            .await
            .map_err(|error| StorageError::new(OPERATION, error.0))?;
        self.shared.announce(head);
        Ok(head)
    }

    fn check(&self, mut at: Head, events: &[Recorded]) -> Result<Head, ImportError> {
        for recorded in events {
            let sequence = at.sequence + 1;
            if recorded.sequence != sequence || !self.shared.key.holds(at.mac, recorded) {
                return Err(ImportError::Broken { sequence });
            }
            at = Head::from(recorded);
        }
        Ok(at)
    }
}

struct Lines<'input, Input> {
    input: &'input mut Input,
    number: u64,
}

impl<Input: AsyncBufRead + Unpin + Send> Lines<'_, Input> {
    /// Events up to the limit of a batch, and the head where the end was met.
    async fn batch(&mut self) -> Result<(Vec<Recorded>, Option<Head>), ImportError> {
        let mut events = Vec::with_capacity(IMPORT_EVENTS_MAX);
        while events.len() < IMPORT_EVENTS_MAX {
            match self.next().await?.ok_or(ImportError::Incomplete)? {
                Line::Event(line) => {
                    let sequence = line.sequence;
                    events.push(recorded(line).ok_or(ImportError::Broken { sequence })?);
                }
                Line::End { sequence, mac } => {
                    let mac = mac.parse().map_err(|_| ImportError::Incomplete)?;
                    return Ok((events, Some(Head { sequence, mac })));
                }
                Line::Header { .. } => return Err(ImportError::Header),
            }
        }
        Ok((events, None))
    }

    async fn next(&mut self) -> Result<Option<Line>, ImportError> {
        self.number += 1;
        let line = self.number;
        let mut text = Vec::new();
        let mut limited = (&mut *self.input).take(LINE_BYTES_MAX);
        let bytes = limited
            .read_until(b'\n', &mut text)
            .await
            .map_err(|source| ImportError::Read { line, source })?;
        if bytes == 0 {
            return Ok(None);
        }
        if bytes as u64 == LINE_BYTES_MAX {
            return Err(ImportError::LineTooLong { line });
        }
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| ImportError::Line { line, source })
    }
}

async fn write_line(
    out: &mut (impl AsyncWrite + Unpin + Send),
    line: &Line,
    sequence: Sequence,
) -> Result<(), ExportError> {
    let mut text =
        serde_json::to_vec(line).map_err(|source| ExportError::Encode { sequence, source })?;
    text.push(b'\n');
    out.write_all(&text).await.map_err(ExportError::Write)
}

fn event_line(recorded: &Recorded) -> EventLine {
    let event = recorded.event.clone();
    EventLine {
        sequence: recorded.sequence,
        at_micros: event.at.as_microsecond(),
        actor: event.actor,
        app: event.app,
        subject: event.subject,
        kind: event.kind,
        version: event.version,
        payload: event.payload.as_str().to_owned(),
        batch: recorded.batch.to_string(),
        mac: recorded.mac.to_string(),
    }
}

/// None where a field holds what no event can.
fn recorded(line: EventLine) -> Option<Recorded> {
    Some(Recorded {
        sequence: line.sequence,
        event: NewEvent {
            at: Timestamp::from_microsecond(line.at_micros).ok()?,
            actor: line.actor,
            app: line.app,
            subject: line.subject,
            kind: line.kind,
            version: line.version,
            payload: Document::stored(line.payload),
        },
        batch: line.batch.parse().ok()?,
        mac: line.mac.parse().ok()?,
    })
}
