//! More requests than instances can take, and instances that do not answer.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use http::Method;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::harness::{Backend, HOST, Stack, reply};
use crate::api::ServiceConfiguration;
use crate::control::tests::configuration;
use crate::instances::FAILURES_MAX;
use crate::proxy::ProxyLimits;

fn one_at_a_time() -> ServiceConfiguration {
    let mut configuration = configuration(1);
    for revision in &mut configuration.revisions {
        revision.concurrency = 1;
    }
    configuration
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_wait_in_line_for_an_instance_with_room() {
    const REQUESTS: u64 = 50;
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counter, highest) = (Arc::clone(&now), Arc::clone(&most));
    let backend = Backend::start(move |_| {
        let (counter, highest) = (Arc::clone(&counter), Arc::clone(&highest));
        async move {
            highest.fetch_max(counter.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::task::yield_now().await;
            counter.fetch_sub(1, SeqCst);
            reply(200, "")
        }
    })
    .await;
    let stack = Stack::start(ProxyLimits::default());
    stack.add("stable", backend.address);
    stack.accept(one_at_a_time()).await;
    let stack = Arc::new(stack);
    let clients: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let stack = Arc::clone(&stack);
            tokio::spawn(async move { stack.get(HOST, "/").await.status })
        })
        .collect();
    for client in clients {
        assert_eq!(client.await.unwrap(), 200);
    }
    assert_eq!((backend.count(), most.load(SeqCst)), (REQUESTS, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_too_long_is_told_when_to_come_again() {
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let backend = Backend::start(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            drop(gate.acquire().await);
            reply(200, "")
        }
    })
    .await;
    let limits = ProxyLimits {
        instance_wait: Duration::from_millis(100),
        ..ProxyLimits::default()
    };
    let stack = Arc::new(Stack::start(limits));
    stack.add("stable", backend.address);
    stack.accept(one_at_a_time()).await;
    let first = tokio::spawn({
        let stack = Arc::clone(&stack);
        async move { stack.get(HOST, "/").await.status }
    });
    while backend.count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = stack.get(HOST, "/").await;
    assert_eq!(
        (refused.status, &refused.headers["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    go.add_permits(1);
    assert_eq!(first.await.unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_keeps_breaking_is_passed_over() {
    let good = Backend::always(200, "").await;
    let bad = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = bad.local_addr().unwrap();
    let closing = tokio::spawn(async move {
        while let Ok((stream, _)) = bad.accept().await {
            // Whoever asked sees the connection end before an answer.
            stream.readable().await.unwrap();
        }
    });
    let stack = Stack::start(ProxyLimits::default());
    stack.add("stable", good.address);
    stack.add("stable", address);
    stack.accept(configuration(1)).await;
    let mut client = stack.client().await;
    let mut broken = 0;
    for _ in 0..100 {
        let read = client.send(Method::POST, HOST, "/", "x").await.unwrap();
        broken += u32::from(read.status == 502);
    }
    assert_eq!(broken, FAILURES_MAX, "then the other one has them all");
    closing.abort();
}
