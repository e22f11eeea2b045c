//! The body of a request on its way to the instance, while its response may have begun.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::forward::Failed;
use super::wire::{CarryError, Wire, poll_carry};

/// How far it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Upload {
    /// On its way.
    #[default]
    Going,
    /// All of it has left.
    Done,
    /// The instance reads no more; it may have answered before.
    Cut,
}

/// When something was last moved.
#[derive(Debug)]
pub(super) struct Pace {
    moved: u64,
    since: Instant,
}

impl Upload {
    /// Carries it on; once it is done, watches whether the client is still there.
    pub(super) fn poll(
        &mut self,
        client: &mut Wire,
        instance: &mut Wire,
        context: &mut Context<'_>,
    ) -> Result<(), Failed> {
        if *self == Self::Going {
            let flushed = match poll_carry(client, instance, context) {
                Poll::Ready(Ok(())) => {
                    let flushed = instance.poll_flush(context);
                    flushed.map_err(|_| CarryError::Write)
                }
                carried => carried,
            };
            match flushed {
                Poll::Ready(Ok(())) => *self = Self::Done,
                Poll::Ready(Err(CarryError::Read)) => return Err(Failed::Client),
                Poll::Ready(Err(CarryError::Write)) => *self = Self::Cut,
                Poll::Pending => {}
            }
        }
        match self {
            Self::Done if client.poll_gone(context).is_ready() => Err(Failed::Client),
            Self::Going | Self::Done | Self::Cut => Ok(()),
        }
    }

    /// Whether it is the client that has to move next.
    pub(super) fn waits_for_the_client(self, instance: &Wire) -> bool {
        self == Self::Going && instance.is_flushed()
    }
}

impl Pace {
    pub(super) fn new() -> Self {
        let since = Instant::now();
        Self { moved: 0, since }
    }

    /// Since when nothing has moved, after so many bytes in all.
    pub(super) fn since(&mut self, moved: u64) -> Instant {
        if moved != self.moved {
            (self.moved, self.since) = (moved, Instant::now());
        }
        self.since
    }
}
