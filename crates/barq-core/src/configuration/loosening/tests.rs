//! What counts as weaker, and that nothing else does.

use proptest::prelude::*;

use super::super::testing::any_environment;
use super::super::{Configuration, Environment, PRODUCTION, Role, STAGING};
use super::{Rules, compare};

/// What a change of the production defaults weakens, one a line.
fn loosened(toml: &str) -> String {
    compared("", toml)
}

/// What goes weaker from one text of `[environments.production]` to another.
fn compared(before: &str, after: &str) -> String {
    let [before, after] = [before, after].map(|toml| {
        let text = format!(
            "service = \"a\"\nbuild = {{ dockerfile = \"D\" }}\n[environments.production]\n{toml}\n"
        );
        Configuration::parse(&text, "barq.toml")
            .unwrap_or_else(|report| panic!("{report}"))
            .configuration
    });
    let rules = |configuration| -> Rules<'_> {
        let configuration: &Configuration = configuration;
        Rules {
            branch: &configuration.branch,
            environment: configuration.environment(PRODUCTION).unwrap(),
        }
    };
    let found = compare(rules(&before), rules(&after));
    found
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_kind_of_weakening_is_found() {
    for (toml, expected) in [
        ("approval = false", "approval: by a tech-lead → none"),
        (
            "approval.role = \"developer\"",
            "approval.role: tech-lead → developer",
        ),
        ("approval.expires = \"48h\"", "approval.expires: 24h → 48h"),
        ("shield = false", "shield: true → false"),
        ("lease = \"2m\"", "lease: 1m → 2m"),
        ("guard = false", "guard: for 30m → none"),
        ("guard = { for = \"10m\" }", "guard.for: 30m → 10m"),
        (
            "steps = [{ traffic = 10, hold = \"1m\" }, { traffic = 50 }, { traffic = 100 }]",
            "steps[10 %].hold: 5m → 1m",
        ),
        (
            "steps = [{ traffic = 10, max_errors = 6 }, { traffic = 50 }, { traffic = 100 }]",
            "steps[10 %].max_errors: 5 → 6",
        ),
        (
            "steps = [{ traffic = 10 }, { traffic = 20, max_errors = 500 }, { traffic = 50 }, { traffic = 100 }]",
            "steps[20 %].max_errors: 10 → 500",
        ),
        (
            "steps = [{ traffic = 50 }, { traffic = 100 }]",
            "steps: first share: 10 % → 50 %\nsteps[10 %]: held 5m → removed",
        ),
        (
            "steps = [{ traffic = 10 }, { traffic = 50 }, { traffic = 100, max_errors = 1000 }]",
            "guard: limit from the steps: 20 errors in 5m → 1000 errors in 30m",
        ),
    ] {
        assert_eq!(loosened(toml), expected, "{toml}");
    }
    assert_eq!(
        compared(
            "approval.separate_approver = true\nguard.action = \"rollback\"",
            ""
        ),
        "approval.separate_approver: true → false\nguard.action: rollback → alert"
    );
}

#[test]
fn what_is_stricter_or_no_part_of_the_gate_is_left_alone() {
    for toml in [
        "",
        "approval = { role = \"admin\", expires = \"1h\", separate_approver = true }",
        "lease = \"10s\"",
        "guard = { for = \"1h\", action = \"rollback\" }",
        "steps = [{ traffic = 5 }, { traffic = 10, hold = \"10m\" }, { traffic = 50, max_errors = 3 }, { traffic = 100 }]",
        "cpu = 1\nmemory = \"1GiB\"\nconcurrency = 1\ninstances = { max = 1 }\nkeep.revisions = 1\ndomains = [\"a.example\"]",
    ] {
        assert_eq!(loosened(toml), "", "{toml}");
    }
}

#[test]
fn another_branch_is_a_weakening() {
    let environment = Environment::with_defaults(STAGING);
    let rules = |branch| Rules {
        branch,
        environment: &environment,
    };
    assert_eq!(
        compare(rules("main"), rules("release"))[0].to_string(),
        "branch: main → release"
    );
    assert_eq!(compare(rules("main"), rules("main")), []);
}

#[test]
fn roles_are_ordered() {
    assert!(Role::ALL.is_sorted());
}

proptest! {
    #[test]
    fn no_rules_are_weaker_than_themselves(environment in any_environment()) {
        let rules = Rules { branch: "main", environment: &environment };
        prop_assert_eq!(compare(rules, rules), []);
    }

    #[test]
    fn what_undoes_a_pure_strengthening_is_a_weakening(old in any_environment(), new in any_environment()) {
        let rules = |environment| Rules { branch: "main", environment };
        let gate = |environment: &Environment| {
            let Environment { approval, steps, guard, shield, lease, .. } = environment.clone();
            (approval, steps, guard, shield, lease)
        };
        let same = compare(rules(&old), rules(&new)).is_empty() && compare(rules(&new), rules(&old)).is_empty();
        prop_assert!(!same || gate(&old) == gate(&new));
    }
}
