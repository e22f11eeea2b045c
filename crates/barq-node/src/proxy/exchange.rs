//! One request: where it goes, who answers, what is counted.
//!
//! Routed by share, a request is admitted through the revision's tripwire; if that closes before anything was sent, the
//! request is routed anew. A canary's failure is judged at once and, where a shield stands behind it, answered by stable.
//! A tagged request reaches its revision whatever its share, and is neither counted nor shielded.

use std::sync::Arc;
use std::time::Instant;

use barq_judge::{Failure, Outcome};
use http::StatusCode;

use super::attempt::{Attempt, Facts};
use super::forward::{Answer, Asked, Failed, Patience, forward};
use super::limits::{RETRY_AFTER_S, TRIES_MAX};
use super::request::Origin;
use super::respond::{Ending, Responding, reply, respond};
use super::response::{Mark, Reply};
use super::table::{Table, Target};
use super::{Choice, Revision, ServiceRoute, Trial};
use crate::tls::CHALLENGE_PATH;

/// Where a connection came in.
#[derive(Debug)]
pub(crate) enum Entry {
    /// At the ingress: the host decides.
    Ingress,
    /// At a revision's own address.
    Revision {
        service: Arc<str>,
        revision: Arc<str>,
    },
}

/// What an attempt came to.
enum Turn {
    Over(Ending),
    /// It was withdrawn before it began: route anew.
    Again,
}

/// Answers one request.
pub(super) async fn exchange(entry: &Entry, origin: &Origin, asked: &mut Asked<'_>) -> Ending {
    let facts = Facts {
        request: asked.request,
        client: origin.address,
        arrived: Instant::now(),
    };
    if let Some(reply_beside) = beside_tls(entry, asked) {
        return reply(&mut Responding::of(asked), &reply_beside).await;
    }
    for _ in 0..TRIES_MAX {
        let table = asked.worker.table();
        let turn = match target(&table, entry, facts.request.host()) {
            None => {
                let (title, detail) = ("There is no such service", "No service has this host.");
                Turn::Over(answer_ourselves(asked, StatusCode::NOT_FOUND, title, detail).await)
            }
            Some(Target::Revision(choice)) => Turn::Over(direct(asked, choice).await),
            Some(Target::Service(route)) => by_share(asked, route, facts).await,
        };
        match turn {
            Turn::Over(ending) => return ending,
            Turn::Again => {}
        }
    }
    let (title, detail) = (
        "The request could not be routed",
        "The service's routes changed while the request waited.",
    );
    answer_ourselves(asked, StatusCode::SERVICE_UNAVAILABLE, title, detail).await
}

/// What plain HTTP answers at the ingress in the place of the service: an authority's proof, and the way to HTTPS.
fn beside_tls(entry: &Entry, asked: &Asked<'_>) -> Option<Reply> {
    let Entry::Ingress = entry else {
        return None;
    };
    let (policies, request) = (asked.worker.policies.as_ref()?, asked.request);
    if request.is_secure {
        return None;
    }
    let mark = Mark {
        revision: None,
        request_id: request.id(),
    };
    if let Some(token) = request.path().strip_prefix(CHALLENGE_PATH) {
        let proof = policies.challenge(token)?;
        return Some(Reply::proof(&proof, mark));
    }
    let location = policies.redirect(request.authority(), request.target())?;
    Some(Reply::redirect(&location, mark))
}

fn target<'a>(table: &'a Table, entry: &Entry, host: &str) -> Option<Target<'a>> {
    match entry {
        Entry::Ingress => table.host(host),
        Entry::Revision { service, revision } => table.revision(service, revision),
    }
}

/// A tagged request, or one at a revision's own address.
async fn direct(asked: &mut Asked<'_>, choice: &Choice) -> Ending {
    let patience = patience(asked);
    match forward(asked, choice, None, patience).await {
        Ok(answer) => respond(asked, answer, None, &choice.revision).await,
        Err(failed) => fail(asked, failed, &choice.revision).await,
    }
}

async fn by_share(asked: &mut Asked<'_>, route: &ServiceRoute, facts: Facts<'_>) -> Turn {
    let worker = asked.worker;
    let Some(drawn) = route.choose(worker.random.below(route.weights())) else {
        let (title, detail) = (
            "The service has no traffic",
            "No revision of the service has traffic.",
        );
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Turn::Over(answer_ourselves(asked, status, title, detail).await);
    };
    let Some((choice, gate)) = admit(route, drawn) else {
        return Turn::Again;
    };
    let mut attempt = Attempt::new(worker, route, &choice.revision, gate, facts);
    let shield = route
        .trial
        .as_ref()
        .filter(|trial| trial.shield && attempt.is_canary());
    let patience = match shield {
        Some(_) => shielded_patience(asked),
        None => patience(asked),
    };
    let answered = forward(asked, choice, attempt.gate(), patience).await;
    let (outcome, answer) = match answered {
        Ok(answer) if (500..600).contains(&answer.learned.status) => {
            (Outcome::Answered(answer.learned.status), Some(answer))
        }
        Ok(answer) => {
            return Turn::Over(respond(asked, answer, Some(attempt), &choice.revision).await);
        }
        Err(Failed::Withdrawn) => {
            attempt.withdraw();
            return Turn::Again;
        }
        // The attempt is dropped: the client went away.
        Err(Failed::Client) => {
            return Turn::Over(fail(asked, Failed::Client, &choice.revision).await);
        }
        Err(Failed::Unsent(failure) | Failed::Sent(failure)) => {
            let status = None;
            (Outcome::Failed { failure, status }, None)
        }
    };
    // What was answered can be asked again only if it is safe to; what was not, also if it was never sent.
    let may_be_shielded = match answer {
        Some(_) => asked.request.is_replayable(),
        None => asked.is_whole(),
    };
    if let Some(trial) = shield.filter(|_| may_be_shielded) {
        return Turn::Over(shielded(asked, trial, attempt, outcome, answer).await);
    }
    let ending = match (answer, outcome) {
        (Some(answer), _) => {
            attempt.judge(outcome);
            respond(asked, answer, Some(attempt), &choice.revision).await
        }
        (None, Outcome::Failed { failure, .. }) => {
            attempt.finish(outcome);
            fail(asked, Failed::Sent(failure), &choice.revision).await
        }
        (None, Outcome::Answered(_) | Outcome::ClientGone) => Ending::Close,
    };
    Turn::Over(ending)
}

/// The canary has failed: counted at once, answered by stable. If stable can't, the canary's own answer stands.
async fn shielded(
    asked: &mut Asked<'_>,
    trial: &Trial,
    mut attempt: Attempt<'_>,
    outcome: Outcome,
    canary: Option<Answer>,
) -> Ending {
    attempt.release();
    attempt.judge(outcome);
    let stable = &trial.stable;
    let patience = patience(asked);
    match (forward(asked, stable, None, patience).await, canary) {
        (Ok(answer), _) => {
            attempt.count(!(500..600).contains(&answer.learned.status));
            respond(asked, answer, None, &stable.revision).await
        }
        (Err(_), Some(canary)) => respond(asked, canary, None, &trial.canary).await,
        (Err(failed), None) => fail(asked, failed, &stable.revision).await,
    }
}

async fn fail(asked: &mut Asked<'_>, failed: Failed, revision: &Revision) -> Ending {
    let (status, detail) = match failed {
        Failed::Sent(Failure::FirstByteTimeout | Failure::IdleTimeout) => (
            StatusCode::GATEWAY_TIMEOUT,
            Failure::FirstByteTimeout.words(),
        ),
        Failed::Unsent(_) | Failed::Withdrawn | Failed::Sent(Failure::Connect) => {
            (StatusCode::SERVICE_UNAVAILABLE, Failure::Connect.words())
        }
        Failed::Sent(Failure::Broken) => (StatusCode::BAD_GATEWAY, Failure::Broken.words()),
        Failed::Client => (StatusCode::BAD_REQUEST, "the request's body broke off"),
    };
    let title = "The service did not answer";
    answer(asked, Some(&revision.name), status, title, detail).await
}

async fn answer_ourselves(
    asked: &mut Asked<'_>,
    status: StatusCode,
    title: &str,
    detail: &str,
) -> Ending {
    answer(asked, None, status, title, detail).await
}

async fn answer(
    asked: &mut Asked<'_>,
    revision: Option<&str>,
    status: StatusCode,
    title: &str,
    detail: &str,
) -> Ending {
    let mark = Mark {
        revision,
        request_id: asked.request.id(),
    };
    let mut problem = Reply::problem(status, title, detail, mark);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        problem.retry_after(RETRY_AFTER_S);
    }
    reply(&mut Responding::of(asked), &problem).await
}

fn patience(asked: &Asked<'_>) -> Patience {
    let limits = &asked.worker.limits;
    Patience {
        first_byte: limits.first_byte,
        instance: limits.instance_wait,
        for_the_first: true,
    }
}

/// A client should not wait long for a canary that hangs while stable can answer.
fn shielded_patience(asked: &Asked<'_>) -> Patience {
    let (usual, short) = (patience(asked), asked.worker.limits.first_byte_shielded);
    Patience {
        first_byte: match asked.request.is_replayable() {
            true => usual.first_byte.min(short),
            false => usual.first_byte,
        },
        instance: usual.instance.min(short),
        for_the_first: false,
    }
}

/// The drawn revision if its wire admits the request; if it is a canary whose wire has just closed, stable.
fn admit<'a>(
    route: &'a ServiceRoute,
    drawn: &'a Choice,
) -> Option<(&'a Choice, barq_judge::Admission)> {
    if let Some(gate) = drawn.revision.wire.admit() {
        return Some((drawn, gate));
    }
    let trial = route
        .trial
        .as_ref()
        .filter(|trial| Arc::ptr_eq(&trial.canary, &drawn.revision))?;
    Some((&trial.stable, trial.stable.revision.wire.admit()?))
}
