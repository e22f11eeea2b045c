//! The JSON Schema of `barq.toml`, for editors.
//!
//! Made from the table of keys that the parser itself goes by, so it can neither miss a key nor invent one. A schema
//! cannot say what two values mean together; it accepts every file that the parser accepts, and some more.

use serde_json::{Map, Value, json};

use super::keys::{FILE, Keys, Shape};
use super::rules::Rule;

/// What an editor finds the schema by.
const SCHEMA_TITLE: &str = "barq.toml";

/// The JSON Schema (draft 2020-12).
pub fn schema() -> Value {
    let mut schema = table(&FILE);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(SCHEMA_TITLE);
    schema
}

fn table(keys: &Keys) -> Value {
    let mut properties = Map::new();
    for key in keys.keys {
        let mut property = shape(&key.shape);
        property["description"] = json!(key.about);
        properties.insert(key.name.to_owned(), property);
    }
    let required: Vec<&str> = keys
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn shape(shape_of: &Shape) -> Value {
    match shape_of {
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Whole { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Cpu => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": super::limits::CPU_MILLIS_MAX / 1_000 })
        }
        Shape::Duration { .. } => {
            json!({ "type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "minLength": 2 })
        }
        Shape::Size { .. } => json!({ "type": "string", "pattern": "^[0-9]+(KiB|MiB|GiB|TiB)$" }),
        Shape::Text(rule) => text(rule),
        Shape::OneOf(words) => json!({ "enum": words }),
        Shape::List {
            item,
            min,
            max,
            unique,
        } => {
            json!({ "type": "array", "items": shape(item), "minItems": min, "maxItems": max, "uniqueItems": unique })
        }
        Shape::Map {
            key,
            value,
            min,
            max,
        } => json!({
            "type": "object",
            "propertyNames": text(key),
            "additionalProperties": shape(value),
            "minProperties": min,
            "maxProperties": max,
        }),
        Shape::Table(keys) => table(keys),
        Shape::OrFalse(inner) => json!({ "anyOf": [{ "const": false }, shape(inner)] }),
        Shape::TextOr(rule, keys) => json!({ "anyOf": [text(rule), table(keys)] }),
    }
}

fn text(rule: &Rule) -> Value {
    match rule.pattern {
        Some(pattern) => json!({ "type": "string", "pattern": pattern }),
        None => json!({ "type": "string" }),
    }
}

#[cfg(test)]
mod tests;
