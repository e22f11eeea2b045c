//! The process: reads the configuration, starts the log, serves until a signal. All else is in the library, where tests
//! reach it.

use std::io::{Write, stdout};
use std::process::ExitCode;

use fleet::config::Config;
use fleet::{logging, server};

fn main() -> ExitCode {
    let config = match Config::from_lookup(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return fail("configuration", &error),
    };
    logging::install(&config.log_levels, Box::new(stdout()));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail("starting the runtime", &error),
    };
    match runtime.block_on(server::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("serving", &error),
    }
}

/// The last words of a process that cannot go on: one log line in the usual form, which needs no logger to be installed.
fn fail(what: &str, error: &dyn std::error::Error) -> ExitCode {
    let line = logging::line("CRITICAL", &format!("{what}: {}", logging::with_sources(error)));
    if stdout().write_all(line.as_bytes()).is_err() {
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}
