//! `kill -9` of the node under load: the instances live on, the next node adopts them and serves at once, and a canary is never
//! left half-way. What arrived is counted by the client, apart from barq.

mod support;

use std::time::{Duration, Instant};

use support::{Barq, Load, Sample, Settings, eventually};

/// The longest that no request is answered.
const RESUME_MAX: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_adopts_its_instances_and_serves_within_a_second() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        steps: "{ traffic = 50, hold = \"2s\", max_errors = 5 }, { traffic = 100 }".to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let before = barq.instances();
    assert!(!before.is_empty());
    let load = barq.load_unpooled("shop-production");
    requests(&load, 100).await;
    let at_rest = kill(&barq, &load, "at rest").await;
    assert_eq!(barq.instances(), before);

    let id = shop.push("good still");
    barq.approve(&id).await;
    let rollout = barq
        .rollout_in(&format!("{id}-production"), &["canary"])
        .await;
    let canary = rollout["revision"].as_str().expect("a revision");
    eventually("a request on the canary", async || {
        (!barq.arrivals(canary).is_empty()).then_some(())
    })
    .await;
    let before = barq.instances();
    let in_canary = kill(&barq, &load, "in a canary").await;
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    let after = barq.instances();
    let samples = load.stop().await;

    for (id, revision) in &before {
        assert_eq!(after.get(id), Some(revision), "{before:?} {after:?}");
    }
    let timeline = delivery["timeline"].as_array().expect("a timeline");
    let interrupted = timeline
        .iter()
        .filter(|entry| entry["event"] == "rollout.interrupted");
    assert_eq!(interrupted.count(), 1, "{delivery:#}");
    assert_eq!(delivery["rollouts"][1]["traffic"], 100);
    only_those_in_flight_broke(&samples, &[at_rest, in_canary]);
    barq.end();
}

/// The instants around the node's end.
struct Kill {
    begun: Instant,
    over: Instant,
}

async fn kill(barq: &Barq, load: &Load, when: &str) -> Kill {
    let begun = Instant::now();
    barq.kill_node_for_sure();
    let over = Instant::now();
    let resumed = eventually("an answer after the kill", async || {
        let samples = load.samples();
        let served = samples
            .iter()
            .filter(|it| it.at > over && it.status == Some(200));
        served.map(|sample| sample.ended).min()
    })
    .await;
    let away = resumed.duration_since(begun);
    println!(
        "killed {when}: the first answer came {} ms after the kill",
        away.as_millis()
    );
    assert!(away < RESUME_MAX, "{away:?}");
    Kill { begun, over }
}

/// A request that was begun while no node was there waits; one that a node had when it was killed may break.
fn only_those_in_flight_broke(samples: &[Sample], kills: &[Kill]) {
    assert!(samples.len() > 100, "there was hardly any load");
    let failed: Vec<&Sample> = samples.iter().filter(|it| it.status != Some(200)).collect();
    let in_flight = |sample: &Sample| {
        let around = |kill: &Kill| sample.at <= kill.over && sample.ended >= kill.begun;
        sample.status.is_none() && kills.iter().any(around)
    };
    let (broken, wrong): (Vec<&Sample>, Vec<&Sample>) =
        failed.into_iter().partition(|sample| in_flight(sample));
    println!(
        "{} requests, {} broken in flight",
        samples.len(),
        broken.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Waits until so many more were answered.
async fn requests(load: &Load, more: usize) {
    let enough = load.samples().len() + more;
    eventually("more requests", async || {
        (load.samples().len() >= enough).then_some(())
    })
    .await;
}
