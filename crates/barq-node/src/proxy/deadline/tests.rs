//! Deadlines that move.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::Deadline;

#[tokio::test]
async fn it_rings_at_the_deadline_that_is_polled_whichever_was_before() {
    let mut deadline = Deadline::default();
    for (first, second) in [(50, 100), (60_000, 20), (40, 40)] {
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let polled = poll_fn(|context| Poll::Ready(deadline.poll(context, at(first)).is_ready()));
        assert!(!polled.await, "{first} ms are not over");
        poll_fn(|context| deadline.poll(context, at(second))).await;
        assert!(begin.elapsed() >= Duration::from_millis(second));
        assert!(begin.elapsed() < Duration::from_secs(30), "{second} ms");
    }
}
