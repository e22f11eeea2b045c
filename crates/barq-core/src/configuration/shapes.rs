//! The first reading of `barq.toml`: is every key known, and does every value have the shape of its key?
//!
//! Driven by the table of keys alone. It judges each value by itself and reports every fault, so that the second
//! reading can trust what it finds and look only at what values mean together.

mod mismatch;

use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostics::{Diagnostic, Diagnostics};
use super::keys::{Key, Keys, Shape, TABLES};
use super::rules::{Fault, Rule};
use super::spelling::nearest;
use super::units::{format_duration, format_size, parse_duration, parse_size};

/// A value with its place in the file.
pub(crate) type Value<'a> = Spanned<DeValue<'a>>;

/// Thousandths in a whole.
const MILLIS: f64 = 1_000.0;

/// Checks a table of known keys.
pub(crate) fn check_table(
    report: &mut Diagnostics,
    table: &DeTable<'_>,
    span: Range<usize>,
    keys: &'static Keys,
) {
    for (name, value) in table {
        match keys.keys.iter().find(|key| key.name == name.get_ref()) {
            Some(key) => check_value(report, &in_backticks(key.name), value, &key.shape),
            None => report.push(unknown_key(name.span(), name.get_ref(), table, keys)),
        }
    }
    let misspelt: Vec<&str> = table
        .keys()
        .filter_map(|name| misspelling(name.get_ref(), table, keys))
        .collect();
    let missing =
        |key: &&Key| key.required && !table.contains_key(key.name) && !misspelt.contains(&key.name);
    for key in keys.keys.iter().filter(missing) {
        let message = format!("`{}` is missing {}", key.name, keys.place);
        report.push(
            Diagnostic::error(span.clone(), message, "")
                .help_with(format!("`{}`: {}", key.name, key.about)),
        );
    }
}

/// The whole stretch of the file that a value is written in: the span of a `[table]` is its header alone.
pub(crate) fn extent(value: &Value<'_>) -> Range<usize> {
    let inside: Vec<Range<usize>> = match value.get_ref() {
        DeValue::Array(items) => items.iter().map(extent).collect(),
        DeValue::Table(table) => table
            .iter()
            .flat_map(|(key, value)| [key.span(), extent(value)])
            .collect(),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => Vec::new(),
    };
    inside.into_iter().fold(value.span(), |all, part| {
        all.start.min(part.start)..all.end.max(part.end)
    })
}

/// A whole number, if the value is one that fits.
pub(crate) fn whole(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// CPUs in thousandths, if the value is a number that is exact to a thousandth.
pub(crate) fn cpu_millis(value: &DeValue<'_>) -> Option<u32> {
    if let Some(cpus) = whole(value) {
        return u32::try_from(cpus.checked_mul(1_000)?).ok();
    }
    let millis = value.as_float()?.as_str().parse::<f64>().ok()? * MILLIS;
    let rounded = millis.round();
    let exact = (millis - rounded).abs() < 1e-6 && (0.0..=f64::from(u32::MAX)).contains(&rounded);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above"
    )]
    exact.then_some(rounded as u32)
}

/// Checks a value against the shape of its key.
fn check_value(report: &mut Diagnostics, what: &str, value: &Value<'_>, shape: &'static Shape) {
    let span = value.span();
    match (shape, value.get_ref()) {
        (Shape::Flag, DeValue::Boolean(_)) | (Shape::OrFalse(_), DeValue::Boolean(false)) => {}
        (Shape::OrFalse(inner), DeValue::Table(_)) => check_value(report, what, value, inner),
        (Shape::Whole { min, max }, DeValue::Integer(_)) => {
            check_whole(report, what, value, *min, *max);
        }
        (Shape::Cpu, DeValue::Integer(_) | DeValue::Float(_)) => check_cpu(report, what, value),
        (Shape::Duration { min, max }, DeValue::String(text)) => {
            let bounds = (format_duration(*min), format_duration(*max));
            check_bounds(
                report,
                what,
                span,
                parse_duration(text).map(|found| (min..=max).contains(&&found)),
                bounds,
            );
        }
        (Shape::Size { min, max }, DeValue::String(text)) => {
            let bounds = (format_size(*min), format_size(*max));
            check_bounds(
                report,
                what,
                span,
                parse_size(text).map(|found| (min..=max).contains(&&found)),
                bounds,
            );
        }
        (Shape::Text(rule) | Shape::TextOr(rule, _), DeValue::String(text)) => {
            check_text(report, what, span, text, rule);
        }
        (Shape::OneOf(words), DeValue::String(text)) => check_word(report, what, span, text, words),
        (
            Shape::List {
                item,
                min,
                max,
                unique,
            },
            DeValue::Array(items),
        ) => {
            check_length(report, what, span, items.len(), *min..=*max);
            let of_item = format!("an item of {what}");
            for value in items.iter().take(*max) {
                check_value(report, &of_item, value, item);
            }
            if *unique {
                check_unique(report, what, items.iter().take(*max));
            }
        }
        (
            Shape::Map {
                key: rule,
                value: shape,
                min,
                max,
            },
            DeValue::Table(table),
        ) => {
            check_length(report, what, span, table.len(), *min..=*max);
            check_map(report, what, table.iter().take(*max), rule, shape);
        }
        (Shape::Table(keys) | Shape::TextOr(_, keys), DeValue::Table(table)) => {
            check_table(report, table, span, keys);
        }
        (shape, found) => report.push(mismatch::diagnostic(what, span, found, shape)),
    }
}

/// Checks the keys and the values of a table of which the keys are free.
fn check_map<'v>(
    report: &mut Diagnostics,
    what: &str,
    entries: impl Iterator<Item = (&'v Spanned<DeString<'v>>, &'v Value<'v>)>,
    rule: &Rule,
    shape: &'static Shape,
) {
    let of_key = format!("a key of {what}");
    for (name, value) in entries {
        check_text(report, &of_key, name.span(), name.get_ref(), rule);
        check_value(report, &in_backticks(name.get_ref()), value, shape);
    }
}

fn check_whole(report: &mut Diagnostics, what: &str, value: &Value<'_>, min: u64, max: u64) {
    if !whole(value.get_ref()).is_some_and(|number| (min..=max).contains(&number)) {
        let message = format!("{what} is out of range");
        let diagnostic =
            Diagnostic::error(value.span(), message, format!("must be {min} to {max}"));
        let scale_to_zero = what == "`min`" && min == 1 && whole(value.get_ref()) == Some(0);
        report.push(if scale_to_zero {
            diagnostic.help_with(
                "an environment always has an instance: scaling to zero is not supported",
            )
        } else {
            diagnostic
        });
    }
}

fn check_cpu(report: &mut Diagnostics, what: &str, value: &Value<'_>) {
    let max = super::limits::CPU_MILLIS_MAX;
    if !cpu_millis(value.get_ref()).is_some_and(|millis| (1..=max).contains(&millis)) {
        let message = format!("{what} is out of range");
        let label = format!("must be 0.001 to {}, in steps of 0.001", max / 1_000);
        report.push(Diagnostic::error(value.span(), message, label));
    }
}

/// Checks a number with a unit that was read, and whether it lies between its bounds.
fn check_bounds(
    report: &mut Diagnostics,
    what: &str,
    span: Range<usize>,
    within: Result<bool, Fault>,
    (min, max): (String, String),
) {
    match within {
        Ok(true) => {}
        Ok(false) => {
            let message = format!("{what} is out of range");
            report.push(Diagnostic::error(
                span,
                message,
                format!("must be {min} to {max}"),
            ));
        }
        Err(fault) => report.push(refusal(span, format!("{what} can't be read"), &fault)),
    }
}

fn check_text(report: &mut Diagnostics, what: &str, span: Range<usize>, text: &str, rule: &Rule) {
    let any_text = std::ptr::eq(rule, &raw const super::rules::ANY_TEXT);
    let fault = if text.contains('\0') {
        Some(Fault::new("contains a NUL, which no process can be given"))
    } else if text.is_empty() && !any_text {
        Some(Fault::new("must not be empty"))
    } else {
        (rule.fault)(text)
    };
    if let Some(fault) = fault {
        report.push(refusal(
            span,
            format!("{what} must be {}", rule.what),
            &fault,
        ));
    }
}

fn check_word(
    report: &mut Diagnostics,
    what: &str,
    span: Range<usize>,
    text: &str,
    words: &[&str],
) {
    if !words.contains(&text) {
        let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        let fault = Fault::new(format!("can be {}", quoted.join(", ")));
        let meant = nearest(text, words.iter().copied()).map(str::to_owned);
        report.push(refusal(
            span,
            format!("{what} can't be {text:?}"),
            &fault.instead_of(meant),
        ));
    }
}

fn check_length(
    report: &mut Diagnostics,
    what: &str,
    span: Range<usize>,
    length: usize,
    bounds: std::ops::RangeInclusive<usize>,
) {
    if !bounds.contains(&length) {
        let (message, label) = if length == 0 {
            (
                format!("{what} is empty"),
                "must have at least one item".to_owned(),
            )
        } else {
            (
                format!("{what} has too many items"),
                format!("{length} items, at most {} are allowed", bounds.end()),
            )
        };
        report.push(Diagnostic::error(span, message, label));
    }
}

fn check_unique<'v>(
    report: &mut Diagnostics,
    what: &str,
    items: impl Iterator<Item = &'v Value<'v>>,
) {
    let mut seen: std::collections::BTreeMap<&str, Range<usize>> =
        std::collections::BTreeMap::new();
    for item in items {
        let Some(text) = item.get_ref().as_str() else {
            continue;
        };
        if let Some(first) = seen.get(text) {
            let message = format!("{what} names {text:?} twice");
            report.push(
                Diagnostic::error(item.span(), message, "again here")
                    .also(first.clone(), "first here"),
            );
        } else {
            seen.insert(text, item.span());
        }
    }
}

/// A value that is refused, with what was probably meant.
fn refusal(span: Range<usize>, message: String, fault: &Fault) -> Diagnostic {
    let diagnostic = Diagnostic::error(span, message, fault.reason.clone());
    match &fault.instead {
        Some(instead) => diagnostic.help_with(format!("did you mean {instead:?}?")),
        None => diagnostic,
    }
}

/// A key that its table does not have: a misspelling, or one that stands in the wrong table.
fn unknown_key(
    span: Range<usize>,
    name: &str,
    table: &DeTable<'_>,
    keys: &'static Keys,
) -> Diagnostic {
    let message = format!("unknown key `{}` {}", name.escape_debug(), keys.place);
    let elsewhere: Vec<&str> = TABLES
        .iter()
        .filter(|other| {
            !std::ptr::eq(**other, keys) && other.keys.iter().any(|key| key.name == name)
        })
        .map(|other| other.place)
        .collect();
    if let [only] = elsewhere.as_slice() {
        Diagnostic::error(span, message, format!("belongs {only}"))
    } else if let Some(meant) = misspelling(name, table, keys) {
        Diagnostic::error(span, message, format!("did you mean `{meant}`?"))
    } else {
        let known: Vec<String> = keys
            .keys
            .iter()
            .map(|key| format!("`{}`", key.name))
            .collect();
        let help = format!("known {}: {}", keys.place, known.join(", "));
        Diagnostic::error(span, message, "not known here").help_with(help)
    }
}

/// The key that an unknown one was probably meant to be, among those that the table does not have yet.
fn misspelling(name: &str, table: &DeTable<'_>, keys: &'static Keys) -> Option<&'static str> {
    let names = keys.keys.iter().map(|key| key.name);
    if names.clone().any(|known| known == name) {
        return None;
    }
    nearest(name, names.filter(|known| !table.contains_key(*known)))
}

/// How messages name a key.
fn in_backticks(name: &str) -> String {
    format!("`{}`", name.escape_debug())
}
