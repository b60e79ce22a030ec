//! What takes the place of what was drawn before.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::format_duration;

/// A text that is written over the one before, on a terminal (ECMA-48: CUP, ED, EL) of so many columns and rows. What does
/// not fit is cut; the last line is always there.
pub fn screen(
    block: &str,
    (columns, rows): (u16, u16),
    every: Duration,
    now: Timestamp,
    first: bool,
) -> String {
    let (columns, rows) = (usize::from(columns.max(1)), usize::from(rows.max(4)));
    let mut text = if first { "\x1b[2J\x1b[H".to_owned() } else { "\x1b[H".to_owned() };
    let head = format!("{}, every {}; Ctrl-C ends it", now.strftime("%H:%M:%SZ"), format_duration(every));
    let mut lines: Vec<String> =
        [head, String::new()].into_iter().chain(block.lines().map(str::to_owned)).collect();
    // After the last line comes an empty one, where the cursor stands.
    if lines.len() >= rows {
        let last = lines.pop().unwrap_or_default();
        let left_out = lines.len() + 3 - rows;
        lines.truncate(rows - 3);
        lines.extend([format!("… {left_out} more lines"), last]);
    }
    for line in lines {
        // What the line before was longer by goes; so does, below, what is left of a longer text.
        text.push_str(&cut(&line, columns));
        text.push_str("\x1b[K\n");
    }
    text.push_str("\x1b[J");
    text
}

fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_over_the_one_before() {
        let text = screen("a\nb", (80, 24), Duration::from_secs(5), Timestamp::UNIX_EPOCH, false);
        let head = "00:00:00Z, every 5s; Ctrl-C ends it";
        assert_eq!(text, format!("\x1b[H{head}\x1b[K\n\x1b[K\na\x1b[K\nb\x1b[K\n\x1b[J"));
        assert!(
            screen("", (80, 24), Duration::from_secs(5), Timestamp::UNIX_EPOCH, true).starts_with("\x1b[2J")
        );
    }

    #[test]
    fn it_fits_the_terminal() {
        let block = (1..=30).map(|n| format!("line {n} is long\n")).collect::<String>() + "all is well";
        let text = screen(&block, (10, 8), Duration::from_secs(5), Timestamp::UNIX_EPOCH, false);
        let lines: Vec<String> = text
            .replace("\x1b[H", "")
            .replace("\x1b[K", "")
            .replace("\x1b[J", "")
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(lines.len(), 7, "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 10), "{lines:?}");
        assert_eq!(lines[2..], ["line 1 is…", "line 2 is…", "line 3 is…", "… 27 more…", "all is we…"]);
    }
}
