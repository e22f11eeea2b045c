//! BARQ Fleet Management: an HTTP API on PostgreSQL for vehicles, couriers, deliveries and the assignments that join them.
//!
//! `domain` holds the rules and knows neither HTTP nor SQL; `store` is the SQL; `routes` is the HTTP; `server` puts them
//! together. It is a library so that the tests drive the very router that the binary serves; they are in it, since one test
//! binary builds in half the time of two.

pub mod config;
pub mod domain;
mod extract;
mod health;
pub mod logging;
mod problem;
mod process;
mod request;
mod routes;
pub mod server;
pub mod state;
pub mod store;
#[cfg(test)]
mod tests;
