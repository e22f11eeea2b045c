//! `cargo xtask simulate`: any number of seeds of the engine's simulation, or the whole story of one.
//!
//! The tests run a fixed number; this is for the nights, and for looking at a seed that failed.

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use barq_engine::simulation::{self, Failure, Report};

/// Which seeds.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 10_000, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// This one alone
    #[arg(long)]
    seed: Option<u64>,
    /// Tell what happens in it
    #[arg(long, requires = "seed")]
    trace: bool,
}

/// Runs the simulation: exit code 1 where a seed fails.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    match arguments.seed {
        Some(seed) => Ok(one(seed, arguments.trace)),
        None => many(arguments.from, arguments.seeds),
    }
}

fn one(seed: u64, trace: bool) -> ExitCode {
    match simulation::run(seed, trace) {
        Ok((report, story)) => {
            tell(&story);
            println!("seed {seed}: {report:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            tell(&failure.story);
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn tell(story: &[String]) {
    for line in story {
        println!("{line}");
    }
}

/// What all seeds were like together.
#[derive(Default)]
struct Sum {
    seeds: u64,
    steps: u64,
    events: u64,
    deliveries: u64,
    crashes: u64,
    trips: u64,
    recalls: usize,
    failures: Vec<Failure>,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.steps += u64::from(report.steps);
        self.events += report.events as u64;
        self.deliveries += report.deliveries.len() as u64;
        self.crashes += u64::from(report.crashes);
        self.trips += report.trips;
        self.recalls += report.recalls;
    }

    fn join(mut self, other: Self) -> Self {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.events += other.events;
        self.deliveries += other.deliveries;
        self.crashes += other.crashes;
        self.trips += other.trips;
        self.recalls += other.recalls;
        self.failures.extend(other.failures);
        self
    }
}

fn many(from: u64, seeds: u64) -> Result<ExitCode, Box<dyn Error>> {
    let end = from
        .checked_add(seeds)
        .ok_or("there are not so many seeds")?;
    let next = AtomicU64::new(from);
    let sum = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&next, end)))
            .collect();
        let sums = workers.into_iter().map(thread::ScopedJoinHandle::join);
        sums.collect::<Result<Vec<_>, _>>()
    })
    .map_err(|_panic| "a seed panicked; its message is above")?
    .into_iter()
    .fold(Sum::default(), Sum::join);
    for failure in &sum.failures {
        println!("{failure}\n");
    }
    println!(
        "{} seeds passed, {} failed: {} steps, {} events, {} deliveries, {} crashes, {} trips, {} recalls",
        sum.seeds,
        sum.failures.len(),
        sum.steps,
        sum.events,
        sum.deliveries,
        sum.crashes,
        sum.trips,
        sum.recalls
    );
    Ok(ExitCode::from(u8::from(!sum.failures.is_empty())))
}

/// Failures of one worker after which it stops: they are likely the same one.
const FAILURES_MAX: usize = 5;

fn work(next: &AtomicU64, end: u64) -> Sum {
    let mut sum = Sum::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || sum.failures.len() >= FAILURES_MAX {
            return sum;
        }
        match simulation::run(seed, false) {
            Ok((report, _)) => sum.add(&report),
            Err(failure) => sum.failures.push(*failure),
        }
    }
}
