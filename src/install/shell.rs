//! Text for a POSIX shell. Quoting is a type, so that nothing reaches a shell unquoted by mistake.

use std::fmt;

/// One word of a shell command: whatever the text is, the shell reads it as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// Quotes a text. NUL is left out: no argument can carry it.
    pub fn new(text: &str) -> Self {
        Self(format!("'{}'", text.replace('\0', "").replace('\'', r"'\''")))
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A finished script for a POSIX shell, which comes to it on its standard input ([`login_line`]). It holds no secret: logs may show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script(String);

impl Script {
    /// An empty script.
    pub fn new() -> Self {
        Self(String::new())
    }

    /// Appends `name='value'`.
    pub fn assign(mut self, name: &str, value: &str) -> Self {
        self.0.push_str(&format!("{name}={}\n", Word::new(value)));
        self
    }

    /// Appends script text as it is but for comments and indentation, which every host would be sent.
    pub fn text(mut self, text: &str) -> Self {
        for line in
            text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            self.0.push_str(line);
            self.0.push('\n');
        }
        self
    }

    /// Appends another script, which may assign texts with lines that look like comments.
    pub(super) fn raw(mut self, script: Script) -> Self {
        self.0.push_str(&script.0);
        self
    }

    /// Appends a function, of such text.
    pub(super) fn function(self, name: &str, text: &str) -> Self {
        self.text(&format!("{name}() {{")).text(text).text("}")
    }

    /// The script itself, as `sh -c` takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the shell of a [`login_line`] is sent to run the script. What follows it on the same input is the script's own
    /// input.
    pub fn program(&self, input: Input) -> String {
        // One command: what came in part is none, and is not run.
        let text = format!("{{\n{}}}\n{LAST}\n", self.0);
        let read = match input {
            Input::None => read_program(text.len()),
            Input::Follows => format!(
                "text=; end=$(printf '\\n.'); while IFS= read -r line && text=$text$line${{end%.}} && \
                 [ \"$line\" != '{LAST}' ]; do :; done; eval \"$text\""
            ),
            Input::Later => format!("text=$(head -c {}); eval \"$text\" </dev/null", text.len()),
        };
        format!("{read}\n{text}")
    }
}

/// The last line of a script.
const LAST: &str = "# certwave:end";

/// What a script finds on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Nothing: it ends with the script.
    None,
    /// What was sent right after the script. The shell reads that line by line, since busybox's `head` takes too much.
    Follows,
    /// Nothing, though it goes on: what comes later is for somebody else.
    Later,
}

/// What a shell runs to have its script from its standard input.
///
/// dash reads such a file in blocks: it needs no other process for it, and what it read too much of would be lost, but
/// nothing is sent until it has answered. Other shells read a pipe byte by byte, or to its end. Whoever is another user
/// than the one that logged in may not open it.
pub(super) fn read_program(size: usize) -> String {
    format!(
        "if [ /proc/$$/exe -ef /bin/dash ] && [ -p /dev/stdin ] && true 2>/dev/null </dev/stdin; \
         then . /dev/stdin; else eval \"$(head -c {size})\"; fi"
    )
}

/// A shell that runs the first line of its standard input.
///
/// The same for every script: command lines are for the list of processes and sudo's log to show, and some servers take no
/// long ones (Dropbear: 9,000 bytes). The login shell parses it, which may be fish or csh: no line's end, no backslash, no
/// `!` and no quote within quotes.
pub(super) const LOADER: &str = "sh -c 'IFS= read -r line && eval \"$line\"'";

/// The command line for a login shell that runs what its standard input says with `sh`, as another user through `sudo -n`
/// where one is named. `-n`: nobody is there to type a password.
pub fn login_line(become_user: Option<&str>) -> String {
    match become_user {
        None => format!("exec {LOADER}"),
        Some(user) => format!("exec sudo -n -u {} -- {LOADER}", Word::new(user)),
    }
}

/// Assignments that are part of one line.
pub(super) fn assignments(settings: &[(&str, &str)]) -> String {
    settings.iter().map(|(name, value)| format!("{name}={}; ", Word::new(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(Word::new("").to_string(), "''");
        assert_eq!(Word::new("a b;$(c)").to_string(), "'a b;$(c)'");
        assert_eq!(Word::new("it's").to_string(), r"'it'\''s'");
        assert_eq!(Word::new("a\0b").to_string(), "'ab'");
    }

    #[test]
    fn command_lines_are_the_same_for_every_script_and_mean_the_same_to_every_login_shell() {
        assert_eq!(login_line(None), r#"exec sh -c 'IFS= read -r line && eval "$line"'"#);
        assert_eq!(
            login_line(Some("root")),
            r#"exec sudo -n -u 'root' -- sh -c 'IFS= read -r line && eval "$line"'"#
        );
        // fish reads `\` within single quotes, csh reads `!` there, and takes no line's end.
        assert!(!LOADER.contains(['\\', '!', '\n']) && LOADER.matches('\'').count() == 2);
    }

    #[test]
    fn a_program_is_one_line_that_reads_the_rest() {
        let script = Script::new().text("echo said");
        for (input, end) in [
            (Input::None, "else eval \"$(head -c 29)\"; fi"),
            (Input::Follows, "[ \"$line\" != '# certwave:end' ]; do :; done; eval \"$text\""),
            (Input::Later, "text=$(head -c 29); eval \"$text\" </dev/null"),
        ] {
            let whole = script.program(input);
            let (first, text) = whole.split_once('\n').unwrap();
            assert!(first.ends_with(end), "{first}");
            assert_eq!(text, "{\necho said\n}\n# certwave:end\n");
        }
    }

    #[test]
    fn comments_and_indentation_stay_here() {
        let script = Script::new().assign("name", "a b").text("# why\nif true; then\n  echo '#'\nfi\n\n");
        assert_eq!(script.as_str(), "name='a b'\nif true; then\necho '#'\nfi\n");
    }
}
