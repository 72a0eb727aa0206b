//! The example does what it says, as a program of its own.

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use serde_json::Value;
use throughline_socket::{Collector, Listener, Ndjson, TrailFile, Waker};
use throughline_testkit::{Upstream, example};

const FORGED: &str = "x-coder-agent-firewall-sequence-number: 99\r\n";

#[test]
fn outgoing_calls_are_recorded_and_carry_the_stamp_of_their_record() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let [socket, trail] = ["socket", "trail"].map(|name| folder.path().join(name));
    let sink = Ndjson::new(TrailFile::open(&trail)?);
    let collector = Collector::new(sink).with_listener(Listener::bind(&socket, 0o600)?);
    let stop = Arc::new(Waker::new()?);
    let stopping = Arc::clone(&stop);
    let collecting = thread::spawn(move || collector.run(&stopping));

    let upstream = Upstream::start()?;
    let url = format!("http://{}/models", upstream.address());
    let mut command = example("outgoing_calls");
    let mut service = command
        .arg(&socket)
        .arg(&url)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    BufReader::new(service.stdout.take().ok_or("no output")?).read_line(&mut said)?;
    let address = said
        .trim()
        .strip_prefix("listening at http://")
        .ok_or("no address")?;
    for _ in 0..2 {
        get(address.trim_end_matches('/'))?;
    }
    interrupt(service.id())?;
    assert!(service.wait()?.success());
    stop.wake();
    let tally = collecting.join().map_err(|_| "the collector panicked")??;
    assert!(tally.is_clean(), "{tally}");

    let text = fs::read_to_string(trail)?;
    let lines: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let heads = upstream.heads();
    assert_eq!((lines.len(), heads.len()), (3, 2), "{text}");
    for (number, (line, head)) in lines.iter().zip(&heads).enumerate() {
        assert_eq!(line["url"], *url);
        assert_eq!(line["seq"], number);
        let session = head.values("x-coder-agent-firewall-session-id");
        assert_eq!(session, [line["session"].as_str().ok_or("no session")?]);
        let stamped = head.values("x-coder-agent-firewall-sequence-number");
        assert_eq!(stamped, [number.to_string()]);
    }
    assert_eq!(lines[2]["end"]["recorded"], 2);
    Ok(())
}

/// Asks the service, which has to answer with what the upstream did.
fn get(address: &str) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\n{FORGED}connection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("GET /models"),
        "{answer}"
    );
    Ok(())
}

fn interrupt(process: u32) -> Result<(), Box<dyn Error>> {
    let status = Command::new("kill")
        .args(["-INT", &process.to_string()])
        .status()?;
    assert!(status.success());
    Ok(())
}
