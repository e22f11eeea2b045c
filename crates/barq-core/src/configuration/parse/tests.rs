//! What a file is read as, that what is printed reads back the same, and that no text breaks the parser.

mod app;
mod environments;
mod syntax;
mod tls;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use crate::configuration::testing::{EXAMPLE, any_configuration};

/// The two keys that every file needs, on two lines.
const REQUIRED: &str =
    "service = \"api\"\nbuild = { files = { dist = \"dist\" }, command = [\"./api\"] }\n";

/// The report on a file that must be refused.
fn refused(text: &str) -> String {
    Configuration::parse(text, "barq.toml")
        .expect_err("the file must be refused")
        .to_string()
}

/// The report on a file that has the required keys and must be refused.
fn refused_after_required(text: &str) -> String {
    refused(&format!("{REQUIRED}{text}"))
}

/// The configuration of a file that has the required keys and must be accepted, and its warnings.
fn accepted(text: &str) -> (Configuration, String) {
    let parsed = Configuration::parse(&format!("{REQUIRED}{text}"), "barq.toml")
        .unwrap_or_else(|report| panic!("{report}"));
    (parsed.configuration, parsed.warnings.to_string())
}

fn bundle() -> Build {
    Build::Bundle {
        run: None,
        files: BTreeMap::from([("dist".to_owned(), "dist".to_owned())]),
        command: vec!["./api".to_owned()],
        cache: Vec::new(),
    }
}

fn probe(path: &str, initial_delay_s: u64, period_s: u64) -> Probe {
    Probe {
        path: path.to_owned(),
        initial_delay: Duration::from_secs(initial_delay_s),
        period: Duration::from_secs(period_s),
        timeout: Duration::from_secs(3),
        failures: 3,
    }
}

#[test]
fn two_keys_are_a_whole_configuration() {
    let (configuration, warnings) = accepted("");
    assert_eq!(
        configuration,
        Configuration::with_defaults(ServiceName::new("api").unwrap(), bundle())
    );
    assert_eq!(warnings, "");
}

#[test]
fn the_defaults_are_those_of_the_flow() {
    let step = |traffic, hold_s, max_errors| Step {
        traffic,
        hold: Duration::from_secs(hold_s),
        max_errors,
    };
    let (configuration, _) = accepted("");
    assert_eq!(configuration.branch, "main");
    assert_eq!(configuration.health.startup, probe("/health/live", 10, 10));
    assert_eq!(configuration.health.liveness, probe("/health/live", 0, 30));
    assert_eq!(
        configuration.health.readiness,
        probe("/health/ready", 0, 10)
    );
    assert_eq!(configuration.health.detailed.path, "/health/detailed");
    let [staging, production] = configuration.environments.as_slice() else {
        panic!("two environments")
    };
    assert_eq!(
        (staging.name.as_str(), production.name.as_str()),
        ("staging", "production")
    );
    assert_eq!(
        (staging.instances, staging.cpu_millis, staging.memory_bytes),
        (Instances { min: 1, max: 10 }, 2_000, 2 << 30)
    );
    assert_eq!(
        (
            production.instances,
            production.cpu_millis,
            production.memory_bytes
        ),
        (Instances { min: 2, max: 50 }, 4_000, 4 << 30)
    );
    assert_eq!((&staging.approval, staging.guard), (&None, None));
    assert_eq!(staging.steps, [step(100, 0, None)]);
    assert_eq!(
        production.steps,
        [
            step(10, 300, Some(5)),
            step(50, 300, Some(10)),
            step(100, 0, None)
        ]
    );
    let approval = Approval {
        role: Role::TechLead,
        expires: Duration::from_hours(24),
        separate_approver: false,
    };
    assert_eq!(production.approval, Some(approval));
    assert_eq!(
        production.guard,
        Some(Guard {
            duration: Duration::from_mins(30),
            action: GuardAction::Alert
        })
    );
    let limit = GuardLimit {
        max_errors: 20,
        window: Duration::from_mins(5),
    };
    assert_eq!(
        (production.guard_limit(), staging.guard_limit()),
        (Some(limit), None)
    );
}

#[test]
fn some_defaults_are_the_same_everywhere() {
    for environment in accepted("").0.environments {
        assert!(environment.shield);
        assert_eq!(
            (environment.lease, environment.drain),
            (Duration::from_mins(1), Duration::from_secs(30))
        );
        assert_eq!(
            environment.keep,
            Keep {
                warm: Duration::from_mins(30),
                revisions: 10
            }
        );
        assert_eq!(environment.concurrency, 80);
    }
}

#[test]
fn the_example_of_the_documentation_reads_as_it_says() {
    let parsed =
        Configuration::parse(EXAMPLE, "barq.toml").unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(parsed.warnings.to_string(), "");
    let build = Build::Bundle {
        run: Some("cargo build --release".to_owned()),
        files: BTreeMap::from([
            ("target/release/fleet".to_owned(), "fleet".to_owned()),
            ("static".to_owned(), "static".to_owned()),
        ]),
        command: vec!["./fleet".to_owned()],
        cache: Vec::new(),
    };
    let mut expected = Configuration::with_defaults(ServiceName::new("barq-api").unwrap(), build);
    expected.checks = vec![Check {
        name: "backend-lint".to_owned(),
        run: "cargo clippy -- -D warnings".to_owned(),
        directory: "backend".to_owned(),
        timeout: Duration::from_mins(10),
        needs: Vec::new(),
        cache: vec!["target".to_owned()],
        requires: Vec::new(),
    }];
    expected.smoke = Smoke {
        requests: vec![SmokeRequest {
            path: "/api/v1/vehicles".to_owned(),
            method: "GET".to_owned(),
            status: 200,
            contains: None,
        }],
        run: Some("./smoke.sh".to_owned()),
    };
    let staging = &mut expected.environments[0];
    staging.env = BTreeMap::from([(
        "LOG_LEVEL".to_owned(),
        EnvironmentValue::Literal("info".to_owned()),
    )]);
    staging.secrets = vec!["DATABASE_URL".to_owned()];
    expected.environments[1].domains = vec!["api.example.com".to_owned()];
    assert_eq!(parsed.configuration, expected);
}

#[test]
fn an_environment_overrides_key_by_key() {
    let (configuration, warnings) = accepted(
        "[environments.production]\napproval.role = \"admin\"\nguard.action = \"rollback\"\nkeep.revisions = 3\n\
         instances.max = 1\nenv = { DATABASE_URL = { from_env = \"FLEET_DATABASE_URL\" }, EMPTY = \"\" }\n",
    );
    let production = configuration.environment(PRODUCTION).unwrap();
    let mut expected = Environment::with_defaults(PRODUCTION);
    expected.approval = Some(Approval {
        role: Role::Admin,
        ..Approval::default()
    });
    expected.guard = Some(Guard {
        action: GuardAction::Rollback,
        ..Guard::default()
    });
    expected.keep.revisions = 3;
    // The minimum that was left out gives way.
    expected.instances = Instances { min: 1, max: 1 };
    expected.env = BTreeMap::from([
        (
            "DATABASE_URL".to_owned(),
            EnvironmentValue::FromEnvironment("FLEET_DATABASE_URL".to_owned()),
        ),
        ("EMPTY".to_owned(), EnvironmentValue::Literal(String::new())),
    ]);
    assert_eq!(*production, expected);
    assert_eq!(warnings, "");
}

#[test]
fn environments_are_in_delivery_order() {
    let (configuration, _) = accepted(
        "[environments.production]\n[environments.zone-b]\n[environments.zone-a]\n[environments.staging]\n",
    );
    let names: Vec<&str> = configuration
        .environments
        .iter()
        .map(|environment| environment.name.as_str())
        .collect();
    assert_eq!(names, ["staging", "zone-b", "zone-a", "production"]);
    assert_eq!(
        configuration.environments[1],
        Environment {
            name: "zone-b".to_owned(),
            ..Environment::with_defaults(STAGING)
        }
    );
}

#[test]
fn steps_that_leave_out_hold_and_limit_get_those_of_the_flow() {
    let (configuration, _) = accepted(
        "environments.production.steps = [{ traffic = 1 }, { traffic = 60, hold = \"2s\" }, { traffic = 100 }]\n",
    );
    let five = Duration::from_mins(5);
    let expected = [
        Step {
            traffic: 1,
            hold: five,
            max_errors: Some(5),
        },
        Step {
            traffic: 60,
            hold: Duration::from_secs(2),
            max_errors: Some(10),
        },
        Step::last(),
    ];
    assert_eq!(configuration.environments[1].steps, expected);
}

#[test]
fn a_timeout_that_is_left_out_never_exceeds_the_period() {
    let (configuration, _) =
        accepted("[health]\nstartup = { initial_delay = \"0s\", period = \"200ms\" }\n");
    assert_eq!(
        configuration.health.startup.timeout,
        Duration::from_millis(200)
    );
}

#[test]
fn a_limit_on_the_last_step_is_the_guards() {
    let (configuration, _) = accepted(
        "[environments.production]\nsteps = [{ traffic = 100, max_errors = 7 }]\nguard = { for = \"10m\" }\n",
    );
    let limit = GuardLimit {
        max_errors: 7,
        window: Duration::from_mins(10),
    };
    assert_eq!(configuration.environments[1].guard_limit(), Some(limit));
}

#[test]
fn paths_are_kept_in_one_form() {
    let (configuration, _) = accepted(
        "[[check]]\nname = \"a\"\nrun = \"b\"\ndirectory = \"./web//src/\"\ncache = [\"x\", \"x/\"]\n",
    );
    assert_eq!(configuration.checks[0].directory, "web/src");
    assert_eq!(configuration.checks[0].cache, ["x"]);
}

#[test]
fn a_dockerfile_build_is_read() {
    let text =
        "service = \"api\"\n[build]\ndockerfile = \"docker/Dockerfile\"\nargs = { A = \"1\" }\n";
    let configuration = Configuration::parse(text, "barq.toml")
        .unwrap()
        .configuration;
    let expected = Build::Dockerfile {
        dockerfile: "docker/Dockerfile".to_owned(),
        context: ".".to_owned(),
        target: None,
        args: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
    };
    assert_eq!(configuration.build, expected);
}

#[test]
fn the_stored_form_is_stable() {
    let (configuration, _) = accepted("");
    let json = serde_json::to_string(configuration.environment(PRODUCTION).unwrap()).unwrap();
    insta::assert_snapshot!(json, @r#"{"name":"production","approval":{"role":"tech-lead","expires_ms":86400000,"separate_approver":false},"instances":{"min":2,"max":50},"cpu_millis":4000,"memory_bytes":4294967296,"concurrency":80,"env":{},"secrets":[],"steps":[{"traffic":10,"hold_ms":300000,"max_errors":5},{"traffic":50,"hold_ms":300000,"max_errors":10},{"traffic":100,"hold_ms":0,"max_errors":null}],"guard":{"for_ms":1800000,"action":"alert"},"shield":true,"lease_ms":60000,"keep":{"warm_ms":1800000,"revisions":10},"domains":[],"drain_ms":30000}"#);
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(configuration in any_configuration()) {
        let printed = render_toml(&configuration);
        let parsed = Configuration::parse(&printed, "barq.toml");
        let parsed = parsed.unwrap_or_else(|report| panic!("{printed}\n{report}"));
        prop_assert_eq!(&parsed.configuration, &configuration);
        prop_assert!(parsed.warnings.iter().all(|warning| warning.message().contains("environment of its own")));
        let json = serde_json::to_string(&configuration).unwrap();
        prop_assert_eq!(serde_json::from_str::<Configuration>(&json).unwrap(), configuration);
    }

    #[test]
    fn no_text_breaks_the_parser(text in any::<String>()) {
        let _report = Configuration::parse(&text, "barq.toml").map_err(|report| report.render(Style::Coloured));
    }

    #[test]
    fn no_change_of_the_example_breaks_the_parser(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, any::<prop::sample::Index>(), "\\PC{0,3}"), 1..6),
    ) {
        let mut letters: Vec<char> = EXAMPLE.chars().collect();
        for (at, removed, from, inserted) in edits {
            // Words of the file itself in other places find more than random letters do.
            let from = from.index(letters.len());
            let copied: Vec<char> = letters[from..].iter().copied().take(removed / 2).collect();
            let at = at.index(letters.len());
            let end = (at + removed).min(letters.len());
            letters.splice(at..end, inserted.chars().chain(copied));
            letters.push('\n');
        }
        let text: String = letters.into_iter().collect();
        let _report = Configuration::parse(&text, "barq.toml").map_err(|report| report.to_string());
    }
}
