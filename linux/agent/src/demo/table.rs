//! Who saw which stamp.

use std::fmt;

use serde_json::Value;
use tabled::{builder::Builder, settings::Style};

use super::{gateway::Seen, story::Story};
use crate::log::Clean;

/// A row for each stamp, a column for each witness.
pub(super) struct Table {
    rows: Vec<[String; 5]>,
    agrees: bool,
}

impl Table {
    pub(super) fn of(story: &Story) -> Self {
        let mut table = Self {
            rows: Vec::new(),
            agrees: story.kernel.agrees(),
        };
        for event in &story.events {
            table.add_event(event, &story.upstream);
        }
        table.expect_no_stranger(story);
        for (phase, seen) in &story.kernel.phases {
            table.rows.push([
                format!("at {}", story.kernel.position),
                format!("phase {phase}"),
                "-".to_owned(),
                "-".to_owned(),
                story.kernel.cell(*seen),
            ]);
        }
        table
    }

    /// Whether each witness saw what it should have seen, and nothing else.
    pub(super) const fn agrees(&self) -> bool {
        self.agrees
    }

    fn add_event(&mut self, event: &Value, upstream: &[Seen]) {
        let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
        let sequence = event.get("seq").and_then(Value::as_u64).unwrap_or_default();
        let url = text("url");
        let allowed = text("decision") == "allow";
        let upstream = if allowed && text("method") == "CONNECT" {
            // It ends at the proxy; what is asked for inside of it has events of its own.
            "read on the way".to_owned()
        } else {
            self.upstream_cell(allowed, url, text("session"), sequence, upstream)
        };
        self.rows.push([
            sequence.to_string(),
            format!("{} {} {}", text("decision"), text("method"), short(url)),
            "seen".to_owned(),
            upstream,
            "-".to_owned(),
        ]);
    }

    /// What the gateway saw of an event, and whether that is as it should be.
    fn upstream_cell(
        &mut self,
        allowed: bool,
        url: &str,
        session: &str,
        sequence: u64,
        upstream: &[Seen],
    ) -> String {
        let path = path(url);
        let is_target = path.starts_with("/api/v2/aibridge/");
        let same = |seen: &&Seen| allowed && is_same(&seen.path, path);
        let Some(seen) = upstream.iter().find(same) else {
            self.agrees &= !allowed;
            return if allowed { "MISSING" } else { "not reached" }.to_owned();
        };
        let number = sequence.to_string();
        match (&seen.session, &seen.sequence) {
            (None, None) => {
                self.agrees &= !is_target;
                "reached, no stamp".to_owned()
            }
            (Some(a), Some(b)) if *a == session && *b == number => {
                self.agrees &= is_target;
                format!("seen as {number}")
            }
            _ => {
                self.agrees = false;
                "FORGED".to_owned()
            }
        }
    }

    /// Whatever reached the gateway has an event that let it.
    fn expect_no_stranger(&mut self, story: &Story) {
        let allowed: Vec<&str> = story
            .events
            .iter()
            .filter(|event| event.get("decision").and_then(Value::as_str) == Some("allow"))
            .filter_map(|event| event.get("url").and_then(Value::as_str))
            .map(path)
            .collect();
        let known = |seen: &Seen| allowed.iter().any(|path| is_same(&seen.path, path));
        self.agrees &= story.upstream.iter().all(known);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builder = Builder::default();
        builder.push_record(["stamp", "act", "trail", "upstream log", "kernel audit log"]);
        for row in &self.rows {
            builder.push_record(row);
        }
        write!(f, "{}", builder.build().with(Style::sharp()))
    }
}

/// Whether the trail's path is the one that the gateway saw, or the front of it where it was cut.
fn is_same(seen: &str, recorded: &str) -> bool {
    match recorded.split_once("#truncated=") {
        Some((front, _)) => seen.starts_with(front),
        None => seen == recorded,
    }
}

/// The path of a URL, as the gateway sees it.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// A URL that fits the table.
fn short(url: &str) -> String {
    let length = url.chars().count();
    let url = Clean(url).to_string();
    if length <= WIDTH {
        return url;
    }
    let front: String = url.chars().take(WIDTH / 2).collect();
    let mut back: Vec<char> = url.chars().rev().take(WIDTH / 4).collect();
    back.reverse();
    format!(
        "{front}...{} ({length} characters)",
        String::from_iter(back)
    )
}

/// The longest URL that is shown whole (characters).
const WIDTH: usize = 64;
