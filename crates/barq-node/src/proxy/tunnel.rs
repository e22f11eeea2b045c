//! A connection that changed its protocol (a WebSocket): bytes both ways until either side ends.
//!
//! In flight for all its life. The request itself was answered, by 101; how long the connection lasts afterwards is no
//! latency, so it is counted at its start.

use barq_judge::Outcome;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::attempt::Attempt;
use crate::instances::Admission;

/// Connects both sides as soon as both have changed protocol.
pub(super) fn start(
    client: OnUpgrade,
    instance: OnUpgrade,
    endpoint: Admission,
    attempt: Option<Attempt>,
) {
    tokio::task::spawn_local(async move {
        let gate = attempt.and_then(|mut attempt| attempt.finish_and_hold(Outcome::Answered(101)));
        match tokio::try_join!(client, instance) {
            Ok((client, instance)) => {
                let (mut client, mut instance) = (TokioIo::new(client), TokioIo::new(instance));
                if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut instance).await
                {
                    tracing::debug!(%error, "a tunnel ended");
                }
            }
            Err(error) => tracing::debug!(%error, "a protocol was not changed"),
        }
        drop((gate, endpoint));
    });
}
