//! When processes died at the moments that were armed, and what users saw of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::crash::fired_in;
use super::{Barq, Sample};

/// Between two looks: how exactly the time of a death is known.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A process notes its death before it dies, and what it had just begun may still arrive.
const DYING_MAX: Duration = Duration::from_millis(20);

/// One death.
#[derive(Debug, Clone)]
pub(crate) struct Death {
    /// Where it was to die.
    pub(crate) moment: String,
    /// It lived.
    pub(crate) begun: Instant,
    /// It was dead.
    pub(crate) over: Instant,
    /// The same by the clock.
    pub(crate) over_at: Timestamp,
}

/// Notes deaths until it is asked for them.
pub(crate) struct Deaths {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Death>>,
}

impl Deaths {
    /// From now on.
    pub(crate) fn watch(barq: &Barq) -> Self {
        let place = barq.place().to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut deaths = Vec::new();
            let mut begun = Instant::now();
            let mut known = fired_in(&place).len();
            while !stopped.load(Ordering::Relaxed) {
                let now = Instant::now();
                let fired = fired_in(&place);
                let new = fired.get(known..).unwrap_or_default();
                deaths.extend(new.iter().map(|moment| Death {
                    moment: moment.clone(),
                    begun,
                    over: now + DYING_MAX,
                    over_at: Timestamp::now() + DYING_MAX,
                }));
                known = fired.len();
                begun = now;
                std::thread::park_timeout(LOOK_EVERY);
            }
            deaths
        });
        Self { stop, thread }
    }

    /// Those so far, first to last.
    pub(crate) fn end(self) -> Vec<Death> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

/// How many requests broke: only ones that a process had when it died may. Whoever asks after a death is answered within
/// `resume_max` of it.
pub(crate) fn only_those_in_flight_broke(
    samples: &[Sample],
    deaths: &[Death],
    resume_max: Duration,
) -> usize {
    assert!(samples.len() > 100, "there was hardly any load");
    for (index, death) in deaths.iter().enumerate() {
        let answered = samples
            .iter()
            .filter(|it| it.at > death.over && it.status == Some(200));
        let resumed = answered.map(|it| it.ended).min().expect("an answer");
        if deaths
            .get(index + 1)
            .is_some_and(|next| next.begun < resumed)
        {
            // It came back, and died again before anybody was answered.
            continue;
        }
        let away = resumed.duration_since(death.begun);
        println!(
            "{}: served again after {} ms",
            death.moment,
            away.as_millis()
        );
        assert!(away < resume_max, "{}: {away:?}", death.moment);
    }
    let in_flight = |it: &Sample| {
        let around = |death: &Death| it.at <= death.over && it.ended >= death.begun;
        it.status.is_none() && deaths.iter().any(around)
    };
    let failed = samples.iter().filter(|it| it.status != Some(200));
    let (broken, wrong): (Vec<&Sample>, Vec<&Sample>) = failed.partition(|it| in_flight(it));
    println!(
        "{} requests, {} broken in flight",
        samples.len(),
        broken.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    broken.len()
}

/// The kinds of moments at which there was a death.
pub(crate) fn moments(deaths: &[Death]) -> BTreeSet<&str> {
    let kinds = deaths.iter().map(|it| it.moment.split(' ').next());
    kinds.flatten().collect()
}
