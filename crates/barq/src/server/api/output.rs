//! What a check wrote, while it runs and afterwards.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use barq_runner::api::RunnerError;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::access::Caller;
use super::super::pages::Parameters;
use super::super::problem::Problem;
use super::super::{Shared, outputs};
use super::deliveries;

/// Which part of the output.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputQuery {
    /// From this byte; 0.
    from: Option<usize>,
    /// Only so many lines of its end.
    tail_lines: Option<usize>,
}

/// What a check wrote: the latest attempt.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}/checks/{name}/output", tag = "deliveries", params(("id" = String, Path, description = "`<app>-<n>`"), ("name" = String, Path, description = "The check"), OutputQuery), responses((status = 200, description = "The text; `Barq-Output-Size` says how long all of it is", body = String, content_type = "text/plain")))]
pub(super) async fn check_output(
    State(server): State<Shared>,
    _: Caller,
    Path((id, name)): Path<(String, String)>,
    Parameters(query): Parameters<OutputQuery>,
) -> Result<Response, Problem> {
    let delivery = deliveries::parse(&id)?;
    let unreadable = |error: RunnerError| Problem::internal("the output can't be read", &error);
    let run = outputs::latest(&server.runner, &delivery, &name).map_err(unreadable)?;
    let text = match run {
        Some(run) => outputs::whole(&server.runner, &run.key)
            .await
            .map_err(unreadable)?,
        None => {
            let known = server.delivery(&delivery).await?;
            if !known.checks.iter().any(|check| check.name == name) {
                return Err(Problem::unknown("check", &name));
            }
            String::new()
        }
    };
    let shown = part(&text, &query);
    let headers = [
        (
            CONTENT_TYPE.as_str(),
            "text/plain; charset=utf-8".to_owned(),
        ),
        ("barq-output-size", text.len().to_string()),
    ];
    Ok((headers, shown).into_response())
}

fn part(text: &str, query: &OutputQuery) -> String {
    let mut from = query.from.unwrap_or(0).min(text.len());
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let rest = &text[from..];
    let Some(lines) = query.tail_lines else {
        return rest.to_owned();
    };
    let skipped = rest.lines().count().saturating_sub(lines);
    rest.lines()
        .skip(skipped)
        .map(|line| format!("{line}\n"))
        .collect()
}
