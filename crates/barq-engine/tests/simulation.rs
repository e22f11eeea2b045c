//! Ten thousand seeds of the simulation. A seed that fails prints the command that replays it.

use std::sync::atomic::{AtomicU64, Ordering};

use barq_engine::simulation;

const SEEDS: u64 = 10_000;

#[test]
fn ten_thousand_seeds() {
    let next = AtomicU64::new(0);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let worker = || {
            let mut failures = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= SEEDS || !failures.is_empty() {
                    return failures;
                }
                if let Err(failure) = simulation::run(seed, false) {
                    failures.push(failure.to_string());
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no panic in any seed"))
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
