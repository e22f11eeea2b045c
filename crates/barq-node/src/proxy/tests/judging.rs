//! Tripwire, shield and what counts as an error, from the client's and the back end's side.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::harness::{Backend, HOST, Stack, reply};
use crate::api::CanaryState;
use crate::control::tests::{configuration, trial};
use crate::proxy::ProxyLimits;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_canary_that_always_fails_hurts_nobody_and_gets_nothing_after_the_trip() {
    const LIMIT: u64 = 5;
    const CLIENTS: u64 = 32;
    let stable = Backend::always(200, "ok").await;
    let canary = Backend::always(500, "broken").await;
    let stack = Arc::new(Stack::with(&stable, &canary, trial(1, 50, Some(LIMIT))).await);
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (stack, done) = (Arc::clone(&stack), Arc::clone(&done));
            tokio::spawn(async move {
                let mut client = stack.client().await;
                while !done.load(SeqCst) {
                    let read = client.send(Method::GET, HOST, "/", "").await.unwrap();
                    assert_eq!((read.status, read.body.as_ref()), (200, b"ok".as_slice()));
                }
            })
        })
        .collect();
    let seen = stack.until("the trip", |seen| seen.trip.is_some()).await;
    let trip = seen.trip.unwrap();
    // What was admitted before the trip may still arrive; when none is in flight, the count is final.
    stack
        .until("nothing in flight", |seen| {
            seen.revisions["canary"].in_flight == 0
        })
        .await;
    let (at_the_end_of_flight, before) = (canary.count(), stable.count());
    while stable.count() < before + 2000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    done.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(
        canary.count(),
        at_the_end_of_flight,
        "no request starts on the canary after the trip"
    );
    assert!(
        canary.count() <= LIMIT + trip.in_flight,
        "{} errors, {trip:?}",
        canary.count()
    );
    assert_eq!((trip.errors, trip.number), (LIMIT, 1));
    let seen = stack.observe();
    let observed = seen.canary.unwrap();
    assert_eq!(observed.state, CanaryState::Tripped);
    assert_eq!(
        (observed.errors, observed.shielded),
        (canary.count(), canary.count()),
        "each error was shielded"
    );
    assert_eq!(observed.clients, 1);
    let (evidence, failures) = stack
        .services
        .evidence("shop-production", "canary")
        .unwrap();
    assert_eq!(
        (evidence.endpoints[0].status, evidence.endpoints[0].count),
        (500, canary.count())
    );
    assert!(
        failures
            .iter()
            .all(|failure| failure.shielded && failure.method == "GET")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_safe_requests_are_shielded_and_tagged_ones_never() {
    let (stable, canary) = (
        Backend::always(200, "ok").await,
        Backend::always(503, "").await,
    );
    let stack = Stack::with(&stable, &canary, trial(1, 100, None)).await;
    let mut client = stack.client().await;
    let cases = [
        (Method::GET, "", 200),
        (Method::HEAD, "", 200),
        (Method::OPTIONS, "", 200),
        (Method::POST, "x", 503),
        (Method::GET, "x", 503),
        (Method::DELETE, "", 503),
    ];
    for (method, body, status) in cases {
        let read = client.send(method.clone(), HOST, "/", body).await.unwrap();
        assert_eq!(read.status, status, "{method} {body}");
    }
    let tagged = stack
        .get("tag-canary---shop-production.localhost", "/")
        .await;
    assert_eq!(tagged.status, 503);
    let seen = stack
        .until("all counted", |seen| {
            seen.canary
                .as_ref()
                .is_some_and(|canary| canary.requests == 6)
        })
        .await;
    let observed = seen.canary.unwrap();
    assert_eq!(
        (observed.errors, observed.shielded, observed.stable_requests),
        (6, 3, 0),
        "stable's help is not stable's share"
    );
    let mut bare = trial(2, 100, None);
    bare.canary.as_mut().unwrap().shield = false;
    stack.accept(bare).await;
    assert_eq!(
        client
            .send(Method::GET, HOST, "/", "")
            .await
            .unwrap()
            .status,
        503
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_hangs_or_is_gone_is_answered_by_stable() {
    let stable = Backend::always(200, "ok").await;
    let canary = Backend::start(|_| async {
        std::future::pending::<()>().await;
        reply(200, "")
    })
    .await;
    let limits = ProxyLimits {
        first_byte_shielded: Duration::from_millis(100),
        ..ProxyLimits::default()
    };
    let stack = Stack::start(limits);
    stack.add("stable", stable.address);
    let endpoint = stack.add("canary", canary.address);
    stack.accept(trial(1, 100, None)).await;
    let mut client = stack.client().await;
    assert_eq!(
        client
            .send(Method::GET, HOST, "/", "")
            .await
            .unwrap()
            .revision(),
        "stable"
    );
    stack
        .until("the slow one counted", |seen| {
            seen.canary
                .as_ref()
                .is_some_and(|canary| (canary.errors, canary.shielded) == (1, 1))
        })
        .await;
    stack.remove("canary", &endpoint);
    for method in [Method::GET, Method::POST] {
        let read = client.send(method.clone(), HOST, "/", "").await.unwrap();
        assert_eq!(
            (read.status, read.revision()),
            (200, "stable"),
            "never sent, so {method} may move"
        );
    }
    stack
        .until("all counted", |seen| {
            seen.canary
                .as_ref()
                .is_some_and(|canary| canary.errors == 3)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_breaks_after_its_head_is_an_error() {
    let stable = Backend::always(200, "ok").await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4096];
        let _count = stream.read(&mut bytes).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .await
            .unwrap();
    });
    let stack = Stack::start(ProxyLimits::default());
    stack.add("stable", stable.address);
    stack.add("canary", address);
    stack.accept(trial(1, 100, Some(1))).await;
    let broken = stack.client().await.send(Method::GET, HOST, "/", "").await;
    answering.await.unwrap();
    assert!(broken.is_err(), "the client sees that it broke: {broken:?}");
    let seen = stack.until("the trip", |seen| seen.trip.is_some()).await;
    assert_eq!(seen.revisions["canary"].errors, 1);
    assert_eq!(stack.get(HOST, "/").await.revision(), "stable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_no_error() {
    let arrived = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&arrived);
    let slow = Backend::start(move |_| {
        counter.fetch_add(1, SeqCst);
        async {
            std::future::pending::<()>().await;
            reply(200, "")
        }
    })
    .await;
    let stack = Stack::with(&slow, &slow, trial(1, 100, Some(1))).await;
    let mut stream = tokio::net::TcpStream::connect(stack.ingress).await.unwrap();
    stream
        .write_all(
            format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 0\r\n\r\n").as_bytes(),
        )
        .await
        .unwrap();
    while arrived.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stack.observe().revisions["canary"].in_flight, 1);
    drop(stream);
    let seen = stack
        .until("it is counted", |seen| {
            seen.revisions["canary"].requests == 1
        })
        .await;
    assert_eq!(
        (
            seen.revisions["canary"].errors,
            seen.revisions["canary"].in_flight,
            seen.trip
        ),
        (0, 0, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_runs_out_returns_the_traffic() {
    let (stable, canary) = (
        Backend::always(200, "").await,
        Backend::always(200, "").await,
    );
    let mut short = trial(1, 100, None);
    short.canary.as_mut().unwrap().lease_ms = 300;
    let stack = Stack::with(&stable, &canary, short).await;
    assert_eq!(stack.get(HOST, "/").await.revision(), "canary");
    stack
        .until("the lease to run out", |seen| {
            seen.canary
                .as_ref()
                .is_some_and(|canary| canary.state == CanaryState::LeaseExpired)
        })
        .await;
    assert_eq!(stack.get(HOST, "/").await.revision(), "stable");
    assert!(stack.observe().canary.unwrap().served_ms > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_reports_once_when_its_limit_is_reached() {
    let bad = Backend::always(500, "").await;
    let mut watched = configuration(1);
    watched.watch = Some(crate::api::WatchConfiguration {
        revision: "stable".into(),
        window_ms: 60_000,
        max_errors: 3,
    });
    let stack = Stack::with(&bad, &bad, watched).await;
    for _ in 0..2 {
        stack.get(HOST, "/").await;
    }
    assert_eq!(stack.observe().watch.unwrap().exceeded_at, None);
    stack.get(HOST, "/").await;
    let seen = stack
        .until("the watch", |seen| {
            seen.watch
                .as_ref()
                .is_some_and(|watch| watch.exceeded_at.is_some())
        })
        .await;
    assert_eq!((seen.watch.unwrap().errors, seen.trip), (3, None));
}
