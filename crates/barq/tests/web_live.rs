//! What the script does with a page when messages come, in a real browser: what somebody has typed, ticked, opened, scrolled
//! to or has the focus on stays as it is, and nothing reloads in a loop. The messages are made here; all else is real.

mod support;

use serde_json::{Value, json};
use support::{Barq, Browser};

/// Lets the test speak in the server's place over the page's own connection.
const SPEAK: &str = r"
const Real = window.EventSource;
window.EventSource = class extends Real { constructor(url) { super(url); window.source = this; } };
window.tell = (order, fragments) => window.source.dispatchEvent(new MessageEvent('message', {
    lastEventId: 'made-here',
    data: JSON.stringify({title: 'told', icon: document.getElementById('icon').getAttribute('href'), order, fragments}),
}));
";

/// A fragment with all that somebody may have done something to.
fn form(word: &str) -> String {
    let rows = "row<br>".repeat(60);
    format!(
        r##"<section id="form" class="fragment"><h1>{word}</h1>
        <label for="text">Text</label><input id="text" name="text" value="">
        <label for="tick">Tick</label><input id="tick" type="checkbox" name="tick" value="yes">
        <label for="one">One</label><select id="one" name="one"><option value="a">a</option><option value="b">b</option></select>
        <details id="more"><summary>More {word}</summary><p>{word}</p></details>
        <pre tabindex="0" aria-label="Lines">{word}{}</pre>
        <button name="do" value="1" type="button">Do</button><button name="do" value="2" type="button">Do</button>
        <a href="/deliveries">Deliveries</a></section>"##,
        rows.replace("<br>", "\n").repeat(4)
    )
}

async fn told(browser: &Browser, order: &[&str], fragments: Value) {
    let script = format!("window.tell({}, {fragments})", json!(order));
    browser.script(&script).await;
}

async fn spoken_to(barq: &Barq) -> Browser {
    let browser = Browser::start(barq).await;
    browser
        .devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({"source": SPEAK}),
        )
        .await;
    browser.open("/sign-in").await;
    browser.sign_in(&barq.token()).await;
    browser.at("/").await;
    browser.connected().await;
    told(&browser, &["form"], json!([["form", form("old")]])).await;
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_does_to_a_page_outlives_a_message() {
    let barq = Barq::start().await;
    let browser = spoken_to(&barq).await;
    browser.fill("#text", "written").await;
    browser.click("#tick").await;
    browser
        .script("document.getElementById('one').value = 'b'")
        .await;
    browser
        .script("document.getElementById('more').open = true")
        .await;
    let pre = "document.querySelector('main pre')";
    browser
        .script(&format!(
            "{pre}.style.maxHeight = '60px'; {pre}.scrollTop = 30"
        ))
        .await;
    let caret =
        "const it = document.getElementById('text'); it.focus(); it.setSelectionRange(2, 4)";
    browser.script(caret).await;
    told(
        &browser,
        &["form"],
        json!([[
            "form",
            form("new").replace("<pre ", "<pre class=\"scroll\" ")
        ]]),
    )
    .await;

    assert_eq!(browser.text("h1").await, "new");
    let state = "const by = (id) => document.getElementById(id);
        return [by('text').value, by('tick').checked, by('one').value, by('more').open,
            document.activeElement.id, by('text').selectionStart, by('text').selectionEnd, document.title]";
    let expect = json!(["written", true, "b", true, "text", 2, 4, "told"]);
    assert_eq!(browser.script(state).await, expect);
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_never_goes_to_what_does_something_else() {
    let barq = Barq::start().await;
    let browser = spoken_to(&barq).await;
    let focused = "return document.activeElement.outerHTML.slice(0, 60)";
    browser
        .script("document.querySelectorAll('main button')[1].focus()")
        .await;
    told(&browser, &["form"], json!([["form", form("new")]])).await;
    let second = browser.script(focused).await.to_string();
    assert!(second.contains("value=\\\"2\\\""), "{second}");
    // It is gone: the focus stays near, on nothing that a key would press.
    let without = form("newer").replace("value=\"2\"", "value=\"3\"");
    told(&browser, &["form"], json!([["form", without]])).await;
    let gone = browser.script(focused).await.to_string();
    assert!(gone.contains("section id=\\\"form\\\""), "{gone}");
    browser
        .script("document.querySelector('main summary').focus()")
        .await;
    told(&browser, &["form"], json!([["form", form("newest")]])).await;
    let summary = browser.script(focused).await.to_string();
    assert!(summary.contains("<summary>More newest"), "{summary}");
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_under_the_pointer_is_not_pressed() {
    let barq = Barq::start().await;
    let browser = spoken_to(&barq).await;
    let steer = |says: &str| {
        let html = format!(
            "<section id=\"form\" class=\"fragment\"><button type=\"button\" id=\"go\">{says}</button></section>"
        );
        json!([["form", html]])
    };
    let pressed = "const it = document.getElementById('go'); \
                   return [getComputedStyle(it).pointerEvents, document.activeElement.id]";
    told(&browser, &["form"], steer("Go to 50 %")).await;
    browser
        .script("document.getElementById('go').focus()")
        .await;
    told(&browser, &["form"], steer("Go to 50 %")).await;
    assert_eq!(browser.script(pressed).await, json!(["auto", "go"]));
    told(&browser, &["form"], steer("Go to 100 %")).await;
    assert_eq!(browser.script(pressed).await, json!(["none", "form"]));
    browser.click("#go").await;
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_come_and_go_where_they_belong_without_a_reload() {
    let barq = Barq::start().await;
    let browser = spoken_to(&barq).await;
    browser.mark().await;
    let part = |id: &str| format!("<section id=\"{id}\" class=\"fragment\"><p>{id}</p></section>");
    let order = "return [...document.getElementById('main').children].map((it) => it.id).join(' ')";
    let all = ["first", "form", "last"];
    told(
        &browser,
        &all,
        json!([["first", part("first")], ["last", part("last")]]),
    )
    .await;
    assert_eq!(browser.script(order).await, "first form last");
    told(&browser, &["first", "last"], json!([])).await;
    assert_eq!(browser.script(order).await, "first last");
    told(
        &browser,
        &["first", "middle", "last"],
        json!([["middle", part("middle")]]),
    )
    .await;
    assert_eq!(browser.script(order).await, "first middle last");
    assert!(browser.is_marked().await);
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_told_to_renew_itself_does_so_once_in_a_while() {
    let barq = Barq::start().await;
    let browser = spoken_to(&barq).await;
    browser.mark().await;
    let renew = "for (let i = 0; i < 10; i++) window.source.dispatchEvent(new MessageEvent('renew', {data: ''}))";
    browser.script(renew).await;
    browser.until("window.marked !== true").await;
    let age_ms = browser
        .script("const [it] = performance.getEntriesByType('navigation'); return it.type === 'reload' && performance.now()")
        .await;
    assert!(age_ms.as_f64().is_some(), "{age_ms}");
    browser.connected().await;
    browser.end().await;
}
