//! Stylesheet, script and icons: in the binary, under names that change with them, so that browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use sha2::{Digest, Sha256};

use super::super::access::hexadecimal;

/// Bytes of the version: enough to tell two builds apart.
const VERSION_BYTES: usize = 6;
/// An address with a version never means anything else.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const A_DAY: &str = "public, max-age=86400";

/// One stylesheet, written in files by what they are about; a page's own rules follow what they refine.
const STYLE: &str = concat!(
    include_str!("../../../assets/css/1-base.css"),
    include_str!("../../../assets/css/2-layout.css"),
    include_str!("../../../assets/css/3-elements.css"),
    include_str!("../../../assets/css/3-chart.css"),
    include_str!("../../../assets/css/4-home.css"),
    include_str!("../../../assets/css/5-deliveries.css"),
    include_str!("../../../assets/css/6-output.css"),
    include_str!("../../../assets/css/5-service.css"),
    include_str!("../../../assets/css/6-logs.css"),
    include_str!("../../../assets/css/7-rollout.css"),
    include_str!("../../../assets/css/8-review.css"),
    include_str!("../../../assets/css/8-steer.css"),
    include_str!("../../../assets/css/9-incidents.css"),
    include_str!("../../../assets/css/9-journal.css"),
    include_str!("../../../assets/css/9-tokens.css"),
);
const SCRIPT: &str = include_str!("../../../assets/live.js");
const CALM: &str = include_str!("../../../assets/icon-calm.svg");
const MOVING: &str = include_str!("../../../assets/icon-moving.svg");
const WAITING: &str = include_str!("../../../assets/icon-waiting.svg");
const TROUBLE: &str = include_str!("../../../assets/icon-trouble.svg");

/// Name, type and content of each.
const ASSETS: &[(&str, &str, &str)] = &[
    ("barq.css", "text/css; charset=utf-8", STYLE),
    ("live.js", "text/javascript; charset=utf-8", SCRIPT),
    ("icon-calm.svg", "image/svg+xml", CALM),
    ("icon-moving.svg", "image/svg+xml", MOVING),
    ("icon-waiting.svg", "image/svg+xml", WAITING),
    ("icon-trouble.svg", "image/svg+xml", TROUBLE),
];

/// The version of all of them together: a browser with another one has an old page.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for (_, _, content) in ASSETS {
        digest.update(content.as_bytes());
    }
    hexadecimal(&digest.finalize()[..VERSION_BYTES])
});

/// The version of what pages are made with.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// Where an asset is.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{name}?v={}", version())
}

/// One of them.
pub(super) async fn get(Path(name): Path<String>) -> Response {
    let asset = ASSETS.iter().find(|(known, _, _)| *known == name);
    match asset {
        Some((_, kind, content)) => answer(kind, content, FOR_EVER),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// For those who ask without having read the page.
pub(super) async fn favicon() -> Response {
    answer("image/svg+xml", CALM, A_DAY)
}

fn answer(kind: &'static str, content: &'static str, kept: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, kept),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content).into_response()
}
