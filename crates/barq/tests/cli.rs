//! The executable's promises to scripts: exit codes and what is printed where.

use std::net::TcpListener;
use std::path::Path;

use assert_cmd::Command;

fn barq(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barq"));
    command
        .current_dir(directory)
        .env_remove("BARQ_SERVER")
        .env_remove("BARQ_TOKEN")
        .env("BARQ_DATA", directory.join("data"))
        .env("HOME", directory);
    command
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.local_addr().expect("bound").port()
}

#[test]
fn version_and_help_are_successes() {
    let directory = directory();
    barq(directory.path()).arg("--version").assert().code(0);
    let help = barq(directory.path()).arg("--help").assert().code(0);
    let text = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    assert!(text.contains("Exit codes"), "{text}");
}

#[test]
fn wrong_usage_is_2() {
    let directory = directory();
    barq(directory.path()).arg("nonsense").assert().code(2);
    barq(directory.path())
        .args(["status", "--server", "nonsense"])
        .assert()
        .code(2);
    barq(directory.path())
        .args(["rollback", "production"])
        .assert()
        .code(2);
    let assert = barq(directory.path())
        .args(["logs", "production", "--severity", "BOO"])
        .assert()
        .code(2);
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.contains("debug, info, warning, error"), "{text}");
}

#[test]
fn no_server_is_3_and_says_how_to_start_one() {
    let directory = directory();
    let server = format!("http://127.0.0.1:{}", closed_port());
    let assert = barq(directory.path())
        .args(["status", "--server", &server])
        .assert()
        .code(3);
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.contains("barq up"), "{text}");
    let assert = barq(directory.path())
        .args(["status", "--json", "--server", &server])
        .assert()
        .code(3);
    let document: serde_json::Value =
        serde_json::from_slice(&assert.get_output().stdout).expect("one JSON document");
    assert!(document["error"]["what"].is_string());
}

#[test]
fn a_broken_configuration_is_2_and_shows_the_line() {
    let directory = directory();
    let file = directory.path().join("barq.toml");
    std::fs::write(&file, "service = \"shop\"\nbuidl = 1\n").expect("written");
    let assert = barq(directory.path())
        .args(["config", "check"])
        .assert()
        .code(2);
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.contains("barq.toml:2"), "{text}");
}

#[test]
fn init_makes_a_repository_ready_and_refuses_to_do_it_twice() {
    let directory = directory();
    let repository = directory.path().join("shop");
    std::fs::create_dir(&repository).expect("created");
    barq(&repository).arg("init").assert().code(2);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(&repository).args(arguments);
        let assert = command.assert().success();
        String::from_utf8_lossy(&assert.get_output().stdout)
            .trim()
            .to_owned()
    };
    git(&["init", "--quiet"]);
    barq(&repository).arg("init").assert().code(0);
    barq(&repository).args(["config", "check"]).assert().code(0);
    assert_eq!(
        git(&["remote", "get-url", "barq"]),
        "http://127.0.0.1:7600/git/shop.git"
    );
    let data = repository.join("data");
    std::fs::create_dir(&data).expect("created");
    std::fs::write(data.join("admin.token"), "secret\n").expect("written");
    let mut fill = Command::new("git");
    let assert = fill
        .current_dir(&repository)
        .env_remove("BARQ_TOKEN")
        .args(["credential", "fill"])
        .write_stdin("protocol=http\nhost=127.0.0.1:7600\n\n")
        .assert()
        .success();
    let filled = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(filled.contains("password=secret"), "{filled}");
    barq(&repository).arg("init").assert().code(2);
}
