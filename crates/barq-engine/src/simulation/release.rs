//! What is pushed: commits whose checks, image, smoke tests, start and requests go as chance has it.

use std::collections::BTreeMap;
use std::time::Duration;

use barq_core::configuration::{
    Approval, Build, Check, Configuration, DetailedProbe, Environment, Guard, GuardAction, Health,
    Instances, Keep, PRODUCTION, Probe, Protocol, Role, STAGING, ServiceName, Smoke, Step,
};
use barq_core::event::Commit;
use barq_core::identity::ImageDigest;
use jiff::Timestamp;

use super::random::Random;

/// A step's hold, in milliseconds.
const HOLD_MS: u64 = 2_000;
/// The lease of a canary, in milliseconds.
const LEASE_MS: u64 = 3_000;

/// How a release does.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Release {
    pub(super) check_fails: bool,
    pub(super) build_fails: bool,
    pub(super) smoke_fails: bool,
    pub(super) never_ready: bool,
    /// So many of a hundred requests fail.
    pub(super) errors_percent: u64,
}

/// All releases, by the number of their commit, from 1.
#[derive(Debug, Default)]
pub(super) struct Releases {
    by_number: Vec<Release>,
}

impl Releases {
    pub(super) fn count(&self) -> u64 {
        self.by_number.len() as u64
    }

    /// Another one: mostly good, so that there is something to go back to.
    pub(super) fn make(&mut self, random: &mut Random) -> u64 {
        let mut release = Release::default();
        // The first one is good: what serves when the troubles begin.
        match random.below(if self.by_number.is_empty() { 1 } else { 12 }) {
            0 if self.by_number.is_empty() => {}
            0 => release.check_fails = true,
            1 => release.build_fails = true,
            2 => release.smoke_fails = true,
            3 => release.never_ready = true,
            4 => release.errors_percent = 1 + random.below(9),
            5..7 => release.errors_percent = 10 + random.below(90),
            _ => {}
        }
        self.by_number.push(release);
        self.count()
    }

    pub(super) fn of_commit(&self, commit: &str) -> Release {
        self.by_text(commit)
    }

    pub(super) fn of_image(&self, image: &ImageDigest) -> Release {
        self.by_text(image.as_str().trim_start_matches("sha256:"))
    }

    fn by_text(&self, hexadecimal: &str) -> Release {
        let number = usize::from_str_radix(hexadecimal.trim_start_matches('0'), 16).unwrap_or(0);
        let known = number
            .checked_sub(1)
            .and_then(|index| self.by_number.get(index));
        known.copied().unwrap_or_default()
    }
}

pub(super) fn commit(number: u64) -> Option<Commit> {
    Some(Commit {
        hash: format!("{number:040x}").parse().ok()?,
        author_name: "author".to_owned(),
        author_email: "author@example.com".to_owned(),
        subject: format!("change {number}"),
        committed_at: Timestamp::UNIX_EPOCH,
    })
}

/// The image that is built of a commit: the same for the same commit.
pub(super) fn image(commit: &str) -> Option<ImageDigest> {
    format!("sha256:{commit:0>64}").parse().ok()
}

/// Two environments, short holds; some differences between the commits, so that rules are loosened and tightened.
pub(super) fn configuration(random: &mut Random) -> Option<Configuration> {
    Some(Configuration {
        service: ServiceName::new("fleet").ok()?,
        branch: "main".to_owned(),
        checks: vec![check("lint", &[]), check("test", &["lint"])],
        build: Build::Bundle {
            run: None,
            files: BTreeMap::from([("a".to_owned(), "a".to_owned())]),
            command: vec!["./a".to_owned()],
            cache: Vec::new(),
        },
        health: Health {
            startup: probe("/live"),
            liveness: probe("/live"),
            readiness: probe("/ready"),
            detailed: DetailedProbe {
                path: "/detailed".to_owned(),
            },
        },
        smoke: Smoke {
            requests: Vec::new(),
            run: None,
        },
        environments: vec![
            environment(STAGING, None, &[], random),
            environment(
                PRODUCTION,
                Some(Role::TechLead),
                &[(10, 3), (50, 5)],
                random,
            ),
        ],
    })
}

fn check(name: &str, needs: &[&str]) -> Check {
    Check {
        name: name.to_owned(),
        run: "true".to_owned(),
        directory: ".".to_owned(),
        timeout: Duration::from_secs(60),
        needs: needs.iter().map(|name| (*name).to_owned()).collect(),
        cache: Vec::new(),
        requires: Vec::new(),
    }
}

fn probe(path: &str) -> Probe {
    Probe {
        path: path.to_owned(),
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        failures: 2,
    }
}

fn environment(
    name: &str,
    approver: Option<Role>,
    canary: &[(u8, u32)],
    random: &mut Random,
) -> Environment {
    let hold = Duration::from_millis(HOLD_MS);
    let held = canary.iter().map(|(traffic, max_errors)| Step {
        traffic: *traffic,
        hold,
        max_errors: Some(*max_errors),
    });
    let guarded = approver.is_some();
    let last = Step {
        traffic: 100,
        hold: Duration::ZERO,
        max_errors: (guarded && random.one_in(2)).then_some(6),
    };
    let action = if random.one_in(2) {
        GuardAction::Alert
    } else {
        GuardAction::Rollback
    };
    Environment {
        name: name.to_owned(),
        approval: approver.map(|role| Approval {
            role,
            expires: Duration::from_secs(30),
            separate_approver: false,
        }),
        instances: Instances { min: 1, max: 6 },
        cpu_millis: 1_000,
        memory_bytes: 1 << 20,
        concurrency: 10,
        env: BTreeMap::new(),
        secrets: Vec::new(),
        steps: held.chain([last]).collect(),
        guard: guarded.then_some(Guard {
            duration: Duration::from_secs(6),
            action,
        }),
        shield: true,
        lease: Duration::from_millis(LEASE_MS),
        keep: Keep {
            warm: Duration::from_secs(4),
            revisions: 3,
        },
        domains: Vec::new(),
        protocol: Protocol::default(),
        tls: None,
        drain: Duration::from_secs(1),
    }
}
