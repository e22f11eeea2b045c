//! Files that are no TOML, or not of this kind, as a person sees them.

use insta::assert_snapshot;

use super::super::super::{CONFIGURATION_BYTES_MAX, Configuration, DIAGNOSTICS_MAX, Style};
use super::{refused, refused_after_required};

#[test]
fn an_empty_file() {
    assert_snapshot!(refused(""), @r"
    error: `service` is missing at the top of the file
     --> barq.toml:1:1
      |
    1 |
      | ^
      |
      = help: `service`: The first part of every service's name, `<service>-<environment>`. Unique on a server; does not change.

    error: `build` is missing at the top of the file
     --> barq.toml:1:1
      |
    1 |
      | ^
      |
      = help: `build`: How the image is made: a bundle (`files`, `command`) or a Dockerfile (`dockerfile`).
    ");
}

#[test]
fn broken_toml_shows_every_break() {
    assert_snapshot!(refused("service = api\n[build\nrun = 'x'\n"), @r"
    error: this is not TOML
     --> barq.toml:1:11
      |
    1 | service = api
      |           ^^^ string values must be quoted, expected literal string

    error: this is not TOML
     --> barq.toml:2:7
      |
    2 | [build
      |       ^ unclosed table, expected `]`
    ");
}

#[test]
fn a_key_that_is_given_twice() {
    assert_snapshot!(refused("service = \"a\"\nservice = \"b\"\n"), @r#"
    error: this is not TOML
     --> barq.toml:2:1
      |
    2 | service = "b"
      | ^^^^^^^ duplicate key
    "#);
}

#[test]
fn a_file_that_is_too_large() {
    assert_snapshot!(refused(&"#".repeat(CONFIGURATION_BYTES_MAX + 1)), @r"
    error: the file is too large
     --> barq.toml:1:1
      |
    1 |
      | ^ 262145 bytes, at most 262144 are read
    ");
}

#[test]
fn a_file_that_nests_without_end() {
    let report = Configuration::parse(&format!("service = {}", "[".repeat(100_000)), "barq.toml")
        .unwrap_err();
    assert!(
        report.summary().starts_with("barq.toml:1:"),
        "{}",
        report.summary()
    );
}

#[test]
fn many_faults_are_shown_up_to_a_limit() {
    let text: String = (0..100)
        .map(|number| format!("[[check]]\nnamed = \"{number}\"\n"))
        .collect();
    let report = Configuration::parse(&text, "barq.toml").unwrap_err();
    assert_eq!(report.iter().count(), DIAGNOSTICS_MAX);
    assert!(report.to_string().ends_with(" more"));
}

#[test]
fn a_misspelt_key() {
    assert_snapshot!(refused_after_required("[[check]]\nname = \"lint\"\nrun = \"make\"\ntiemout = \"5m\"\n"), @r#"
    error: unknown key `tiemout` in `[[check]]`
     --> barq.toml:6:1
      |
    6 | tiemout = "5m"
      | ^^^^^^^ did you mean `timeout`?
    "#);
}

#[test]
fn a_key_in_the_wrong_table() {
    assert_snapshot!(refused_after_required("lease = \"5m\"\n[health]\nhold = \"5m\"\nbranch = \"main\"\n"), @r#"
    error: unknown key `lease` at the top of the file
     --> barq.toml:3:1
      |
    3 | lease = "5m"
      | ^^^^^ belongs in `[environments.NAME]`

    error: unknown key `hold` in `[health]`
     --> barq.toml:5:1
      |
    5 | hold = "5m"
      | ^^^^ belongs in a step of `steps`

    error: unknown key `branch` in `[health]`
     --> barq.toml:6:1
      |
    6 | branch = "main"
      | ^^^^^^ belongs at the top of the file
    "#);
}

#[test]
fn a_key_that_means_nothing() {
    assert_snapshot!(refused_after_required("[smoke]\ncolour = \"blue\"\n"), @r#"
    error: unknown key `colour` in `[smoke]`
     --> barq.toml:4:1
      |
    4 | colour = "blue"
      | ^^^^^^ not known here
      |
      = help: known in `[smoke]`: `requests`, `run`
    "#);
}

#[test]
fn all_faults_in_one_go() {
    assert_snapshot!(refused("servise = \"api\"\n[[check]]\nname = 5\n[environments.production]\ncpu = -1\n"), @r#"
    error: `build` is missing at the top of the file
     --> barq.toml:1:1
      |
    1 | servise = "api"
      | ^
      |
      = help: `build`: How the image is made: a bundle (`files`, `command`) or a Dockerfile (`dockerfile`).

    error: unknown key `servise` at the top of the file
     --> barq.toml:1:1
      |
    1 | servise = "api"
      | ^^^^^^^ did you mean `service`?

    error: `run` is missing in `[[check]]`
     --> barq.toml:2:1
      |
    2 | [[check]]
      | ^^^^^^^^^
      |
      = help: `run`: The command line, for `sh -c`.

    error: `name` must be the name of a check
     --> barq.toml:3:8
      |
    3 | name = 5
      |        ^ this is a whole number
      |
      = help: write "5", in quotes

    error: `cpu` is out of range
     --> barq.toml:5:7
      |
    5 | cpu = -1
      |       ^^ must be 0.001 to 256, in steps of 0.001
    "#);
}

#[test]
fn escape_sequences_of_the_file_do_not_reach_the_terminal() {
    let sequence = "\u{1b}[7;35m";
    for text in [
        format!("service = \"{sequence}\"\n"),
        "\"\\u001b[7;35m\" = 1\nservice = \"\\u001b[7;35m\"\nbranch = \"\\u001b[7;35m\"\n"
            .to_owned(),
        "environments.\"\\u001b[7;35m\" = { env = { \"\\u001b[7;35m\" = 1 } }\n".to_owned(),
    ] {
        let report = Configuration::parse(&text, "barq.toml").unwrap_err();
        for text in [
            report.to_string(),
            report.render(Style::Coloured),
            report.summary(),
        ] {
            assert!(!text.contains(sequence), "{text:?}");
        }
    }
}

#[test]
fn colours_are_added_and_nothing_else() {
    let report = Configuration::parse("x = 1", "barq.toml").unwrap_err();
    let coloured = report.render(Style::Coloured);
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    assert_ne!(coloured, plain);
    assert_eq!(plain, report.to_string());
}
