use crate::{
    cli::TailArgs,
    trail::{Body, Event, Line},
};

/// Which lines of a trail are shown.
#[derive(Debug)]
pub(super) struct Filter<'a>(&'a TailArgs);

impl<'a> Filter<'a> {
    pub(super) const fn new(args: &'a TailArgs) -> Self {
        Self(args)
    }

    /// Whether a line is shown.
    ///
    /// Losses and ends are asked for their session only, since what is lost may be what is looked
    /// for; and so is a line that is none of a trail's shown, unless a session is asked for.
    pub(super) fn admits(&self, line: &[u8]) -> bool {
        let asked = &self.0.session;
        let Ok(line) = Line::parse(line) else {
            return asked.is_empty();
        };
        if !asked.is_empty() && !asked.contains(line.session.as_uuid()) {
            return false;
        }
        match &line.body {
            Body::Event(event) => self.admits_event(event),
            Body::Loss { .. } | Body::End(_) => true,
        }
    }

    fn admits_event(&self, event: &Event<'_>) -> bool {
        let args = self.0;
        let decided = match (args.allowed, args.denied) {
            (true, false) => event.allowed,
            (false, true) => !event.allowed,
            _ => true,
        };
        let is_any = |wanted: &[String], holds: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|text| holds(text))
        };
        decided
            && is_any(&args.method, &|text| {
                event.method.eq_ignore_ascii_case(text)
            })
            && is_any(&args.url, &|text| event.url.contains(text))
            && is_any(&args.host, &|text| {
                host(&event.url)
                    .to_ascii_lowercase()
                    .contains(&text.to_ascii_lowercase())
            })
    }
}

/// The host of a URL, with its port and whatever stands in front of an `@`.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    const EVENT: &str = r#"{"session":"00000000-0000-0000-0000-000000000001","seq":3,"time":"2026-09-21T14:13:20Z","decision":"deny","method":"POST","url":"http://API.example.com:80/a?host=other"}"#;
    const LOSS: &str = r#"{"session":"00000000-0000-0000-0000-000000000001","loss":{"first":4,"last":4,"count":1,"cause":"store_full"}}"#;

    fn admits(args: &[&str], line: &str) -> bool {
        let words = ["throughline", "tail", "trail"].iter().chain(args);
        match Cli::parse_from(words).command {
            Command::Tail(args) => Filter::new(&args).admits(line.as_bytes()),
            _ => unreachable!("that is tail"),
        }
    }

    #[test]
    fn each_filter_looks_at_its_own_part() {
        let session = "00000000-0000-0000-0000-000000000001";
        let other = "00000000-0000-0000-0000-000000000002";
        for (args, expected) in [
            (&[][..], true),
            (&["--denied"], true),
            (&["--allowed"], false),
            (&["--allowed", "--denied"], true),
            (&["--method", "post"], true),
            (&["--method", "GET"], false),
            (&["--method", "GET", "--method", "POST"], true),
            (&["--host", "api.EXAMPLE"], true),
            (&["--host", "other"], false),
            (&["--url", "host=other"], true),
            (&["--url", "api"], false),
            (&["--session", session], true),
            (&["--session", other], false),
            (&["--denied", "--url", "nothing"], false),
        ] {
            assert_eq!(admits(args, EVENT), expected, "{args:?}");
        }
    }

    #[test]
    fn a_loss_may_be_what_is_looked_for() {
        assert!(admits(&["--denied", "--url", "nothing"], LOSS));
        let other = "00000000-0000-0000-0000-000000000002";
        assert!(!admits(&["--session", other], LOSS));
        assert!(admits(&[], "not JSON") && !admits(&["--session", other], "not JSON"));
    }
}
