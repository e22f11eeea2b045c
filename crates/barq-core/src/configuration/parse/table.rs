//! Lenient access to a table whose shapes were already judged: what is missing or was refused is none.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::super::rules::normal_path;
use super::super::shapes::{Value, cpu_millis, whole};
use super::super::units::{parse_duration, parse_size};

/// A table and the place to point at when something in it is missing.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    table: Option<&'a DeTable<'a>>,
    start: usize,
    end: usize,
}

impl<'a> Table<'a> {
    /// A table of the file.
    pub(super) fn new(table: &'a DeTable<'a>, span: Range<usize>) -> Self {
        Self {
            table: Some(table),
            start: span.start,
            end: span.end,
        }
    }

    /// A value that should be a table; anything else reads as an empty one.
    pub(super) fn of(value: &'a Value<'a>) -> Self {
        let span = value.span();
        Self {
            table: value.get_ref().as_table(),
            start: span.start,
            end: span.end,
        }
    }

    /// The place of the table: its header, or all of an inline table.
    pub(super) fn span(self) -> Range<usize> {
        self.start..self.end
    }

    /// The value of a key.
    pub(super) fn get(self, key: &str) -> Option<&'a Value<'a>> {
        self.table?.get(key)
    }

    /// The place of a key itself.
    pub(super) fn key_span(self, key: &str) -> Option<Range<usize>> {
        self.table?.get_key_value(key).map(|(key, _)| key.span())
    }

    /// The place of a value, or of the table where there is none.
    pub(super) fn value_span(self, key: &str) -> Range<usize> {
        self.get(key).map_or(self.span(), Value::span)
    }

    /// A table inside; an empty one where there is none.
    pub(super) fn table(self, key: &str) -> Self {
        self.get(key).map_or(
            Self {
                table: None,
                start: self.start,
                end: self.end,
            },
            Self::of,
        )
    }

    /// The items of an array; none where there is none.
    pub(super) fn items(self, key: &str) -> &'a [Value<'a>] {
        self.get(key)
            .and_then(|value| value.get_ref().as_array())
            .map_or(&[], |items| items)
    }

    /// Keys and values in file order.
    pub(super) fn entries(self) -> Vec<(&'a str, Range<usize>, &'a Value<'a>)> {
        let mut entries: Vec<_> = self
            .table
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// A text.
    pub(super) fn text(self, key: &str) -> Option<&'a str> {
        self.get(key)?.get_ref().as_str()
    }

    /// A path in its normal form.
    pub(super) fn path(self, key: &str) -> Option<String> {
        self.text(key).map(normal_path)
    }

    /// The texts of an array.
    pub(super) fn texts(self, key: &str) -> Option<Vec<String>> {
        self.get(key)?;
        let texts = self
            .items(key)
            .iter()
            .filter_map(|item| item.get_ref().as_str());
        Some(texts.map(str::to_owned).collect())
    }

    /// The paths of an array, each once and in its normal form.
    pub(super) fn paths(self, key: &str) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for path in self
            .texts(key)
            .unwrap_or_default()
            .iter()
            .map(|path| normal_path(path))
        {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    /// A table of texts.
    pub(super) fn text_map(self, key: &str) -> BTreeMap<String, String> {
        let entries = self.table(key).entries().into_iter();
        entries
            .filter_map(|(name, _, value)| {
                Some((name.to_owned(), value.get_ref().as_str()?.to_owned()))
            })
            .collect()
    }

    /// A flag.
    pub(super) fn flag(self, key: &str) -> Option<bool> {
        self.get(key)?.get_ref().as_bool()
    }

    /// Whether the value is `false`, which turns the thing off.
    pub(super) fn is_off(self, key: &str) -> bool {
        matches!(
            self.get(key).map(Value::get_ref),
            Some(DeValue::Boolean(false))
        )
    }

    /// A whole number.
    pub(super) fn whole(self, key: &str) -> Option<u32> {
        whole(self.get(key)?.get_ref()).and_then(|number| u32::try_from(number).ok())
    }

    /// CPUs in thousandths.
    pub(super) fn cpu_millis(self, key: &str) -> Option<u32> {
        cpu_millis(self.get(key)?.get_ref())
    }

    /// A duration.
    pub(super) fn duration(self, key: &str) -> Option<Duration> {
        parse_duration(self.text(key)?).ok()
    }

    /// A size in bytes.
    pub(super) fn size(self, key: &str) -> Option<u64> {
        parse_size(self.text(key)?).ok()
    }
}
