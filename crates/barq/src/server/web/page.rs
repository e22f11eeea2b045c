//! What a page is: fragments with ids, a title that tells, and a mood for the tab's icon.
//!
//! It knows nothing of how pages are laid out or sent. Rendering must not depend on the clock but by what is shown of the
//! state: a fragment that is rendered twice of the same state must be the same, or every browser is told of a change.

use std::borrow::Cow;

use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::super::access::hexadecimal;

/// Bytes of a page's version: enough to tell two versions of one page apart.
const VERSION_BYTES: usize = 12;

/// A page, but for what surrounds it.
#[derive(Debug)]
pub(super) struct Page {
    /// What kind of page: its layout in the stylesheet.
    pub(super) kind: &'static str,
    /// What stands in the tab: what a glance must tell comes first.
    pub(super) title: String,
    /// The tab's icon.
    pub(super) mood: Mood,
    /// Which entry of the navigation it belongs to.
    pub(super) section: Section,
    /// Where it is below that: names and addresses, the outermost first.
    pub(super) trail: Vec<(String, String)>,
    /// What is on it, in reading order.
    pub(super) fragments: Vec<Fragment>,
}

/// How things are, for the tab's icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Nothing moves, nothing is wrong.
    Calm,
    /// Something is on its way.
    Moving,
    /// Somebody must do something.
    Waiting,
    /// Something is bad.
    Trouble,
}

impl Mood {
    /// Its name in the icon's file name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Moving => "moving",
            Self::Waiting => "waiting",
            Self::Trouble => "trouble",
        }
    }
}

/// The entries of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Home,
    Deliveries,
    Incidents,
    Journal,
    Tokens,
    /// Outside of them.
    None,
}

/// A part of a page that changes as a whole.
#[derive(Debug)]
pub(super) struct Fragment {
    /// Unique in its page; letters, digits and `-`.
    pub(super) id: Cow<'static, str>,
    /// What it shows.
    pub(super) content: Content,
}

/// What a fragment shows.
#[derive(Debug)]
pub(super) enum Content {
    /// Replaced when it changes.
    Whole(Markup),
    /// Lines that come at the end and go at the beginning: only these are sent.
    Lines(Vec<Line>),
}

/// A line of a list that grows.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Unique in its list.
    pub(super) key: String,
    /// A list item.
    pub(super) markup: String,
}

impl Fragment {
    /// A fragment that is replaced as a whole.
    pub(super) fn new(id: impl Into<Cow<'static, str>>, markup: Markup) -> Self {
        Self {
            id: id.into(),
            content: Content::Whole(PreEscaped(in_order(markup.0))),
        }
    }

    /// A list that grows at its end.
    pub(super) fn lines(id: &'static str, mut lines: Vec<Line>) -> Self {
        for line in &mut lines {
            line.markup = in_order(std::mem::take(&mut line.markup));
        }
        Self {
            id: id.into(),
            content: Content::Lines(lines),
        }
    }

    /// All of it.
    pub(super) fn markup(&self) -> Markup {
        match &self.content {
            Content::Whole(markup) => html! {
                section id=(self.id) class="fragment" { (markup) }
            },
            Content::Lines(lines) => html! {
                ol id=(self.id) class="fragment lines" {
                    @for line in lines { (PreEscaped(&line.markup)) }
                }
            },
        }
    }
}

/// Text as it is written: characters that turn the order of what follows them are shown as unknown ones, so that nobody's
/// commit message rewrites the sentence that it stands in.
pub(super) fn in_order(text: String) -> String {
    if text.contains(turns) {
        text.replace(turns, "\u{fffd}")
    } else {
        text
    }
}

/// Whether a mark turns the direction of the text around it, Unicode Standard Annex 9, section 2.
pub(super) fn turns(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Page {
    /// Tells two versions of a page apart, over restarts of the server too.
    pub(super) fn version(&self) -> String {
        let mut digest = Sha256::new();
        for text in [self.title.as_str(), self.mood.name()] {
            digest.update(text.as_bytes());
            digest.update([0]);
        }
        for fragment in &self.fragments {
            digest.update(fragment.id.as_bytes());
            digest.update([0]);
            match &fragment.content {
                Content::Whole(markup) => digest.update(markup.0.as_bytes()),
                Content::Lines(lines) => {
                    for line in lines {
                        digest.update(line.markup.as_bytes());
                    }
                }
            }
            digest.update([0]);
        }
        hexadecimal(&digest.finalize()[..VERSION_BYTES])
    }
}
