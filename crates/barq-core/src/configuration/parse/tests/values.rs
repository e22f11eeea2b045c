//! Values of the wrong type, out of range, or misspelt, as a person sees them.

use insta::assert_snapshot;

use super::{refused, refused_after_required};

#[test]
fn durations() {
    let text = "[[check]]\nname = \"a\"\nrun = \"b\"\ntimeout = 30\n[[check]]\nname = \"b\"\nrun = \"b\"\ntimeout = \"5min\"\n\
                [environments.production]\nlease = \"500ms\"\ndrain = \"1.5h\"\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `timeout` must be a duration, like "5m"
     --> barq.toml:6:11
      |
    6 | timeout = 30
      |           ^^ this is a whole number
      |
      = help: a number alone does not say its unit; for seconds write "30s"

    error: `timeout` can't be read
      --> barq.toml:10:11
       |
    10 | timeout = "5min"
       |           ^^^^^^ "min" is no unit of time; there are ms, s, m, h and d
       |
       = help: did you mean "5m"?

    error: `lease` is out of range
      --> barq.toml:12:9
       |
    12 | lease = "500ms"
       |         ^^^^^^^ must be 1s to 1h

    error: `drain` can't be read
      --> barq.toml:13:9
       |
    13 | drain = "1.5h"
       |         ^^^^^^ numbers are whole
       |
       = help: did you mean "1h30m"?
    "#);
}

#[test]
fn sizes_and_cpus() {
    let text = "[environments.staging]\nmemory = 2048\ncpu = \"500m\"\n[environments.production]\nmemory = \"2GB\"\ncpu = 0.0001\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `memory` must be a size, like "2GiB"
     --> barq.toml:4:10
      |
    4 | memory = 2048
      |          ^^^^ this is a whole number
      |
      = help: a number alone does not say its unit; write "512MiB" or "2GiB"

    error: `cpu` must be a number of CPUs, like 2 or 0.5
     --> barq.toml:5:7
      |
    5 | cpu = "500m"
      |       ^^^^^^ this is a text
      |
      = help: write 0.5, without quotes

    error: `memory` can't be read
     --> barq.toml:7:10
      |
    7 | memory = "2GB"
      |          ^^^^^ the units are KiB, MiB, GiB and TiB
      |
      = help: did you mean "2GiB"?

    error: `cpu` is out of range
     --> barq.toml:8:7
      |
    8 | cpu = 0.0001
      |       ^^^^^^ must be 0.001 to 256, in steps of 0.001
    "#);
}

#[test]
fn whole_numbers() {
    let text = "[environments.production]\nconcurrency = \"80\"\ninstances = { min = 0, max = 99999999999999999999 }\n\
                keep = { revisions = 0 }\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `concurrency` must be a whole number
     --> barq.toml:4:15
      |
    4 | concurrency = "80"
      |               ^^^^ this is a text
      |
      = help: write 80, without quotes

    error: `min` is out of range
     --> barq.toml:5:21
      |
    5 | instances = { min = 0, max = 99999999999999999999 }
      |                     ^ must be 1 to 1000
      |
      = help: an environment always has an instance: scaling to zero is not supported

    error: `max` is out of range
     --> barq.toml:5:30
      |
    5 | instances = { min = 0, max = 99999999999999999999 }
      |                              ^^^^^^^^^^^^^^^^^^^^ must be 1 to 1000

    error: `revisions` is out of range
     --> barq.toml:6:22
      |
    6 | keep = { revisions = 0 }
      |                      ^ must be 1 to 1000
    "#);
}

#[test]
fn words() {
    let text = "[environments.production]\napproval = { role = \"techlead\" }\nguard = { action = \"explode\" }\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `role` can't be "techlead"
     --> barq.toml:4:21
      |
    4 | approval = { role = "techlead" }
      |                     ^^^^^^^^^^ can be "developer", "operator", "tech-lead", "admin"
      |
      = help: did you mean "tech-lead"?

    error: `action` can't be "explode"
     --> barq.toml:5:20
      |
    5 | guard = { action = "explode" }
      |                    ^^^^^^^^^ can be "alert", "rollback"
    "#);
}

#[test]
fn forms() {
    let text = "[environments.production]\napproval = true\nshield = \"yes\"\nsecrets = \"TOKEN\"\nsteps = [10, 50, 100]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `approval` must be false or a table
     --> barq.toml:4:12
      |
    4 | approval = true
      |            ^^^^ this is true
      |
      = help: say which, with the keys role, expires, separate_approver; {} takes the defaults

    error: `shield` must be true or false
     --> barq.toml:5:10
      |
    5 | shield = "yes"
      |          ^^^^^ this is a text

    error: `secrets` must be an array
     --> barq.toml:6:11
      |
    6 | secrets = "TOKEN"
      |           ^^^^^^^ this is a text
      |
      = help: write ["TOKEN"]

    error: an item of `steps` must be a table
     --> barq.toml:7:10
      |
    7 | steps = [10, 50, 100]
      |          ^^ this is a whole number
      |
      = help: write { traffic = 10 }

    error: an item of `steps` must be a table
     --> barq.toml:7:14
      |
    7 | steps = [10, 50, 100]
      |              ^^ this is a whole number
      |
      = help: write { traffic = 50 }

    error: an item of `steps` must be a table
     --> barq.toml:7:18
      |
    7 | steps = [10, 50, 100]
      |                  ^^^ this is a whole number
      |
      = help: write { traffic = 100 }
    "#);
}

#[test]
fn forms_of_tables() {
    let text = "[environments.production]\nenv = { PORT = \"1\", DEBUG = 1, \"A-B\" = \"\" }\n[check]\nname = \"lint\"\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: a key of `env` must be the name of an environment variable
     --> barq.toml:4:9
      |
    4 | env = { PORT = "1", DEBUG = 1, "A-B" = "" }
      |         ^^^^ is set by barq in every instance

    error: `DEBUG` must be a text or a table
     --> barq.toml:4:29
      |
    4 | env = { PORT = "1", DEBUG = 1, "A-B" = "" }
      |                             ^ this is a whole number
      |
      = help: write "1", in quotes

    error: a key of `env` must be the name of an environment variable
     --> barq.toml:4:32
      |
    4 | env = { PORT = "1", DEBUG = 1, "A-B" = "" }
      |                                ^^^^^ only letters, digits and `_` are allowed

    error: `check` must be an array of tables
     --> barq.toml:5:1
      |
    5 | [check]
      | ^^^^^^^ this is a table
      |
      = help: there can be several: write `[[check]]`, with two brackets
    "#);
}

#[test]
fn empty_lists() {
    assert_snapshot!(refused_after_required("environments.production.steps = []\n"), @r"
    error: `steps` is empty
     --> barq.toml:3:33
      |
    3 | environments.production.steps = []
      |                                 ^^ must have at least one item
    ");
}

#[test]
fn service_names() {
    for (name, expected) in [
        ("Barq_API", "did you mean \"barq-api\"?"),
        ("-api", "did you mean \"api\"?"),
        ("a---b", "did you mean \"a-b\"?"),
        ("1api", "must start with a letter"),
        ("", "must not be empty"),
        ("xn--bcher-kva", "hyphens in a row are kept for tags"),
    ] {
        let report = refused(&format!(
            "service = \"{name}\"\nbuild = {{ dockerfile = \"Dockerfile\" }}\n"
        ));
        assert!(report.contains(expected), "{name}: {report}");
    }
}

#[test]
fn branches() {
    for (branch, expected) in [
        ("refs/heads/main", "did you mean \"main\"?"),
        ("a b", "is no name that git gives a branch"),
        ("a..b", "is no name that git gives a branch"),
        ("x.lock", "is no name that git gives a branch"),
        ("-f", "is no name that git gives a branch"),
        ("a//b", "is no name that git gives a branch"),
    ] {
        let report = refused_after_required(&format!("branch = \"{branch}\"\n"));
        assert!(report.contains(expected), "{branch}: {report}");
    }
}

#[test]
fn paths() {
    for (path, expected) in [
        ("/etc", "did you mean \"etc\"?"),
        ("../secrets", "leaves the commit"),
        ("a/../../b", "leaves the commit"),
        ("a\\\\b", "did you mean \"a/b\"?"),
        ("", "must not be empty"),
        ("a\\u0000b", "contains a NUL"),
    ] {
        let report = refused_after_required(&format!(
            "check = [{{ name = \"a\", run = \"b\", cache = [\"{path}\"] }}]\n"
        ));
        assert!(report.contains(expected), "{path}: {report}");
    }
}

#[test]
fn url_paths() {
    for (path, expected) in [
        ("health", "did you mean \"/health\"?"),
        ("http://localhost/health", "give only the path"),
        ("/a b", "printable ASCII without spaces"),
        ("/a#b", "never sent to a server"),
    ] {
        let report = refused_after_required(&format!("health.readiness.path = \"{path}\"\n"));
        assert!(report.contains(expected), "{path}: {report}");
    }
}

#[test]
fn domains() {
    for (domain, expected) in [
        ("API.example.com", "did you mean \"api.example.com\"?"),
        (
            "https://api.example.com:443/",
            "did you mean \"api.example.com\"?",
        ),
        ("*.example.com", "wildcards are not supported"),
        ("10.0.0.1", "is an address"),
        ("example", "single label"),
        ("api.localhost", "given out by barq itself"),
        ("a..b", "is no host name"),
        ("././././.", "is no host name"),
    ] {
        let report = refused_after_required(&format!(
            "environments.production.domains = [\"{domain}\"]\n"
        ));
        assert!(report.contains(expected), "{domain}: {report}");
    }
}

#[test]
fn check_names_and_methods() {
    let text = "[[check]]\nname = \"docker build\"\nrun = \" \"\n[smoke]\nrequests = [{ path = \"/\", method = \"get\", status = 99 }]\n";
    assert_snapshot!(refused_after_required(text), @r#"
    error: `name` must be the name of a check
     --> barq.toml:4:8
      |
    4 | name = "docker build"
      |        ^^^^^^^^^^^^^^ contains ' '; only letters, digits, `-`, `_` and `.` are allowed
      |
      = help: did you mean "docker-build"?

    error: `run` must be a command line
     --> barq.toml:5:7
      |
    5 | run = " "
      |       ^^^ runs nothing

    error: `method` must be an HTTP method
     --> barq.toml:7:36
      |
    7 | requests = [{ path = "/", method = "get", status = 99 }]
      |                                    ^^^^^ a method is in capital letters, like "GET"
      |
      = help: did you mean "GET"?

    error: `status` is out of range
     --> barq.toml:7:52
      |
    7 | requests = [{ path = "/", method = "get", status = 99 }]
      |                                                    ^^ must be 100 to 599
    "#);
}

#[test]
fn protocols() {
    for (protocol, expected) in [
        ("http2", "\"h2c\""),
        ("H2C", "did you mean \"h2c\"?"),
        ("grpc", "\"http1\""),
    ] {
        let text = format!("environments.production.protocol = \"{protocol}\"\n");
        let report = refused_after_required(&text);
        assert!(report.contains(expected), "{protocol}: {report}");
    }
}
