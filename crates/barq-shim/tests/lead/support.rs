//! A directory, a launcher and short ways to say what to run; every shim is killed at the end, also of a failed test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barq_shim::{
    Adopted, ExitRecord, Handle, Launcher, Limits, OnLimit, OutputLimit, Priority, ShimSpec, adopt,
    output,
};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Place {
    pub(crate) root: tempfile::TempDir,
    handles: std::cell::RefCell<Vec<PathBuf>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            handles: std::cell::RefCell::default(),
        }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.root.path().join("shim")
    }

    /// Starts `sh -c script`.
    pub(crate) fn start(&self, script: &str) -> Handle {
        self.start_spec(&spec(script))
    }

    pub(crate) fn start_spec(&self, spec: &ShimSpec) -> Handle {
        self.handles.borrow_mut().push(self.directory());
        launcher().start(&self.directory(), spec).unwrap()
    }

    /// Runs to the end.
    pub(crate) fn run(&self, spec: &ShimSpec) -> ExitRecord {
        end(&self.start_spec(spec))
    }

    pub(crate) fn lines(&self) -> Vec<output::Line> {
        output::read(&self.directory(), 0, 1 << 26).unwrap().lines
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.text).collect()
    }

    /// Waits for a line of output that begins so, and returns the rest of it.
    pub(crate) fn line_after(&self, prefix: &str) -> String {
        until(|| {
            self.texts()
                .into_iter()
                .find_map(|text| text.strip_prefix(prefix).map(str::to_owned))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for directory in self.handles.borrow().iter() {
            if let Ok(Adopted::Running(handle)) = adopt(directory) {
                let _ended = handle.kill().and_then(|()| handle.wait(PATIENCE));
            }
        }
    }
}

pub(crate) fn launcher() -> Launcher {
    let tests = std::env::current_exe().unwrap();
    let program = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/shim");
    assert!(
        program.exists(),
        "{} is built by cargo with the tests",
        program.display()
    );
    Launcher {
        program,
        leading_arguments: Vec::new(),
    }
}

pub(crate) fn spec(script: &str) -> ShimSpec {
    ShimSpec {
        program: "sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        working_directory: "/".into(),
        output: OutputLimit {
            bytes_max: 1 << 20,
            on_limit: OnLimit::Rotate,
        },
        timeout: None,
        stop_grace: Duration::from_millis(200),
        sandbox: None,
        limits: Limits::default(),
        priority: Priority::default(),
    }
}

pub(crate) fn end(handle: &Handle) -> ExitRecord {
    assert!(
        handle.wait(PATIENCE).unwrap(),
        "the shim did not end in time"
    );
    handle
        .exit()
        .unwrap()
        .expect("a shim that ended left a record")
}

/// Waits for something to be there.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not happen in time");
        std::thread::yield_now();
    }
}

/// Whether a process exists and has not ended.
pub(crate) fn is_alive(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")) else {
        return false;
    };
    !matches!(
        stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]),
        Some("Z" | "X") | None
    )
}

pub(crate) fn kill_9(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
