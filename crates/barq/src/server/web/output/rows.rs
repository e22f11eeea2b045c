//! Lines of output as list items: numbered, coloured, and with what was searched for marked.
//!
//! An item is never longer than its limit, whatever a program writes: first its colours go, then its end.

use maud::{Markup, html};

use super::super::page::Line;
use super::ansi::{Pen, Span};
use super::reader::Row;

/// Markup of one line, in bytes.
const LINE_BYTES_MAX: usize = 24 * 1024;
/// Text of a line that is too long otherwise, in characters: none takes more than six bytes of markup.
const LINE_CHARACTERS_MAX: usize = 4000;

/// How lines are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner<'a> {
    /// What is marked in them.
    pub(super) sought: Option<&'a str>,
    /// Whether a link can lead to them here.
    pub(super) targets: bool,
    /// The page that their numbers lead to; empty: this one.
    pub(super) path: &'a str,
}

/// A line as an item of the list.
pub(super) fn line(row: &Row, manner: Manner<'_>) -> Line {
    let marked = || match manner.sought {
        Some(sought) => mark(&row.spans, sought),
        None => row.spans.iter().map(|span| (span.clone(), false)).collect(),
    };
    let mut markup = item(row, &marked(), manner);
    if markup.0.len() > LINE_BYTES_MAX {
        markup = item(row, &cut(row), manner);
    }
    Line {
        key: row.number.to_string(),
        markup: markup.into_string(),
    }
}

/// The line's text without its styles.
pub(super) fn text(row: &Row) -> String {
    row.spans.iter().map(|span| span.text.as_str()).collect()
}

fn item(row: &Row, pieces: &[(Span, bool)], manner: Manner<'_>) -> Markup {
    let number = row.number;
    html! {
        li id=[manner.targets.then(|| format!("L{number}"))] class=[row.remark.then_some("remark")] {
            a href={ (manner.path) "#L" (number) } { (number) }
            @for (span, is_sought) in pieces {
                @if *is_sought { mark { (styled(span)) } } @else { (styled(span)) }
            }
        }
    }
}

fn styled(span: &Span) -> Markup {
    let classes = span.pen.classes();
    html! {
        @if classes.is_empty() { (span.text) } @else { span class=(classes) { (span.text) } }
    }
}

/// The beginning of a line, in plain ink.
fn cut(row: &Row) -> Vec<(Span, bool)> {
    let whole = text(row);
    let mut text: String = whole.chars().take(LINE_CHARACTERS_MAX).collect();
    if text.len() < whole.len() {
        text.push_str(" … (the line is longer)");
    }
    let pen = Pen::default();
    vec![(Span { text, pen }, false)]
}

/// The spans cut where what is sought begins and ends. In one walk: a line of one letter may have it as often as it is long.
fn mark(spans: &[Span], sought: &str) -> Vec<(Span, bool)> {
    let text: String = spans.iter().map(|span| span.text.as_str()).collect();
    let mut found = places(&text, sought).into_iter().peekable();
    let mut pieces = Vec::new();
    let mut begin = 0;
    for span in spans {
        let end = begin + span.text.len();
        let mut from = begin;
        while from < end {
            while found.next_if(|(_, over)| *over <= from).is_some() {}
            let (to, is_sought) = match found.peek() {
                Some((first, over)) if *first <= from => (*over, true),
                Some((first, _)) => (*first, false),
                None => (end, false),
            };
            let to = to.min(end);
            let text = span.text[from - begin..to - begin].to_owned();
            let pen = span.pen;
            pieces.push((Span { text, pen }, is_sought));
            from = to;
        }
        begin = end;
    }
    pieces
}

/// Where a text is in another one, by ASCII case alone: from byte to byte.
pub(in super::super) fn places(text: &str, sought: &str) -> Vec<(usize, usize)> {
    let (text, sought) = (text.to_ascii_lowercase(), sought.to_ascii_lowercase());
    if sought.is_empty() {
        return Vec::new();
    }
    text.match_indices(&sought)
        .map(|(at, found)| (at, at + found.len()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::ansi::{Pen, spans};
    use super::super::reader::Row;
    use super::{LINE_BYTES_MAX, Manner, line};

    fn manner(sought: Option<&str>) -> Manner<'_> {
        Manner {
            sought,
            targets: true,
            path: "",
        }
    }

    fn row(text: &str) -> Row {
        Row {
            number: 7,
            remark: false,
            spans: spans(text, &mut Pen::default()),
        }
    }

    #[test]
    fn a_line_is_escaped_coloured_and_marked() {
        let check = |text: &str, sought: Option<&str>, expect: &str| {
            let begin = "<li id=\"L7\"><a href=\"#L7\">7</a>";
            let markup = line(&row(text), manner(sought)).markup;
            let rest = markup
                .strip_prefix(begin)
                .and_then(|it| it.strip_suffix("</li>"));
            assert_eq!(rest, Some(expect), "{markup}");
        };
        check("a < b", None, "a &lt; b");
        check("", None, "");
        check(
            "<script>\x1b[31m\"&</li>",
            None,
            "&lt;script&gt;<span class=\"red\">&quot;&amp;&lt;/li&gt;</span>",
        );
        check(
            "An error, an ERROR",
            Some("error"),
            "An <mark>error</mark>, an <mark>ERROR</mark>",
        );
        check(
            "e\x1b[31mrr\x1b[0mor.",
            Some("error"),
            "<mark>e</mark><mark><span class=\"red\">rr</span></mark><mark>or</mark>.",
        );
        check("none here", Some("error"), "none here");
        check("aab", Some("a"), "<mark>a</mark><mark>a</mark>b");
        check("baa", Some("aa"), "b<mark>aa</mark>");
        check("<b>", Some("<b"), "<mark>&lt;b</mark>&gt;");
    }

    #[test]
    fn no_line_is_longer_than_its_limit() {
        let colours: String = (0..3000).map(|it| format!("\x1b[3{}m&", it % 7)).collect();
        for text in [colours, "<".repeat(16 * 1024), "\u{1f680}".repeat(4096)] {
            let markup = line(&row(&text), manner(None)).markup;
            assert!(
                markup.len() < LINE_BYTES_MAX + 200,
                "{} bytes",
                markup.len()
            );
        }
    }
}
