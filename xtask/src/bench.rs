//! `cargo xtask bench`: measurements of the real binary against the numbers that barq promises. Commands, not tests: they
//! need a quiet machine and minutes.

use std::error::Error;
use std::process::ExitCode;

mod proxy;
mod web;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// barq's proxy beside others on this machine: speed, processor time, latency, memory
    Proxy(proxy::Arguments),
    /// The web UI with a long history: each kind of page, 500 open browsers, the first visit
    Web(web::Arguments),
}

/// Why a measurement could not be made; it may cross threads.
type Failure = Box<dyn Error + Send + Sync>;

/// Runs it: exit code 1 where something is over its budget, or barq does not do what it is measured at.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let outcome = match &arguments.what {
        What::Proxy(arguments) => proxy::run(arguments),
        What::Web(arguments) => web::run(arguments),
    };
    outcome.map_err(|error| error as Box<dyn Error>)
}
