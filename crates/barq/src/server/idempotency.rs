//! Commands that may be sent twice: the same key with the same request takes effect once.
//!
//! That it took effect is in the journal, in the same append as what it caused; so a client that repeats a request after
//! any crash learns the truth. The answer itself is kept in memory as it was; after a restart it is made again, of what the
//! command was about. Nothing secret is kept: see `tokens` for how a token is made again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::response::{IntoResponse, Response};
use barq_core::command::Command;
use barq_core::event::{Actor, Recorded};
use barq_engine::engine::CommandError;
use barq_engine::journal::{AppendError, IdempotencyRecord};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::access::{Caller, hexadecimal};
use super::problem::{self, Problem};
use super::{Server, Shared, disk};
use crate::output::chain;

/// Bytes of a command's body.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;
/// Characters of a key.
const KEY_BYTES_MAX: usize = 255;
/// How long a key is remembered.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Answers that are kept as they were.
const ANSWERS_MAX: usize = 1000;
/// Longer answers are made again.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// What the keys of forms begin with, before they are hashed: apart from the keys that clients choose.
const FORM: &str = "form";

/// A request that asks for something to be done.
pub(super) struct Order {
    pub(super) actor: Actor,
    /// Hash of its key, if it has one.
    key: Option<String>,
    /// Digest of all of it.
    digest: String,
    body: Bytes,
}

impl FromRequest<Shared> for Order {
    type Rejection = Problem;

    async fn from_request(request: Request, server: &Shared) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        Caller::from_request_parts(&mut parts, server).await?;
        let key = match parts.headers.get("idempotency-key") {
            Some(key) if key.is_empty() || key.len() > KEY_BYTES_MAX => {
                return Err(Problem::invalid(format!(
                    "an Idempotency-Key has 1 to {KEY_BYTES_MAX} characters"
                )));
            }
            Some(key) => Some(digest(&[key.as_bytes()])),
            None => None,
        };
        let body = axum::body::to_bytes(body, BODY_BYTES_MAX)
            .await
            .map_err(|error| {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body can't be read")
                    .because(format!("{error}; at most {BODY_BYTES_MAX} bytes are read"))
            })?;
        // A body may take its time: a token that was revoked meanwhile gives no orders.
        let Caller(actor) = Caller::from_request_parts(&mut parts, server).await?;
        let uri = parts.uri.to_string();
        Ok(Self {
            actor,
            key,
            digest: digest(&[
                parts.method.as_str().as_bytes(),
                &[0],
                uri.as_bytes(),
                &[0],
                &body,
            ]),
            body,
        })
    }
}

impl Order {
    /// What a form of barq's own pages asks for: `what` says all of it, so that the same form sent twice is one order. With
    /// no `what` it may be carried out as often as it comes.
    pub(super) fn of_form(actor: Actor, what: Option<&str>) -> Self {
        let of = |what: &str| digest(&[FORM.as_bytes(), &[0], what.as_bytes()]);
        Self {
            actor,
            key: what.map(of),
            digest: of(what.unwrap_or_default()),
            body: Bytes::new(),
        }
    }

    /// What it asks for. An empty body is an empty object.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text: &[u8] = if self.body.is_empty() {
            b"{}"
        } else {
            &self.body
        };
        serde_json::from_slice(text).map_err(|error| Problem::invalid(error.to_string()))
    }

    /// The key's hash; none where it may be carried out as often as it comes.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What the journal keeps of it. Times are kept to the microsecond.
    pub(super) fn record(&self, response: String, now: Timestamp) -> Option<IdempotencyRecord> {
        Some(IdempotencyRecord {
            key_hash: self.key.clone()?,
            actor: self.actor.name.clone(),
            request_digest: self.digest.clone(),
            response,
            recorded_at: now,
            expires_at: now.checked_add(KEY_LIFETIME).unwrap_or(Timestamp::MAX),
        })
    }

    fn refuse_another(&self, digest: &str) -> Result<(), Problem> {
        if digest == self.digest {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key belongs to another request",
        )
        .because("a key stands for one request; this one has another path or body")
        .hint("send a new key with a new request"))
    }
}

/// What became of a command.
pub(super) enum Done {
    /// It took effect now; empty where nothing had to change.
    Now(Vec<Recorded>),
    /// It took effect when it came for the first time.
    Before(Box<IdempotencyRecord>),
}

impl Done {
    /// When the command was given, as its record says; `now` where this was the first time.
    pub(super) fn given_at(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now(_) => now,
            Self::Before(record) => record.recorded_at,
        }
    }
}

impl Server {
    /// Gives the order's command, unless it took effect before.
    pub(super) async fn carry_out(
        &self,
        order: &Order,
        command: Command,
        now: Timestamp,
    ) -> Result<Done, Problem> {
        let carried_out = self.try_to_carry_out(order, command, now).await?;
        carried_out.map_err(|error| self.not_recorded(&error))
    }

    /// The same; the inner error: it could not be recorded, so nothing was done.
    pub(super) async fn try_to_carry_out(
        &self,
        order: &Order,
        command: Command,
        now: Timestamp,
    ) -> Result<Result<Done, Box<AppendError>>, Problem> {
        if let Some(record) = self.earlier(order, now).await? {
            return Ok(Ok(Done::Before(record)));
        }
        let record = order.record(String::new(), now);
        let given = self
            .engine
            .command(order.actor.clone(), command, record)
            .await;
        match given {
            Ok(events) => Ok(Ok(Done::Now(events))),
            Err(CommandError::Repeated(record)) => {
                order.refuse_another(&record.request_digest)?;
                Ok(Ok(Done::Before(record)))
            }
            Err(CommandError::NotRecorded(error)) => Ok(Err(error)),
            // What came first at the same time may be why it does not fit any more.
            Err(error) => match self.earlier(order, now).await? {
                Some(record) => Ok(Ok(Done::Before(record))),
                None => Err(error.into()),
            },
        }
    }

    /// Says which disk is full, where that is the reason.
    fn not_recorded(&self, error: &AppendError) -> Problem {
        let why = disk::because(self.data.root(), &chain(error));
        problem::not_recorded(error).because(why)
    }

    /// What the journal knows of the order's key.
    pub(super) async fn earlier(
        &self,
        order: &Order,
        now: Timestamp,
    ) -> Result<Option<Box<IdempotencyRecord>>, Problem> {
        let Some(key) = order.key() else {
            return Ok(None);
        };
        let journal = self.engine.journal();
        let Some(record) = journal.idempotency(&order.actor.name, key, now).await? else {
            return Ok(None);
        };
        order.refuse_another(&record.request_digest)?;
        Ok(Some(Box::new(record)))
    }

    /// Answers an order: as before where it was answered before, else by doing the work.
    pub(super) async fn answer(
        &self,
        order: &Order,
        work: impl Future<Output = Result<Answer, Problem>>,
    ) -> Result<Response, Problem> {
        if let Some((digest, answer)) = self.answers.find(order) {
            order.refuse_another(&digest)?;
            return Ok(answer.into_response());
        }
        let answer = work.await?;
        self.answers.keep(order, &answer);
        Ok(answer.into_response())
    }
}

/// Hashed, so that a key tells nothing and is never too long.
fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    hexadecimal(&digest.finalize())
}

/// The answer to an order.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    pub(super) fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Problem::internal("the answer can't be written", &error))?;
        Ok(Self {
            status: StatusCode::OK,
            body: body.into(),
        })
    }

    pub(super) fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: Bytes::new(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        if self.status != StatusCode::NO_CONTENT {
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
        }
        response
    }
}

/// The last answers, as they were.
#[derive(Default)]
pub(super) struct Answers(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    answers: HashMap<(String, String), (String, Answer)>,
    order: VecDeque<(String, String)>,
}

impl Answers {
    fn find(&self, order: &Order) -> Option<(String, Answer)> {
        let name = (order.actor.name.clone(), order.key.clone()?);
        self.lock().answers.get(&name).cloned()
    }

    fn keep(&self, order: &Order, answer: &Answer) {
        let Some(key) = order.key.clone() else { return };
        if answer.body.len() > ANSWER_BYTES_MAX {
            return;
        }
        let name = (order.actor.name.clone(), key);
        let mut kept = self.lock();
        let value = (order.digest.clone(), answer.clone());
        if kept.answers.insert(name.clone(), value).is_none() {
            kept.order.push_back(name);
        }
        while kept.order.len() > ANSWERS_MAX {
            if let Some(oldest) = kept.order.pop_front() {
                kept.answers.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing is done under the lock that could leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
