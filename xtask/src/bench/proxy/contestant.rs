//! A proxy that runs: where it is reached, what of it is counted, and whether it does what it shall.

use std::time::{Duration, Instant};

use http::Method;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::super::Failure;
use super::client::Connection;
use super::place::{CANARY, STABLE};
use super::process::{Counted, Process};

/// The longest start.
const START_MAX: Duration = Duration::from_secs(30);
/// Between two looks whether it has started.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Requests by which the split is checked.
const SPLIT_SAMPLE: usize = 300;
/// Of these, so many go to the canary: a tenth, give or take six standard deviations.
const SPLIT_CANARY: std::ops::RangeInclusive<usize> = 1..=62;

/// Running, until it is dropped.
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) process: Process,
    pub(super) counted: Counted,
    pub(super) entrances: Entrances,
    /// Its own, and new: nothing of an earlier run is in it. After the process: that ends first.
    pub(super) _directory: TempDir,
}

/// Ports of the loopback. `None`: it can't.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entrances {
    /// HTTP/1.1.
    pub(super) http1: u16,
    /// HTTP/2 without TLS, by prior knowledge.
    pub(super) h2c: Option<u16>,
    /// HTTP/1.1 and HTTP/2 by TLS.
    pub(super) tls: Option<u16>,
}

impl Contestant {
    /// Waits until it answers, and checks that it splits the traffic as it shall.
    pub(super) async fn check(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + START_MAX;
        let mut last = Failure::from("it was never reached");
        while Instant::now() < deadline {
            if let Some(said) = self.process.ended()? {
                return Err(said.into());
            }
            match self.revision_of(None).await {
                Ok((_, connection)) => return self.check_split(connection).await,
                Err(error) => last = error,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let said = self.process.said();
        Err(format!("{} does not answer: {last}\n{said}", self.name).into())
    }

    async fn check_split(&self, connection: Connection) -> Result<(), Failure> {
        let mut canary = 0;
        let mut connection = Some(connection);
        for _ in 0..SPLIT_SAMPLE {
            let (revision, kept) = self.revision_of(connection.take()).await?;
            canary += usize::from(revision == CANARY);
            connection = Some(kept);
        }
        if SPLIT_CANARY.contains(&canary) {
            return Ok(());
        }
        let name = &self.name;
        Err(format!("{name} sent {canary} of {SPLIT_SAMPLE} requests to the canary").into())
    }

    /// Which revision answered one request.
    async fn revision_of(
        &self,
        connection: Option<Connection>,
    ) -> Result<(String, Connection), Failure> {
        let mut connection = match connection {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.entrances.http1)).await?;
                Connection::over(stream).await?
            }
        };
        let answer = connection
            .ask(Method::GET, "/small", &[], String::new())
            .await?;
        let revision = answer.headers.get("x-revision");
        let revision = revision.and_then(|value| value.to_str().ok()).unwrap_or("");
        match (answer.status, revision) {
            (200, STABLE | CANARY) => Ok((revision.to_owned(), connection)),
            (status, _) => Err(format!("it answered with {status}").into()),
        }
    }
}
