use std::{fs, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks a transaction to end: SIGINT, SIGTERM, and SIGHUP, which comes when a terminal goes.
///
/// One that was ignored when the program was started, as nohup has it, stays so.
pub(super) struct Interrupts(Vec<(&'static str, Signal)>);

impl Interrupts {
    /// To be called in a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = ignored();
        let kinds = [
            ("SIGHUP", SignalKind::hangup()),
            ("SIGINT", SignalKind::interrupt()),
            ("SIGTERM", SignalKind::terminate()),
        ];
        let heard = kinds
            .into_iter()
            .filter(|(_, kind)| ignored & (1 << (kind.as_raw_value() - 1)) == 0);
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

/// The signals that this process ignores, signal 1 in the lowest bit (proc(5): `SigIgn`).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default()
}
