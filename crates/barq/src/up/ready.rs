//! Asks a server over HTTP whether it is well.

use std::time::Duration;

/// How often it is asked.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(100);
/// How long one question may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A client for such questions.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_MAX)
        // Each question reaches whoever accepts now, not a process that is about to end.
        .pool_max_idle_per_host(0)
        .build()
}

/// Whether a URL is answered with success, now.
pub(super) async fn is_well(url: &str) -> bool {
    let Ok(client) = client() else { return false };
    let answer = client.get(url).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// Returns once it is.
pub(super) async fn until_well(url: &str) {
    while !is_well(url).await {
        tokio::time::sleep(ASK_EVERY).await;
    }
}
