//! What is pushed in the long history: commits and configurations as real ones are, and how each of them ends.
//!
//! Everything follows from the number of the delivery, so that the same parameters make the same history.

use barq_core::configuration::Configuration;
use barq_core::event::Commit;
use barq_core::identity::CommitHash;
use jiff::Timestamp;

use super::super::Failure;

/// Every so many deliveries the fates begin anew.
const FATES: u64 = 50;
/// Commits of the largest push.
const COMMITS_MAX: u64 = 12;

/// How a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// In production.
    Succeeds,
    /// A check fails.
    CheckFails,
    /// There is no image.
    BuildFails,
    /// The smoke tests in production fail.
    SmokeFails,
    /// Somebody rejects it.
    Rejected,
    /// The canary of this step trips, which opens an incident.
    Trips(u32),
    /// It is of another branch: checks only.
    OtherBranch,
}

/// One in seven does not get there, and one in twenty-five is rolled back.
pub(super) fn fate(number: u64) -> Fate {
    match number % FATES {
        7 | 13 | 33 => Fate::CheckFails,
        21 => Fate::BuildFails,
        29 => Fate::SmokeFails,
        37 => Fate::Rejected,
        41 => Fate::Trips(1),
        45 => Fate::Trips(2),
        49 => Fate::OtherBranch,
        _ => Fate::Succeeds,
    }
}

/// A number that looks like chance (the mixing of SplitMix64).
pub(super) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The `barq.toml` of a commit; `release` makes each configuration another one, as a version in the environment does.
pub(super) fn configuration(app: &str, kept: u32, release: u64) -> Result<Configuration, Failure> {
    let checks = [
        "backend-lint",
        "backend-test",
        "frontend-lint",
        "frontend-test",
        "security-scan",
        "docker-build",
    ];
    let checks: String = checks
        .iter()
        .map(|name| format!("[[check]]\nname = \"{name}\"\nrun = \"./scripts/{name}\"\n"))
        .collect();
    let text = format!(
        "service = \"{app}\"\n{checks}\
         [build]\nfiles = {{ app = \"app\" }}\ncommand = [\"./app\"]\n\
         [health]\n\
         startup = {{ path = \"/health/live\", initial_delay = \"0s\", period = \"200ms\", timeout = \"200ms\", failures = 50 }}\n\
         [smoke]\nrequests = [{{ path = \"/api/v1/things\", status = 200 }}]\n\
         [environments.staging]\n\
         instances = {{ min = 1, max = 2 }}\nenv = {{ LOG_LEVEL = \"debug\", RELEASE = \"{release}\" }}\n\
         [environments.production]\n\
         approval = {{ role = \"tech-lead\" }}\n\
         instances = {{ min = 1, max = 50 }}\nenv = {{ LOG_LEVEL = \"info\", RELEASE = \"{release}\" }}\n\
         keep = {{ revisions = {kept} }}\n\
         domains = [\"{app}.example.com\"]\n"
    );
    Configuration::parse(&text, "barq.toml")
        .map(|parsed| parsed.configuration)
        .map_err(|report| report.summary().into())
}

/// The commits of a push, newest first.
pub(super) fn commits(app: u64, number: u64, at: Timestamp) -> Result<Vec<Commit>, Failure> {
    let count = 1 + mixed(number ^ app) % COMMITS_MAX;
    (0..count)
        .map(|index| commit(app, number, index, at))
        .collect()
}

fn commit(app: u64, number: u64, index: u64, at: Timestamp) -> Result<Commit, Failure> {
    let subjects = [
        "Answer a request for a list by pages",
        "Keep the connection to the database while it is idle",
        "Say in the log which request a slow query belongs to, with its identifier, the name of its route and the time that \
         it waited for a connection, so that it is found without a search through all of the lines of a minute",
        "Do not count what was cancelled",
        "Update dependencies",
        "Show the state of a vehicle on the map",
    ];
    let chance = mixed((app << 40) ^ (number << 8) ^ index);
    let subject = subjects[usize::try_from(chance % subjects.len() as u64)?];
    let author = chance % 5;
    Ok(Commit {
        hash: hash(app, number, index)?,
        author_name: format!("Developer {author}"),
        author_email: format!("developer-{author}@example.com"),
        subject: format!("{subject} ({number})"),
        committed_at: at,
    })
}

/// The hash of a commit: the newest of a push has the index 0.
pub(super) fn hash(app: u64, number: u64, index: u64) -> Result<CommitHash, Failure> {
    let first = mixed((app << 40) ^ (number << 8) ^ index ^ 0xc0ff_ee00);
    let second = mixed(first);
    let third = mixed(second) & 0xffff_ffff;
    Ok(format!("{first:016x}{second:016x}{third:08x}").parse()?)
}
