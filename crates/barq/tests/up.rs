//! `barq up` with real processes: what it holds, what it keeps running, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running `up`, killed when dropped: its children end by themselves then.
struct Up {
    child: Child,
    server: String,
}

impl Up {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_barq"))
            .args([
                "up",
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--ingress",
                "127.0.0.1:0",
            ])
            .arg("--data")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let stdout = child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let listening: Value = serde_json::from_str(&line).expect("JSON");
        let server = listening["server"].as_str().expect("a URL").to_owned();
        Self { child, server }
    }

    fn address(&self) -> &str {
        self.server.trim_start_matches("http://")
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill_process(Pid::from_raw(id).expect("not zero"), signal).expect("signalled");
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} never happened");
        std::thread::yield_now();
    }
}

/// The status line of a GET, over a connection of its own.
fn get(address: &str, path: &str) -> Option<String> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line).filter(|line| !line.is_empty())
}

/// The process that holds a lock file, as it says itself.
fn holder(lock: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(lock).ok()?;
    let id: i32 = text.trim().parse().ok()?;
    Path::new(&format!("/proc/{id}")).exists().then_some(id)
}

#[test]
fn connections_queue_while_a_killed_server_restarts() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(directory.path());
    let lock = directory.path().join("server.lock");
    let answer = get(up.address(), "/health/live").expect("an answer");
    assert!(answer.contains("200"), "{answer}");
    let first = holder(&lock).expect("a server");
    kill_process(Pid::from_raw(first).expect("not zero"), Signal::KILL).expect("killed");
    // Not refused: `up` holds the address; the next server answers.
    let answer = wait_for("an answer", || get(up.address(), "/health/live"));
    assert!(answer.contains("200"), "{answer}");
    assert_ne!(holder(&lock), Some(first));
}

#[test]
fn a_second_up_says_who_is_there() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let up = Up::start(directory.path());
    let output = Command::new(env!("CARGO_BIN_EXE_barq"))
        .args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--ingress",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(directory.path())
        .output()
        .expect("ran");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains(&format!("process {}", up.child.id())),
        "{text}"
    );
}

#[test]
fn a_taken_port_names_the_flag() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("bound").to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_barq"))
        .args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--ingress",
            &address,
            "--data",
        ])
        .arg(directory.path())
        .output()
        .expect("ran");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("--ingress"), "{text}");
}

#[test]
fn after_a_kill_the_children_end_and_the_next_up_starts() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut up = Up::start(directory.path());
    let lock = directory.path().join("server.lock");
    let server = wait_for("a server", || holder(&lock));
    up.signal(Signal::KILL);
    up.child.wait().expect("ended");
    wait_for("the server's end", || {
        (holder(&lock) != Some(server)).then_some(())
    });
    let next = Up::start(directory.path());
    let answer = wait_for("an answer", || get(next.address(), "/health/live"));
    assert!(answer.contains("200"), "{answer}");
}

#[test]
fn a_signal_drains_both_and_ends_with_0() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut up = Up::start(directory.path());
    let locks = ["server.lock", "node.lock"].map(|name| directory.path().join(name));
    for lock in &locks {
        wait_for("a child", || holder(lock));
    }
    up.signal(Signal::TERM);
    let status = wait_for("the end", || up.child.try_wait().expect("asked"));
    assert_eq!(status.code(), Some(0));
    for lock in &locks {
        assert_eq!(holder(lock), None);
    }
    assert!(!directory.path().join("up.sock").exists());
}
