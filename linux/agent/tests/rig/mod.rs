//! A running `throughline run` whose proxy the test speaks to by itself.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::ServerName,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tempfile::TempDir;
use throughline_testkit::Site;

use crate::support::{lines, throughline};

/// `throughline run` with a command that does nothing until the test is done.
pub(crate) struct Rig {
    child: Child,
    folder: TempDir,
    pub(crate) proxy: SocketAddr,
    /// What the command is told to trust.
    pub(crate) roots: PathBuf,
}

impl Rig {
    /// Starts with these options, and trust in `site` if it speaks TLS.
    pub(crate) fn start(args: &[&str], authority_pem: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let script =
            r#"printf '%s\n' "$http_proxy" "$SSL_CERT_FILE" > "$0.part"; mv "$0.part" "$0"; cat"#;
        let mut command = throughline();
        command.arg("run").args(args).args(["--log-level", "error"]);
        if let Some(pem) = authority_pem {
            let file = folder.path().join("upstream.pem");
            fs::write(&file, pem).unwrap();
            command.arg("--upstream-ca").arg(file);
        }
        let child = command
            .arg("--trail")
            .arg(folder.path().join("trail"))
            .args(["--", "sh", "-c", script])
            .arg(&told)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let text = patiently("the command says where its proxy is", || {
            fs::read_to_string(&told).ok()
        });
        let mut lines = text.lines();
        let url = lines.next().unwrap();
        Self {
            child,
            folder,
            proxy: url.strip_prefix("http://").unwrap().parse().unwrap(),
            roots: lines.next().unwrap().into(),
        }
    }

    /// The same, for a site that allows `/open` and stamps `/stamped`.
    pub(crate) fn for_site(site: &Site) -> Self {
        let args = ["--allow", "path=/open/*,/stamped/*,/events,/echo,/zeros/*"];
        let args = [&args[..], &["--inject", "path=/stamped/*"]].concat();
        Self::start(&args, site.authority_pem())
    }

    /// A new connection to the proxy.
    pub(crate) fn connect(&self) -> Talk {
        Talk::new(TcpStream::connect(self.proxy).unwrap())
    }

    /// A connection on which requests to `site` can be made, and what their targets begin with.
    pub(crate) fn reach(&self, site: &Site) -> (Talk, String) {
        if site.authority_pem().is_none() {
            return (self.connect(), site.url(""));
        }
        let target = format!("localhost:{}", site.address().port());
        (self.secure(&target, "localhost"), String::new())
    }

    /// A tunnel to `target`, in which nothing has been said.
    pub(crate) fn tunnel(&self, target: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.proxy).unwrap();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 19];
        stream.read_exact(&mut answer).unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.1 200 OK\r\n"),
            "{}",
            answer.escape_ascii()
        );
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") && rest != b"\r\n" {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            rest.push(byte[0]);
        }
        stream
    }

    /// TLS in a tunnel, for whoever trusts what the command is told to trust.
    pub(crate) fn secure(&self, target: &str, name: &str) -> Talk {
        let stream = self.tunnel(target);
        Talk::new(tls(stream, name, &self.roots))
    }

    /// How much memory the agent has had in use at most so far (KiB).
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How many files the agent has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// How many lines the trail has.
    pub(crate) fn lines_so_far(&self) -> usize {
        let trail = fs::read(self.folder.path().join("trail")).unwrap();
        trail.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Ends the command; returns the trail.
    pub(crate) fn finish(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        let status = patiently("the agent ends", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
        assert!(!self.roots.exists(), "its certificates outlive it");
        lines(&self.folder.path().join("trail"))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // After a test that failed; else it has ended, and this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The requests of a trail: no tunnels, and no line that is about the trail itself.
pub(crate) fn requests(lines: &[Value]) -> Vec<&Value> {
    let is_request = |line: &&Value| line["seq"].is_number() && line["method"] != "CONNECT";
    lines.iter().filter(is_request).collect()
}

/// A TLS client's side of a connection.
pub(crate) fn tls(
    stream: TcpStream,
    name: &str,
    roots: &Path,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(roots).unwrap();
    store.add_parsable_certificates(certificates.map(Result::unwrap));
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(client, stream)
}

/// Waits for something, for twenty seconds at most.
pub(crate) fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// One end of a connection that speaks HTTP/1.1.
pub(crate) struct Talk(BufReader<Box<dyn Both>>);

trait Both: Read + Write + Send {}

impl<T: Read + Write + Send> Both for T {}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Talk {
    pub(crate) fn new(stream: impl Read + Write + Send + 'static) -> Self {
        Self(BufReader::new(Box::new(stream)))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The other side may have stopped reading, which is what some tests are about.
        let out = self.0.get_mut();
        let _ = out.write_all(bytes.as_ref()).and_then(|()| out.flush());
    }

    /// Sends a request and reads the answer.
    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes);
        self.answer().expect("an answer")
    }

    /// Sends a `GET` for a target.
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// The next answer; None if the connection ends before there is one.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let head = self.head()?;
        let field = |name: &str| {
            let lower = head.to_ascii_lowercase();
            let line = lower
                .lines()
                .find(|line| line.starts_with(&format!("{name}:")))?;
            Some(line[name.len() + 1..].trim().to_owned())
        };
        let mut body = Vec::new();
        if field("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
        } else if let Some(length) = field("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body).ok()?;
        }
        Some(Answer {
            status: head.split(' ').nth(1)?.parse().ok()?,
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// The next head.
    pub(crate) fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        Some(head)
    }

    /// The next chunk of a body; None at its end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// As many bytes as asked for.
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads and forgets; returns how many bytes there were.
    pub(crate) fn skip(&mut self, count: u64) -> u64 {
        std::io::copy(&mut self.0.by_ref().take(count), &mut std::io::sink()).unwrap()
    }

    /// What comes until the connection ends, whichever way it does.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        rest
    }
}
