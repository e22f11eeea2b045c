//! A value of the wrong type, with the form that was probably meant.
//!
//! Most of these are a missing pair of quotes, brackets or a unit; the message shows the very text to write.

use std::ops::Range;

use toml::de::DeValue;

use super::super::diagnostics::Diagnostic;
use super::super::keys::Shape;

/// The error for a value of which the type does not fit the shape.
pub(super) fn diagnostic(
    what: &str,
    span: Range<usize>,
    found: &DeValue<'_>,
    shape: &'static Shape,
) -> Diagnostic {
    let message = format!("{what} must be {}", expected(shape));
    let diagnostic = Diagnostic::error(span, message, format!("this is {}", describe(found)));
    match meant(what, found, shape) {
        Some(help) => diagnostic.help_with(help),
        None => diagnostic,
    }
}

/// What a shape asks for, after "must be".
fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Flag => "true or false".to_owned(),
        Shape::Whole { .. } => "a whole number".to_owned(),
        Shape::Cpu => "a number of CPUs, like 2 or 0.5".to_owned(),
        Shape::Duration { .. } => "a duration, like \"5m\"".to_owned(),
        Shape::Size { .. } => "a size, like \"2GiB\"".to_owned(),
        Shape::Text(rule) => rule.what.to_owned(),
        Shape::OneOf(words) => format!("one of the words {}", words.join(", ")),
        Shape::List {
            item: Shape::Table(_),
            ..
        } => "an array of tables".to_owned(),
        Shape::List { .. } => "an array".to_owned(),
        Shape::Map { .. } | Shape::Table(_) => "a table".to_owned(),
        Shape::OrFalse(_) => "false or a table".to_owned(),
        Shape::TextOr(..) => "a text or a table".to_owned(),
    }
}

/// What a value is, after "this is".
fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// What to write in its place, where that is clear.
fn meant(what: &str, found: &DeValue<'_>, shape: &Shape) -> Option<String> {
    match (shape, found) {
        (Shape::Duration { .. }, DeValue::Integer(number)) => Some(format!(
            "a number alone does not say its unit; for seconds write \"{number}s\""
        )),
        (Shape::Size { .. }, DeValue::Integer(_)) => {
            Some("a number alone does not say its unit; write \"512MiB\" or \"2GiB\"".to_owned())
        }
        (Shape::Whole { .. }, DeValue::String(text)) if text.parse::<u64>().is_ok() => {
            Some(format!("write {text}, without quotes"))
        }
        (Shape::Flag | Shape::OrFalse(_), DeValue::String(text))
            if matches!(text.as_ref(), "true" | "false") =>
        {
            Some(format!("write {text}, without quotes"))
        }
        (Shape::Cpu, DeValue::String(text)) => cpu_meant(text),
        (Shape::Text(_) | Shape::TextOr(..), DeValue::Integer(number)) => {
            Some(format!("write \"{number}\", in quotes"))
        }
        (Shape::Text(_) | Shape::TextOr(..), DeValue::Float(number)) => {
            Some(format!("write \"{number}\", in quotes"))
        }
        (Shape::Text(_) | Shape::TextOr(..), DeValue::Boolean(flag)) => {
            Some(format!("write \"{flag}\", in quotes"))
        }
        (
            Shape::List {
                item: Shape::Text(_) | Shape::OneOf(_),
                ..
            },
            DeValue::String(text),
        ) => Some(format!("write [{text:?}]")),
        (
            Shape::List {
                item: Shape::Table(_),
                ..
            },
            DeValue::Table(_),
        ) => Some(format!(
            "there can be several: write `[[{}]]`, with two brackets",
            what.trim_matches('`')
        )),
        (Shape::OrFalse(Shape::Table(keys)), DeValue::Boolean(true)) => {
            let names: Vec<&str> = keys.keys.iter().map(|key| key.name).collect();
            Some(format!(
                "say which, with the keys {}; {{}} takes the defaults",
                names.join(", ")
            ))
        }
        (Shape::Duration { min, .. }, DeValue::Boolean(false)) if min.is_zero() => {
            Some("write \"0s\" to turn it off".to_owned())
        }
        (Shape::Table(keys), DeValue::Integer(number)) => {
            let first = keys.keys.first().filter(|key| key.required)?;
            Some(format!("write {{ {} = {number} }}", first.name))
        }
        _ => None,
    }
}

/// `"500m"` and `"2"`, as other systems write CPUs.
fn cpu_meant(text: &str) -> Option<String> {
    let millis = match text.strip_suffix('m') {
        Some(millis) => millis.parse::<u32>().ok()?,
        None => text.parse::<u32>().ok()?.checked_mul(1_000)?,
    };
    Some(format!(
        "write {}, without quotes",
        super::super::render::format_cpu(millis)
    ))
}
