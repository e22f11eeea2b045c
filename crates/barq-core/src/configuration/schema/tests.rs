//! The schema accepts what the parser accepts. Judged by a small validator of just the words that the schema uses.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::render_toml;
use super::super::testing::{EXAMPLE, any_configuration};
use super::schema;

/// Why a value does not fit a schema; none if it does. Patterns are not judged: they are the parser's rules in short.
fn misfit(schema: &Value, value: &Value, path: &str) -> Option<String> {
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = choices
            .iter()
            .any(|choice| misfit(choice, value, path).is_none());
        return (!fits).then(|| format!("{path}: fits no choice"));
    }
    if schema
        .get("const")
        .is_some_and(|constant| constant != value)
    {
        return Some(format!("{path}: not the constant"));
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|words| !words.contains(value))
    {
        return Some(format!("{path}: no word of the enumeration"));
    }
    let type_fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some(other) => panic!("{path}: the schema knows a type {other}"),
        None => true,
    };
    if !type_fits {
        return Some(format!("{path}: {value} is no {}", schema["type"]));
    }
    if value.as_f64().is_some_and(|number| {
        schema["minimum"].as_f64().is_some_and(|min| number < min)
            || schema["maximum"].as_f64().is_some_and(|max| number > max)
    }) {
        return Some(format!("{path}: {value} is out of range"));
    }
    let items = value.as_array().into_iter().flatten();
    let misfit_item = items
        .map(|item| misfit(&schema["items"], item, &format!("{path}[]")))
        .find_map(|misfit| misfit);
    let members = value.as_object().into_iter().flatten();
    misfit_item
        .or_else(|| {
            members
                .map(|(key, member)| misfit_member(schema, key, member, &format!("{path}.{key}")))
                .find_map(|misfit| misfit)
        })
        .or_else(|| {
            let required = schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            required
                .filter(|key| value.get(key).is_none())
                .map(|key| format!("{path}: no {key}"))
                .next()
        })
}

fn misfit_member(schema: &Value, key: &str, member: &Value, path: &str) -> Option<String> {
    match (
        schema["properties"].get(key),
        &schema["additionalProperties"],
    ) {
        (Some(property), _) => misfit(property, member, path),
        (None, Value::Bool(false)) => Some(format!("{path}: not known")),
        (None, additional) => misfit(additional, member, path),
    }
}

fn as_json(toml: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(toml).unwrap()).unwrap()
}

#[test]
fn the_example_fits() {
    assert_eq!(misfit(&schema(), &as_json(EXAMPLE), ""), None);
}

#[test]
fn what_the_parser_refuses_by_shape_does_not_fit() {
    for (toml, expected) in [
        ("build = {}", ": no service"),
        (
            "service = \"a\"\nbuild = {}\ncolour = 1",
            ".colour: not known",
        ),
        (
            "service = \"a\"\nbuild = {}\n[environments.x]\napproval = true",
            ".environments.x.approval: fits no choice",
        ),
        (
            "service = \"a\"\nbuild = {}\n[environments.x]\nsteps = [{ traffic = 101 }]",
            ".environments.x.steps[].traffic: 101 is out of range",
        ),
    ] {
        assert_eq!(
            misfit(&schema(), &as_json(toml), "").as_deref(),
            Some(expected),
            "{toml}"
        );
    }
}

#[test]
fn every_key_is_described() {
    fn undescribed(schema: &Value, path: &str) -> Vec<String> {
        let Some(members) = schema.as_object() else {
            return Vec::new();
        };
        let here = schema["properties"].as_object().into_iter().flatten();
        let mut found: Vec<String> = here
            .filter(|(_, property)| property["description"].as_str().is_none_or(str::is_empty))
            .map(|(key, _)| format!("{path}.{key}"))
            .collect();
        found.extend(
            members
                .iter()
                .flat_map(|(key, member)| undescribed(member, &format!("{path}.{key}"))),
        );
        found
    }
    assert_eq!(undescribed(&schema(), ""), Vec::<String>::new());
    assert_eq!(schema()["required"], json!(["service", "build"]));
}

proptest! {
    #[test]
    fn every_valid_file_fits(configuration in any_configuration()) {
        prop_assert_eq!(misfit(&schema(), &as_json(&render_toml(&configuration)), ""), None);
    }
}
