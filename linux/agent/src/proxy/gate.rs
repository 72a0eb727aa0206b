//! What the proxy asks of the rest of the agent.

use std::sync::Arc;

use throughline_core::{Decision, HttpRequest, Stamp};
use throughline_headers::MapInjector;
use throughline_rules::{Redaction, Url};

use super::tls::{Authority, Trust};
use crate::command_line::CommandLine;

/// Decides what may leave, and what is stamped.
pub(crate) trait Policy: Send + Sync + 'static {
    /// Decides on a request; the URL of a `CONNECT` is in authority form.
    fn decide(&self, method: &str, url: &Url<'_>) -> Decision<'_>;

    /// Decides on a tunnel whose requests are read, each of which is then decided on: whether any of them could be
    /// allowed.
    fn decide_host(&self, url: &Url<'_>) -> Decision<'_>;

    /// Whether nothing is read in a tunnel to this host, so that all there is to decide on is its `CONNECT`.
    fn is_pinned(&self, url: &Url<'_>) -> bool;

    /// Whether an allowed request carries the correlation headers.
    fn injects(&self, method: &str, url: &Url<'_>) -> bool;
}

/// Takes the events, and gives each its stamp.
///
/// Is called once a request, before anything of it leaves, and must not wait: the request does.
pub(crate) trait Recorder: Send + Sync + 'static {
    /// Records a request.
    fn record(&self, request: &HttpRequest<'_>) -> Stamp;
}

/// The parts of a proxy that decide, record and mark.
pub(crate) struct Gate {
    pub(crate) policy: Box<dyn Policy>,
    pub(crate) recorder: Box<dyn Recorder>,
    /// Best made for the session that the recorder's stamps are of.
    pub(crate) injector: Arc<MapInjector>,
    /// What of a URL is hidden in its event.
    pub(crate) redaction: Redaction<'static>,
    /// Who vouches for the proxy when it speaks for an upstream. Clients have to trust it.
    pub(crate) authority: Arc<Authority>,
    /// Who vouches for upstreams.
    pub(crate) trust: Trust,
    /// How to run it all again with another rule, if there is such a way.
    pub(crate) command_line: Option<CommandLine>,
}

impl Gate {
    /// What to run instead, or to add to it, so that `rule` lets a request out.
    pub(super) fn allowing(&self, rule: &str) -> String {
        match &self.command_line {
            Some(line) => line.allowing(rule),
            None => format!("--allow '{rule}'"),
        }
    }
}
