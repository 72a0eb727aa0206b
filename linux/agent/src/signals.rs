//! The signals that ask this process to end.

use std::{fs, future, io, sync::Arc, thread};

use throughline_socket::Waker;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Wakes `stop` when the process is asked to end, by SIGTERM, SIGINT or [`Hangup`].
pub(crate) fn wake_at_end(stop: Arc<Waker>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut terminate, mut interrupt, mut hangup) = {
        let _in_runtime = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            Hangup::listen()?,
        )
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    () = hangup.came() => {}
                }
            });
            stop.wake();
        })?;
    Ok(())
}

/// SIGHUP, which comes when a terminal goes; not if it was ignored when the program was started, as
/// nohup has it.
pub(crate) struct Hangup(Option<Signal>);

impl Hangup {
    /// To be called in a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let kind = SignalKind::hangup();
        if is_ignored(kind, ignored()) {
            return Ok(Self(None));
        }
        Ok(Self(Some(signal(kind)?)))
    }

    /// Waits for the next one, for ever if none can come.
    pub(crate) async fn came(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => future::pending().await,
        }
    }
}

/// Whether `ignored` has a signal.
pub(crate) const fn is_ignored(kind: SignalKind, ignored: u64) -> bool {
    ignored & (1 << (kind.as_raw_value() - 1)) != 0
}

/// The signals that this process ignores, signal 1 in the lowest bit (proc(5): `SigIgn`).
pub(crate) fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default()
}
