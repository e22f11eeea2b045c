//! A service's log lines, from the node; with `follow` as they come.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use barq_core::identity::ServiceId;
use barq_node::api;
use barq_node::logs::Severity;
use futures::Stream;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::super::access::Caller;
use super::super::pages::Parameters;
use super::super::problem::Problem;
use super::super::shapes::LogLine;
use super::super::{Server, Shared};
use super::services::parse;

/// Lines that are shown where no limit is asked for.
const LINES_DEFAULT: usize = 200;
/// Lines of one answer at most.
const LINES_MAX: usize = 10_000;
/// Lines of one question to the node.
const PAGE_LINES: usize = 500;
/// Questions for the lines that are there already: each goes back by so many lines, or by what the node reads at once.
const QUESTIONS_MAX: usize = 64;
/// How often the node is asked for new lines.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// A blank line in the silence.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Fields in which a line of JSON names its request.
pub(in super::super) const REQUEST_ID_FIELDS: [&str; 3] =
    ["request_id", "requestId", "x-request-id"];

/// Which lines.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsQuery {
    /// Of this revision.
    revision: Option<String>,
    /// At least so severe: `DEBUG`, `INFO`, `WARNING`, `ERROR`.
    severity: Option<String>,
    /// Not older.
    since: Option<Timestamp>,
    /// The last so many; 200, at most 10000.
    limit: Option<usize>,
    /// Stays open and sends what comes.
    #[serde(default)]
    follow: bool,
}

/// Log lines, oldest first, one JSON document a line.
#[utoipa::path(get, path = "/api/v1/services/{name}/logs", tag = "services", params(("name" = String, Path, description = "`<service>-<environment>`"), LogsQuery), responses((status = 200, description = "One document a line", body = LogLine, content_type = "application/x-ndjson")))]
pub(super) async fn tail(
    State(server): State<Shared>,
    _: Caller,
    Path(name): Path<String>,
    Parameters(query): Parameters<LogsQuery>,
) -> Result<Response, Problem> {
    let service = parse(&name)?;
    if server.engine.view().state.service(&service).is_none() {
        return Err(Problem::unknown("service", &name));
    }
    if let Some(word) = &query.severity {
        word.parse::<Severity>().map_err(|error| {
            Problem::invalid(error.to_string()).hint("DEBUG, INFO, WARNING or ERROR")
        })?;
    }
    let follow = query.follow;
    let mut tail = Tail {
        server,
        service,
        query,
        after: None,
        ready: VecDeque::new(),
        sent_at: Instant::now(),
    };
    tail.read_all().await?;
    let body = if follow {
        Body::from_stream(tail.into_stream())
    } else {
        Body::from(tail.ready.into_iter().flatten().collect::<Vec<u8>>())
    };
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

struct Tail {
    server: Shared,
    service: ServiceId,
    query: LogsQuery,
    after: Option<String>,
    ready: VecDeque<Bytes>,
    sent_at: Instant,
}

impl Tail {
    /// The last lines that are there now, backwards from the end, and where to go on after them.
    async fn read_all(&mut self) -> Result<(), Problem> {
        let mut limit = self.query.limit.unwrap_or(LINES_DEFAULT);
        limit = limit.clamp(1, LINES_MAX);
        let mut which = ("window", "last".to_owned());
        for _ in 0..QUESTIONS_MAX {
            let page = self.ask(which, limit - self.ready.len()).await?;
            self.after = self.after.take().or(page.next);
            for line in page.lines.into_iter().rev() {
                self.ready.push_front(written(line)?);
            }
            match page.older {
                Some(older) if self.ready.len() < limit => which = ("before", older),
                Some(_) | None => return Ok(()),
            }
        }
        Ok(())
    }

    /// What came since.
    async fn read(&mut self) -> Result<(), Problem> {
        let which = match self.after.clone() {
            Some(after) => ("after", after),
            None => ("window", "last".to_owned()),
        };
        let page = self.ask(which, PAGE_LINES).await?;
        self.after = page.next;
        for line in page.lines {
            self.ready.push_back(written(line)?);
        }
        Ok(())
    }

    async fn ask(
        &self,
        which: (&'static str, String),
        limit: usize,
    ) -> Result<api::LogPage, Problem> {
        let mut parameters = vec![which, ("limit", limit.min(PAGE_LINES).to_string())];
        parameters.extend(self.query.revision.clone().map(|it| ("revision", it)));
        parameters.extend(self.query.severity.clone().map(|it| ("severity", it)));
        let since = self.query.since.map(|at| at.as_millisecond().to_string());
        parameters.extend(since.map(|it| ("since_ms", it)));
        self.server.log_page(&self.service, &parameters).await
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures::stream::unfold(self, |mut tail| async move {
            let bytes = tail.next().await?;
            Some((Ok(bytes), tail))
        })
    }

    /// The next line, or a blank one; none when the server stops. A node that restarts is asked again.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                self.sent_at = Instant::now();
                return Some(line);
            }
            if let Err(problem) = self.read().await {
                tracing::debug!(?problem, "the node's log can't be read now");
            }
            if !self.ready.is_empty() {
                continue;
            }
            if self.sent_at.elapsed() >= KEEP_ALIVE {
                self.sent_at = Instant::now();
                return Some(Bytes::from_static(b"\n"));
            }
            tokio::select! {
                () = tokio::time::sleep(ASK_EVERY) => {}
                () = self.server.shutdown.cancelled() => return None,
            }
        }
    }
}

fn written(line: api::LogLine) -> Result<Bytes, Problem> {
    let mut text = serde_json::to_vec(&converted(line))
        .map_err(|error| Problem::internal("a line can't be written", &error))?;
    text.push(b'\n');
    Ok(text.into())
}

fn converted(line: api::LogLine) -> LogLine {
    let fields: Option<serde_json::Value> = serde_json::from_str(&line.text).ok();
    let request_id = fields.as_ref().and_then(|fields| {
        REQUEST_ID_FIELDS
            .iter()
            .find_map(|name| fields.get(name)?.as_str())
            .map(ToOwned::to_owned)
    });
    LogLine {
        at: line.at,
        revision: line.revision,
        instance: line.instance,
        severity: line.severity,
        message: line.text,
        request_id,
    }
}

impl Server {
    /// One page of a service's lines, as the node has them: its parameters are those of `barq_node::api`.
    pub(in super::super) async fn log_page(
        &self,
        service: &ServiceId,
        parameters: &[(&'static str, String)],
    ) -> Result<api::LogPage, Problem> {
        let base = format!("http://node/v1/services/{service}/logs");
        let url = reqwest::Url::parse_with_params(&base, parameters)
            .map_err(|error| Problem::invalid(error.to_string()))?;
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        Ok(self.node.ask("GET", &path).await?)
    }

    /// How many lines of a severity a revision has written since then, up to a limit.
    pub(super) async fn count_lines(
        &self,
        service: &ServiceId,
        revision: &str,
        severity: &str,
        since: Timestamp,
    ) -> Result<usize, Problem> {
        let path = format!(
            "/v1/services/{service}/logs?revision={revision}&severity={severity}&since_ms={}&limit={PAGE_LINES}",
            since.as_millisecond()
        );
        let page: api::LogPage = self.node.ask("GET", &path).await?;
        Ok(page.lines.len())
    }
}
