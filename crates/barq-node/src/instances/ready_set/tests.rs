//! Admission against closing: what is in flight is counted, and nothing comes after the close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::{Endpoint, ReadySet};

fn endpoint() -> Arc<Endpoint> {
    Endpoint::new("a".to_owned(), SocketAddr::from(([127, 0, 0, 1], 1)))
}

#[test]
fn a_closed_endpoint_admits_nobody() {
    let set = ReadySet::default();
    let endpoint = endpoint();
    assert!(endpoint.admit().is_none());
    set.insert(&endpoint);
    set.insert(&endpoint);
    assert_eq!(set.endpoints().len(), 1);
    let admission = endpoint.admit().expect("open");
    assert_eq!((endpoint.in_flight(), set.load()), (1, 1));
    set.remove(&endpoint);
    assert!(set.endpoints().is_empty());
    assert!(endpoint.admit().is_none());
    assert_eq!(endpoint.in_flight(), 1, "what was admitted goes on");
    drop(admission);
    assert_eq!(endpoint.in_flight(), 0);
}

#[test]
fn waiting_requests_are_load() {
    let set = Arc::new(ReadySet::default());
    let waiting = set.wait();
    assert_eq!(set.load(), 1);
    drop(waiting);
    assert_eq!(set.load(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drained_is_final() {
    for _ in 0..200 {
        let endpoint = endpoint();
        endpoint.open();
        let (drained, late) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let user = tokio::spawn({
            let (endpoint, drained, late) = (
                Arc::clone(&endpoint),
                Arc::clone(&drained),
                Arc::clone(&late),
            );
            async move {
                while let Some(admission) = endpoint.admit() {
                    tokio::task::yield_now().await;
                    if drained.load(Ordering::SeqCst) {
                        late.fetch_add(1, Ordering::SeqCst);
                    }
                    drop(admission);
                }
            }
        });
        tokio::task::yield_now().await;
        endpoint.close();
        tokio::time::timeout(Duration::from_secs(10), endpoint.drained())
            .await
            .expect("drains");
        drained.store(true, Ordering::SeqCst);
        user.await.expect("ends");
        assert_eq!(late.load(Ordering::SeqCst), 0);
    }
}
