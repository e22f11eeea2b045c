//! Records come back, names stay inside, fingerprints see what matters, numbers grow.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    InstanceRecord, Phase, RunNumbers, fingerprint, forget, is_name, prepare, read_record, runs,
    write_record,
};
use crate::api::{
    HealthConfiguration, InstanceRange, ProbeConfiguration, Protocol, RevisionConfiguration,
};

fn health() -> HealthConfiguration {
    let probe = ProbeConfiguration {
        path: "/".to_owned(),
        initial_delay_ms: 1,
        period_ms: 2,
        timeout_ms: 3,
        failures: 4,
    };
    HealthConfiguration {
        startup: probe.clone(),
        liveness: probe.clone(),
        readiness: probe,
        detailed_path: "/detailed".to_owned(),
    }
}

fn configuration() -> RevisionConfiguration {
    RevisionConfiguration {
        name: "a-00001".to_owned(),
        tags: vec!["canary".to_owned()],
        root: "/image".to_owned(),
        working_directory: "app".to_owned(),
        command: vec!["./a".to_owned()],
        environment: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
        instances: InstanceRange { min: 1, max: 2 },
        concurrency: 80,
        protocol: Protocol::Http1,
        health: health(),
        cpu_milli: 1000,
        memory_bytes: 1,
        drain_ms: 30_000,
    }
}

#[test]
fn a_record_comes_back_until_it_is_forgotten() {
    let directory = tempfile::tempdir().expect("a directory");
    let instance = directory
        .path()
        .join("service")
        .join("revision")
        .join("abc");
    prepare(&instance).expect("directories");
    assert_eq!(read_record(&instance).expect("readable"), None);
    let record = InstanceRecord {
        id: "abc".to_owned(),
        fingerprint: fingerprint(&configuration()),
        run: 7,
        port: 8080,
        started_at: Timestamp::UNIX_EPOCH,
        restarts: 1,
        phase: Phase::Ready,
        health: health(),
        protocol: Protocol::Http1,
        drain_ms: 5,
    };
    write_record(&instance, &record).expect("writable");
    assert_eq!(read_record(&instance).expect("readable"), Some(record));
    std::fs::create_dir(instance.join("runs").join("7")).expect("a run");
    forget(&instance).expect("removable");
    forget(&instance).expect("twice is once");
    assert_eq!(read_record(&instance).expect("readable"), None);
    let numbers: Vec<u64> = runs(instance.parent().expect("a parent"))
        .expect("runs")
        .iter()
        .map(|run| run.number)
        .collect();
    assert_eq!(numbers, [7], "the output stays");
    std::fs::write(instance.join("instance.json"), "{").expect("writable");
    assert!(read_record(&instance).is_err(), "damaged is not missing");
}

#[test]
fn names() {
    for (name, expect) in [
        ("barq-api-production", true),
        ("a.b_C-1", true),
        ("", false),
        (".", false),
        ("..", false),
        ("a/b", false),
        (".hidden", false),
        ("a b", false),
        (&"x".repeat(201), false),
    ] {
        assert_eq!(is_name(name), expect, "{name:?}");
    }
}

#[test]
fn a_fingerprint_sees_what_runs_and_nothing_else() {
    let original = fingerprint(&configuration());
    let same = RevisionConfiguration {
        tags: Vec::new(),
        instances: InstanceRange { min: 0, max: 0 },
        ..configuration()
    };
    assert_eq!(fingerprint(&same), original);
    let others = [
        RevisionConfiguration {
            root: "/other".to_owned(),
            ..configuration()
        },
        RevisionConfiguration {
            command: vec!["./b".to_owned()],
            ..configuration()
        },
        RevisionConfiguration {
            environment: BTreeMap::new(),
            ..configuration()
        },
        RevisionConfiguration {
            memory_bytes: 2,
            ..configuration()
        },
        RevisionConfiguration {
            drain_ms: 1,
            ..configuration()
        },
    ];
    for other in others {
        assert_ne!(fingerprint(&other), original, "{other:?}");
    }
}

#[test]
fn run_numbers_grow_over_restarts_and_clocks_that_go_back() {
    let numbers = RunNumbers::after(u64::MAX / 2, Timestamp::now());
    assert_eq!(numbers.next(), u64::MAX / 2 + 1);
    let first = RunNumbers::after(0, Timestamp::from_second(5).expect("a time"));
    assert_eq!((first.next(), first.next()), (5001, 5002));
}
