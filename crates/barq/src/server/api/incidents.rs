//! Incidents: the list, and the report as JSON or Markdown. Both are made of the journal alone.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use barq_core::identity::{IncidentId, ServiceId};
use barq_core::incident::Incident;
use barq_core::report::{self, Report, Sources};
use barq_engine::engine::View;
use barq_engine::history;
use barq_engine::journal::{IncidentCursor, IncidentFilter};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::access::Caller;
use super::super::convert::{self, in_milliseconds};
use super::super::pages::{Parameters, limit};
use super::super::problem::Problem;
use super::super::shapes::{
    BlastRadius, CommitLine, EndpointCount, FailedRequest, FollowUp, IncidentLine, IncidentReport,
    Page, ReportLine,
};
use super::super::{Server, Shared, story};

/// Which incidents to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct IncidentsQuery {
    /// Of this service.
    pub(in super::super) service: Option<String>,
    /// Of this app.
    pub(in super::super) app: Option<String>,
    /// In this environment.
    pub(in super::super) environment: Option<String>,
    /// `open` or `resolved`.
    #[param(inline)]
    pub(in super::super) state: Option<IncidentState>,
    /// Items of a page; 50, at most 500.
    pub(in super::super) limit: Option<usize>,
    /// The `next` of the page before.
    pub(in super::super) before: Option<String>,
}

/// Whether an incident is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum IncidentState {
    /// No later delivery has succeeded there.
    Open,
    /// One has.
    Resolved,
}

impl IncidentState {
    /// Its word.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
        }
    }
}

/// Incidents, newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(IncidentsQuery), responses((status = 200, description = "A page", body = Page<IncidentLine>)))]
pub(super) async fn list(
    State(server): State<Shared>,
    _: Caller,
    Parameters(query): Parameters<IncidentsQuery>,
) -> Result<Json<Page<IncidentLine>>, Problem> {
    server.list_incidents(&query).await.map(Json)
}

/// An incident's report; Markdown where that is asked for.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents", params(("id" = String, Path, description = "`<app>-incident-<n>`")), responses((status = 200, description = "The report", content((IncidentReport = "application/json"), (String = "text/markdown")))))]
pub(super) async fn get(
    State(server): State<Shared>,
    _: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: IncidentId = id.parse().map_err(|_| Problem::unknown("incident", &id))?;
    let (incident, report) = server.report(&id).await?;
    let markdown = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("text/markdown"));
    if markdown {
        let kind = [(CONTENT_TYPE, "text/markdown; charset=utf-8")];
        return Ok((kind, report.to_markdown()).into_response());
    }
    Ok(Json(document(&incident, report)).into_response())
}

impl Server {
    /// A page of the list.
    pub(in super::super) async fn list_incidents(
        &self,
        query: &IncidentsQuery,
    ) -> Result<Page<IncidentLine>, Problem> {
        let view = self.engine.view();
        let before = query
            .before
            .as_deref()
            .map(str::parse::<IncidentCursor>)
            .transpose()
            .map_err(|error| Problem::invalid(format!("before: {error}")))?;
        let Some(filter) = filter(&view, query) else {
            let items = Vec::new();
            return Ok(Page { items, next: None });
        };
        let journal = self.engine.journal();
        let page = journal
            .list_incidents(&filter, before.as_ref(), limit(query.limit))
            .await?;
        let mut items = Vec::new();
        for row in page.items {
            let id: IncidentId = row
                .row
                .id
                .parse()
                .map_err(|_| Problem::unknown("incident", &row.row.id))?;
            let remembered = view.state.incident(&id).cloned();
            let incident = match remembered {
                Some(incident) => Some(incident),
                None => {
                    let read = history::incident(journal, &id).await?;
                    read.map(|(incident, _)| incident)
                }
            };
            items.extend(incident.as_ref().map(line));
        }
        let next = page.next.map(|next| next.to_string());
        Ok(Page { items, next })
    }

    /// An incident and its report.
    pub(in super::super) async fn report(
        &self,
        id: &IncidentId,
    ) -> Result<(Incident, Report), Problem> {
        let unknown = || Problem::unknown("incident", &id.to_string());
        let view = self.engine.view();
        let incident = history::incident(self.engine.journal(), id).await?;
        let (incident, events_of_it) = incident.ok_or_else(unknown)?;
        let journey = self.journey(&view, &incident.rollout.delivery).await?;
        let rollout = journey
            .rollouts
            .iter()
            .find(|rollout| rollout.id == incident.rollout)
            .ok_or_else(unknown)?;
        let mut events: Vec<_> = journey
            .events
            .iter()
            .map(|(_, event)| event.clone())
            .collect();
        events.extend(events_of_it);
        let report = Report::new(&Sources {
            incident: &incident,
            delivery: &journey.delivery,
            rollout,
            events: &events,
            tell: story::tell,
        });
        Ok((incident, report))
    }
}

/// None where nothing can match.
fn filter(view: &View, query: &IncidentsQuery) -> Option<IncidentFilter> {
    let mut filter = IncidentFilter {
        app: query.app.clone(),
        environment: query.environment.clone(),
        states: query.state.iter().map(|it| it.name().to_owned()).collect(),
    };
    if let Some(name) = &query.service {
        let id: ServiceId = name.parse().ok()?;
        let service = view.state.service(&id)?;
        let app = convert::app_of(view, service)?;
        if filter.app.as_ref().is_some_and(|asked| *asked != app) {
            return None;
        }
        let asked = filter.environment.as_ref();
        if asked.is_some_and(|asked| *asked != service.environment) {
            return None;
        }
        filter.app = Some(app);
        filter.environment = Some(service.environment.clone());
    }
    Some(filter)
}

fn line(incident: &Incident) -> IncidentLine {
    IncidentLine {
        id: incident.id.to_string(),
        service: incident.service.to_string(),
        state: state(incident).to_owned(),
        title: report::title(incident),
        opened_at: incident.opened_at,
        closed_at: incident.resolved.as_ref().map(|(_, at)| *at),
        postmortem_due: report::postmortem_due(&incident.follow_ups),
    }
}

fn state(incident: &Incident) -> &'static str {
    let state = match incident.resolved {
        Some(_) => IncidentState::Resolved,
        None => IncidentState::Open,
    };
    state.name()
}

fn document(incident: &Incident, report: Report) -> IncidentReport {
    let postmortem_due = report.postmortem_due();
    let (blast_radius, missing) = match report.blast_radius {
        Ok(it) => (
            Some(BlastRadius {
                requests: it.requests,
                errors: it.errors,
                shielded: it.shielded,
                clients: it.clients,
                clients_with_errors: it.clients_with_errors,
            }),
            None,
        ),
        Err(reason) => (None, Some(reason)),
    };
    IncidentReport {
        id: report.id.to_string(),
        service: report.service.to_string(),
        state: state(incident).to_owned(),
        title: report.title,
        summary: report.summary,
        cause: report.cause,
        revision: report.revision.to_string(),
        rollout: report.rollout.to_string(),
        delivery: report.delivery.to_string(),
        opened_at: report.opened_at,
        closed_at: report.resolved.as_ref().map(|(_, at)| *at),
        resolved_by: report.resolved.map(|(by, _)| by.to_string()),
        postmortem_due,
        detection_ms: report.detection_ms.map(|span| in_milliseconds(span * 1000)),
        rolled_back_to: report
            .rollback
            .as_ref()
            .and_then(|back| back.to.as_ref())
            .map(ToString::to_string),
        rollback_ms: report
            .rollback
            .as_ref()
            .and_then(|back| back.shifted_us)
            .map(in_milliseconds),
        blast_radius,
        evidence_missing: missing,
        commits_after: report.commits_after.map(|commit| commit.to_string()),
        commits: report.commits.iter().map(commit).collect(),
        endpoints: report.endpoints.into_iter().map(endpoint).collect(),
        failures: report.failures.into_iter().map(failure).collect(),
        timeline: report
            .timeline
            .into_iter()
            .map(|line| ReportLine {
                at: line.at,
                message: line.what,
                actor: line.actor,
            })
            .collect(),
        follow_ups: report
            .follow_ups
            .into_iter()
            .map(|it| FollowUp {
                what: it.what,
                due_at: it.due_at,
            })
            .collect(),
    }
}

fn commit(commit: &barq_core::event::Commit) -> CommitLine {
    CommitLine {
        commit: commit.hash.to_string(),
        author: commit.author_name.clone(),
        subject: commit.subject.clone(),
    }
}

fn endpoint(it: barq_core::event::EndpointCount) -> EndpointCount {
    EndpointCount {
        method: it.method,
        endpoint: it.endpoint,
        status: it.status,
        requests: it.count,
    }
}

fn failure(it: barq_core::event::FailedRequest) -> FailedRequest {
    FailedRequest {
        at: it.at,
        method: it.method,
        path: it.path,
        status: it.status,
        failure: it.failure,
        latency_ms: in_milliseconds(it.latency_us),
        request_id: it.request_id,
        shielded: it.shielded,
        log_lines: it.log_lines,
    }
}
