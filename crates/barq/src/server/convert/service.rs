//! Services and their revisions, with what the node sees of them now.

use barq_core::identity::{RevisionName, ServiceId};
use barq_core::rollout;
use barq_core::service;
use barq_engine::engine::View;
use barq_engine::ports::InstanceDetail;
use jiff::Timestamp;

use super::super::shapes::{Instance, Instances, Lock, Revision, Service};
use super::{as_served, waiting};

/// Who locks after a rollback, as the journal names it.
const SELF: &str = "barq";

/// A service, with what the node sees of it now.
pub(in super::super) fn service(
    view: &View,
    service: &service::Service,
    ingress_port: u16,
    now: Timestamp,
) -> Service {
    let running = view.state.running(service);
    // Once for all revisions: there may be hundreds.
    let served = as_served(view, service);
    Service {
        name: service.id.to_string(),
        app: app_of(view, service).unwrap_or_default(),
        environment: service.environment.clone(),
        url: format!("http://{}.localhost:{ingress_port}", service.id),
        stable: service.stable.as_ref().map(ToString::to_string),
        rollout: service.rollout.as_ref().map(ToString::to_string),
        lock: lock(service),
        waiting: running
            .and_then(|rollout| view.state.delivery(&rollout.id.delivery))
            .and_then(|delivery| waiting(view, delivery, now)),
        seen_at: view.seen_at,
        node_error: view.data_plane_error.clone(),
        revisions: service
            .revisions
            .values()
            .rev()
            .map(|it| revision(view, &served, it))
            .collect(),
    }
}

/// What people have locked, or else what a rollback has: both keep releases out.
fn lock(service: &service::Service) -> Option<Lock> {
    let by_people = service.lock.as_ref().map(|lock| Lock {
        message: lock.message.clone(),
        by: lock.by.clone(),
        at: lock.since,
    });
    by_people.or_else(|| {
        let rolled_back = service.rolled_back.as_ref()?;
        Some(Lock {
            message: format!(
                "{} was rolled back; a release needs an approval given after that, until it is unlocked",
                rolled_back.rollout
            ),
            by: SELF.to_owned(),
            at: rolled_back.at,
        })
    })
}

/// Whose service it is.
pub(in super::super) fn app_of(view: &View, service: &service::Service) -> Option<String> {
    let by_revision = service
        .revisions
        .values()
        .next_back()
        .map(|revision| revision.rollout.delivery.app.to_string());
    by_revision.or_else(|| app_named(view, &service.id, &service.environment))
}

/// Whose service in an environment is called so, also before anything has entered it.
pub(in super::super) fn app_named(
    view: &View,
    id: &ServiceId,
    environment: &str,
) -> Option<String> {
    view.state.apps.iter().find_map(|(name, app)| {
        let of_app = format!("{}-{environment}", app.service.as_ref()?);
        (of_app == id.as_str()).then(|| name.to_string())
    })
}

/// One of its revisions; the traffic is the one that the service is given with.
fn revision(view: &View, service: &service::Service, revision: &service::Revision) -> Revision {
    let seen = view
        .observed
        .get(&service.id)
        .and_then(|seen| seen.revisions.get(&revision.name));
    let detail = view
        .seen
        .services
        .get(&service.id)
        .filter(|_| view.data_plane_error.is_none())
        .and_then(|seen| seen.details.get(&revision.name));
    let release = (revision.image.clone(), revision.configuration.clone());
    let taken_back = view
        .state
        .rollout(&revision.rollout)
        .is_some_and(|rollout| matches!(rollout.phase, rollout::Phase::RolledBack));
    Revision {
        name: revision.name.to_string(),
        image: revision.image.to_string(),
        commit: revision.commit.to_string(),
        traffic: u32::from(service.planned_percent(&revision.name)),
        counted_traffic: detail.and_then(|detail| detail.counted_percent),
        instances: Instances {
            ready: seen.map_or(0, |seen| seen.ready),
            total: seen.map_or(0, |seen| seen.total),
            items: detail.map_or_else(Vec::new, |it| it.instances.iter().map(instance).collect()),
        },
        health: health(view, service, &revision.name).to_owned(),
        rolled_back: taken_back || service.quarantine.contains_key(&release),
        created_at: revision.created_at,
    }
}

fn instance(instance: &InstanceDetail) -> Instance {
    Instance {
        id: instance.id.clone(),
        state: instance.state.to_owned(),
        port: instance.port,
        started_at: instance.started_at,
        restarts: instance.restarts,
        last_probe_failure: instance.last_probe_failure.clone(),
    }
}

/// How a revision is: `healthy`, `starting`, `unhealthy`, `stopped`, `unknown`.
pub(in super::super) fn health(
    view: &View,
    service: &service::Service,
    name: &RevisionName,
) -> &'static str {
    let wanted = service.planned_instances(name);
    let seen = view
        .observed
        .get(&service.id)
        .and_then(|seen| seen.revisions.get(name));
    let Some(seen) = seen.filter(|_| view.data_plane_error.is_none()) else {
        return if wanted.max == 0 {
            "stopped"
        } else {
            "unknown"
        };
    };
    match (seen.ready, seen.total) {
        (0, 0) if wanted.max == 0 => "stopped",
        (ready, _) if ready > 0 && ready >= wanted.min => "healthy",
        _ if seen.failed_starts > 0 || seen.last_failure.is_some() => "unhealthy",
        _ => "starting",
    }
}
