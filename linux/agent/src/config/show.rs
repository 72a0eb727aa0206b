//! What is in force, for people and for machines.

use serde_json::{Value, json};
use tabled::{builder::Builder, settings::Style};

use super::{Config, Said, Seconds, Source};
use crate::log::Clean;

/// A value of an option. An option that has none has one row that says so; one with many has as many rows.
struct Row {
    option: &'static str,
    value: Value,
    source: Source,
}

impl Config {
    /// Prints every option with its value and where that was given.
    pub(super) fn print(&self, as_json: bool) {
        let rows = self.rows();
        if as_json {
            let rows: Vec<Value> = rows.iter().map(Row::json).collect();
            println!("{}", Value::from(rows));
        } else {
            let mut table = Builder::new();
            table.push_record(["option", "value", "source"]);
            for row in &rows {
                table.push_record(row.cells());
            }
            println!("{}", table.build().with(Style::blank()));
        }
    }

    fn rows(&self) -> Vec<Row> {
        let rules = [
            many("allow", &self.allow),
            many("inject", &self.inject),
            vec![one(
                "enable-session-correlation",
                &self.enable_session_correlation,
            )],
            vec![one("compatible-rules", &self.compatible_rules)],
            many("no-intercept", &self.no_intercept),
        ];
        let records = [
            vec![path("socket", self.socket.as_ref())],
            vec![text("collector-uid", self.collector_uid.as_ref())],
            vec![path("spool", self.spool.as_ref())],
            vec![path("trail", self.trail.as_ref())],
            vec![time("drain", &self.drain)],
            many("redact-query", &self.redact_query),
            vec![one("redact-user", &self.redact_user)],
            vec![one("session-header", &self.session_header)],
            vec![one("sequence-header", &self.sequence_header)],
        ];
        let upstreams = [
            vec![path("upstream-ca", self.upstream_ca.as_ref())],
            vec![text("upstream-proxy", self.upstream_proxy.as_ref())],
            vec![time("connect-timeout", &self.connect_timeout)],
        ];
        let limits = [
            vec![one("max-connections", &self.max_connections)],
            vec![one("max-head", &self.max_head)],
            vec![time("head-timeout", &self.head_timeout)],
            vec![time("idle-timeout", &self.idle_timeout)],
            vec![text("log-level", Some(&self.log_level))],
        ];
        let groups = rules
            .into_iter()
            .chain(records)
            .chain(upstreams)
            .chain(limits);
        groups.flatten().collect()
    }
}

impl Row {
    fn json(&self) -> Value {
        json!({ "option": self.option, "value": self.value, "source": self.source.to_string() })
    }

    fn cells(&self) -> [String; 3] {
        let value = match &self.value {
            Value::Null => "-".to_owned(),
            Value::String(text) => Clean(text).to_string(),
            other => other.to_string(),
        };
        let source = Clean(&self.source).to_string();
        [self.option.to_owned(), value, source]
    }
}

fn one<T: Clone + Into<Value>>(option: &'static str, said: &Said<T>) -> Row {
    Row {
        option,
        value: said.value.clone().into(),
        source: said.source.clone(),
    }
}

fn many(option: &'static str, all: &[Said<String>]) -> Vec<Row> {
    if all.is_empty() {
        return vec![none(option)];
    }
    all.iter().map(|said| one(option, said)).collect()
}

fn path(option: &'static str, said: Option<&Said<std::path::PathBuf>>) -> Row {
    said.map_or_else(
        || none(option),
        |said| Row {
            option,
            value: said.value.to_string_lossy().into(),
            source: said.source.clone(),
        },
    )
}

fn text<T: ToString>(option: &'static str, said: Option<&Said<T>>) -> Row {
    said.map_or_else(
        || none(option),
        |said| Row {
            option,
            value: said.value.to_string().into(),
            source: said.source.clone(),
        },
    )
}

fn time(option: &'static str, said: &Said<Seconds>) -> Row {
    Row {
        option,
        value: said.value.0.as_secs_f64().into(),
        source: said.source.clone(),
    }
}

const fn none(option: &'static str) -> Row {
    Row {
        option,
        value: Value::Null,
        source: Source::Default,
    }
}
