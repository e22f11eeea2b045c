//! A connection that changed its protocol (a WebSocket): bytes both ways until either side ends.
//!
//! In flight for all its life. The request itself was answered, by 101; how long the connection lasts afterwards is no
//! latency, so it is counted at its start.

use std::future::poll_fn;
use std::task::{Context, Poll};

use super::wire::{Wire, poll_carry};

/// Carries bytes until both sides have ended, or either broke.
pub(super) async fn run(client: &mut Wire, instance: &mut Wire) {
    // The client's head has been written to it already.
    if !(client.switch(false) && instance.switch(true)) {
        return;
    }
    let (mut up, mut down) = (Some(()), Some(()));
    poll_fn(|context| {
        let is_over = pass(client, instance, &mut up, context).is_err()
            || pass(instance, client, &mut down, context).is_err();
        match is_over || (up.is_none() && down.is_none()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// One direction. At its end the other side is told, once everything has left.
fn pass(
    from: &mut Wire,
    to: &mut Wire,
    open: &mut Option<()>,
    context: &mut Context<'_>,
) -> Result<(), ()> {
    if open.is_none() {
        return Ok(());
    }
    match poll_carry(from, to, context) {
        Poll::Pending => return Ok(()),
        Poll::Ready(Err(_)) => return Err(()),
        Poll::Ready(Ok(())) => {}
    }
    match to.poll_shutdown(context) {
        Poll::Pending => Ok(()),
        Poll::Ready(Ok(())) => {
            *open = None;
            Ok(())
        }
        Poll::Ready(Err(_)) => Err(()),
    }
}
