//! The table at work: what each crate may declare, and the two rules that read code.

use super::super::file;
use super::{TABLE, check};

/// A crate, its dependencies, and the line and text of the offence.
type Manifest = (&'static str, &'static str, Option<(usize, &'static str)>);

const MANIFESTS: &[Manifest] = &[
    (
        "barq-core",
        "[dependencies]\nbarq-judge.workspace = true\nserde.workspace = true\n",
        None,
    ),
    (
        "barq-core",
        "[dependencies]\nserde = \"1\"\nbarq-engine = {}\n",
        Some((7, "must not import barq-engine")),
    ),
    (
        "barq-core",
        "[dependencies]\ntokio = \"1\"\n",
        Some((6, "must not import tokio")),
    ),
    ("barq-core", "[dev-dependencies]\ntokio = \"1\"\n", None),
    (
        "barq-core",
        "[build-dependencies]\nsqlx = \"1\"\n",
        Some((6, "must not import sqlx")),
    ),
    (
        "barq-core",
        "[dependencies]\nx = { package = \"hyper\" }\n",
        Some((1, "must not import hyper")),
    ),
    (
        "barq-judge",
        "[target.'cfg(unix)'.dependencies]\nrustix = \"1\"\n",
        Some((6, "must not import rustix")),
    ),
    (
        "barq-judge",
        "[dependencies]\nbarq-core = {}\n",
        Some((6, "must not import barq-core")),
    ),
    (
        "barq-engine",
        "[dependencies]\nbarq-judge = {}\n",
        Some((6, "must not import barq-judge")),
    ),
    (
        "barq-engine",
        "[dependencies]\ntokio = \"1\"\nbarq-core = {}\n",
        None,
    ),
    (
        "barq-node",
        "[dependencies]\nbarq-core = {}\n",
        Some((6, "must not import barq-core")),
    ),
    (
        "barq-shim",
        "[dependencies]\nanyhow = \"1\"\n",
        Some((6, "must not import anyhow")),
    ),
    (
        "barq-registry",
        "[dependencies]\nbarq = {}\n",
        Some((6, "must not import barq")),
    ),
    (
        "barq",
        "[dependencies]\nanyhow = \"1\"\nbarq-shim = {}\n",
        None,
    ),
    ("barq-extra", "", Some((1, "is not in the table"))),
];

fn manifest(dependencies: &str) -> String {
    format!("[package]\nname = \"x\"\n[lints]\nworkspace = true\n{dependencies}")
}

fn offences(path: &str, text: &str) -> Vec<(usize, String)> {
    check(&[file(path, text)])
        .into_iter()
        .map(|offence| (offence.line, offence.what))
        .collect()
}

#[test]
fn manifests_hold_to_the_table() {
    for (name, dependencies, expected) in MANIFESTS {
        let found = offences(
            &format!("crates/{name}/Cargo.toml"),
            &manifest(dependencies),
        );
        match expected {
            None => assert!(found.is_empty(), "{name} {dependencies}: {found:?}"),
            Some((line, what)) => {
                assert_eq!(found.len(), 1, "{name} {dependencies}: {found:?}");
                assert_eq!(found[0].0, *line, "{name} {dependencies}");
                assert!(
                    found[0].1.contains(what),
                    "{name} {dependencies}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn every_crate_uses_the_lints() {
    let found = offences("crates/barq-shim/Cargo.toml", "[package]\nname = \"x\"\n");
    assert!(found[0].1.contains("lints"), "{found:?}");
}

#[test]
fn the_pure_crates_ask_neither_clock_nor_system() {
    for (path, text, expected) in [
        (
            "crates/barq-core/src/a.rs",
            "use std::fmt;\nuse std::fs;\n",
            Some("std::fs"),
        ),
        (
            "crates/barq-core/src/a.rs",
            "use std::{fmt, net::IpAddr};\n",
            Some("std::net"),
        ),
        (
            "crates/barq-core/src/a.rs",
            "let now = jiff::Timestamp::now();\n",
            Some("Timestamp::now"),
        ),
        (
            "crates/barq-judge/src/a.rs",
            "let now = Instant::now();\n",
            Some("Instant::now"),
        ),
        (
            "crates/barq-judge/src/a.rs",
            "// Instant::now() is an argument\nlet a = \"std::fs\";\n",
            None,
        ),
        ("crates/barq-core/src/a/tests.rs", "use std::fs;\n", None),
        ("crates/barq-core/tests/a.rs", "use std::fs;\n", None),
        ("crates/barq-engine/src/a.rs", "use std::fs;\n", None),
    ] {
        let found = offences(path, text);
        match expected {
            None => assert!(found.is_empty(), "{path} {text}: {found:?}"),
            Some(what) => assert!(
                found.iter().any(|(_, found)| found.contains(what)),
                "{path} {text}: {found:?}"
            ),
        }
    }
}

#[test]
fn adapters_see_only_api_modules() {
    for (text, offends) in [
        ("use barq_node::api::Client;", false),
        ("use barq_node::api;", false),
        ("use barq_node::proxy::Table;", true),
        ("use barq_registry::{Store, Digest};", true),
        ("use barq_registry::api::{Store, Digest};", false),
        ("use barq_runner::apiary::X;", true),
        ("use barq_engine::Port;", false),
    ] {
        assert_eq!(
            !offences("crates/barq-adapters/src/a.rs", text).is_empty(),
            offends,
            "{text}"
        );
        assert!(offences("crates/barq/src/a.rs", text).is_empty(), "{text}");
    }
}

#[test]
fn the_example_imports_nothing_of_the_product() {
    let found = offences(
        "examples/fleet/Cargo.toml",
        "[dependencies]\naxum = \"1\"\nbarq-core = {}\n",
    );
    assert_eq!(found, [(3, "the example imports barq-core".to_owned())]);
}

#[test]
fn the_table_has_no_circle() {
    for (place, row) in TABLE.iter().enumerate() {
        for import in row.imports {
            let imported = TABLE
                .iter()
                .position(|other| other.name == *import)
                .expect("in the table");
            assert!(
                !TABLE[imported].imports.contains(&row.name),
                "{} and {import}",
                row.name
            );
            assert_ne!(place, imported);
        }
    }
}
