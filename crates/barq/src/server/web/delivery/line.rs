//! The journey as one line, from push to production: what each stage took, and what it should take.

use std::time::Duration;

use barq_core::identity::DeliveryId;
use barq_engine::engine::View;
use barq_engine::history::Journey;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::elements;
use super::super::icons::{self, Icon};
use super::stages::{self, Kind, Leg, Progress, Stage};
use crate::output::text;

/// Characters of a note; the rest is in the timeline.
const NOTE_CHARACTERS_MAX: usize = 50;
/// A leg is as wide as it has stages, up to so many.
const STAGES_WIDE_MAX: usize = 9;
/// From so many seconds on minutes are said.
const SECONDS_SPOKEN_MAX: u64 = 120;
/// The bar's width in its own units.
const BAR: f64 = 100.0;

pub(super) fn line(view: &View, journey: &Journey, now: Timestamp) -> Markup {
    let id = &journey.delivery.id;
    let mut legs = stages::legs(journey);
    stages::foresee(&mut legs, |environment| {
        serves_nothing(view, journey, environment)
    });
    html! {
        h2.unseen { "From push to production" }
        div.journey {
            @for leg in &legs { (self::leg(id, leg, now)) }
        }
    }
}

/// Whether nothing is stable in an environment of the delivery's.
fn serves_nothing(view: &View, journey: &Journey, environment: &str) -> bool {
    let configuration = journey.delivery.configuration();
    let service = configuration.and_then(|it| it.service_in(environment).parse().ok());
    let service = service.and_then(|id| view.state.service(&id));
    service.is_none_or(|service| service.stable.is_none())
}

fn leg(id: &DeliveryId, leg: &Leg, now: Timestamp) -> Markup {
    let name = leg.environment.as_deref().unwrap_or("pipeline");
    html! {
        section.{ "leg of-" (leg.stages.len().min(STAGES_WIDE_MAX)) } aria-label=(name) {
            h3 {
                @match &leg.rollout {
                    Some(rollout) => a href=(format!("/rollouts/{rollout}")) { (name) },
                    None => (name),
                }
            }
            ol.stages { @for stage in &leg.stages { (self::stage(id, leg, stage, now)) } }
        }
    }
}

fn stage(id: &DeliveryId, leg: &Leg, stage: &Stage, now: Timestamp) -> Markup {
    let (icon, word, class) = look(stage);
    let late = stage.over(now).is_some();
    html! {
        li.stage.(class).late[late] {
            span.spot { (icons::icon(icon)) }
            span.name {
                @match link(id, leg, stage) {
                    Some(path) => a href=(path) { (name(stage.kind)) },
                    None => (name(stage.kind)),
                }
            }
            span.word { (word) }
            (bar(stage))
            span.took { (took(stage)) }
            span.budget { (budget(stage, now)) }
            @if let Some(began) = stage.began { span.began { (elements::clock(began)) } }
            @if let Some(note) = &stage.note {
                span.note title=(note) { (text::shorten(note, NOTE_CHARACTERS_MAX)) }
            }
        }
    }
}

fn name(kind: Kind) -> String {
    match kind {
        Kind::Push => "Push".to_owned(),
        Kind::Configuration => "barq.toml".to_owned(),
        Kind::Checks => "Checks".to_owned(),
        Kind::Build => "Build".to_owned(),
        Kind::Turn => "Its turn".to_owned(),
        Kind::Approval => "Approval".to_owned(),
        Kind::Deploy => "Deploy".to_owned(),
        Kind::Smoke => "Smoke".to_owned(),
        Kind::Prepare => "Prepare".to_owned(),
        Kind::Shift => "Shift".to_owned(),
        Kind::Step(_, share) => format!("{share} %"),
        Kind::Verify => "Verify".to_owned(),
        Kind::Rollback => "Rollback".to_owned(),
    }
}

/// Where there is more of it.
fn link(id: &DeliveryId, leg: &Leg, stage: &Stage) -> Option<String> {
    let begun = stage.began.is_some();
    match stage.kind {
        Kind::Push | Kind::Configuration | Kind::Turn => None,
        Kind::Checks => Some("#checks".to_owned()),
        Kind::Build => begun.then(|| format!("/deliveries/{id}/checks/build")),
        Kind::Approval => (stage.progress == Progress::Waits).then(|| "#steer".to_owned()),
        Kind::Deploy
        | Kind::Smoke
        | Kind::Prepare
        | Kind::Shift
        | Kind::Step(..)
        | Kind::Verify
        | Kind::Rollback => {
            let rollout = leg.rollout.as_ref().filter(|_| begun);
            rollout.map(|rollout| format!("/rollouts/{rollout}"))
        }
    }
}

fn look(stage: &Stage) -> (Icon, &'static str, &'static str) {
    match stage.progress {
        Progress::Ahead => (Icon::Idle, "ahead", "ahead"),
        Progress::UnderWay => (Icon::Moving, "under way", "move"),
        Progress::Waits => (Icon::Waiting, "waits", "wait"),
        Progress::Paused => (Icon::Paused, "paused", "wait"),
        Progress::Passed if stage.kind == Kind::Rollback => (Icon::Back, "taken back", "bad"),
        Progress::Passed => (Icon::Good, "passed", "good"),
        Progress::Bad => (Icon::Bad, "failed", "bad"),
        Progress::Stopped => (Icon::Bad, "stopped", "idle"),
        Progress::Skipped => (Icon::Idle, "left out", "ahead"),
        Progress::NotReached => (Icon::Idle, "not reached", "ahead"),
    }
}

fn took(stage: &Stage) -> Markup {
    let counted = stage.counted_from();
    html! {
        @match (stage.progress, stage.took(), counted) {
            _ if stage.kind == Kind::Push => {}
            (Progress::UnderWay, _, Some(from)) => (elements::lasting(from, stage.limit())),
            (Progress::Waits, _, Some(from)) => (elements::lasting(from, None)),
            (_, Some(took), _) => (spoken(took)),
            _ => {}
        }
    }
}

/// What it may take; and that it took longer, in a word and with an icon.
fn budget(stage: &Stage, now: Timestamp) -> Markup {
    html! {
        @match (stage.budget, stage.over(now)) {
            (Some(budget), Some(over)) => {
                (icons::icon(Icon::Warning)) (spoken(over)) " over " (spoken(budget))
            }
            (Some(_), None) if stage.progress == Progress::Skipped => {}
            (Some(budget), None) if stage.began.is_none() => { "up to " (spoken(budget)) }
            (Some(budget), None) => { "of " (spoken(budget)) }
            (None, _) if stage.kind == Kind::Approval => "people’s time",
            _ => {}
        }
    }
}

/// What it took of what it may take, as widths; what is over reaches beyond a mark.
fn bar(stage: &Stage) -> Markup {
    let Some((taken, allowed)) = stage
        .took()
        .zip(stage.budget)
        .map(|(taken, budget)| widths(taken, budget))
    else {
        return html! {};
    };
    html! {
        svg.meter viewBox={ "0 0 " (BAR) " 4" } width="100%" height="4" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.ground width=(BAR) height="4" { }
            rect.taken width=(format!("{taken:.1}")) height="4" { }
            @if allowed < BAR { rect.mark-of-budget x=(format!("{allowed:.1}")) width="1.5" height="4" { } }
        }
    }
}

/// How far the bar is filled, and where on it the budget ends.
fn widths(taken: Duration, budget: Duration) -> (f64, f64) {
    let (taken, budget) = (taken.as_secs_f64(), budget.as_secs_f64());
    let whole = taken.max(budget).max(f64::EPSILON);
    (taken / whole * BAR, budget / whole * BAR)
}

/// A duration, as short as a column is: `30 s`, `90 s`, `2 min`.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() == 0 && (1..SECONDS_SPOKEN_MAX).contains(&seconds) {
        return format!("{seconds} s");
    }
    let text = text::duration_ms(duration.as_secs_f64() * 1000.0);
    match text.strip_suffix(" min 0 s") {
        Some(minutes) => format!("{minutes} min"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{spoken, widths};

    #[test]
    fn a_bar_is_as_long_as_the_longer_of_both() {
        let check = |taken: u64, budget: u64, expect: (f64, f64)| {
            let widths = widths(Duration::from_secs(taken), Duration::from_secs(budget));
            assert_eq!(widths, expect);
        };
        check(15, 30, (50.0, 100.0));
        check(30, 30, (100.0, 100.0));
        check(60, 30, (100.0, 50.0));
        check(0, 30, (0.0, 100.0));
        check(0, 0, (0.0, 0.0));
    }

    #[test]
    fn whole_minutes_have_no_seconds() {
        let check = |seconds: u64, expect: &str| {
            assert_eq!(spoken(Duration::from_secs(seconds)), expect);
        };
        check(30, "30 s");
        check(120, "2 min");
        check(130, "2 min 10 s");
        check(4, "4 s");
        check(90, "90 s");
    }
}
