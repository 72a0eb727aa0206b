use std::{io, path::Path, process::ExitCode, sync::Arc};

use throughline_socket::{Collector, Listener, Ndjson, Tally, TrailFile, Waker};

use crate::{advice::Advised, cli::CollectArgs, exit, log, signals};

/// Receives until told to end.
pub(crate) fn collect(args: &CollectArgs) -> ExitCode {
    log::start(args.log);
    match receive(args) {
        Ok(tally) => {
            tracing::info!("{tally}");
            if let Some(error) = &tally.write_error {
                tracing::error!("cannot write to {}: {error}", args.out.display());
            }
            ExitCode::from(u8::from(!tally.is_clean()))
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn receive(args: &CollectArgs) -> Result<Tally, Box<dyn std::error::Error>> {
    let out = open(&args.out).map_err(|error| {
        format!(
            "cannot write to {}: {}",
            args.out.display(),
            Advised(&error)
        )
    })?;
    // Before anybody can see that it listens, so that from then on it ends as it should.
    let stop = Arc::new(Waker::new()?);
    stop.arm();
    signals::wake_at_end(Arc::clone(&stop))?;
    let listener = Listener::bind(&args.socket, Listener::DEFAULT_MODE)?;
    tracing::info!("listening at {}", listener.path().display());
    let collector = Collector::new(Ndjson::new(out))
        .with_connections_max(args.max_connections.get())
        .with_listener(listener);
    Ok(collector.run(&stop)?)
}

fn open(path: &Path) -> io::Result<TrailFile> {
    if path == Path::new("-") {
        return TrailFile::stdout();
    }
    TrailFile::open(path)
}
