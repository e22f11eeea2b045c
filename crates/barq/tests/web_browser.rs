//! The web UI in a real browser on the real binary: signing in, what a page does by itself while somebody looks, and what
//! is left of it without script. Each test ends with a look at the console and at every request.

mod support;

use serde_json::json;
use support::{Barq, Browser, key};

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leads_to_the_page_that_was_wanted() {
    let barq = Barq::start().await;
    let browser = Browser::start(&barq).await;
    browser.open("/?from=chat").await;
    browser.at("/sign-in?then=/%3Ffrom%3Dchat").await;

    browser.expect_complaint("401");
    browser.sign_in("not-a-token").await;
    browser.reads("[role=alert]", "Nobody has this token").await;

    browser.sign_in(&barq.token()).await;
    browser.at("/?from=chat").await;
    browser.reads(".who", "admin").await;

    browser.click_text("Sign out").await;
    browser.at("/sign-in").await;
    browser.open("/").await;
    browser.at("/sign-in").await;
    // Nor does the browser's own memory show it.
    browser.back().await;
    browser.at("/sign-in").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_what_happens_without_a_reload() {
    let barq = Barq::start().await;
    let browser = Browser::signed_in(&barq).await;
    browser.reads("main", "barq init").await;
    browser.mark().await;

    let shop = barq.repository("shop");
    let id = shop.push("good");
    browser.reads("main", &id).await;
    browser.reads("main", "awaiting approval").await;
    barq.approve(&id).await;
    barq.delivery_in(&id, &["succeeded"]).await;
    browser
        .until("document.querySelector('main [title=\"shop-production-00001\"]') !== null")
        .await;
    assert!(browser.is_marked().await);
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_that_it_is_not_connected_and_is_right_again_afterwards() {
    let barq = Barq::start().await;
    let browser = Browser::signed_in(&barq).await;
    browser.expect_complaint("net::ERR_");
    browser.connected().await;
    browser.mark().await;

    barq.kill_server();
    browser.reads("#connection", "Not connected since").await;
    browser.connected().await;
    assert_eq!(browser.text("#connection").await, "");
    let id = barq.repository("shop").push("good");
    browser.reads("main", &id).await;
    assert!(browser.is_marked().await);
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_without_script() {
    let barq = Barq::start().await;
    let id = barq.repository("shop").push("good");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    let browser = Browser::start(&barq).await;
    browser.without_script().await;
    browser.open("/?from=chat").await;
    browser.sign_in(&barq.token()).await;
    browser.at("/?from=chat").await;
    browser.reads("main", &id).await;
    // A time is shown in full where nothing makes it relative.
    let times = browser.text("main time").await;
    assert!(times.contains(':') && !times.contains("ago"), "{times}");
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_everything_and_the_focus_stays_where_it_is() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let first = shop.push("good");
    barq.delivery_in(&first, &["awaiting_approval"]).await;
    let browser = Browser::start(&barq).await;
    browser.open("/").await;
    browser.until("document.activeElement.id === 'token'").await;
    browser.press(&[&barq.token(), key::ENTER]).await;
    browser.at("/").await;
    browser.connected().await;

    browser.press(&[key::TAB]).await;
    assert_eq!(browser.text(":focus").await, "Skip to the content");
    browser.press(&[key::ENTER]).await;
    browser.until("document.activeElement.id === 'main'").await;
    browser.press(&[key::TAB]).await;
    browser
        .until("document.activeElement.closest('main a[href]')")
        .await;

    // Every stop is to be seen, and nothing lies over it.
    let stops = browser.tab_stops().await;
    assert!(stops.len() > 5, "{stops:?}");

    browser
        .script("document.querySelector('main a[href*=services]').focus()")
        .await;
    let focused = browser.text(":focus").await;
    browser
        .script("document.querySelector(':focus').closest('.fragment').marked = true")
        .await;
    shop.push("good too");
    browser
        .until("![...document.querySelectorAll('.fragment')].some((it) => it.marked)")
        .await;
    assert_eq!(browser.text(":focus").await, focused);
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tabs_than_a_browser_has_connections_are_all_right() {
    let barq = Barq::start().await;
    let browser = Browser::signed_in(&barq).await;
    let first = browser.tab().await;
    for _ in 0..8 {
        browser.new_tab().await;
        browser.open("/").await;
        browser.connected().await;
    }
    let shop = barq.repository("shop");
    let id = shop.push("good");
    browser.reads("main", &id).await;
    browser.go_to_tab(&first).await;
    browser.reads("main", &id).await;
    let id = shop.push("good too");
    browser.reads("main", &id).await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_with_a_wrong_clock_tells_right_times() {
    let barq = Barq::start().await;
    barq.repository("shop").push("good");
    let browser = Browser::start(&barq).await;
    let an_hour_ahead = "const now = Date.now; Date.now = () => now() + 3600e3;";
    browser
        .devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({"source": an_hour_ahead}),
        )
        .await;
    browser.open("/sign-in").await;
    browser.sign_in(&barq.token()).await;
    browser.at("/").await;
    browser.connected().await;
    browser.until("[...document.querySelectorAll('main time[data-since]')].some((it) => /^for (\\d+ min )?\\d+ s$/.test(it.innerText))").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_one_comes_back_to_is_right() {
    let barq = Barq::start().await;
    let browser = Browser::signed_in(&barq).await;
    browser.connected().await;
    browser.open("/sign-in").await;
    let id = barq.repository("shop").push("good");
    browser.back().await;
    browser.at("/").await;
    browser.reads("main", &id).await;
    browser.end().await;
}
