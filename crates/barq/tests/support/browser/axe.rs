//! The rules of accessibility (WCAG 2.2, A and AA) asked of a page by axe-core, as scripts/setup has put it beside. A script
//! of WebDriver is no part of the page, so the page's policy does not stop it.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Browser;

/// As in scripts/setup.
const VERSION: &str = "4.14.1";

const RUN: &str = r"
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: arguments[0], resultTypes: ['violations']}).then(
    (found) => done(found.violations.map((it) => `${it.id}: ${it.help}: ${it.nodes.length} times`
        + it.nodes.slice(0, 3).map((node) => `\n    ${node.target} ${node.html}\n      ${node.failureSummary}`).join(''))),
    (error) => done([String(error)]));
";

impl Browser {
    /// Which rules the page breaks as it stands, and where.
    pub(crate) async fn violations(&self) -> Vec<String> {
        let tags = [
            "wcag2a",
            "wcag2aa",
            "wcag21a",
            "wcag21aa",
            "wcag22aa",
            "best-practice",
        ];
        self.broken(json!({"type": "tag", "values": tags})).await
    }

    /// The same, of the rules that ask what it looks like: what its colours and the screen may change.
    pub(crate) async fn violations_of_sight(&self) -> Vec<String> {
        let rules = [
            "color-contrast",
            "link-in-text-block",
            "target-size",
            "scrollable-region-focusable",
        ];
        self.broken(json!({"type": "rule", "values": rules})).await
    }

    async fn broken(&self, rules: Value) -> Vec<String> {
        if self.script("return typeof axe").await == "undefined" {
            self.script(&format!("{}\nwindow.axe = axe;", source()))
                .await;
        }
        let body = json!({"script": RUN, "args": [rules]});
        let found = self.driver.post("/execute/async", body).await;
        let found = found.unwrap_or_else(|refusal| panic!("axe: {refusal:?}"));
        let found = found.as_array().expect("a list").iter();
        found
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect()
    }
}

fn source() -> String {
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache"),
        PathBuf::from,
    );
    let path = cache
        .join("barq")
        .join(format!("axe-core-{VERSION}"))
        .join("axe.min.js");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run scripts/setup", path.display()))
}
