//! Who makes and revokes which tokens, and who counts as one person.

use super::world::*;
use crate::command::{Command, Rejection};
use crate::configuration::{PRODUCTION, Role};
use crate::event::{AccessEvent, Actor, Event, Recorded};
use crate::identity::person;
use crate::state;

/// How a command was answered.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Answer {
    Done,
    NotAllowed,
    NotOwner,
    Conflict,
    Unknown,
}

fn answer(refused: Result<(), Rejection>) -> Answer {
    match refused {
        Ok(()) => Answer::Done,
        Err(Rejection::NotAllowed { .. }) => Answer::NotAllowed,
        Err(Rejection::NotOwner { .. }) => Answer::NotOwner,
        Err(Rejection::Conflict { .. }) => Answer::Conflict,
        Err(Rejection::Unknown { .. }) => Answer::Unknown,
        Err(other) => panic!("{other}"),
    }
}

fn create(name: &str, role: Role) -> Command {
    Command::CreateToken {
        name: name.to_owned(),
        role,
        hash: format!("hash of {name}"),
    }
}

fn revoke(name: &str) -> Command {
    Command::RevokeToken {
        name: name.to_owned(),
    }
}

/// As journals of before may have it, whatever the rules say today.
fn recorded(world: &mut World, name: &str, role: Role) {
    let event = Recorded {
        at: world.now,
        actor: Actor::barq(),
        event: Event::Access(AccessEvent::TokenCreated {
            name: name.to_owned(),
            role,
            hash: format!("hash of {name}"),
        }),
    };
    state::apply(&mut world.state, &event);
}

/// Root is an admin, alice a tech lead with two own tokens, bob a developer.
fn people() -> World {
    let mut world = World::new();
    world.must(&Actor::barq(), create("root", Role::Admin));
    let root = actor("root", Role::Admin);
    world.must(&root, create("alice", Role::TechLead));
    world.must(&root, create("bob", Role::Developer));
    let alice = actor("alice", Role::TechLead);
    world.must(&alice, create("alice/laptop", Role::TechLead));
    world.must(&alice, create("alice/ci", Role::Developer));
    world
}

fn names(world: &World) -> Vec<&str> {
    world.state.tokens.keys().map(String::as_str).collect()
}

#[test]
fn who_makes_which_token() {
    use Answer::{Conflict, Done, NotAllowed, NotOwner};
    use Role::{Admin, Developer, Operator, TechLead};
    let world = people();
    let long = "a".repeat(101);
    let root = ("root", Admin);
    let alice = ("alice", TechLead);
    let cases: &[((&str, Role), &str, Role, Answer)] = &[
        // A person's: admins alone.
        (root, "carol", Developer, Done),
        (root, "carol@example.com", Admin, Done),
        (alice, "carol", Developer, NotAllowed),
        (root, "bob", Developer, Conflict),
        (root, "barq", Developer, Conflict),
        // One's own: with at most one's own role, and by the token itself alone.
        (alice, "alice/phone", TechLead, Done),
        (alice, "alice/phone", Operator, Done),
        (alice, "alice/phone", Admin, NotAllowed),
        (alice, "alice/laptop", Developer, Conflict),
        (root, "root/phone", Admin, Done),
        (root, "alice/phone", Developer, NotOwner),
        (("bob", Developer), "alice/phone", Developer, NotOwner),
        (
            ("alice/laptop", TechLead),
            "alice/phone",
            Developer,
            NotOwner,
        ),
        (
            ("alice/laptop", TechLead),
            "alice/laptop/x",
            Developer,
            NotOwner,
        ),
        // Whoever asks with a token that was revoked in the meantime.
        (("gone", Admin), "gone/phone", Developer, Conflict),
        // What was asked with more than the token may now.
        (("bob", Admin), "bob/phone", Admin, NotAllowed),
        // No other names.
        (alice, "alice/", Developer, Conflict),
        (alice, "alice/a/b", Developer, Conflict),
        (alice, "alice//b", Developer, Conflict),
        (alice, "alice/a b", Developer, Conflict),
        (root, "", Developer, Conflict),
        (root, "a b", Developer, Conflict),
        (root, "аlice", Developer, Conflict),
        (root, "-x", Developer, Conflict),
        (root, "a\nb", Developer, Conflict),
        (root, &long, Developer, Conflict),
        (root, "/x", Developer, NotOwner),
    ];
    for ((by, role), name, of, expect) in cases {
        let asked = world.asked(&actor(by, *role), create(name, *of));
        assert_eq!(answer(asked), *expect, "{by} makes {name:?} as {of}");
    }
}

#[test]
fn who_revokes_which_token() {
    use Answer::{Done, NotAllowed, Unknown};
    use Role::{Admin, Developer, TechLead};
    let world = people();
    let cases: &[((&str, Role), &str, Answer)] = &[
        (("root", Admin), "alice", Done),
        (("root", Admin), "alice/ci", Done),
        (("root", Admin), "nobody", Unknown),
        (("alice", TechLead), "alice/ci", Done),
        (("alice", TechLead), "alice", Done),
        (("alice", TechLead), "alice/nothing", Unknown),
        (("alice", TechLead), "bob", NotAllowed),
        (("alice/ci", Developer), "alice/ci", Done),
        (("alice/ci", Developer), "alice/laptop", NotAllowed),
        (("alice/ci", Developer), "alice", NotAllowed),
        (("bob", Developer), "alice/ci", NotAllowed),
        (("al", Developer), "alice/ci", NotAllowed),
    ];
    for ((by, role), name, expect) in cases {
        let asked = world.asked(&actor(by, *role), revoke(name));
        assert_eq!(answer(asked), *expect, "{by} revokes {name}");
    }
}

#[test]
fn nothing_of_a_person_outlives_the_person() {
    let mut world = people();
    let root = actor("root", Role::Admin);
    world.must(&root, revoke("alice"));
    assert_eq!(names(&world), ["bob", "root"]);
    // Whoever has the name now has nothing of hers.
    world.must(&root, create("alice", Role::Developer));
    assert_eq!(names(&world), ["alice", "bob", "root"]);
    assert_eq!(world.state.role("alice/laptop"), None);
}

#[test]
fn a_person_has_so_many_own_tokens() {
    let mut world = people();
    let bob = actor("bob", Role::Developer);
    for number in 0..20 {
        world.must(&bob, create(&format!("bob/{number}"), Role::Developer));
    }
    let more = world.asked(&bob, create("bob/more", Role::Developer));
    assert_eq!(answer(more), Answer::Conflict);
    world.must(&bob, revoke("bob/7"));
    world.must(&bob, create("bob/more", Role::Developer));
}

#[test]
fn what_was_recorded_before_is_nobodys_way_in() {
    let mut world = people();
    let root = actor("root", Role::Admin);
    recorded(&mut world, "dora/x", Role::Admin);
    recorded(&mut world, "bob/old/one", Role::Admin);
    // Its person does not exist: nobody becomes that person while it is valid.
    assert_eq!(world.state.role("dora/x"), Some(Role::Admin));
    let taken = world.asked(&root, create("dora", Role::Developer));
    assert_eq!(answer(taken), Answer::Conflict);
    world.must(&root, revoke("dora/x"));
    world.must(&root, create("dora", Role::Developer));
    // Its person may less: so does it, and it ends with the person.
    assert_eq!(world.state.role("bob/old/one"), Some(Role::Developer));
    world.must(&root, revoke("bob"));
    assert!(!names(&world).contains(&"bob/old/one"));
}

#[test]
fn who_pushed_is_one_person_by_whichever_token() {
    let cases = [
        ("alice", "alice", true),
        ("alice/ci", "alice", true),
        ("alice", "alice/laptop", true),
        ("alice/ci", "alice/laptop", true),
        ("alice", "bob", false),
        ("alice/ci", "bob/ci", false),
        ("alice", "alicea", false),
    ];
    for (pushed, approves, same) in cases {
        assert_eq!(
            person(pushed) == person(approves),
            same,
            "{pushed} {approves}"
        );
        let mut rules = small();
        let gates = rules.environments.iter_mut();
        for approval in gates.filter_map(|it| it.approval.as_mut()) {
            approval.separate_approver = true;
        }
        let mut world = World::new();
        world.must(&actor(pushed, Role::TechLead), push(1, rules));
        world.until(|state| {
            state.delivery(&delivery(1)).unwrap().state_name() == "awaiting_approval"
        });
        let asked = world.asked(&actor(approves, Role::TechLead), approve(1));
        let refused = matches!(asked, Err(Rejection::NotSeparate { .. }));
        assert_eq!(
            refused, same,
            "{pushed} pushed, {approves} approves to {PRODUCTION}"
        );
        assert_eq!(asked.is_ok(), !same);
    }
}
