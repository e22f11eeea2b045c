//! What was published is read by every thread from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use super::Swap;

#[test]
fn a_published_value_is_never_followed_by_an_older_one() {
    const LAST: u64 = 20_000;
    let swap = Swap::new(0_u64);
    let published = Arc::new(AtomicU64::new(0));
    let readers = (0..3).map(|_| {
        let (mut reader, published) = (swap.reader(), Arc::clone(&published));
        thread::spawn(move || {
            loop {
                let known = published.load(SeqCst);
                let value = **reader.read();
                assert!(value >= known, "read {value} after {known} was published");
                if value == LAST {
                    return;
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for value in 1..=LAST {
        swap.publish(value);
        published.store(value, SeqCst);
    }
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(**swap.reader().read(), LAST);
}
