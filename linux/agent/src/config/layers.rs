//! Where options come from, and which of two wins.

use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

use clap::{Arg, Args, Command, FromArgMatches};

use super::{error::ConfigError, options::Options};

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Flag,
    /// A variable of this name.
    Variable(String),
    /// A file.
    File(PathBuf),
    /// Nowhere.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it was given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

/// All places, the strongest first.
pub(super) struct Layers(Vec<(Source, Options)>);

impl Layers {
    /// Flags, then variables, then the file.
    pub(super) fn gather(
        flags: Options,
        variable: impl Fn(&str) -> Option<OsString>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut layers = vec![(Source::Flag, flags)];
        // A variable that is set to nothing is as good as none.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        for (flag, names) in variables() {
            for name in names {
                if let Some(value) = variable(&name) {
                    layers.push(from_variable(&flag, name, &value)?);
                }
            }
        }
        let named = variable(CONFIG_VARIABLE).map(PathBuf::from);
        if let Some(path) = file.map(Path::to_owned).or(named) {
            layers.push(from_file(path)?);
        }
        Ok(Self(layers))
    }

    /// The strongest value of an option.
    pub(super) fn find<T: Clone>(&self, option: fn(&Options) -> &Option<T>) -> Option<Said<T>> {
        self.0.iter().find_map(|(source, options)| {
            let value = option(options).clone()?;
            let source = source.clone();
            Some(Said { value, source })
        })
    }

    /// The strongest value of an option, or the default.
    pub(super) fn find_or<T: Clone>(
        &self,
        option: fn(&Options) -> &Option<T>,
        default: T,
    ) -> Said<T> {
        let source = Source::Default;
        self.find(option).unwrap_or(Said {
            value: default,
            source,
        })
    }

    /// The values of an option that may be given more than once: they add up, the strongest first.
    pub(super) fn all<T: Clone>(&self, option: fn(&Options) -> &Vec<T>) -> Vec<Said<T>> {
        let said = |(source, options): &(Source, Options)| {
            let source = source.clone();
            let values = option(options).clone().into_iter();
            values.map(move |value| Said {
                value,
                source: source.clone(),
            })
        };
        let layers: Vec<_> = self.0.iter().map(said).collect();
        layers.into_iter().flatten().collect()
    }
}

/// The flags and the variables of each, stronger before weaker.
fn variables() -> Vec<(String, Vec<String>)> {
    let command = Options::augment_args(Command::new(""));
    let flags = command.get_arguments().filter_map(|arg| arg.get_long());
    flags
        .map(|flag| {
            let own = format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_"));
            let public = PUBLIC.iter().filter(|(of, _)| *of == flag);
            let public = public.map(|(_, name)| (*name).to_owned());
            (flag.to_owned(), [own].into_iter().chain(public).collect())
        })
        .collect()
}

/// Reads a variable as the flag of its name is read. In a variable of this program's a list has one entry a line; in a
/// public one there is one entry, whatever is in it.
fn from_variable(
    flag: &str,
    name: String,
    value: &OsString,
) -> Result<(Source, Options), ConfigError> {
    let lines: Vec<OsString> = match value.to_str() {
        Some(text) if name.starts_with(PREFIX) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(OsString::from).collect()
        }
        _ => vec![value.clone()],
    };
    let args = lines.iter().map(|line| {
        let mut arg = OsString::from(format!("--{flag}="));
        arg.push(line);
        arg
    });
    let command = Options::augment_args(Command::new("").no_binary_name(true));
    let options = command
        // Conflicts with one of the options, so it has to be there.
        .arg(Arg::new("quiet").hide(true))
        .try_get_matches_from(args)
        .and_then(|matches| Options::from_arg_matches(&matches))
        .map_err(|error| ConfigError::variable(&name, &error))?;
    Ok((Source::Variable(name), options))
}

fn from_file(path: PathBuf) -> Result<(Source, Options), ConfigError> {
    let text = fs::read_to_string(&path);
    let text = text.map_err(|error| ConfigError::Read(path.clone(), error))?;
    match toml::from_str(&text) {
        Ok(options) => Ok((Source::File(path), options)),
        Err(error) => Err(ConfigError::Parse(path, error)),
    }
}

/// In front of the name of an option, in capitals and with `_` for `-`.
pub(super) const PREFIX: &str = "THROUGHLINE_";

/// The file, if no flag names it.
pub(super) const CONFIG_VARIABLE: &str = "THROUGHLINE_CONFIG";

/// Variables that are set for the programs of the agent socket's world.
const PUBLIC: [(&str, &str); 5] = [
    ("allow", "BOUNDARY_ALLOW"),
    ("inject", "BOUNDARY_SESSION_ID_INJECT_TARGET"),
    (
        "enable-session-correlation",
        "BOUNDARY_SESSION_CORRELATION_ENABLED",
    ),
    ("socket", "CODER_AGENT_BOUNDARY_LOG_PROXY_SOCKET_PATH"),
    ("log-level", "BOUNDARY_LOG_LEVEL"),
];
