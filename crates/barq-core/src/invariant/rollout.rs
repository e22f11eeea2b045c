//! What must hold of a rollout by itself: steps in their bounds, ends that are ends, nothing unproven called a success.

use super::Found;
use super::service::finished;
use crate::event::RollbackCause;
use crate::rollout::{Phase, Rollout};
use crate::state::State;

/// Architecture section 3: a step is entered again at most three times.
const ENTRIES_MAX: u32 = 1 + 3;

pub(super) fn check(state: &State, rollout: &Rollout, found: &mut Found) {
    found.about("rollout", &rollout.id);
    let start = &rollout.start;
    let steps = u32::try_from(start.settings.steps.len()).unwrap_or(u32::MAX);
    found.must(rollout.step <= steps, || {
        format!("it is in step {} of {steps}", rollout.step)
    });
    if let Phase::Preparing { step } = &rollout.phase {
        let (step, from) = (*step, rollout.step);
        found.must(step > from && step <= steps, || {
            format!("it prepares step {step} of {steps} from step {from}")
        });
    }
    found.must(rollout.progress.entry <= ENTRIES_MAX, || {
        format!("its step was entered {} times", rollout.progress.entry)
    });
    found.must(rollout.moved == (rollout.step > 0), || {
        format!("moved is {}, the step {}", rollout.moved, rollout.step)
    });
    found.must(finished(rollout) == rollout.finished_at.is_some(), || {
        format!(
            "it is {:?}, finished at {:?}",
            rollout.phase, rollout.finished_at
        )
    });
    if let Some(delivery) = state.delivery(&rollout.id.delivery) {
        found.must(delivery.image.as_ref() == Some(&start.image), || {
            format!(
                "{} is rolled out, {:?} was built",
                start.image, delivery.image
            )
        });
        let passes = delivery.push.forced;
        let quarantined = state.service(&start.service).and_then(|service| {
            let release = (start.image.clone(), start.configuration.clone());
            service.quarantine.get(&release)
        });
        // A release that is quarantined while it is being rolled out can only be so by its own end. One that serves can be
        // so by another rollout of it that was rolled back to this one, and may be taken back like any other.
        let leaves = finished(rollout) || matches!(rollout.phase, Phase::RollingBack(_));
        found.must(
            passes || leaves || quarantined.is_none_or(|by| *by == rollout.id),
            || format!("it rolls out a release that is quarantined by {quarantined:?}"),
        );
    }
    match &rollout.phase {
        Phase::Succeeded => succeeded(rollout, steps, found),
        Phase::RollingBack(_) | Phase::RolledBack => taken_back(state, rollout, found),
        Phase::Failed | Phase::Aborted => {
            found.must(!rollout.moved || rollout.rollback.is_some(), || {
                "its traffic had moved, and no rollback was made".to_owned()
            });
        }
        _ => {}
    }
    if rollout.moved && rollout.direct.is_none() {
        found.must(rollout.stable_size > 0, || {
            "its canary began with no proof of the revision to go back to".to_owned()
        });
    }
}

fn succeeded(rollout: &Rollout, steps: u32, found: &mut Found) {
    found.must(rollout.step == steps, || {
        format!("it succeeded in step {} of {steps}", rollout.step)
    });
    found.must(rollout.verification.iter().all(|line| line.passed), || {
        "it succeeded though its verification did not".to_owned()
    });
}

fn taken_back(state: &State, rollout: &Rollout, found: &mut Found) {
    let Some(record) = &rollout.rollback else {
        return found.must(false, || {
            "it is rolled back, and nobody knows why".to_owned()
        });
    };
    let aborted = matches!(record.cause, RollbackCause::Aborted { .. });
    let opened = state.incidents.values().any(|it| it.rollout == rollout.id);
    // Old incidents are forgotten, those of rollouts that run are not.
    found.must(opened || aborted || finished(rollout), || {
        "it is rolled back without an incident".to_owned()
    });
    found.must(record.to.as_ref() != Some(&rollout.start.revision), || {
        "it is rolled back to itself".to_owned()
    });
}
