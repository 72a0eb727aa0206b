//! What is in force: flags before variables before a file, and where each value was given.
//!
//! An option has one name. `--max-head 9000`, `THROUGHLINE_MAX_HEAD=9000` and `max-head = 9000` in the TOML file that
//! `--config` names are the same; of more than one the first in this order wins. Lists add up.
//!
//! The names of the agent-socket world are understood beside these: see [`Options`] for flags and keys, and
//! `layers.rs` for variables.

mod error;
mod layers;
mod options;
mod show;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use throughline_headers::Names;
use throughline_rules::{Grammar, Redaction};

pub(crate) use error::ConfigError;
pub(crate) use layers::{Said, Source};
pub(crate) use options::Options;

use crate::{
    cli::{ConfigArgs, ConfigSource},
    exit,
    log::{self, Level},
    policy::{self, Origin},
    proxy::{RulePolicy, Settings, Trust, UpstreamProxy},
    recording::Destinations,
};
use layers::Layers;
use options::Seconds;

/// Prints what is in force.
pub(crate) fn config(args: &ConfigArgs) -> ExitCode {
    let config = Config::load(args.config.clone());
    match config.and_then(|config| config.policy().map(|_| config)) {
        Ok(config) => {
            config.print(args.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            log::start_at(Level::Error);
            tracing::error!("{error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// What is in force.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) allow: Vec<Said<String>>,
    /// The targets that are in force, by default the gateway of the workspace.
    pub(crate) inject: Vec<Said<String>>,
    enable_session_correlation: Said<bool>,
    compatible_rules: Said<bool>,
    no_intercept: Vec<Said<String>>,
    socket: Option<Said<PathBuf>>,
    collector_uid: Option<Said<u32>>,
    spool: Option<Said<PathBuf>>,
    trail: Option<Said<PathBuf>>,
    drain: Said<Seconds>,
    redact_query: Vec<Said<String>>,
    redact_user: Said<bool>,
    session_header: Said<String>,
    sequence_header: Said<String>,
    upstream_ca: Option<Said<PathBuf>>,
    upstream_proxy: Option<Said<UpstreamProxy>>,
    connect_timeout: Said<Seconds>,
    max_connections: Said<u32>,
    max_head: Said<u32>,
    head_timeout: Said<Seconds>,
    idle_timeout: Said<Seconds>,
    log_level: Said<Level>,
}

impl Config {
    /// Puts together the flags, this process's environment and the file.
    pub(crate) fn load(given: ConfigSource) -> Result<Self, ConfigError> {
        let variable = |name: &str| env::var_os(name);
        Self::resolve(given.options, variable, given.config.as_deref())
    }

    fn resolve(
        flags: Options,
        variable: impl Fn(&str) -> Option<OsString>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let layers = Layers::gather(flags, &variable, file)?;
        let limits = Settings::default();
        let seconds = |limit| Seconds(limit);
        let config = Self {
            allow: layers.all(|options| &options.allow),
            inject: layers.all(|options| &options.inject),
            enable_session_correlation: layers
                .find_or(|options| &options.enable_session_correlation, true),
            compatible_rules: layers.find_or(|options| &options.compatible_rules, false),
            no_intercept: layers.all(|options| &options.no_intercept),
            socket: layers.find(|options| &options.socket),
            collector_uid: layers.find(|options| &options.collector_uid),
            spool: layers.find(|options| &options.spool),
            trail: layers.find(|options| &options.trail),
            drain: layers.find_or(|options| &options.drain, seconds(DRAIN)),
            redact_query: layers.all(|options| &options.redact_query),
            redact_user: layers.find_or(|options| &options.redact_user, false),
            session_header: layers.find_or(
                |options| &options.session_header,
                Names::DEFAULT.session().to_owned(),
            ),
            sequence_header: layers.find_or(
                |options| &options.sequence_header,
                Names::DEFAULT.sequence().to_owned(),
            ),
            upstream_ca: layers.find(|options| &options.upstream_ca),
            upstream_proxy: layers.find(|options| &options.upstream_proxy),
            connect_timeout: layers.find_or(
                |options| &options.connect_timeout,
                seconds(limits.connect_timeout),
            ),
            max_connections: layers.find_or(|options| &options.max_connections, limits.connections),
            max_head: layers.find_or(|options| &options.max_head, limits.head_max),
            head_timeout: layers.find_or(
                |options| &options.head_timeout,
                seconds(limits.head_timeout),
            ),
            idle_timeout: layers
                .find_or(|options| &options.idle_timeout, seconds(limits.tunnel_idle)),
            log_level: layers.find_or(|options| &options.log_level, Level::Info),
        };
        config.with_targets(variable)?.checked()
    }

    /// With no target given, the gateway of the workspace is one; and none at all where correlation is off.
    fn with_targets(
        mut self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        if !self.enable_session_correlation.value {
            self.inject.clear();
            return Ok(self);
        }
        if self.inject.is_empty() {
            let url = variable(WORKSPACE).and_then(|url| url.into_string().ok());
            self.inject.extend(url.as_deref().and_then(gateway_of));
        }
        let is_asked_for = self.enable_session_correlation.source != Source::Default;
        if is_asked_for && self.inject.is_empty() {
            return Err(ConfigError::NoTarget);
        }
        Ok(self)
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let for_socket = [
            ("spool", self.spool.is_some()),
            ("collector-uid", self.collector_uid.is_some()),
        ];
        if self.socket.is_none()
            && let Some((option, _)) = for_socket.into_iter().find(|(_, given)| *given)
        {
            return Err(ConfigError::WithoutSocket(option));
        }
        Names::new(&self.session_header.value, &self.sequence_header.value)
            .map_err(ConfigError::Names)?;
        let least = [
            ("max-head", &self.max_head, Settings::HEAD_FLOOR),
            ("max-connections", &self.max_connections, 1),
        ];
        for (option, said, least) in least {
            if said.value < least {
                let said = said.clone();
                return Err(ConfigError::TooSmall {
                    option,
                    said,
                    least,
                });
            }
        }
        Ok(self)
    }

    /// The rules, parsed.
    pub(crate) fn policy(&self) -> Result<RulePolicy, ConfigError> {
        let parse = |option, texts: &[Said<String>]| {
            let rules = texts.iter().map(|said| {
                let origin = Origin {
                    option,
                    source: said.source.clone(),
                };
                policy::parse(&origin, &said.value, self.grammar())
            });
            rules.collect::<Result<Vec<_>, _>>()
        };
        let pinned = self.no_intercept.iter().map(|said| {
            let origin = Origin {
                option: "no-intercept",
                source: said.source.clone(),
            };
            policy::parse_host(&origin, &said.value)
        });
        Ok(RulePolicy {
            allow: parse("allow", &self.allow)?,
            inject: parse("inject", &self.inject)?,
            pinned: pinned.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) const fn grammar(&self) -> Grammar {
        match self.compatible_rules.value {
            true => Grammar::Compatible,
            false => Grammar::Strict,
        }
    }

    /// What is hidden in records. Its names live as long as the program.
    pub(crate) fn redaction(&self) -> Redaction<'static> {
        let redaction = match self.redact_user.value {
            true => Redaction::new().user_name(),
            false => Redaction::new(),
        };
        let names = self.redact_query.iter().map(|said| said.value.clone());
        let names: Vec<&'static str> = names.map(|name| &*name.leak()).collect();
        if names.contains(&"*") {
            return redaction.all_query_values();
        }
        redaction.query_values(names.leak())
    }

    /// The names of the header fields.
    pub(crate) fn names(&self) -> Names<'_> {
        // They were checked when they were put in force.
        Names::new(&self.session_header.value, &self.sequence_header.value)
            .unwrap_or(Names::DEFAULT)
    }

    /// Whom upstreams are vouched for by.
    pub(crate) fn trust(&self) -> Result<Trust, ConfigError> {
        let private = self.upstream_ca.as_ref().map(|said| said.value.as_path());
        Ok(Trust::load(private)?)
    }

    /// The proxy's limits.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            connections: self.max_connections.value,
            head_timeout: self.head_timeout.value.0,
            connect_timeout: self.connect_timeout.value.0,
            tunnel_idle: self.idle_timeout.value.0,
            head_max: self.max_head.value,
            via: self.upstream_proxy.as_ref().map(|said| said.value.clone()),
        }
    }

    /// Where events go.
    pub(crate) fn destinations(&self) -> Destinations {
        let path = |said: &Option<Said<PathBuf>>| said.as_ref().map(|said| said.value.clone());
        Destinations {
            trail: path(&self.trail),
            socket: path(&self.socket),
            collector: self.collector_uid.as_ref().map(|said| said.value),
            spool: path(&self.spool),
        }
    }

    pub(crate) const fn drain(&self) -> Duration {
        self.drain.value.0
    }

    pub(crate) const fn log_level(&self) -> Level {
        self.log_level.value
    }
}

/// The inject target for the gateway of the workspace whose control plane is at `url`.
fn gateway_of(url: &str) -> Option<Said<String>> {
    let url: http::Uri = url.parse().ok()?;
    let host = url.host()?;
    Some(Said {
        value: format!("domain={host} {GATEWAY_PATHS}"),
        source: Source::Variable(WORKSPACE.to_owned()),
    })
}

/// Where the control plane of the workspace is.
const WORKSPACE: &str = "CODER_AGENT_URL";

/// Where the public gateway takes requests.
const GATEWAY_PATHS: &str = "path=/api/v2/ai-gateway/*,/api/v2/aibridge/*";

/// How long events may take to be written out at the end.
const DRAIN: Duration = Duration::from_secs(5);
