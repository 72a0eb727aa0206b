use std::{error::Error, fmt, io, path::PathBuf};

use throughline_headers::NamesError;

use super::layers::Said;
use crate::{advice::Advised, policy::BadRule, proxy::TrustError};

/// Why the options cannot be put in force.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// The file is no TOML, or has options that there are not.
    Parse(PathBuf, toml::de::Error),
    /// A variable holds what its flag would not take.
    Variable { name: String, told: String },
    /// A rule cannot be understood.
    Rule(BadRule),
    /// The names of the header fields cannot be used.
    Names(NamesError),
    /// Correlation is asked for, and there is nothing that it could be for.
    NoTarget,
    /// A number is less than it can be.
    TooSmall {
        option: &'static str,
        said: Said<u32>,
        least: u32,
    },
    /// An option is for a socket, and there is none.
    WithoutSocket(&'static str),
    /// The private authorities cannot be read.
    Trust(TrustError),
}

impl ConfigError {
    /// What clap says of a flag, without the flag that nobody gave.
    pub(super) fn variable(name: &str, error: &clap::Error) -> Self {
        let told = error.to_string();
        let told = told.lines().next().unwrap_or_default();
        let told = told.strip_prefix("error: ").unwrap_or(told).to_owned();
        let name = name.to_owned();
        Self::Variable { name, told }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => {
                write!(f, "cannot read the configuration {}: {}", path.display(), Advised(error))
            }
            Self::Parse(path, error) => write!(
                f,
                "cannot use the configuration {}: {}\nmend it there; throughline config --help tells how options are written",
                path.display(),
                error.to_string().trim_end()
            ),
            Self::Variable { name, told } => write!(f, "cannot use the variable {name}: {told}"),
            Self::Rule(error) => error.fmt(f),
            Self::Names(error) => write!(f, "cannot use the names of the header fields: {error}"),
            Self::NoTarget => f.write_str(
                "session correlation is enabled and there is no target; give one with --inject, or set CODER_AGENT_URL",
            ),
            Self::TooSmall {
                option,
                said,
                least,
            } => write!(
                f,
                "{option} is {} ({}) and has to be {least} at least; give more",
                said.value, said.source
            ),
            Self::WithoutSocket(option) => {
                write!(f, "{option} is for the collector at a socket; give that with --socket")
            }
            Self::Trust(error) => error.fmt(f),
        }
    }
}

impl Error for ConfigError {}

impl From<BadRule> for ConfigError {
    fn from(error: BadRule) -> Self {
        Self::Rule(error)
    }
}

impl From<TrustError> for ConfigError {
    fn from(error: TrustError) -> Self {
        Self::Trust(error)
    }
}
