//! Contradictions in checks, build and probes, as a person sees them.

use insta::assert_snapshot;

use super::{refused, refused_after_required};

#[test]
fn two_checks_of_one_name() {
    let text = "[[check]]\nname = \"lint\"\nrun = \"a\"\n[[check]]\nname = \"lint\"\nrun = \"b\"\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: two checks are named "lint"
     --> barq.toml:7:8
      |
    4 | name = "lint"
      |        ------ first here
    ...
    7 | name = "lint"
      |        ^^^^^^ again here
    "#);
}

#[test]
fn a_need_that_is_not_there() {
    let text = "[[check]]\nname = \"backend-lint\"\nrun = \"a\"\n[[check]]\nname = \"test\"\nrun = \"b\"\nneeds = [\"backend_lint\", \"docs\"]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: there is no check named "backend_lint"
     --> barq.toml:9:10
      |
    9 | needs = ["backend_lint", "docs"]
      |          ^^^^^^^^^^^^^^ did you mean "backend-lint"?

    error: there is no check named "docs"
     --> barq.toml:9:26
      |
    9 | needs = ["backend_lint", "docs"]
      |                          ^^^^^^ not declared in this file
    "#);
}

#[test]
fn needs_in_a_circle() {
    let text = "check = [\n  { name = \"free\", run = \"x\" },\n  { name = \"hangs-on\", run = \"x\", needs = [\"a\"] },\n  \
                { name = \"a\", run = \"x\", needs = [\"free\", \"b\"] },\n  { name = \"b\", run = \"x\", needs = [\"a\"] },\n]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: checks need each other in a circle, so none of them can start
     --> barq.toml:6:12
      |
    6 |   { name = "a", run = "x", needs = ["free", "b"] },
      |            ^^^ a needs b needs a
    "#);
}

#[test]
fn a_need_of_itself() {
    let text = "check = [{ name = \"a\", run = \"x\", needs = [\"a\"] }]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: checks need each other in a circle, so none of them can start
     --> barq.toml:3:19
      |
    3 | check = [{ name = "a", run = "x", needs = ["a"] }]
      |                   ^^^ a needs a
    "#);
}

#[test]
fn a_bundle_and_a_dockerfile() {
    assert_snapshot!(refused("service = \"api\"\n[build]\nrun = \"make\"\ndockerfile = \"Dockerfile\"\n"), @r#"
    error: a build is a bundle or a Dockerfile, not both
     --> barq.toml:3:1
      |
    3 | run = "make"
      | ^^^ `run` is for a bundle
    4 | dockerfile = "Dockerfile"
      | ---------- this asks for a Dockerfile build
    "#);
}

#[test]
fn a_build_of_nothing() {
    assert_snapshot!(refused("service = \"api\"\n[build]\n"), @r"
    error: `[build]` builds nothing
     --> barq.toml:2:1
      |
    2 | [build]
      | ^^^^^^^
      |
      = help: for a bundle give `files` and `command`, for an image build `dockerfile`
    ");
}

#[test]
fn half_a_bundle() {
    assert_snapshot!(refused("service = \"api\"\n[build]\nrun = \"make\"\ncontext = \".\"\n"), @r#"
    error: a bundle needs `files`
     --> barq.toml:2:1
      |
    2 | [build]
      | ^^^^^^^
      |
      = help: for example: files = { "dist" = "dist" }

    error: a bundle needs `command`
     --> barq.toml:2:1
      |
    2 | [build]
      | ^^^^^^^
      |
      = help: for example: command = ["./server"]

    error: `context` belongs to a Dockerfile build
     --> barq.toml:4:1
      |
    4 | context = "."
      | ^^^^^^^ there is no `dockerfile` in `[build]`
    "#);
}

#[test]
fn two_files_for_one_place() {
    let text = "service = \"api\"\n[build]\nfiles = { a = \"app\", b = \"./app\" }\ncommand = [\"./app\"]\n";
    assert_snapshot!(refused(text), @r#"
    error: two sources go to "app" in the bundle
     --> barq.toml:3:26
      |
    3 | files = { a = "app", b = "./app" }
      |               -----      ^^^^^^^ again here
      |               |
      |               first here
    "#);
}

#[test]
fn a_probe_that_overlaps_itself() {
    let text = "[health]\nreadiness = { period = \"2s\", timeout = \"3s\" }\nliveness = { timeout = \"1m\" }\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `timeout` of `readiness` is longer than its `period`
     --> barq.toml:4:40
      |
    4 | readiness = { period = "2s", timeout = "3s" }
      |                        ----            ^^^^ 3s: the next request would start before
      |                        |
      |                        the period is 2s

    error: `timeout` of `liveness` is longer than its `period`
     --> barq.toml:5:24
      |
    5 | liveness = { timeout = "1m" }
      |                        ^^^^ 1m: the next request would start before
      |
      = help: the period is 30s where the file says nothing
    "#);
}
