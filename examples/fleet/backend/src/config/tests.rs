//! The configuration as tables: variables in, value or message out.

use super::*;

const DATABASE: (&str, &str) = ("DATABASE_URL", "postgres://fleet:secret@db.internal:5432/fleet");

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_lookup(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn defaults_follow_the_container_contract() {
    let config = read(&[DATABASE]).unwrap();
    assert_eq!((config.host.to_string(), config.port), ("0.0.0.0".to_owned(), 8080));
    assert_eq!(config.database_pool_connections_max, DATABASE_POOL_CONNECTIONS_DEFAULT);
    assert_eq!(config.static_directory, PathBuf::from("static"));
    assert_eq!((config.service, config.revision), (None, None));
}

#[test]
fn values_are_taken() {
    let config = read(&[DATABASE, ("HOST", "127.0.0.1"), ("PORT", "9000"), ("K_REVISION", "fleet-00002")]).unwrap();
    assert_eq!((config.host.to_string(), config.port), ("127.0.0.1".to_owned(), 9000));
    assert_eq!(config.revision.as_deref(), Some("fleet-00002"));
}

#[test]
fn bad_values_are_named_and_never_shown() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "DATABASE_URL is not set"),
        (&[("DATABASE_URL", "  ")], "DATABASE_URL is not set"),
        (&[("DATABASE_URL", "mysql://u:hunter2@h/d")], "DATABASE_URL cannot be used"),
        (&[("DATABASE_URL", "hunter2")], "DATABASE_URL cannot be used"),
        (&[DATABASE, ("PORT", "80800")], "PORT cannot be used"),
        (&[DATABASE, ("HOST", "here")], "HOST cannot be used"),
        (&[DATABASE, ("DATABASE_POOL_MAX", "0")], "DATABASE_POOL_MAX cannot be used"),
        (&[DATABASE, ("LOG_LEVEL", "a=b=c")], "LOG_LEVEL cannot be used"),
    ];
    for (variables, expected) in cases {
        let message = read(variables).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{variables:?}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}
