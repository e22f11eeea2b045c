//! Everything that is not a success, as the API tells it: RFC 9457 problem documents. Also the one place where an
//! internal error is logged with its cause; the client is told none of it. Knows the errors of the other layers, which
//! know nothing of it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{FieldError, Invalid};
use crate::logging::with_sources;
use crate::store::StoreError;

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The sort of problem, e.g. `urn:fleet:problem:conflict`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// The sort of problem, for people.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// The fields that cannot be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// Why a request has no good answer.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// There is nothing under this path, or no such method.
    NoRoute(StatusCode),
    /// The request cannot be read; what is wrong with it.
    Unreadable(StatusCode, String),
    /// Its values cannot be used.
    Invalid(Invalid),
    /// The storage refused or failed.
    Store(StoreError),
    /// The instance is not ready for requests; why.
    NotReady(String),
    /// The handler took too long.
    TooSlow,
    /// A handler panicked; the hook in `logging` has logged it.
    Panicked,
}

/// What a handler returns.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Store(error @ (StoreError::Statement(_) | StoreError::Unavailable(_))) = &self {
            tracing::error!("the request failed: {}", with_sources(error));
        }
        let problem = self.into_problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl ApiError {
    fn into_problem(self) -> Problem {
        let (status, kind, detail, errors) = match self {
            Self::NoRoute(status) => {
                (status, "urn:fleet:problem:no-route", "There is no such path or method.".to_owned(), vec![])
            }
            Self::Unreadable(status, detail) => (status, "urn:fleet:problem:unreadable", detail, vec![]),
            Self::Invalid(invalid) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "urn:fleet:problem:invalid", invalid.to_string(), invalid.0)
            }
            Self::Store(error) => {
                let (status, kind, detail) = store_problem(&error);
                (status, kind, detail, vec![])
            }
            Self::NotReady(detail) => (StatusCode::SERVICE_UNAVAILABLE, "urn:fleet:problem:not-ready", detail, vec![]),
            Self::TooSlow => (
                StatusCode::GATEWAY_TIMEOUT,
                "urn:fleet:problem:too-slow",
                "The request took too long; it may have been carried out.".to_owned(),
                vec![],
            ),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, INTERNAL_DETAIL.to_owned(), vec![]),
        };
        let title = status.canonical_reason().unwrap_or("Problem");
        Problem { kind, title, status: status.as_u16(), detail, errors }
    }
}

const INTERNAL: &str = "urn:fleet:problem:internal";
const INTERNAL_DETAIL: &str = "Something went wrong on our side; it was logged under the request's x-request-id.";

fn store_problem(error: &StoreError) -> (StatusCode, &'static str, String) {
    match error {
        StoreError::NotFound { .. } => (StatusCode::NOT_FOUND, "urn:fleet:problem:not-found", error.to_string()),
        StoreError::Conflict(_) => (StatusCode::CONFLICT, "urn:fleet:problem:conflict", error.to_string()),
        StoreError::Unavailable(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "urn:fleet:problem:unavailable", error.to_string())
        }
        StoreError::Statement(_) => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, INTERNAL_DETAIL.to_owned()),
    }
}
