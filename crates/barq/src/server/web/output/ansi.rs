//! What a program wrote for a terminal, as text with a style.
//!
//! Colours are kept as one of a few inks that can be read on light and dark ground, whatever shade was asked for. A carriage
//! return and a backspace overwrite, as on a terminal, and "erase in line" erases, since progress bars live by them. Every
//! other escape is dropped, and so is what could make text look like other text: controls, and marks that turn its direction.
//! Nothing here is markup: who renders escapes.

use anstyle_parse::{Params, Parser, Perform};

use super::super::page::turns;

/// A colour that can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ink {
    /// As text is: black and white too, of which one could not be read.
    #[default]
    Plain,
    Grey,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

/// How text is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pen {
    ink: Ink,
    /// None: as the page is.
    ground: Option<Ink>,
    bold: bool,
    dim: bool,
    italic: bool,
    underlined: bool,
    struck: bool,
    inverse: bool,
}

/// Text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) text: String,
    pub(super) pen: Pen,
}

/// A line of output; `pen` is the style that it begins with, and then the one that the next line begins with.
pub(super) fn spans(line: &str, pen: &mut Pen) -> Vec<Span> {
    if is_plain(line) {
        let text = line.to_owned();
        let span = (!text.is_empty()).then_some(Span { text, pen: *pen });
        return span.into_iter().collect();
    }
    let mut row = Row {
        cells: Vec::with_capacity(line.len()),
        cursor: 0,
        pen: *pen,
    };
    let mut parser = Parser::<anstyle_parse::DefaultCharAccumulator>::new();
    for byte in line.bytes() {
        parser.advance(&mut row, byte);
    }
    *pen = row.pen;
    row.spans()
}

impl Pen {
    /// The classes of its style; empty: none. Where there is a ground, the ink is the page's own, which can be read on all.
    pub(super) fn classes(self) -> String {
        let (ink, ground) = match (self.inverse, self.ground) {
            (false, ground) => (self.ink, ground),
            (true, _) => (Ink::Plain, Some(self.ink)),
        };
        let color = match (ink, ground) {
            (_, Some(ground)) => ground.ground_class(),
            (ink, None) => ink.class(),
        };
        let attributes = [
            (self.bold, "bold"),
            (self.dim, "dim"),
            (self.italic, "italic"),
            (self.underlined, "underlined"),
            (self.struck, "struck"),
        ];
        let names = attributes
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| *name);
        let classes: Vec<&str> = color.into_iter().chain(names).collect();
        classes.join(" ")
    }

    /// "Select graphic rendition", ECMA-48 8.3.117, with the colours of xterm.
    fn select(&mut self, params: &Params) {
        let mut codes = params.iter();
        while let Some(code) = codes.next() {
            let &[first, ref parts @ ..] = code else {
                continue;
            };
            match first {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underlined = parts.first() != Some(&0),
                7 => self.inverse = true,
                9 => self.struck = true,
                21 => self.underlined = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underlined = false,
                27 => self.inverse = false,
                29 => self.struck = false,
                30..=37 => self.ink = Ink::of_sixteen(first - 30),
                38 => self.ink = extended(parts, &mut codes).unwrap_or(self.ink),
                39 => self.ink = Ink::Plain,
                40..=47 => self.ground = Some(Ink::of_sixteen(first - 40)),
                48 => self.ground = extended(parts, &mut codes).or(self.ground),
                49 => self.ground = None,
                90..=97 => self.ink = Ink::of_sixteen(first - 90 + 8),
                100..=107 => self.ground = Some(Ink::of_sixteen(first - 100 + 8)),
                _ => {}
            }
        }
    }
}

/// A colour of the 256, or of all; its parts follow with `:` in one parameter, or as parameters of their own.
fn extended<'a>(parts: &[u16], codes: &mut impl Iterator<Item = &'a [u16]>) -> Option<Ink> {
    let mut own = parts.iter().copied();
    let mut next = || match parts {
        [] => codes.next()?.first().copied(),
        _ => own.next(),
    };
    match next()? {
        5 => Some(Ink::of_256(next()?)),
        2 => {
            let (red, green, blue) = match parts {
                // The colour space, which nobody gives, stands before the colour.
                [_, _, red, green, blue, ..] => (*red, *green, *blue),
                _ => (next()?, next()?, next()?),
            };
            Some(Ink::of_color(red, green, blue))
        }
        _ => None,
    }
}

impl Ink {
    fn class(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Grey => Some("grey"),
            Self::Red => Some("red"),
            Self::Green => Some("green"),
            Self::Yellow => Some("yellow"),
            Self::Blue => Some("blue"),
            Self::Magenta => Some("magenta"),
            Self::Cyan => Some("cyan"),
        }
    }

    fn ground_class(self) -> Option<&'static str> {
        Some(match self {
            Self::Plain | Self::Grey => "on-grey",
            Self::Red => "on-red",
            Self::Green => "on-green",
            Self::Yellow => "on-yellow",
            Self::Blue => "on-blue",
            Self::Magenta => "on-magenta",
            Self::Cyan => "on-cyan",
        })
    }

    fn of_sixteen(code: u16) -> Self {
        match code {
            1 | 9 => Self::Red,
            2 | 10 => Self::Green,
            3 | 11 => Self::Yellow,
            4 | 12 => Self::Blue,
            5 | 13 => Self::Magenta,
            6 | 14 => Self::Cyan,
            8 => Self::Grey,
            _ => Self::Plain,
        }
    }

    /// Sixteen, a cube of six by six by six, and a ramp of greys.
    fn of_256(code: u16) -> Self {
        let level = |step: u16| if step == 0 { 0 } else { 55 + step * 40 };
        match code {
            0..=15 => Self::of_sixteen(code),
            16..=231 => {
                let cube = code - 16;
                Self::of_color(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
            }
            232..=255 => {
                let grey = 8 + (code - 232) * 10;
                Self::of_color(grey, grey, grey)
            }
            _ => Self::Plain,
        }
    }

    /// The ink whose hue is the nearest; parts are 0 to 255.
    fn of_color(red: u16, green: u16, blue: u16) -> Self {
        let parts = [red, green, blue].map(|part| i32::from(part.min(255)));
        let [red, green, blue] = parts;
        let most = red.max(green).max(blue);
        let spread = most - red.min(green).min(blue);
        if spread * 5 < most.max(64) {
            return match most {
                64..=191 => Self::Grey,
                _ => Self::Plain,
            };
        }
        let (base, from, to) = if most == red {
            (360, green, blue)
        } else if most == green {
            (120, blue, red)
        } else {
            (240, red, green)
        };
        match (base + 60 * (from - to) / spread) % 360 {
            20..70 => Self::Yellow,
            70..160 => Self::Green,
            160..200 => Self::Cyan,
            200..265 => Self::Blue,
            265..335 => Self::Magenta,
            _ => Self::Red,
        }
    }
}

/// The cells of a line; as many at most as its text has characters.
struct Row {
    cells: Vec<(char, Pen)>,
    cursor: usize,
    pen: Pen,
}

impl Row {
    fn spans(self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for (letter, pen) in self.cells {
            match spans.last_mut().filter(|span| span.pen == pen) {
                Some(span) => span.text.push(letter),
                None => spans.push(Span {
                    text: letter.to_string(),
                    pen,
                }),
            }
        }
        spans
    }

    /// Over what stands there.
    fn put(&mut self, letter: char) {
        let cell = (letter, self.pen);
        match self.cells.get_mut(self.cursor) {
            Some(old) => *old = cell,
            None => self.cells.push(cell),
        }
        self.cursor += 1;
    }

    /// Erases to the end of the line, to its beginning, or all of it; the cursor stays.
    fn erase(&mut self, which: u16) {
        let blank = (' ', Pen::default());
        if which != 1 {
            self.cells.truncate(self.cursor);
        }
        if matches!(which, 1 | 2) {
            let end = self.cursor.min(self.cells.len());
            self.cells[..end].fill(blank);
        }
    }
}

impl Perform for Row {
    fn print(&mut self, letter: char) {
        if is_control(letter) {
            return;
        }
        let letter = if turns(letter) { '\u{FFFD}' } else { letter };
        self.put(letter);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.cursor = 0,
            0x08 => self.cursor = self.cursor.saturating_sub(1),
            b'\t' => self.put('\t'),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignored: bool, action: u8) {
        if ignored || !intermediates.is_empty() {
            return;
        }
        match action {
            b'm' => self.pen.select(params),
            b'K' => {
                let first = params.iter().next().and_then(|code| code.first());
                self.erase(first.copied().unwrap_or(0));
            }
            _ => {}
        }
    }
}

/// Whether the line is what it looks like.
fn is_plain(line: &str) -> bool {
    let printable = |byte: u8| (byte >= 0x20 && byte != 0x7f) || byte == b'\t';
    line.bytes().all(printable)
        && (line.is_ascii()
            || !line
                .chars()
                .any(|letter| is_control(letter) || turns(letter)))
}

fn is_control(letter: char) -> bool {
    letter.is_control() && letter != '\t'
}

#[cfg(test)]
mod tests;
