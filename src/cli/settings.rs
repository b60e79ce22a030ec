//! What flags, variables and `certwave.yaml` come to.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::cli::args::{Color, Global, LogFormat, OutputFormat};
use crate::cli::error::Failure;
use crate::cli::printer::Printer;
use crate::operations::{OperationError, Problem, read};
use crate::store::{Store, StoreError};
use crate::yaml::{Fields, Problems, Sources, Spanned, parse};

/// What flags, variables and `certwave.yaml` come to.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Inventory files and folders.
    pub(super) inventory: Vec<PathBuf>,
    /// The folder of the store.
    pub(super) state: PathBuf,
    /// The file that holds the sealing key; without it, it lies in the state.
    pub(super) seal_key: Option<PathBuf>,
    /// What results look like.
    pub(super) output: OutputFormat,
    /// How much is said: -1 quiet, 0 normal, 1 and more verbose.
    pub(super) verbosity: i8,
    /// What log lines look like.
    pub(super) log_format: LogFormat,
}

/// The keys of `certwave.yaml`.
#[derive(Debug, Default)]
struct ConfigFile {
    inventory: Vec<PathBuf>,
    state: Option<String>,
    seal_key: Option<PathBuf>,
    output: Option<OutputFormat>,
    color: Option<Color>,
    log_format: Option<LogFormat>,
}

const DEFAULT_CONFIG: &str = "certwave.yaml";
/// Where `certwave init` writes.
const DEFAULT_INVENTORY: &str = "inventories";

impl Settings {
    /// A flag wins over its variable (clap sees to that), the variable over the file.
    pub(super) fn resolve(global: &Global) -> Result<Self, Failure> {
        let config = match &global.config {
            Some(path) => ConfigFile::read(path)?,
            None if Path::new(DEFAULT_CONFIG).exists() => ConfigFile::read(Path::new(DEFAULT_CONFIG))?,
            None => ConfigFile::default(),
        };
        match global.color.or(config.color).unwrap_or(Color::Auto) {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let mut inventory =
            if global.inventory.is_empty() { config.inventory } else { global.inventory.clone() };
        if inventory.is_empty() && Path::new(DEFAULT_INVENTORY).is_dir() {
            inventory.push(PathBuf::from(DEFAULT_INVENTORY));
        }
        Ok(Self {
            inventory,
            state: state_folder(global.state.as_deref().or(config.state.as_deref()))?,
            seal_key: global.seal_key.clone().or(config.seal_key),
            output: global.output.or(config.output).unwrap_or(OutputFormat::Human),
            verbosity: if global.quiet { -1 } else { i8::try_from(global.verbose).unwrap_or(i8::MAX) },
            log_format: global.log_format.or(config.log_format).unwrap_or(LogFormat::Text),
        })
    }

    /// What certwave remembers.
    pub(super) fn store(&self) -> Result<Store, StoreError> {
        match &self.seal_key {
            Some(key) => Store::open_with_key(&self.state, key),
            None => Store::open(&self.state),
        }
    }

    /// Knows in which form results go out.
    pub(super) fn printer(&self) -> Printer {
        Printer::new(self.output, self.log_format, self.verbosity)
    }

    /// The log of the libraries: warnings, more with `-v`; `RUST_LOG` refines it.
    pub(super) fn start_log(&self) {
        use tracing_subscriber::EnvFilter;
        let level = match self.verbosity {
            ..0 => "error",
            0 => "warn",
            1 => "certwave=debug,warn",
            2 => "certwave=trace,info",
            _ => "debug",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(|| crate::report::LogWriter)
            .with_ansi(std::io::stderr().is_terminal());
        let started = match self.log_format {
            LogFormat::Text => builder.with_target(false).try_init(),
            LogFormat::Json => builder.json().try_init(),
        };
        // Only a second start in one process fails, and then the first one's log is there.
        drop(started);
    }
}

/// `sqlite:FOLDER`, or nothing for the user's own.
fn state_folder(url: Option<&str>) -> Result<PathBuf, Failure> {
    match url {
        Some(url) => match url.split_once(':') {
            Some(("sqlite", folder)) if !folder.is_empty() => {
                Ok(PathBuf::from(folder.strip_prefix("//").unwrap_or(folder)))
            }
            _ => Err(Failure::usage(format!("`{url}` is not a place for the state"))
                .hint("write it as `sqlite:FOLDER`, for example `sqlite:/var/lib/certwave`")),
        },
        None => {
            let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
            let base = std::env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
            base.or_else(home).map(|base| base.join("certwave")).ok_or_else(|| {
                Failure::usage("there is no place for the state: HOME is not set").hint("use `--state`")
            })
        }
    }
}

impl ConfigFile {
    fn read(path: &Path) -> Result<Self, Failure> {
        let mut sources = Sources::default();
        let mut problems = Problems::default();
        let id = sources.add(path.display().to_string(), read(path)?);
        let mut config = Self::default();
        if let Some(node) = parse(&sources, id, &mut problems)
            && let Some(mut fields) = Fields::of(&node, "the settings", &mut problems)
        {
            // Paths in the file are relative to it, wherever certwave is called from.
            let base = path.parent().unwrap_or(Path::new("")).to_owned();
            let inventory: Option<Vec<String>> = fields.optional("inventory", &mut problems);
            config.inventory =
                inventory.unwrap_or_default().into_iter().map(|path| base.join(path)).collect();
            config.state = fields.optional("state", &mut problems);
            let seal_key: Option<String> = fields.optional("seal_key", &mut problems);
            config.seal_key = seal_key.map(|path| base.join(path));
            config.output = word(&mut fields, "output", &mut problems);
            config.color = word(&mut fields, "color", &mut problems);
            config.log_format = word(&mut fields, "log_format", &mut problems);
            fields.finish(&mut problems);
        }
        if problems.is_empty() {
            return Ok(config);
        }
        Err(OperationError::from(Problem::Files { problems, sources }).into())
    }
}

/// One of the words that the flag of that name takes.
fn word<T: clap::ValueEnum>(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<T> {
    let text: Spanned<String> = fields.optional(key, problems)?;
    let read = T::from_str(&text.value, false);
    if read.is_err() {
        let words: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|word| Some(format!("`{}`", word.to_possible_value()?.get_name())))
            .collect();
        problems.push(
            crate::yaml::Problem::at(text.span, format!("`{}` is not a value of `{key}`", text.value))
                .hint(format!("one of {}", words.join(", "))),
        );
    }
    read.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_a_url() {
        assert_eq!(state_folder(Some("sqlite:/var/lib/x")).unwrap(), PathBuf::from("/var/lib/x"));
        assert_eq!(state_folder(Some("sqlite:///var/lib/x")).unwrap(), PathBuf::from("/var/lib/x"));
        assert_eq!(state_folder(Some("sqlite:here")).unwrap(), PathBuf::from("here"));
        assert!(state_folder(Some("postgres://x")).is_err());
        assert!(state_folder(Some("/var/lib/x")).is_err());
    }
}
