//! The options, under the same names wherever they are given.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use serde::Deserialize;

use crate::{
    advice::{count, user},
    log::Level,
    proxy::UpstreamProxy,
};

/// The options of one place: the command line, a variable, or a file.
///
/// `--redact-query token`, `THROUGHLINE_REDACT_QUERY=token` and `redact-query = ["token"]` are the same.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// Let requests out that match RULE, such as 'method=GET domain=*.example.com path=/api/*'
    #[arg(long, value_name = "RULE", help_heading = "Rules")]
    #[serde(alias = "allowlist")]
    pub(crate) allow: Vec<String>,

    /// Put the session and the number on requests that match RULE
    ///
    /// Without it the targets are the AI gateway of the host in CODER_AGENT_URL, if set.
    #[arg(long, value_name = "RULE", help_heading = "Rules")]
    #[arg(visible_alias = "session-id-inject-target")]
    #[serde(alias = "session_id_inject_targets")]
    pub(crate) inject: Vec<String>,

    /// Whether requests to the inject targets get the session and the number [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Rules")]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[serde(alias = "session_correlation_enabled")]
    pub(crate) enable_session_correlation: Option<bool>,

    /// Also take rules that read like one thing and mean another, such as path=/ for every path
    #[arg(long, value_name = "BOOL", help_heading = "Rules")]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) compatible_rules: Option<bool>,

    /// Pass tunnels to HOST unread, such as '*.example.com'; only their CONNECT is decided on
    #[arg(long, value_name = "HOST", help_heading = "Rules")]
    pub(crate) no_intercept: Vec<String>,

    /// Write the events to the collector that listens at PATH
    #[arg(long, value_name = "PATH", help_heading = "Records")]
    #[arg(visible_alias = "log-proxy-socket-path")]
    #[serde(alias = "log_proxy_socket_path")]
    pub(crate) socket: Option<PathBuf>,

    /// Write to that collector only if it is user UID's; whoever else listens there gets nothing
    #[arg(long, value_name = "UID", help_heading = "Records", value_parser = user)]
    pub(crate) collector_uid: Option<u32>,

    /// Keep events in FOLDER while the collector is away, for it or for the next run
    #[arg(long, value_name = "FOLDER", help_heading = "Records")]
    pub(crate) spool: Option<PathBuf>,

    /// Append the events to FILE, as NDJSON
    #[arg(long, value_name = "FILE", help_heading = "Records")]
    pub(crate) trail: Option<PathBuf>,

    /// How long to go on writing events out after the command has ended [default: 5]
    #[arg(long, value_name = "SECONDS", help_heading = "Records")]
    pub(crate) drain: Option<Seconds>,

    /// Hide the value of NAME in the queries of recorded URLs; * hides every value
    #[arg(long, value_name = "NAME", help_heading = "Records")]
    pub(crate) redact_query: Vec<String>,

    /// Hide the user name in recorded URLs, as the password always is
    #[arg(long, value_name = "BOOL", help_heading = "Records")]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) redact_user: Option<bool>,

    /// The field that carries the session [default: X-Coder-Agent-Firewall-Session-Id]
    #[arg(long, value_name = "NAME", help_heading = "Records")]
    pub(crate) session_header: Option<String>,

    /// The field that carries the number [default: X-Coder-Agent-Firewall-Sequence-Number]
    #[arg(long, value_name = "NAME", help_heading = "Records")]
    pub(crate) sequence_header: Option<String>,

    /// Trust the authorities in FILE (PEM) beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Upstreams")]
    pub(crate) upstream_ca: Option<PathBuf>,

    /// Reach every upstream through the proxy at URL, such as http://user:password@proxy:3128
    #[arg(long, value_name = "URL", help_heading = "Upstreams")]
    pub(crate) upstream_proxy: Option<UpstreamProxy>,

    /// How long an address may take to accept a connection, and TLS to begin [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Upstreams")]
    pub(crate) connect_timeout: Option<Seconds>,

    /// How many connections of the command are served at once; more wait [default: 1024]
    #[arg(long, value_name = "COUNT", help_heading = "Limits", value_parser = count::<u32>)]
    pub(crate) max_connections: Option<u32>,

    /// The size of a request's head at most, URL included [default: 65536]
    #[arg(long, value_name = "BYTES", help_heading = "Limits", value_parser = count::<u32>)]
    pub(crate) max_head: Option<u32>,

    /// How long a head may take to arrive, and a connection rest between requests [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    pub(crate) head_timeout: Option<Seconds>,

    /// How long an unread tunnel may carry no byte, or HTTP/2 no request [default: 900]
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    pub(crate) idle_timeout: Option<Seconds>,

    /// What to say on the standard error [default: info]
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Messages")]
    #[arg(conflicts_with = "quiet")]
    #[serde(alias = "log_level")]
    pub(crate) log_level: Option<Level>,
}

/// A time in seconds; fractions are fine.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "f64")]
pub(crate) struct Seconds(pub(crate) Duration);

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        Duration::try_from_secs_f64(number)
            .map(Self)
            .map_err(|error| format!("{number} is no number of seconds, {error}"))
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: f64 = text.parse().map_err(|_| {
            format!("'{text}' is not a number of seconds; give one such as 5 or 0.5")
        })?;
        number.try_into()
    }
}
