//! Contradictions in environments and their rollouts, as a person sees them.

use insta::assert_snapshot;

use super::{accepted, refused, refused_after_required};

#[test]
fn steps_that_do_not_rise_or_end() {
    let text = "environments.production.steps = [\n  { traffic = 50 },\n  { traffic = 50, hold = \"0s\" },\n  { traffic = 20 },\n]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: the traffic must rise from step to step
     --> barq.toml:5:15
      |
    4 |   { traffic = 50 },
      |               -- the step before
    5 |   { traffic = 50, hold = "0s" },
      |               ^^ 50 is not more than the 50 before

    error: a step before the last must be held
     --> barq.toml:5:26
      |
    5 |   { traffic = 50, hold = "0s" },
      |                          ^^^^ no time to see an error

    error: the traffic must rise from step to step
     --> barq.toml:6:15
      |
    5 |   { traffic = 50, hold = "0s" },
      |               -- the step before
    6 |   { traffic = 20 },
      |               ^^ 20 is not more than the 50 before

    error: the last step must have all the traffic
     --> barq.toml:6:15
      |
    6 |   { traffic = 20 },
      |               ^^ the rollout would never end
      |
      = help: add { traffic = 100 } as the last step
    "#);
}

#[test]
fn steps_out_of_range() {
    let text = "environments.production.steps = [\n  { traffic = 0 },\n  { traffic = 10, max_errors = 0 },\n  { hold = \"5m\" },\n  { traffic = 101 },\n]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `traffic` is out of range
     --> barq.toml:4:15
      |
    4 |   { traffic = 0 },
      |               ^ must be 1 to 100

    error: `max_errors` is out of range
     --> barq.toml:5:32
      |
    5 |   { traffic = 10, max_errors = 0 },
      |                                ^ must be 1 to 1000000

    error: `traffic` is missing in a step of `steps`
     --> barq.toml:6:3
      |
    6 |   { hold = "5m" },
      |   ^^^^^^^^^^^^^^^
      |
      = help: `traffic`: Percent of the traffic to the new revision.

    error: `traffic` is out of range
     --> barq.toml:7:15
      |
    7 |   { traffic = 101 },
      |               ^^^ must be 1 to 100
    "#);
}

#[test]
fn a_last_step_that_is_held() {
    let text = "[[environments.production.steps]]\ntraffic = 10\n[[environments.production.steps]]\ntraffic = 100\nhold = \"5m\"\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: the last step has no `hold`
     --> barq.toml:7:8
      |
    7 | hold = "5m"
      |        ^^^^ with all traffic on it, there is nothing to wait for
      |
      = help: to watch the revision after 100 %, use `guard`
    "#);
}

#[test]
fn a_guard_with_no_limit() {
    let text = "[environments.staging]\nguard = { for = \"10m\" }\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `guard` has no limit
     --> barq.toml:4:9
      |
    4 | guard = { for = "10m" }
      |         ^^^^^^^^^^^^^^^ it takes that of the last step that has one, and none has
      |
      = help: give the last step `max_errors`, or set guard = false
    "#);
}

#[test]
fn a_limit_with_no_guard() {
    let text =
        "[environments.production]\nguard = false\nsteps = [{ traffic = 100, max_errors = 5 }]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `max_errors` of the last step counts for nothing
     --> barq.toml:5:40
      |
    5 | steps = [{ traffic = 100, max_errors = 5 }]
      |                                        ^ it is the limit of `guard`, and there is none here
      |
      = help: set guard = { for = "30m", action = "alert" }, or leave the limit out
    "#);
}

#[test]
fn a_default_guard_that_has_nothing_to_go_by_is_a_warning() {
    let (configuration, warnings) =
        accepted("[environments.production]\nsteps = [{ traffic = 100 }]\n");
    assert_eq!(configuration.environments[1].guard, None);
    assert_snapshot!(warnings, @r"
    warning: nothing is watched after the rollout
     --> barq.toml:4:1
      |
    4 | steps = [{ traffic = 100 }]
      | ^^^^^ no step has a limit for `guard` to take
      |
      = help: give the last step `max_errors`, or set guard = false
    ");
}

#[test]
fn an_environment_that_is_probably_another() {
    let (configuration, warnings) =
        accepted("[environments.prod]\n[environments.stagging]\n[environments.production-eu]\n");
    assert_eq!(configuration.environments.len(), 5);
    assert_snapshot!(warnings, @r"
    warning: `prod` is an environment of its own, beside `production`
     --> barq.toml:3:15
      |
    3 | [environments.prod]
      |               ^^^^ did you mean `production`?

    warning: `stagging` is an environment of its own, beside `staging`
     --> barq.toml:4:15
      |
    4 | [environments.stagging]
      |               ^^^^^^^^ did you mean `staging`?
    ");
}

#[test]
fn environment_names() {
    for (name, expected) in [
        ("QA", "did you mean \"qa\"?"),
        ("canary---x", "did you mean \"canary-x\"?"),
        ("blue-00043", "would read as the number of a revision"),
        ("\"\"", "must not be empty"),
    ] {
        let name = if name.starts_with('"') {
            name.to_owned()
        } else {
            format!("\"{name}\"")
        };
        let report = refused_after_required(&format!("[environments.{name}]\n"));
        assert!(report.contains(expected), "{name}: {report}");
    }
}

#[test]
fn more_instances_at_least_than_at_most() {
    let text = "[environments.production]\ninstances = { min = 5, max = 2 }\n";
    assert_snapshot!(refused_after_required(text), @r"
    error: `min` is more than `max`
     --> barq.toml:4:21
      |
    4 | instances = { min = 5, max = 2 }
      |                     ^        - the most
      |                     |
      |                     the fewest instances
    ");
}

#[test]
fn a_secret_that_is_a_variable() {
    let text = "[environments.production]\nenv = { TOKEN = \"x\" }\nsecrets = [\"TOKEN\", \"KEY\", \"KEY\"]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `TOKEN` is a secret and a variable
     --> barq.toml:5:12
      |
    4 | env = { TOKEN = "x" }
      |         ----- the variable
    5 | secrets = ["TOKEN", "KEY", "KEY"]
      |            ^^^^^^^ one of them would win silently

    error: `secrets` names "KEY" twice
     --> barq.toml:5:28
      |
    5 | secrets = ["TOKEN", "KEY", "KEY"]
      |                     -----  ^^^^^ again here
      |                     |
      |                     first here
    "#);
}

#[test]
fn a_domain_of_two_environments() {
    let text = "[environments.staging]\ndomains = [\"example.com\"]\n[environments.production]\ndomains = [\"example.com\"]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: "example.com" is a domain of two environments
     --> barq.toml:6:12
      |
    4 | domains = ["example.com"]
      |            ------------- a domain of `staging` already
    5 | [environments.production]
    6 | domains = ["example.com"]
      |            ^^^^^^^^^^^^^ again here
    "#);
}

#[test]
fn names_that_make_a_label_too_long() {
    let service = "a".repeat(45);
    let text = format!(
        "service = \"{service}\"\nbuild = {{ dockerfile = \"Dockerfile\" }}\n[environments.europe-west]\n"
    );
    assert_snapshot!(refused(&text), @r#"
    error: the host name of `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-europe-west` would be too long
     --> barq.toml:1:11
      |
    1 | service = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 3 bytes too many
    2 | build = { dockerfile = "Dockerfile" }
    3 | [environments.europe-west]
      |               ----------- with this environment
      |
      = help: `canary---aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-europe-west` has 66 bytes, and a DNS label has at most 63

    error: the host name of `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-production` would be too long
     --> barq.toml:1:11
      |
    1 | service = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 2 bytes too many
      |
      = help: `canary---aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-production` has 65 bytes, and a DNS label has at most 63
    "#);
}

#[test]
fn the_longest_names_that_fit() {
    let service = "a".repeat(63 - "canary---".len() - "-production".len());
    let text = format!("service = \"{service}\"\nbuild = {{ dockerfile = \"Dockerfile\" }}\n");
    assert!(super::Configuration::parse(&text, "barq.toml").is_ok());
}
