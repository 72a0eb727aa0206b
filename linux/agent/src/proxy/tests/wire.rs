//! One end of a TCP connection, byte by byte.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A connection and what was read from it and not used yet.
pub(super) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A message as it was received.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The first line and the fields, each with its line's end.
    pub(super) head: String,
    /// Without its framing.
    pub(super) body: String,
    /// The fields after a chunked body.
    pub(super) trailers: String,
}

impl Message {
    pub(super) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The values of a field, joined by `, `; None if there is none.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

impl Wire {
    pub(super) const fn new(stream: TcpStream) -> Self {
        let read = Vec::new();
        Self { stream, read }
    }

    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    /// The connection itself. What was read of it has to be used up.
    pub(super) fn into_stream(self) -> TcpStream {
        assert!(
            self.read.is_empty(),
            "{:?}",
            self.read.escape_ascii().to_string()
        );
        self.stream
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The other side may have stopped reading, which is what some tests are about.
        let _ = bounded(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends and reads the answer.
    pub(super) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Message {
        self.send(bytes).await;
        self.message().await
    }

    /// A whole message: its body is chunked, as long as it says, or empty.
    pub(super) async fn message(&mut self) -> Message {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        let mut message = Message {
            head,
            body: String::new(),
            trailers: String::new(),
        };
        if message.field("transfer-encoding").is_some() {
            self.read_chunks(&mut message).await;
        } else if let Some(length) = message.field("content-length") {
            let body = self.exactly(length.parse().unwrap()).await;
            message.body = String::from_utf8(body).unwrap();
        }
        message
    }

    /// A message that has no body, whatever its head says.
    pub(super) async fn head(&mut self) -> Message {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        let (body, trailers) = (String::new(), String::new());
        Message {
            head,
            body,
            trailers,
        }
    }

    async fn read_chunks(&mut self, message: &mut Message) {
        loop {
            let size = String::from_utf8(self.until(b"\r\n").await).unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            if size == 0 {
                break;
            }
            let chunk = String::from_utf8(self.exactly(size).await).unwrap();
            message.body.push_str(&chunk);
            assert_eq!(self.exactly(2).await, b"\r\n");
        }
        loop {
            let line = String::from_utf8(self.until(b"\r\n").await).unwrap();
            if line == "\r\n" {
                break;
            }
            message.trailers.push_str(&line);
        }
    }

    /// Everything up to `end`, inclusive.
    pub(super) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|bytes| bytes == end) {
                return self.read.drain(..at + end.len()).collect();
            }
            assert!(
                self.more().await,
                "ended at {:?}",
                self.read.escape_ascii().to_string()
            );
        }
    }

    pub(super) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(
                self.more().await,
                "ended at {:?}",
                self.read.escape_ascii().to_string()
            );
        }
        self.read.drain(..count).collect()
    }

    /// What comes until the connection ends, whichever way it does.
    pub(super) async fn rest(mut self) -> Vec<u8> {
        while self.more().await {}
        self.read
    }

    /// Whether anything came within this time; what did is not used up.
    pub(super) async fn hears_within(&mut self, time: Duration) -> bool {
        !self.read.is_empty() || timeout(time, self.more()).await == Ok(true)
    }

    async fn more(&mut self) -> bool {
        bounded(self.stream.read_buf(&mut self.read))
            .await
            .is_ok_and(|count| count > 0)
    }
}

/// No test waits longer than this for a byte.
pub(super) async fn bounded<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), work)
        .await
        .expect("no answer in time")
}
