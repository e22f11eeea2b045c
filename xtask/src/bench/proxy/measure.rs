//! A scenario, measured: all proxies are started, checked and warmed, then their rounds alternate, then they end.

use std::path::PathBuf;

use super::super::Failure;
use super::barq::{self, ONE, Size};
use super::contestant::Contestant;
use super::idle;
use super::load::{self, Load};
use super::outcome::{Figures, Outcome, Row};
use super::peers::Peer;
use super::place::Place;
use super::scenario::{Http1, Http2, IDLE_COLUMNS, Kind, LOAD_COLUMNS, Scenario};

/// Of each proxy before the first round: pools fill, memory is touched.
const WARM_UP_SECONDS: u64 = 1;

/// What stays the same from scenario to scenario.
pub(super) struct Bench {
    pub(super) place: Place,
    pub(super) barq: PathBuf,
    pub(super) peers: Vec<Peer>,
    pub(super) threads: usize,
    pub(super) rounds: u32,
    pub(super) seconds: u64,
}

/// Who takes part.
#[derive(Debug)]
enum Entrant<'a> {
    Barq(String, Size),
    Peer(&'a Peer),
}

/// A proxy in a scenario.
struct Entry {
    name: String,
    /// While it takes part.
    contestant: Option<Contestant>,
    figures: Figures,
}

impl Bench {
    /// Measures a scenario. What a proxy can't do is in the outcome; an error is one of the benchmark's own.
    pub(super) async fn measure(&self, scenario: &Scenario) -> Result<Outcome, Failure> {
        let rows = match &scenario.kind {
            Kind::Idle(connections) => self.idle(*connections).await?,
            Kind::Table(size, _) => {
                let many = Entrant::Barq(format!("barq, {} services", size.services), *size);
                let one = Entrant::Barq("barq, one service".to_owned(), ONE);
                self.loaded(vec![many, one], &scenario.kind).await?
            }
            Kind::Http1(_) | Kind::Http2(_) => {
                self.loaded(self.everybody(), &scenario.kind).await?
            }
        };
        Ok(Outcome {
            title: scenario.title.to_owned(),
            columns: match &scenario.kind {
                Kind::Idle(_) => IDLE_COLUMNS,
                _ => LOAD_COLUMNS,
            },
            rows,
        })
    }

    fn everybody(&self) -> Vec<Entrant<'_>> {
        std::iter::once(Entrant::Barq("barq".to_owned(), ONE))
            .chain(self.peers.iter().map(Entrant::Peer))
            .collect()
    }

    async fn loaded(&self, entrants: Vec<Entrant<'_>>, kind: &Kind) -> Result<Vec<Row>, Failure> {
        let mut entries = Vec::new();
        for entrant in entrants {
            entries.push(self.enter(entrant).await);
        }
        for entry in &mut entries {
            self.warm_up(entry, kind).await?;
        }
        for _ in 0..self.rounds {
            for entry in &mut entries {
                self.round(entry, kind).await;
            }
        }
        Ok(entries.into_iter().map(Entry::into_row).collect())
    }

    /// Each alone and anew, so that its memory is its own.
    async fn idle(&self, connections: usize) -> Result<Vec<Row>, Failure> {
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..self.rounds {
            for (index, entrant) in self.everybody().into_iter().enumerate() {
                if rows.get(index).is_some_and(Row::is_out) {
                    continue;
                }
                let mut entry = self.enter(entrant).await;
                if let Some(contestant) = &entry.contestant {
                    let measured = idle::measure(contestant, connections).await;
                    entry.take(measured);
                }
                match rows.get_mut(index) {
                    Some(row) => row.add(entry.into_row()),
                    None => rows.push(entry.into_row()),
                }
            }
        }
        Ok(rows)
    }

    /// Started and checked, or out with the reason.
    async fn enter(&self, entrant: Entrant<'_>) -> Entry {
        let (name, started) = match entrant {
            Entrant::Barq(name, size) => {
                let started = barq::start(&self.barq, &self.place, &name, size).await;
                (name, started)
            }
            Entrant::Peer(peer) => {
                let started = peer.start(&self.place, self.threads);
                (peer.name.to_owned(), started)
            }
        };
        let checked = match started {
            Ok(mut contestant) => contestant.check().await.map(|()| contestant),
            Err(error) => Err(error),
        };
        let mut entry = Entry {
            name,
            contestant: None,
            figures: Figures::Rounds(Vec::new()),
        };
        match checked {
            Ok(contestant) => entry.contestant = Some(contestant),
            Err(error) => entry.figures = Figures::Failed(error.to_string()),
        }
        entry
    }

    async fn warm_up(&self, entry: &mut Entry, kind: &Kind) -> Result<(), Failure> {
        let Some(contestant) = &entry.contestant else {
            return Ok(());
        };
        if let Some(why) = cannot(contestant, kind).await? {
            entry.contestant = None;
            entry.figures = Figures::Skipped(why);
        } else if let Err(error) = self.load(contestant, kind, WARM_UP_SECONDS).await {
            entry.take(Err(error));
        }
        Ok(())
    }

    async fn round(&self, entry: &mut Entry, kind: &Kind) {
        if let Some(contestant) = &entry.contestant {
            let measured = self.measured(contestant, kind).await;
            entry.take(measured);
        }
    }

    /// In the order of `LOAD_COLUMNS`.
    async fn measured(&self, contestant: &Contestant, kind: &Kind) -> Result<Vec<f64>, Failure> {
        let spent = || contestant.process.processor_time(contestant.counted);
        let before = spent()?;
        let load = self.load(contestant, kind, self.seconds).await?;
        let spent = spent()?.saturating_sub(before);
        let memory = contestant.process.memory_bytes(contestant.counted)?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of some gigabytes")]
        let memory = memory as f64;
        Ok(vec![
            load.requests_per_s,
            spent.as_secs_f64() * 1e6 / load.requests,
            load.p50_ms,
            load.p99_ms,
            memory / 1e6,
        ])
    }

    async fn load(
        &self,
        contestant: &Contestant,
        kind: &Kind,
        seconds: u64,
    ) -> Result<Load, Failure> {
        let directory = self.place.directory();
        let entrances = contestant.entrances;
        let port = port(contestant, kind).unwrap_or(entrances.http1);
        match kind {
            Kind::Http1(http1) | Kind::Table(_, http1) => {
                load::http1(directory, port, http1, seconds).await
            }
            Kind::Http2(http2) => load::http2(directory, port, http2, seconds).await,
            Kind::Idle(_) => Err("nothing is sent over idle connections".into()),
        }
    }
}

impl Entry {
    /// One more round, or the end of it.
    fn take(&mut self, measured: Result<Vec<f64>, Failure>) {
        match (measured, &mut self.figures) {
            (Ok(round), Figures::Rounds(rounds)) => rounds.push(round),
            (Ok(_), Figures::Skipped(_) | Figures::Failed(_)) => {}
            (Err(error), figures) => {
                *figures = Figures::Failed(error.to_string());
                self.contestant = None;
            }
        }
    }

    fn into_row(self) -> Row {
        Row {
            name: self.name,
            figures: self.figures,
        }
    }
}

/// The port that the load goes to; `None`: there is none for it.
fn port(contestant: &Contestant, kind: &Kind) -> Option<u16> {
    let entrances = contestant.entrances;
    match kind {
        Kind::Http1(Http1 { tls: true, .. }) | Kind::Http2(Http2 { tls: true, .. }) => {
            entrances.tls
        }
        Kind::Http2(_) => entrances.h2c,
        Kind::Http1(_) | Kind::Table(..) | Kind::Idle(_) => Some(entrances.http1),
    }
}

/// Why a proxy can't take part, if it can't.
async fn cannot(contestant: &Contestant, kind: &Kind) -> Result<Option<String>, Failure> {
    let Some(port) = port(contestant, kind) else {
        return Ok(Some("it has no TLS".to_owned()));
    };
    let Kind::Http2(http2) = kind else {
        return Ok(None);
    };
    let speaks = load::speaks_http2(port, http2.tls).await?;
    Ok((!speaks).then(|| "it does not speak HTTP/2".to_owned()))
}
