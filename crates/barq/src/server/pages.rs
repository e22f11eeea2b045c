//! Lists in pages, and parameters whose faults are told as problems.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::shapes::Page;

/// Items of a page where none are asked for.
pub(super) const ITEMS_DEFAULT: usize = 50;
/// Items of a page at most.
pub(super) const ITEMS_MAX: usize = 500;

/// The parameters of a request.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(parameters) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::invalid(error.to_string()))?;
        Ok(Self(parameters))
    }
}

/// How many items a page has.
pub(super) fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(ITEMS_DEFAULT).clamp(1, ITEMS_MAX)
}

/// A page of a list that is in memory and ordered by name: `before` is the name of the last item of the page before.
pub(super) fn by_name<T>(
    all: Vec<T>,
    name: impl Fn(&T) -> &str,
    before: Option<&str>,
    asked: Option<usize>,
) -> Page<T> {
    let mut rest = all
        .into_iter()
        .filter(|item| before.is_none_or(|before| name(item) > before));
    let items: Vec<T> = rest.by_ref().take(limit(asked)).collect();
    let more = rest.next().is_some();
    let next = items
        .last()
        .filter(|_| more)
        .map(|item| name(item).to_owned());
    Page { items, next }
}
