use std::{
    fs,
    io::{self, Read},
    net::SocketAddr,
    path::{Component, Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    server::{Answer, Connection, Identity, Wire, read_body, serve},
    upstream::Head,
};

/// A real web site on the loopback interface, in the clear or over TLS, that keeps the heads of the requests it got.
///
/// | path | answer |
/// |---|---|
/// | `/events` | an event stream: `data: first`, and once [`Site::release`] is called, `data: last` |
/// | `/zeros/N` | N bytes |
/// | `/echo` with an `Upgrade` | `101`, and then each byte back |
/// | a file of the folder | the file |
/// | anything else | the head of the request, and how long its body was |
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    authority_pem: Option<String>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    heads: Mutex<Vec<Head>>,
    folder: Mutex<Option<PathBuf>>,
    released: Mutex<bool>,
    release: Condvar,
}

impl Site {
    /// Starts a site in the clear on a free port. It runs until the process ends.
    ///
    /// # Errors
    ///
    /// If no port is to be had.
    pub fn http() -> io::Result<Self> {
        let state = Arc::default();
        Ok(Self {
            address: serve(None, Arc::clone(&state))?,
            authority_pem: None,
            state,
        })
    }

    /// Starts a site over TLS, with a certificate for `localhost` and the loopback addresses.
    ///
    /// # Errors
    ///
    /// If no port, or no certificate, is to be had.
    pub fn https() -> io::Result<Self> {
        let (state, identity) = (Arc::default(), Identity::new()?);
        Ok(Self {
            address: serve(Some(identity.config), Arc::clone(&state))?,
            authority_pem: Some(identity.authority_pem),
            state,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that vouches for it; None in the clear.
    #[must_use]
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        match self.authority_pem {
            // A name, since clients treat those otherwise than addresses.
            Some(_) => format!("https://localhost:{}{path}", self.address.port()),
            None => format!("http://{}{path}", self.address),
        }
    }

    /// Shows the files in `folder`.
    pub fn show(&self, folder: &Path) {
        *lock(&self.state.folder) = Some(folder.to_owned());
    }

    /// Lets the event streams go on to their ends.
    pub fn release(&self) {
        *lock(&self.state.released) = true;
        self.state.release.notify_all();
    }

    /// The requests it got so far, in the order in which they came.
    #[must_use]
    pub fn heads(&self) -> Vec<Head> {
        lock(&self.state.heads).clone()
    }
}

impl Answer for State {
    fn answer(&self, head: Head, connection: &mut Connection) -> io::Result<bool> {
        lock(&self.heads).push(head.clone());
        let path = head.path().to_owned();
        if path == "/events" {
            return self.stream(connection).map(|()| false);
        }
        if path == "/echo" && !head.values("upgrade").is_empty() {
            return echo(connection).map(|()| false);
        }
        let (_, length) = read_body(&head, connection)?;
        let out = connection.get_mut();
        if let Some(count) = path
            .strip_prefix("/zeros/")
            .and_then(|count| count.parse().ok())
        {
            send_head(out, "200 OK", count)?;
            io::copy(&mut io::repeat(0).take(count), out)?;
        } else if let Some(file) = self.file(&path) {
            let kind = if path.ends_with('/') {
                "text/html"
            } else {
                "application/octet-stream"
            };
            let length = file.len();
            write!(
                out,
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
            )?;
            out.write_all(&file)?;
        } else if lock(&self.folder).is_some() {
            send_head(out, "404 Not Found", 0)?;
        } else {
            let text = format!("{}body: {length}\n", head.as_str());
            send_head(out, "200 OK", text.len() as u64)?;
            out.write_all(text.as_bytes())?;
        }
        out.flush().map(|()| true)
    }
}

impl State {
    fn stream(&self, connection: &mut Connection) -> io::Result<()> {
        let out = connection.get_mut();
        out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")?;
        out.write_all(b"d\r\ndata: first\n\n\r\n")?;
        out.flush()?;
        let released = lock(&self.released);
        let waited = self
            .release
            .wait_timeout_while(released, RELEASE_WITHIN, |released| !*released);
        let (released, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *released {
            out.write_all(b"c\r\ndata: last\n\n\r\n0\r\n\r\n")?;
        }
        out.flush()
    }

    fn file(&self, path: &str) -> Option<Vec<u8>> {
        let folder = lock(&self.folder).clone()?;
        let path = Path::new(path.trim_start_matches('/'));
        let is_below = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let path = folder.join(path);
        let file = if path.is_dir() {
            path.join("index.html")
        } else {
            path
        };
        is_below.then(|| fs::read(file).ok()).flatten()
    }
}

fn echo(connection: &mut Connection) -> io::Result<()> {
    let out = connection.get_mut();
    out.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    )?;
    out.flush()?;
    let mut bytes = [0; 4096];
    loop {
        let count = connection.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        let out = connection.get_mut();
        out.write_all(&bytes[..count])?;
        out.flush()?;
    }
}

fn send_head(out: &mut dyn Wire, status: &str, length: u64) -> io::Result<()> {
    write!(out, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An event stream that is never released ends by itself after this.
const RELEASE_WITHIN: Duration = Duration::from_secs(30);
