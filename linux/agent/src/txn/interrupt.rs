use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::signals;

/// What asks a transaction to end: SIGINT, SIGTERM, and SIGHUP, which comes when a terminal goes.
///
/// One that was ignored when the program was started, as nohup has it, stays so.
pub(super) struct Interrupts(Vec<(&'static str, Signal)>);

impl Interrupts {
    /// To be called in a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = signals::ignored();
        let kinds = [
            ("SIGHUP", SignalKind::hangup()),
            ("SIGINT", SignalKind::interrupt()),
            ("SIGTERM", SignalKind::terminate()),
        ];
        let heard = kinds
            .into_iter()
            .filter(|(_, kind)| !signals::is_ignored(*kind, ignored));
        heard
            .map(|(name, kind)| Ok((name, signal(kind)?)))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// The next one, by its name.
    pub(super) async fn next(&mut self) -> &'static str {
        std::future::poll_fn(|context| {
            let mut came = self.0.iter_mut().filter_map(|(name, signal)| {
                let is_here = signal.poll_recv(context).is_ready();
                is_here.then_some(*name)
            });
            came.next()
                .map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }

    /// One that has come already.
    pub(super) async fn arrived(&mut self) -> Option<&'static str> {
        // Lets the runtime look for what has come.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            name = self.next() => Some(name),
            () = std::future::ready(()) => None,
        }
    }
}
