//! What a request that fails is answered: a problem document (RFC 9457) that says what failed, why, and what to do.

use axum::response::{IntoResponse, Response};
use barq_core::command::Rejection;
use barq_engine::engine::CommandError;
use barq_engine::history::HistoryError;
use barq_engine::journal::{AppendError, StorageError};
use barq_engine::ports::PortError;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::output::chain;

/// A problem document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What failed.
    title: String,
    /// The HTTP status.
    status: u16,
    /// Why.
    detail: Option<String>,
    /// What to do.
    hint: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, title: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: title.into(),
            status: status.as_u16(),
            detail: None,
            hint: None,
        }
    }

    pub(super) fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What failed.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Why, where that is known.
    pub(super) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What to do, where there is something.
    pub(super) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(super) fn unauthorized(why: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not known").because(why)
    }

    pub(super) fn invalid(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the request is not valid").because(why)
    }

    pub(super) fn unknown(what: &str, name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("there is no {what} {name:?}"),
        )
    }

    pub(super) fn conflict(title: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, title).because(why)
    }

    pub(super) fn internal(title: &str, error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(error), "{title}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, title).because(chain(error))
    }

    pub(super) fn unavailable(title: &str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, title).because(why)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"barq\""),
            );
        }
        response
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        match rejection {
            Rejection::Unknown { .. } => Self::new(StatusCode::NOT_FOUND, text),
            Rejection::NotAllowed {
                actor, what, needs, ..
            } => Self::new(StatusCode::FORBIDDEN, format!("not allowed to {what}"))
                .because(format!("{actor} does not have the role {needs}"))
                .hint(format!("ask somebody with the role {needs}")),
            Rejection::NotSeparate { .. } => Self::new(StatusCode::FORBIDDEN, "not allowed")
                .because(text)
                .hint("ask another person to approve it"),
            Rejection::NotOwner {
                actor, what, owner, ..
            } => Self::new(StatusCode::FORBIDDEN, format!("not allowed to {what}")).because(
                format!("only the token {owner} may, and this one is {actor}"),
            ),
            Rejection::Conflict { what, why } => Self::conflict(what, why),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => rejection.into(),
            CommandError::Repeated(_) => Self::conflict(
                "this request was answered before",
                "the same idempotency key came twice at once",
            ),
            CommandError::NotRecorded(error) => not_recorded(&error),
            CommandError::Stopped => {
                Self::unavailable("the server is stopping", "nothing was done")
                    .hint("try it again in a moment")
            }
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        tracing::error!(error = %chain(&error), "the journal could not be read");
        Self::unavailable("the journal can't be read", chain(&error))
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Storage(error) => error.into(),
            HistoryError::Codec(error) => Self::internal("the journal can't be understood", &error),
        }
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        Self::unavailable("the node can't be asked", error.to_string())
            .hint("it is started again by `barq up`; see `barq doctor`")
    }
}

/// A command that had no effect since it could not be recorded.
pub(super) fn not_recorded(error: &AppendError) -> Problem {
    let title = "the command could not be recorded, so nothing was done";
    if matches!(error, AppendError::Storage(StorageError::DiskFull { .. })) {
        return Problem::new(StatusCode::INSUFFICIENT_STORAGE, title)
            .because(chain(error))
            .hint(
                "make room on the disk of the data directory, then try it again; a rollback moves traffic back even now, also by `barq rollback`",
            );
    }
    Problem::unavailable(title, chain(error)).hint("try it again in a moment")
}
