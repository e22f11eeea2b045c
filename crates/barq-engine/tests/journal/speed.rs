//! Measurements, run by hand: `cargo nextest run -p barq-engine --run-ignored only -E 'test(speed)' --no-capture`.

use std::time::Instant;

use barq_engine::journal::Head;

use crate::support::{Server, assert_intact, batch};

const APPENDS: u32 = 2_000;
const REPLAYED: u64 = 600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn appends_and_replay() {
    let mut servers = vec![Server::Sqlite];
    servers.extend(Server::postgres());
    for server in servers {
        let place = server.place().await;
        let writer = place.owner().await;
        let mut head = Head::EMPTY;
        let begin = Instant::now();
        for number in 0..APPENDS {
            head = writer
                .append(head, batch([u64::from(number)]))
                .await
                .unwrap()
                .head;
        }
        println!(
            "{server:?}: {:.0} appends/s",
            f64::from(APPENDS) / begin.elapsed().as_secs_f64()
        );

        let begin = Instant::now();
        while head.sequence < REPLAYED {
            let next = head.sequence + 1;
            head = writer
                .append(head, batch(next..next + 1_000))
                .await
                .unwrap()
                .head;
        }
        println!("filled in {:?}", begin.elapsed());

        let begin = Instant::now();
        let mut replay = writer.journal().replay(Head::EMPTY);
        let mut count = 0;
        loop {
            let page = replay.next_page().await.unwrap();
            if page.is_empty() {
                break;
            }
            count += page.len();
        }
        println!(
            "{count} events replayed and checked in {:?}",
            begin.elapsed()
        );
        assert_intact(&writer.journal()).await;
        place.end().await;
    }
}
