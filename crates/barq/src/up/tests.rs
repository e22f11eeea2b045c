//! A child that dies is started again, and one that will not end is killed.

use std::path::Path;

use super::*;

fn settings(script: &str, drain_max: Duration) -> (ChildSettings, CancellationToken) {
    let stop = CancellationToken::new();
    let child = ChildSettings {
        name: "test",
        image: Arc::new(Image::at(Path::new("/bin/sh")).expect("a shell")),
        manner: Manner::Succeed {
            lines: Switchboard::default(),
        },
        arguments: vec!["-c".into(), script.into()],
        drain_max,
        stop: stop.clone(),
        hurry: CancellationToken::new(),
    };
    (child, stop)
}

async fn wait_for_file(path: &Path) {
    let wait = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("the file appears");
}

#[tokio::test]
async fn a_child_that_dies_is_started_again() {
    let (child, stop) = settings("exit 7", Duration::from_secs(5));
    let (sender, mut state) = watch::channel(ChildState::default());
    let (_replaces, replaced) = mpsc::channel(REPLACES_MAX);
    let keeper = tokio::spawn(child::keep(child, sender, replaced));
    let state = state
        .wait_for(|state| state.deaths >= 3)
        .await
        .expect("kept")
        .clone();
    assert_eq!(state.last.as_deref(), Some("exit status: 7"));
    stop.cancel();
    keeper.await.expect("ends");
}

#[tokio::test]
async fn a_child_that_ignores_the_signal_is_killed() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let started = directory.path().join("started");
    let script = format!(
        "trap '' TERM; : > {}; while :; do sleep 0.05; done",
        started.display()
    );
    let (child, stop) = settings(&script, Duration::from_millis(100));
    let (sender, _state) = watch::channel(ChildState::default());
    let (_replaces, replaced) = mpsc::channel(REPLACES_MAX);
    let keeper = tokio::spawn(child::keep(child, sender, replaced));
    wait_for_file(&started).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), keeper)
        .await
        .expect("killed")
        .expect("ends");
}
