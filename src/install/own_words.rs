//! What servers' own logs say since a switch.

use crate::install::answer::Answer;
use crate::install::{InstallError, InstallSpec, Output, ScriptService, Task};
use crate::model::ServiceName;

/// So many lines are told of each server, the last ones.
const LINES: usize = 5;
/// And so much of each line.
const LENGTH: usize = 300;

/// The end of a server's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnWords {
    /// Whose.
    pub service: ServiceName,
    /// Its last lines, bounded and without control characters.
    pub lines: Vec<String>,
}

impl InstallSpec {
    /// Asks for the end of the servers' own logs since the switch. Answer: [`OwnWords`].
    pub fn own_words() -> Task {
        Task::plain("own_words")
    }
}

impl OwnWords {
    /// Reads the script's answer.
    ///
    /// # Errors
    /// When the script did not come to its end.
    pub fn parse(output: &Output<'_>, services: &[ScriptService]) -> Result<Vec<Self>, InstallError> {
        let answer = Answer::read(output)?;
        let words = services.iter().zip(1..).filter_map(|(service, number)| {
            let text = answer.block(&format!("words {number}"))?;
            let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            // Of lines that differ in times and numbers alone, the last one tells all.
            let said = |line: &str| line.replace(|c: char| c.is_ascii_digit(), "");
            let is_last =
                |(at, line): &(usize, &&str)| all[at + 1..].iter().all(|later| said(later) != said(line));
            let distinct: Vec<&str> = all.iter().enumerate().filter(is_last).map(|(_, line)| *line).collect();
            let last = distinct.iter().skip(distinct.len().saturating_sub(LINES));
            let lines: Vec<String> = last.map(|line| bounded(line)).collect();
            (!lines.is_empty()).then(|| Self { service: service.name.clone(), lines })
        });
        Ok(words.collect())
    }

    /// A reason with what the server's log says of it, as far as the reason does not say so itself.
    pub fn explain(&self, reason: &str) -> String {
        let new: Vec<String> = self
            .lines
            .iter()
            .filter(|line| !reason.contains(*line))
            .map(|line| format!("`{line}`"))
            .collect();
        match new.as_slice() {
            [] => reason.to_owned(),
            lines => format!("{reason}; the log of {} since the switch: {}", self.service, lines.join(", ")),
        }
    }
}

/// One line, of which nothing moves a cursor.
fn bounded(line: &str) -> String {
    let line = line.trim_end();
    let mut told: String = line
        .chars()
        .take(LENGTH)
        .flat_map(|c| {
            let escaped: Vec<char> = if c.is_control() { c.escape_default().collect() } else { vec![c] };
            escaped
        })
        .collect();
    if line.chars().count() > LENGTH {
        told.push('…');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &str) -> Vec<OwnWords> {
        let service = |name: &str| ScriptService {
            name: name.parse().unwrap(),
            settings: Vec::new(),
            script: "",
            ports: Vec::new(),
        };
        let said = format!("{said}certwave:result told\n");
        let output = Output { status: 0, stdout: said.as_bytes(), stderr: b"" };
        OwnWords::parse(&output, &[service("nginx"), service("edge")]).unwrap()
    }

    fn block(number: usize, lines: &[&str]) -> String {
        let lines: String = lines.iter().map(|line| format!("|{line}\n")).collect();
        format!("certwave:begin words {number}\n{lines}certwave:end words {number}\n")
    }

    #[test]
    fn the_last_lines_are_told_bounded_and_without_what_moves_a_cursor() {
        assert_eq!(read(""), []);
        assert_eq!(read(&block(2, &["", " "])), []);
        let lines = ["12:00 a", "12:01 b", "12:02 c", "12:03 d", "12:04 e", "12:05 f", "12:06 b", "12:07 f"];
        let words = read(&[block(1, &lines), block(2, &["a\u{1b}[2Jb\u{7}", &"x".repeat(400)])].concat());
        assert_eq!(words[0].lines, ["12:02 c", "12:03 d", "12:04 e", "12:06 b", "12:07 f"]);
        assert_eq!(words[1].service.as_str(), "edge");
        assert_eq!(words[1].lines, ["a\\u{1b}[2Jb\\u{7}".to_owned(), format!("{}…", "x".repeat(300))]);
    }

    #[test]
    fn a_reason_is_explained_by_what_it_does_not_say_itself() {
        let service = "nginx".parse().unwrap();
        let words = OwnWords { service, lines: vec!["one".to_owned(), "two".to_owned()] };
        assert_eq!(words.explain("no answer"), "no answer; the log of nginx since the switch: `one`, `two`");
        assert_eq!(words.explain("one: no"), "one: no; the log of nginx since the switch: `two`");
        assert_eq!(words.explain("one | two"), "one | two");
    }
}
