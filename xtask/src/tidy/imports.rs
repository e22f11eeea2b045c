//! Which crate may import which: the table of the architecture, section "Crates", as data.
//!
//! A crate exists to forbid a dependency, so the manifests are what is checked: what is not declared cannot be used.
//! Dev-dependencies are free, they do not reach the product. Two rules need the code as well: adapters see only the
//! `api` modules of their neighbours, and the pure crates ask neither clock nor system.

use toml::{Table, Value};

use super::rust_text::code_only;
use super::{Offence, SourceFile};

#[cfg(test)]
mod tests;

/// A crate's row in the table.
struct Row {
    name: &'static str,
    /// Which of the project's crates it may import.
    imports: &'static [&'static str],
    /// Pure: only these libraries besides, and no clock, no files, no network.
    libraries: Option<&'static [&'static str]>,
}

const NODE: &str = "barq-node";
const RUNNER: &str = "barq-runner";
const REGISTRY: &str = "barq-registry";
const ADAPTERS: &str = "barq-adapters";

const TABLE: [Row; 9] = [
    Row {
        name: "barq-core",
        imports: &["barq-judge"],
        libraries: Some(&[
            "annotate-snippets",
            "jiff",
            "schemars",
            "serde",
            "serde_json",
            "serde_spanned",
            "sha2",
            "thiserror",
            "toml",
        ]),
    },
    Row {
        name: "barq-judge",
        imports: &[],
        libraries: Some(&["serde", "thiserror"]),
    },
    Row {
        name: "barq-shim",
        imports: &[],
        libraries: None,
    },
    Row {
        name: "barq-engine",
        imports: &["barq-core"],
        libraries: None,
    },
    Row {
        name: NODE,
        imports: &["barq-judge", "barq-shim"],
        libraries: None,
    },
    Row {
        name: RUNNER,
        imports: &["barq-shim"],
        libraries: None,
    },
    Row {
        name: REGISTRY,
        imports: &[],
        libraries: None,
    },
    Row {
        name: ADAPTERS,
        imports: &["barq-core", "barq-engine", NODE, RUNNER, REGISTRY],
        libraries: None,
    },
    Row {
        name: BINARY,
        imports: &[
            "barq-core",
            "barq-judge",
            "barq-shim",
            "barq-engine",
            NODE,
            RUNNER,
            REGISTRY,
            ADAPTERS,
        ],
        libraries: None,
    },
];

const BINARY: &str = "barq";
/// For binaries only: in a library, who calls must be able to tell errors apart.
const OPAQUE_ERRORS: &str = "anyhow";

/// What reaches out of a pure crate; `now` and seeds are arguments there.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
];

const WHY_TABLE: &str =
    "a crate exists to forbid a dependency (ARCHITECTURE.md, section Crates; rule 15)";
const WHY_PURE: &str = "the domain is pure, so that every state of it can be walked and every failure replayed (rule 2)";
const WHY_API: &str =
    "what an adapter uses of its neighbour is in one place, the rest stays free to change";
const WHY_LINTS: &str = "the lints hold for the whole workspace (rule 15)";
const WHY_EXAMPLE: &str =
    "the example is a user of the product: it must work with what every user has";
const WHY_OPAQUE: &str =
    "one error enum for each boundary, so that a caller can tell the cases apart (rule 9)";

pub(super) fn check(files: &[SourceFile]) -> Vec<Offence> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &SourceFile) -> Vec<Offence> {
    let in_crates = file
        .path
        .strip_prefix("crates/")
        .and_then(|path| path.split_once('/'));
    match in_crates {
        Some((name, "Cargo.toml")) => check_manifest(file, name),
        Some((name, _)) if file.is_rust() && !file.is_test() => check_code(file, name),
        Some(_) => Vec::new(),
        None if file.path.ends_with("Cargo.toml") && file.path.starts_with("examples/") => {
            check_example(file)
        }
        None => Vec::new(),
    }
}

fn check_manifest(file: &SourceFile, name: &str) -> Vec<Offence> {
    let manifest = match file.text.parse::<Table>() {
        Ok(manifest) => manifest,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            return vec![file.offence(
                offset,
                error.message().to_owned(),
                WHY_TABLE,
                "mend the manifest".to_owned(),
            )];
        }
    };
    let Some(row) = TABLE.iter().find(|row| row.name == name) else {
        let remedy =
            "make it a module of another crate, or add it to the architecture and to this table";
        return vec![file.offence(
            0,
            format!("the crate {name} is not in the table"),
            WHY_TABLE,
            remedy.to_owned(),
        )];
    };
    let mut offences: Vec<_> = dependencies(&manifest)
        .into_iter()
        .filter_map(|dependency| {
            row.objection(&dependency)
                .map(|objection| (dependency, objection))
        })
        .map(|(dependency, (why, remedy))| {
            let what = format!("{name} must not import {dependency}");
            file.offence(
                offset_of(&file.text, &dependency),
                what,
                why,
                remedy.to_owned(),
            )
        })
        .collect();
    if manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        != Some(&Value::Boolean(true))
    {
        let remedy = "add `[lints]` with `workspace = true`".to_owned();
        offences.push(file.offence(
            0,
            format!("{name} does not use the workspace's lints"),
            WHY_LINTS,
            remedy,
        ));
    }
    offences
}

impl Row {
    /// Why this dependency is not allowed, and what to do instead.
    fn objection(&self, dependency: &str) -> Option<(&'static str, &'static str)> {
        if self.imports.contains(&dependency) {
            None
        } else if dependency == BINARY || dependency.starts_with("barq-") {
            Some((
                WHY_TABLE,
                "move the code to where its dependency is allowed, or pass the value in",
            ))
        } else if dependency == OPAQUE_ERRORS && self.name != BINARY {
            Some((WHY_OPAQUE, "use a `thiserror` enum"))
        } else if self
            .libraries
            .is_some_and(|allowed| !allowed.contains(&dependency))
        {
            Some((
                WHY_PURE,
                "keep it out of the domain; a library that is itself pure goes into tidy's table",
            ))
        } else {
            None
        }
    }
}

fn check_code(file: &SourceFile, name: &str) -> Vec<Offence> {
    let code = code_only(&file.text);
    let pure = TABLE
        .iter()
        .any(|row| row.name == name && row.libraries.is_some());
    if pure {
        check_purity(file, name, &code)
    } else if name == ADAPTERS {
        [NODE, RUNNER, REGISTRY]
            .into_iter()
            .flat_map(|neighbour| check_api(file, &code, neighbour))
            .collect()
    } else {
        Vec::new()
    }
}

fn check_purity(file: &SourceFile, name: &str, code: &str) -> Vec<Offence> {
    let offence = |offset, impure: &str| {
        let remedy = "take it as an argument, or let the engine do it as an effect".to_owned();
        file.offence(offset, format!("{name} uses `{impure}`"), WHY_PURE, remedy)
    };
    let mut offences = Vec::new();
    for impure in IMPURE {
        offences.extend(
            code.match_indices(impure)
                .map(|(offset, _)| offence(offset, impure)),
        );
    }
    for (offset, group) in groups(code, "std::{") {
        let names = group.split(',').map(|item| format!("std::{}", item.trim()));
        offences.extend(
            names
                .filter(|name| IMPURE.iter().any(|impure| is_within(name, impure)))
                .map(|name| offence(offset, &name)),
        );
    }
    offences
}

/// An adapter names `barq_node::api` and nothing beside it.
fn check_api(file: &SourceFile, code: &str, neighbour: &str) -> Vec<Offence> {
    let prefix = format!("{}::", neighbour.replace('-', "_"));
    code.match_indices(&prefix)
        .filter(|(offset, _)| !is_within(&code[offset + prefix.len()..], "api"))
        .map(|(offset, _)| {
            let what = format!("an adapter uses more of {neighbour} than its `api` module");
            let remedy = format!("import from `{prefix}api`, or move the item there");
            file.offence(offset, what, WHY_API, remedy)
        })
        .collect()
}

fn check_example(file: &SourceFile) -> Vec<Offence> {
    let Ok(manifest) = file.text.parse::<Table>() else {
        return Vec::new();
    };
    dependencies(&manifest)
        .into_iter()
        .filter(|dependency| TABLE.iter().any(|row| row.name == *dependency))
        .map(|dependency| {
            let what = format!("the example imports {dependency}");
            let remedy = "use barq's command line or HTTP API".to_owned();
            file.offence(
                offset_of(&file.text, &dependency),
                what,
                WHY_EXAMPLE,
                remedy,
            )
        })
        .collect()
}

/// What a manifest depends on for building and running, on any platform, under the packages' own names.
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = std::iter::once(manifest).chain(
        targets
            .into_iter()
            .flat_map(Table::values)
            .filter_map(Value::as_table),
    );
    tables
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|section| table.get(section)))
        .flatten()
        .filter_map(Value::as_table)
        .flatten()
        .map(|(key, value)| {
            value
                .get("package")
                .and_then(Value::as_str)
                .unwrap_or(key)
                .to_owned()
        })
        .collect()
}

/// The inside of each `{ … }` that follows the prefix, with its place.
fn groups<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(prefix).map(move |(offset, _)| {
        let inside = &code[offset + prefix.len()..];
        (
            offset,
            inside.find('}').map_or(inside, |end| &inside[..end]),
        )
    })
}

/// Whether the path is this one or continues it.
fn is_within(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// The line that declares the dependency.
fn offset_of(manifest: &str, dependency: &str) -> usize {
    let mut offset = 0;
    for line in manifest.split_inclusive('\n') {
        if is_within(line.trim_start(), dependency) {
            return offset;
        }
        offset += line.len();
    }
    0
}
