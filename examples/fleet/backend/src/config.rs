//! What the process is told from outside: environment variables, as Cloud Run's container contract has them. Parsed once,
//! at the start, so that a missing or bad value ends the process with its name instead of failing a request later.
//! Knows nothing of what the values are used for.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use thiserror::Error;
use tracing_subscriber::filter::Targets;

/// Connections that one instance keeps to the database, unless `DATABASE_POOL_MAX` says otherwise: ten instances stay well
/// under PostgreSQL's default limit of 100.
pub const DATABASE_POOL_CONNECTIONS_DEFAULT: u32 = 8;

const DATABASE_POOL_CONNECTIONS_MAX: u32 = 500;
const PORT_DEFAULT: u16 = 8080;

/// Everything the process is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on (`HOST`, default all).
    pub host: IpAddr,
    /// Port to listen on (`PORT`).
    pub port: u16,
    /// How to reach the database (`DATABASE_URL`).
    pub database: PgConnectOptions,
    /// Size of the connection pool (`DATABASE_POOL_MAX`), connections.
    pub database_pool_connections_max: u32,
    /// Directory of the web front end (`STATIC_DIR`, default `static`).
    pub static_directory: PathBuf,
    /// What is logged (`LOG_LEVEL`, e.g. `info` or `info,sqlx=debug`).
    pub log_levels: Targets,
    /// Name of the service (`K_SERVICE`).
    pub service: Option<String>,
    /// Name of the revision (`K_REVISION`): what a deployment compares to know which version answered.
    pub revision: Option<String>,
}

/// A value that is missing or cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A variable without which there is no service.
    #[error("{name} is not set: {hint}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A variable with a value that cannot be used. The value is not shown, it may be a secret.
    #[error("{name} cannot be used: it must be {expected}")]
    Bad {
        /// The variable.
        name: &'static str,
        /// What would do.
        expected: &'static str,
    },
}

impl Config {
    /// Reads the configuration through `lookup` (the environment, or a table in tests). An empty value counts as not set.
    ///
    /// # Errors
    /// The first variable that is missing or bad.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let database = get("DATABASE_URL").ok_or(ConfigError::Missing {
            name: "DATABASE_URL",
            hint: "set it to postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        })?;
        Ok(Self {
            host: parse("HOST", get("HOST"), "an IP address")?.unwrap_or(IpAddr::from([0, 0, 0, 0])),
            port: parse("PORT", get("PORT"), "a port number")?.unwrap_or(PORT_DEFAULT),
            database: parse("DATABASE_URL", Some(database.clone()), DATABASE_URL_EXPECTED)?
                .filter(|_| has_postgres_scheme(&database))
                .ok_or(ConfigError::Bad { name: "DATABASE_URL", expected: DATABASE_URL_EXPECTED })?,
            database_pool_connections_max: pool_connections(get("DATABASE_POOL_MAX"))?,
            static_directory: get("STATIC_DIR").unwrap_or_else(|| "static".to_owned()).into(),
            log_levels: parse("LOG_LEVEL", get("LOG_LEVEL"), "a level such as info or debug")?
                .unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO)),
            service: get("K_SERVICE"),
            revision: get("K_REVISION"),
        })
    }
}

const DATABASE_URL_EXPECTED: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";

fn has_postgres_scheme(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn parse<T: FromStr>(
    name: &'static str,
    value: Option<String>,
    expected: &'static str,
) -> Result<Option<T>, ConfigError> {
    value.map(|value| value.trim().parse().map_err(|_| ConfigError::Bad { name, expected })).transpose()
}

fn pool_connections(value: Option<String>) -> Result<u32, ConfigError> {
    let (name, expected) = ("DATABASE_POOL_MAX", "a number from 1 to 500");
    match parse(name, value, expected)? {
        None => Ok(DATABASE_POOL_CONNECTIONS_DEFAULT),
        Some(count @ 1..=DATABASE_POOL_CONNECTIONS_MAX) => Ok(count),
        Some(_) => Err(ConfigError::Bad { name, expected }),
    }
}

#[cfg(test)]
mod tests;
