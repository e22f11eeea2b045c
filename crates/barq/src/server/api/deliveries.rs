//! Deliveries: lists, details, the gate, cancel and retry.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use barq_core::command::Command;
use barq_core::delivery::Delivery as Core;
use barq_core::event::{DeliveryEvent, Event};
use barq_core::identity::DeliveryId;
use barq_engine::history::{self, Journey};
use barq_engine::journal::{DeliveryCursor, DeliveryFilter};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::access::Caller;
use super::super::convert;
use super::super::idempotency::{Answer, Done, Order};
use super::super::pages::{Parameters, limit};
use super::super::problem::Problem;
use super::super::shapes::{CommitLine, Delivery, Evidence, Message, Page, RetryRequest};
use super::super::{Server, Shared, story};
use crate::git::{self, Repository};

/// Rows that one page of a filtered list looks at; the next page goes on from there.
const ROWS_SCANNED_MAX: usize = 2000;
/// Commits that the gate's reviewer is shown.
const COMMITS_MAX: usize = 200;

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    /// Of this app.
    app: Option<String>,
    /// That were rolled out to this environment.
    environment: Option<String>,
    /// Of this branch.
    branch: Option<String>,
    /// In this state.
    state: Option<String>,
    /// Items of a page; 50, at most 500.
    limit: Option<usize>,
    /// The `next` of the page before.
    before: Option<String>,
}

/// Deliveries, newest first; their timelines are left out.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries", params(DeliveriesQuery), responses((status = 200, description = "A page", body = Page<Delivery>)))]
pub(super) async fn list(
    State(server): State<Shared>,
    _: Caller,
    Parameters(query): Parameters<DeliveriesQuery>,
) -> Result<Json<Page<Delivery>>, Problem> {
    server.list_deliveries(&query).await.map(Json)
}

/// One delivery with its timeline.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}", tag = "deliveries", params(("id" = String, Path, description = "`<app>-<n>`")), responses((status = 200, description = "The delivery", body = Delivery)))]
pub(super) async fn get(
    State(server): State<Shared>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Json<Delivery>, Problem> {
    server.delivery(&parse(&id)?).await.map(Json)
}

/// What the gate's reviewer is shown.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}/evidence", tag = "deliveries", params(("id" = String, Path, description = "`<app>-<n>`")), responses((status = 200, description = "The evidence", body = Evidence)))]
pub(super) async fn evidence(
    State(server): State<Shared>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Json<Evidence>, Problem> {
    server.evidence(&parse(&id)?).await.map(Json)
}

/// Opens the gate.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/approve", tag = "deliveries", params(("id" = String, Path, description = "`<app>-<n>`")), request_body = Message, responses((status = 200, description = "The delivery", body = Delivery)))]
pub(super) async fn approve(
    State(server): State<Shared>,
    Path(id): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    server
        .steer_delivery(&order, &id, |delivery, message| Command::Approve {
            delivery,
            message,
        })
        .await
}

/// Keeps the gate closed.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/reject", tag = "deliveries", params(("id" = String, Path, description = "`<app>-<n>`")), request_body = Message, responses((status = 200, description = "The delivery", body = Delivery)))]
pub(super) async fn reject(
    State(server): State<Shared>,
    Path(id): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    server
        .steer_delivery(&order, &id, |delivery, message| Command::Reject {
            delivery,
            message,
        })
        .await
}

/// Stops it, wherever it is.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/cancel", tag = "deliveries", params(("id" = String, Path, description = "`<app>-<n>`")), request_body = Message, responses((status = 200, description = "The delivery", body = Delivery)))]
pub(super) async fn cancel(
    State(server): State<Shared>,
    Path(id): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    server
        .steer_delivery(&order, &id, |delivery, message| Command::Cancel {
            delivery,
            message,
        })
        .await
}

/// The same commit as a new delivery.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/retry", tag = "deliveries", params(("id" = String, Path, description = "`<app>-<n>`")), request_body = RetryRequest, responses((status = 200, description = "The new delivery", body = Delivery)))]
pub(super) async fn retry(
    State(server): State<Shared>,
    Path(id): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let RetryRequest { force } = order.body()?;
    let delivery = parse(&id)?;
    let work = async {
        let now = Timestamp::now();
        let command = Command::Retry {
            delivery: delivery.clone(),
            force,
        };
        let done = server.carry_out(&order, command, now).await?;
        let new = server.begun(&delivery, &done, now)?;
        Answer::json(&server.delivery(&new).await?)
    };
    server.answer(&order, work).await
}

impl Server {
    /// What people say of a delivery, with their words; answered with the delivery as it is then.
    async fn steer_delivery(
        &self,
        order: &Order,
        id: &str,
        command: impl FnOnce(DeliveryId, Option<String>) -> Command,
    ) -> Result<Response, Problem> {
        let Message { message } = order.body()?;
        let id = parse(id)?;
        let command = command(id.clone(), message);
        let work = async {
            self.carry_out(order, command, Timestamp::now()).await?;
            Answer::json(&self.delivery(&id).await?)
        };
        self.answer(order, work).await
    }

    /// The delivery that a retry began: of these events, or, where it was given before, the first one after that.
    pub(in super::super) fn begun(
        &self,
        of: &DeliveryId,
        done: &Done,
        now: Timestamp,
    ) -> Result<DeliveryId, Problem> {
        if let Done::Now(events) = done {
            let begun = events.iter().find_map(|recorded| match &recorded.event {
                Event::Delivery(id, DeliveryEvent::Pushed(_)) => Some(id.clone()),
                _ => None,
            });
            return begun.ok_or_else(|| Problem::conflict("nothing began", "it runs already"));
        }
        let given_at = done.given_at(now);
        let view = self.engine.view();
        let mut later = view.state.deliveries.values().filter(|delivery| {
            delivery.push.retry_of.as_ref() == Some(of) && delivery.created_at >= given_at
        });
        later
            .next()
            .map(|delivery| delivery.id.clone())
            .ok_or_else(|| Problem::unknown("delivery that retries", &of.to_string()))
    }

    async fn list_deliveries(&self, query: &DeliveriesQuery) -> Result<Page<Delivery>, Problem> {
        let wanted = limit(query.limit);
        let mut cursor = query
            .before
            .as_deref()
            .map(str::parse::<DeliveryCursor>)
            .transpose()
            .map_err(|error| Problem::invalid(format!("before: {error}")))?;
        let filter = DeliveryFilter {
            app: query.app.clone(),
            states: query.state.iter().cloned().collect(),
            commit_hash: None,
        };
        let (mut items, mut scanned) = (Vec::new(), 0);
        loop {
            let journal = self.engine.journal();
            let page = journal
                .list_deliveries(&filter, cursor.as_ref(), wanted - items.len())
                .await?;
            scanned += page.items.len();
            for row in page.items {
                items.extend(self.listed(&row.row.id, query).await?);
            }
            cursor = page.next;
            if cursor.is_none() || items.len() >= wanted || scanned >= ROWS_SCANNED_MAX {
                break;
            }
        }
        let next = cursor.map(|cursor| cursor.to_string());
        Ok(Page { items, next })
    }

    /// A row's delivery, from the state or, once that has forgotten it, from the journal; none where it does not match.
    async fn listed(&self, id: &str, query: &DeliveriesQuery) -> Result<Option<Delivery>, Problem> {
        let id = parse(id)?;
        let view = self.engine.view();
        let matches = |delivery: &Core| {
            let branch = &delivery.push.branch;
            let environment = |asked: &String| delivery.entered.contains(asked);
            query.branch.as_ref().is_none_or(|asked| asked == branch)
                && query.environment.as_ref().is_none_or(environment)
        };
        let now = Timestamp::now();
        if let Some(delivery) = view.state.delivery(&id) {
            let rollouts = convert::rollouts_of(&view, delivery);
            return Ok(matches(delivery)
                .then(|| convert::delivery(&view, delivery, &rollouts, Vec::new(), now)));
        }
        let journey = history::journey(self.engine.journal(), &id).await?;
        Ok(journey
            .filter(|journey| matches(&journey.delivery))
            .map(|journey| {
                let rollouts: Vec<_> = journey.rollouts.iter().collect();
                convert::delivery(&view, &journey.delivery, &rollouts, Vec::new(), now)
            }))
    }

    /// A delivery with its timeline.
    pub(in super::super) async fn delivery(&self, id: &DeliveryId) -> Result<Delivery, Problem> {
        // First the view: the timeline may then be ahead of the state that is shown, never behind.
        let view = self.engine.view();
        let journey = self.whole_journey(id).await?;
        let timeline = journey
            .events
            .iter()
            .map(|(_, recorded)| story::entry(recorded))
            .collect();
        let rollouts: Vec<_> = journey.rollouts.iter().collect();
        let now = Timestamp::now();
        Ok(convert::delivery(
            &view,
            &journey.delivery,
            &rollouts,
            timeline,
            now,
        ))
    }

    async fn whole_journey(&self, id: &DeliveryId) -> Result<Journey, Problem> {
        history::journey(self.engine.journal(), id)
            .await?
            .ok_or_else(|| Problem::unknown("delivery", &id.to_string()))
    }

    async fn evidence(&self, id: &DeliveryId) -> Result<Evidence, Problem> {
        let view = self.engine.view();
        let journey = self.whole_journey(id).await?;
        let rollouts: Vec<_> = journey.rollouts.iter().collect();
        let mut evidence =
            convert::review(&view, &journey.delivery, &rollouts).ok_or_else(|| {
                Problem::new(
                    http::StatusCode::NOT_FOUND,
                    format!("{id} is not at a gate"),
                )
                .because(format!(
                    "it is {}",
                    journey.delivery.state_name().replace('_', " ")
                ))
            })?;
        evidence.commits = self.changes(&journey.delivery, &evidence).await?;
        Ok(evidence)
    }

    /// What is new since the commit that serves there now.
    pub(in super::super) async fn changes(
        &self,
        delivery: &Core,
        evidence: &Evidence,
    ) -> Result<Vec<CommitLine>, Problem> {
        let repository = Repository::of(&self.data.repositories(), &delivery.id.app);
        let unreadable =
            |error: git::GitError| Problem::internal("the repository can't be read", &error);
        let since = evidence
            .changes_since
            .as_ref()
            .map(|commit| commit.parse())
            .transpose()
            .map_err(unreadable)?;
        let to = evidence.commit.parse().map_err(unreadable)?;
        let commits = git::commits_between(&repository, since.as_ref(), &to, COMMITS_MAX)
            .await
            .map_err(unreadable)?;
        Ok(commits
            .into_iter()
            .map(|commit| CommitLine {
                commit: commit.hash.to_string(),
                author: commit.author.name,
                subject: commit.subject,
            })
            .collect())
    }
}

/// A name that is no delivery's names none.
pub(super) fn parse(id: &str) -> Result<DeliveryId, Problem> {
    id.parse().map_err(|_| Problem::unknown("delivery", id))
}
