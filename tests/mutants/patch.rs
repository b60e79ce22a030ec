//! The lists of mutants. They look like patches, without line numbers:
//!
//! ```diff
//! --- src/plan/check.rs
//! @@ a rule that is broken, in words
//!  a line before it, where the next one occurs more than once
//! -the line that holds the rule
//! +what stands there instead
//! ```
//!
//! A file's `@@` sections are its mutants, each applied alone. Lines match whatever their indentation. Lines that start
//! with `#`, and empty ones, say nothing.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// One rule of one file, broken.
#[derive(Debug)]
pub(crate) struct Mutant {
    /// The list that it stands in, without `.diff`.
    list: String,
    /// The file that it changes, below the project's folder.
    pub(crate) file: PathBuf,
    /// The rule that is broken, in words.
    pub(crate) title: String,
    before: Vec<String>,
    after: Vec<String>,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.list, self.title, self.file.display())
    }
}

impl Mutant {
    /// Every mutant of every list.
    pub(crate) fn all() -> Vec<Self> {
        let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants");
        let lists = fs::read_dir(lists).unwrap().map(|entry| entry.unwrap().path());
        let mut lists: Vec<PathBuf> =
            lists.filter(|path| path.extension() == Some("diff".as_ref())).collect();
        lists.sort();
        lists.iter().flat_map(|path| Self::in_list(path)).collect()
    }

    fn in_list(path: &Path) -> Vec<Self> {
        let list = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut file = PathBuf::new();
        let mut mutants: Vec<Self> = Vec::new();
        for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
            if let Some(name) = line.strip_prefix("--- ") {
                file = name.into();
            } else if let Some(title) = line.strip_prefix("@@ ") {
                let (list, file, title) = (list.clone(), file.clone(), title.to_owned());
                mutants.push(Self { list, file, title, before: Vec::new(), after: Vec::new() });
            } else if !line.is_empty() && !line.starts_with('#') {
                let place = || format!("{}:{}", path.display(), number + 1);
                let mutant = mutants.last_mut().unwrap_or_else(|| panic!("{}: no `@@` before it", place()));
                let (kind, text) = line.split_at_checked(1).unwrap_or(("", ""));
                if !matches!(kind, " " | "-" | "+") {
                    panic!("{}: neither ` `, `-` nor `+` starts this line", place());
                }
                if kind != "+" {
                    mutant.before.push(text.trim().to_owned());
                }
                if kind != "-" {
                    mutant.after.push(text.trim().to_owned());
                }
            }
        }
        mutants
    }

    /// Whether it stands in a list, or has a title, with this in its name.
    pub(crate) fn is_about(&self, part: &str) -> bool {
        self.list.contains(part) || self.title.contains(part)
    }

    /// Whether it changes a script that runs on hosts. The one below `src/cli` is a controller's timer.
    pub(crate) fn is_of_a_script(&self) -> bool {
        self.file.extension() == Some("sh".as_ref()) && !self.file.starts_with("src/cli")
    }

    /// The file's text with the rule broken.
    pub(crate) fn mutate(&self) -> Result<String, String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&self.file);
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let lines: Vec<&str> = text.lines().collect();
        if self.before.is_empty() || self.before == self.after {
            return Err("it changes nothing".to_owned());
        }
        let is_here = |at: &usize| {
            let found =
                lines[*at..].iter().zip(&self.before).filter(|(line, wanted)| line.trim() == **wanted);
            found.count() == self.before.len()
        };
        let places: Vec<usize> = (0..lines.len()).filter(is_here).collect();
        let &[at] = places.as_slice() else {
            return Err(format!("its lines occur {} times", places.len()));
        };
        let mutated = lines[..at]
            .iter()
            .copied()
            .chain(self.after.iter().map(String::as_str))
            .chain(lines[at + self.before.len()..].iter().copied());
        Ok(mutated.map(|line| format!("{line}\n")).collect())
    }
}
