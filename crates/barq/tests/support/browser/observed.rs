//! What a browser had to complain of, and whom it asked: the end of every test looks at it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Everything that should not have been.
pub(super) fn complaints(console: &[Value], network: &[Value], server: &str) -> Vec<String> {
    let console = console.iter().filter_map(of_console);
    console.chain(of_network(network, server)).collect()
}

fn of_console(entry: &Value) -> Option<String> {
    let level = entry["level"].as_str()?;
    let loud = matches!(level, "SEVERE" | "WARNING");
    loud.then(|| format!("console: {level}: {}", entry["message"]))
}

fn of_network(entries: &[Value], server: &str) -> Vec<String> {
    let mut urls = BTreeMap::new();
    let mut complaints = Vec::new();
    for entry in entries {
        let text = entry["message"].as_str().unwrap_or_default();
        let event: Value = serde_json::from_str(text).unwrap_or_default();
        let event = &event["message"];
        let parameters = &event["params"];
        let id = parameters["requestId"].as_str().unwrap_or_default();
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                urls.insert(id.to_owned(), url.to_owned());
                let own = url
                    .strip_prefix(server)
                    .is_some_and(|path| path.starts_with('/'));
                if !own && !url.starts_with("data:") {
                    complaints.push(format!("a request to another host: {url}"));
                }
            }
            "Network.responseReceived" => {
                let status = parameters["response"]["status"]
                    .as_u64()
                    .unwrap_or_default();
                if status >= 400 {
                    let url = &parameters["response"]["url"];
                    complaints.push(format!("answered {status}: {url}"));
                }
            }
            "Network.loadingFailed" if parameters["canceled"] != true => {
                let url = urls.get(id);
                complaints.push(format!("failed: {url:?}: {}", parameters["errorText"]));
            }
            "Network.webSocketCreated" => {
                complaints.push(format!("a web socket: {}", parameters["url"]));
            }
            _ => {}
        }
    }
    complaints
}
