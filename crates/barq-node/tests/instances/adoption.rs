//! Instances outlive the node, and the next one serves with them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use barq_node::api::{RevisionConfiguration, RevisionObservation};
use serde_json::Value;

use crate::support::{Directory, Fixture, REVISION, SERVICE, exists, get, program, revision};

/// How long serving may be interrupted by a restart of the node.
const RESUME_MAX: Duration = Duration::from_secs(1);

/// A node in a process of its own, killed when dropped.
struct Node {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    /// What it said when it had started.
    started: Value,
}

impl Node {
    fn start(directory: &Directory, configuration: &RevisionConfiguration) -> Self {
        let file = directory.path().join("configuration.json");
        let text = serde_json::to_string(&(SERVICE, [configuration])).expect("JSON");
        std::fs::write(&file, text).expect("a file");
        let command = Command::new(program())
            .arg("node")
            .args([directory.path(), file.as_path()])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = command.expect("a node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let started = serde_json::from_str(&next(&mut lines)).expect("JSON");
        Self {
            child,
            lines,
            started,
        }
    }

    fn until(&mut self, expect: impl Fn(&RevisionObservation) -> bool) -> RevisionObservation {
        loop {
            let seen: Vec<RevisionObservation> =
                serde_json::from_str(&next(&mut self.lines)).expect("JSON");
            if let Some(seen) = seen.into_iter().find(|seen| expect(seen)) {
                return seen;
            }
        }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the node could not be ended: {error}");
        }
    }
}

/// The test runner ends a test that waits for ever.
fn next(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    lines.next().expect("the node goes on").expect("a line")
}

async fn pids(seen: &RevisionObservation) -> BTreeMap<u16, String> {
    let mut pids = BTreeMap::new();
    for instance in &seen.instances {
        pids.insert(instance.port, get(instance.port, "/pid").await);
    }
    pids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_nodes_instances_serve_again_within_a_second() {
    let directory = Directory::new();
    let configuration = revision(&[], 3, 3);
    let mut node = Node::start(&directory, &configuration);
    let before = pids(&node.until(|seen| seen.ready == 3)).await;
    for _ in 0..3 {
        node.kill();
        assert!(before.values().all(|pid| exists(pid)));
        let begun = Instant::now();
        node = Node::start(&directory, &configuration);
        assert!(
            begun.elapsed() < RESUME_MAX,
            "{:?}, of it {}",
            begun.elapsed(),
            node.started
        );
        assert_eq!(
            node.started["ready"], 3,
            "all of them, before anything was applied"
        );
        let seen = node.until(|seen| seen.ready == 3);
        assert_eq!(pids(&seen).await, before);
        assert!(seen.instances.iter().all(|instance| instance.restarts == 0));
    }
    node.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_while_it_starts_instances_leaves_none_twice() {
    let directory = Directory::new();
    let configuration = revision(&[], 4, 4);
    for _ in 0..5 {
        let mut node = Node::start(&directory, &configuration);
        node.until(|seen| seen.total > 0);
        node.kill();
    }
    let mut node = Node::start(&directory, &configuration);
    let seen = node.until(|seen| seen.ready == 4 && seen.instances.len() == 4);
    assert_eq!(pids(&seen).await.values().collect::<BTreeSet<_>>().len(), 4);
    let mut running = directory.running();
    let deadline = Instant::now() + Duration::from_secs(20);
    while running != 4 {
        assert!(Instant::now() < deadline, "{running} run");
        tokio::task::yield_now().await;
        running = directory.running();
    }
    node.kill();
}

#[tokio::test]
async fn what_ended_while_the_node_was_away_is_started_again_and_explained() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 2, 4)]);
    let port = fixture.until_ready(2).await.instances[0].port;
    let directory = fixture.leave();
    get(port, "/exit").await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while directory.running() != 1 {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    let mut fixture = Fixture::again(directory).await;
    assert_eq!(fixture.observe().ready, 1);
    fixture.apply(&[revision(&[], 2, 4)]);
    let seen = fixture.until_ready(2).await;
    let failure = seen.last_failure.expect("a failure");
    assert!(
        failure.contains("exited with code 4") && failure.ends_with("told to exit"),
        "{failure}"
    );
}

#[tokio::test]
async fn what_is_no_longer_wanted_goes_on_until_that_is_known() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 1)]);
    fixture.until_ready(1).await;
    let before = fixture.pids().await;
    let mut fixture = Fixture::again(fixture.leave()).await;
    assert_eq!(fixture.pids().await, before);
    let other = RevisionConfiguration {
        name: "other-00001".to_owned(),
        ..revision(&[], 0, 0)
    };
    fixture.instances.apply("other", &[other]).expect("valid");
    assert_eq!(fixture.pids().await, before);
    fixture
        .instances
        .retain(&BTreeSet::from(["other".to_owned()]));
    fixture.until_gone().await;
    assert!(before.values().all(|pid| !exists(pid)));
    assert!(
        fixture
            .instances
            .ready_set("other", "other-00001")
            .is_some()
    );
}

/// A state file that is damaged: its instance is replaced rather than left to itself, and the others serve on.
#[tokio::test]
async fn an_instance_with_a_damaged_record_is_replaced() {
    for damage in ["", "{\"id\": "] {
        let mut fixture = Fixture::new().await;
        fixture.apply(&[revision(&[], 2, 2)]);
        fixture.until_ready(2).await;
        let before = fixture.pids().await;
        let directory = fixture.leave();
        let (damaged, whole) = (before.keys().next().unwrap(), before.keys().last().unwrap());
        let record = directory
            .path()
            .join("instances")
            .join(SERVICE)
            .join(REVISION);
        std::fs::write(record.join(damaged).join("instance.json"), damage).expect("damaged");
        let mut fixture = Fixture::again(directory).await;
        assert_eq!(
            fixture.pids().await,
            BTreeMap::from([(whole.clone(), before[whole].clone())])
        );
        fixture.apply(&[revision(&[], 2, 2)]);
        fixture.until_ready(2).await;
        let after = fixture.pids().await;
        assert_eq!((after.get(whole), after.len()), (before.get(whole), 2));
        let deadline = Instant::now() + Duration::from_secs(20);
        while exists(&before[damaged]) {
            assert!(Instant::now() < deadline, "nobody ends what has no record");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_adopted_instance_that_is_not_ready_gets_no_traffic() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 1)]);
    let port = fixture.until_ready(1).await.instances[0].port;
    let directory = fixture.leave();
    get(port, "/set?ready=503").await;
    let mut fixture = Fixture::again(directory).await;
    assert_eq!((fixture.observe().ready, fixture.observe().total), (0, 1));
    get(port, "/set?ready=200").await;
    fixture.until_ready(1).await;
    assert!(
        fixture
            .instances
            .ready_set(SERVICE, REVISION)
            .expect("known")
            .endpoints()
            .len()
            == 1
    );
}

#[tokio::test]
async fn an_instance_that_was_leaving_gets_no_traffic_again() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 1)]);
    fixture.until_ready(1).await;
    let set = fixture
        .instances
        .ready_set(SERVICE, REVISION)
        .expect("known");
    let admission = set.endpoints()[0].admit().expect("ready");
    fixture.apply(&[revision(&[], 0, 0)]);
    fixture.until(|seen| seen.ready == 0).await;
    let record = |directory: &Directory| {
        let runs = directory.runs();
        let instance = runs
            .first()
            .and_then(|run| run.ancestors().nth(2))
            .expect("an instance");
        std::fs::read_to_string(instance.join("instance.json")).expect("a record")
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while !record(&fixture.directory).contains("leaving") {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    let mut fixture = Fixture::again(fixture.leave()).await;
    assert_eq!(fixture.observe().ready, 0);
    fixture.until_gone().await;
    drop(admission);
}
