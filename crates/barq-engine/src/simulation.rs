//! A seeded simulation of the whole control loop: the real machine and the real judgement of the node, with a journal, a
//! node's body, a pipeline, users and people that are simulated, and a clock that is a number.
//!
//! A run is a function of its seed: whatever it finds can be told again. First come the troubles (crashes of both sides,
//! storage that fails, outcomes and observations that are late, twice or never), then quiet, in which everything must come
//! to its end. After every step the invariants of the core hold, and those of the node (`node`).

mod check;
mod node;
mod people;
mod random;
mod release;
mod server;
mod trial;

use std::fmt;

use barq_core::event::RollbackCause;
use jiff::{SignedDuration, Timestamp};

use check::Problem;
use node::Node;
use random::Random;
use release::Releases;
use server::Server;

/// Steps with troubles.
const TROUBLED_STEPS: u32 = 70;
/// Steps after them until everything must have come to its end.
const QUIET_STEPS_MAX: u32 = 3_000;
/// The longest pause between two steps, in milliseconds.
const PAUSE_MS_MAX: u64 = 350;
/// 2026-01-01T00:00:00Z, in seconds.
const BEGIN_SECONDS: i64 = 1_767_225_600;

/// What a run was like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps of the simulation.
    pub steps: u32,
    /// Events in the journal at its end.
    pub events: usize,
    /// Deliveries by their last state.
    pub deliveries: Vec<&'static str>,
    /// Crashes of the server and of the node.
    pub crashes: u32,
    /// Trips of canaries.
    pub trips: u64,
    /// Trips that were somebody's word, in place of a rollback that could not be recorded.
    pub recalls: usize,
}

/// A run in which something was wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Replays it.
    pub seed: u64,
    /// What was wrong, one line each.
    pub problem: String,
    /// What happened before, one line each.
    pub story: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "seed {}: {}\nreplay it with: cargo xtask simulate --seed {} --trace",
            self.seed, self.problem, self.seed
        )
    }
}

impl std::error::Error for Failure {}

/// Runs the simulation of one seed; with `tell` the story of a run is kept.
///
/// # Errors
/// What was wrong, with the story so far.
pub fn run(seed: u64, tell: bool) -> Result<(Report, Vec<String>), Box<Failure>> {
    let mut world = World::new(seed, tell);
    match world.live() {
        Ok(report) => Ok((report, world.story.lines)),
        Err(Problem(problem)) => Err(Box::new(Failure {
            seed,
            problem,
            story: world.story.lines,
        })),
    }
}

/// Everything that there is.
struct World {
    random: Random,
    now_ms: u64,
    server: Server,
    node: Node,
    releases: Releases,
    story: Story,
    crashes: u32,
    /// Of the troubled steps.
    steps_left: u32,
    /// Of canaries after them.
    troubles: trial::Troubles,
    /// Somebody has recalled something since the troubles.
    recalled: bool,
}

/// What happened, if anybody wants to know.
struct Story {
    told: bool,
    at_ms: u64,
    lines: Vec<String>,
}

impl Story {
    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.told {
            self.lines.push(format!("{:>8} ms  {}", self.at_ms, line()));
        }
    }
}

impl World {
    fn new(seed: u64, told: bool) -> Self {
        Self {
            random: Random::new(seed),
            now_ms: 0,
            server: Server::default(),
            node: Node::new(),
            releases: Releases::default(),
            story: Story {
                told,
                at_ms: 0,
                lines: Vec::new(),
            },
            crashes: 0,
            steps_left: TROUBLED_STEPS,
            troubles: trial::Troubles::default(),
            recalled: false,
        }
    }

    fn live(&mut self) -> Result<Report, Problem> {
        let mut steps = 0;
        self.begin_well()?;
        while self.steps_left > 0 {
            self.pass();
            self.trouble()?;
            self.go_on(true)?;
            steps += 1;
            self.steps_left -= 1;
        }
        self.story.tell(|| "-- quiet --".to_owned());
        let last = steps + QUIET_STEPS_MAX;
        while steps < last {
            self.pass();
            self.people_let_go()?;
            self.one_recall()?;
            let troubled = self.trouble_trial()?;
            self.go_on(troubled)?;
            steps += 1;
            if self.at_rest() {
                self.check_end()?;
                return Ok(self.report(steps));
            }
        }
        Err(Problem(format!(
            "it does not come to its end: {}",
            self.describe()
        )))
    }

    /// Mostly something serves already when the troubles begin, so that there is a canary to trouble.
    fn begin_well(&mut self) -> Result<(), Problem> {
        self.people_push()?;
        if self.random.one_in(4) {
            return Ok(());
        }
        let troubled = std::mem::take(&mut self.steps_left);
        for _ in 0..QUIET_STEPS_MAX {
            self.pass();
            self.people_let_go()?;
            self.go_on(false)?;
            if self
                .server
                .machine
                .state()
                .deliveries
                .values()
                .all(|it| it.ended())
            {
                break;
            }
        }
        self.steps_left = troubled;
        self.story.tell(|| "-- trouble --".to_owned());
        self.people_push()
    }

    fn pass(&mut self) {
        self.now_ms += 1 + self.random.below(PAUSE_MS_MAX);
        self.story.at_ms = self.now_ms;
    }

    /// What may go wrong in a moment.
    fn trouble(&mut self) -> Result<(), Problem> {
        match self.random.below(40) {
            0 => self.crash_server(),
            1 => self.crash_node()?,
            2 => self.server.storage_fails = !self.server.storage_fails,
            3 => self.node.disk_fails = !self.node.disk_fails,
            4..8 => self.people_act()?,
            9 => {
                self.people_recall()?;
            }
            8 if self.releases.count() < 4 => self.people_push()?,
            _ => {}
        }
        if self.random.one_in(4) {
            (self.server.storage_fails, self.node.disk_fails) = (false, false);
        }
        Ok(())
    }

    /// Most canaries come when the troubles are over: once there is something to take back, it may still be recalled, and
    /// either side may die of it.
    fn one_recall(&mut self) -> Result<(), Problem> {
        if self.recalled || !self.random.one_in(12) || !self.people_recall()? {
            return Ok(());
        }
        self.recalled = true;
        match self.random.below(4) {
            0 => self.crash_server(),
            1 => self.crash_node()?,
            _ => {}
        }
        Ok(())
    }

    /// A moment of everybody's work.
    fn go_on(&mut self, troubled: bool) -> Result<(), Problem> {
        if !troubled {
            (self.server.storage_fails, self.node.disk_fails) = (false, false);
        }
        self.full_disk()?;
        self.node
            .pass(self.now_ms, &mut self.random, &self.releases)?;
        if !self.server.is_up && (!troubled || self.random.one_in(3)) {
            self.start_server()?;
        }
        if self.server.is_up {
            self.begin_effects();
        }
        self.carry_out(troubled)?;
        self.take_outcomes(troubled)?;
        if self.server.is_up && self.random.one_in(2) {
            self.look(troubled)?;
        }
        self.wake()
    }

    fn crash_server(&mut self) {
        if self.server.is_up {
            self.story.tell(|| "the server is killed".to_owned());
            self.crashes += 1;
            self.server.crash();
        }
    }

    fn crash_node(&mut self) -> Result<(), Problem> {
        self.story
            .tell(|| "the node is killed and restarted".to_owned());
        self.crashes += 1;
        self.node.restart(self.now_ms)
    }

    fn now(&self) -> Timestamp {
        let since = SignedDuration::from_millis(i64::try_from(self.now_ms).unwrap_or(i64::MAX));
        Timestamp::from_second(BEGIN_SECONDS)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .saturating_add(since)
            .unwrap_or(Timestamp::MAX)
    }

    fn report(&self, steps: u32) -> Report {
        let state = self.server.machine.state();
        Report {
            steps,
            events: self.server.journal.len(),
            deliveries: state
                .deliveries
                .values()
                .map(|it| it.state_name())
                .collect(),
            crashes: self.crashes,
            trips: state.services.values().map(|it| it.last_trip).sum(),
            recalls: state
                .rollouts
                .values()
                .filter_map(|it| it.rollback.as_ref())
                .filter(|it| matches!(it.cause, RollbackCause::Manual { moved: Some(_), .. }))
                .count(),
        }
    }
}
