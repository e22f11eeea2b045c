//! `kill -9` of the server, after every append, before and after every effect, and for good: the delivery ends as it would
//! have, nothing is done twice, and no user notices. What arrived is counted by the shop and by the client, apart from barq.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use support::{Barq, Load, Settings, eventually, failed};

/// The limit of the first step.
const MAX_ERRORS: usize = 5;
/// Requests that may be in flight when a tripwire trips: 20 a second come to the canary, each answered in milliseconds.
const IN_FLIGHT_MAX: usize = 5;
/// The longest delivery: some forty deaths, after each of which the server is away for half a second or more.
const WALK_MAX: Duration = Duration::from_secs(180);
/// Between two looks at a delivery.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Entries of the journal that are read at once.
const PAGE_ENTRIES: usize = 500;

/// What a good delivery appends, and what it does outside. A kind that no walk has died at is a hole in these tests.
const GOOD: [&str; 27] = [
    "app.ref_moved",
    "delivery.pushed",
    "delivery.check_started",
    "delivery.check_finished",
    "delivery.build_started",
    "delivery.image_built",
    "delivery.arrived",
    "rollout.started@staging",
    "rollout.step_entered@staging",
    "rollout.succeeded@staging",
    "service.planned@shop-staging",
    "service.plan_accepted@shop-staging",
    "delivery.approval_asked",
    "delivery.approved",
    "rollout.started@production",
    "rollout.deployed@production",
    "rollout.smoke_passed@production",
    "rollout.target_proven@production",
    "rollout.step_prepared@production",
    "rollout.step_entered@production",
    "rollout.progressed@production",
    "rollout.step_passed@production",
    "rollout.verified@production",
    "rollout.succeeded@production",
    "service.planned@shop-production",
    "service.plan_accepted@shop-production",
    "delivery.succeeded",
];
/// What a bad one appends besides.
const BAD: [&str; 9] = [
    "rollout.step_entered@production",
    "rollout.progressed@production",
    "service.tripped@shop-production",
    "rollout.rollback_started@production",
    "service.planned@shop-production",
    "rollout.rolled_back@production",
    "delivery.rolled_back",
    "incident.opened",
    "incident.evidence_gathered",
];
const GOOD_EFFECTS: [&str; 8] = [
    "shop-2/check/unit",
    "shop-2/build",
    "shop-staging/plan",
    "shop-2-staging/smoke",
    "shop-production/plan",
    "shop-2-production/smoke",
    "shop-2-production/prove",
    "shop-2-production/verify",
];
const BAD_EFFECTS: [&str; 4] = [
    "shop-2/check/unit",
    "shop-2/build",
    "shop-production/plan",
    "shop-incident-1/evidence",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_good_delivery_goes_on_after_a_kill_at_every_append() {
    let walk = Walk::start("good still", &["each appended"]).await;
    let (delivery, journal) = walk.follow("service.plan_accepted").await;
    walk.died_at_every_append(&journal).await;
    walk.died("appended", &GOOD);
    walk.ended_well(&delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_delivery_goes_on_after_a_kill_on_both_sides_of_every_effect() {
    let walk = Walk::start("good still", &["each begun", "each carried-out"]).await;
    let (delivery, _) = walk.follow("service.plan_accepted").await;
    walk.died("begun", &GOOD_EFFECTS);
    walk.died("carried-out", &GOOD_EFFECTS);
    walk.ended_well(&delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_delivery_is_taken_back_after_a_kill_at_every_append() {
    let walk = Walk::start("bad", &["each appended"]).await;
    let (delivery, journal) = walk.follow("incident.evidence_gathered").await;
    walk.died_at_every_append(&journal).await;
    walk.died("appended", &BAD);
    walk.ended_badly(&delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_delivery_is_taken_back_after_a_kill_on_both_sides_of_every_effect() {
    let walk = Walk::start("bad", &["each begun", "each carried-out"]).await;
    let (delivery, _) = walk.follow("incident.evidence_gathered").await;
    walk.died("begun", &BAD_EFFECTS);
    walk.died("carried-out", &BAD_EFFECTS);
    walk.ended_badly(&delivery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_brings_the_traffic_back_when_the_server_stays_away() {
    const LEASE: Duration = Duration::from_secs(3);
    let barq = Barq::start_apart().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        steps: "{ traffic = 50, hold = \"2s\", max_errors = 5 }, { traffic = 100 }".to_owned(),
        production: "lease = \"3s\"".to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("good still");
    barq.approve(&id).await;
    let canary = barq.canary_of(&id).await;
    barq.end_server();
    let ended = Instant::now();
    let ended_at = Timestamp::now();
    // Long after the lease, so that a request that still came to the canary would be seen.
    eventually("the lease's end", async || {
        (ended.elapsed() > LEASE + Duration::from_secs(2)).then_some(())
    })
    .await;
    let last = *barq.arrivals(&canary).last().expect("a request");
    let moved_ms = last.duration_since(ended_at).as_millis();
    println!("the last request came to the canary {moved_ms} ms after the server's end");
    assert!(
        moved_ms > 0,
        "the canary goes on without a server until the lease ends"
    );
    assert!(moved_ms < 4_000, "{moved_ms} ms");
    // The next server enters the step again: a lease that ran out is no verdict.
    barq.begin_server();
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    let samples = load.stop().await;
    assert_eq!(failed(&samples), Vec::<String>::new());
    assert_eq!(times(&delivery, "rollout.interrupted"), 1, "{delivery:#}");
    barq.end();
}

/// A delivery during which the server dies again and again; `up` starts it anew. Users' requests go on meanwhile.
struct Walk {
    barq: Barq,
    load: Load,
    /// The end of the journal before it.
    before: u64,
}

/// The delivery that is followed: the second.
const FOLLOWED: &str = "shop-2";

impl Walk {
    /// Releases what is good, and pushes what is to be followed to a server that dies at these moments.
    async fn start(mode: &str, armed: &[&str]) -> Self {
        let barq = Barq::start().await;
        let shop = barq.repository("shop");
        let effects = barq.count_file().with_extension("effects");
        let note = |what: &str| format!("echo {what} >> {}", effects.display());
        shop.configure(&Settings {
            check: format!("{} && test -f mode", note("check")),
            build: note("build"),
            smoke: note("smoke"),
            ..Settings::default()
        });
        barq.release(&shop, "good").await;
        std::fs::remove_file(&effects).expect("it is there");
        let load = barq.load("shop-production");
        load.goes_on(20).await;
        let journal = journal(&barq, 0).await;
        let before = journal.last().map_or(0, |(sequence, _)| *sequence);
        barq.arm(armed);
        shop.push_through_kills(mode);
        Self { barq, load, before }
    }

    /// To the delivery's end, and on until the journal has `last` after it: the delivery, and what was appended.
    async fn follow(&self, last: &str) -> (Value, Vec<(u64, String)>) {
        let path = format!("/api/v1/deliveries/{FOLLOWED}");
        let deadline = Instant::now() + WALK_MAX;
        let mut approved = false;
        while Instant::now() < deadline {
            let (status, delivery) = self.barq.request("GET", &path, None, None).await;
            if status == 200 && !delivery["finished_at"].is_null() {
                let journal = journal(&self.barq, self.before).await;
                let mut after = journal.iter().skip_while(|(_, kind)| !ends(kind));
                if after.any(|(_, kind)| kind == last) {
                    return (delivery, journal);
                }
            } else if !approved && delivery["state"] == "awaiting_approval" {
                approve(&self.barq).await;
                approved = true;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("{FOLLOWED} never ended: {:#?}", self.barq.fired());
    }

    /// An append is one moment, whatever number of events it has.
    async fn died_at_every_append(&self, journal: &[(u64, String)]) {
        eventually("a death at each append", async || {
            let fired = self.barq.fired();
            let batches = fired.iter().filter_map(|moment| {
                let (kinds, last) = moment.strip_prefix("appended ")?.split_once(' ')?;
                Some((kinds.split('+').count() as u64, last.parse::<u64>().ok()?))
            });
            let died_at: BTreeSet<u64> = batches
                .flat_map(|(events, last)| last + 1 - events..=last)
                .collect();
            let all = journal.iter().all(|(it, _)| died_at.contains(it));
            all.then_some(())
        })
        .await;
    }

    /// No further deaths; there was one at each kind of what is expected.
    fn died(&self, moment: &str, kinds: &[&str]) {
        self.barq.arm(&[]);
        let fired = self.barq.fired();
        println!("the server died {} times: {fired:#?}", fired.len());
        let of: Vec<&str> = fired
            .iter()
            .filter_map(|fired| fired.strip_prefix(moment)?.strip_prefix(' '))
            .flat_map(|of| of.split('+'))
            .collect();
        for kind in kinds {
            let is_one = |of: &&str| {
                of.strip_prefix(kind)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '/']))
            };
            assert!(of.iter().any(is_one), "never died: {moment} {kind}");
        }
    }

    async fn ended_well(self, delivery: &Value) {
        assert_eq!(delivery["state"], "succeeded", "{delivery:#}");
        assert_eq!(delivery["rollouts"][1]["traffic"], 100);
        self.nothing_was_done_twice(delivery).await;
        self.nobody_noticed().await;
    }

    async fn ended_badly(self, delivery: &Value) {
        assert_eq!(delivery["state"], "rolled_back", "{delivery:#}");
        let rollout = &delivery["rollouts"][1];
        assert_eq!(rollout["traffic"], 0);
        self.nothing_was_done_twice(delivery).await;
        let incidents = self.barq.get("/api/v1/incidents?app=shop").await;
        let incidents = incidents["items"].as_array().expect("a list");
        assert_eq!(incidents.len(), 1, "{incidents:#?}");
        self.load.goes_on(100).await;
        let bad = rollout["revision"].as_str().expect("a revision");
        let arrived = self.barq.arrivals(bad).len();
        assert!(
            (MAX_ERRORS..=MAX_ERRORS + IN_FLIGHT_MAX).contains(&arrived),
            "{arrived}"
        );
        self.nobody_noticed().await;
    }

    /// What ran, by its own word, and what the journal says of it.
    async fn nothing_was_done_twice(&self, delivery: &Value) {
        let effects = self.barq.count_file().with_extension("effects");
        let effects = std::fs::read_to_string(effects).expect("it is there");
        let times = |what: &str| effects.lines().filter(|line| *line == what).count();
        assert_eq!(
            [times("check"), times("build"), times("smoke")],
            [1, 1, 2],
            "{effects}"
        );
        let starts = self.barq.starts();
        assert!(starts.values().all(|times| *times == 1), "{starts:?}");
        let mut told = BTreeMap::new();
        for entry in delivery["timeline"].as_array().expect("a timeline") {
            let event = entry["event"].as_str().expect("a kind");
            if event != "rollout.progressed" {
                *told.entry(entry["message"].to_string()).or_insert(0) += 1;
            }
        }
        told.retain(|_, times| *times > 1);
        assert!(told.is_empty(), "told twice: {told:#?}");
        let (status, verified) = self
            .barq
            .post("/api/v1/audit/verify", json!({"heads": []}))
            .await;
        assert_eq!((status, &verified["ok"]), (200, &json!(true)), "{verified}");
    }

    async fn nobody_noticed(self) {
        self.load.goes_on(50).await;
        let samples = self.load.stop().await;
        println!("{} requests", samples.len());
        assert_eq!(failed(&samples), Vec::<String>::new());
        self.barq.agrees(&samples, 0);
        self.barq.end();
    }
}

/// Whether a delivery ends with such an event.
fn ends(kind: &str) -> bool {
    matches!(kind, "delivery.succeeded" | "delivery.rolled_back")
}

/// A client that gets no answer asks again with the same key: it is one approval.
async fn approve(barq: &Barq) {
    let path = format!("/api/v1/deliveries/{FOLLOWED}/approve");
    let body = json!({"message": "go"});
    let (status, answer) = barq
        .request("POST", &path, Some(body), Some("approve-once"))
        .await;
    assert_eq!(status, 200, "{answer:#}");
}

/// What the journal has after a place: where, and of what kind.
async fn journal(barq: &Barq, after: u64) -> Vec<(u64, String)> {
    let mut entries = Vec::new();
    let mut next = Some(after.to_string());
    while let Some(after) = next {
        let path = format!("/api/v1/audit?order=oldest&limit={PAGE_ENTRIES}&after={after}");
        let page = barq.get(&path).await;
        entries.extend(page["items"].as_array().expect("a list").iter().map(|it| {
            let kind = it["event"].as_str().expect("a kind").to_owned();
            (it["sequence"].as_u64().expect("a number"), kind)
        }));
        next = page["next"].as_str().map(ToOwned::to_owned);
    }
    entries
}

fn times(delivery: &Value, event: &str) -> usize {
    let timeline = delivery["timeline"].as_array().expect("a timeline");
    timeline
        .iter()
        .filter(|entry| entry["event"] == event)
        .count()
}
