//! A listener survives the move to another owner, and the end of the giver is noticed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_listener_is_handed_over_and_the_end_is_noticed() {
    let directory = tempfile::tempdir().expect("temporary directory");
    // Longer than a Unix socket's address can be.
    let deep = directory.path().join("d".repeat(120));
    std::fs::create_dir(&deep).expect("created");
    let path = deep.join("up.sock");
    let listener = bind(any_port(), ListenerName::Ingress).expect("bound");
    let address = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect(address).expect("queued before anybody accepts");
    client.write_all(b"x").expect("sent");

    let door = listen_unix(&path).expect("bound");
    let giver = tokio::spawn(async move {
        let (stream, _) = door.accept().await.expect("a child");
        let stream = stream.into_std().expect("std");
        stream.set_nonblocking(false).expect("blocking");
        let wish = read_wish(&stream).expect("a wish");
        hand_over(&stream, &wish, |name| {
            assert_eq!(name, "ingress");
            Some(OwnedFd::from(listener))
        })
        .expect("handed over");
        stream
    });
    let taken = tokio::task::spawn_blocking(move || {
        ListenerSource::Inherited(path).open(ListenerName::Ingress)
    });
    let (taken, up) = taken.await.expect("ran").expect("taken over");
    taken.set_nonblocking(false).expect("blocking");
    let (mut accepted, _) = taken.accept().expect("the queued connection");
    let mut byte = [0; 1];
    accepted.read_exact(&mut byte).expect("what was sent");
    assert_eq!(byte, *b"x");

    drop(giver.await.expect("ran"));
    let closed = up.expect("a connection").closed();
    tokio::time::timeout(Duration::from_secs(5), closed)
        .await
        .expect("noticed");
}

#[test]
fn a_taken_port_names_the_flag() {
    let first = bind(any_port(), ListenerName::Server).expect("bound");
    let address = first.local_addr().expect("bound");
    let error = bind(address, ListenerName::Server).expect_err("in use");
    assert_eq!(
        error.to_string(),
        format!(
            "{address} is in use by another program; stop it, or choose another address with --listen"
        )
    );
}
