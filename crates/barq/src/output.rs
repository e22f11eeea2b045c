//! How the command line speaks: text for people, JSON for programs, and an exit code for both.
//!
//! Results go to standard output, everything about the run (progress, warnings, errors) to standard error, so that a
//! pipe gets results only. Colour is for terminals; `anstream` takes it away elsewhere. Every error says what failed,
//! why, and what to do.
//!
//! It must not know what any command does.

pub mod table;
#[cfg(test)]
mod tests;
pub mod text;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
pub use barq_engine::chain;
use serde::Serialize;

/// How a command ended, as its exit code. These numbers are relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done: 0.
    Done,
    /// The thing failed: a check, a rollout, a verification: 1.
    Failed,
    /// Wrong usage or configuration: 2.
    Usage,
    /// The server cannot be reached: 3.
    Unreachable,
    /// Not allowed: 4.
    NotAllowed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::NotAllowed => 4,
        })
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, as a sentence without a full stop.
    pub what: String,
    /// Why.
    pub why: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a reason or a hint yet.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            why: None,
            hint: None,
        }
    }

    /// The thing failed.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// Wrong usage or configuration.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let why: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        let failure = Self::failed(error.to_string());
        match why.is_empty() {
            true => failure,
            false => failure.because(why.join(": ")),
        }
    }
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How to print.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// As the global flags say. Also sets the process's choice of colour.
    pub fn new(json: bool, quiet: bool, color: Color) -> Self {
        let choice = match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        Self { json, quiet }
    }

    /// Whether JSON is wanted.
    pub fn json(self) -> bool {
        self.json
    }

    /// Whether a person sits in front of standard output.
    pub fn interactive(self) -> bool {
        !self.json && !self.quiet && std::io::stdout().is_terminal()
    }

    /// A result for programs: one JSON document, on one line where it is one of several.
    pub fn document(self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => line(&text),
            Err(error) => {
                self.warn(&format!("cannot write JSON: {error}"));
            }
        }
    }

    /// A result for people.
    pub fn text(self, text: &str) {
        line(text);
    }

    /// A result in the form that is wanted.
    pub fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            self.document(value);
        } else {
            self.text(&text());
        }
    }

    /// Something that is good to know; silent with `--quiet`, and on standard error where standard output is JSON.
    pub fn note(self, text: &str) {
        if self.quiet {
            return;
        }
        if self.json {
            error_line(text);
        } else {
            line(text);
        }
    }

    /// Something that is good to know about a result, beside it: on standard error. Silent with `--quiet`.
    pub fn aside(self, text: &str) {
        if !self.quiet {
            error_line(text);
        }
    }

    /// Something that is wrong but does not end the command.
    pub fn warn(self, text: &str) {
        let style = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
        error_line(&format!("{style}warning:{style:#} {text}"));
    }

    /// Why the command failed: what, why, what to do.
    pub fn failure(self, failure: &Failure) {
        if self.json {
            self.document(&serde_json::json!({
                "error": {"what": failure.what, "why": failure.why, "hint": failure.hint},
            }));
        }
        let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
        let mut text = format!("{red}error:{red:#} {}", failure.what);
        if let Some(why) = &failure.why {
            text.push_str(&format!("\n  why: {}", text::indent(why, "       ")));
        }
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("\n  try: {}", text::indent(hint, "       ")));
        }
        error_line(&text);
    }
}

/// A reader that went away (`| head`) is no error of ours; there is nobody to tell.
fn line(text: &str) {
    drop(writeln!(anstream::stdout(), "{text}"));
}

fn error_line(text: &str) {
    drop(writeln!(anstream::stderr(), "{text}"));
}
