//! What of a configuration the judge decides on, and what the node checks besides.
//!
//! Names become hosts, directories and table keys here, so they are checked here. It must not know what is in force but
//! for what may not change.

use barq_judge::{Canary, Plan, Share};
use sha2::{Digest, Sha256};

use crate::api::{Refusal, RevisionConfiguration, ServiceConfiguration, Trip};
use crate::statistics::WATCH_WINDOW_S_MAX;

/// A label of a host name (RFC 1035).
const LABEL_BYTES_MAX: usize = 63;
/// Revisions that one service may have: the 1,000 that `keep` may ask for, and those that are needed beside them.
const REVISIONS_MAX: usize = 1_100;

/// The judge's part of a configuration.
pub(super) fn plan_of(configuration: &ServiceConfiguration) -> Plan {
    let canary = configuration.canary.as_ref().map(|canary| Canary {
        revision: canary.revision.clone(),
        stable: canary.stable.clone(),
        step: canary.step,
        max_errors: canary.max_errors,
        window_ms: canary.window_ms,
        counted: canary.counted.errors,
        // Nothing is said of their time: then they are of now.
        recent: canary
            .recent
            .map_or(canary.counted.errors, |recent| recent.errors),
        recent_at_ms: canary.recent.map_or(u64::MAX, |recent| {
            u64::try_from(recent.at.as_millisecond()).unwrap_or(0)
        }),
        lease_ms: canary.lease_ms,
        shield: canary.shield,
    });
    let traffic = configuration.traffic.iter();
    Plan {
        generation: configuration.generation,
        content: digest(configuration),
        last_trip: configuration.last_trip,
        acknowledges: configuration.acknowledges,
        revisions: configuration
            .revisions
            .iter()
            .map(|revision| revision.name.clone())
            .collect(),
        traffic: traffic
            .map(|share| Share {
                revision: share.revision.clone(),
                percent: share.percent,
            })
            .collect(),
        canary,
    }
}

/// What the judge does not look at.
pub(super) fn check(
    configuration: &ServiceConfiguration,
    held: Option<&ServiceConfiguration>,
) -> Result<(), Refusal> {
    let invalid = |why: String| Err(Refusal::Invalid { why });
    if !is_label(&configuration.service) {
        return invalid(format!(
            "{:?} can't be the name of a service",
            configuration.service
        ));
    }
    if configuration.revisions.len() > REVISIONS_MAX {
        return invalid(format!("there are more than {REVISIONS_MAX} revisions"));
    }
    for (index, revision) in configuration.revisions.iter().enumerate() {
        if !is_label(&revision.name) {
            return invalid(format!(
                "{:?} can't be the name of a revision",
                revision.name
            ));
        }
        if configuration.revisions[..index]
            .iter()
            .any(|other| other.name == revision.name)
        {
            return invalid(format!("revision {} is described twice", revision.name));
        }
        if let Some(tag) = revision
            .tags
            .iter()
            .find(|tag| !is_label(tag) || tag.contains("---"))
        {
            return invalid(format!("{tag:?} can't be a tag"));
        }
        if revision.concurrency == 0 {
            return invalid(format!(
                "an instance of {} could handle no request",
                revision.name
            ));
        }
        let before = held.and_then(|held| {
            held.revisions
                .iter()
                .find(|other| other.name == revision.name)
        });
        if before.is_some_and(|before| !runs_the_same(before, revision)) {
            return invalid(format!(
                "revision {} is immutable, but its content has changed",
                revision.name
            ));
        }
    }
    let watch = configuration.watch.as_ref();
    if watch
        .is_some_and(|watch| watch.window_ms > WATCH_WINDOW_S_MAX * 1000 || watch.max_errors == 0)
    {
        return invalid(format!(
            "a watch counts at least one error in a window of at most {WATCH_WINDOW_S_MAX} s"
        ));
    }
    Ok(())
}

/// The judge's refusal in the API's words; the trip's details are the node's.
pub(super) fn refusal(
    refusal: barq_judge::Refusal,
    details: impl Fn(u64) -> Option<Trip>,
) -> Refusal {
    use barq_judge::Refusal as Judged;
    let forgotten = |number: u64| Refusal::Invalid {
        why: format!("trip {number} has not been acknowledged"),
    };
    match refusal {
        Judged::StaleGeneration { offered, current } => {
            Refusal::StaleGeneration { offered, current }
        }
        Judged::UnheardTrip { known, last } => details(last).map_or_else(
            || forgotten(last),
            |trip| Refusal::UnheardTrip { known, trip },
        ),
        Judged::Latched { trip } => details(trip.number)
            .map_or_else(|| forgotten(trip.number), |trip| Refusal::Latched { trip }),
        Judged::Invalid(invalid) => Refusal::Invalid {
            why: invalid.to_string(),
        },
    }
}

/// Whether a name can be a label of a host, a directory and a file.
fn is_label(name: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn runs_the_same(before: &RevisionConfiguration, now: &RevisionConfiguration) -> bool {
    let with_what_may_change = RevisionConfiguration {
        tags: now.tags.clone(),
        instances: now.instances,
        ..before.clone()
    };
    with_what_may_change == *now
}

/// Never stored: computed anew from the configuration by whichever version of the node reads it.
fn digest(configuration: &ServiceConfiguration) -> String {
    let json = serde_json::to_vec(configuration)
        .expect("plain data with string keys can be written as JSON");
    Sha256::digest(json)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
