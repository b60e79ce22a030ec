//! Text that comes from somewhere else: a host, a server, a CA, an inventory. A terminal would take parts of it as commands.
//!
//! Such text passes [`visible`] or [`visible_lines`] where it enters, so that all that is stored and shown later is harmless. What goes
//! out passes [`for_terminal`] or [`for_json`] besides.

use std::borrow::Cow;

/// So many bytes of a foreign text are kept.
pub const FOREIGN_BYTES: usize = 2048;

/// Whether a character acts instead of being seen: controls (C0, DEL, C1), marks that change the direction of what follows (UAX #9), separators
/// of lines and paragraphs, and what has no width.
pub(super) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn escaped(text: &str, keeps: impl Fn(char) -> bool) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if keeps(c) || !acts(c) => visible.push(c),
            '\t' => visible.push(' '),
            c => visible.extend(c.escape_default()),
        }
    }
    visible
}

/// The first part of a text, and how much more there is: together no longer than a text that is whole.
fn capped(text: String) -> String {
    if text.len() <= FOREIGN_BYTES {
        return text;
    }
    let room = FOREIGN_BYTES - "… and 18446744073709551615 more bytes".len();
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    let kept = text[..end].trim_end();
    format!("{kept}… and {} more bytes", text.len() - kept.len())
}

/// A foreign text of one line.
pub fn visible(text: &str) -> String {
    if is_plain(text) { capped(text.to_owned()) } else { capped(escaped(text, |_| false)) }
}

/// A foreign text of several lines. All but the first are indented: none of them is taken for a line of certwave's own.
pub fn visible_lines(text: &str) -> String {
    if is_plain(text) {
        return capped(text.to_owned());
    }
    let lines = text.trim_end().lines().map(|line| escaped(line, |_| false));
    let lines: Vec<String> =
        lines
            .enumerate()
            .map(|(at, line)| {
                if at == 0 || line.starts_with("  ") || line.is_empty() { line } else { format!("  {line}") }
            })
            .collect();
    capped(lines.join("\n"))
}

/// The same without a bound and without indentation, for what is read on: PEM, a list.
pub fn visible_block(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { escaped(text, |c| c == '\n') }
}

/// What goes out to a terminal. Colours (ECMA-48: SGR), ends of lines and tabs are certwave's own.
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| acts(c) && !matches!(c, '\n' | '\t')) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = color(rest) {
            shown.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        if matches!(c, '\n' | '\t') || !acts(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
        rest = &rest[c.len_utf8()..];
    }
    shown.into()
}

/// How long the colour is that a text begins with.
fn color(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && !matches!(c, ';' | ':'))?;
    parameters[end..].starts_with('m').then_some("\x1b[".len() + end + 1)
}

/// What goes out as JSON: a program reads the same of it, and a terminal that it is shown on does nothing.
pub fn for_json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            // Outside of strings, JSON has no such character (RFC 8259, section 7).
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_do_is_seen_instead() {
        for (text, seen) in [
            ("web2\rweb1: proven", r"web2\rweb1: proven"),
            ("\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
            ("\x1b]52;c;ZXZpbA==\x07", r"\u{1b}]52;c;ZXZpbA==\u{7}"),
            ("\x1b[2J\x1b[31mred", r"\u{1b}[2J\u{1b}[31mred"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("\u{202e}gpj.exe", r"\u{202e}gpj.exe"),
            ("a\u{2066}b\u{2069}\u{200f}", r"a\u{2066}b\u{2069}\u{200f}"),
            ("one\ntwo\tthree", r"one\ntwo three"),
            ("grüße, 世界", "grüße, 世界"),
        ] {
            assert_eq!(visible(text), seen);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters_and_says_so() {
        assert_eq!(visible(&"x".repeat(FOREIGN_BYTES)).len(), FOREIGN_BYTES);
        let cut = visible(&"x".repeat(FOREIGN_BYTES + 3));
        assert!(cut.ends_with("x… and 42 more bytes"), "{cut}");
        let cut = visible(&"é".repeat(FOREIGN_BYTES));
        assert!(cut.ends_with("é… and 2088 more bytes"), "{cut}");
        assert_eq!(visible(&cut), cut);
        assert!(visible(&"\x1b".repeat(FOREIGN_BYTES)).len() <= FOREIGN_BYTES);
    }

    #[test]
    fn no_line_of_several_is_taken_for_another_of_certwaves_own() {
        assert_eq!(visible_lines("no\nweb2: proven\n  here\r\n\nend"), "no\n  web2: proven\n  here\n\n  end");
        assert_eq!(visible_block("-----BEGIN\x1b\nabc\n"), "-----BEGIN\\u{1b}\nabc\n");
    }

    #[test]
    fn colours_go_out_and_nothing_else_that_a_terminal_obeys() {
        let own = "\x1b[1m\x1b[31merror\x1b[0m: no\n\tx";
        assert_eq!(for_terminal(own), own);
        assert_eq!(
            for_terminal("\x1b[2J\x1b[31mx\x1b[1;2H\r\u{9b}m\x1b["),
            "\\u{1b}[2J\x1b[31mx\\u{1b}[1;2H\\r\\u{9b}m\\u{1b}["
        );
        let value = serde_json::json!({"reason": "\x1b\u{9b}\u{202e}\u{e0041}\u{7f}x"});
        let line = value.to_string();
        let shown = for_json(&line);
        assert!(!shown.chars().any(acts), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
