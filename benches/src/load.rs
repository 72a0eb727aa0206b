//! An upstream and a load for proxies: as little work as can be, so that the proxy is what is measured.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    task::JoinSet,
};

/// Starts a server on a free port that answers every head with the same few bytes, for as long as the
/// process runs.
///
/// # Errors
///
/// If no port or no thread is to be had.
pub fn upstream() -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = one_thread()?;
    thread::spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
    });
    Ok(address)
}

/// What a load did.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Requests that were answered (count).
    pub requests: u64,
    /// How long it took.
    pub took: Duration,
}

/// Connections to one proxy that are kept alive from one run to the next.
#[derive(Debug)]
pub struct Load {
    runtime: Runtime,
    streams: Vec<TcpStream>,
    request: Arc<str>,
}

impl Load {
    /// Opens `connections` to `proxy`, for requests to `upstream`.
    ///
    /// # Errors
    ///
    /// If the proxy does not listen.
    pub fn open(proxy: SocketAddr, upstream: SocketAddr, connections: usize) -> io::Result<Self> {
        let runtime = one_thread()?;
        let streams = runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..connections {
                let stream = TcpStream::connect(proxy).await?;
                stream.set_nodelay(true)?;
                streams.push(stream);
            }
            io::Result::Ok(streams)
        })?;
        let request = format!(
            "GET http://{upstream}/v1/threads/4711/messages?limit=20 HTTP/1.1\r\n\
             Host: {upstream}\r\n\
             User-Agent: agent/1.4 (linux; x86_64) client/2.31.0\r\n\
             Accept: application/json, text/event-stream\r\n\
             Accept-Encoding: gzip, deflate, br, zstd\r\n\
             X-Request-Id: 5c1f7e0a-93d4-4a8e-9f0b-2c6d8e4a1b37\r\n\r\n"
        );
        Ok(Self {
            runtime,
            streams,
            request: request.into(),
        })
    }

    /// Makes one request after the other on every connection, for `time`.
    ///
    /// # Errors
    ///
    /// If an answer is not what the upstream gives.
    pub fn run(&mut self, time: Duration) -> io::Result<Done> {
        let (stop, total) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let start = Instant::now();
        let streams = std::mem::take(&mut self.streams);
        self.streams = self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for stream in streams {
                let (stop, total) = (Arc::clone(&stop), Arc::clone(&total));
                let request = Arc::clone(&self.request);
                tasks.spawn(ask(stream, request, stop, total));
            }
            tokio::time::sleep(time).await;
            stop.store(true, Ordering::Relaxed);
            let mut streams = Vec::new();
            while let Some(stream) = tasks.join_next().await {
                streams.push(stream.map_err(io::Error::other)??);
            }
            io::Result::Ok(streams)
        })?;
        Ok(Done {
            requests: total.load(Ordering::Relaxed),
            took: start.elapsed(),
        })
    }

    /// Makes one request on the first connection.
    ///
    /// # Errors
    ///
    /// If the answer is not what the upstream gives.
    pub fn one(&mut self) -> io::Result<()> {
        let stream = self
            .streams
            .first_mut()
            .ok_or(io::ErrorKind::NotConnected)?;
        self.runtime.block_on(exchange(stream, &self.request))
    }
}

async fn ask(
    mut stream: TcpStream,
    request: Arc<str>,
    stop: Arc<AtomicBool>,
    total: Arc<AtomicU64>,
) -> io::Result<TcpStream> {
    while !stop.load(Ordering::Relaxed) {
        exchange(&mut stream, &request).await?;
        total.fetch_add(1, Ordering::Relaxed);
    }
    Ok(stream)
}

async fn exchange(stream: &mut TcpStream, request: &str) -> io::Result<()> {
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = [0; 2048];
    let mut filled = 0;
    while !buffer[..filled].ends_with(BODY) {
        match stream.read(&mut buffer[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => filled += len,
        }
    }
    if buffer.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(io::Error::other("the proxy refuses"))
    }
}

async fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(len @ 1..) => filled += len,
            _ => return,
        }
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

fn one_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 19\r\n\r\n{\"messages\": []} \n\n";
const BODY: &[u8] = b"\n\n";
