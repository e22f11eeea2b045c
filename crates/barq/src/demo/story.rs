//! Follows deliveries through the API, says what happens as it happens, and approves where somebody must.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::cli::story_line;
use crate::client::Client;
use crate::client::types::{Delivery, IncidentLine};
use crate::output::{Failure, Output};

/// How often the delivery is read: the story is told within this.
const READ_EVERY: Duration = Duration::from_millis(200);
/// How long one delivery may take; the first one compiles everything.
const DELIVERY: Duration = Duration::from_secs(15 * 60);
/// How long the report may take after the rollback.
const REPORT: Duration = Duration::from_secs(30);

/// Tells what happens.
pub(super) struct Story {
    output: Output,
    client: Client,
}

impl Story {
    pub(super) fn new(output: Output, client: Client) -> Self {
        Self { output, client }
    }

    pub(super) fn say(&self, line: &str) {
        self.output.text(&format!("$ {line}"));
    }

    /// Says where that is seen in a browser.
    pub(super) fn look(&self, path: &str) -> Result<(), Failure> {
        self.output.text(&format!("  {}", self.client.page(path)?));
        Ok(())
    }

    /// The newest delivery of an app, if there is one.
    pub(super) async fn newest(&self, app: &str) -> Result<Option<String>, Failure> {
        let query = [("app", app.to_owned()), ("limit", "1".to_owned())];
        let newest: Vec<Delivery> = self
            .client
            .list(&["api", "v1", "deliveries"], &query, "before", 1)
            .await?;
        Ok(newest.into_iter().next().map(|delivery| delivery.id))
    }

    /// The delivery that came after `before`.
    pub(super) async fn next_after(
        &self,
        app: &str,
        before: Option<String>,
    ) -> Result<String, Failure> {
        match self.newest(app).await? {
            Some(id) if Some(&id) != before.as_ref() => Ok(id),
            _ => Err(Failure::failed("the push started no delivery")),
        }
    }

    /// Says what happens to a delivery until its end, and opens the gate.
    pub(super) async fn follow(&self, id: &str) -> Result<Delivery, Failure> {
        let deadline = Instant::now() + DELIVERY;
        let mut told = 0;
        loop {
            let delivery: Delivery = self
                .client
                .get(&["api", "v1", "deliveries", id], &[])
                .await?;
            for entry in delivery.timeline.iter().skip(told) {
                self.output.text(&story_line(entry));
            }
            told = told.max(delivery.timeline.len());
            if delivery.ended() {
                return Ok(delivery);
            }
            if delivery.state == "awaiting_approval" {
                self.approve(id).await?;
            }
            if Instant::now() > deadline {
                return Err(Failure::failed(format!("{id} did not end in time")));
            }
            tokio::time::sleep(READ_EVERY).await;
        }
    }

    async fn approve(&self, id: &str) -> Result<(), Failure> {
        self.say(&format!("barq approve {id}"));
        let path = ["api", "v1", "deliveries", id, "approve"];
        let body = json!({"message": "looks right on staging"});
        let _approved: Delivery = self.client.post(&path, &body).await?;
        Ok(())
    }

    /// Prints the report of the newest incident, once its evidence is there.
    pub(super) async fn incident(&self) -> Result<(), Failure> {
        let newest: Vec<IncidentLine> = self
            .client
            .list(&["api", "v1", "incidents"], &[], "before", 1)
            .await?;
        let incident = newest
            .first()
            .ok_or_else(|| Failure::failed("the rollback opened no incident"))?;
        self.output.text("");
        self.say(&format!("barq incidents {}", incident.id));
        self.look(&format!("/incidents/{}", incident.id))?;
        let deadline = Instant::now() + REPORT;
        loop {
            let path = ["api", "v1", "incidents", &incident.id];
            let report = self.client.text(&path, &[], "text/markdown").await?;
            let complete = report.contains("## Blast radius");
            if complete || Instant::now() > deadline {
                self.output.text(&report);
                return Ok(());
            }
            tokio::time::sleep(READ_EVERY).await;
        }
    }
}
