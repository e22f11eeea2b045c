//! What browsers are told of a page: the difference to its version before, and all of it. Made once, sent to many.

use axum::body::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::super::layout;
use super::super::page::{Content, Fragment, Line, Page, in_order};

/// The page must be asked for anew. The browser comes back after a second where the connection breaks.
pub(super) const RELOAD: &str = "retry: 1000\nevent: renew\ndata:\n\n";

/// The first that a browser hears.
pub(super) fn greeting(now: Timestamp) -> Bytes {
    Bytes::from(format!(
        "retry: 1000\nevent: alive\ndata: {}\n\n",
        now.as_millisecond()
    ))
}

/// A sign of life, and what time it is: the browser's own clock may be wrong, and then its countdowns would be.
pub(super) fn alive(now: Timestamp) -> Bytes {
    Bytes::from(format!("event: alive\ndata: {}\n\n", now.as_millisecond()))
}

/// A version of a page.
#[derive(Debug)]
pub(super) struct Message {
    /// Which.
    pub(super) version: String,
    /// The one before.
    before: Option<String>,
    difference: Bytes,
    all: Bytes,
}

/// What happens to one fragment.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Change {
    /// It is replaced.
    Whole(String),
    /// Lines go from its beginning, and come at its end.
    Lines { drop: usize, add: String },
}

impl Message {
    /// What to tell of a page; `before`: the one that was told of last.
    pub(super) fn new(page: &Page, version: &str, before: Option<(&Page, &str)>) -> Self {
        let all: Vec<_> = page.fragments.iter().map(whole).collect();
        let changed: Vec<_> = page
            .fragments
            .iter()
            .filter_map(|fragment| {
                let (before, _) = before?;
                let old = before.fragments.iter().find(|old| old.id == fragment.id);
                change(old, fragment).map(|change| (fragment.id.as_ref(), change))
            })
            .collect();
        Self {
            difference: event(page, version, &changed),
            all: event(page, version, &all),
            before: before.map(|(_, version)| version.to_owned()),
            version: version.to_owned(),
        }
    }

    /// What a browser with that version must hear.
    pub(super) fn since(&self, seen: &str) -> Bytes {
        match self.before.as_deref() == Some(seen) {
            true => self.difference.clone(),
            false => self.all.clone(),
        }
    }
}

fn whole(fragment: &Fragment) -> (&str, Change) {
    let markup = fragment.markup().into_string();
    (fragment.id.as_ref(), Change::Whole(markup))
}

/// How a fragment became another; none where it is the same.
fn change(old: Option<&Fragment>, new: &Fragment) -> Option<Change> {
    let whole = || Change::Whole(new.markup().into_string());
    let Some(old) = old else {
        return Some(whole());
    };
    match (&old.content, &new.content) {
        (Content::Whole(old), Content::Whole(new)) if old.0 == new.0 => None,
        (Content::Lines(old), Content::Lines(new)) => match moved(old, new) {
            Some((0, [])) => None,
            Some((drop, added)) => {
                let add = added.iter().map(|line| line.markup.as_str()).collect();
                Some(Change::Lines { drop, add })
            }
            None => Some(whole()),
        },
        _ => Some(whole()),
    }
}

/// How many lines went from the beginning and which came at the end; none where it is not that simple.
fn moved<'a>(old: &[Line], new: &'a [Line]) -> Option<(usize, &'a [Line])> {
    let first = new.first()?;
    let drop = old.iter().position(|line| line.key == first.key)?;
    let stayed = &old[drop..];
    let same = |(old, new): (&Line, &Line)| old.key == new.key && old.markup == new.markup;
    let fits = stayed.len() <= new.len() && stayed.iter().zip(new).all(same);
    fits.then(|| (drop, &new[stayed.len()..]))
}

fn event(page: &Page, version: &str, fragments: &[(&str, Change)]) -> Bytes {
    // A page may get a fragment, or lose one: all of them tell where each belongs.
    let order: Vec<_> = page.fragments.iter().map(|it| it.id.as_ref()).collect();
    let document = json!({
        "title": in_order(format!("{} · barq", page.title)),
        "icon": layout::icon(page.mood),
        "order": order,
        "fragments": fragments,
    });
    Bytes::from(format!("id: {version}\ndata: {document}\n\n"))
}
