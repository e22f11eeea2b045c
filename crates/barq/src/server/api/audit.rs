//! The journal as the audit log, and whether it is whole.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use barq_engine::journal::{EventFilter, Head, Recorded};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::access::Caller;
use super::super::idempotency::{Answer, Order};
use super::super::pages::{Parameters, limit};
use super::super::problem::Problem;
use super::super::shapes::{
    AuditEntry, AuditHead, AuditProblem, AuditVerification, AuditVerify, Page,
};
use super::super::{Server, Shared, story};

/// Heads that one verification compares with.
const HEADS_MAX: usize = 1000;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// `oldest` or `newest` first; oldest, or newest with `before`.
    #[param(inline)]
    order: Option<Direction>,
    /// Those after this one: the `next` of the page before, oldest first.
    after: Option<u64>,
    /// Those before this one: the `next` of the page before, newest first.
    before: Option<u64>,
    /// Items of a page; 50, at most 500.
    limit: Option<usize>,
    /// Caused by this actor.
    actor: Option<String>,
    /// About this subject, e.g. `delivery/fleet-3`.
    subject: Option<String>,
}

/// From which end of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Direction {
    /// From its beginning.
    Oldest,
    /// From its end.
    Newest,
}

impl AuditQuery {
    /// From which end; an answer from the one with a place from the other has no meaning.
    fn direction(&self) -> Result<Direction, Problem> {
        let direction = self.order.unwrap_or(match self.before {
            Some(_) => Direction::Newest,
            None => Direction::Oldest,
        });
        match (direction, self.after, self.before) {
            (Direction::Newest, Some(_), _) | (Direction::Oldest, _, Some(_)) => Err(
                Problem::invalid("the place and the order don't go together")
                    .hint("`after` goes with order=oldest, `before` with order=newest"),
            ),
            _ => Ok(direction),
        }
    }
}

/// All that ever happened, oldest first; with `order=newest` newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery), responses((status = 200, description = "A page", body = Page<AuditEntry>)))]
pub(super) async fn list(
    State(server): State<Shared>,
    _: Caller,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let direction = query.direction()?;
    let filter = EventFilter {
        actor: query.actor,
        subject: query.subject,
        ..EventFilter::default()
    };
    let wanted = limit(query.limit);
    let journal = server.engine.journal();
    let after = query.after.unwrap_or(0);
    let mut stored = match direction {
        Direction::Oldest => journal.read_matching(&filter, after, wanted + 1).await?,
        Direction::Newest => {
            journal
                .read_newest(&filter, query.before, wanted + 1)
                .await?
        }
    };
    let more = stored.len() > wanted;
    stored.truncate(wanted);
    let next = stored
        .last()
        .filter(|_| more)
        .map(|last| last.sequence.to_string());
    let items = stored.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next }))
}

/// Checks the chain, and that the heads recorded outside are still part of it.
#[utoipa::path(post, path = "/api/v1/audit/verify", tag = "audit", request_body = AuditVerify, responses((status = 200, description = "What was found", body = AuditVerification)))]
pub(super) async fn verify(
    State(server): State<Shared>,
    order: Order,
) -> Result<Response, Problem> {
    let AuditVerify { heads } = order.body()?;
    if heads.len() > HEADS_MAX {
        return Err(Problem::invalid(format!(
            "at most {HEADS_MAX} heads are compared"
        )));
    }
    let heads: Vec<Head> = heads
        .iter()
        .map(|head| {
            Ok(Head {
                sequence: head.sequence,
                mac: head
                    .mac
                    .parse()
                    .map_err(|error| Problem::invalid(format!("mac: {error}")))?,
            })
        })
        .collect::<Result<_, Problem>>()?;
    let found = server.verified(&heads).await?;
    // Asked again it is checked again, whatever the key: nothing is changed by it.
    Ok(axum::response::IntoResponse::into_response(Answer::json(
        &found,
    )?))
}

impl Server {
    /// Checks the chain, and that these heads are still part of it.
    pub(in super::super) async fn verified(
        &self,
        heads: &[Head],
    ) -> Result<AuditVerification, Problem> {
        let report = self.engine.journal().verify(1, heads).await?;
        Ok(AuditVerification {
            ok: report.fault.is_none(),
            events: report.through.sequence,
            head: (report.through.sequence > 0).then(|| AuditHead {
                sequence: report.through.sequence,
                mac: report.through.mac.to_string(),
            }),
            problem: report.fault.map(|fault| AuditProblem {
                sequence: fault.sequence,
                detail: fault.to_string(),
            }),
        })
    }
}

/// An event as it is shown.
pub(in super::super) fn entry(stored: &Recorded) -> Result<AuditEntry, Problem> {
    let unreadable =
        |error: &dyn std::error::Error| Problem::internal("the journal can't be understood", error);
    let recorded = barq_engine::decode(stored).map_err(|error| unreadable(&error))?;
    let data = stored
        .event
        .payload
        .decode()
        .map_err(|error| unreadable(&error))?;
    Ok(AuditEntry {
        sequence: stored.sequence,
        at: stored.event.at,
        actor: stored.event.actor.clone(),
        subject: stored.event.subject.clone(),
        event: stored.event.kind.clone(),
        message: story::tell(&recorded),
        data,
    })
}
