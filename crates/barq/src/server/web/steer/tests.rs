//! Who is offered what, and what becomes of a form that is sent twice, late, or by somebody who may not: as tables.

use std::sync::Arc;

use barq_core::configuration::Role;
use barq_core::event::{Actor, Event, Recorded, RolloutEvent, ServiceEvent};
use barq_core::state::{self, State};
use barq_engine::engine::View;
use maud::Render as _;

use super::super::super::testing::{
    at, entered, progressed, revision, rollout, service, state_after, tripped,
};
use super::super::place::Audience;
use super::action::Action;
use super::effect::{self, Effect};
use super::form::Sent;

const PAUSED: RolloutEvent = RolloutEvent::Paused;
const RESUMED: RolloutEvent = RolloutEvent::Resumed;

fn view(state: State) -> View {
    View {
        state: Arc::new(state),
        ..View::default()
    }
}

fn after(events: &[(i64, RolloutEvent)]) -> View {
    view(state_after(events))
}

fn somebody(role: Role) -> Audience {
    Audience { role, name: None }
}

fn actor(role: Role) -> Actor {
    Actor {
        name: "ann".to_owned(),
        role,
    }
}

fn effect_of(view: &View, action: &Action) -> Result<Effect, String> {
    effect::effect(view, action, &actor(Role::Operator), at(100))
        .map_err(|rejection| effect::refusal(&rejection, Role::Operator))
}

fn aborting() -> Action {
    Action::Abort(rollout())
}

fn rolling_back() -> Action {
    Action::RollBack {
        service: service(),
        to: None,
    }
}

/// Each button of a rollout's fragment: its words, and why it can't be pressed.
fn buttons(view: &View, role: Role) -> Vec<String> {
    let rollout = view.state.rollout(&rollout()).expect("a rollout");
    let markup = super::rollout(view, rollout, &somebody(role), at(100));
    let text = markup.render().0;
    let parts = text
        .split("<button ")
        .skip(1)
        .chain(text.split("<a ").skip(1));
    let mut buttons: Vec<String> = parts
        .map(|part| {
            let words = part.split("</svg>").nth(1).unwrap_or_default();
            let words = words.split('<').next().unwrap_or_default();
            let tag = part.split('>').next().unwrap_or_default();
            let why = tag.split("aria-describedby=\"").nth(1);
            let why = why.and_then(|rest| rest.split('"').next());
            let reason = why.and_then(|id| {
                let (_, said) = text.split_once(&format!("id=\"{id}\">"))?;
                let said = said.split("</p>").next()?;
                Some(said.rsplit("</strong>").next()?.to_owned())
            });
            assert_eq!(tag.contains(" disabled"), reason.is_some(), "{part}");
            reason.map_or_else(|| words.to_owned(), |reason| format!("{words} ✗ {reason}"))
        })
        .collect();
    buttons.sort();
    buttons
}

#[test]
fn who_may_not_is_told_what_it_needs() {
    let canary = after(&[(10, entered(1, 10, 5))]);
    let needs = "✗ Needs the role operator; you are developer.";
    assert_eq!(
        buttons(&canary, Role::Developer),
        [
            format!("Abort {needs}"),
            format!("Go to the next step {needs}"),
            format!("Pause {needs}"),
            format!("Promote to 100 % {needs}"),
            format!("Roll back {needs}"),
        ]
    );
    let open = [
        "Abort…",
        "Go to step 2: 50 %",
        "Pause",
        "Promote to 100 %…",
        "Roll back…",
    ];
    for role in [Role::Operator, Role::TechLead, Role::Admin] {
        assert_eq!(buttons(&canary, role), open, "{role}");
    }
}

/// A name, what happened at which second, and the buttons.
type Case<'a> = (&'a str, Vec<(i64, RolloutEvent)>, &'a [&'a str]);

#[test]
fn what_does_not_fit_the_state_is_told_why() {
    let cases: [Case<'_>; 5] = [
        (
            "deploying",
            vec![],
            &[
                "Abort…",
                "Go to the next step ✗ It is deploying; only a canary that has traffic can go to its next step.",
                "Pause",
                "Promote to 100 % ✗ It is deploying; only a canary that has traffic can go to its next step.",
            ],
        ),
        (
            "paused",
            vec![(10, entered(1, 10, 5)), (20, PAUSED)],
            &[
                "Abort…",
                "Go to step 2: 50 %",
                "Promote to 100 %…",
                "Resume",
                "Roll back…",
            ],
        ),
        (
            "the last step but one: the next is 100 %, which asks",
            vec![(10, entered(1, 10, 5)), (20, entered(2, 50, 10))],
            &["Abort…", "Pause", "Promote to 100 %…", "Roll back…"],
        ),
        (
            "on its way back",
            vec![(10, entered(1, 10, 5)), (20, tripped(20, 5))],
            &[],
        ),
        (
            "ended",
            vec![
                (10, entered(1, 10, 5)),
                (20, tripped(20, 5)),
                (21, RolloutEvent::RolledBack { shifted_us: 9 }),
            ],
            &[],
        ),
    ];
    for (what, events, expect) in cases {
        assert_eq!(buttons(&after(&events), Role::Operator), expect, "{what}");
    }
}

#[test]
fn what_would_happen_is_said_in_words() {
    let check = |events: &[(i64, RolloutEvent)], action: &Action, expect: &[&str]| {
        let effect = effect_of(&after(events), action).expect("allowed");
        let mut said: Vec<&str> = effect.words.iter().map(String::as_str).collect();
        said.push(&effect.button);
        assert_eq!(said, expect, "{action:?}");
    };
    let canary = [(10, entered(1, 10, 5))];
    check(
        &canary,
        &aborting(),
        &[
            "All traffic goes back from shop-production-00003 to shop-production-00002.",
            "shop-3 ends rolled back.",
            "No incident is opened, and production stays open for the next release.",
            "Abort: roll back to 00002",
        ],
    );
    check(
        &[],
        &aborting(),
        &[
            "No traffic has moved yet: shop-production-00002 goes on serving.",
            "shop-production-00003 is taken down, and shop-3 ends cancelled.",
            "Abort shop-3-production",
        ],
    );
    check(
        &canary,
        &rolling_back(),
        &[
            "All traffic goes back from shop-production-00003 to shop-production-00002.",
            "shop-3 ends rolled back.",
            "Its release is quarantined: it does not come back unless it is forced.",
            "An incident is opened, with a report.",
            "Production stays locked until another release is approved after this, or somebody unlocks it.",
            "Roll back to 00002",
        ],
    );
    check(
        &canary,
        &Action::PromoteFull(rollout()),
        &[
            "All traffic goes from shop-production-00002 to shop-production-00003.",
            "What is left of this step's hold is skipped, and so are the steps with 50 %.",
            "Give 00003 all traffic",
        ],
    );
    check(
        &canary,
        &Action::Promote(rollout()),
        &[
            "Step 2 begins now: 50 % of the traffic goes to shop-production-00003.",
            "What is left of this step's hold is skipped.",
            "Go to step 2: 50 %",
        ],
    );
}

/// A page may be as old as it likes where what it said is still so, and not a moment older.
#[test]
fn a_form_holds_for_as_long_as_what_it_said() {
    let deploying = after(&[]);
    let first = after(&[(10, entered(1, 10, 5))]);
    let counted = after(&[(10, entered(1, 10, 5)), (40, progressed(30, 900, 3))]);
    let second = after(&[(10, entered(1, 10, 5)), (60, entered(2, 50, 10))]);
    let promote = Action::Promote(rollout());
    let full = Action::PromoteFull(rollout());
    let cases = [
        (
            "more requests change nothing",
            &promote,
            &first,
            &counted,
            true,
        ),
        (
            "another step is another step",
            &promote,
            &first,
            &second,
            false,
        ),
        (
            "the way back is the same at 50 %",
            &aborting(),
            &first,
            &second,
            true,
        ),
        ("traffic has moved", &aborting(), &deploying, &first, false),
        ("all traffic is all traffic", &full, &first, &second, true),
        (
            "back to stable is the same at 50 %",
            &rolling_back(),
            &first,
            &second,
            true,
        ),
    ];
    for (what, action, shown, now, holds) in cases {
        let made = |view| effect_of(view, action).map(|effect| effect.made);
        assert_eq!(made(shown) == made(now), holds, "{what}");
    }
}

/// A pause is told when it is of another step; and it is undone by a resume of its own, by who knows of it.
#[test]
fn a_form_of_a_pause_names_its_step_and_one_of_a_resume_its_pause() {
    let first = after(&[(10, entered(1, 10, 5))]);
    let counted = after(&[(10, entered(1, 10, 5)), (40, progressed(30, 900, 3))]);
    let second = after(&[(10, entered(1, 10, 5)), (60, entered(2, 50, 10))]);
    let paused = after(&[(10, entered(1, 10, 5)), (20, PAUSED)]);
    let paused_again = after(&[
        (10, entered(1, 10, 5)),
        (20, PAUSED),
        (30, RESUMED),
        (40, PAUSED),
    ]);
    let (pause, resume) = (Action::Pause(rollout()), Action::Resume(rollout()));
    let made = |view, action| effect_of(view, action).map(|effect| effect.made);
    assert_eq!(made(&first, &pause), made(&counted, &pause));
    assert_ne!(made(&first, &pause), made(&second, &pause));
    assert_ne!(made(&paused, &resume), made(&paused_again, &resume));
    // A click on each is two askings.
    let once = |view| effect_of(view, &resume).map(|effect| effect.once);
    assert_ne!(once(&paused), once(&paused_again));
    assert_eq!(
        effect_of(&first, &resume),
        Err("It is not paused".to_owned())
    );
}

/// Somebody paused it out of doubt: nobody sends more traffic there who does not know.
#[test]
fn a_form_of_a_promotion_holds_for_one_pause() {
    let first = after(&[(10, entered(1, 10, 5))]);
    let paused = after(&[(10, entered(1, 10, 5)), (20, PAUSED)]);
    let resumed = after(&[(10, entered(1, 10, 5)), (20, PAUSED), (30, RESUMED)]);
    for promote in [Action::Promote(rollout()), Action::PromoteFull(rollout())] {
        let effect = |view| effect_of(view, &promote).expect("it may be done");
        assert_ne!(effect(&first).made, effect(&paused).made);
        assert_eq!(effect(&first).made, effect(&resumed).made);
        let words = effect(&paused).words.join(" ");
        assert!(words.contains("this ends the pause"), "{words}");
    }
}

#[test]
fn two_clicks_are_one_asking() {
    let sent = |made: &str, once: &str| Sent {
        made: made.to_owned(),
        once: once.to_owned(),
        ..Sent::default()
    };
    let promote = Action::Promote(rollout());
    let full = Action::PromoteFull(rollout());
    let asked = |action: &Action, made, once| sent(made, once).asking(action);
    assert_eq!(asked(&promote, "a", "1 1"), asked(&promote, "a", "1 1"));
    let others = [
        asked(&promote, "b", "1 1"),
        asked(&promote, "a", "2 1"),
        asked(&full, "a", "1 1"),
    ];
    for other in others {
        assert_ne!(asked(&promote, "a", "1 1"), other);
    }
    // Pausing twice does no more than pausing once, but pausing again after a resume must pause.
    assert_eq!(asked(&Action::Pause(rollout()), "a", ""), None);
}

#[test]
fn a_lock_is_lifted_by_who_knows_which() {
    let mut state = state_after(&[(10, entered(1, 10, 5))]);
    let lock = |at, message: &str| Recorded {
        at,
        actor: actor(Role::Operator),
        event: Event::Service(
            service(),
            ServiceEvent::Locked {
                message: message.to_owned(),
            },
        ),
    };
    let unlock = Action::Unlock(service());
    assert_eq!(
        effect_of(&view(state.clone()), &unlock),
        Err("It is not locked".to_owned())
    );
    state::apply(&mut state, &lock(at(20), "freeze"));
    let first = effect_of(&view(state.clone()), &unlock).expect("allowed");
    assert_eq!(
        first.words,
        [
            "Releases may enter shop-production again.",
            "ann had locked it: freeze",
        ]
    );
    assert_eq!(
        effect_of(&view(state.clone()), &Action::Lock(service())),
        Err("Ann locked it: freeze".to_owned())
    );
    state::apply(&mut state, &lock(at(30), "another"));
    let second = effect_of(&view(state), &unlock).expect("allowed");
    assert_ne!(first.made, second.made);
}

#[test]
fn addresses_lead_to_the_action_that_they_came_from() {
    let actions = [
        Action::Pause(rollout()),
        aborting(),
        Action::PromoteFull(rollout()),
        Action::Lock(service()),
        Action::Cancel(rollout().delivery),
        Action::Retry {
            delivery: rollout().delivery,
            force: true,
        },
        rolling_back(),
        Action::RollBack {
            service: service(),
            to: Some(revision(2)),
        },
    ];
    for action in actions {
        let address = action.address();
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let to = query.strip_prefix("to=");
        let read = Action::of(path, to, query == "force=yes").expect("an action");
        assert_eq!(read, action);
    }
    for path in [
        "/rollouts/x/explode",
        "/rollouts/nonsense/pause",
        "/pause",
        "/tokens/a/lock",
    ] {
        assert!(Action::of(path, None, false).is_err(), "{path}");
    }
}
