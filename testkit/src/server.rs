//! A server with a thread for each connection, in the clear or over TLS.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::upstream::{Head, read_head};

/// Both ends of a connection with one client.
pub(crate) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// What a connection is read from, and written to behind that.
pub(crate) struct Connection(BufReader<Box<dyn Wire>>);

impl Connection {
    /// Where to write.
    pub(crate) fn get_mut(&mut self) -> &mut dyn Wire {
        self.0.get_mut()
    }
}

impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl BufRead for Connection {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

/// Answers requests.
pub(crate) trait Answer: Send + Sync + 'static {
    /// Answers one request, whose body is still to be read; returns whether the connection goes on.
    fn answer(&self, head: Head, connection: &mut Connection) -> io::Result<bool>;
}

/// Serves the loopback interface until the process ends; returns where.
pub(crate) fn serve(
    tls: Option<Arc<ServerConfig>>,
    answers: Arc<impl Answer>,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (tls, answers) = (tls.clone(), Arc::clone(&answers));
            thread::spawn(move || {
                // A client that breaks off is what some tests are about.
                let _ = converse(stream, tls, &*answers);
            });
        }
    });
    Ok(address)
}

fn converse(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    answers: &impl Answer,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let wire: Box<dyn Wire> = match tls {
        None => Box::new(stream),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(connection, stream))
        }
    };
    let mut connection = Connection(BufReader::new(wire));
    while let Some(head) = read_head(&mut connection)? {
        if !answers.answer(head, &mut connection)? {
            break;
        }
    }
    Ok(())
}

/// Reads a body to its end; returns its first bytes and its length.
pub(crate) fn read_body(head: &Head, connection: &mut Connection) -> io::Result<(Vec<u8>, u64)> {
    let mut body = Body::default();
    if head.values("expect").contains(&"100-continue") {
        connection
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if !head.values("transfer-encoding").is_empty() {
        while let size @ 1.. = chunk_size(connection)? {
            body.read(connection, size)?;
            connection.read_line(&mut String::new())?;
        }
        connection.read_line(&mut String::new())?;
    } else if let Some(length) = head.values("content-length").first() {
        let length = length.parse().map_err(io::Error::other)?;
        body.read(connection, length)?;
    }
    Ok((body.first, body.length))
}

#[derive(Default)]
struct Body {
    first: Vec<u8>,
    length: u64,
}

impl Body {
    fn read(&mut self, connection: &mut Connection, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let bytes = connection.fill_buf()?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let kept = taken.min(FIRST.saturating_sub(self.first.len()));
            self.first.extend_from_slice(&bytes[..kept]);
            connection.consume(taken);
            left -= taken as u64;
        }
        self.length += length;
        Ok(())
    }
}

fn chunk_size(connection: &mut Connection) -> io::Result<u64> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let digits = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(io::Error::other)
}

/// A certificate for the loopback interface, and the authority that it is from.
pub(crate) struct Identity {
    pub(crate) authority_pem: String,
    pub(crate) config: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn new() -> io::Result<Self> {
        Self::make().map_err(io::Error::other)
    }

    fn make() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority_pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.use_authority_key_identifier_extension = true;
        let leaf: CertificateDer<'static> = params.signed_by(&key, &issuer)?.der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?;
        Ok(Self {
            authority_pem,
            config: Arc::new(config),
        })
    }
}

/// How much of a body is kept (bytes).
const FIRST: usize = 64 * 1024;
