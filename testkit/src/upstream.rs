use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// A real HTTP/1.1 server on the loopback interface that keeps the heads of the requests it got and
/// echoes each head as the answer's body.
///
/// It parses as little as it can, so that it shows what was sent and not what a library made of it.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<Head>>>,
}

/// The head of a request, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head(String);

impl Upstream {
    /// Starts a server on a free port. It runs until the process ends.
    ///
    /// # Errors
    ///
    /// If no port is to be had.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let heads = Arc::default();
        let upstream = Self {
            address,
            heads: Arc::clone(&heads),
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let heads = Arc::clone(&heads);
                thread::spawn(move || serve(stream, &heads));
            }
        });
        Ok(upstream)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests it got so far, in the order in which they came.
    #[must_use]
    pub fn heads(&self) -> Vec<Head> {
        lock(&self.heads).clone()
    }
}

impl Head {
    /// The head with this text.
    #[cfg(test)]
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the request target, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// The request target.
    #[must_use]
    pub fn target(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }

    /// The values of every field of this name, in any case of its letters.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.0.lines().filter_map(|line| line.split_once(':'));
        fields
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

fn serve(stream: TcpStream, heads: &Mutex<Vec<Head>>) {
    let Ok(mut writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    while let Ok(Some(head)) = read_head(&mut reader) {
        let length = head.values("content-length").first().copied();
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}",
            head.0.len(),
            head.0
        );
        lock(heads).push(head);
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Head(String::from_utf8_lossy(&head).into_owned())))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
