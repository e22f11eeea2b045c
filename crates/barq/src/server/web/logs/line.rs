//! A line of a log: when, how severe, by whom, and what it says. Of a structured line the message comes first, then what
//! else it tells; the id of its request is a link to all lines of that request.
//!
//! Hundreds of them stand on a page that stays below 100 KB, hence the short markup.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use barq_node::api::LogLine;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::super::api::logs::REQUEST_ID_FIELDS;
use super::super::elements;
use super::super::output::places;
use super::question::{LogsPlace, Window};

/// Characters of a message that are shown in a list; where a line is looked at, more.
const MESSAGE_CHARACTERS_MAX: usize = 1000;
const MESSAGE_CHARACTERS_CLOSE_MAX: usize = 16 * 1024;
/// Characters of a line's other fields.
const FIELDS_CHARACTERS_MAX: usize = 600;
/// Where a structured line has its message.
const MESSAGE_FIELDS: [&str; 3] = ["message", "msg", "event"];
/// What is shown already.
const SHOWN_FIELDS: [&str; 6] = ["severity", "level", "time", "timestamp", "ts", "@timestamp"];
/// Where tracing's JSON nests what a line tells.
const NESTED_FIELD: &str = "fields";
/// Characters of an instance's id that are shown.
const INSTANCE_CHARACTERS: usize = 6;

/// What tells lines apart: two that are the same to the letter get a number each.
pub(super) fn fingerprint(line: &LogLine) -> u32 {
    let mut hasher = DefaultHasher::new();
    (&line.instance, &line.text).hash(&mut hasher);
    // The lower half is as good as the whole.
    hasher.finish() as u32
}

/// The id of a line on its page.
pub(super) fn id(at_ms: i64, fingerprint: u32, ordinal: u32) -> String {
    match ordinal {
        0 => format!("l{at_ms:x}-{fingerprint:x}"),
        _ => format!("l{at_ms:x}-{fingerprint:x}-{ordinal}"),
    }
}

/// The list item.
pub(super) fn item(place: &LogsPlace, line: &LogLine, id: &str) -> Markup {
    let told = Told::of(&line.text);
    let at_ms = line.at.as_millisecond();
    let revision = line.revision.rsplit('-').next().unwrap_or_default();
    let instance: String = line.instance.chars().take(INSTANCE_CHARACTERS).collect();
    let (class, word) = severity(&line.severity);
    html! {
        li id=(id) class=[class] {
            a href={ "?at=" (at_ms) "#" (id) } title=(elements::exactly(line.at)) { (line.at.strftime("%m-%d %H:%M:%S%.3f")) }
            b { (word) }
            i title={ "instance " (line.instance) } { (revision) " " (instance) }
            span { (message(place, &told.message, at_ms, id)) (fields(&told, at_ms)) }
        }
    }
}

/// What a line tells.
struct Told {
    message: String,
    /// The id of its request.
    request_id: Option<String>,
    /// The rest, as text.
    fields: Vec<(String, String)>,
}

impl Told {
    fn of(text: &str) -> Self {
        let object = text.trim_start().starts_with('{');
        let parsed = object.then(|| serde_json::from_str::<Map<String, Value>>(text));
        match parsed {
            Some(Ok(fields)) => Self::structured(fields),
            Some(Err(_)) | None => Self {
                message: safe(text),
                request_id: None,
                fields: Vec::new(),
            },
        }
    }

    fn structured(mut fields: Map<String, Value>) -> Self {
        if let Some(Value::Object(nested)) = fields.remove(NESTED_FIELD) {
            fields.extend(nested);
        }
        let mut take = |names: &[&str]| names.iter().find_map(|name| fields.remove(*name));
        let message = take(&MESSAGE_FIELDS).map(|message| in_words(&message));
        let request_id = take(&REQUEST_ID_FIELDS).map(|id| in_words(&id));
        let rest = fields
            .iter()
            .filter(|(name, _)| !SHOWN_FIELDS.contains(&name.as_str()))
            .map(|(name, value)| (safe(name), in_words(value)));
        Self {
            message: message.unwrap_or_default(),
            request_id,
            fields: rest.collect(),
        }
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => safe(text),
        other => other.to_string(),
    }
}

/// Without the escapes that colour a terminal, and without other characters that are none.
fn safe(text: &str) -> String {
    let stripped = anstream::adapter::strip_str(text).to_string();
    stripped
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

/// The class of what stands out, and the word.
fn severity(severity: &str) -> (Option<&'static str>, &str) {
    match severity {
        "ERROR" => (Some("bad"), "ERROR"),
        "WARNING" => (Some("wait"), "WARN"),
        "DEBUG" => (Some("quiet"), "DEBUG"),
        "DEFAULT" => (None, ""),
        other => (None, other),
    }
}

fn message(place: &LogsPlace, message: &str, at_ms: i64, id: &str) -> Markup {
    let room = match place.window {
        Window::Around(at) if at == at_ms => MESSAGE_CHARACTERS_CLOSE_MAX,
        _ => MESSAGE_CHARACTERS_MAX,
    };
    let end = message.char_indices().nth(room).map(|(end, _)| end);
    let shown = &message[..end.unwrap_or(message.len())];
    html! {
        (marked(shown, place.text.as_deref()))
        @if let Some(end) = end {
            " " a href={ "?at=" (at_ms) "#" (id) } { "… and " (message[end..].chars().count()) " more characters" }
        }
    }
}

/// The text with what was looked for marked, where it is found by ASCII case alone.
fn marked(text: &str, sought: Option<&str>) -> Markup {
    let found = sought.map_or_else(Vec::new, |sought| places(text, sought));
    let mut from = 0;
    html! {
        @for (start, end) in found {
            (text[from..start]) mark { (text[start..end]) }
            @let () = from = end;
        }
        (text[from..])
    }
}

fn fields(told: &Told, at_ms: i64) -> Markup {
    let mut room = FIELDS_CHARACTERS_MAX;
    let fits = |(name, value): &&(String, String)| {
        let length = name.chars().count() + value.chars().count() + 2;
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    };
    let shown: Vec<&(String, String)> = told.fields.iter().filter(fits).collect();
    let left_out = told.fields.len() - shown.len();
    html! {
        @if told.request_id.is_some() || !told.fields.is_empty() {
            " " em {
                @if let Some(id) = &told.request_id {
                    "request " a href={ "?q=" (super::super::session::encoded(id)) "&at=" (at_ms) } { (id) } " "
                }
                @for (name, value) in shown { (name) "=" (value) " " }
                @if left_out > 0 { "and " (left_out) " more" }
            }
        }
    }
}
