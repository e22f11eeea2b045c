//! The executable: finds out which of its processes this is.
//!
//! A shim leads every instance and every check, and a hook runs at every push, so both start without a runtime and
//! without the command line's definitions.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(OsStr::to_str) {
        Some("shim") => barq_shim::run(&arguments.collect::<Vec<OsString>>()),
        Some("hook") => hook(arguments.next().as_deref()),
        _ => barq::cli::main(),
    }
}

fn hook(name: Option<&OsStr>) -> ExitCode {
    match name.and_then(OsStr::to_str) {
        Some("post-receive") => {
            barq::git::run_post_receive();
            ExitCode::SUCCESS
        }
        // Only barq's own hook script calls this.
        _ => ExitCode::from(2),
    }
}
