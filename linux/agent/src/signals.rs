//! What asks this process to end.

use std::{
    fs, io, process,
    sync::Arc,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use throughline_socket::Waker;
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};

/// Some signals, each with what it means to whoever listens.
///
/// One that was ignored when the program was started, as nohup has it, stays so.
pub(crate) struct Signals<T>(Vec<(T, Signal)>);

impl<T: Copy> Signals<T> {
    /// To be called in a runtime.
    pub(crate) fn listen(kinds: impl IntoIterator<Item = (T, SignalKind)>) -> io::Result<Self> {
        let ignored = ignored();
        let heard = kinds
            .into_iter()
            .filter(|(_, kind)| ignored & (1 << (kind.as_raw_value() - 1)) == 0);
        heard
            .map(|(meaning, kind)| Ok((meaning, signal(kind)?)))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> T {
        std::future::poll_fn(|context| {
            let mut came = self.0.iter_mut().filter_map(|(meaning, signal)| {
                let is_here = signal.poll_recv(context).is_ready();
                is_here.then_some(*meaning)
            });
            came.next().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// One that has come already.
    pub(crate) async fn arrived(&mut self) -> Option<T> {
        // Lets the runtime look for what has come.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            meaning = self.next() => Some(meaning),
            () = std::future::ready(()) => None,
        }
    }
}

/// Wakes `stop` when the process is asked to end: by SIGTERM or SIGINT, or by SIGHUP, which comes when a
/// terminal goes.
///
/// Whoever asks twice does not want to wait for what is under way, which may be held for ever by a pipe that
/// nobody reads.
pub(crate) fn wake_at_end(stop: Arc<Waker>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _in_runtime = runtime.enter();
        let kinds = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ];
        Signals::listen(kinds.map(|kind| ((), kind)))?
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(signals.next());
            stop.wake();
            let asked = Instant::now();
            while asked.elapsed() < AT_ONCE {
                runtime.block_on(signals.next());
            }
            tracing::error!("asked twice to end: what is under way is left");
            process::exit(1);
        })?;
    Ok(())
}

/// What comes within this time is the same request: a terminal that is closed and its shell both send SIGHUP.
const AT_ONCE: Duration = Duration::from_millis(500);

/// The signals that this process ignores, signal 1 in the lowest bit (proc(5): `SigIgn`).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default()
}
