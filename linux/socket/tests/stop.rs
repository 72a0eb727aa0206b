//! A collector is told to end, whenever that is.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use throughline_socket::{Collector, Listener, Ndjson, Waker};

/// As where a signal comes between the listening, which others see, and the waiting.
#[test]
fn a_collector_that_is_told_to_end_before_it_waits_ends() {
    let folder = tempfile::tempdir().unwrap();
    let listener = Listener::bind(&folder.path().join("socket"), 0o600).unwrap();
    let collector = Collector::new(Ndjson::new(Vec::new())).with_listener(listener);
    let stop = Arc::new(Waker::new().unwrap());
    stop.arm();
    stop.wake();
    let (told, ended) = mpsc::channel();
    let run = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || told.send(collector.run(&stop).is_ok()))
    };
    let in_time = ended.recv_timeout(Duration::from_secs(5));
    // So that nothing is left behind, whatever it came to.
    stop.wake();
    run.join().unwrap().unwrap();
    assert_eq!(in_time, Ok(true));
}
