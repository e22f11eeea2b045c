//! Connections on which nothing happens: each has had one request, so whatever a proxy keeps for it is there.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::Failure;
use super::contestant::Contestant;
use super::place::HOST;

/// Connections that are opened at a time.
const OPENERS: usize = 20;
/// Bytes read of an answer at a time.
const READ_BYTES: usize = 4096;
/// Bytes of the body of the back end's small answer.
const ANSWER_BYTES: usize = 100;
/// The longest that all of them may take.
const OPEN_MAX: Duration = Duration::from_secs(60);
/// Until what was busy has come to rest.
const SETTLE: Duration = Duration::from_secs(2);

/// KiB for each connection, and the memory without and with them in MB.
pub(super) async fn measure(
    contestant: &Contestant,
    connections: usize,
) -> Result<Vec<f64>, Failure> {
    let memory = || contestant.process.memory_bytes(contestant.counted);
    let before = memory()?;
    let opened = open(contestant.entrances.http1, connections);
    let opened = tokio::time::timeout(OPEN_MAX, opened)
        .await
        .map_err(|_| "the connections could not be opened in time")??;
    tokio::time::sleep(SETTLE).await;
    let with_them = memory()?;
    let closed = opened.iter().filter(|stream| is_closed(stream)).count();
    if closed > 0 {
        return Err(format!("{closed} of {connections} connections were closed").into());
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes of some gigabytes")]
    let (before, with_them, connections) = (before as f64, with_them as f64, connections as f64);
    Ok(vec![
        (with_them - before) / 1024.0 / connections,
        before / 1e6,
        with_them / 1e6,
    ])
}

async fn open(port: u16, connections: usize) -> Result<Vec<TcpStream>, Failure> {
    let mut openers = JoinSet::new();
    for opener in 0..OPENERS {
        let share = connections / OPENERS + usize::from(opener < connections % OPENERS);
        openers.spawn(async move {
            let mut streams = Vec::with_capacity(share);
            for _ in 0..share {
                streams.push(open_one(port).await?);
            }
            Ok::<_, Failure>(streams)
        });
    }
    let mut all = Vec::with_capacity(connections);
    while let Some(opened) = openers.join_next().await {
        all.extend(opened??);
    }
    Ok(all)
}

async fn open_one(port: u16) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET /small HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        let mut part = [0; READ_BYTES];
        match stream.read(&mut part).await? {
            0 => return Err("a connection was closed in place of an answer".into()),
            count => answer.extend_from_slice(&part[..count]),
        }
    }
    match answer.starts_with(b"HTTP/1.1 200") {
        true => Ok(stream),
        false => Err(format!("answered by {}", String::from_utf8_lossy(&answer)).into()),
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let end = b"\r\n\r\n";
    let head = answer.windows(end.len()).position(|part| part == end);
    head.is_some_and(|head| answer.len() >= head + end.len() + ANSWER_BYTES)
}

fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 1]) {
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        Ok(_) => true,
    }
}
