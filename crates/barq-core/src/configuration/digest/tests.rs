//! Which changes make another revision, and which do not.

use std::time::Duration;

use super::super::testing::EXAMPLE;
use super::super::{Configuration, EnvironmentValue, PRODUCTION, STAGING, Step};

fn example() -> Configuration {
    Configuration::parse(EXAMPLE, "barq.toml")
        .unwrap()
        .configuration
}

#[test]
fn the_form_is_stable() {
    insta::assert_snapshot!(example().digest_material(STAGING).unwrap(), @r#"{"form":1,"service":"barq-api","environment":"staging","health":{"startup":{"path":"/health/live","initial_delay_ms":10000,"period_ms":10000,"timeout_ms":3000,"failures":3},"liveness":{"path":"/health/live","initial_delay_ms":0,"period_ms":30000,"timeout_ms":3000,"failures":3},"readiness":{"path":"/health/ready","initial_delay_ms":0,"period_ms":10000,"timeout_ms":3000,"failures":3},"detailed":{"path":"/health/detailed"}},"env":{"LOG_LEVEL":{"literal":"info"}},"secrets":["DATABASE_URL"],"instances":{"min":1,"max":10},"cpu_millis":2000,"memory_bytes":2147483648,"concurrency":80,"drain_ms":30000}"#);
    assert_eq!(example().digest_material("elsewhere"), None);
}

#[test]
fn what_instances_run_with_makes_another_revision() {
    let before = example().digest_material(PRODUCTION);
    let changes: [fn(&mut Configuration); 6] = [
        |configuration| configuration.health.liveness.failures = 9,
        |configuration| configuration.environments[1].cpu_millis += 1,
        |configuration| configuration.environments[1].secrets.push("KEY".to_owned()),
        |configuration| configuration.environments[1].instances.max += 1,
        |configuration| configuration.environments[1].drain += Duration::from_millis(1),
        |configuration| {
            let value = EnvironmentValue::FromEnvironment("A".to_owned());
            configuration.environments[1]
                .env
                .insert("A".to_owned(), value);
        },
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut configuration = example();
        change(&mut configuration);
        assert_ne!(
            configuration.digest_material(PRODUCTION),
            before,
            "change {index}"
        );
    }
}

#[test]
fn how_a_revision_comes_in_makes_no_other() {
    let mut configuration = example();
    let before = configuration.digest_material(PRODUCTION);
    configuration.checks.clear();
    configuration.smoke.run = None;
    let production = &mut configuration.environments[1];
    production.approval = None;
    production.steps = vec![Step::last()];
    production.guard = None;
    production.domains.clear();
    assert_eq!(configuration.digest_material(PRODUCTION), before);
    let secrets = vec!["B".to_owned(), "A".to_owned()];
    configuration.environments[1].secrets = secrets.clone();
    let before = configuration.digest_material(PRODUCTION);
    configuration.environments[1].secrets = secrets.into_iter().rev().collect();
    assert_eq!(configuration.digest_material(PRODUCTION), before);
}
