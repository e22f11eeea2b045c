//! The server's own health and numbers.
//!
//! Ready means that it can read and write its journal and that its disk has room: whatever else is missing it waits for,
//! and says so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::convert::in_milliseconds;
use super::{Server, Shared, disk};
use crate::output::chain;

/// Answers by class, 1xx to 5xx.
#[derive(Debug, Default)]
pub(super) struct RequestCounts([AtomicU64; 5]);

/// Everything about the server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detailed {
    /// `healthy` or `degraded`.
    status: &'static str,
    /// Its version.
    version: &'static str,
    /// Since when.
    started_at: Timestamp,
    /// How long.
    uptime_ms: f64,
    /// The journal.
    journal: Part,
    /// The node.
    node: Part,
    /// Memory of the process, in bytes; null where it is not known.
    resident_bytes: Option<u64>,
}

/// Something that the server needs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Part {
    /// Whether it is there.
    ok: bool,
    /// What is wrong.
    error: Option<String>,
    /// How long a question took.
    latency_ms: Option<f64>,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, description = "It lives", body = String, content_type = "text/plain")))]
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// Whether it can answer: 503 while the journal can't be read or written.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses((status = 200, description = "It is ready", body = String, content_type = "text/plain"), (status = 503, description = "It is not")))]
pub(super) async fn ready(State(server): State<Shared>) -> Response {
    let journal = server.journal_part().await;
    match journal.error {
        None => "ready\n".into_response(),
        Some(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {error}\n"),
        )
            .into_response(),
    }
}

/// Status, version, journal, node, memory.
#[utoipa::path(get, path = "/health/detailed", tag = "health", responses((status = 200, description = "What is known", body = Detailed)))]
pub(super) async fn detailed(State(server): State<Shared>) -> axum::Json<Detailed> {
    let view = server.engine.view();
    let journal = server.journal_part().await;
    let node = Part {
        ok: view.data_plane_error.is_none(),
        error: view.data_plane_error,
        latency_ms: None,
    };
    let now = Timestamp::now();
    let uptime = now.duration_since(server.started_at).as_micros();
    axum::Json(Detailed {
        status: if journal.ok && node.ok {
            "healthy"
        } else {
            "degraded"
        },
        version: env!("CARGO_PKG_VERSION"),
        started_at: server.started_at,
        uptime_ms: in_milliseconds(u64::try_from(uptime).unwrap_or(0)),
        journal,
        node,
        resident_bytes: resident_bytes(),
    })
}

/// Numbers for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(server): State<Shared>) -> Response {
    let text = server.metrics().await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Counts what is answered.
pub(super) async fn count(State(server): State<Shared>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let class = usize::from(response.status().as_u16() / 100);
    if let Some(count) = class
        .checked_sub(1)
        .and_then(|index| server.requests.0.get(index))
    {
        count.fetch_add(1, Ordering::Relaxed);
    }
    response
}

impl Server {
    async fn journal_part(&self) -> Part {
        let begun = Instant::now();
        let asked = self.engine.journal().head().await;
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let error = match asked {
            Ok(_) => self.engine.view().storage_error,
            Err(error) => Some(chain(&error)),
        };
        // A full disk is known before something has to be written.
        let root = self.data.root();
        let error = match error {
            Some(error) => Some(disk::because(root, &error)),
            None => disk::full(root),
        };
        Part {
            ok: error.is_none(),
            error,
            latency_ms: Some(in_milliseconds(took)),
        }
    }

    async fn metrics(&self) -> String {
        let mut text = Metrics::default();
        text.head(
            "barq_requests_total",
            "counter",
            "HTTP requests answered, by class of status",
        );
        for (index, count) in self.requests.0.iter().enumerate() {
            let label = format!("{{class=\"{}xx\"}}", index + 1);
            text.sample("barq_requests_total", &label, count.load(Ordering::Relaxed));
        }
        let name = "barq_web_renderings_total";
        text.head(name, "counter", "Renderings of open pages, by kind of page");
        for (kind, count) in self.live.renderings() {
            text.sample(name, &format!("{{page=\"{kind}\"}}"), count);
        }
        if let Ok(head) = self.engine.journal().head().await {
            let name = "barq_journal_events_total";
            text.head(name, "counter", "Events in the journal");
            text.sample(name, "", head.sequence);
        }
        for (name, help, value) in self.gauges() {
            text.head(name, "gauge", help);
            text.sample(name, "", value);
        }
        text.0
    }

    fn gauges(&self) -> Vec<(&'static str, &'static str, u64)> {
        let view = self.engine.view();
        let state = &view.state;
        let deliveries = state.deliveries.values().filter(|it| !it.ended()).count();
        let rollouts = state.rollouts.values().filter(|it| !it.ended()).count();
        let incidents = state.incidents.values();
        let open = incidents.filter(|it| it.resolved.is_none()).count();
        let mut gauges = vec![
            (
                "barq_journal_writable",
                "Whether the journal takes events",
                u64::from(view.storage_error.is_none()),
            ),
            (
                "barq_node_visible",
                "Whether the node answers",
                u64::from(view.data_plane_error.is_none()),
            ),
            (
                "barq_deliveries_active",
                "Deliveries that have not ended",
                deliveries as u64,
            ),
            (
                "barq_rollouts_active",
                "Rollouts that have not ended",
                rollouts as u64,
            ),
            (
                "barq_incidents_open",
                "Incidents that are not resolved",
                open as u64,
            ),
            (
                "barq_web_browsers",
                "Open pages in browsers",
                self.live.browsers() as u64,
            ),
        ];
        let memory = resident_bytes();
        gauges
            .extend(memory.map(|it| ("process_resident_memory_bytes", "Memory of the server", it)));
        gauges
    }
}

#[derive(Default)]
struct Metrics(String);

impl Metrics {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.0
            .push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        self.0.push_str(&format!("{name}{labels} {value}\n"));
    }
}

/// From `/proc/self/status`, in KiB there.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
