//! One connection for each open page, that brings what changes on it.
//!
//! A page is rendered once for each audience when something changes, however many browsers have it open: a task for each
//! such topic renders, compares with what it sent last, and wakes the connections. A connection keeps nothing but the
//! version that its browser has. If that is the one before the newest, it sends the difference, else all fragments: so a
//! browser that comes back after any break, a server restart included, is right again with one message, and a slow one
//! skips what it missed. No queue, nothing to resume.

mod message;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use barq_engine::engine::View;
use futures::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::Shared;
use super::super::pages::Parameters;
use super::super::problem::Problem;
use super::assets;
use super::page::Page;
use super::place::{Audience, Place};
use super::session::Viewer;
use message::{Message, RELOAD};

/// Between two renderings of one page at least: a trip is seen well within a second, and a storm of events costs little.
const RENDER_EVERY_MIN: Duration = Duration::from_millis(250);
/// When a page that could not be rendered is tried again.
const FAILED_AGAIN: Duration = Duration::from_secs(1);
/// Different pages that are open at a time: each costs a rendering at every change.
const OPEN_PAGES_MAX: usize = 5000;
/// No more are opened that somebody asked something of their own from, so that searches don't keep others from their pages.
const OPEN_QUERIES_MAX: usize = 500;
/// A sign of life in the silence; a browser that hears none for much longer connects again.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// A page and those for whom it looks the same.
type Topic = (Place, Audience);
/// What a topic showed last; none before its first rendering.
type Newest = Option<Arc<Message>>;

/// All pages that are open somewhere.
#[derive(Debug, Default)]
pub(in crate::server) struct Live {
    /// Counts what has changed for people to see.
    changes: watch::Sender<u64>,
    topics: Mutex<HashMap<Topic, watch::Sender<Newest>>>,
    /// How often open pages were rendered, by kind of page.
    renderings: Mutex<BTreeMap<&'static str, u64>>,
}

impl Live {
    /// How often open pages were rendered, by kind of page: once for each change, not once for each browser.
    pub(in crate::server) fn renderings(&self) -> BTreeMap<&'static str, u64> {
        let renderings = self.renderings.lock();
        renderings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Browsers that have a page open.
    pub(in crate::server) fn browsers(&self) -> usize {
        let topics = lock(self);
        topics.values().map(watch::Sender::receiver_count).sum()
    }

    fn rendered(&self, kind: &'static str) {
        let renderings = self.renderings.lock();
        let mut renderings = renderings.unwrap_or_else(PoisonError::into_inner);
        *renderings.entry(kind).or_default() += 1;
    }
}

/// What a browser says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct LiveQuery {
    /// The address of its page.
    page: String,
    /// The version of the page that it has.
    seen: String,
    /// The version of the stylesheet and script that it has.
    build: String,
}

/// What changes on a page, as server-sent events; `Last-Event-ID` is the version that the browser has.
pub(super) async fn stream(
    State(server): State<Shared>,
    viewer: Result<Viewer, Response>,
    Parameters(query): Parameters<LiveQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // A new page is the cure for an old one, and leads to the sign-in where that is what is missing.
    let Ok(viewer) = viewer else {
        return Ok(events(Body::from(RELOAD)));
    };
    if query.build != assets::version() {
        return Ok(events(Body::from(RELOAD)));
    }
    let uri: Uri = query
        .page
        .parse()
        .map_err(|_| Problem::invalid("`page` is no address"))?;
    let place = Place::of(&uri)?;
    let audience = place.audience(&server, &viewer);
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let seen = last.unwrap_or(&query.seen).to_owned();
    let open_max = match uri.query() {
        Some(_) => OPEN_QUERIES_MAX,
        None => OPEN_PAGES_MAX,
    };
    let newest = subscribe(&server, (place, audience), open_max).ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open")
            .hint("close some, here or elsewhere")
    })?;
    let reader = Reader {
        newest,
        seen,
        server,
        headers,
        viewer,
        greeted: false,
        over: false,
    };
    Ok(events(Body::from_stream(reader.into_stream())))
}

fn events(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, body).into_response()
}

/// One browser.
struct Reader {
    server: Shared,
    newest: watch::Receiver<Newest>,
    /// What it sent of itself, and who that was: its session may end while it looks, or its role change.
    headers: HeaderMap,
    viewer: Viewer,
    /// The version that it has.
    seen: String,
    greeted: bool,
    /// It has heard the last.
    over: bool,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures::stream::unfold(self, |mut reader| async move {
            let bytes = reader.next().await?;
            Some((Ok(bytes), reader))
        })
    }

    /// What it must hear next. None when the server ends, or the page can't be rendered any more: a browser that is not
    /// connected says so, and comes back.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let alive_at = Instant::now() + ALIVE_EVERY;
        let bytes = loop {
            let newest = self.newest.borrow_and_update().clone();
            match newest {
                None if self.greeted => return None,
                None => {}
                Some(_) if !self.greeted => {
                    self.greeted = true;
                    break message::greeting(Timestamp::now());
                }
                Some(newest) if newest.version != self.seen => {
                    let bytes = newest.since(&self.seen);
                    self.seen.clone_from(&newest.version);
                    break bytes;
                }
                Some(_) => {}
            }
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                () = tokio::time::sleep_until(alive_at), if self.greeted => break message::alive(Timestamp::now()),
                () = self.server.shutdown.cancelled() => return None,
            }
        };
        // Whoever has no token any more, or may do something else by now, hears no more of this page.
        let viewer = self.server.viewer(&self.headers, Timestamp::now());
        self.over = viewer.is_none_or(|viewer| viewer.0 != self.viewer.0);
        Some(if self.over {
            Bytes::from_static(RELOAD.as_bytes())
        } else {
            bytes
        })
    }
}

/// Joins those who look at a page; the first one starts its rendering. None where too many different pages are open.
fn subscribe(server: &Shared, topic: Topic, open_max: usize) -> Option<watch::Receiver<Newest>> {
    let mut topics = lock(&server.live);
    if let Some(open) = topics.get(&topic) {
        return Some(open.subscribe());
    }
    if topics.len() >= open_max {
        return None;
    }
    let (sender, receiver) = watch::channel(None);
    topics.insert(topic.clone(), sender.clone());
    let open = Open {
        server: Arc::clone(server),
        topic,
        newest: sender,
    };
    tokio::spawn(open.keep());
    Some(receiver)
}

fn lock(live: &Live) -> std::sync::MutexGuard<'_, HashMap<Topic, watch::Sender<Newest>>> {
    live.topics.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A page that somebody looks at.
struct Open {
    server: Shared,
    topic: Topic,
    newest: watch::Sender<Newest>,
}

impl Open {
    /// Renders the page for as long as somebody looks at it.
    async fn keep(self) {
        let (server, newest) = (&self.server, &self.newest);
        let (place, audience) = &self.topic;
        let mut changes = server.live.changes.subscribe();
        let mut last: Option<(Page, String)> = None;
        loop {
            changes.borrow_and_update();
            let rendered_at = Instant::now();
            match place.page(server, audience, Timestamp::now()).await {
                Ok(page) => {
                    server.live.rendered(page.kind);
                    let version = page.version();
                    let before = last
                        .as_ref()
                        .map(|(page, version)| (page, version.as_str()));
                    if before.is_none_or(|(_, before)| before != version) {
                        let message = Message::new(&page, &version, before);
                        newest.send_replace(Some(Arc::new(message)));
                    }
                    last = Some((page, version));
                }
                // What the browsers have may be old: they are let go, so that they say so, until the page is well again.
                Err(problem) => {
                    tracing::warn!(?problem, ?place, "an open page can't be rendered");
                    newest.send_replace(None);
                    last = None;
                }
            }
            tokio::time::sleep_until(rendered_at + RENDER_EVERY_MIN).await;
            let again_after = last
                .as_ref()
                .map_or(Some(FAILED_AGAIN), |_| place.refreshes(server));
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = again(again_after) => {}
                () = newest.closed() => {
                    let mut topics = lock(&server.live);
                    // Somebody may have come between the last one's leaving and now.
                    if newest.receiver_count() == 0 {
                        topics.remove(&self.topic);
                        return;
                    }
                }
                () = server.shutdown.cancelled() => return,
            }
        }
    }
}

impl Drop for Open {
    /// However it ends, a page that nobody renders is not one to join: its browsers are let go and come back to a new one.
    fn drop(&mut self) {
        let mut topics = lock(&self.server.live);
        if topics
            .get(&self.topic)
            .is_some_and(|it| it.same_channel(&self.newest))
        {
            topics.remove(&self.topic);
        }
    }
}

/// When a page is rendered again though nothing is known to have changed.
async fn again(every: Option<Duration>) {
    match every {
        Some(every) => tokio::time::sleep(every).await,
        None => std::future::pending().await,
    }
}

impl Live {
    /// Something has changed that the engine does not know of.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// Tells the open pages of every change of what is known; the engine also publishes what is no change.
pub(in crate::server) async fn watch_for_ever(server: Shared) {
    let mut views = server.engine.watch();
    let mut before = views.borrow_and_update().clone();
    while views.changed().await.is_ok() {
        let view = views.borrow_and_update().clone();
        server.samples.see(&view, Timestamp::now());
        if differs(&before, &view) {
            server.live.changed();
        }
        before = view;
    }
}

fn differs(before: &View, view: &View) -> bool {
    !Arc::ptr_eq(&before.state, &view.state)
        || before.seen.services != view.seen.services
        || before.data_plane_error != view.data_plane_error
        || before.storage_error != view.storage_error
}
