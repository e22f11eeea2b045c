//! Locks and lost connections: clear errors, known outcomes, nothing half written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use barq_engine::journal::{AppendError, Head, StorageError};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Place, Server, assert_intact, batch, fill, open_at};

on_both!(a_held_lock_is_a_clear_error, a_lost_commit_is_resolved);

async fn a_held_lock_is_a_clear_error(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let head = fill(&writer, 1).await;
    let locked = match &server {
        Server::Sqlite => {
            let mut holder = SqliteConnection::connect(&place.url()).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE")
                .execute(&mut holder)
                .await
                .unwrap();
            let locked = writer.append(head, batch([2])).await;
            // Readers go on.
            assert_eq!(writer.journal().read(0, 10).await.unwrap().len(), 1);
            holder.close().await.unwrap();
            locked
        }
        Server::Postgres { .. } => {
            let mut holder = PgConnection::connect(&place.url()).await.unwrap();
            let hold = "BEGIN; SELECT epoch FROM journal_head FOR UPDATE";
            sqlx::raw_sql(hold).execute(&mut holder).await.unwrap();
            let locked = writer.append(head, batch([2])).await;
            assert_eq!(writer.journal().read(0, 10).await.unwrap().len(), 1);
            holder.close().await.unwrap();
            locked
        }
    };
    assert!(
        matches!(
            locked,
            Err(AppendError::Storage(StorageError::Locked { .. }))
        ),
        "{locked:?}"
    );
    writer.append(head, batch([2])).await.unwrap();
    assert_intact(&writer.journal()).await;
    place.end().await;
}

/// What the proxy does with the next `COMMIT`.
const PASS: u8 = 0;
/// Passes it on, but loses the answer: it took effect.
const LOSE_ANSWER: u8 = 1;
/// Loses it, and leaves the server waiting in the open transaction.
const LOSE_COMMIT: u8 = 2;

async fn a_lost_commit_is_resolved(server: Server) {
    let Server::Postgres { url } = &server else {
        // Nothing lies between SQLite and its file.
        return;
    };
    let place = server.place().await;
    let mode = Arc::new(AtomicU8::new(PASS));
    let writer = open_at(through_proxy(&place, url, Arc::clone(&mode)).await)
        .await
        .take_ownership()
        .await
        .unwrap();
    let head = writer.append(Head::EMPTY, batch([1])).await.unwrap().head;

    mode.store(LOSE_ANSWER, Ordering::SeqCst);
    let head = writer.append(head, batch([2])).await.unwrap().head;
    assert_eq!(head.sequence, 2);

    // The server ends the orphan after a while; until then its lock keeps the outcome open.
    mode.store(LOSE_COMMIT, Ordering::SeqCst);
    match writer.append(head, batch([3])).await {
        Err(AppendError::OutcomeUnknown {
            after, batch: id, ..
        }) => {
            let resolved = loop {
                match writer.resolve(after, id).await {
                    Err(StorageError::Locked { .. }) => {}
                    resolved => break resolved,
                }
            };
            assert!(!resolved.unwrap());
        }
        Err(AppendError::Storage(StorageError::Disconnected { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(writer.journal().head().await.unwrap(), head);
    writer.append(head, batch([3])).await.unwrap();
    assert_intact(&writer.journal()).await;
    place.end().await;
}

/// The address of the place's database by way of a proxy on a loopback port.
async fn through_proxy(place: &Place, url: &str, mode: Arc<AtomicU8>) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, server) = authority.rsplit_once('@').unwrap_or(("", authority));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = if server.contains(':') {
        server.to_owned()
    } else {
        format!("{server}:5432")
    };
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(proxy(client, server, Arc::clone(&mode)));
        }
    });
    let user = if user.is_empty() {
        String::new()
    } else {
        format!("{user}@")
    };
    place.in_schema(&format!("{scheme}://{user}127.0.0.1:{port}{path}"))
}

async fn proxy(client: TcpStream, server: TcpStream, mode: Arc<AtomicU8>) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(relay(from_server, to_client));
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(bytes @ 1..) = from_client.read(&mut buffer).await {
        let lost = buffer[..bytes]
            .windows(7)
            .any(|window| window == b"COMMIT\0");
        let mode = if lost {
            mode.swap(PASS, Ordering::SeqCst)
        } else {
            PASS
        };
        match mode {
            PASS => to_server.write_all(&buffer[..bytes]).await.unwrap(),
            LOSE_ANSWER => {
                answers.abort();
                drop(answers.await);
                to_server.write_all(&buffer[..bytes]).await.unwrap();
                return;
            }
            _ => {
                // Both halves towards the client end; the one towards the server stays until the server gives up.
                drop(from_client);
                answers.abort();
                drop(answers.await);
                wait_for_end(to_server).await;
                return;
            }
        }
    }
}

async fn relay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // A connection that breaks is what this is for.
    drop(tokio::io::copy(&mut from, &mut to).await);
}

async fn wait_for_end(server: OwnedWriteHalf) {
    // Held, and never written to: only the server can end its transaction.
    std::future::pending::<()>().await;
    drop(server);
}
