use std::{
    fmt::{self, Write},
    io::{self, IsTerminal},
};

use clap::ValueEnum;
use serde::Deserialize;
use throughline_core::{Decision, HttpRequest, Stamp};
use tracing::level_filters::LevelFilter;

use crate::{cli::LogArgs, stderr::Stderr};

/// How much is said on the standard error.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// What went wrong.
    Error,
    /// And denied requests.
    Warn,
    /// And allowed requests.
    Info,
    /// And what the program does.
    Debug,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        })
    }
}

/// Sends what the program says of itself to the standard error, for a person to read.
pub(crate) fn start(args: LogArgs) {
    start_at(if args.quiet {
        Level::Error
    } else {
        args.log_level
    });
}

/// The same, when the level comes from elsewhere.
pub(crate) fn start_at(level: Level) {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(|| Stderr)
        // It would tell the standard error that the standard error cannot be written to, and panic.
        .log_internal_errors(false)
        .init();
}

/// Tells the person of one request.
pub(crate) fn request(stamp: Stamp, request: &HttpRequest<'_>) {
    let (method, url) = (request.method(), request.url());
    let act = Clean(format_args!("{method} {url}"));
    match request.decision() {
        Decision::Allowed(rule) => {
            let rule = rule.text();
            tracing::info!(%stamp, rule = %Clean(format_args!("{rule}")), "allowed {act}");
        }
        Decision::Denied(reason) => {
            tracing::warn!(%stamp, reason = %Clean(format_args!("{reason}")), "denied {act}");
        }
    }
}

/// Text of somebody else's, with nothing in it that a terminal would act on.
pub(crate) struct Clean<D>(pub(crate) D);

impl<D: fmt::Display> fmt::Display for Clean<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Cleaner(f), "{}", self.0)
    }
}

struct Cleaner<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Cleaner<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| {
            if character.is_control() || is_unseen(character) {
                write!(self.0, "{}", character.escape_default())
            } else {
                self.0.write_char(character)
            }
        })
    }
}

/// What is not seen itself, and has what is around it look like something else: marks of no width, separators
/// of lines, and what turns the direction of writing around.
const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_act_on() {
        let hostile = "http://a/\u{1b}[31m\r\nforged\u{9b}";
        assert_eq!(
            Clean(hostile).to_string(),
            "http://a/\\u{1b}[31m\\r\\nforged\\u{9b}"
        );
        // What turns the direction of writing around, or is not seen, would have one URL look like another.
        assert_eq!(
            Clean("a\u{202e}b\u{2066}c\u{200b}d\u{2028}e\u{feff}").to_string(),
            "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{2028}e\\u{feff}"
        );
        assert_eq!(Clean("gr\u{fc}n \u{5e9}").to_string(), "gr\u{fc}n \u{5e9}");
    }
}
