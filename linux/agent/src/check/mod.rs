//! Which rule decides on a request, and why each other one does not.

mod finding;
mod report;

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, process::ExitCode};

use http::Method;
use throughline_core::Decision;
use throughline_rules::Url;

use crate::{
    cli::CheckArgs,
    config::{Config, ConfigError},
    exit,
    log::{self, Level},
    proxy::{Policy, RulePolicy},
};
use finding::{Trouble, findings};
use report::Report;

/// Tells what becomes of a request.
pub(crate) fn check(args: &CheckArgs) -> ExitCode {
    let loaded = Config::load(args.config.clone());
    match loaded.and_then(|config| decide(&config, &args.method, &args.url)) {
        Ok(Ok(report)) => {
            report.print(args.json);
            ExitCode::from(u8::from(!report.is_allowed()))
        }
        Ok(Err(trouble)) => stop(&trouble, args.json),
        Err(ConfigError::Rule(error)) => stop(&Trouble::Rule(error), args.json),
        Err(error) => {
            log::start_at(Level::Error);
            tracing::error!("{error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn decide(
    config: &Config,
    method: &str,
    url: &OsStr,
) -> Result<Result<Report, Trouble>, ConfigError> {
    let policy = config.policy()?;
    let bytes = url.as_bytes();
    let parsed = match Url::parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(Trouble::Url(error))),
    };
    Ok(Ok(Report {
        method: method.to_owned(),
        url: shown(config, bytes),
        rules: findings(&policy.allow, &config.allow, method, &parsed),
        targets: findings(&policy.inject, &config.inject, method, &parsed),
        notes: notes(&policy, method, &parsed),
    }))
}

/// What else `run` has to say to the request.
fn notes(policy: &RulePolicy, method: &str, url: &Url<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = refusal(method, url) {
        notes.push(format!("{why}; run refuses this one"));
        return notes;
    }
    if method == "CONNECT" && !policy.is_pinned(url) {
        notes.push(match policy.decide_host(url) {
            Decision::Allowed(rule) => format!(
                "run opens this tunnel, by the host of {}, and decides on each request in it",
                rule.text()
            ),
            Decision::Denied(_) => "run does not open this tunnel: no rule has its host".to_owned(),
        });
    }
    notes
}

/// Why a proxy cannot be asked for it, whatever the rules.
fn refusal(method: &str, url: &Url<'_>) -> Option<&'static str> {
    let is_web = |scheme: &[u8]| {
        scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
    };
    match url.scheme() {
        _ if Method::from_bytes(method.as_bytes()).is_err() => {
            Some("a method is a word of letters, digits and some signs")
        }
        Some(_) if method == "CONNECT" => Some("a CONNECT is for host:port"),
        None if method != "CONNECT" => Some("only a CONNECT is for host:port"),
        Some(scheme) if !is_web(scheme) => Some("a proxy is asked for http and https only"),
        _ => None,
    }
}

fn shown(config: &Config, url: &[u8]) -> String {
    let url = config
        .redaction()
        .redact(url)
        .pieces()
        .flatten()
        .copied()
        .collect::<Vec<u8>>();
    String::from_utf8_lossy(&url).into_owned()
}

fn stop(trouble: &Trouble, as_json: bool) -> ExitCode {
    trouble.print(as_json);
    ExitCode::from(exit::USAGE)
}
