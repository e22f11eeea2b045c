//! How processes end, and that nothing of them is left.

use std::time::Duration;

use barq_shim::{ExitOutcome, OnLimit, OutputLimit, ShimError, output::Stream};

use crate::support::{Place, end, is_alive, launcher, spec};

/// A tree that does what it can to survive: a daemon in a session of its own, and all of them deaf to SIGTERM.
const STUBBORN: &str = "trap '' TERM
    setsid sh -c 'trap \"\" TERM; (trap \"\" TERM; while :; do sleep 1000; done) & echo orphan $!; exit' &
    setsid sh -c 'trap \"\" TERM; echo daemon $$; while :; do sleep 1000; done' &
    echo leader $$
    while :; do sleep 1000; done";

#[test]
fn the_record_tells_the_end() {
    for (script, expected) in [
        ("exit 0", ExitOutcome::Code(0)),
        ("exit 7", ExitOutcome::Code(7)),
        ("kill -TERM $$", ExitOutcome::Signal(15)),
        ("kill -KILL $$", ExitOutcome::Signal(9)),
    ] {
        let record = Place::new().run(&spec(script));
        assert_eq!(record.outcome, expected, "{script}");
        assert!(!record.timed_out && !record.stop_requested && record.survivors == 0);
        assert!(record.started_at <= record.finished_at);
    }
}

#[test]
fn what_cannot_be_started_says_why() {
    let mut missing = spec("");
    missing.program = "/nowhere/program".into();
    let mut nowhere = spec("");
    nowhere.working_directory = "/nowhere".into();
    for (spec, part) in [
        (missing, "/nowhere/program could not be executed"),
        (nowhere, "directory /nowhere cannot be"),
    ] {
        match Place::new().run(&spec).outcome {
            ExitOutcome::SpawnFailed(reason) => assert!(reason.contains(part), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_directory_leads_one_process_in_its_life() {
    let place = Place::new();
    place.run(&spec("exit 0"));
    assert!(matches!(
        launcher().start(&place.directory(), &spec("exit 0")),
        Err(ShimError::Used { .. })
    ));
}

#[test]
fn stop_ends_the_polite_by_sigterm_and_the_rest_by_sigkill() {
    let place = Place::new();
    let handle =
        place.start("trap 'echo bye; exit 3' TERM; echo ready $$; while :; do sleep 0.01; done");
    place.line_after("ready ");
    handle.stop(Duration::from_secs(60)).unwrap();
    let record = end(&handle);
    assert_eq!(record.outcome, ExitOutcome::Code(3));
    assert!(record.stop_requested && !record.timed_out);
    place.line_after("bye");

    let place = Place::new();
    let handle = place.start(STUBBORN);
    let pids = ["leader ", "daemon ", "orphan "].map(|prefix| place.line_after(prefix));
    assert!(pids.iter().all(|pid| is_alive(pid)));
    handle.stop(Duration::from_millis(50)).unwrap();
    let record = end(&handle);
    assert_eq!(record.outcome, ExitOutcome::Signal(9));
    assert_eq!(record.survivors, 0);
    for pid in pids {
        assert!(!is_alive(&pid), "{pid} is alive");
    }
    // Once more is no error.
    handle.stop(Duration::ZERO).unwrap();
    handle.kill().unwrap();
}

#[test]
fn a_second_stop_can_shorten_the_grace() {
    let place = Place::new();
    let handle = place.start(STUBBORN);
    place.line_after("leader ");
    handle.stop(Duration::from_secs(3600)).unwrap();
    handle.kill().unwrap();
    assert_eq!(end(&handle).outcome, ExitOutcome::Signal(9));
}

#[test]
fn what_the_leader_leaves_behind_dies_before_the_record_is_written() {
    let place = Place::new();
    let handle = place.start(
        &format!("({STUBBORN}) & while ! [ -e go ]; do sleep 0.01; done").replace(
            "while ! [ -e go ]; do sleep 0.01; done",
            "sleep 0.3; exit 5",
        ),
    );
    let pids = ["leader ", "daemon ", "orphan "].map(|prefix| place.line_after(prefix));
    assert_eq!(end(&handle).outcome, ExitOutcome::Code(5));
    for pid in &pids[1..] {
        assert!(!is_alive(pid), "{pid} is alive");
    }
}

#[test]
fn time_out_kills_the_tree() {
    let place = Place::new();
    let mut spec = spec(STUBBORN);
    spec.timeout = Some(Duration::from_millis(400));
    spec.stop_grace = Duration::from_millis(50);
    let handle = place.start_spec(&spec);
    let daemon = place.line_after("daemon ");
    let record = end(&handle);
    assert!(record.timed_out && !record.stop_requested && !record.success());
    assert!(!is_alive(&daemon));
}

#[test]
fn a_tree_that_forks_all_the_time_is_killed_too() {
    let place = Place::new();
    let handle = place.start("trap '' TERM; echo ready; f() { setsid sh -c 'sleep 0.05' & }; while :; do f; f; sleep 0.01; done");
    place.line_after("ready");
    handle.kill().unwrap();
    assert_eq!(end(&handle).survivors, 0);
}

#[test]
fn output_keeps_streams_order_and_odd_bytes() {
    let place = Place::new();
    let record = place.run(&spec(
        "echo out; echo err >&2; printf 'bad \\377 byte\\n'; printf 'no end'; head -c 40000 /dev/zero | tr '\\0' z >&2",
    ));
    assert!(record.success());
    let lines = place.lines();
    let of = |stream| -> Vec<String> {
        lines
            .iter()
            .filter(|line| line.stream == stream)
            .map(|line| line.text.clone())
            .collect()
    };
    assert_eq!(of(Stream::Stdout), ["out", "bad \u{fffd} byte", "no end"]);
    let errors = of(Stream::Stderr);
    assert_eq!(
        errors.iter().map(String::len).collect::<Vec<_>>(),
        [3, 16384, 16384, 7232]
    );
    let partial: Vec<bool> = lines
        .iter()
        .filter(|line| line.stream == Stream::Stderr)
        .map(|line| line.partial)
        .collect();
    assert_eq!(partial, [false, true, true, false]);
    let raw = std::fs::read(place.directory().join("output")).unwrap();
    assert!(
        raw.windows(5).any(|window| window == b"bad \xff"),
        "the file holds the bytes as they came"
    );
}

#[test]
fn a_flood_never_blocks_the_process_and_keeps_its_limit() {
    for on_limit in [OnLimit::Rotate, OnLimit::Truncate] {
        let place = Place::new();
        let mut spec = spec("head -c 1000000 /dev/zero | tr '\\0' '\\n'; exit 4");
        spec.output = OutputLimit {
            bytes_max: 100_000,
            on_limit,
        };
        let record = place.run(&spec);
        assert_eq!(record.outcome, ExitOutcome::Code(4));
        assert!(record.output_truncated);
        let size: u64 = ["output", "output.1"]
            .iter()
            .filter_map(|name| std::fs::metadata(place.directory().join(name)).ok())
            .map(|metadata| metadata.len())
            .sum();
        assert!(size < 100_500, "{size} bytes are kept");
    }
}
