//! `cargo xtask bench web`: what the web UI costs with a long history behind it, on the real binary.
//!
//! Three parts: each kind of page (`pages`), many open browsers (`browsers`), the first visit (`visit`). The data is made
//! once (`data`). A figure over its budget is the exit code, so that a build server can hold it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use super::Failure;

mod barq;
mod browsers;
mod client;
mod data;
mod history;
mod journal;
mod numbers;
mod pages;
mod releases;
mod visit;

use barq::Barq;
use browsers::Crowd;
use data::Size;

/// With what.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// This binary instead of a release build; figures of a debug build are upper bounds
    #[arg(long)]
    barq: Option<PathBuf>,
    /// Deliveries in the journal
    #[arg(long, default_value_t = 10_000)]
    deliveries: u64,
    /// Revisions that one service keeps
    #[arg(long, default_value_t = 500)]
    revisions: u32,
    /// Requests of each page
    #[arg(long, default_value_t = 60)]
    samples: u32,
    /// Open browsers
    #[arg(long, default_value_t = 500)]
    browsers: usize,
    /// Seconds in which nothing happens
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// The server's address
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// One part alone
    #[arg(long)]
    only: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Each kind of page
    Pages,
    /// Many open browsers
    Browsers,
    /// The first visit
    Visit,
}

/// Measures: exit code 1 where something is over its budget.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    let binary = match &arguments.barq {
        Some(path) => path.canonicalize()?,
        None => build(&root)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let within = runtime.block_on(measure(arguments, &root, &binary))?;
    Ok(ExitCode::from(u8::from(!within)))
}

fn build(root: &Path) -> Result<PathBuf, Failure> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "barq", "--bin", "barq"])
        .current_dir(root)
        .status()?;
    match status.success() {
        true => Ok(root.join("target/release/barq")),
        false => Err("the release build failed".into()),
    }
}

async fn measure(arguments: &Arguments, root: &Path, binary: &Path) -> Result<bool, Failure> {
    let size = Size {
        deliveries: arguments.deliveries,
        revisions: arguments.revisions,
    };
    let data = data::prepare(root, binary, size, &arguments.listen).await?;
    let barq = Barq::start(binary, &data, &arguments.listen).await?;
    let megabytes = |bytes: u64| bytes / 1_000_000;
    println!(
        "{}\nready {:.2} s after its start, {} MB resident",
        binary.display(),
        barq.ready_after.as_secs_f64(),
        megabytes(barq.resident_bytes()?)
    );
    let wants = |part: Part| arguments.only.is_none_or(|only| only == part);
    let mut within = true;
    if wants(Part::Visit) {
        within &= visit::measure(&barq).await?;
    }
    if wants(Part::Pages) {
        within &= pages::measure(&barq, arguments.samples).await?;
    }
    if wants(Part::Browsers) {
        let crowd = Crowd {
            browsers: arguments.browsers,
            idle: Duration::from_secs(arguments.idle),
        };
        within &= browsers::measure(&barq, crowd).await?;
    }
    println!(
        "\n{} MB resident at the end",
        megabytes(barq.resident_bytes()?)
    );
    barq.end()?;
    Ok(within)
}
