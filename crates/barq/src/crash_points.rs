//! Ends this process at a moment that a test has chosen, as `kill -9` would: no destructor runs, nothing is flushed.
//!
//! Engine and node tell of the moments that matter as trace events (`barq::moment`), whoever listens; this listens. So what is
//! tested is the code that is shipped, and only this file is not part of it: it is compiled with the feature `crash-points`,
//! which nothing but this package's own tests switches on. It must not know which moments there are.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::FlockOperation;
use rustix::process::{Signal, getpid, kill_process};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Names the directory with the files `armed` and `fired`; `up` hands it to its children.
const VARIABLE: &str = "BARQ_CRASH_POINTS";
/// The target of the events that are listened to.
const MOMENT: &str = "barq::moment";
/// Where to die: `once BEGINNING` or `each BEGINNING` a line. `once`: at the first moment that begins so. `each`: once at
/// each of them.
const ARMED: &str = "armed";
/// The moments at which a process died, one a line, the first of them first.
const FIRED: &str = "fired";

/// The listener, where the environment asks for one.
pub(crate) fn layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let directory = PathBuf::from(std::env::var_os(VARIABLE)?);
    let points = CrashPoints {
        directory,
        dying: Mutex::new(()),
    };
    Some(points.with_filter(Targets::new().with_target(MOMENT, Level::TRACE)))
}

struct CrashPoints {
    directory: PathBuf,
    /// Held by the thread that dies: others that come to a moment meanwhile get no further.
    dying: Mutex<()>,
}

impl<S: Subscriber> Layer<S> for CrashPoints {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut name = Name::default();
        event.record(&mut name);
        let Name { moment, of } = name;
        let _dying = self.dying.lock().unwrap_or_else(PoisonError::into_inner);
        if fires(&self.directory, &format!("{moment} {of}")) {
            die();
        }
    }
}

/// What the event says, in its fields `moment` and `of`.
#[derive(Default)]
struct Name {
    moment: String,
    of: String,
}

impl Visit for Name {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "moment" => value.clone_into(&mut self.moment),
            "of" => value.clone_into(&mut self.of),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// Whether it is armed and has not fired before; from now on it has. A test that can't be obeyed must fail: that is no
/// reason to live on.
fn fires(directory: &Path, moment: &str) -> bool {
    let armed = match std::fs::read_to_string(directory.join(ARMED)) {
        Ok(armed) => armed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
        Err(_) => return true,
    };
    armed.lines().any(|line| {
        let (how, beginning) = line.split_once(' ').unwrap_or(("once", line));
        // What must not have fired yet.
        let spent = if how == "each" { moment } else { beginning };
        let fired = || fire(&directory.join(FIRED), moment, spent).unwrap_or(true);
        moment.starts_with(beginning) && fired()
    })
}

/// Notes the moment before the end, so that the next process finds it; false where one that begins with `spent` is noted.
fn fire(fired: &Path, moment: &str, spent: &str) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    let mut file: File = options.create(true).append(true).read(true).open(fired)?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if text.lines().any(|line| line.starts_with(spent)) {
        return Ok(false);
    }
    file.write_all(format!("{moment}\n").as_bytes())?;
    Ok(true)
}

fn die() -> ! {
    if kill_process(getpid(), Signal::KILL).is_ok() {
        // The signal is under way.
        loop {
            std::thread::park();
        }
    }
    std::process::abort()
}
