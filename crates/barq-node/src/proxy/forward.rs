//! Sends a request to an instance of a revision and waits for the head of its response.
//!
//! What was never sent may move to another instance whatever its method; what may have been received is sent again only
//! if it is safe to repeat and failed on a kept connection before any byte of an answer, which is how a connection looks
//! that the instance had closed already. After every wait the gate is asked again: once the tripwire has tripped, nothing
//! begins. It must not know shares, shields or counts.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use barq_judge::Failure;
use http::{Request, Response, request};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::Choice;
use super::body::{IdleTimer, Progress, RequestBody};
use super::head::is_safe;
use super::limits::{INSTANCE_POLL, TRIES_MAX, WAITING_MAX};
use super::pool::connect;
use super::worker::Worker;
use crate::instances::{Admission, Endpoint};

/// A request as the instance gets it.
pub(super) struct Message {
    head: request::Parts,
    body: Option<RequestBody>,
    progress: Rc<Progress>,
    replayable: bool,
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
    pub(super) response: Response<Incoming>,
    pub(super) endpoint: Admission,
    pub(super) address: SocketAddr,
    pub(super) sender: SendRequest<RequestBody>,
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

impl Message {
    /// A request with the rewritten head.
    pub(super) fn new(head: request::Parts, body: Incoming, body_idle: Duration) -> Self {
        let progress = Rc::new(Progress {
            last: Cell::new(Instant::now()),
            client_failed: Cell::new(false),
        });
        let is_empty = body.is_end_stream();
        let replayable = is_empty && is_safe(&head.method);
        let body = match is_empty {
            true => RequestBody::Empty,
            false => RequestBody::Streamed {
                inner: body,
                progress: Rc::clone(&progress),
                idle: IdleTimer::new(body_idle),
            },
        };
        Self {
            head,
            body: Some(body),
            progress,
            replayable,
        }
    }

    /// Whether it is safe to send again: GET, HEAD or OPTIONS without a body.
    pub(super) fn is_replayable(&self) -> bool {
        self.replayable
    }

    /// Whether it can still be sent: its body has not been given away.
    pub(super) fn is_whole(&self) -> bool {
        self.body.is_some() || self.replayable
    }

    fn request(&mut self) -> Option<Request<RequestBody>> {
        let body = match self.replayable {
            true => RequestBody::Empty,
            false => self.body.take()?,
        };
        Some(Request::from_parts(self.head.clone(), body))
    }
}

/// Sends the message to the least loaded instance of the revision.
pub(super) async fn forward(
    worker: &Worker,
    choice: &Choice,
    message: &mut Message,
    gate: Option<&barq_judge::Admission>,
    patience: Patience,
) -> Result<Answer, Failed> {
    let (mut refused, mut failed, mut fresh) =
        (Vec::new(), Failed::Unsent(Failure::Connect), false);
    for _ in 0..TRIES_MAX {
        let Some(endpoint) = acquire(worker, choice, &refused, gate, patience).await? else {
            return Err(failed);
        };
        check(gate)?;
        let address = endpoint.endpoint().address();
        let kept = if fresh {
            None
        } else {
            worker.pool.take(address)
        };
        let is_kept = kept.is_some();
        let sender = match kept {
            Some(sender) => sender,
            None => match connect(address).await {
                Ok(sender) => sender,
                Err(error) => {
                    tracing::debug!(%address, %error, "no connection to an instance");
                    refused.push(Arc::clone(endpoint.endpoint()));
                    continue;
                }
            },
        };
        check(gate)?;
        failed = match send(message, sender, endpoint, address, patience).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let again = match failed {
            Failed::Unsent(_) => true,
            Failed::Sent(Failure::Broken) => is_kept && message.replayable,
            Failed::Sent(_) | Failed::Withdrawn | Failed::Client => false,
        };
        if !again {
            return Err(failed);
        }
        worker.pool.forget(address);
        fresh = true;
    }
    Err(failed)
}

async fn send(
    message: &mut Message,
    mut sender: SendRequest<RequestBody>,
    endpoint: Admission,
    address: SocketAddr,
    patience: Patience,
) -> Result<Answer, Failed> {
    let Some(request) = message.request() else {
        return Err(Failed::Sent(Failure::Broken));
    };
    message.progress.last.set(Instant::now());
    let sending = sender.try_send_request(request);
    tokio::pin!(sending);
    let sent = loop {
        // While a body is on its way the instance may take its time: the deadline moves with the body's last part.
        let deadline = message.progress.last.get() + patience.first_byte;
        match tokio::time::timeout_at(deadline, sending.as_mut()).await {
            Ok(sent) => break sent,
            Err(_) if message.progress.last.get() + patience.first_byte > Instant::now() => {}
            Err(_) => return Err(Failed::Sent(Failure::FirstByteTimeout)),
        }
    };
    match sent {
        Ok(response) => Ok(Answer {
            response,
            endpoint,
            address,
            sender,
        }),
        Err(mut error) => match error.take_message() {
            Some(unsent) => {
                message.body = Some(unsent.into_body());
                Err(Failed::Unsent(Failure::Broken))
            }
            None if message.progress.client_failed.get() => Err(Failed::Client),
            None => Err(Failed::Sent(Failure::Broken)),
        },
    }
}

fn check(gate: Option<&barq_judge::Admission>) -> Result<(), Failed> {
    match gate {
        Some(gate) if !gate.is_open() => Err(Failed::Withdrawn),
        _ => Ok(()),
    }
}

/// The least loaded ready instance that has room; waits for one if need be. Polling keeps the instances' side free of
/// lists of waiting requests; it happens only when a revision is starting or full.
async fn acquire(
    worker: &Worker,
    choice: &Choice,
    refused: &[Arc<Endpoint>],
    gate: Option<&barq_judge::Admission>,
    patience: Patience,
) -> Result<Option<Admission>, Failed> {
    let concurrency = choice.revision.concurrency;
    if let Some(admission) = least_loaded(worker, &choice.endpoints, refused, concurrency) {
        return Ok(Some(admission));
    }
    let deadline = Instant::now() + patience.instance;
    let waiting = choice.revision.ready.wait();
    let Some(_place) = worker.waiting_place(WAITING_MAX) else {
        return Ok(None);
    };
    loop {
        // The revision may lose its traffic meanwhile: then the request is routed anew, at once.
        check(gate)?;
        let endpoints = choice.revision.ready.endpoints();
        if let Some(admission) = least_loaded(worker, &endpoints, refused, concurrency) {
            drop(waiting);
            return Ok(Some(admission));
        }
        let has_others = endpoints
            .iter()
            .any(|endpoint| !is_among(refused, endpoint));
        let may_come = refused.is_empty() && patience.for_the_first;
        if !(has_others || may_come) || Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(INSTANCE_POLL).await;
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
    let mut free: Vec<&Arc<Endpoint>> = free.collect();
    free.sort_by_key(|endpoint| endpoint.in_flight());
    free.into_iter().find_map(Endpoint::admit)
}

fn is_among(refused: &[Arc<Endpoint>], endpoint: &Arc<Endpoint>) -> bool {
    refused.iter().any(|other| Arc::ptr_eq(other, endpoint))
}
