//! Which lines an address asks for: its query, read and checked, and the addresses of what lies before and after.

use barq_core::identity::{RevisionName, ServiceId};
use barq_node::logs::{LinePlace, NoLinePlace, Severity};
use http::Uri;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::super::super::api::parse_revision;
use super::super::super::problem::Problem;
use super::super::{filters, place};
use crate::output::text::parse_duration;

/// The longest text that is looked for.
const TEXT_CHARACTERS_MAX: usize = 200;

/// A log page's address, understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in super::super) struct LogsPlace {
    /// Whose lines.
    pub(super) service: ServiceId,
    /// Of this revision alone.
    pub(super) revision: Option<RevisionName>,
    /// At least so severe.
    pub(super) severity: Option<&'static str>,
    /// With this text, however its letters are written.
    pub(super) text: Option<String>,
    /// Not older.
    pub(super) since: Option<Since>,
    /// Which of them.
    pub(super) window: Window,
}

/// From when on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Since {
    /// So long before now: as written, and in milliseconds.
    Span(String, i64),
    /// A moment.
    Moment(Timestamp),
}

/// Which of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Window {
    /// The newest, and those that come.
    Newest,
    /// Those before one of them, or before a moment.
    Before(LinePlace),
    /// Those before and after it.
    Around(i64),
}

/// What is asked of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogsQuery {
    #[serde(default, deserialize_with = "filters::given")]
    revision: Option<String>,
    #[serde(default, deserialize_with = "filters::given")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "filters::given")]
    q: Option<String>,
    #[serde(default, deserialize_with = "filters::given")]
    since: Option<String>,
    #[serde(default, deserialize_with = "filters::given")]
    before: Option<String>,
    at: Option<i64>,
}

impl LogsPlace {
    /// Of an address.
    pub(in super::super) fn of(name: &str, uri: &Uri) -> Result<Self, Problem> {
        let service: ServiceId = name
            .parse()
            .map_err(|_| Problem::unknown("service", name))?;
        let query: LogsQuery = place::query(uri)?;
        Ok(Self {
            revision: query
                .revision
                .map(|text| parse_revision(&service, &text))
                .transpose()?,
            severity: query.severity.map(|text| severity(&text)).transpose()?,
            text: query
                .q
                .map(|text| text.chars().take(TEXT_CHARACTERS_MAX).collect()),
            since: query.since.map(|text| since(&text)).transpose()?,
            window: match (query.before.as_deref(), query.at) {
                (Some(before), _) => Window::Before(line_place(before)?),
                (None, Some(at)) => Window::Around(time(at)?),
                (None, None) => Window::Newest,
            },
            service,
        })
    }

    /// Whether it shows what comes.
    pub(in super::super) fn is_live(&self) -> bool {
        self.window == Window::Newest
    }

    /// Whether it leaves lines out.
    pub(super) fn is_filtered(&self) -> bool {
        self.revision.is_some()
            || self.severity.is_some()
            || self.text.is_some()
            || self.since.is_some()
    }

    /// The same filter's lines of another window.
    pub(super) fn address(&self, window: Window) -> String {
        let revision = self.revision.as_ref().map(ToString::to_string);
        let since = self.since.as_ref().map(Since::to_text);
        let (before, at) = match window {
            Window::Newest => (None, None),
            Window::Before(before) => (Some(before.to_string()), None),
            Window::Around(at) => (None, Some(at.to_string())),
        };
        filters::address(
            &format!("/services/{}/logs", self.service),
            &[
                ("revision", revision.as_deref()),
                ("severity", self.severity),
                ("q", self.text.as_deref()),
                ("since", since.as_deref()),
                ("before", before.as_deref()),
                ("at", at.as_deref()),
            ],
        )
    }

    /// The moment before which nothing is shown, in milliseconds.
    pub(super) fn not_before(&self, now: Timestamp) -> Option<i64> {
        match self.since.as_ref()? {
            Since::Span(_, span_ms) => Some(now.as_millisecond().saturating_sub(*span_ms)),
            Since::Moment(moment) => Some(moment.as_millisecond()),
        }
    }

    /// What the node is asked, but for which of the lines.
    pub(super) fn parameters(&self, limit: usize) -> Vec<(&'static str, String)> {
        let revision = self.revision.as_ref().map(ToString::to_string);
        let mut parameters = vec![("limit", limit.to_string())];
        parameters.extend(revision.map(|it| ("revision", it)));
        parameters.extend(self.severity.map(|it| ("severity", it.to_owned())));
        parameters.extend(self.text.clone().map(|it| ("text", it)));
        parameters
    }
}

impl Since {
    /// As it stands in an address.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Span(text, _) => text.clone(),
            Self::Moment(moment) => moment.to_string(),
        }
    }
}

fn line_place(text: &str) -> Result<LinePlace, Problem> {
    text.parse()
        .map_err(|error: NoLinePlace| Problem::invalid(error.to_string()))
}

/// A time in milliseconds since 1970.
fn time(at_ms: i64) -> Result<i64, Problem> {
    let known = Timestamp::from_millisecond(at_ms);
    known
        .map(Timestamp::as_millisecond)
        .map_err(|error| Problem::invalid(error.to_string()))
}

fn severity(text: &str) -> Result<&'static str, Problem> {
    let severity: Severity = text.parse().map_err(|_| {
        Problem::invalid(format!("{text:?} is no severity")).hint("DEBUG, INFO, WARNING or ERROR")
    })?;
    Ok(severity.as_str())
}

fn since(text: &str) -> Result<Since, Problem> {
    if let Ok(moment) = text.parse() {
        return Ok(Since::Moment(moment));
    }
    let span: SignedDuration = parse_duration(text).ok_or_else(|| {
        Problem::invalid(format!("{text:?} is neither a time nor a duration"))
            .hint("30s, 10m, 2h, 1d, or a time as 2026-03-01T12:30:00Z")
    })?;
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Ok(Since::Span(text.to_owned(), span_ms))
}
