//! What takes the place of what was drawn before.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::format_duration;

/// A text that is written over the one before, on a terminal (ECMA-48: CUP, ED, EL).
pub fn screen(block: &str, every: Duration, now: Timestamp, first: bool) -> String {
    let mut text = if first { "\x1b[2J\x1b[H".to_owned() } else { "\x1b[H".to_owned() };
    let head = format!("{}, every {}; Ctrl-C ends it", now.strftime("%H:%M:%SZ"), format_duration(every));
    for line in [head.as_str(), ""].into_iter().chain(block.lines()) {
        // What the line before was longer by goes; so does, below, what is left of a longer text.
        text.push_str(line);
        text.push_str("\x1b[K\n");
    }
    text.push_str("\x1b[J");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_over_the_one_before() {
        let text = screen("a\nb", Duration::from_secs(5), Timestamp::UNIX_EPOCH, false);
        let head = "00:00:00Z, every 5s; Ctrl-C ends it";
        assert_eq!(text, format!("\x1b[H{head}\x1b[K\n\x1b[K\na\x1b[K\nb\x1b[K\n\x1b[J"));
        assert!(screen("", Duration::from_secs(5), Timestamp::UNIX_EPOCH, true).starts_with("\x1b[2J"));
    }
}
