//! The example does what it says, as a program of its own.

use std::{error::Error, fs, sync::Arc, thread};

use serde_json::Value;
use throughline_socket::{Collector, Listener, Ndjson, TrailFile, Waker};
use throughline_testkit::example;

#[test]
fn the_tracing_layer_puts_the_stamp_of_each_record_in_its_span() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let [socket, trail] = ["socket", "trail"].map(|name| folder.path().join(name));
    let sink = Ndjson::new(TrailFile::open(&trail)?);
    let collector = Collector::new(sink).with_listener(Listener::bind(&socket, 0o600)?);
    let stop = Arc::new(Waker::new()?);
    let stopping = Arc::clone(&stop);
    let collecting = thread::spawn(move || collector.run(&stopping));

    let output = example("tracing_layer")
        .arg(&socket)
        .env("NO_COLOR", "1")
        .output()?;
    stop.wake();
    let tally = collecting.join().map_err(|_| "the collector panicked")??;
    assert!(
        output.status.success() && tally.is_clean(),
        "{output:?}, {tally}"
    );

    let text = fs::read_to_string(trail)?;
    let lines: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[2]["end"]["recorded"], 2);
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(said.lines().count(), 2, "{said}");
    for (line, said) in lines.iter().zip(said.lines()) {
        let session = line["session"].as_str().ok_or("no session")?;
        let stamp = format!(
            "url={} stamp={session}/{}",
            line["url"].as_str().ok_or("no URL")?,
            line["seq"]
        );
        assert!(
            said.contains(&stamp) && said.ends_with("turned away"),
            "{said}, {stamp}"
        );
    }
    Ok(())
}
