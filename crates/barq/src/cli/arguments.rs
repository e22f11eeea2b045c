//! What can be said on the command line, with the help that explains it.

mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::output::Color;

pub use tls::TlsArguments;

/// From git push to production, and back the moment it is bad.
#[derive(Debug, Parser)]
#[command(
    name = "barq",
    version,
    about,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done · 1 the thing failed · 2 wrong usage or configuration · 3 the server can't be reached · 4 not allowed"
)]
pub struct Arguments {
    /// Flags of all commands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of all commands.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The server [default: the git remote `barq`, else http://127.0.0.1:7600]
    #[arg(long, global = true, env = "BARQ_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// The token [default: DATA/admin.token, for a server on this machine]
    #[arg(
        long,
        global = true,
        env = "BARQ_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// The data directory [default: ~/.local/share/barq]
    #[arg(long, global = true, env = "BARQ_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The app [default: the one of the git remote `barq`]
    #[arg(long, global = true, value_name = "NAME")]
    pub app: Option<String>,
    /// Print one JSON document, or one per line where it streams
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results only
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run server and node on this machine
    Up(UpArguments),
    /// Have the running `barq up` replace server and node by the executable that is in its place now; no request is lost
    Upgrade,
    /// Run the control plane alone, under a supervisor of your own
    Server(ProcessArguments),
    /// Run the data plane alone, under a supervisor of your own
    Node(NodeArguments),
    /// Show the whole flow on the example application: one good commit, one bad one
    Demo(DemoArguments),
    /// Write a barq.toml for this repository and add the git remote `barq`
    Init(InitArguments),
    /// Check, show or describe barq.toml
    Config {
        /// Which of them
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Show what is going on and what it waits for
    Status {
        /// The delivery, e.g. shop-12 [default: all that goes on]
        delivery: Option<String>,
    },
    /// Follow a delivery until its end (exit code 0 or 1) or its approval gate (0)
    Watch {
        /// The delivery, e.g. shop-12 [default: the newest]
        delivery: Option<String>,
    },
    /// Approve a delivery at its gate; shows the evidence first
    Approve(GateArguments),
    /// Reject a delivery at its gate
    Reject(GateArguments),
    /// Stop the clock of a rollout's hold; the tripwire stays armed
    Pause {
        /// The rollout, e.g. shop-12-production
        rollout: String,
    },
    /// Let a paused rollout go on
    Resume {
        /// The rollout, e.g. shop-12-production
        rollout: String,
    },
    /// Go to a rollout's next step without waiting
    Promote {
        /// The rollout, e.g. shop-12-production
        rollout: String,
        /// Go to 100 % at once
        #[arg(long)]
        full: bool,
    },
    /// Give a rollout up; its traffic goes back to the stable revision
    Abort {
        /// The rollout, e.g. shop-12-production
        rollout: String,
        /// Why
        #[arg(short, long, value_name = "WHY")]
        message: Option<String>,
    },
    /// Stop a delivery
    Cancel {
        /// The delivery, e.g. shop-12
        delivery: String,
    },
    /// Start the same commit as a new delivery
    Retry {
        /// The delivery, e.g. shop-12
        delivery: String,
        /// Even though it was rolled back before; this is recorded
        #[arg(long)]
        force: bool,
    },
    /// Let nothing enter an environment
    Lock(LockArguments),
    /// Open a locked environment
    Unlock(LockArguments),
    /// Take an environment back to an earlier revision, at once
    Rollback(RollbackArguments),
    /// Check that what runs is what was deployed, and is well
    Verify {
        /// The environment, or a service's full name
        environment: String,
    },
    /// List the revisions of an environment
    Revisions {
        /// The environment, or a service's full name
        environment: String,
    },
    /// Read the logs of an environment
    Logs(LogsArguments),
    /// List incidents, or show the report of one
    Incidents(IncidentsArguments),
    /// Read the journal: who did what, when
    Audit(AuditArguments),
    /// Write journal, images and git repositories into one file
    Backup {
        /// The file to write
        file: PathBuf,
    },
    /// Make a data directory from a backup (the server must not run)
    Restore {
        /// The file that `barq backup` wrote
        file: PathBuf,
    },
    /// Create, list and revoke tokens
    Token {
        /// Which of them
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Print a link that signs a browser in
    Web,
    /// Say what is installed, what is missing and what to do
    Doctor,
}

/// Where `up` listens.
#[derive(Debug, Clone, Args)]
pub struct UpArguments {
    /// Address of API, git and web UI
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7600")]
    pub listen: SocketAddr,
    /// Address of users' requests
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7680")]
    pub ingress: SocketAddr,
    /// The same over TLS
    #[command(flatten)]
    pub tls: TlsArguments,
}

/// Where a process of its own listens.
#[derive(Debug, Clone, Args)]
pub struct ProcessArguments {
    /// Address of API, git and web UI
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7600")]
    pub listen: SocketAddr,
    /// Address of users' requests
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7680")]
    pub ingress: SocketAddr,
    /// Started by `barq up`: the listener comes from there
    #[arg(long, hide = true)]
    pub supervised: bool,
}

/// Where a node listens.
#[derive(Debug, Clone, Args)]
pub struct NodeArguments {
    /// As every process
    #[command(flatten)]
    pub process: ProcessArguments,
    /// Over TLS
    #[command(flatten)]
    pub tls: TlsArguments,
}

/// What `barq demo` can be told.
#[derive(Debug, Clone, Args)]
pub struct DemoArguments {
    /// Which commits to push
    #[arg(long, value_enum, default_value_t = Scenario::Both)]
    pub scenario: Scenario,
    /// End when the story is told: with 0 only if it ended as it should
    #[arg(long)]
    pub exit: bool,
}

/// The commits of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// One that reaches production.
    Good,
    /// One that is caught and taken back.
    Bad,
    /// Both, in this order.
    Both,
}

/// What `barq init` can be told.
#[derive(Debug, Clone, Args)]
pub struct InitArguments {
    /// Name of the service and of the app [default: the directory's name]
    pub name: Option<String>,
}

/// What `barq config` can do.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Validate it
    Check {
        /// The file
        #[arg(default_value = "barq.toml")]
        file: PathBuf,
    },
    /// Print the effective configuration, with every default
    Show {
        /// The file
        #[arg(default_value = "barq.toml")]
        file: PathBuf,
    },
    /// Print its JSON Schema, for editors
    Schema,
}

/// A decision at the gate.
#[derive(Debug, Clone, Args)]
pub struct GateArguments {
    /// The delivery, e.g. shop-12
    pub delivery: String,
    /// Why
    #[arg(short, long, value_name = "WHY")]
    pub message: Option<String>,
}

/// A lock.
#[derive(Debug, Clone, Args)]
pub struct LockArguments {
    /// The environment, or a service's full name
    pub environment: String,
    /// Why
    #[arg(short, long, value_name = "WHY")]
    pub message: String,
}

/// A manual rollback.
#[derive(Debug, Clone, Args)]
pub struct RollbackArguments {
    /// The environment, or a service's full name
    pub environment: String,
    /// The revision to go back to [default: the stable one in a canary, else the one that was stable before]
    #[arg(long, value_name = "REVISION")]
    pub to: Option<String>,
    /// Don't ask
    #[arg(long, short)]
    pub yes: bool,
    /// Why
    #[arg(short, long, value_name = "WHY")]
    pub message: Option<String>,
}

/// Which logs.
#[derive(Debug, Clone, Args)]
pub struct LogsArguments {
    /// The environment, or a service's full name
    pub environment: String,
    /// Wait for more
    #[arg(short, long)]
    pub follow: bool,
    /// Of one revision
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// At least this bad
    #[arg(long, value_enum, ignore_case = true, value_name = "SEVERITY")]
    pub severity: Option<Severity>,
    /// Not older than this: 30s, 10m, 2h, 1d
    #[arg(long, value_name = "DURATION")]
    pub since: Option<String>,
    /// How many lines at most
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 200)]
    pub lines: u32,
}

/// Which incidents.
#[derive(Debug, Clone, Args)]
pub struct IncidentsArguments {
    /// The incident whose report to show
    pub id: Option<String>,
    /// Of one environment
    #[arg(long, value_name = "ENVIRONMENT")]
    pub environment: Option<String>,
}

/// Which part of the journal.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArguments {
    /// Check the journal instead
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    /// What one actor did
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// What was done to one thing: a delivery, a service
    #[arg(long, value_name = "ID")]
    pub subject: Option<String>,
    /// From after this place in the journal (0: from its beginning), instead of the newest
    #[arg(long, value_name = "SEQUENCE")]
    pub after: Option<u64>,
    /// How many events at most
    #[arg(short = 'n', long, value_name = "EVENTS", default_value_t = 100)]
    pub lines: usize,
}

/// How bad a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Severity {
    /// For those who look for the cause
    Debug,
    /// The normal course
    Info,
    /// It may become an error
    Warning,
    /// Something failed
    Error,
}

impl Severity {
    /// As the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// What can be done with the journal.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Check the chain of all events, and heads that were recorded outside
    Verify {
        /// A recorded head, as SEQUENCE:MAC; may be repeated
        #[arg(long, value_name = "HEAD")]
        head: Vec<String>,
    },
}

/// What can be done with tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is shown this one time
    Create {
        /// Whose it is: the actor in the journal; `ME/NAME` is one of your own
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: Role,
    },
    /// List the tokens, without the tokens themselves
    List,
    /// Make a token worthless
    Revoke {
        /// Whose it is
        name: String,
    },
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Push and read
    Developer,
    /// Also approve
    TechLead,
    /// Steer and roll back
    Operator,
    /// Everything
    Admin,
}

impl Role {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::TechLead => "tech-lead",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}
