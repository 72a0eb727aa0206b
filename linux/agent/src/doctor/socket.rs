//! The agent socket: whether it is there, and whether somebody answers.

use std::{
    io,
    path::Path,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use throughline_core::Transport;
use throughline_socket::SocketLink;

use super::finding::{Area, Finding, Verdict};
use crate::recording::Destinations;

/// What there is at the socket's path.
pub(super) fn finding(to: &Destinations) -> Finding {
    let Some(path) = &to.socket else {
        return Finding::new(
            Area::Records,
            SUBJECT,
            Verdict::Unknown,
            "none is given, so no collector gets the events of a run",
            "give --socket PATH if one is to",
        );
    };
    let shown = path.display();
    let bad = |detail: String, remedy: String| {
        Finding::new(Area::Records, SUBJECT, Verdict::Bad, detail, remedy)
    };
    match ask(path, to.collector) {
        Answer::Answered => Finding::good(
            Area::Records,
            SUBJECT,
            format!("a collector answers at {shown}"),
        ),
        Answer::Silent => Finding::new(
            Area::Records,
            SUBJECT,
            Verdict::Unknown,
            format!(
                "somebody listens at {shown} and does not answer: a collector of the public \
                 protocol, which never does, or one that hangs"
            ),
            "with throughline collect as the collector it is known what was kept",
        ),
        Answer::Failed(error) => bad(format!("{shown}: {error}"), remedy(path, &error)),
    }
}

enum Answer {
    Answered,
    Silent,
    Failed(io::Error),
}

/// Connects as a run would, and asks for answers.
fn ask(path: &Path, owner: Option<u32>) -> Answer {
    let mut link = match SocketLink::to_path(path) {
        Ok(link) => link.answered(),
        Err(error) => return Answer::Failed(error),
    };
    if let Some(uid) = owner {
        link = link.owned_by(uid);
    }
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match link.open() {
            Poll::Ready(Ok(())) => return Answer::Answered,
            Poll::Ready(Err(_)) => {
                let error = link.last_error();
                return Answer::Failed(error.unwrap_or_else(|| io::ErrorKind::NotConnected.into()));
            }
            Poll::Pending => thread::sleep(TICK),
        }
    }
    Answer::Silent
}

fn remedy(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("start a collector: throughline collect --socket {shown}")
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "look at whose {shown} is, at its permissions and those of the folders above it"
            )
        }
        _ => "look at what is there, and at its log".to_owned(),
    }
}

const SUBJECT: &str = "socket";

/// How long a collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

const TICK: Duration = Duration::from_millis(5);
