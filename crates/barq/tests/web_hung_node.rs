//! A node that hangs: it answers nothing, so no error comes either. Whoever looks is told within a few seconds that what is
//! shown is not of now, in an open page without a reload; and that it is again, when it goes on.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Barq, Browser, Settings, eventually};

/// From the node's last sign of life until people are told: the server waits for two seconds, and then tells at once.
const TOLD_MAX: Duration = Duration::from_secs(6);
/// A canary that stays as long as the test needs it, on a lease that outlasts the pause.
const LONG_STEP: &str = "{ traffic = 50, hold = \"10m\", max_errors = 5 }, { traffic = 100 }";
const LEASE: &str = "lease = \"5m\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_node_is_told_of_and_so_is_its_return() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        steps: LONG_STEP.to_owned(),
        production: LEASE.to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("good too");
    barq.approve(&id).await;
    barq.canary_of(&id).await;
    load.stop().await;
    let browser = Browser::signed_in(&barq).await;
    browser.open(&format!("/rollouts/{id}-production")).await;
    browser.connected().await;
    let seen = service(&barq).await;
    assert!(seen["node_error"].is_null(), "{seen:#}");
    let instances = &seen["revisions"][0]["instances"]["items"];
    assert!(instances[0]["port"].as_u64() > Some(0), "{seen:#}");
    assert!(browser.title().await.starts_with('▲'));

    let hung = barq.hang_the_node();
    let hung_at = Instant::now();
    let told = "document.title.startsWith('node not seen')";
    browser.until(told).await;
    let told_after = hung_at.elapsed();
    assert!(told_after < TOLD_MAX, "told after {told_after:?}");
    let page = browser.text("main").await;
    for words in ["Numbers from ", "It was seen last at "] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let old = service(&barq).await;
    assert!(old["node_error"].is_string(), "{old:#}");
    assert!(old["seen_at"].is_string(), "{old:#}");
    for revision in old["revisions"].as_array().expect("a list") {
        assert!(revision["counted_traffic"].is_null(), "{old:#}");
        assert_eq!(revision["instances"]["items"], json!([]), "{old:#}");
    }
    let status = barq.command(&["status"]).await;
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("its numbers are from "), "{status}");

    drop(hung);
    browser.until("document.title.startsWith('▲')").await;
    let page = browser.text("main").await;
    assert!(!page.contains("Numbers from "), "{page}");
    eventually("the API has it, too", async || {
        let fresh = service(&barq).await;
        (fresh["node_error"].is_null() && fresh["seen_at"] != old["seen_at"]).then_some(())
    })
    .await;
    browser.end().await;
}

async fn service(barq: &Barq) -> Value {
    barq.get("/api/v1/services/shop-production").await
}
