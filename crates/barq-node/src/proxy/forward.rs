//! Sends a request to an instance of a revision and waits for the head of its response.
//!
//! What was never sent may move to another instance whatever its method; what may have been received is sent again only
//! if it is safe to repeat and failed on a kept connection before any byte of an answer, which is how a connection looks
//! that the instance had closed already. After every wait the gate is asked again: once the tripwire has tripped, nothing
//! begins. It must not know shares, shields or counts.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use barq_judge::Failure;
use tokio::time::Instant;

use super::Choice;
use super::deadline::Deadline;
use super::instance::{ConnectError, Instance, NoResponse, connect_multiplexed};
use super::limits::{INSTANCE_POLL, TRIES_MAX, WAITING_MAX};
use super::request::Request;
use super::response::{Learned, Mark};
use super::upload::{Pace, Upload};
use super::wire::{Unsent, Wire};
use super::worker::Worker;
use crate::api::Protocol;
use crate::instances::{Admission, Endpoint};

/// A request that came over a connection.
pub(super) struct Asked<'a> {
    pub(super) worker: &'a Worker,
    pub(super) request: &'a Request,
    pub(super) client: &'a mut Wire,
    pub(super) deadline: &'a mut Deadline,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the first byte of the response.
    pub(super) first_byte: Duration,
    /// For an instance that is ready and free.
    pub(super) instance: Duration,
    /// Whether to wait even when no instance is ready.
    pub(super) for_the_first: bool,
}

/// The head of a response, and what its body needs.
pub(super) struct Answer {
    pub(super) learned: Learned,
    pub(super) instance: Instance,
    pub(super) endpoint: Admission,
    /// Whether the request's body has been sent whole.
    pub(super) is_uploaded: bool,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// The gate closed before anything was sent.
    Withdrawn,
    /// Nothing was sent.
    Unsent(Failure),
    /// The instance may have received it.
    Sent(Failure),
    /// The client broke off.
    Client,
}

impl Asked<'_> {
    /// Whether it can still be sent whole.
    pub(super) fn is_whole(&self) -> bool {
        !self.client.is_taken() || self.request.framing().is_empty()
    }
}

/// Sends the request to the least loaded instance of the revision.
pub(super) async fn forward(
    asked: &mut Asked<'_>,
    choice: &Choice,
    gate: Option<&barq_judge::Admission>,
    patience: Patience,
) -> Result<Answer, Failed> {
    let (mut refused, mut fresh) = (Vec::new(), false);
    let (mut failed, mut unsent) = (Failed::Unsent(Failure::Connect), None);
    for _ in 0..TRIES_MAX {
        let Some(endpoint) = acquire(asked, choice, &refused, gate, patience).await? else {
            return Err(failed);
        };
        check(gate)?;
        let address = endpoint.endpoint().address();
        let reached = reach(asked.worker, choice.revision.protocol, address, fresh).await;
        let (instance, is_kept) = match reached {
            Ok(reached) => reached,
            Err(error) => {
                tracing::debug!(%address, %error, "no connection to an instance");
                note_failure(endpoint.endpoint());
                refused.push(Arc::clone(endpoint.endpoint()));
                continue;
            }
        };
        check(gate)?;
        let attempted = send(asked, instance, choice, patience, unsent.take()).await;
        failed = match attempted {
            Ok((learned, instance, is_uploaded)) => {
                endpoint.endpoint().succeeded();
                return Ok(Answer {
                    learned,
                    instance,
                    endpoint,
                    is_uploaded,
                });
            }
            Err((failed, what)) => {
                unsent = what;
                if matches!(failed, Failed::Sent(_)) {
                    note_failure(endpoint.endpoint());
                }
                failed
            }
        };
        let again = match failed {
            Failed::Unsent(_) => unsent.is_some() || asked.is_whole(),
            Failed::Sent(Failure::Broken) => is_kept && asked.request.is_replayable(),
            Failed::Sent(_) | Failed::Withdrawn | Failed::Client => false,
        };
        if !again {
            return Err(failed);
        }
        asked.worker.pool.forget(address);
        fresh = true;
    }
    Err(failed)
}

/// A kept connection to the instance or a new one, and whether it was kept.
async fn reach(
    worker: &Worker,
    protocol: Protocol,
    address: SocketAddr,
    fresh: bool,
) -> Result<(Instance, bool), ConnectError> {
    let pool = &worker.pool;
    match protocol {
        Protocol::Http1 => {
            let kept = (!fresh).then(|| pool.take(address, std::time::Instant::now()));
            match kept.flatten() {
                Some(instance) => Ok((instance, true)),
                None => Ok((Instance::connect(address, &worker.buffers).await?, false)),
            }
        }
        Protocol::H2c => match (!fresh).then(|| pool.multiplexed(address)).flatten() {
            Some(sender) => Ok((Instance::stream(address, sender), true)),
            None => {
                let sender = connect_multiplexed(address).await?;
                pool.share(address, sender.clone());
                Ok((Instance::stream(address, sender), false))
            }
        },
    }
}

/// What comes of sending: the head of the response and whether the body was sent whole; or why not, and what did not leave.
type Sent = Result<(Learned, Instance, bool), (Failed, Option<Unsent>)>;

async fn send(
    asked: &mut Asked<'_>,
    mut instance: Instance,
    choice: &Choice,
    patience: Patience,
    unsent: Option<Unsent>,
) -> Sent {
    let (request, limits) = (asked.request, &asked.worker.limits);
    let mark = Mark {
        revision: Some(&choice.revision.name),
        request_id: request.id(),
    };
    let mut upload = Upload::default();
    let before = instance.wire.moved();
    instance.ask(request, unsent);
    let mut pace = Pace::new();
    let answered = poll_fn(|context| {
        if let Err(failed) = upload.poll(asked.client, &mut instance.wire, context) {
            return Poll::Ready(Err(failed));
        }
        match instance.poll_head(context, request.is_head(), mark, before) {
            Poll::Ready(Ok(learned)) => return Poll::Ready(Ok(learned)),
            Poll::Ready(Err(NoResponse::Unsent)) => {
                return Poll::Ready(Err(Failed::Unsent(Failure::Broken)));
            }
            Poll::Ready(Err(NoResponse::Broken)) => {
                return Poll::Ready(Err(Failed::Sent(Failure::Broken)));
            }
            Poll::Pending => {}
        }
        // While a body is on its way the instance may take its time: the deadline moves with the body's last part.
        let since = pace.since(asked.client.moved() + instance.wire.moved());
        let (limit, late) = match upload.waits_for_the_client(&instance.wire) {
            true => (limits.body_idle, Failed::Client),
            false => (patience.first_byte, Failed::Sent(Failure::FirstByteTimeout)),
        };
        asked
            .deadline
            .poll(context, since + limit)
            .map(|()| Err(late))
    });
    match answered.await {
        Ok(learned) => Ok((learned, instance, upload == Upload::Done)),
        Err(Failed::Unsent(failure)) => Err((Failed::Unsent(failure), instance.take_unsent())),
        Err(failed) => Err((failed, None)),
    }
}

fn check(gate: Option<&barq_judge::Admission>) -> Result<(), Failed> {
    match gate {
        Some(gate) if !gate.is_open() => Err(Failed::Withdrawn),
        _ => Ok(()),
    }
}

/// The least loaded ready instance that has room; waits for one if need be, and whoever has waited longest gets the next
/// room. The gate is looked at now and then: a request that waits for a canary that has tripped goes elsewhere.
async fn acquire(
    asked: &mut Asked<'_>,
    choice: &Choice,
    refused: &[Arc<Endpoint>],
    gate: Option<&barq_judge::Admission>,
    patience: Patience,
) -> Result<Option<Admission>, Failed> {
    let worker = asked.worker;
    let concurrency = choice.revision.concurrency;
    if let Some(admission) = least_loaded(worker, &choice.endpoints, refused, concurrency) {
        return Ok(Some(admission));
    }
    let deadline = Instant::now() + patience.instance;
    let waiting = choice.revision.ready.wait();
    let Some(_place) = worker.waiting_place(WAITING_MAX) else {
        return Ok(None);
    };
    let mut room = std::pin::pin!(waiting.room());
    room.as_mut().enable();
    loop {
        // The revision may lose its traffic meanwhile: then the request is routed anew, at once.
        check(gate)?;
        let endpoints = choice.revision.ready.endpoints();
        if let Some(admission) = least_loaded(worker, &endpoints, refused, concurrency) {
            return Ok(Some(admission));
        }
        let has_others = endpoints
            .iter()
            .any(|endpoint| !is_among(refused, endpoint));
        let may_come = refused.is_empty() && patience.for_the_first;
        if !(has_others || may_come) || Instant::now() >= deadline {
            return Ok(None);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let looks_again = tokio::time::timeout(INSTANCE_POLL.min(left), room.as_mut());
        tokio::select! {
            _ = looks_again => {}
            () = poll_fn(|context| asked.client.poll_gone(context)) => return Err(Failed::Client),
        }
        room.set(waiting.room());
        room.as_mut().enable();
    }
}

fn least_loaded(
    worker: &Worker,
    endpoints: &[Arc<Endpoint>],
    refused: &[Arc<Endpoint>],
    concurrency: u32,
) -> Option<Admission> {
    let count = u32::try_from(endpoints.len())
        .ok()
        .filter(|count| *count > 0)?;
    // Where all are equally loaded, the first would get everything: so begin anywhere.
    let start = worker.random.below(count) as usize;
    let candidates = endpoints[start..].iter().chain(&endpoints[..start]);
    let free = candidates
        .filter(|endpoint| endpoint.in_flight() < concurrency && !is_among(refused, endpoint));
    let least = |among: &mut dyn Iterator<Item = &Arc<Endpoint>>| {
        among.min_by_key(|endpoint| endpoint.in_flight())?.admit()
    };
    if count == 1 {
        return least(&mut free.into_iter());
    }
    let now = std::time::Instant::now();
    // One that keeps failing is better than none.
    let works = |endpoint: &&Arc<Endpoint>| !endpoint.is_ejected(now);
    least(&mut free.clone().filter(works)).or_else(|| least(&mut free.into_iter()))
}

fn note_failure(endpoint: &Endpoint) {
    if let Some(ejected) = endpoint.failed(std::time::Instant::now()) {
        let (instance, ejected_s) = (endpoint.id(), ejected.as_secs());
        tracing::warn!(
            instance,
            ejected_s,
            "an instance keeps failing: it is passed over"
        );
    }
}

fn is_among(refused: &[Arc<Endpoint>], endpoint: &Arc<Endpoint>) -> bool {
    refused.iter().any(|other| Arc::ptr_eq(other, endpoint))
}
