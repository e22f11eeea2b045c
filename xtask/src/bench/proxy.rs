//! `cargo xtask bench proxy`: barq's node beside other proxies, on one machine, in one run.
//!
//! Only ratios of one run mean something: all proxies have the same back ends, the same split of 90 to 10, as many threads,
//! and their rounds alternate, so that whatever else the machine does meets all of them. Load, proxy and back end share the
//! machine's cores and nothing is pinned. The scenarios are data (`scenario`), and so are the other proxies (`peers`).

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::builder::PossibleValuesParser;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;

mod barq;
mod client;
mod contestant;
mod idle;
mod load;
mod measure;
mod outcome;
mod peers;
mod place;
mod process;
mod report;
mod scenario;

use measure::Bench;
use peers::{PEERS, Peer};
use place::Place;
use scenario::{SCENARIOS, Scenario};

/// With what.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// This binary instead of `target/release/barq`
    #[arg(long, value_name = "PATH")]
    barq: Option<PathBuf>,
    /// These proxies beside it, instead of all that are installed
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(PEERS.map(|peer| peer.name)))]
    peers: Option<Vec<String>>,
    /// These scenarios instead of all
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(SCENARIOS.map(|scenario| scenario.name)))]
    scenario: Vec<String>,
    /// Rounds of each proxy in each scenario; the figures are their medians
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each round
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Write the tables into this file, between its marks
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The day that the file shall say, instead of today
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<jiff::civil::Date>,
}

/// Measures: exit code 1 where barq failed in a scenario.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let barq = binary(arguments.barq.as_deref(), &root)?;
    let peers = chosen_peers(arguments.peers.as_deref())?;
    for program in ["wrk", "h2load", "openssl"] {
        if peers::find(program).is_none() {
            return Err(format!("{program} is not installed; run: scripts/setup bench").into());
        }
    }
    let backend = build_backend(&root)?;
    raise_descriptors()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let passed = runtime.block_on(async {
        // Whatever was started ends with the measurement, however that ends.
        tokio::select! {
            passed = measure_all(arguments, &barq, peers, &backend) => passed,
            interrupted = interrupted() => match interrupted {
                Ok(()) => Err("interrupted; everything that was started has been ended".into()),
                Err(error) => Err(error),
            },
        }
    })?;
    Ok(ExitCode::from(u8::from(!passed)))
}

async fn measure_all(
    arguments: &Arguments,
    barq: &Path,
    peers: Vec<Peer>,
    backend: &Path,
) -> Result<bool, Failure> {
    let header = report::header(
        barq,
        &peers,
        arguments.date,
        arguments.rounds,
        arguments.seconds,
    )?;
    println!("{}\n", header.join("\n"));
    let bench = Bench {
        place: Place::prepare(backend)?,
        barq: barq.to_owned(),
        peers,
        threads: std::thread::available_parallelism()?.get(),
        rounds: arguments.rounds,
        seconds: arguments.seconds,
    };
    let mut outcomes = Vec::new();
    let wanted = |scenario: &&Scenario| {
        arguments.scenario.is_empty() || arguments.scenario.iter().any(|name| name == scenario.name)
    };
    for scenario in SCENARIOS.iter().filter(wanted) {
        let outcome = bench.measure(scenario).await?;
        println!("{}", outcome.text());
        outcomes.push(outcome);
    }
    if let Some(file) = &arguments.markdown {
        report::write(file, &header, &outcomes)?;
        println!("written to {}", file.display());
    }
    Ok(!outcomes.iter().any(outcome::Outcome::failed))
}

async fn interrupted() -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Never built here: it takes minutes, and a benchmark should not keep the machine busy before it begins.
fn binary(asked: Option<&Path>, root: &Path) -> Result<PathBuf, Failure> {
    let path = asked.map_or_else(|| root.join("target/release/barq"), Path::to_owned);
    path.canonicalize().map_err(|error| {
        let path = path.display();
        format!("there is no barq to measure at {path} ({error}); run: cargo build --release -p barq, or name another with --barq").into()
    })
}

fn chosen_peers(asked: Option<&[String]>) -> Result<Vec<Peer>, Failure> {
    let mut chosen = Vec::new();
    for peer in PEERS {
        let named = asked.is_some_and(|names| names.iter().any(|name| name == peer.name));
        match (named || asked.is_none(), peer.program()) {
            (true, Some(_)) => chosen.push(peer),
            (true, None) if named => {
                return Err(
                    format!("{} is not installed; run: scripts/setup bench", peer.name).into(),
                );
            }
            (true, None) => {
                eprintln!(
                    "{} is not installed and left out; run: scripts/setup bench",
                    peer.name
                );
            }
            (false, _) => {}
        }
    }
    Ok(chosen)
}

/// With optimisations, which the commands of this crate do without.
fn build_backend(root: &Path) -> Result<PathBuf, Failure> {
    let package = "bench-backend";
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package", package])
        .current_dir(root)
        .status()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    match status.success() {
        true => Ok(target.join("release").join(package)),
        false => Err("the back end could not be built".into()),
    }
}

/// As many as the system lets us have: thousands of connections on either side. All that is started inherits it.
fn raise_descriptors() -> Result<(), Failure> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
