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

/// A finished script for a POSIX shell. It holds no secret: it is seen in the host's list of processes.
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

    /// Appends script text as it is but for comments and indentation: a command line has room for 128 KiB, and
    /// some SSH servers give it less.
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

    /// The command line that runs the script, whatever the login shell is: see [`become_line`].
    pub fn line(&self, become_user: Option<&str>) -> String {
        become_line(&self.0, become_user)
    }
}

/// The command line for a login shell that runs a script with `sh`, as another user through `sudo -n` where one
/// is named. `-n`: nobody is there to type a password.
pub fn become_line(script: &str, become_user: Option<&str>) -> String {
    let script = Word::new(script);
    match become_user {
        None => format!("exec sh -c {script}"),
        Some(user) => format!("exec sudo -n -u {} -- sh -c {script}", Word::new(user)),
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
    fn becoming_goes_through_sudo() {
        assert_eq!(become_line("id -u", None), "exec sh -c 'id -u'");
        assert_eq!(
            become_line("echo 'x'", Some("root")),
            r"exec sudo -n -u 'root' -- sh -c 'echo '\''x'\'''"
        );
    }

    #[test]
    fn comments_and_indentation_stay_here() {
        let script = Script::new().assign("name", "a b").text("# why\nif true; then\n  echo '#'\nfi\n\n");
        assert_eq!(script.as_str(), "name='a b'\nif true; then\necho '#'\nfi\n");
    }
}
