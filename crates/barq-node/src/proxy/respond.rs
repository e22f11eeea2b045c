//! A response on its way to the client.
//!
//! The head is framed for the client's connection; the body follows part by part. What was learned of the attempt is counted
//! when the instance has sent its last byte: how long the client takes to read is not the revision's matter. It must not know
//! routes or shares.

use std::future::poll_fn;
use std::task::Poll;

use barq_judge::{Failure, Outcome};
use http::{HeaderValue, StatusCode};

use super::Revision;
use super::attempt::Attempt;
use super::deadline::Deadline;
use super::forward::{Answer, Asked};
use super::http1::{Framing, Version};
use super::instance::Instance;
use super::request::{Request, write_decimal, write_field};
use super::response::{Mark, Reply};
use super::tunnel;
use super::upload::{Pace, Upload};
use super::wire::{CarryError, Wire, poll_carry};
use super::worker::Worker;

/// What becomes of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It waits for the next request.
    Keep,
    /// It is closed once the client has the response.
    Close,
    /// It is cut: the client has no whole response, or is gone.
    Cut,
}

/// Whom to answer.
pub(super) struct Responding<'a> {
    pub(super) worker: &'a Worker,
    /// What was asked, if that was understood.
    pub(super) request: Option<&'a Request>,
    pub(super) client: &'a mut Wire,
    pub(super) deadline: &'a mut Deadline,
}

/// Why the body did not reach the client.
enum Lost {
    ByInstance(Failure),
    ByClient,
}

impl<'a> Responding<'a> {
    pub(super) fn of<'b: 'a>(asked: &'a mut Asked<'b>) -> Self {
        Self {
            worker: asked.worker,
            request: Some(asked.request),
            client: asked.client,
            deadline: asked.deadline,
        }
    }
}

/// Passes an instance's response on.
pub(super) async fn respond(
    asked: &mut Asked<'_>,
    answer: Answer,
    mut attempt: Option<Attempt<'_>>,
    revision: &Revision,
) -> Ending {
    let Answer {
        learned,
        mut instance,
        endpoint,
        is_uploaded,
    } = answer;
    let (worker, status) = (asked.worker, learned.status);
    if let Some(hsts) = hsts(asked) {
        // One of the instance's own stands before it, and the first counts (RFC 6797, section 8.1).
        let name = b"strict-transport-security";
        write_field(&mut instance.head, name, hsts.as_bytes());
    }
    let responding = &mut Responding::of(asked);
    if status == 101 {
        let ending = switch(responding, instance, attempt, revision).await;
        drop(endpoint);
        return ending;
    }
    let closes = begin(responding, &instance.head, learned.framing);
    let mut upload = match is_uploaded {
        true => Upload::Done,
        false => Upload::Going,
    };
    let carried = carry(responding, &mut instance.wire, &mut upload).await;
    drop(endpoint);
    match carried {
        Ok(()) => {
            if let Some(attempt) = &mut attempt {
                attempt.finish(Outcome::Answered(status));
            }
            let is_whole = upload == Upload::Done;
            if learned.keeps && is_whole {
                worker.pool.put(instance, std::time::Instant::now());
            }
            match flush(responding).await {
                Ok(()) if closes || !is_whole => Ending::Close,
                Ok(()) => Ending::Keep,
                Err(()) => Ending::Cut,
            }
        }
        Err(Lost::ByInstance(failure)) => {
            if let Some(attempt) = &mut attempt {
                let status = Some(status);
                attempt.finish(Outcome::Failed { failure, status });
            }
            Ending::Cut
        }
        // The attempt is dropped: the client went away.
        Err(Lost::ByClient) => Ending::Cut,
    }
}

/// Changes the protocol, if that was asked for: bytes both ways until either side ends.
async fn switch(
    responding: &mut Responding<'_>,
    mut instance: Instance,
    attempt: Option<Attempt<'_>>,
    revision: &Revision,
) -> Ending {
    let is_asked = responding.request.is_some_and(|request| request.upgrades);
    let Some(head) = responding.client.begin_switch().filter(|_| is_asked) else {
        let failure = Failure::Broken;
        if let Some(mut attempt) = attempt {
            let status = Some(101);
            attempt.finish(Outcome::Failed { failure, status });
        }
        let mark = Mark {
            revision: Some(&revision.name),
            request_id: responding.request.map_or("", Request::id),
        };
        let (status, title) = (StatusCode::BAD_GATEWAY, "The service did not answer");
        let problem = Reply::problem(status, title, failure.words(), mark);
        return reply(responding, &problem).await;
    };
    head.extend_from_slice(&instance.head);
    head.extend_from_slice(b"\r\n");
    let held = attempt.and_then(|mut attempt| attempt.finish_and_hold(Outcome::Answered(101)));
    tunnel::run(responding.client, &mut instance.wire).await;
    drop(held);
    Ending::Cut
}

/// What browsers are told to remember of the host.
fn hsts(asked: &Asked<'_>) -> Option<HeaderValue> {
    let policies = asked.worker.policies.as_ref();
    let policies = policies.filter(|_| asked.request.is_secure)?;
    policies.hsts(asked.request.host())
}

/// Answers without an instance.
pub(super) async fn reply(responding: &mut Responding<'_>, reply: &Reply) -> Ending {
    let is_head = responding.request.is_some_and(Request::is_head);
    let framing = match responding.client {
        Wire::Stream(_) if is_head => Framing::None,
        _ => Framing::Length(reply.body.len() as u64),
    };
    // A body that nobody has read would be taken for the next request.
    let closes = closes(responding) || !responding.client.body_has_ended();
    write_head(responding, &reply.head, framing, closes);
    if !is_head {
        responding.client.write_body(&reply.body);
    }
    match flush(responding).await {
        Ok(()) if closes => Ending::Close,
        Ok(()) => Ending::Keep,
        Err(()) => Ending::Cut,
    }
}

/// Writes the head, and says whether the connection ends with this response.
fn begin(responding: &mut Responding<'_>, head: &[u8], framing: Framing) -> bool {
    let is_old = responding
        .request
        .is_some_and(|request| request.version == Version::Http10);
    let framing = match framing {
        Framing::UntilClose if !is_old => Framing::Chunked,
        Framing::Chunked if is_old => Framing::UntilClose,
        framing => framing,
    };
    let closes = closes(responding) || framing == Framing::UntilClose;
    write_head(responding, head, framing, closes);
    closes
}

fn closes(responding: &Responding<'_>) -> bool {
    responding.request.is_none_or(|request| request.closes)
        || responding.worker.is_stopping()
        // Whether the body still comes is not known, so nor is where the next request begins.
        || responding.client.waits_to_continue()
}

fn write_head(responding: &mut Responding<'_>, head: &[u8], framing: Framing, closes: bool) {
    let is_old = responding
        .request
        .is_some_and(|request| request.version == Version::Http10);
    let connection = match &mut responding.client {
        Wire::Connection(connection) => connection,
        Wire::Stream(stream) => return stream.respond(head, framing),
    };
    let into = connection.begin(framing);
    into.extend_from_slice(head);
    match framing {
        Framing::Length(length) => {
            into.extend_from_slice(b"content-length: ");
            write_decimal(into, length);
            into.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => into.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
    match (closes, is_old) {
        (true, _) => into.extend_from_slice(b"connection: close\r\n"),
        (false, true) => into.extend_from_slice(b"connection: keep-alive\r\n"),
        (false, false) => {}
    }
    into.extend_from_slice(b"\r\n");
}

async fn carry(
    responding: &mut Responding<'_>,
    instance: &mut Wire,
    upload: &mut Upload,
) -> Result<(), Lost> {
    let Responding {
        worker,
        client,
        deadline,
        ..
    } = responding;
    let mut pace = Pace::new();
    poll_fn(|context| {
        if upload.poll(client, instance, context).is_err() {
            return Poll::Ready(Err(Lost::ByClient));
        }
        match poll_carry(instance, client, context) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(CarryError::Read)) => {
                return Poll::Ready(Err(Lost::ByInstance(Failure::Broken)));
            }
            Poll::Ready(Err(CarryError::Write)) => return Poll::Ready(Err(Lost::ByClient)),
            Poll::Pending => {}
        }
        let since = pace.since(client.moved() + instance.moved());
        let lost = match client.is_flushed() {
            true => Lost::ByInstance(Failure::IdleTimeout),
            false => Lost::ByClient,
        };
        let rung = deadline.poll(context, since + worker.limits.body_idle);
        rung.map(|()| Err(lost))
    })
    .await
}

/// Sends what is left to send.
pub(super) async fn flush(responding: &mut Responding<'_>) -> Result<(), ()> {
    let Responding {
        worker,
        client,
        deadline,
        ..
    } = responding;
    let mut pace = Pace::new();
    poll_fn(|context| match client.poll_flush(context) {
        Poll::Ready(flushed) => Poll::Ready(flushed.map_err(|_| ())),
        Poll::Pending => {
            let since = pace.since(client.moved());
            let rung = deadline.poll(context, since + worker.limits.body_idle);
            rung.map(|()| Err(()))
        }
    })
    .await
}
