//! Fills a journal with long histories of several apps, put together by time, through the journal's own interface: every
//! event has a valid code. The read models are left to the server, which fills them at its first start.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use barq_core::event::Recorded;
use barq_engine::journal::{BATCH_EVENTS_MAX, Batch, Journal, JournalSettings};
use jiff::Timestamp;

use super::super::Failure;
use super::history::{self, Plan};

/// Events of an app that wait to be written.
const WAITING_MAX: usize = 4_096;

/// Lives all histories at once and writes what happened. Returns the number of events.
pub(super) fn fill(settings: JournalSettings, plans: Vec<Plan>) -> Result<u64, Failure> {
    thread::scope(|scope| {
        let mut sources = Vec::new();
        let mut lives = Vec::new();
        for plan in plans {
            let (sender, receiver) = sync_channel(WAITING_MAX);
            lives.push(scope.spawn(move || {
                history::live(plan, |event| {
                    let gone = "the journal is not written any more";
                    sender.send(event).map_err(|_closed| gone.into())
                })
            }));
            sources.push(Source {
                next: None,
                receiver,
            });
        }
        let written = write(settings, sources);
        for life in lives {
            life.join()
                .map_err(|_panic| "a history panicked; its message is above")??;
        }
        written
    })
}

struct Source {
    next: Option<Recorded>,
    receiver: Receiver<Recorded>,
}

impl Source {
    fn time(&mut self) -> Option<Timestamp> {
        if self.next.is_none() {
            self.next = self.receiver.recv().ok();
        }
        self.next.as_ref().map(|event| event.at)
    }
}

fn write(settings: JournalSettings, mut sources: Vec<Source>) -> Result<u64, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let journal = Journal::open(settings).await?;
        let writer = journal.take_ownership().await?;
        let mut head = journal.head().await?;
        loop {
            let mut batch = Batch::default();
            while batch.events.len() < BATCH_EVENTS_MAX {
                let Some(event) = earliest(&mut sources) else {
                    break;
                };
                batch.events.push(barq_engine::encode(&event)?);
            }
            if batch.events.is_empty() {
                journal.close().await;
                return Ok(head.sequence);
            }
            head = writer.append(head, batch).await?.head;
        }
    })
}

fn earliest(sources: &mut [Source]) -> Option<Recorded> {
    let times = sources.iter_mut().enumerate();
    let (_, index) = times
        .filter_map(|(index, source)| Some((source.time()?, index)))
        .min()?;
    sources[index].next.take()
}
