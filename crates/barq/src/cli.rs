//! The command line: what can be said, and who does it.
//!
//! Commands, flags and exit codes are relied upon by scripts and are only added to. Each command is a function of
//! [`Context`] in a file of its own. Everything but the processes and the offline commands is a client of the API.

mod arguments;
mod audit;
mod backup;
mod config;
mod context;
mod delivery_text;
mod discovery;
mod doctor;
mod gate;
mod incidents;
mod init;
mod logs;
mod processes;
mod restore;
mod rollback;
mod services;
mod status;
mod steer;
#[cfg(test)]
mod tests;
mod tokens;
mod upgrade;
mod verify;
mod watch;
mod web;

use std::process::ExitCode;

use clap::Parser as _;

pub use arguments::{Arguments, Command, DemoArguments, Global, Scenario};
pub use context::Context;
pub(crate) use delivery_text::story_line;
pub(crate) use web::link as sign_in_link;

use crate::output::{Exit, Failure, Output};
use arguments::ConfigCommand;

pub use arguments::TlsArguments;

/// The command line's main function.
pub fn main() -> ExitCode {
    // Prints help, version and usage errors by itself; a usage error is exit code 2.
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let exit = match error.use_stderr() {
                true => Exit::Usage,
                false => Exit::Done,
            };
            // Nobody reads it: nothing to be done.
            drop(error.print());
            return exit.into();
        }
    };
    let global = &arguments.global;
    let output = Output::new(global.json, global.quiet, global.color);
    let context = Context::new(arguments.global, output);
    match execute(&context, arguments.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

/// A server and a node use all cores; a client needs one thread.
fn execute(context: &Context, command: Command) -> Result<Exit, Failure> {
    let mut builder = match &command {
        Command::Server(_) | Command::Node(_) | Command::Up(_) => {
            processes::log_to_stderr();
            tokio::runtime::Builder::new_multi_thread()
        }
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("cannot start a runtime").because(error.to_string()))?;
    runtime.block_on(dispatch(context, command))
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Up(arguments) => processes::up(context, &arguments).await,
        Command::Server(arguments) => processes::server(context, &arguments).await,
        Command::Node(arguments) => processes::node(context, &arguments).await,
        Command::Upgrade => upgrade::upgrade(context).await,
        Command::Demo(arguments) => crate::demo::demo(context, &arguments).await,
        Command::Init(arguments) => init::init(context, &arguments),
        Command::Config { command } => match command {
            ConfigCommand::Check { file } => config::check(context, &file),
            ConfigCommand::Show { file } => config::show(context, &file),
            ConfigCommand::Schema => config::schema(context),
        },
        Command::Status { delivery } => status::status(context, delivery).await,
        Command::Watch { delivery } => watch::watch(context, delivery).await,
        Command::Approve(arguments) => gate::approve(context, &arguments).await,
        Command::Reject(arguments) => gate::reject(context, &arguments).await,
        Command::Pause { rollout } => steer::pause(context, &rollout).await,
        Command::Resume { rollout } => steer::resume(context, &rollout).await,
        Command::Promote { rollout, full } => steer::promote(context, &rollout, full).await,
        Command::Abort { rollout, message } => steer::abort(context, &rollout, message).await,
        Command::Cancel { delivery } => steer::cancel(context, &delivery).await,
        Command::Retry { delivery, force } => steer::retry(context, &delivery, force).await,
        Command::Lock(arguments) => services::lock(context, &arguments).await,
        Command::Unlock(arguments) => services::unlock(context, &arguments).await,
        Command::Rollback(arguments) => rollback::rollback(context, &arguments).await,
        Command::Verify { environment } => verify::verify(context, &environment).await,
        Command::Revisions { environment } => services::revisions(context, &environment).await,
        Command::Logs(arguments) => logs::logs(context, &arguments).await,
        Command::Incidents(arguments) => incidents::incidents(context, &arguments).await,
        Command::Audit(arguments) => audit::audit(context, &arguments).await,
        Command::Backup { file } => backup::backup(context, &file).await,
        Command::Restore { file } => restore::restore(context, &file).await,
        Command::Token { command } => tokens::token(context, command).await,
        Command::Web => web::web(context).await,
        Command::Doctor => doctor::doctor(context).await,
    }
}
