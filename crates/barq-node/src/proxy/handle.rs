//! One request: where it goes, who answers, what is counted.
//!
//! Routed by share, a request is admitted through the revision's tripwire; if that closes before anything was sent, the
//! request is routed anew. A canary's failure is judged at once and, where a shield stands behind it, answered by stable.
//! A tagged request reaches its revision whatever its share, and is neither counted nor shielded.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use barq_judge::{Failure, Outcome};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::attempt::{Attempt, Facts};
use super::body::{IdleTimer, ResponseBody, Streamed};
use super::forward::{Answer, Failed, Message, Patience, forward};
use super::head::{mark, rewrite_request, rewrite_response};
use super::limits::TRIES_MAX;
use super::problem::problem;
use super::table::Target;
use super::tunnel;
use super::worker::Worker;
use super::{Choice, Revision, ServiceRoute, Trial};

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

/// What stays the same over all attempts of a request.
struct Exchange {
    worker: Rc<Worker>,
    facts: Rc<Facts>,
    /// The client's side of an upgrade, if one was asked for.
    upgrade: Option<OnUpgrade>,
}

/// What an attempt came to.
enum Turn {
    Respond(Response<ResponseBody>),
    /// It was withdrawn before it began: route anew.
    Again,
}

/// Answers one request.
pub(super) async fn handle(
    worker: Rc<Worker>,
    entry: Rc<Entry>,
    client: IpAddr,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let arrived = Instant::now();
    let on_upgrade = request
        .headers()
        .contains_key(header::UPGRADE)
        .then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    let learned = match rewrite_request(&mut head, client, &worker.random) {
        Ok(learned) => learned,
        Err(refused) => {
            let mut response = problem(
                refused.status,
                "The request is not passed on",
                refused.detail,
            );
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
            return Ok(response);
        }
    };
    let facts = Facts {
        method: head.method.clone(),
        uri: head.uri.clone(),
        request_id: learned.request_id,
        client,
        arrived,
    };
    let mut message = Message::new(head, body, worker.limits.body_idle);
    let exchange = Exchange {
        worker,
        facts: Rc::new(facts),
        upgrade: on_upgrade.filter(|_| learned.upgrade.is_some()),
    };
    let mut response = match exchange.target(&entry, &learned.host) {
        None => problem(
            StatusCode::NOT_FOUND,
            "There is no such service",
            "No service has this host.",
        ),
        Some(Target::Revision(choice)) => exchange.direct(&choice, &mut message).await,
        Some(Target::Service(route)) => exchange.by_share(route, &learned.host, &mut message).await,
    };
    let id = &exchange.facts.request_id;
    response
        .headers_mut()
        .entry(super::head::X_REQUEST_ID)
        .or_insert_with(|| id.clone());
    Ok(response)
}

impl Exchange {
    fn target(&self, entry: &Entry, host: &str) -> Option<Target> {
        self.worker.with_table(|table| match entry {
            Entry::Ingress => table.host(host).cloned(),
            Entry::Revision { service, revision } => table.revision(service, revision),
        })
    }

    /// A tagged request, or one at a revision's own address.
    async fn direct(&self, choice: &Choice, message: &mut Message) -> Response<ResponseBody> {
        match forward(&self.worker, choice, message, None, self.patience()).await {
            Ok(answer) => self.respond(answer, None, &choice.revision),
            Err(failed) => self.failed(failed, &choice.revision),
        }
    }

    async fn by_share(
        &self,
        mut route: Arc<ServiceRoute>,
        host: &str,
        message: &mut Message,
    ) -> Response<ResponseBody> {
        for _ in 0..TRIES_MAX {
            let Some(choice) = route.choose(self.worker.random.below(route.weights())) else {
                let detail = "No revision of the service has traffic.";
                return problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The service has no traffic",
                    detail,
                );
            };
            if let Some((choice, gate)) = admit(&route, choice) {
                let attempt =
                    Attempt::new(&self.worker, &route, &choice.revision, gate, &self.facts);
                match self.attempt(&route, choice, attempt, message).await {
                    Turn::Respond(response) => return response,
                    Turn::Again => {}
                }
            }
            match self.target(&Entry::Ingress, host) {
                Some(Target::Service(newer)) => route = newer,
                _ => break,
            }
        }
        let detail = "The service's routes changed while the request waited.";
        problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "The request could not be routed",
            detail,
        )
    }

    async fn attempt(
        &self,
        route: &ServiceRoute,
        choice: &Choice,
        mut attempt: Attempt,
        message: &mut Message,
    ) -> Turn {
        let shield = route
            .trial
            .as_ref()
            .filter(|trial| trial.shield && attempt.is_canary());
        let mut patience = self.patience();
        if shield.is_some() {
            patience.for_the_first = false;
            patience.instance = patience
                .instance
                .min(self.worker.limits.first_byte_shielded);
            if message.is_replayable() {
                patience.first_byte = patience
                    .first_byte
                    .min(self.worker.limits.first_byte_shielded);
            }
        }
        let answer = forward(&self.worker, choice, message, attempt.gate(), patience).await;
        let failure = match answer {
            Ok(answer) => {
                let status = answer.response.status();
                if status.is_server_error() {
                    if let Some(trial) = shield.filter(|_| message.is_replayable()) {
                        let outcome = Outcome::Answered(status.as_u16());
                        return Turn::Respond(
                            self.shielded(trial, attempt, outcome, Some(answer), message)
                                .await,
                        );
                    }
                    attempt.judge(Outcome::Answered(status.as_u16()));
                }
                return Turn::Respond(self.respond(answer, Some(attempt), &choice.revision));
            }
            Err(Failed::Withdrawn) => {
                attempt.withdraw();
                return Turn::Again;
            }
            // The attempt is dropped: the client went away.
            Err(Failed::Client) => {
                return Turn::Respond(self.failed(Failed::Client, &choice.revision));
            }
            Err(Failed::Unsent(failure) | Failed::Sent(failure)) => failure,
        };
        let outcome = Outcome::Failed {
            failure,
            status: None,
        };
        if let Some(trial) = shield.filter(|_| message.is_whole()) {
            return Turn::Respond(self.shielded(trial, attempt, outcome, None, message).await);
        }
        attempt.finish(outcome);
        Turn::Respond(self.failed(Failed::Sent(failure), &choice.revision))
    }

    /// The canary has failed: counted at once, answered by stable. If stable can't, the canary's own answer stands.
    async fn shielded(
        &self,
        trial: &Trial,
        mut attempt: Attempt,
        outcome: Outcome,
        canary: Option<Answer>,
        message: &mut Message,
    ) -> Response<ResponseBody> {
        attempt.release();
        attempt.judge(outcome);
        let stable = &trial.stable;
        match (
            forward(&self.worker, stable, message, None, self.patience()).await,
            canary,
        ) {
            (Ok(answer), _) => {
                attempt.count(!answer.response.status().is_server_error());
                self.respond(answer, None, &stable.revision)
            }
            (Err(_), Some(canary)) => self.respond(canary, None, &trial.canary),
            (Err(failed), None) => self.failed(failed, &stable.revision),
        }
    }

    fn respond(
        &self,
        answer: Answer,
        attempt: Option<Attempt>,
        revision: &Revision,
    ) -> Response<ResponseBody> {
        let Answer {
            mut response,
            endpoint,
            address,
            sender,
        } = answer;
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = self.upgrade.clone() else {
                if let Some(mut attempt) = attempt {
                    attempt.finish(Outcome::Failed {
                        failure: Failure::Broken,
                        status: Some(101),
                    });
                }
                return self.failed(Failed::Sent(Failure::Broken), revision);
            };
            let instance = hyper::upgrade::on(&mut response);
            tunnel::start(client, instance, endpoint, attempt);
            rewrite_response(
                response.headers_mut(),
                status,
                &revision.name,
                &self.facts.request_id,
            );
            return response.map(|_| ResponseBody::empty());
        }
        rewrite_response(
            response.headers_mut(),
            status,
            &revision.name,
            &self.facts.request_id,
        );
        let (head, inner) = response.into_parts();
        let streamed = Streamed {
            inner,
            status: status.as_u16(),
            worker: Rc::clone(&self.worker),
            address,
            sender: Some(sender),
            endpoint: Some(endpoint),
            attempt,
            idle: IdleTimer::new(self.worker.limits.body_idle),
        };
        Response::from_parts(head, ResponseBody::streamed(streamed))
    }

    fn failed(&self, failed: Failed, revision: &Revision) -> Response<ResponseBody> {
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
        let mut response = problem(status, "The service did not answer", detail);
        mark(
            response.headers_mut(),
            &revision.name,
            &self.facts.request_id,
        );
        response
    }

    fn patience(&self) -> Patience {
        let limits = &self.worker.limits;
        Patience {
            first_byte: limits.first_byte,
            instance: limits.instance_wait,
            for_the_first: true,
        }
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
