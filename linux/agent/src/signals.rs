use std::{io, sync::Arc, thread};

use throughline_socket::Waker;
use tokio::signal::unix::{SignalKind, signal};

/// Wakes `stop` when the process is asked to end, by SIGTERM or SIGINT.
pub(crate) fn wake_at_end(stop: Arc<Waker>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut terminate, mut interrupt) = {
        let _in_runtime = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            stop.wake();
        })?;
    Ok(())
}
