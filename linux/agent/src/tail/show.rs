use std::{
    fmt,
    io::{self, Write},
};

use anstyle::{AnsiColor, Style};
use throughline_core::SessionId;

use crate::{
    log::Clean,
    trail::{Body, Event, Line},
};

/// How lines are shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Show {
    /// As they are.
    Raw,
    /// For a person.
    Plain,
    /// For a person in front of a terminal that has colours.
    Colour,
}

impl Show {
    pub(super) fn line(self, line: &[u8], out: &mut impl Write) -> io::Result<()> {
        if matches!(self, Self::Raw) {
            out.write_all(line)?;
            return out.write_all(b"\n");
        }
        match Line::parse(line) {
            Ok(line) => self.parsed(&line, out),
            Err(error) => {
                let text = String::from_utf8_lossy(line);
                let front: String = text.chars().take(FRONT).collect();
                let mark = self.paint(BAD, "?");
                writeln!(out, "{mark} {error}: {}", Clean(front))
            }
        }
    }

    fn parsed(self, line: &Line<'_>, out: &mut impl Write) -> io::Result<()> {
        let session = Short(line.session);
        match &line.body {
            Body::Event(event) => self.event(session, event, out),
            Body::Loss {
                first,
                last,
                count,
                cause,
            } => {
                let lost = self.paint(WARN, "lost");
                let (range, cause) = (format_args!("{first}-{last}"), Clean(cause));
                writeln!(out, "{session} {lost} {count} of {range}: {cause}")
            }
            Body::End(end) => {
                let ended = self.paint(Style::new().bold(), "end");
                let (recorded, written, lost) = (end.recorded, end.written, end.lost);
                writeln!(
                    out,
                    "{session} {ended} recorded {recorded}, written {written}, lost {lost}"
                )
            }
        }
    }

    fn event(self, session: Short, event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
        let decision = if event.allowed {
            self.paint(GOOD, "allow")
        } else {
            self.paint(BAD, "deny ")
        };
        let (time, number) = (event.time, event.sequence);
        let (method, url) = (Clean(&event.method), Clean(&event.url));
        write!(
            out,
            "{time:.3} {session}/{number} {decision} {method} {url}"
        )?;
        if let Some(rule) = event.rule.as_deref() {
            let dimmed = Style::new().dimmed();
            write!(out, " {}", self.paint(dimmed, Clean(rule)))?;
        }
        writeln!(out)
    }

    fn paint<D>(self, style: Style, text: D) -> Painted<D> {
        let style = match self {
            Self::Colour => style,
            Self::Raw | Self::Plain => Style::new(),
        };
        Painted(style, text)
    }
}

struct Painted<D>(Style, D);

impl<D: fmt::Display> fmt::Display for Painted<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.0;
        write!(f, "{style}{}{style:#}", self.1)
    }
}

/// Enough of a session's name to tell it from others at a glance.
#[derive(Clone, Copy)]
struct Short(SessionId);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_text().as_str().get(..8).unwrap_or_default())
    }
}

const GOOD: Style = AnsiColor::Green.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// As much of a line that is none of a trail's as is shown (characters).
const FRONT: usize = 80;
