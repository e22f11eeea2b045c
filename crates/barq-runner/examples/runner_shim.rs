//! A program that is nothing but a shim: what the runner's tests start.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    barq_shim::run(&arguments)
}
