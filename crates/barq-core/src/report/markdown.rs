//! The report as Markdown, for people and for the postmortem's document.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{BlastRadius, Report, count, milliseconds};

/// Samples of failed requests that the document shows; the JSON form has all that were kept.
const FAILURES_SHOWN: usize = 10;
/// Endpoints that the document shows.
const ENDPOINTS_SHOWN: usize = 30;

impl Report {
    /// The whole report as one document.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}: {}\n\n{}\n\n", self.id, self.title, self.summary);
        self.key_facts(&mut text);
        self.write_timeline(&mut text);
        self.write_commits(&mut text);
        self.write_blast_radius(&mut text);
        self.write_endpoints(&mut text);
        self.write_failures(&mut text);
        self.write_follow_ups(&mut text);
        text
    }

    fn key_facts(&self, text: &mut String) {
        let state = match &self.resolved {
            Some((by, at)) => format!("resolved by {by} at {}", second(*at)),
            None => "open".to_owned(),
        };
        let detection = self.detection_ms.map_or_else(
            || "not known: it never had traffic".to_owned(),
            |span| format!("{} after its first traffic", milliseconds(span * 1000)),
        );
        let back = match &self.rollback {
            None => "not made".to_owned(),
            Some(back) => match back.shifted_us {
                Some(shifted) => format!("{} until all traffic had moved", milliseconds(shifted)),
                None => "under way".to_owned(),
            },
        };
        let facts = [
            ("Service", self.service.to_string()),
            ("Revision", self.revision.to_string()),
            ("Rollout", self.rollout.to_string()),
            ("Opened", second(self.opened_at)),
            ("State", state),
            ("Cause", self.cause.clone()),
            ("Detected", detection),
            ("Rollback", back),
        ];
        line(text, "| | |\n| --- | --- |");
        for (name, value) in facts {
            line(text, &format!("| {name} | {} |", cell(&value)));
        }
    }

    fn write_timeline(&self, text: &mut String) {
        heading(text, "Timeline");
        for entry in &self.timeline {
            let actor = entry
                .actor
                .as_ref()
                .map_or_else(String::new, |actor| format!(" ({actor})"));
            line(
                text,
                &format!("- `{}` {}{actor}", precise(entry.at), entry.what),
            );
        }
    }

    fn write_commits(&self, text: &mut String) {
        heading(text, "Commits");
        if let Some(before) = &self.commits_after {
            line(text, &format!("After {}:\n", before.short()));
        }
        for commit in &self.commits {
            line(
                text,
                &format!(
                    "- `{}` {}, by {} <{}>",
                    commit.hash.short(),
                    commit.subject,
                    commit.author_name,
                    commit.author_email
                ),
            );
        }
    }

    fn write_blast_radius(&self, text: &mut String) {
        heading(text, "Blast radius");
        match &self.blast_radius {
            Ok(BlastRadius {
                requests,
                errors,
                shielded,
                clients,
                clients_with_errors,
            }) => {
                let seen = errors.saturating_sub(*shielded);
                let errors = match errors {
                    1 => "1 was an error".to_owned(),
                    _ => format!("{errors} were errors"),
                };
                let were = if *shielded == 1 { "was" } else { "were" };
                for fact in [
                    format!(
                        "{} from {} met {}",
                        count(*requests, "request"),
                        count(*clients, "client"),
                        self.revision
                    ),
                    format!(
                        "{errors}: {shielded} {were} answered by the stable revision, {seen} reached a client"
                    ),
                    format!(
                        "{} had an error on it, answered or not",
                        count(*clients_with_errors, "client")
                    ),
                ] {
                    line(text, &format!("- {fact}"));
                }
            }
            Err(reason) => line(text, &format!("Not known: {reason}.")),
        }
    }

    fn write_endpoints(&self, text: &mut String) {
        if self.endpoints.is_empty() {
            return;
        }
        heading(text, "Requests by endpoint and status");
        line(
            text,
            "| endpoint | status | requests |\n| --- | --- | --- |",
        );
        for it in self.endpoints.iter().take(ENDPOINTS_SHOWN) {
            line(
                text,
                &format!(
                    "| {} {} | {} | {} |",
                    cell(&it.method),
                    cell(&it.endpoint),
                    status(it.status),
                    it.count
                ),
            );
        }
    }

    fn write_failures(&self, text: &mut String) {
        if self.failures.is_empty() {
            return;
        }
        heading(text, "Failed requests (samples)");
        for request in self.failures.iter().take(FAILURES_SHOWN) {
            let why = request
                .failure
                .as_ref()
                .map_or_else(String::new, |why| format!(", {why}"));
            let shielded = if request.shielded {
                ", answered by stable"
            } else {
                ""
            };
            line(
                text,
                &format!(
                    "- `{}` {} {}: {}{why} after {}{shielded}, request `{}`",
                    precise(request.at),
                    request.method,
                    request.path,
                    status(request.status),
                    milliseconds(request.latency_us),
                    request.request_id
                ),
            );
            for logged in &request.log_lines {
                line(text, &format!("      {logged}"));
            }
        }
    }

    fn write_follow_ups(&self, text: &mut String) {
        heading(text, "To do");
        for it in &self.follow_ups {
            let (mark, due) = match it.due_at {
                _ if self.does(it) => ("x", " (this is it)".to_owned()),
                Some(_) if self.is_at_once(it) => (" ", " (at once)".to_owned()),
                Some(at) => (" ", format!(" (by {})", second(at))),
                None => (" ", String::new()),
            };
            line(text, &format!("- [{mark}] {}{due}", it.what));
        }
    }
}

fn heading(text: &mut String, name: &str) {
    line(text, &format!("\n## {name}\n"));
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string can't fail");
}

fn status(status: u16) -> String {
    match status {
        0 => "no response".to_owned(),
        status => status.to_string(),
    }
}

/// A bar would end the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn precise(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}
