//! `kill -9` of a process that appends: every acknowledged append is there, and the chain holds.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use crate::support::{Server, assert_intact, batch, open_at};

on_both!(what_was_acknowledged_survives_a_kill);

const KILLS: u64 = 5;
const URL_VARIABLE: &str = "BARQ_TEST_JOURNAL_URL";
const ACKNOWLEDGED: &str = "acknowledged ";
const EVENTS_PER_APPEND: u64 = 3;

async fn what_was_acknowledged_survives_a_kill(server: Server) {
    let place = server.place().await;
    let mut before = 0;
    for kill in 1..=KILLS {
        let url = place.url();
        let acknowledged = tokio::task::spawn_blocking(move || append_and_kill(&url, 7 * kill))
            .await
            .unwrap();
        let writer = place.owner().await;
        let head = writer.journal().head().await.unwrap();
        assert!(
            acknowledged >= before + 7 * kill * EVENTS_PER_APPEND,
            "{acknowledged} after {before}"
        );
        // At most one append was under way, and it is there wholly or not at all.
        assert!(
            [acknowledged, acknowledged + EVENTS_PER_APPEND].contains(&head.sequence),
            "{head:?}, {acknowledged}"
        );
        assert_intact(&writer.journal()).await;
        writer.journal().close().await;
        before = head.sequence;
    }
    place.end().await;
}

/// Kills the child after some acknowledged appends; answers the last sequence that it acknowledged.
fn append_and_kill(url: &str, appends: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::child_appends_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(URL_VARIABLE, url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut newest = 0;
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(sequence) = line.split(ACKNOWLEDGED).nth(1) else {
            continue;
        };
        newest = sequence.parse().unwrap();
        count += 1;
        if count == appends {
            // SIGKILL; what it had already written to the pipe is still read.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    newest
}

#[tokio::test]
#[ignore = "the child process of the test above"]
async fn child_appends_until_killed() {
    let writer = open_at(std::env::var(URL_VARIABLE).unwrap())
        .await
        .take_ownership()
        .await
        .unwrap();
    let mut head = writer.journal().head().await.unwrap();
    loop {
        let next = head.sequence + 1;
        head = writer
            .append(head, batch(next..next + EVENTS_PER_APPEND))
            .await
            .unwrap()
            .head;
        let mut out = std::io::stdout();
        writeln!(out, "{ACKNOWLEDGED}{}", head.sequence).unwrap();
        out.flush().unwrap();
    }
}
