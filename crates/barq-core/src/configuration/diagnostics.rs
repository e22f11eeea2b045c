//! What is wrong with a `barq.toml`, shown at the lines where it is wrong.
//!
//! All faults of a file are gathered and shown together, since a person who pushes wants one round, not ten. The
//! report owns its text: it is kept with the delivery and shown long after the file changed. It does not know how the
//! faults were found.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{
    AnnotationKind, Element, Group, Level, Renderer, Snippet, renderer::DecorStyle,
};

/// The most faults that are shown of one file; after that the reader has seen enough.
pub const DIAGNOSTICS_MAX: usize = 40;

/// How grave a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted, but probably does not say what was meant.
    Warning,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Plain text.
    Plain,
    /// With ANSI colours.
    Coloured,
}

/// One fault, or one warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    message: String,
    marks: Vec<(Range<usize>, String)>,
    help: Vec<String>,
}

/// The diagnostics of one file, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    file_name: String,
    text: String,
    items: Vec<Diagnostic>,
    left_off: usize,
}

impl Diagnostic {
    /// Whether the file is refused for it.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, on one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do, each on one line; may be empty.
    pub fn help(&self) -> &[String] {
        &self.help
    }

    /// An error at a place, with what is wrong there.
    pub(crate) fn error(
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            marks: vec![(span, label.into())],
            help: Vec::new(),
        }
    }

    /// A warning at a place.
    pub(crate) fn warning(
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message, label)
        }
    }

    /// Adds a second place that is part of the story.
    pub(crate) fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.marks.push((span, label.into()));
        self
    }

    /// Adds what to do.
    pub(crate) fn help_with(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// The byte range where it is.
    fn span(&self) -> Range<usize> {
        self.marks.first().map_or(0..0, |(span, _)| span.clone())
    }
}

impl Diagnostics {
    /// An empty report on a file.
    pub(crate) fn new(file_name: &str, text: &str) -> Self {
        Self {
            file_name: file_name.to_owned(),
            text: text.to_owned(),
            items: Vec::new(),
            left_off: 0,
        }
    }

    /// Adds one; beyond [`DIAGNOSTICS_MAX`] only their number is kept.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.items.len() < DIAGNOSTICS_MAX {
            self.items.push(diagnostic);
        } else {
            self.left_off += 1;
        }
    }

    /// Whether a value was found faultless so far. Says no to everything once diagnostics were left off.
    pub(crate) fn is_sound(&self, span: &Range<usize>) -> bool {
        let inside =
            |item: &Diagnostic| item.span().start >= span.start && item.span().end <= span.end;
        self.left_off == 0
            && !self
                .items
                .iter()
                .any(|item| item.severity == Severity::Error && inside(item))
    }

    /// Whether the file is refused.
    pub(crate) fn has_errors(&self) -> bool {
        self.left_off > 0
            || self
                .items
                .iter()
                .any(|item| item.severity == Severity::Error)
    }

    /// Brings them into file order.
    pub(crate) fn sort(&mut self) {
        self.items
            .sort_by_key(|item| (item.span().start, item.span().end));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The diagnostics in file order.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// Line and column, both from 1, where a diagnostic of this report is; the column counts characters.
    pub fn position(&self, diagnostic: &Diagnostic) -> (usize, usize) {
        let start = diagnostic.span().start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// One line for a state or a list: the first fault and how many there are.
    pub fn summary(&self) -> String {
        let Some(first) = self.items.first() else {
            return format!("{}: no faults", self.file_name);
        };
        let (line, column) = self.position(first);
        let others = self.items.len() - 1 + self.left_off;
        let more = if others == 0 {
            String::new()
        } else {
            format!(" (and {others} more)")
        };
        format!(
            "{}:{line}:{column}: {}{more}",
            self.file_name, first.message
        )
    }

    /// The report with the lines concerned.
    pub fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut reports: Vec<String> = self
            .items
            .iter()
            .map(|item| renderer.render(&[self.group(item)]))
            .collect();
        if self.left_off > 0 {
            reports.push(format!("and {} more", self.left_off));
        }
        reports.join("\n\n")
    }

    /// One diagnostic as the renderer wants it.
    fn group<'a>(&'a self, item: &'a Diagnostic) -> Group<'a> {
        let level = match item.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut snippet = Snippet::source(self.text.as_str()).path(self.file_name.as_str());
        for (index, (span, label)) in item.marks.iter().enumerate() {
            let kind = if index == 0 {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let annotation = kind.span(self.clamp(span));
            snippet = snippet.annotation(if label.is_empty() {
                annotation
            } else {
                annotation.label(label.as_str())
            });
        }
        let help = item
            .help
            .iter()
            .map(|help| Element::from(Level::HELP.message(help.as_str())));
        level
            .primary_title(item.message.as_str())
            .element(snippet)
            .elements(help)
    }

    /// A span that lies in the text, on the borders of characters, whatever the parser said.
    fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end.max(start));
        start..end
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Diagnostics {}
