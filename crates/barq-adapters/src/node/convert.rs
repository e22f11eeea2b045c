//! Between the domain's values and the node's, by hand and in both directions.

use std::collections::BTreeMap;
use std::time::Duration;

use barq_core::configuration::{CertificateSource, Health, Probe, Protocol, Role, Tls};
use barq_core::effect::{Outcome, PlanRefusal};
use barq_core::event::{
    Actor, Counts, EndpointCount, Evidence, FailedRequest, InstanceRange, Plan, Recall, Trip,
};
use barq_core::identity::{InvalidName, RevisionName, ServiceId};
use barq_core::observation::{CanaryObservation, CanaryState, Observation, RevisionObservation};
use barq_core::service::Revision;
use barq_engine::ports::{
    Configuration, InstanceDetail, Lease, PortError, RecallOrder, RevisionDetail, Seen, ServiceSeen,
};
use barq_node::api;
use barq_registry::api::UnpackedImage;

use super::failed;

pub(super) fn service(
    configuration: &Configuration,
    revisions: Vec<api::RevisionConfiguration>,
) -> api::ServiceConfiguration {
    let plan = &configuration.plan;
    api::ServiceConfiguration {
        service: configuration.service.to_string(),
        generation: configuration.generation,
        last_trip: plan.last_trip,
        // A revision that tripped never gets traffic again: its release comes back as another revision.
        acknowledges: None,
        domains: configuration.domains.clone(),
        tls: configuration.tls.as_ref().map(tls),
        revisions,
        traffic: plan
            .traffic
            .iter()
            .map(|share| api::Share {
                revision: share.revision.to_string(),
                percent: share.percent,
            })
            .collect(),
        canary: plan.canary.as_ref().map(|canary| api::CanaryConfiguration {
            revision: canary.revision.to_string(),
            stable: canary.stable.to_string(),
            step: canary.step,
            max_errors: canary.max_errors,
            window_ms: canary.window_ms,
            counted: counted(canary.counted),
            recent: canary.recent.map(|recent| api::RecentErrors {
                errors: recent.errors,
                at: recent.at,
            }),
            lease_ms: canary.lease_ms,
            shield: canary.shield,
        }),
        watch: plan.watch.as_ref().map(|watch| api::WatchConfiguration {
            revision: watch.revision.to_string(),
            window_ms: watch.window_ms,
            max_errors: watch.max_errors,
        }),
    }
}

fn tls(tls: &Tls) -> api::TlsConfiguration {
    api::TlsConfiguration {
        source: match &tls.source {
            CertificateSource::Files { certificate, key } => api::CertificateSource::Files {
                certificate: certificate.clone(),
                key: key.clone(),
            },
            CertificateSource::Acme => api::CertificateSource::Acme,
        },
        redirect: tls.redirect,
        hsts_seconds: tls.hsts.as_secs(),
    }
}

pub(super) fn revision(
    revision: &Revision,
    plan: &Plan,
    image: &UnpackedImage,
    environment: BTreeMap<String, String>,
) -> api::RevisionConfiguration {
    let settings = &revision.settings;
    let range = plan
        .revisions
        .iter()
        .find(|(name, _)| *name == revision.name)
        .map_or(InstanceRange { min: 0, max: 0 }, |(_, range)| *range);
    let on_trial = plan
        .canary
        .as_ref()
        .is_some_and(|canary| canary.revision == revision.name);
    let mut tags = vec![revision.name.tag()];
    if on_trial {
        tags.push("canary".to_owned());
    }
    let mut variables = image.environment.clone();
    variables.extend(environment);
    api::RevisionConfiguration {
        name: revision.name.to_string(),
        tags,
        root: image.root.to_string_lossy().into_owned(),
        working_directory: image
            .working_directory
            .strip_prefix(&image.root)
            .unwrap_or(&image.working_directory)
            .to_string_lossy()
            .into_owned(),
        command: image.command.clone(),
        environment: variables,
        instances: api::InstanceRange {
            min: range.min,
            max: range.max,
        },
        concurrency: settings.concurrency,
        protocol: match settings.protocol {
            Protocol::Http1 => api::Protocol::Http1,
            Protocol::H2c => api::Protocol::H2c,
        },
        health: health(&revision.health),
        cpu_milli: settings.cpu_millis,
        memory_bytes: settings.memory_bytes,
        drain_ms: milliseconds(settings.drain),
    }
}

fn health(health: &Health) -> api::HealthConfiguration {
    api::HealthConfiguration {
        startup: probe(&health.startup),
        liveness: probe(&health.liveness),
        readiness: probe(&health.readiness),
        detailed_path: health.detailed.path.clone(),
    }
}

fn probe(probe: &Probe) -> api::ProbeConfiguration {
    api::ProbeConfiguration {
        path: probe.path.clone(),
        initial_delay_ms: milliseconds(probe.initial_delay),
        period_ms: milliseconds(probe.period),
        timeout_ms: milliseconds(probe.timeout),
        failures: probe.failures,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a refusal means to the rules. A node that could not keep a configuration is asked again.
pub(super) fn refusal(refusal: api::Refusal) -> Result<Outcome, PortError> {
    let refused = match refusal {
        api::Refusal::StaleGeneration { current, .. } => PlanRefusal::StaleGeneration { current },
        api::Refusal::UnheardTrip { trip: heard, .. } | api::Refusal::Latched { trip: heard } => {
            PlanRefusal::UnheardTrip(trip(&heard)?)
        }
        api::Refusal::Invalid { why } => PlanRefusal::Invalid { reason: why },
        other @ (api::Refusal::Lease { .. }
        | api::Refusal::Recall { .. }
        | api::Refusal::NotKept { .. }) => {
            return Err(failed("put a plan in force", &other));
        }
    };
    Ok(Outcome::ConfigurationRefused(refused))
}

pub(super) fn recall(order: &RecallOrder) -> api::Recall {
    let recall = &order.recall;
    api::Recall {
        revision: order.revision.to_string(),
        to: recall.to.to_string(),
        actor: recall.by.name.clone(),
        role: recall.by.role.name().to_owned(),
        message: recall.message.clone(),
        request: recall.request.clone(),
    }
}

pub(super) fn trip(trip: &api::Trip) -> Result<Trip, PortError> {
    readable_trip(trip).map_err(|error| failed("read a trip", &error))
}

fn readable_trip(trip: &api::Trip) -> Result<Trip, InvalidName> {
    Ok(Trip {
        number: trip.number,
        revision: trip.revision.parse()?,
        generation: trip.generation,
        step: trip.step,
        errors: trip.errors,
        at: trip.at,
        shifted_us: trip.shifted_us,
        in_flight: trip.in_flight,
        recall: trip
            .recall
            .as_deref()
            .map(recalled)
            .transpose()?
            .map(Box::new),
    })
}

fn recalled(recall: &api::Recall) -> Result<Recall, InvalidName> {
    let by = Actor {
        name: recall.actor.clone(),
        // The node only carries it, so an unknown one is a newer server's; what was done is done, whoever it was.
        role: recall.role.parse().unwrap_or(Role::Operator),
    };
    Ok(Recall {
        by,
        to: recall.to.parse()?,
        message: recall.message.clone(),
        request: recall.request.clone(),
    })
}

pub(super) fn seen(observations: &api::Observations) -> Result<Seen, PortError> {
    let invalid = |error: InvalidName| failed("read an observation", &error);
    let mut services = BTreeMap::new();
    for (name, observed) in &observations.services {
        let id: ServiceId = name.parse().map_err(invalid)?;
        let it = service_seen(&id, observed).map_err(invalid)?;
        services.insert(id, it);
    }
    Ok(Seen {
        change: observations.change,
        services,
    })
}

fn service_seen(
    id: &ServiceId,
    observed: &api::ServiceObservation,
) -> Result<ServiceSeen, InvalidName> {
    let mut revisions = BTreeMap::new();
    let mut details = BTreeMap::new();
    for (name, revision) in &observed.revisions {
        let name: RevisionName = name.parse()?;
        revisions.insert(
            name.clone(),
            RevisionObservation {
                ready: revision.ready,
                total: revision.total,
                desired: revision.desired,
                failed_starts: revision.failed_starts,
                last_failure: revision.last_failure.clone(),
            },
        );
        details.insert(name, detail(revision));
    }
    let lease = observed
        .canary
        .as_ref()
        .filter(|canary| canary.state == api::CanaryState::Serving)
        .map(|canary| Lease {
            service: id.clone(),
            run: canary.lease.run.to_string(),
            generation: observed.generation,
            remaining_ms: canary.lease.remaining_ms,
        });
    Ok(ServiceSeen {
        observation: Observation {
            generation: observed.generation,
            trip: observed.trip.as_ref().map(readable_trip).transpose()?,
            canary: observed.canary.as_ref().map(canary),
            revisions,
            watch_exceeded: observed
                .watch
                .as_ref()
                .filter(|watch| watch.exceeded_at.is_some())
                .map(|watch| watch.errors),
        },
        lease,
        details,
    })
}

fn canary(canary: &api::CanaryObservation) -> CanaryObservation {
    CanaryObservation {
        state: match canary.state {
            api::CanaryState::Serving => CanaryState::Serving,
            api::CanaryState::Tripped => CanaryState::Tripped,
            api::CanaryState::LeaseExpired => CanaryState::LeaseExpired,
            api::CanaryState::Suspended => CanaryState::Suspended,
        },
        served_ms: canary.served_ms,
        counts: Counts {
            requests: canary.requests,
            errors: canary.errors,
            shielded: canary.shielded,
            stable_requests: canary.stable_requests,
            stable_errors: canary.stable_errors,
        },
        recent_errors: canary.recent_errors,
    }
}

fn counted(counts: Counts) -> api::CanaryCounts {
    api::CanaryCounts {
        requests: counts.requests,
        errors: counts.errors,
        shielded: counts.shielded,
        stable_requests: counts.stable_requests,
        stable_errors: counts.stable_errors,
    }
}

fn detail(revision: &api::RevisionObservation) -> RevisionDetail {
    RevisionDetail {
        counted_percent: revision.counted_percent,
        requests: revision.requests,
        errors: revision.errors,
        latency_us: revision.latency_us,
        in_flight: revision.in_flight,
        address: revision.address.clone(),
        limits_enforced: revision.limits_enforced,
        instances: revision.instances.iter().map(instance).collect(),
    }
}

fn instance(observed: &api::InstanceObservation) -> InstanceDetail {
    // Between two starts the port is anybody's.
    let has_port = observed.port != 0 && observed.state != api::InstanceState::BackingOff;
    InstanceDetail {
        id: observed.id.clone(),
        state: match observed.state {
            api::InstanceState::Starting => "starting",
            api::InstanceState::NotReady => "not_ready",
            api::InstanceState::Ready => "ready",
            api::InstanceState::Draining => "draining",
            api::InstanceState::BackingOff => "backing_off",
        },
        port: has_port.then_some(observed.port),
        started_at: observed.started_at,
        restarts: observed.restarts,
        last_probe_failure: observed.last_probe_failure.clone(),
    }
}

pub(super) fn evidence(evidence: api::Evidence) -> Evidence {
    Evidence {
        endpoints: evidence
            .endpoints
            .into_iter()
            .map(|count| EndpointCount {
                method: count.method,
                endpoint: count.endpoint,
                status: count.status,
                count: count.count,
            })
            .collect(),
        failures: evidence
            .failures
            .into_iter()
            .map(|request| FailedRequest {
                at: request.at,
                method: request.method,
                path: request.path,
                status: request.status,
                failure: request.failure,
                latency_us: request.latency_us,
                request_id: request.request_id,
                shielded: request.shielded,
                log_lines: request.log_lines,
            })
            .collect(),
        requests: evidence.requests,
        errors: evidence.errors,
        shielded: evidence.shielded,
        clients: evidence.clients,
        clients_with_errors: evidence.clients_with_errors,
    }
}

#[cfg(test)]
mod tests;
