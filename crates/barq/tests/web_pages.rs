//! What must hold for every page of the web UI: it can be used by everybody, on every screen, with and without script, and
//! every link leads somewhere. The pages are found as people find them, by following links, and there is something on them:
//! releases, a canary that was taken back and its incident, a delivery at the gate, long names.

mod support;

use std::collections::{BTreeMap, VecDeque};

use support::{Barq, Browser, PHONE, Settings, WIDE};

/// Pages that are alike but for a number are looked at so often: their states differ.
const ALIKE_MAX: usize = 3;
/// What a page shows otherwise when it is asked to.
const ALIKE_ASKED_MAX: usize = 1;
/// Narrow, usual, and as wide as it gets.
const SCREENS: [(u32, u32); 4] = [(320, 640), PHONE, WIDE, (1920, 1080)];

/// A barq with something on every page; the app's name is as long as names may be.
async fn lived_in(app: &str) -> Barq {
    let barq = Barq::start().await;
    let shop = barq.repository(app);
    shop.configure(&Settings {
        check: "printf '\\\\033[1;31mred\\\\033[0m \\\\033[42mgreen\\\\033[0m <b>text</b>\\\\n'; seq 300; test -f mode".to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let load = barq.load(&format!("{app}-production"));
    let bad = shop.push("bad");
    barq.approve(&bad).await;
    barq.delivery_in(&bad, &["rolled_back"]).await;
    load.stop().await;
    let word = "unbreakable".repeat(12);
    let waiting = shop.push(&format!(
        "good, and with a subject that goes on and on {word}"
    ));
    barq.delivery_in(&waiting, &["awaiting_approval"]).await;
    barq
}

/// All pages that can be come to, by their addresses.
async fn pages(browser: &Browser) -> Vec<String> {
    let mut pages: Vec<String> = Vec::new();
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    let mut next: VecDeque<String> = VecDeque::from(["/".to_owned()]);
    while let Some(path) = next.pop_front() {
        let seen = alike.entry(kind(&path)).or_default();
        let seen_max = if path.contains('?') {
            ALIKE_ASKED_MAX
        } else {
            ALIKE_MAX
        };
        if *seen >= seen_max || pages.contains(&path) {
            continue;
        }
        *seen += 1;
        // What a page shows otherwise leads to no more kinds of pages.
        if !path.contains('?') {
            browser.open(&path).await;
            let links = browser.script(LINKS).await;
            let links = links.as_array().expect("a list").iter();
            next.extend(links.filter_map(|it| it.as_str().map(ToOwned::to_owned)));
        }
        pages.push(path);
    }
    println!("{} pages: {pages:#?}", pages.len());
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// Links to pages; what is given to download is none.
const LINKS: &str = r"
return [...document.querySelectorAll('a[href]')]
    .filter((it) => it.origin === location.origin && !/^\/api\/|\.md$/.test(it.pathname) && !it.hasAttribute('download'))
    .map((it) => it.pathname + it.search);
";

/// An address without names' numbers and without what is asked for.
fn kind(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let names: Vec<&str> = query
        .split('&')
        .filter_map(|it| it.split('=').next())
        .collect();
    let path: String = path.chars().filter(|it| !it.is_ascii_digit()).collect();
    format!("{path}?{}", names.join("&"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_keeps_the_rules_of_accessibility() {
    let barq = lived_in("shop").await;
    let browser = Browser::signed_in(&barq).await;
    let mut broken = Vec::new();
    for path in pages(&browser).await {
        browser.open(&path).await;
        for violation in browser.violations().await {
            broken.push(format!("{path}: {violation}"));
        }
        for (scheme, screen) in [
            ("dark", WIDE),
            ("dark", PHONE),
            ("light", PHONE),
            ("light", WIDE),
        ] {
            browser.screen(screen).await;
            browser.prefers(&[("color-scheme", scheme)]).await;
            for violation in browser.violations_of_sight().await {
                broken.push(format!("{path} ({scheme}, {} px): {violation}", screen.0));
            }
        }
        for fault in browser.faults().await {
            broken.push(format!("{path}: {fault}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_every_screen() {
    let barq = lived_in("a-shop-whose-name-is-as-long-as-they-come").await;
    let browser = Browser::signed_in(&barq).await;
    let mut broken = Vec::new();
    for path in pages(&browser).await {
        for screen in SCREENS {
            browser.screen(screen).await;
            browser.open(&path).await;
            let wide = browser.overflowing().await;
            if !wide.is_empty() {
                broken.push(format!("{path} at {} px: {wide}", screen.0));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_there_by_keyboard_without_script_and_at_rest() {
    let barq = lived_in("shop").await;
    let browser = Browser::signed_in(&barq).await;
    browser.prefers(&[("reduced-motion", "reduce")]).await;
    let pages = pages(&browser).await;
    let mut headings = Vec::new();
    for path in &pages {
        browser.open(path).await;
        browser.tab_stops().await;
        let moving = browser
            .script("return document.getAnimations().length")
            .await;
        assert_eq!(moving, 0, "{path}");
        headings.push(browser.text("h1").await);
    }
    browser.without_script().await;
    for (path, heading) in pages.iter().zip(headings) {
        browser.open(path).await;
        assert_eq!(browser.text("h1").await, heading, "{path}");
        assert!(!browser.text("main").await.is_empty(), "{path}");
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_outside_and_of_nowhere_keep_the_rules_too() {
    let barq = Barq::start().await;
    let browser = Browser::start(&barq).await;
    browser.expect_complaint("404");
    browser.expect_complaint("401");
    let mut broken = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefers(&[("color-scheme", scheme)]).await;
        browser.open("/sign-in").await;
        broken.extend(browser.violations().await);
        browser.sign_in("not-a-token").await;
        browser.reads("[role=alert]", "Nobody has this token").await;
        broken.extend(browser.violations().await);
        browser.open("/nowhere").await;
        broken.extend(browser.violations().await);
    }
    browser.open("/sign-in").await;
    browser.sign_in(&barq.token()).await;
    browser.at("/").await;
    // Nothing yet, and not connected.
    browser.expect_complaint("net::ERR_");
    broken.extend(browser.violations().await);
    barq.kill_server();
    browser.reads("#connection", "Not connected").await;
    for scheme in ["light", "dark"] {
        browser.prefers(&[("color-scheme", scheme)]).await;
        broken.extend(browser.violations().await);
    }
    for path in [
        "/deliveries/shop-1",
        "/rollouts/shop-1-production",
        "/services/shop-production",
        "/incidents/x",
        "/%ff",
    ] {
        barq.get("/api/v1/whoami").await;
        browser.open(path).await;
        broken.extend(browser.violations().await);
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    browser.end().await;
}
