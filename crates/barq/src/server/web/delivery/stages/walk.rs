//! From event to event: which stage each one ends, and which it begins.

use std::time::Duration;

use barq_core::event::{
    CheckOutcome, DeliveryEvent, DirectReason, Event, Push, Recorded, RollbackCause, RolloutEvent,
};
use barq_core::identity::RolloutId;
use barq_core::report::{because, one_line};
use barq_core::rollout::Rollout;
use barq_engine::history::Journey;
use jiff::Timestamp;

use super::{BUILD, CHECKS, Kind, Leg, Progress, ROLLBACK, Stage, between, stages_into};

/// What lies between two stages is a stage of its own only if it took so long.
const BETWEEN_SHOWN: Duration = Duration::from_secs(5);

pub(super) fn walk(journey: &Journey) -> Vec<Leg> {
    let mut walk = Walk {
        legs: Vec::new(),
        leg: 0,
        between: None,
        paused_at: None,
    };
    for (_, recorded) in &journey.events {
        walk.pass(recorded, journey);
    }
    walk.arrive(journey)
}

struct Walk {
    legs: Vec<Leg>,
    /// The leg that it is on.
    leg: usize,
    /// What it does between two stages, and since when.
    between: Option<(Kind, Timestamp)>,
    /// Since when the clock stands still.
    paused_at: Option<Timestamp>,
}

impl Walk {
    fn pass(&mut self, recorded: &Recorded, journey: &Journey) {
        let at = recorded.at;
        match &recorded.event {
            Event::Delivery(_, event) => self.pass_delivery(event, at, &recorded.actor.name),
            Event::Rollout(id, event) => {
                let rollout = journey.rollouts.iter().find(|rollout| rollout.id == *id);
                self.pass_rollout(id, event, at, &recorded.actor.name, rollout);
            }
            // They change nothing that a delivery goes through.
            Event::App(..)
            | Event::Service(..)
            | Event::Incident(..)
            | Event::Effect(_)
            | Event::Access(_) => {}
        }
    }

    fn pass_delivery(&mut self, event: &DeliveryEvent, at: Timestamp, actor: &str) {
        match event {
            DeliveryEvent::Pushed(push) => self.plan(push, at),
            DeliveryEvent::CheckFinished { check, outcome, .. } => self.check_ended(check, outcome),
            DeliveryEvent::BuildStarted => {
                self.end_open(Progress::Passed, at);
                self.begin(Kind::Build, Progress::UnderWay, at);
            }
            DeliveryEvent::ImageBuilt { .. } => self.end_open(Progress::Passed, at),
            DeliveryEvent::Arrived { environment } => {
                self.end_open(Progress::Passed, at);
                self.turn_to(environment);
                self.between = Some((Kind::Turn, at));
            }
            DeliveryEvent::ApprovalAsked { environment, .. } => {
                self.turn_to(environment);
                self.expect_canary(true);
                self.close_between(Kind::Approval, at);
                self.begin(Kind::Approval, Progress::Waits, at);
            }
            DeliveryEvent::Approved { binding, .. } => {
                self.expect_canary(binding.stable.is_some());
                self.note_open(format!("by {actor}"));
                self.end_open(Progress::Passed, at);
                self.between = Some((Kind::Turn, at));
            }
            DeliveryEvent::Rejected { .. } => {
                self.note_open(format!("rejected by {actor}"));
                self.give_up(Progress::Bad, at);
            }
            DeliveryEvent::Expired => {
                self.note_open("nobody approved in time".to_owned());
                self.give_up(Progress::Stopped, at);
            }
            DeliveryEvent::Superseded { by } => {
                self.note_open(format!("{by} took its place"));
                self.give_up(Progress::Stopped, at);
            }
            DeliveryEvent::Cancelled { .. } => {
                self.note_open(format!("cancelled by {actor}"));
                self.give_up(Progress::Stopped, at);
            }
            DeliveryEvent::Failed { .. } => self.give_up(Progress::Bad, at),
            DeliveryEvent::Succeeded => self.end_open(Progress::Passed, at),
            // What they mean for the line is said by the events beside them.
            DeliveryEvent::CheckStarted { .. }
            | DeliveryEvent::BuildStopped
            | DeliveryEvent::TookThePlace { .. }
            | DeliveryEvent::RolledBack { .. } => {}
        }
    }

    fn pass_rollout(
        &mut self,
        id: &RolloutId,
        event: &RolloutEvent,
        at: Timestamp,
        actor: &str,
        rollout: Option<&Rollout>,
    ) {
        self.turn_to(&id.environment);
        match event {
            RolloutEvent::Started(start) => {
                self.expect_canary(start.stable.is_some());
                self.legs[self.leg].rollout = Some(id.clone());
                self.close_between(Kind::Deploy, at);
                self.begin(Kind::Deploy, Progress::UnderWay, at);
            }
            RolloutEvent::Deployed { .. } => {
                self.end_open(Progress::Passed, at);
                self.begin(Kind::Smoke, Progress::UnderWay, at);
            }
            RolloutEvent::SmokePassed { .. } | RolloutEvent::StepPassed { .. } => {
                self.end_open(Progress::Passed, at);
                self.go_on(at);
            }
            RolloutEvent::WentDirect(reason) => self.skip_steps(u32::MAX, &direct(reason)),
            RolloutEvent::StepEntered(entry) => self.enter_step(entry.step, at, rollout),
            RolloutEvent::Interrupted(_) => {
                self.note_open(
                    "it lost its traffic with no verdict, and was entered again".to_owned(),
                );
            }
            RolloutEvent::Paused => self.pause(at),
            RolloutEvent::Resumed => self.resume(at),
            RolloutEvent::Promoted { .. } => {
                self.resume(at);
                self.note_open(format!("promoted by {actor}"));
            }
            RolloutEvent::VerificationRetried { .. } => {
                self.note_open("verified more than once".to_owned());
            }
            RolloutEvent::RollbackStarted {
                cause, detected_at, ..
            } => self.turn_back(cause, *detected_at, at),
            RolloutEvent::RolledBack { shifted_us } => self.is_back(*shifted_us, at),
            RolloutEvent::RollbackAbandoned { reason } => {
                self.note_open(one_line(reason));
                self.end_open(Progress::Bad, at);
            }
            RolloutEvent::Failed { reason } => {
                self.note_open(one_line(reason));
                self.give_up(Progress::Bad, at);
            }
            RolloutEvent::Aborted => self.abort(at),
            RolloutEvent::Succeeded => self.end_open(Progress::Passed, at),
            RolloutEvent::TargetProven { .. }
            | RolloutEvent::TargetUnfit { .. }
            | RolloutEvent::StepPrepared { .. }
            | RolloutEvent::Progressed { .. }
            | RolloutEvent::Verified { .. }
            | RolloutEvent::RollbackPrepared
            | RolloutEvent::GuardExceeded { .. } => {}
        }
    }

    fn is_back(&mut self, shifted_us: u64, at: Timestamp) {
        let back = self.open_stage();
        if let Some(back) = back.filter(|stage| stage.kind == Kind::Rollback) {
            back.measured = Some(Duration::from_micros(shifted_us));
        }
        self.end_open(Progress::Passed, at);
    }

    /// With traffic there was a way back, which is what has passed.
    fn abort(&mut self, at: Timestamp) {
        let back = self
            .open_stage()
            .is_some_and(|it| it.kind == Kind::Rollback);
        let progress = if back {
            Progress::Passed
        } else {
            Progress::Stopped
        };
        self.give_up(progress, at);
    }

    /// The way that is ahead.
    fn plan(&mut self, push: &Push, at: Timestamp) {
        let mut pushed = Stage::new(Kind::Push, None);
        pushed.begin(Progress::Passed, at);
        pushed.ended = Some(at);
        let mut stages = vec![pushed];
        let mut into = Vec::new();
        match &push.configuration {
            Ok(configuration) => {
                let mut checks = Stage::new(Kind::Checks, Some(CHECKS));
                checks.begin(Progress::UnderWay, at);
                stages.push(checks);
                if push.delivered {
                    stages.push(Stage::new(Kind::Build, Some(BUILD)));
                    into = configuration.environments.iter().collect();
                }
            }
            Err(_) => {
                let mut configuration = Stage::new(Kind::Configuration, None);
                configuration.begin(Progress::Bad, at);
                configuration.ended = Some(at);
                stages.push(configuration);
            }
        }
        self.legs = vec![Leg {
            environment: None,
            rollout: None,
            stages,
        }];
        self.legs.extend(into.into_iter().map(|environment| Leg {
            environment: Some(environment.name.clone()),
            rollout: None,
            stages: stages_into(environment),
        }));
    }

    /// The others go on: the stage ends with the last of them.
    fn check_ended(&mut self, check: &str, outcome: &CheckOutcome) {
        if outcome.allows() || *outcome == CheckOutcome::Cancelled {
            return;
        }
        if let Some(stage) = self.open_stage().filter(|it| it.kind == Kind::Checks) {
            let before = stage
                .note
                .take()
                .map_or_else(String::new, |it| format!("{it}, "));
            stage.note = Some(format!("{before}{check}"));
        }
    }

    /// The leg into an environment.
    fn turn_to(&mut self, environment: &str) {
        let of_it = |leg: &Leg| leg.environment.as_deref() == Some(environment);
        if let Some(leg) = self.legs.iter().position(of_it) {
            self.leg = leg;
        }
    }

    /// Begins the leg's next stage of that kind; one that was not planned comes before the first that is ahead.
    fn begin(&mut self, kind: Kind, progress: Progress, at: Timestamp) {
        let Some(leg) = self.legs.get_mut(self.leg) else {
            return;
        };
        let found = leg.stages.iter().position(|stage| stage.kind == kind);
        let position = found.unwrap_or_else(|| {
            let position = leg.ahead();
            leg.stages.insert(position, Stage::new(kind, None));
            position
        });
        leg.stages[position].begin(progress, at);
    }

    /// After the smoke tests, and after a step: all at once begins now, the next step once it can.
    fn go_on(&mut self, at: Timestamp) {
        let leg = self.legs.get(self.leg);
        let shifts = leg.is_some_and(|leg| leg.stages.iter().any(|it| it.kind == Kind::Shift));
        if shifts {
            self.begin(Kind::Shift, Progress::UnderWay, at);
        } else {
            self.between = Some((Kind::Prepare, at));
        }
    }

    fn enter_step(&mut self, step: u32, at: Timestamp, rollout: Option<&Rollout>) {
        self.skip_steps(step, "");
        let leg = self.legs.get(self.leg);
        let held = leg.and_then(|leg| {
            let mut kinds = leg.stages.iter().map(|stage| stage.kind);
            kinds.find(|kind| matches!(kind, Kind::Step(number, _) if *number == step))
        });
        let kind = held.unwrap_or(Kind::Verify);
        if held.is_none()
            && leg.is_some_and(|leg| leg.stages.iter().any(|it| it.kind == Kind::Shift))
        {
            return;
        }
        self.close_between(kind, at);
        self.begin(kind, Progress::UnderWay, at);
        if let Some(reason) = rollout
            .and_then(|it| it.direct.as_ref())
            .filter(|_| held.is_none())
        {
            self.note_open(direct(reason));
        }
    }

    /// Steps before this one that were never entered.
    fn skip_steps(&mut self, before: u32, why: &str) {
        let Some(leg) = self.legs.get_mut(self.leg) else {
            return;
        };
        for stage in &mut leg.stages {
            let earlier = matches!(stage.kind, Kind::Step(number, _) if number < before);
            if earlier && stage.progress == Progress::Ahead {
                stage.progress = Progress::Skipped;
                stage.note = Some(why.to_owned()).filter(|why| !why.is_empty());
            }
        }
    }

    /// Where nothing serves there is nothing to compare with or to go back to, so no step is held. An approval is for what
    /// it replaces: one that is asked for again may be for another.
    fn expect_canary(&mut self, expected: bool) {
        if !expected {
            return self.skip_steps(u32::MAX, &direct(&DirectReason::NoStable));
        }
        let Some(leg) = self.legs.get_mut(self.leg) else {
            return;
        };
        for stage in &mut leg.stages {
            if matches!(stage.kind, Kind::Step(..)) && stage.progress == Progress::Skipped {
                *stage = Stage::new(stage.kind, stage.budget);
            }
        }
    }

    fn pause(&mut self, at: Timestamp) {
        if let Some(stage) = self.open_stage() {
            stage.progress = Progress::Paused;
            self.paused_at = Some(at);
        }
    }

    fn resume(&mut self, at: Timestamp) {
        let Some(since) = self.paused_at.take() else {
            return;
        };
        if let Some(stage) = self.open_stage() {
            stage.progress = Progress::UnderWay;
            stage.paused += between(since, at);
        }
    }

    fn turn_back(&mut self, cause: &RollbackCause, detected_at: Timestamp, at: Timestamp) {
        self.resume(at);
        let by_people = matches!(
            cause,
            RollbackCause::Manual { .. } | RollbackCause::Aborted { .. }
        );
        let progress = if by_people {
            Progress::Stopped
        } else {
            Progress::Bad
        };
        self.note_open(because(cause));
        // What it waits for elsewhere goes on.
        match self.between {
            Some((Kind::Turn, _)) => self.end_open(progress, at),
            _ => self.give_up(progress, at),
        }
        let Some(leg) = self.legs.get_mut(self.leg) else {
            return;
        };
        let mut back = Stage::new(Kind::Rollback, Some(ROLLBACK));
        back.begin(Progress::UnderWay, detected_at);
        leg.stages.insert(leg.ahead(), back);
    }

    /// It goes no further: what is open ends so.
    fn give_up(&mut self, progress: Progress, at: Timestamp) {
        if let Some((kind, since)) = self.between.take() {
            self.put_in(kind, since, progress, Some(at));
            return;
        }
        self.end_open(progress, at);
    }

    /// What was done between two stages ends where this one begins.
    fn close_between(&mut self, next: Kind, at: Timestamp) {
        let Some((kind, since)) = self.between.take() else {
            return;
        };
        if between(since, at) >= BETWEEN_SHOWN {
            self.put_before(next, kind, since, Progress::Passed, Some(at));
        }
    }

    /// Before what is ahead.
    fn put_in(
        &mut self,
        kind: Kind,
        since: Timestamp,
        progress: Progress,
        ended: Option<Timestamp>,
    ) {
        let leg = self.legs.get(self.leg);
        let next = leg.and_then(|leg| leg.stages.get(leg.ahead()));
        let next = next.map_or(Kind::Rollback, |stage| stage.kind);
        self.put_before(next, kind, since, progress, ended);
    }

    fn put_before(
        &mut self,
        next: Kind,
        kind: Kind,
        since: Timestamp,
        progress: Progress,
        ended: Option<Timestamp>,
    ) {
        let Some(leg) = self.legs.get_mut(self.leg) else {
            return;
        };
        let found = leg.stages.iter().position(|stage| stage.kind == next);
        let position = found.unwrap_or(leg.ahead());
        let mut stage = Stage::new(kind, None);
        stage.begin(progress, since);
        stage.ended = ended;
        leg.stages.insert(position, stage);
    }

    fn open_stage(&mut self) -> Option<&mut Stage> {
        let leg = self.legs.get_mut(self.leg)?;
        leg.stages.iter_mut().rev().find(|stage| stage.open())
    }

    fn note_open(&mut self, note: String) {
        if let Some(stage) = self.open_stage() {
            stage.note = Some(note);
        }
    }

    fn end_open(&mut self, progress: Progress, at: Timestamp) {
        self.resume(at);
        if let Some(stage) = self.open_stage() {
            stage.end(progress, at);
        }
    }

    /// Where the journey stands: what lies between two stages now is one; after the end nothing is ahead.
    fn arrive(mut self, journey: &Journey) -> Vec<Leg> {
        if let Some((kind, since)) = self.between.take() {
            let progress = match kind {
                Kind::Turn => Progress::Waits,
                _ => Progress::UnderWay,
            };
            self.put_in(kind, since, progress, None);
        }
        if journey.delivery.ended() {
            let stages = self.legs.iter_mut().flat_map(|leg| &mut leg.stages);
            for stage in stages.filter(|stage| stage.progress == Progress::Ahead) {
                stage.progress = Progress::NotReached;
            }
        }
        self.legs
    }
}

impl Leg {
    /// Where the first stage is that comes later.
    fn ahead(&self) -> usize {
        let ahead = |stage: &Stage| stage.progress == Progress::Ahead;
        self.stages
            .iter()
            .position(ahead)
            .unwrap_or(self.stages.len())
    }
}

fn direct(reason: &DirectReason) -> String {
    match reason {
        DirectReason::NoStable => "no canary: nothing served before".to_owned(),
        DirectReason::StableNotReady { .. } => {
            "no canary: what served was not fit to go back to".to_owned()
        }
    }
}
