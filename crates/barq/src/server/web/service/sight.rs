//! A service as its page sees it: what is kept of it, what the node sees of it now, and what both add up to.

use barq_core::event::Share;
use barq_core::identity::{DeliveryId, RevisionName, RolloutId};
use barq_core::incident::Incident;
use barq_core::observation::RevisionObservation;
use barq_core::rollout::{Phase, Rollout};
use barq_core::service::{Revision, Service};
use barq_engine::engine::View;
use barq_engine::ports::RevisionDetail;
use jiff::{SignedDuration, Timestamp};

use super::super::super::{Server, convert, shapes};
use super::super::elements;

/// All that the page's parts look at.
pub(super) struct Sight<'a> {
    pub(super) view: &'a View,
    /// With the traffic where the node has it.
    pub(super) service: Service,
    /// As the API shows it.
    pub(super) shown: shapes::Service,
    /// Where users' requests come in.
    pub(super) ingress_port: u16,
}

/// The number of a revision, as its name has it: `00043`.
pub(in super::super) fn short_name(revision: &RevisionName) -> String {
    format!("{:05}", revision.number)
}

/// Since when a revision is the one that serves: since it succeeded, or since a rollback came back to it.
pub(in super::super) fn serves_since(view: &View, revision: &Revision) -> Option<Timestamp> {
    let state = &view.state;
    let succeeded = state
        .rollout(&revision.rollout)
        .filter(|rollout| matches!(rollout.phase, Phase::Succeeded))
        .and_then(|rollout| rollout.finished_at);
    // Those of the app alone: of all apps there may be thousands.
    let app = &revision.rollout.delivery.app;
    let first = RolloutId {
        delivery: DeliveryId {
            app: app.clone(),
            number: 0,
        },
        environment: String::new(),
    };
    let rollouts = state.rollouts.range(first..);
    let back = rollouts
        .take_while(|(id, _)| id.delivery.app == *app)
        .map(|(_, rollout)| rollout)
        .filter(|rollout| rollout.was_stable)
        .filter_map(|rollout| rollout.rollback.as_ref())
        .filter(|record| record.to.as_ref() == Some(&revision.name))
        .filter_map(|record| {
            let shifted = i64::try_from(record.shifted_us?).ok()?;
            let moved = SignedDuration::from_micros(shifted);
            record.detected_at.checked_add(moved).ok()
        });
    back.chain(succeeded).max()
}

impl<'a> Sight<'a> {
    pub(super) fn new(server: &Server, view: &'a View, service: &Service, now: Timestamp) -> Self {
        let ingress_port = server.ingress.port();
        Self {
            view,
            service: convert::as_served(view, service),
            shown: convert::service(view, service, ingress_port, now),
            ingress_port,
        }
    }

    /// Why the node can't be seen, if it can't.
    pub(super) fn away(&self) -> Option<&'a str> {
        self.view.data_plane_error.as_deref()
    }

    /// The revision that has proved itself and serves.
    pub(super) fn serving(&self) -> Option<&Revision> {
        self.service.stable_revision()
    }

    /// The revision on trial and its share, in percent.
    pub(super) fn canary(&self) -> Option<(&RevisionName, u8)> {
        let rollout = self.view.state.running(&self.service)?;
        let name = &self.service.revision(&rollout.start.revision)?.name;
        Some((name, self.service.planned_percent(name)))
    }

    /// How a revision is, in the API's words.
    pub(super) fn health(&self, name: &RevisionName) -> &'static str {
        convert::health(self.view, &self.service, name)
    }

    /// What the node sees of a revision; none while it can't be seen.
    pub(super) fn observed(&self, name: &RevisionName) -> Option<&'a RevisionObservation> {
        let seen = self.view.observed.get(&self.service.id)?;
        seen.revisions.get(name).filter(|_| self.away().is_none())
    }

    /// What people want to know beside it; none while the node can't be seen.
    pub(super) fn detail(&self, name: &RevisionName) -> Option<&'a RevisionDetail> {
        let seen = self.view.seen.services.get(&self.service.id)?;
        seen.details.get(name).filter(|_| self.away().is_none())
    }

    /// The shares that the revisions shall have, the stable one's first.
    pub(super) fn shares(&self) -> Vec<&Share> {
        let mut shares: Vec<&Share> = self.service.plan.traffic.iter().collect();
        let stable = self.service.stable.as_ref();
        shares.sort_by_key(|share| (Some(&share.revision) != stable, share.revision.number));
        shares
    }

    /// The revisions that have traffic, instances, or are to have some, the newest first.
    pub(super) fn running(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.service
            .revisions
            .values()
            .rev()
            .map(AsRef::as_ref)
            .filter(|revision| self.runs(revision))
    }

    pub(super) fn runs(&self, revision: &Revision) -> bool {
        let name = &revision.name;
        self.service.planned_percent(name) > 0
            || self.service.planned_instances(name).max > 0
            || self.service.stable.as_ref() == Some(name)
            || self.observed(name).is_some_and(|seen| seen.total > 0)
    }

    /// The rollout that made a revision, if it is remembered.
    pub(super) fn rollout_of(&self, revision: &Revision) -> Option<&'a Rollout> {
        self.view.state.rollout(&revision.rollout)
    }

    /// What a revision's commit is about, if it is remembered.
    pub(super) fn subject(&self, revision: &Revision) -> Option<&'a str> {
        let delivery = self.view.state.delivery(&revision.rollout.delivery)?;
        Some(elements::subject(&delivery.push.commit.subject))
    }

    /// The open incidents of this service.
    pub(super) fn incidents(&self) -> impl Iterator<Item = &'a Incident> {
        let id = self.service.id.clone();
        let incidents = self.view.state.incidents.values().map(AsRef::as_ref);
        incidents.filter(move |incident: &&Incident| {
            incident.service == id && incident.resolved.is_none()
        })
    }
}
