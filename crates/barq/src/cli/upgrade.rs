//! `barq upgrade`: has the `barq up` of a data directory run what is now at its executable's path, and says how that went.
//!
//! It asks over `up.sock`, whose answer is the upgrade's end; no signal, so it can't reach another process.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Context;
use crate::output::{Exit, Failure};
use crate::sockets;
use crate::up::upgrade::{Report, UPGRADE};

/// `barq upgrade`.
pub(super) async fn upgrade(context: &Context) -> Result<Exit, Failure> {
    let data = context.data()?;
    let path = data.up_socket();
    let nobody = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            let what = format!("no barq up runs on {}", data.root().display());
            Failure::new(Exit::Unreachable, what)
                .hint("name its data directory with --data; a barq server or node of its own is restarted instead")
        }
        _ => Failure::failed("cannot ask barq up").because(error.to_string()),
    };
    let stream = sockets::connect_unix(&path).map_err(nobody)?;
    let report = ask(stream).await.map_err(|error| {
        Failure::failed("barq up did not say how the upgrade ended").because(error.to_string())
    })?;
    context.output.result(&report, || report.words());
    Ok(match report.upgraded {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// Waits for as long as it takes: `up` bounds each step.
async fn ask(stream: std::os::unix::net::UnixStream) -> std::io::Result<Report> {
    stream.set_nonblocking(true)?;
    let mut stream = tokio::net::UnixStream::from_std(stream)?;
    stream.write_all(format!("{UPGRADE}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    match answer.is_empty() {
        true => Err(std::io::Error::new(
            ErrorKind::UnexpectedEof,
            "it is being stopped, or is of an older version: restart it",
        )),
        false => Ok(serde_json::from_slice(&answer)?),
    }
}
