//! The journal's one test suite, run on both databases.
//!
//! SQLite always; PostgreSQL where `BARQ_TEST_POSTGRES_URL` names a server (`scripts/test` starts one), each test in a schema of its
//! own. Where it does not, each of those tests says that it was not run.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

/// Makes each test once per database.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(crate::support::Server::Sqlite).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if let Some(server) = crate::support::Server::postgres() {
                        super::$test(server).await;
                    }
                }
            )*
        }
    };
}

mod appending;
mod connection;
mod crash;
mod damage;
mod models;
mod reading;
mod speed;
mod tampering;
mod transfer;
