//! The confined program of the demo: well behaved at first, then hostile.

use std::{
    env,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Makes every kind of request through the proxy that the environment names.
pub(super) fn run(upstream: SocketAddr) -> io::Result<()> {
    let proxy = proxy()?;
    for request in requests(upstream) {
        exchange(proxy, &request)?;
    }
    Ok(())
}

fn proxy() -> io::Result<SocketAddr> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "http_proxy names no proxy");
    let url = env::var("http_proxy").map_err(|_| missing())?;
    let address = url.strip_prefix("http://").ok_or_else(missing)?;
    let address = address.trim_end_matches('/');
    address.parse().map_err(|_| missing())
}

fn requests(upstream: SocketAddr) -> Vec<Vec<u8>> {
    let get = |path: &str, fields: &str| {
        format!("GET http://{upstream}{path} HTTP/1.1\r\nhost: {upstream}\r\n{fields}connection: close\r\n\r\n")
            .into_bytes()
    };
    let forged = "X-Coder-Agent-Firewall-Session-Id: 11111111-1111-4111-8111-111111111111\r\n\
                  x-coder-agent-firewall-sequence-number: 999\r\n";
    let long = format!("/public/{}", "x".repeat(40 * 1024));
    let mut not_text = get("/public/BYTE", "");
    for byte in not_text.iter_mut().filter(|byte| **byte == b'B').take(1) {
        *byte = 0xff;
    }
    // In clear text, which a proxy that takes every tunnel for TLS would not see.
    let tunnelled = format!(
        "CONNECT {upstream} HTTP/1.1\r\nhost: {upstream}\r\n\r\n\
         POST /private/keys HTTP/1.1\r\nhost: {upstream}\r\nconnection: close\r\n\r\n"
    )
    .into_bytes();
    vec![
        get("/public/hello", ""),
        get("/private/keys", ""),
        get("/api/v2/aibridge/chat", ""),
        get("/api/v2/aibridge/models", forged),
        get("/public/forged", forged),
        get(&long, ""),
        not_text,
        tunnelled,
        get("/public/../private/keys", ""),
        get("/public/bye", ""),
    ]
}

/// Sends one request on a connection of its own and waits for the end of the answer.
fn exchange(proxy: SocketAddr, request: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !is_whole(&answer) {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => answer.extend_from_slice(chunk.get(..len).unwrap_or_default()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Not every answer ends its connection. One without a length, such as that to a tunnel, has another behind it.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    length.is_some_and(|length| length.trim().parse() == Ok(body.len()))
}

const PATIENCE: Duration = Duration::from_secs(10);
