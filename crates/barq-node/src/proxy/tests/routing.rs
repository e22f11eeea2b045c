//! Hosts, tags, own addresses, shares, and changes of them under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use http::Method;

use super::harness::{Backend, Client, HOST, Stack};
use crate::control::tests::{configuration, share, trial};
use crate::proxy::ProxyLimits;

#[tokio::test(flavor = "multi_thread")]
async fn hosts_tags_and_own_addresses() {
    let (stable, canary) = (
        Backend::always(200, "stable").await,
        Backend::always(200, "canary").await,
    );
    let mut wanted = configuration(1);
    wanted.domains = vec!["shop.example.com".to_owned()];
    let stack = Stack::with(&stable, &canary, wanted).await;
    let cases = [
        (HOST, 200, "stable"),
        ("SHOP-Production.localhost:7680", 200, "stable"),
        ("shop.example.com", 200, "stable"),
        ("tag-canary---shop-production.localhost", 200, "canary"),
        ("unknown.localhost", 404, ""),
    ];
    for (host, status, revision) in cases {
        let read = stack.get(host, "/").await;
        assert_eq!((read.status, read.revision()), (status, revision), "{host}");
        assert_eq!(read.headers["x-request-id"].len(), 32);
    }
    let problem = stack.get("unknown.localhost", "/").await;
    assert_eq!(problem.headers["content-type"], "application/problem+json");
    let observed = stack.observe();
    let own = observed.revisions["canary"].address.clone().unwrap();
    let read = Client::connect(own.parse().unwrap())
        .await
        .send(Method::GET, "anything", "/", "")
        .await
        .unwrap();
    assert_eq!(
        (read.status, read.body.as_ref()),
        (200, b"canary".as_slice())
    );
    assert_eq!(
        stack.observe().revisions["canary"].requests,
        0,
        "tagged requests are not counted"
    );
    assert_eq!(stack.observe().revisions["stable"].requests, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_traffic_or_instances_answers_503() {
    let (stable, canary) = (
        Backend::always(200, "").await,
        Backend::always(200, "").await,
    );
    let stack = Stack::with(&stable, &canary, configuration(1)).await;
    let mut nobody = configuration(2);
    nobody.traffic = vec![];
    stack.accept(nobody).await;
    assert_eq!(stack.get(HOST, "/").await.status, 503);
    assert_eq!(
        (stable.count(), canary.count()),
        (0, 0),
        "a weight of 0 is nobody's"
    );

    let limits = ProxyLimits {
        instance_wait: Duration::from_millis(50),
        ..ProxyLimits::default()
    };
    let stack = Stack::start(limits);
    stack.accept(configuration(1)).await;
    assert_eq!(stack.get(HOST, "/").await.status, 503);
    let waiting = Stack::start(ProxyLimits::default());
    waiting.accept(configuration(1)).await;
    let request = tokio::spawn({
        let mut client = waiting.client().await;
        async move {
            client
                .send(Method::GET, HOST, "/", "")
                .await
                .unwrap()
                .status
        }
    });
    waiting.add("stable", stable.address);
    assert_eq!(
        request.await.unwrap(),
        200,
        "a request waits for the first instance"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_are_met_and_0_is_0() {
    let (stable, canary) = (
        Backend::always(200, "").await,
        Backend::always(200, "").await,
    );
    let stack = Stack::with(&stable, &canary, trial(1, 0, None)).await;
    let mut client = stack.client().await;
    for _ in 0..200 {
        client.send(Method::GET, HOST, "/", "").await.unwrap();
    }
    assert_eq!(canary.count(), 0);
    stack.accept(trial(2, 30, None)).await;
    for _ in 0..1000 {
        client.send(Method::GET, HOST, "/", "").await.unwrap();
    }
    // Six standard deviations of a binomial with n = 1000, p = 0.3.
    assert!((213..=387).contains(&canary.count()), "{}", canary.count());
    let seen = stack
        // Both plans are of one step, whose count goes on.
        .until("all counted", |seen| {
            seen.canary
                .as_ref()
                .is_some_and(|canary| canary.requests + canary.stable_requests == 1200)
        })
        .await;
    assert_eq!(seen.canary.unwrap().requests, canary.count());
    let counted = seen.revisions["canary"].counted_percent.unwrap();
    assert!((15.0..=39.0).contains(&counted), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_shares_under_load_loses_nothing() {
    let (stable, canary) = (
        Backend::always(200, "").await,
        Backend::always(200, "").await,
    );
    let stack = Arc::new(Stack::with(&stable, &canary, configuration(1)).await);
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stack, done) = (Arc::clone(&stack), Arc::clone(&done));
            tokio::spawn(async move {
                let mut client = stack.client().await;
                let mut sent = 0_u64;
                while !done.load(SeqCst) {
                    let method = if sent.is_multiple_of(2) {
                        Method::GET
                    } else {
                        Method::POST
                    };
                    let read = client.send(method, HOST, "/", "x").await.unwrap();
                    assert_eq!(read.status, 200);
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    for generation in 2..60 {
        let mut next = configuration(generation);
        next.traffic = match generation % 3 {
            0 => vec![share("stable", 100)],
            1 => vec![share("canary", 100)],
            _ => vec![share("stable", 50), share("canary", 50)],
        };
        stack.accept(next).await;
    }
    done.store(true, SeqCst);
    let mut sent = 0;
    for client in clients {
        sent += client.await.unwrap();
    }
    assert_eq!(
        sent,
        stable.count() + canary.count(),
        "each request reached one instance, once"
    );
    assert!(stable.count() > 0 && canary.count() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_follows_the_traffic() {
    let canary = Backend::always(200, "").await;
    let stack = Stack::start(ProxyLimits::default());
    stack.add("canary", canary.address);
    stack.accept(configuration(1)).await;
    let request = tokio::spawn({
        let mut client = stack.client().await;
        async move { client.send(Method::POST, HOST, "/", "x").await.unwrap() }
    });
    stack
        .until("it to wait", |seen| seen.revisions["stable"].in_flight == 1)
        .await;
    let mut moved = configuration(2);
    moved.traffic = vec![share("canary", 100)];
    stack.accept(moved).await;
    assert_eq!(request.await.unwrap().revision(), "canary");
    assert_eq!(
        stack.observe().revisions["stable"].requests,
        0,
        "it was never tried there"
    );
}
