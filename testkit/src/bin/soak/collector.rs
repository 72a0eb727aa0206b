use std::error::Error;

use throughline_socket::{Collector, Listener, Ndjson, TrailFile, Waker};

use crate::options::Options;

/// Collects until it is killed.
pub(crate) fn collect(options: &Options) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(&options.socket(), Listener::DEFAULT_MODE)?;
    let file = TrailFile::open(&options.trail())?;
    Collector::new(Ndjson::new(file))
        .with_listener(listener)
        .run(&Waker::new()?)?;
    Ok(())
}
