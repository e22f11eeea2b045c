//! What a process is given: its environment, its program, and what it may see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Assignment, environment, locate, sandbox};
use crate::api::{
    HealthConfiguration, InstanceRange, ProbeConfiguration, Protocol, RevisionConfiguration,
};

fn configuration(environment: &[(&str, &str)]) -> RevisionConfiguration {
    let probe = ProbeConfiguration {
        path: "/".to_owned(),
        initial_delay_ms: 0,
        period_ms: 1,
        timeout_ms: 1,
        failures: 1,
    };
    RevisionConfiguration {
        name: "api-00043".to_owned(),
        tags: Vec::new(),
        root: "/image".to_owned(),
        working_directory: "app".to_owned(),
        command: vec!["./a".to_owned()],
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        instances: InstanceRange { min: 1, max: 1 },
        concurrency: 1,
        protocol: Protocol::Http1,
        health: HealthConfiguration {
            startup: probe.clone(),
            liveness: probe.clone(),
            readiness: probe,
            detailed_path: "/".to_owned(),
        },
        cpu_milli: 0,
        memory_bytes: 0,
        drain_ms: 0,
    }
}

#[test]
fn the_environment_follows_the_container_contract() {
    let given = Assignment {
        service: "api".to_owned(),
        port: 4321,
        scratch: PathBuf::from("/scratch"),
        hidden: None,
    };
    let check = |own: &[(&str, &str)], expect: &[(&str, &str)]| {
        let seen = environment(&configuration(own), &given);
        for (name, value) in expect {
            assert_eq!(seen.get(*name).map(String::as_str), Some(*value), "{name}");
        }
    };
    let contract = [
        ("PORT", "4321"),
        ("K_SERVICE", "api"),
        ("K_REVISION", "api-00043"),
        ("K_CONFIGURATION", "api"),
    ];
    check(&[], &contract);
    check(
        &[("PORT", "1"), ("K_SERVICE", "x"), ("K_REVISION", "x")],
        &contract,
    );
    check(
        &[],
        &[
            ("HOST", "127.0.0.1"),
            ("TMPDIR", "/scratch"),
            ("HOME", "/scratch"),
        ],
    );
    check(
        &[("HOST", "::1"), ("PATH", "/own"), ("A", "b")],
        &[("HOST", "::1"), ("PATH", "/own"), ("A", "b")],
    );
}

#[test]
fn a_bare_name_is_the_images_own_program_first() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("fleet"), "").expect("a program");
    let cases: BTreeMap<&str, &str> = BTreeMap::from([
        ("fleet", "./fleet"),
        ("./fleet", "./fleet"),
        ("/bin/sh", "/bin/sh"),
        ("sh", "sh"),
    ]);
    for (program, expect) in cases {
        assert_eq!(locate(program, directory.path()), Path::new(expect));
    }
}

#[test]
fn a_sandbox_leaves_out_the_data_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let base = directory.path().canonicalize().expect("a path");
    let data = base.join("data");
    let (root, scratch) = (data.join("images/a"), data.join("node/instances/a/scratch"));
    for directory in [&root, &scratch, &data.join("secret"), &base.join("beside")] {
        std::fs::create_dir_all(directory).expect("a directory");
    }
    let sandbox = sandbox(&data, &root, &scratch);
    assert_eq!(sandbox.read_only, [root]);
    assert!(sandbox.writable.contains(&base.join("beside")) && sandbox.writable.contains(&scratch));
    assert!(sandbox.writable.contains(&PathBuf::from("/usr")));
    assert!(
        !sandbox
            .writable
            .iter()
            .any(|path| data.starts_with(path) || path.starts_with(data.join("secret")))
    );
}
