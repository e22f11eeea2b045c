//! What one event may change: ends stay ends, numbers only grow, nothing enters that may not.

mod entry;

use super::Found;
use super::service::finished;
use crate::delivery::{End, Phase as DeliveryPhase};
use crate::event::{DirectReason, Event, Recorded, RolloutEvent, ServiceEvent};
use crate::rollout::{Phase, Rollout};
use crate::service::Service;
use crate::state::State;

/// So many answers of its own make stable unfit to go back to; the last one comes with the event that says so.
const UNFIT_ANSWERS_MIN: u32 = 5;

pub(super) fn check(before: &State, recorded: &Recorded, after: &State, found: &mut Found) {
    deliveries(before, after, found);
    rollouts(before, after, found);
    match &recorded.event {
        Event::Rollout(id, RolloutEvent::Started(start)) => {
            found.about("rollout", id);
            entry::check(before, id, start, found);
        }
        Event::Rollout(id, event) => {
            found.about("rollout", id);
            if let (Some(old), Some(new)) = (before.rollout(id), after.rollout(id)) {
                rollout_event(after, old, event, new, found);
            } else {
                found.must(false, || {
                    "an event about a rollout that is not known".to_owned()
                });
            }
        }
        Event::Service(id, ServiceEvent::Created { .. }) => {
            found.about("service", id);
            found.must(before.service(id).is_none(), || {
                "it was known before".to_owned()
            });
        }
        Event::Service(id, event) => {
            found.about("service", id);
            if let (Some(old), Some(new)) = (before.service(id), after.service(id)) {
                service_event(old, event, new, found);
            } else {
                found.must(false, || {
                    "an event about a service that is not known".to_owned()
                });
            }
        }
        Event::Delivery(..)
        | Event::App(..)
        | Event::Incident(..)
        | Event::Effect(_)
        | Event::Access(_) => {}
    }
}

/// An ended delivery changes its end only when its release is taken back.
fn deliveries(before: &State, after: &State, found: &mut Found) {
    for (id, old) in &before.deliveries {
        let (DeliveryPhase::Ended(end), Some(new)) = (&old.phase, after.delivery(id)) else {
            continue;
        };
        let taken_back = matches!(new.phase, DeliveryPhase::Ended(End::RolledBack { .. }))
            && !matches!(end, End::RolledBack { .. });
        found.about("delivery", id);
        found.must(old.phase == new.phase || taken_back, || {
            format!("it had ended ({end:?}), and became {:?}", new.phase)
        });
    }
}

/// An ended rollout stays as it is, but for a rollback of one that had succeeded; a step never goes back.
fn rollouts(before: &State, after: &State, found: &mut Found) {
    for (id, old) in &before.rollouts {
        let Some(new) = after.rollout(id) else {
            continue;
        };
        found.about("rollout", id);
        found.must(old.step <= new.step, || {
            format!("it went from step {} back to {}", old.step, new.step)
        });
        found.must(old.start == new.start, || {
            "what it was started with has changed".to_owned()
        });
        let again = old.phase == Phase::Succeeded && matches!(new.phase, Phase::RollingBack(_));
        found.must(!finished(old) || old.phase == new.phase || again, || {
            format!("it had ended ({:?}), and became {:?}", old.phase, new.phase)
        });
    }
}

fn rollout_event(
    after: &State,
    old: &Rollout,
    event: &RolloutEvent,
    new: &Rollout,
    found: &mut Found,
) {
    match event {
        RolloutEvent::StepEntered(entry) => {
            let last = u32::try_from(old.start.settings.steps.len()).unwrap_or(u32::MAX);
            let leap = entry.step == last && (old.full || old.direct.is_some());
            found.must(entry.step == old.step + 1 || leap, || {
                format!("it goes from step {} to {}", old.step, entry.step)
            });
            found.must(old.paused.is_none(), || {
                "it enters a step though it is paused".to_owned()
            });
            found.must(old.phase == Phase::Preparing { step: entry.step }, || {
                format!("it enters step {} from {:?}", entry.step, old.phase)
            });
        }
        RolloutEvent::StepPassed { .. } => passed(old, found),
        RolloutEvent::WentDirect(reason) => went_direct(old, reason, found),
        RolloutEvent::Verified { lines } => {
            found.must(lines.iter().all(|line| line.passed), || {
                "a verification with failures counts as passed".to_owned()
            });
            found.must(matches!(old.phase, Phase::Verifying { .. }), || {
                format!("it was verified in {:?}", old.phase)
            });
        }
        RolloutEvent::Succeeded => {
            let stable = after
                .service(&new.start.service)
                .and_then(|it| it.stable.clone());
            found.must(stable.as_ref() == Some(&new.start.revision), || {
                format!("it succeeded, and {stable:?} is stable")
            });
        }
        RolloutEvent::RolledBack { .. } => arrived(after, new, found),
        RolloutEvent::Aborted if old.moved => arrived(after, new, found),
        RolloutEvent::Failed { .. } => {
            found.must(!old.moved, || "it failed with its traffic moved".to_owned());
        }
        _ => {}
    }
}

/// A canary is left out only where there is nothing to go back to, or where that said of itself, again and again, that it
/// is not fit; silence is no answer.
fn went_direct(old: &Rollout, reason: &DirectReason, found: &mut Found) {
    let fits = match reason {
        DirectReason::NoStable => old.start.stable.is_none(),
        DirectReason::StableNotReady { .. } => old.target_unfit + 1 >= UNFIT_ANSWERS_MIN,
    };
    found.must(fits, || {
        format!(
            "it goes on without a canary ({reason:?}): stable is {:?}, and said {} times that it is not fit",
            old.start.stable, old.target_unfit
        )
    });
}

/// A hold is over by what was seen, not by time.
fn passed(old: &Rollout, found: &mut Found) {
    let Some(step) = old
        .start
        .settings
        .steps
        .get((old.step as usize).saturating_sub(1))
    else {
        return found.must(false, || format!("it passed step {}", old.step));
    };
    let progress = &old.progress;
    let counts = progress.before.plus(progress.counts);
    found.must(
        u128::from(progress.held_ms) >= step.hold.as_millis(),
        || {
            format!(
                "it passed a hold of {:?} after {} ms",
                step.hold, progress.held_ms
            )
        },
    );
    found.must(counts.requests > 0, || {
        "it passed a hold without a single request".to_owned()
    });
    found.must(old.paused.is_none(), || {
        "it passed a hold while paused".to_owned()
    });
    let limit = step.max_errors.map(u64::from);
    let recent = old.recent_errors();
    found.must(limit.is_none_or(|limit| recent < limit), || {
        format!("it passed a hold with {recent} errors of {limit:?}")
    });
}

/// The traffic is back: the data plane has a plan in force that gives the bad revision nothing.
fn arrived(after: &State, rollout: &Rollout, found: &mut Found) {
    let Some(service) = after.service(&rollout.start.service) else {
        return;
    };
    found.must(service.accepted == service.generation, || {
        "it counts as rolled back before the data plane has the plan".to_owned()
    });
    let shares: Vec<_> = service
        .plan
        .traffic
        .iter()
        .map(|share| (Some(&share.revision), share.percent))
        .collect();
    let to = rollout
        .rollback
        .as_ref()
        .and_then(|record| record.to.as_ref());
    let expected: Vec<_> = to.map(|to| (Some(to), 100)).into_iter().collect();
    found.must(shares == expected, || {
        format!("it is rolled back, and the traffic is {shares:?} instead of {expected:?}")
    });
}

fn service_event(old: &Service, event: &ServiceEvent, new: &Service, found: &mut Found) {
    found.must(new.generation >= old.generation, || {
        format!(
            "its generation went from {} to {}",
            old.generation, new.generation
        )
    });
    found.must(new.last_trip >= old.last_trip, || {
        format!("its trips went from {} to {}", old.last_trip, new.last_trip)
    });
    match event {
        ServiceEvent::Planned { generation, plan } => {
            found.must(*generation > old.generation, || {
                format!("generation {generation} comes after {}", old.generation)
            });
            found.must(*plan != old.plan, || {
                "a plan was made that changes nothing".to_owned()
            });
        }
        ServiceEvent::PlanAccepted { generation, .. } => {
            found.must(*generation == old.generation, || {
                format!(
                    "generation {generation} is accepted, {} is planned",
                    old.generation
                )
            });
        }
        _ => {}
    }
}
