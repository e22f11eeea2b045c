//! All that the parts of the page are made of, gathered once.

use barq_core::delivery::Delivery;
use barq_core::event::{Counts, Trip};
use barq_core::identity::RevisionName;
use barq_core::incident::Incident;
use barq_core::rollout::{Phase, Rollout};
use barq_core::service::{GuardWatch, Service};
use barq_engine::engine::View;
use barq_engine::ports::RevisionDetail;
use jiff::Timestamp;

use super::super::super::samples::Series;
use super::super::super::shapes::Waiting;
use super::super::super::{Server, convert};
use super::story::Story;
use crate::output::text;

/// A rollout and what is known beside it.
pub(super) struct Sight<'a> {
    pub(super) view: &'a View,
    pub(super) now: Timestamp,
    pub(super) rollout: &'a Rollout,
    /// Whether the state still has it; else it is known from the journal alone.
    pub(super) remembered: bool,
    pub(super) delivery: Option<&'a Delivery>,
    pub(super) service: Option<&'a Service>,
    pub(super) incident: Option<&'a Incident>,
    pub(super) story: &'a Story,
    /// What was seen over time; none where nothing is kept.
    pub(super) series: Option<Series>,
    /// What was counted in the present step.
    pub(super) counts: Counts,
    /// The errors that count for the limit.
    pub(super) recent_errors: u64,
    /// What it waits for.
    pub(super) waiting: Option<Waiting>,
    /// The node has taken the traffic, which is not recorded yet; and where it is.
    pub(super) taken: Option<(&'a Trip, RevisionName)>,
}

impl<'a> Sight<'a> {
    pub(super) fn new(server: &Server, view: &'a View, story: &'a Story, now: Timestamp) -> Self {
        let series = server.samples.rollout(&story.rollout.id);
        Self::of(view, story, series, now)
    }

    /// What needs no server.
    pub(super) fn of(
        view: &'a View,
        story: &'a Story,
        series: Option<Series>,
        now: Timestamp,
    ) -> Self {
        let rollout = story.rollout.as_ref();
        let state = &view.state;
        let remembered = state.rollout(&rollout.id).is_some();
        let delivery = state
            .delivery(&rollout.id.delivery)
            .or(story.delivery.as_ref());
        let service = state.service(&rollout.start.service);
        let taken = service
            .filter(|_| remembered && !rollout.ended())
            .and_then(|service| convert::unrecorded(view, service))
            .filter(|(trip, _)| trip.revision == rollout.start.revision);
        let waiting = delivery
            .filter(|_| remembered && !rollout.ended())
            .and_then(|delivery| convert::waiting(view, delivery, now));
        Self {
            view,
            now,
            rollout,
            remembered,
            delivery,
            service,
            incident: incident(view, rollout),
            story,
            series,
            counts: convert::live_counts(view, rollout),
            recent_errors: convert::live_recent_errors(view, rollout),
            waiting,
            taken,
        }
    }

    /// As the API names it, but for what the node did that is not recorded yet.
    pub(super) fn state_name(&self) -> &'static str {
        match self.taken {
            Some(_) => "rolling_back",
            None => self.rollout.state_name(),
        }
    }

    /// Percent of the traffic that the new revision should have.
    pub(super) fn desired(&self) -> u8 {
        match (&self.taken, self.rollout.ended(), self.service) {
            (Some(_), _, _) => 0,
            // Once it has ended, others may have taken its place since.
            (None, true, Some(service)) => service.planned_percent(&self.rollout.start.revision),
            (None, _, _) => self.rollout.traffic(),
        }
    }

    /// Whether the data plane can't be seen now.
    pub(super) fn is_away(&self) -> bool {
        self.view.data_plane_error.is_some()
    }

    /// What the data plane shows of a revision; none where it can't be seen.
    pub(super) fn detail(&self, revision: &RevisionName) -> Option<&'a RevisionDetail> {
        if self.is_away() {
            return None;
        }
        let seen = self.view.seen.services.get(&self.rollout.start.service)?;
        seen.details.get(revision)
    }

    /// What its revision and the one beside it are called: after its success it is no canary any more.
    pub(super) fn names(&self) -> (&'static str, &'static str) {
        let on_trial = self.rollout.direct.is_none() && self.rollout.start.stable.is_some();
        match on_trial && self.rollout.phase != Phase::Succeeded {
            true => ("canary", "stable"),
            false => ("new", "before"),
        }
    }

    /// The watch over it after its success, while that lasts.
    pub(super) fn guard(&self) -> Option<&'a GuardWatch> {
        let guard = self.service?.guard.as_ref()?;
        (guard.rollout == self.rollout.id).then_some(guard)
    }

    /// How long an error counts for the limit, in words: ` within 5 min`.
    pub(super) fn window(&self) -> String {
        let window = self.rollout.present_step().and_then(|step| step.window());
        window.map_or_else(String::new, |window| {
            let length = text::duration_ms(window.as_secs_f64() * 1000.0);
            format!(" within {}", length.trim_end_matches(" 0 s"))
        })
    }

    /// The limit of the present step, where it has one.
    pub(super) fn max_errors(&self) -> Option<u64> {
        self.rollout
            .present_step()
            .and_then(|step| step.max_errors)
            .map(u64::from)
    }
}

/// The incident that it is to blame for.
fn incident<'a>(view: &'a View, rollout: &Rollout) -> Option<&'a Incident> {
    let incidents = view.state.incidents.values().map(AsRef::as_ref);
    incidents
        .filter(|incident| incident.rollout == rollout.id)
        .max_by_key(|incident| incident.opened_at)
}
