//! What terminals are told, and what of it is kept.

use super::{Pen, spans};

/// Text with its classes in braces: `a{red bold:b}c`.
fn shown(lines: &[&str]) -> String {
    let mut pen = Pen::default();
    let line = |line: &&str| {
        let span = |span: super::Span| match span.pen.classes() {
            classes if classes.is_empty() => span.text,
            classes => format!("{{{classes}:{}}}", span.text),
        };
        spans(line, &mut pen)
            .into_iter()
            .map(span)
            .collect::<String>()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn colours_become_inks() {
    for (line, expect) in [
        ("plain", "plain"),
        ("a\x1b[31mb\x1b[0mc", "a{red:b}c"),
        ("a\x1b[31mb\x1b[mc", "a{red:b}c"),
        (
            "\x1b[1;32mok\x1b[22m ok\x1b[39m ok",
            "{green bold:ok}{green: ok} ok",
        ),
        (
            "\x1b[90mquiet\x1b[97mwhite\x1b[30mblack",
            "{grey:quiet}whiteblack",
        ),
        (
            "\x1b[38;5;196mx\x1b[38;5;21my\x1b[38;5;244mz",
            "{red:x}{blue:y}{grey:z}",
        ),
        ("\x1b[38;5;3mx\x1b[38;5;255my", "{yellow:x}y"),
        (
            "\x1b[38;2;255;140;0mx\x1b[38;2;0;200;200my",
            "{yellow:x}{cyan:y}",
        ),
        (
            "\x1b[38:2::200:0:200mx\x1b[38:5:46my",
            "{magenta:x}{green:y}",
        ),
        ("\x1b[38:2:200:0:200mx", "{magenta:x}"),
        ("\x1b[41;97mbad\x1b[49m", "{on-red:bad}"),
        ("\x1b[7mturned\x1b[27m", "{on-grey:turned}"),
        ("\x1b[7;34mturned", "{on-blue:turned}"),
        (
            "\x1b[2;3;4;9mx\x1b[23;24;29my",
            "{dim italic underlined struck:x}{dim:y}",
        ),
        ("\x1b[4:3mwavy\x1b[4:0mnot", "{underlined:wavy}not"),
        ("\x1b[38;5mx\x1b[38;9;1my\x1b[38mz", "x{bold:yz}"),
    ] {
        assert_eq!(shown(&[line]), expect, "{line:?}");
    }
}

#[test]
fn a_style_goes_on_in_the_next_line() {
    assert_eq!(
        shown(&["\x1b[31ma", "b", "", "c\x1b[0md"]),
        "{red:a}\n{red:b}\n\n{red:c}d"
    );
}

#[test]
fn a_line_is_overwritten_as_on_a_terminal() {
    for (line, expect) in [
        ("10 %\r20 %\r100 %", "100 %"),
        ("longer\rshort", "shortr"),
        ("longer\r\x1b[Kshort", "short"),
        ("longer\x1b[2K\rs", "s     "),
        ("abc\x1b[1Kd", "   d"),
        ("ends as on Windows\r", "ends as on Windows"),
        ("abd\x08c", "abc"),
        ("\x08\x08a", "a"),
        ("\x1b[31mred\r\x1b[32mg", "{green:g}{red:ed}"),
        ("a\tb\rc", "c\tb"),
    ] {
        assert_eq!(shown(&[line]), expect, "{line:?}");
    }
}

#[test]
fn nothing_else_gets_through() {
    for (line, expect) in [
        // A link, a title, a cursor that moves, a screen that is cleared, a device that is asked.
        (
            "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
            "here",
        ),
        ("\x1b]0;title\x07text", "text"),
        ("a\x1b[5;5Hb\x1b[2Jc\x1b[Ad", "abcd"),
        ("\x1b[?25la\x1b[>cb\x1b[6nc", "abc"),
        ("\x1bPq#0;2;0;0;0#0~~\x1b\\sixel", "sixel"),
        ("\x1b(Bcharset\x1b7\x1b8\x1bc", "charset"),
        // What has no end.
        ("a\x1b[", "a"),
        ("a\x1b[38;5;", "a"),
        ("a\x1b]0;never ends", "a"),
        ("a\x1b", "a"),
        // Numbers that are too many or too large.
        ("\x1b[99999999999999999999ma", "a"),
        ("\x1b[38;5;9999ma\x1b[38;2;9999;0;0mb", "a{red:b}"),
        (
            "\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;25;26;27;28;29;30;31;32;33;34;35ma",
            "a",
        ),
        ("\x1b[;;;ma", "a"),
        // Controls, and text that would be read backwards.
        ("a\0\x07\x0b\x7fb\u{9b}31mc", "ab31mc"),
        (
            "if (a\u{202e} {} // admin\u{2066}",
            "if (a\u{fffd} {} // admin\u{fffd}",
        ),
        // Markup is text; who renders escapes it.
        (
            "<script>alert(1)</script>&amp;",
            "<script>alert(1)</script>&amp;",
        ),
        (
            "\x1b[31m<b onclick=\"x\">\x1b[0m",
            "{red:<b onclick=\"x\">}",
        ),
        ("grüße \u{1f680}\rG", "Grüße \u{1f680}"),
    ] {
        assert_eq!(shown(&[line]), expect, "{line:?}");
    }
}

#[test]
fn no_bytes_make_it_stumble() {
    // Every pair of bytes after an escape, as the runner would have read it.
    for first in 0..=255_u8 {
        for second in 0..=255_u8 {
            let bytes = [b'a', 0x1b, b'[', first, second, b'm', b'\r', b'z'];
            let line = String::from_utf8_lossy(&bytes);
            let text = shown(&[&line]);
            let allowed = |letter: char| !letter.is_control() || letter == '\t';
            assert!(text.chars().all(allowed), "{bytes:?}: {text:?}");
        }
    }
}
