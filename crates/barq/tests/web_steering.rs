//! The wheel, taken in a browser: what people see of a canary and how soon, and what their clicks do to it. Traffic, commits
//! and processes are real.

mod support;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use support::{Barq, Browser, Settings, key};

/// From the decision to what the page shows.
const SEEN_MAX: Duration = Duration::from_secs(1);

/// A canary that stays long enough to be looked at.
fn slowly() -> Settings {
    Settings {
        steps: "{ traffic = 50, hold = \"60s\", max_errors = 5 }, { traffic = 100 }".to_owned(),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_watched_approved_and_followed_to_production() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        check: "printf '\\\\033[32mgood\\\\033[0m <b>news</b>\\\\n'; test -f mode".to_owned(),
        ..Settings::default()
    });
    let browser = Browser::signed_in(&barq).await;
    let id = shop.push("good");
    browser.open(&format!("/deliveries/{id}")).await;
    browser.mark().await;
    browser.reads("main", "awaiting approval").await;
    browser
        .until("document.title.toLowerCase().includes('approv')")
        .await;
    assert!(browser.is_marked().await, "without a reload");

    browser.click_text("Review for production").await;
    browser.at(&format!("/deliveries/{id}/review")).await;
    browser.fill("textarea[name=message]", "Looks well").await;
    browser.click("#steer-approve").await;
    browser.reads("#done", "Approved").await;
    browser.mark().await;
    browser.reads("main", "succeeded").await;
    assert!(browser.is_marked().await, "without a reload");
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    let approved = delivery["timeline"].to_string();
    assert!(approved.contains("Looks well"), "{approved}");

    browser.open(&format!("/deliveries/{id}/checks/unit")).await;
    // Its colours are kept, and what it wrote is text.
    browser.reads("main", "good <b>news</b>").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tripped_canary_is_seen_within_a_second() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    shop.configure(&slowly());
    let load = barq.load("shop-production");
    let browser = Browser::signed_in(&barq).await;
    let id = shop.push("turning");
    barq.approve(&id).await;
    let rollout = format!("{id}-production");
    barq.canary_of(&id).await;
    browser.open(&format!("/rollouts/{rollout}")).await;
    browser.connected().await;
    browser.reads("main", "Armed.").await;
    browser.script(WATCH).await;
    barq.turn();
    let seen = browser.until("window.seen").await;
    let stopped = barq.rollout_in(&rollout, &["rolled_back"]).await;
    let samples = load.stop().await;

    let decided_at: Timestamp = stopped["rollback"]["at"]
        .as_str()
        .and_then(|at| at.parse().ok())
        .expect("a time");
    let seen_at = Timestamp::from_microsecond((seen.as_f64().expect("ms") * 1000.0) as i64);
    let late = seen_at.expect("a time").duration_since(decided_at);
    println!(
        "the page showed the trip {} ms after it was decided, which moved the traffic in {} ms; {} requests",
        late.as_millis(),
        stopped["rollback"]["shifted_ms"],
        samples.len(),
    );
    assert!(late.unsigned_abs() < SEEN_MAX, "{late:?}");
    assert_eq!(support::failed(&samples), Vec::<String>::new());
    browser.reads("main", "rolled back").await;
    browser
        .until("document.title.includes('rolled back')")
        .await;
    browser
        .until("document.getElementById('icon').href.includes('trouble')")
        .await;
    browser.end().await;
}

/// When the page first says that the tripwire has tripped, by the machine's clock.
const WATCH: &str = r"
const look = () => {
    if (!window.seen && document.getElementById('rollout-tripwire').textContent.includes('It tripped')) {
        window.seen = performance.timeOrigin + performance.now();
    }
};
new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
";

#[tokio::test(flavor = "multi_thread")]
async fn production_is_rolled_back_after_one_question() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    barq.release(&shop, "good too").await;
    let browser = Browser::signed_in(&barq).await;
    browser.open("/services/shop-production").await;
    browser.connected().await;
    browser.reads("main", "shop-production-00002").await;
    browser.open("/services/shop-production/rollback").await;
    // It names the revision and the effect, and one may go back.
    browser.reads("main", "shop-production-00001").await;
    browser.reads("main", "All traffic goes back").await;
    browser.reads("main a.button", "No, back to").await;
    browser.fill("textarea[name=message]", "It is slow").await;
    browser.click("#confirm").await;
    browser.reads("#done", "Rolled back").await;
    let service = barq.get("/api/v1/services/shop-production").await;
    assert_eq!(service["revisions"][1]["traffic"], 100, "{service:#}");
    let samples = load.stop().await;
    assert_eq!(support::failed(&samples), Vec::<String>::new());
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_page_does_nothing_and_says_why() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let id = shop.push("good");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    let browser = Browser::signed_in(&barq).await;
    browser.without_script().await;
    browser.open(&format!("/deliveries/{id}/review")).await;
    let (status, answer) = barq
        .post(
            &format!("/api/v1/deliveries/{id}/reject"),
            json!({"message": "no"}),
        )
        .await;
    assert_eq!(status, 200, "{answer:#}");
    browser.expect_complaint("409");
    browser.click("#steer-approve").await;
    browser.reads("h1", "Nothing was done").await;
    browser.reads("main", "rejected").await;
    let delivery = barq.get(&format!("/api/v1/deliveries/{id}")).await;
    assert_eq!(delivery["state"], "rejected");
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_a_release_is_approved_and_steered() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    shop.configure(&slowly());
    let id = shop.push("good too");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    let browser = Browser::start(&barq).await;
    browser.without_script().await;
    browser.open(&format!("/deliveries/{id}/review")).await;
    browser.sign_in(&barq.token()).await;
    browser.at(&format!("/deliveries/{id}/review")).await;
    browser.click("#steer-approve").await;
    browser.reads("#done", "Approved").await;
    let rollout = format!("{id}-production");
    barq.rollout_in(&rollout, &["canary"]).await;
    browser.open(&format!("/rollouts/{rollout}")).await;
    browser.click("#steer-pause").await;
    browser.reads("#done", "Paused").await;
    browser.click("#steer-resume").await;
    browser.reads("#done", "Resumed").await;
    browser.click("#steer-abort").await;
    browser.at(&format!("/rollouts/{rollout}/abort")).await;
    browser.click("#confirm").await;
    browser.reads("#done", "Aborted").await;
    barq.rollout_in(&rollout, &["aborted"]).await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_keyboard_alone_a_release_is_approved() {
    let barq = Barq::start().await;
    let id = barq.repository("shop").push("good");
    let browser = Browser::start(&barq).await;
    browser.open(&format!("/deliveries/{id}")).await;
    browser.press(&[&barq.token(), key::ENTER]).await;
    browser.at(&format!("/deliveries/{id}")).await;
    browser.reads("main", "awaiting approval").await;
    browser.tab_to("Review for production").await;
    browser.press(&[key::ENTER]).await;
    browser.at(&format!("/deliveries/{id}/review")).await;
    browser.connected().await;
    browser.tab_to("Why").await;
    browser.press(&["By hand"]).await;
    browser.tab_to("Approve").await;
    browser.press(&[key::ENTER]).await;
    browser.reads("#done", "Approved").await;
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    assert!(delivery["timeline"].to_string().contains("By hand"));
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_token_any_more_sees_nothing_more() {
    let barq = Barq::start().await;
    let (status, made) = barq
        .post(
            "/api/v1/tokens",
            json!({"name": "eve", "role": "developer"}),
        )
        .await;
    assert_eq!(status, 200, "{made:#}");
    let browser = Browser::start(&barq).await;
    browser.open("/deliveries").await;
    browser
        .sign_in(made["token"].as_str().expect("a token"))
        .await;
    browser.at("/deliveries").await;
    browser.connected().await;
    let (status, _) = barq
        .request("DELETE", "/api/v1/tokens/eve", None, None)
        .await;
    assert_eq!(status, 204);
    barq.repository("shop").push("good");
    browser.at("/sign-in?then=/deliveries").await;
    browser.end().await;
}
