//! Commands for those who change barq: `cargo xtask <command>`. One file for each, with its own `Arguments` and `run`.
//!
//! They are Rust, not scripts, so that they are checked like the rest and share its code. Users never need them.

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod simulate;
mod tidy;

/// Commands for those who change barq.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the real binary against the numbers that it promises
    Bench(bench::Arguments),
    /// Run seeds of the simulation: crashes, losses and people at any moment, checked in every step
    Simulate(simulate::Arguments),
    /// Check the house rules that the compiler does not: crate imports, charters, lengths, banned words
    Tidy(tidy::Arguments),
}

/// What a command ends with: its exit code, or why it could not do its work.
type Outcome = Result<ExitCode, Box<dyn Error>>;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Tidy(arguments) => tidy::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            eprintln!("  because: {error}");
            cause = error.source();
        }
        ExitCode::from(2)
    })
}
