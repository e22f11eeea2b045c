//! The journal as a stream of server-sent events.
//!
//! A reader keeps its place by the sequence alone and reads the journal from there, so however slow it is and however often
//! it reconnects it gets every event once. That something is new it learns from the journal's own watch.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use barq_core::event::{Event, Recorded};
use barq_core::identity::{RolloutId, ServiceId};
use barq_engine::engine::View;
use barq_engine::journal::Sequence;
use futures::Stream;
use http::HeaderMap;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;

use super::super::access::Caller;
use super::super::convert;
use super::super::pages::Parameters;
use super::super::problem::Problem;
use super::super::shapes::StreamedEvent;
use super::super::{Shared, story};

/// A sign of life in the silence.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events that are read at once.
const PAGE_EVENTS: usize = 200;

/// Which events.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Of this app.
    app: Option<String>,
    /// Of this delivery and its rollouts.
    delivery: Option<String>,
    /// Of this service and the rollouts in it.
    service: Option<String>,
    /// Those after this one; without it (and without `Last-Event-ID`): from now on.
    after: Option<u64>,
}

/// Events as they are recorded; `Last-Event-ID` takes up a stream that broke.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventsQuery, ("last-event-id" = Option<u64>, Header, description = "The id of the last event that was received")), responses((status = 200, description = "Server-sent events: `id` is the sequence, `data` this document", body = StreamedEvent, content_type = "text/event-stream")))]
pub(super) async fn stream(
    State(server): State<Shared>,
    _: Caller,
    Parameters(query): Parameters<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = match headers.get("last-event-id") {
        Some(id) => Some(
            id.to_str()
                .ok()
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| Problem::invalid("Last-Event-ID is not the id of an event"))?,
        ),
        None => query.after,
    };
    // Subscribed before the head is read: nothing falls between the two.
    let newest = server.engine.journal().subscribe();
    let after = match last {
        Some(after) => after,
        None => server.engine.journal().head().await?.sequence,
    };
    let reader = Reader {
        server,
        query,
        newest,
        after,
        ready: VecDeque::new(),
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(reader.into_stream())
        .keep_alive(keep_alive)
        .into_response())
}

struct Reader {
    server: Shared,
    query: EventsQuery,
    newest: watch::Receiver<Sequence>,
    /// The last event that was looked at.
    after: Sequence,
    ready: VecDeque<Sent>,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Result<Sent, Infallible>> {
        futures::stream::unfold(self, |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        })
    }

    /// The next event that is asked for; none when the server stops or the journal can't be read: the reader comes back.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.newest.borrow_and_update();
            match self.read().await {
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    changed = self.newest.changed() => changed.ok()?,
                    () = self.server.shutdown.cancelled() => return None,
                },
                Err(problem) => {
                    tracing::warn!(?problem, "a stream of events ends");
                    return None;
                }
            }
        }
    }

    /// Reads on; whether there was anything.
    async fn read(&mut self) -> Result<bool, Problem> {
        let journal = self.server.engine.journal();
        let page = journal.read(self.after, PAGE_EVENTS).await?;
        let view = self.server.engine.view();
        for stored in &page {
            let recorded = barq_engine::decode(stored)
                .map_err(|error| Problem::internal("the journal can't be understood", &error))?;
            let event = streamed(&view, stored.sequence, &recorded);
            self.after = stored.sequence;
            if !self.wants(&event) {
                continue;
            }
            let sent = Sent::default()
                .id(event.sequence.to_string())
                .event(event.event.clone())
                .json_data(&event)
                .map_err(|_| Problem::invalid("an event has no JSON form"))?;
            self.ready.push_back(sent);
        }
        Ok(!page.is_empty())
    }

    fn wants(&self, event: &StreamedEvent) -> bool {
        let matches = |asked: &Option<String>, is: &Option<String>| asked.is_none() || asked == is;
        matches(&self.query.app, &event.app)
            && matches(&self.query.delivery, &event.delivery)
            && matches(&self.query.service, &event.service)
    }
}

fn streamed(view: &View, sequence: Sequence, recorded: &Recorded) -> StreamedEvent {
    let service_of = |rollout: &RolloutId| {
        view.state
            .rollout(rollout)
            .map(|rollout| rollout.start.service.to_string())
    };
    let app_of = |service: &ServiceId| convert::app_of(view, view.state.service(service)?);
    let event = &recorded.event;
    let (mut app, mut delivery, mut rollout, mut service) =
        (event.app().map(ToString::to_string), None, None, None);
    match event {
        Event::Delivery(id, _) => delivery = Some(id.to_string()),
        Event::Rollout(id, _) => {
            delivery = Some(id.delivery.to_string());
            rollout = Some(id.to_string());
            service = service_of(id);
        }
        Event::Service(id, _) => {
            app = app_of(id);
            service = Some(id.to_string());
        }
        Event::Incident(id, _) => {
            let incident = view.state.incident(id);
            delivery = incident.map(|it| it.rollout.delivery.to_string());
            rollout = incident.map(|it| it.rollout.to_string());
            service = incident.map(|it| it.service.to_string());
        }
        Event::Effect(_) => {
            let subject = event.subject();
            delivery = subject.strip_prefix("delivery/").map(ToOwned::to_owned);
            service = subject.strip_prefix("service/").map(ToOwned::to_owned);
        }
        Event::App(..) | Event::Access(_) => {}
    }
    StreamedEvent {
        sequence,
        at: recorded.at,
        event: event.kind().to_owned(),
        subject: event.subject(),
        app,
        delivery,
        rollout,
        service,
        actor: recorded.actor.name.clone(),
        message: story::tell(recorded),
    }
}
