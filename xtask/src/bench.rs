//! `cargo xtask bench`: measurements of the real binary against the numbers that barq promises. Commands, not tests: they
//! need a quiet machine and minutes.

use std::error::Error;
use std::process::ExitCode;

mod web;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The web UI with a long history: each kind of page, 500 open browsers, the first visit
    Web(web::Arguments),
}

/// Why a measurement could not be made; it may cross threads.
type Failure = Box<dyn Error + Send + Sync>;

/// Runs it: exit code 1 where something is over its budget.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    match &arguments.what {
        What::Web(arguments) => web::run(arguments).map_err(|error| error as Box<dyn Error>),
    }
}
