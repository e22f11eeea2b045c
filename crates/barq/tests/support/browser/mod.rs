//! A headless Chromium of its own for a test of the web UI, and what somebody does with it: opens, reads, clicks, types.
//!
//! Everything is waited for by a condition with a deadline. Pages change while they are looked at, so nothing is held: each
//! step finds its element anew. At the end the test must call `end`, which looks at the console and at all requests.

mod axe;
mod driver;
mod observed;

use std::cell::RefCell;

use serde_json::{Value, json};

use super::Barq;
use driver::{Driver, patiently};

pub(crate) use driver::Refusal;

/// The keys that have no character, by their code in WebDriver.
pub(crate) mod key {
    pub(crate) const TAB: &str = "\u{E004}";
    pub(crate) const ENTER: &str = "\u{E007}";
    pub(crate) const SHIFT: &str = "\u{E008}";
}

/// A wide screen: width and height in pixels.
pub(crate) const WIDE: (u32, u32) = (1440, 900);
/// A phone.
pub(crate) const PHONE: (u32, u32) = (390, 844);

/// The name by which WebDriver gives an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Enough to see that each kind of stop is well.
const TAB_STOPS_MAX: usize = 60;
/// What has the focus, and what is wrong with it; nothing where the page has come to its end.
const TAB_STOP: &str = r"
const it = document.activeElement;
if (!it || it === document.body || it === document.documentElement) return {};
const box = it.getBoundingClientRect(), style = getComputedStyle(it);
const middle = document.elementFromPoint(box.x + Math.min(box.width, innerWidth - box.x) / 2, box.y + Math.min(box.height, innerHeight - box.y) / 2);
const name = it.getAttribute('aria-label') || it.innerText || it.labels?.[0]?.innerText || '';
const wrong = !name.trim() ? 'it has no name'
    : !box.width || box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth ? 'it is not on the screen'
    : style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2 ? 'its focus is not to be seen'
    : !(it.contains(middle) || middle?.contains(it)) ? `${middle?.outerHTML} lies over it` : null;
return {name: `${it.tagName} ${name.trim()}`, wrong};
";

/// The innermost elements that reach over the screen's edge, where the page can be scrolled there.
const OVERFLOWING: &str = r"
const wide = document.documentElement.scrollWidth, edge = document.documentElement.clientWidth;
if (wide <= edge) return '';
const over = [...document.body.querySelectorAll('*')].filter((it) => it.getBoundingClientRect().right > edge + 1
    && ![...it.children].some((child) => child.getBoundingClientRect().right > edge + 1));
return `${wide} px: ` + over.slice(0, 4).map((it) => it.outerHTML.slice(0, 120)).join(' | ');
";
/// One first heading, a title, ids that are there once, and a fragment for each that is told of.
const FAULTS: &str = r"
const faults = [], ids = [...document.querySelectorAll('[id]')].map((it) => it.id);
const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
if (twice.length) faults.push(`the ids ${twice} are there twice`);
const first = document.querySelectorAll('h1').length;
if (first !== 1) faults.push(`${first} first headings`);
if (!document.title.replace('· barq', '').trim()) faults.push('no title');
if (document.querySelector('[style], style, main script')) faults.push('something inline');
if (document.documentElement.outerHTML.length > 100 * 1024) faults.push(`${document.documentElement.outerHTML.length} bytes`);
for (const it of document.querySelectorAll('[aria-live] time, [role=status] time, [role=alert] time')) faults.push(`spoken every second: ${it.outerHTML}`);
for (const it of document.querySelectorAll('[aria-describedby], [aria-labelledby], [aria-controls]')) {
    for (const name of ['aria-describedby', 'aria-labelledby', 'aria-controls']) {
        for (const id of (it.getAttribute(name) || '').split(' ')) if (id && !document.getElementById(id)) faults.push(`${name} ${id} is not there`);
    }
}
return faults;
";

/// A browser, ended when dropped.
pub(crate) struct Browser {
    driver: Driver,
    server: String,
    /// Parts of complaints that the test brings about itself.
    expected: RefCell<Vec<String>>,
}

impl Browser {
    /// A wide one, with nothing open.
    pub(crate) async fn start(barq: &Barq) -> Self {
        let profile = barq.place().join("browser");
        let browser = Self {
            driver: Driver::start(&profile).await,
            server: barq.server.clone(),
            expected: RefCell::default(),
        };
        browser.screen(WIDE).await;
        browser
    }

    /// The same, signed in as the first admin.
    pub(crate) async fn signed_in(barq: &Barq) -> Self {
        let browser = Self::start(barq).await;
        browser.open("/sign-in").await;
        browser.sign_in(&barq.token()).await;
        browser.at("/").await;
        browser
    }

    /// Fills the form that is shown, and sends it.
    pub(crate) async fn sign_in(&self, token: &str) {
        self.fill("#token", token).await;
        self.click("main button[type=submit]").await;
    }

    /// A page of the server.
    pub(crate) async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.server);
        let opened = self.driver.post("/url", json!({"url": url})).await;
        opened.unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"));
    }

    /// As by the browser's button.
    pub(crate) async fn back(&self) {
        let back = self.driver.post("/back", json!({})).await;
        back.expect("the page before");
    }

    /// The result of a script's `return`.
    pub(crate) async fn script(&self, script: &str) -> Value {
        match self.try_script(script).await {
            Ok(value) => value,
            Err(refusal) => panic!("{script}: {refusal:?}"),
        }
    }

    async fn try_script(&self, script: &str) -> Result<Value, Refusal> {
        let body = json!({"script": script, "args": []});
        self.driver.post("/execute/sync", body).await
    }

    /// Waits until an expression is true in the page, and gives its value.
    pub(crate) async fn until(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        let found = patiently(async || match self.try_script(&script).await {
            Ok(value) if is_true(&value) => Ok(value),
            // A page that is just being replaced has no script to ask.
            other => Err(format!("{other:?}")),
        })
        .await;
        match found {
            Ok(value) => value,
            Err(instead) => panic!("never: {expression}: {instead}\n{}", self.seen().await),
        }
    }

    /// Waits until the page is the one at this path, query included.
    pub(crate) async fn at(&self, path: &str) {
        let expression = format!(
            "document.readyState === 'complete' && location.pathname + location.search === {}",
            json!(path)
        );
        self.until(&expression).await;
    }

    /// Waits until this can be read where an element is.
    pub(crate) async fn reads(&self, element: &str, text: &str) {
        let expression = format!(
            "[...document.querySelectorAll({})].some((it) => it.innerText.includes({}))",
            json!(element),
            json!(text)
        );
        self.until(&expression).await;
    }

    /// All that can be read where an element is; nothing where there is none.
    pub(crate) async fn text(&self, element: &str) -> String {
        let script = format!(
            "return [...document.querySelectorAll({})].map((it) => it.innerText).join('\\n')",
            json!(element)
        );
        let text = self.script(&script).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// What stands in the tab.
    pub(crate) async fn title(&self) -> String {
        let title = self.driver.get("/title").await.expect("a title");
        title.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks on an element, as soon as it is there: by a CSS selector, or by XPath, which begins with `//`.
    pub(crate) async fn click(&self, element: &str) {
        self.with(element, "/click", json!({})).await;
    }

    /// Clicks on what has just this text: a link, a button or a summary.
    pub(crate) async fn click_text(&self, text: &str) {
        let element =
            format!("//*[self::a or self::button or self::summary][normalize-space()=\"{text}\"]");
        self.click(&element).await;
    }

    /// Types into a field, after what is in it.
    pub(crate) async fn fill(&self, element: &str, text: &str) {
        self.with(element, "/value", json!({"text": text})).await;
    }

    async fn with(&self, element: &str, action: &str, body: Value) {
        let using = if element.starts_with("//") {
            "xpath"
        } else {
            "css selector"
        };
        let done = patiently(async || {
            let locator = json!({"using": using, "value": element});
            let found = self.driver.post("/element", locator).await;
            let found = found.map_err(|refusal| refusal.error)?;
            let id = found[ELEMENT].as_str().expect("an element");
            let path = format!("/element/{id}{action}");
            let done = self.driver.post(&path, body.clone()).await;
            done.map_err(|refusal| format!("{}: {}", refusal.error, refusal.message))
        })
        .await;
        if let Err(instead) = done {
            panic!("{element}: {instead}\n{}", self.seen().await);
        }
    }

    /// Presses keys or types text, one after the other, wherever the focus is; `key::SHIFT` holds for the next one.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let mut actions = Vec::new();
        let mut held = false;
        // Each character is a key of its own.
        let keys = keys
            .iter()
            .flat_map(|it| it.split("").filter(|it| !it.is_empty()));
        for key in keys {
            actions.push(json!({"type": "keyDown", "value": key}));
            if key == key::SHIFT {
                held = true;
                continue;
            }
            actions.push(json!({"type": "keyUp", "value": key}));
            if std::mem::take(&mut held) {
                actions.push(json!({"type": "keyUp", "value": key::SHIFT}));
            }
        }
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.driver.post("/actions", body).await.expect("keys");
    }

    /// All that Tab leads to on this page, from its beginning: each must be seen when it has the focus, and say what it is.
    pub(crate) async fn tab_stops(&self) -> Vec<String> {
        let again = self.driver.post("/refresh", json!({})).await;
        again.expect("the page is there");
        let mut stops = Vec::new();
        while stops.len() < TAB_STOPS_MAX {
            self.press(&[key::TAB]).await;
            let stop = self.script(TAB_STOP).await;
            let Some(name) = stop["name"].as_str() else {
                break;
            };
            assert_eq!(stop["wrong"], Value::Null, "{name}");
            stops.push(name.to_owned());
        }
        stops
    }

    /// The size of the screen in pixels; one as narrow as a phone's is one.
    pub(crate) async fn screen(&self, (width, height): (u32, u32)) {
        let mobile = width < 700;
        let parameters =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.devtools("Emulation.setDeviceMetricsOverride", parameters)
            .await;
    }

    /// What the system says of its user's wishes: `prefers-color-scheme`, `prefers-reduced-motion`.
    pub(crate) async fn prefers(&self, features: &[(&str, &str)]) {
        let features: Vec<Value> = features
            .iter()
            .map(|(name, value)| json!({"name": format!("prefers-{name}"), "value": value}))
            .collect();
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}))
            .await;
    }

    /// A browser that runs no script of any page.
    pub(crate) async fn without_script(&self) {
        self.devtools(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": true}),
        )
        .await;
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        let done = self.driver.post("/goog/cdp/execute", body).await;
        done.unwrap_or_else(|refusal| panic!("{command}: {refusal:?}"))
    }

    /// Opens a tab, goes there, and gives its name.
    pub(crate) async fn new_tab(&self) -> String {
        let tab = self
            .driver
            .post("/window/new", json!({"type": "tab"}))
            .await;
        let tab = tab.expect("a tab")["handle"]
            .as_str()
            .expect("a name")
            .to_owned();
        self.go_to_tab(&tab).await;
        tab
    }

    /// The tab that is looked at.
    pub(crate) async fn tab(&self) -> String {
        let tab = self.driver.get("/window").await.expect("a tab");
        tab.as_str().expect("a name").to_owned()
    }

    /// Looks at another tab.
    pub(crate) async fn go_to_tab(&self, tab: &str) {
        let switched = self.driver.post("/window", json!({"handle": tab})).await;
        switched.expect("the tab is there");
        self.devtools("Page.bringToFront", json!({})).await;
    }

    /// Marks the page as it is loaded: a reload loses the mark.
    pub(crate) async fn mark(&self) {
        self.script("window.marked = true").await;
    }

    /// Whether the page is the one that was marked.
    pub(crate) async fn is_marked(&self) -> bool {
        self.script("return window.marked === true").await == true
    }

    /// Waits until the page hears of changes.
    pub(crate) async fn connected(&self) {
        self.until("document.body.dataset.connection === 'live'")
            .await;
    }

    /// What makes the page wider than the screen; nothing where it fits.
    pub(crate) async fn overflowing(&self) -> String {
        let found = self.script(OVERFLOWING).await;
        found.as_str().unwrap_or_default().to_owned()
    }

    /// What is wrong with the page's structure that axe does not ask for.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let faults = self.script(FAULTS).await;
        let faults = faults.as_array().expect("a list").iter();
        faults
            .filter_map(|it| it.as_str().map(ToOwned::to_owned))
            .collect()
    }

    /// Presses Tab until what has the focus begins with this.
    pub(crate) async fn tab_to(&self, name: &str) {
        let mut passed = Vec::new();
        while passed.len() < TAB_STOPS_MAX {
            self.press(&[key::TAB]).await;
            let stop = self.script(TAB_STOP).await;
            let stop = stop["name"].as_str().unwrap_or_default().to_owned();
            if stop
                .split_once(' ')
                .is_some_and(|(_, it)| it.starts_with(name))
            {
                return;
            }
            passed.push(stop);
        }
        panic!("{name} is not among {passed:#?}");
    }

    /// Complaints that have this in them are brought about by the test itself.
    pub(crate) fn expect_complaint(&self, part: &str) {
        self.expected.borrow_mut().push(part.to_owned());
    }

    /// Looks at the console and at all requests; then the browser ends.
    pub(crate) async fn end(self) {
        let complaints = self.complaints().await;
        assert_eq!(complaints, Vec::<String>::new());
        drop(self.driver.delete("").await);
    }

    async fn complaints(&self) -> Vec<String> {
        let mut logs = Vec::new();
        for kind in ["browser", "performance"] {
            let log = self.driver.post("/se/log", json!({"type": kind})).await;
            logs.push(log.expect("a log").as_array().cloned().expect("a list"));
        }
        assert!(!logs[1].is_empty(), "no request was noted");
        let mut complaints = observed::complaints(&logs[0], &logs[1], &self.server);
        let expected = self.expected.borrow();
        complaints.retain(|it| !expected.iter().any(|part| it.contains(part)));
        complaints
    }

    /// Where it is, what can be read there, and what it complains of: for a test that fails.
    async fn seen(&self) -> String {
        let page = "return `${location.href}\\n${document.title}\\n${document.body.innerText}`";
        let page = self.try_script(page).await;
        let page = page.map_or_else(
            |refusal| format!("{refusal:?}"),
            |page| page.as_str().unwrap_or_default().to_owned(),
        );
        format!("{page}\n{:#?}", self.complaints().await)
    }
}

/// As in the page's own language.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
