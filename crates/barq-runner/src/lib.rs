//! Runs checks and builds in child processes and streams their output.
//!
//! A run is known by its key: asked for twice it runs once, asked for after its end it is remembered, asked for after
//! `kill -9` of the server it is found again, since every process runs under a shim and every fact is a file:
//!
//! ```text
//! <directory>/runs/<key>/       request.json, shim-<n>/, bundle/, cancelled, result.json (in this order)
//! <directory>/work/<app>/<check>/    the clone of the commit, at the same path each time, so that caches work
//! <directory>/cache/<app>/<check>/   its `cache` directories while it does not run
//! <directory>/home, temporary, times its HOME, its TMPDIR, and the file times of its previous run
//! ```
//!
//! It must not know deliveries, pipelines or who waits for a result; whether a check is skipped is its caller's business.

pub mod api;
mod bundle;
mod caches;
mod confine;
mod drive;
mod error;
mod git;
mod request;
mod runner;
mod settings;
mod store;
mod times;
mod work;
