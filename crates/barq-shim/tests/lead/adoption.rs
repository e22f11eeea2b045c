//! A shim is found again by whoever comes next, and never taken for a stranger.

use std::fs;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use barq_shim::{Adopted, ExitOutcome, adopt};

use crate::support::{PATIENCE, Place, end, is_alive, kill_9, launcher, spec, until};

/// Tells a copy of this test program to be the starter of a shim.
const STARTER_VARIABLE: &str = "BARQ_TEST_STARTER_DIRECTORY";

/// The starter: not a test of its own, but what the copy of this program runs.
#[test]
fn starter() {
    let Some(directory) = std::env::var_os(STARTER_VARIABLE) else {
        return;
    };
    let handle = launcher()
        .start(
            directory.as_ref(),
            &spec("echo up $$; while ! [ -e \"$0\" ]; do sleep 0.01; done; exit 9"),
        )
        .unwrap();
    assert!(!handle.wait(Duration::from_secs(3600)).unwrap());
}

#[test]
fn a_shim_outlives_the_kill_of_its_starter() {
    let place = Place::new();
    let mut starter = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adoption::starter"])
        .env(STARTER_VARIABLE, place.directory())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until(|| place.directory().join("output").exists().then_some(()));
    let leader = place.line_after("up ");
    starter.kill().unwrap();
    starter.wait().unwrap();

    let Adopted::Running(handle) = adopt(&place.directory()).unwrap() else {
        panic!("it should run")
    };
    assert!(is_alive(&leader));
    assert_eq!(
        handle.leader_pid().unwrap(),
        Some(leader.trim().parse().unwrap())
    );
    handle.stop(Duration::from_millis(10)).unwrap();
    assert_eq!(end(&handle).outcome, ExitOutcome::Signal(15));
    assert!(matches!(
        adopt(&place.directory()).unwrap(),
        Adopted::Exited(_)
    ));
}

#[test]
fn an_end_is_found_by_an_adopter_and_by_polling() {
    let place = Place::new();
    let handle = place.start("exit 6");
    let mut poll = [rustix::event::PollFd::new(
        &handle,
        rustix::event::PollFlags::IN,
    )];
    rustix::event::poll(&mut poll, None).unwrap();
    let Adopted::Exited(record) = adopt(&place.directory()).unwrap() else {
        panic!("it has ended")
    };
    assert_eq!(record.outcome, ExitOutcome::Code(6));
    assert!(handle.as_fd().try_clone_to_owned().is_ok());
}

#[test]
fn a_killed_shim_is_lost_and_what_it_led_dies() {
    let place = Place::new();
    let handle = place.start(
        "setsid sh -c 'trap \"\" TERM; echo daemon $$; while :; do sleep 1000; done' & echo leader $$; wait",
    );
    let (leader, daemon) = (place.line_after("leader "), place.line_after("daemon "));
    kill_9(handle.identity().pid);
    assert!(handle.wait(PATIENCE).unwrap());
    assert_eq!(handle.exit().unwrap(), None);
    assert!(matches!(adopt(&place.directory()).unwrap(), Adopted::Lost));
    until(|| (!is_alive(&leader) && !is_alive(&daemon)).then_some(()));
    assert!(
        matches!(adopt(&place.directory()).unwrap(), Adopted::Lost),
        "lost stays lost"
    );
}

#[test]
fn a_reused_pid_and_another_boot_are_strangers() {
    let mut stranger = Command::new("sleep").arg("1000").spawn().unwrap();
    for (field, value) in [
        ("start_ticks", serde_json::json!(1)),
        ("boot_id", serde_json::json!("another")),
    ] {
        let place = Place::new();
        let handle = place.start("exit 0");
        end(&handle);
        let path = place.directory().join("shim.json");
        let mut state: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        state["identity"]["pid"] = serde_json::json!(stranger.id());
        state["identity"][field] = value;
        fs::write(&path, state.to_string()).unwrap();
        fs::remove_file(place.directory().join("exit.json")).unwrap();
        assert!(matches!(adopt(&place.directory()).unwrap(), Adopted::Lost));
        assert!(is_alive(&stranger.id().to_string()));
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_shim_that_comes_up_late_gives_way_to_the_mark() {
    let place = Place::new();
    // What a starter leaves that was killed before it started the shim.
    end(&place.start("touch \"$HOME/ran\""));
    let late = place.root.path().join("late");
    fs::create_dir(&late).unwrap();
    fs::copy(place.directory().join("spec.json"), late.join("spec.json")).unwrap();
    assert!(matches!(adopt(&late).unwrap(), Adopted::Lost));
    let output = Command::new(launcher().program)
        .arg(&late)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("has already led a process"));
    assert!(!late.join("shim.json").exists());
}

#[test]
fn starters_are_left_no_zombies() {
    let place = Place::new();
    let handle = place.start("exit 0");
    end(&handle);
    let own = std::process::id().to_string();
    let zombies = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        .filter(|stat| stat.contains("(shim) Z ") && stat.contains(&format!(" Z {own} ")))
        .count();
    assert_eq!(zombies, 0);
}
