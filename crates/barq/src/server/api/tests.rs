//! The description says what is served, and what is served is what the command line relies on.

use std::collections::BTreeSet;

use super::*;

/// Method and path of everything that others rely on.
const RELIED_UPON: [&str; 35] = [
    "DELETE /api/v1/tokens/{name}",
    "GET /api/v1/audit",
    "GET /api/v1/deliveries",
    "GET /api/v1/deliveries/{id}",
    "GET /api/v1/deliveries/{id}/checks/{name}/output",
    "GET /api/v1/deliveries/{id}/evidence",
    "GET /api/v1/events",
    "GET /api/v1/incidents",
    "GET /api/v1/incidents/{id}",
    "GET /api/v1/rollouts/{id}",
    "GET /api/v1/services",
    "GET /api/v1/services/{name}",
    "GET /api/v1/services/{name}/logs",
    "GET /api/v1/tokens",
    "GET /api/v1/whoami",
    "GET /health/detailed",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "POST /api/v1/audit/verify",
    "POST /api/v1/backup",
    "POST /api/v1/deliveries/{id}/approve",
    "POST /api/v1/deliveries/{id}/cancel",
    "POST /api/v1/deliveries/{id}/reject",
    "POST /api/v1/deliveries/{id}/retry",
    "POST /api/v1/rollouts/{id}/abort",
    "POST /api/v1/rollouts/{id}/pause",
    "POST /api/v1/rollouts/{id}/promote",
    "POST /api/v1/rollouts/{id}/resume",
    "POST /api/v1/services/{name}/lock",
    "POST /api/v1/services/{name}/rollback",
    "POST /api/v1/services/{name}/unlock",
    "POST /api/v1/services/{name}/verify",
    "POST /api/v1/sign-in-links",
    "POST /api/v1/tokens",
];

#[test]
fn the_description_holds_every_route() {
    let document = description();
    let mut described = BTreeSet::new();
    for (path, item) in &document.paths.paths {
        for (method, operation) in [
            ("GET", &item.get),
            ("POST", &item.post),
            ("DELETE", &item.delete),
        ] {
            if operation.is_some() {
                described.insert(format!("{method} {path}"));
            }
        }
    }
    let relied_upon: BTreeSet<String> = RELIED_UPON.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(described, relied_upon);
}

#[test]
fn every_reference_in_the_description_leads_somewhere() {
    let document = description().to_json().expect("JSON");
    let value: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    let mut references = BTreeSet::new();
    collect(&value, &mut references);
    assert!(references.contains("#/components/schemas/Delivery"));
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(value.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn all_but_health_needs_a_token_and_has_problems() {
    let document = description();
    for (path, item) in &document.paths.paths {
        for operation in [&item.get, &item.post, &item.delete].into_iter().flatten() {
            let open = path.starts_with("/health") || path == "/metrics";
            assert_eq!(operation.security.is_none(), open, "{path}");
            assert!(
                operation.responses.responses.contains_key("default"),
                "{path}"
            );
        }
    }
}

fn collect(value: &serde_json::Value, references: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if let ("$ref", Some(text)) = (name.as_str(), value.as_str()) {
                    references.insert(text.to_owned());
                }
                collect(value, references);
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| collect(item, references));
        }
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}
