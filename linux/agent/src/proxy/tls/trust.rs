//! Whom the proxy believes to be the upstream.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{
    CertificateDer, ServerName,
    pem::{self, PemObject},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::pem::push_certificate;

/// The root certificates that upstreams are verified against: the system's, and those of a private authority.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    system: Vec<CertificateDer<'static>>,
    private: Vec<CertificateDer<'static>>,
    problems: Vec<String>,
}

impl Trust {
    /// Reads the system's roots (those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set) and the PEM file
    /// `private`. What cannot be read of the system's is in [`Trust::problems`], and is not trusted.
    ///
    /// # Errors
    ///
    /// If there is no certificate to be read in `private`.
    pub(crate) fn load(private: Option<&Path>) -> Result<Self, TrustError> {
        let private = private.map(read_private).transpose()?.unwrap_or_default();
        let loaded = rustls_native_certs::load_native_certs();
        Ok(Self {
            system: loaded.certs,
            private,
            problems: loaded.errors.iter().map(ToString::to_string).collect(),
        })
    }

    /// What is wrong with the system's roots, in words.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The roots of the private authority alone, as text.
    pub(crate) fn private_pem(&self) -> String {
        text_of(&self.private)
    }

    /// All roots, as text.
    pub(crate) fn pem(&self) -> String {
        text_of(&self.system) + &text_of(&self.private)
    }

    fn store(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        // The rest is of no use to anyone: what cannot be parsed vouches for nobody.
        roots.add_parsable_certificates(self.system.iter().chain(&self.private).cloned());
        roots
    }
}

/// Opens TLS to upstreams.
#[derive(Clone)]
pub(crate) struct Upstreams {
    http1: TlsConnector,
    http2: TlsConnector,
    limit: Duration,
}

impl Upstreams {
    /// With `limit` for each handshake.
    pub(crate) fn new(trust: &Trust, limit: Duration) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trust.store())
            .with_no_client_auth();
        let connector = |alpn: Alpn| {
            let mut config = config.clone();
            config.alpn_protocols = alpn.offer();
            TlsConnector::from(Arc::new(config))
        };
        Ok(Self {
            http1: connector(Alpn::Http1),
            http2: connector(Alpn::Http2),
            limit,
        })
    }

    /// Speaks TLS with `host` over `stream`, and says whether they agreed on HTTP/2.
    pub(crate) async fn connect(
        &self,
        host: &str,
        alpn: Alpn,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, bool), TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name)?;
        let connector = match alpn {
            Alpn::Http1 => &self.http1,
            Alpn::Http2 => &self.http2,
        };
        let connected = timeout(self.limit, connector.connect(name, stream)).await;
        let stream = connected
            .map_err(|_| TlsError::TimedOut)?
            .map_err(TlsError::Handshake)?;
        let agreed = stream.get_ref().1.alpn_protocol() == Some(H2);
        Ok((stream, agreed))
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").finish_non_exhaustive()
    }
}

/// What to speak inside of TLS, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alpn {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, or else HTTP/1.1.
    Http2,
}

impl Alpn {
    /// The protocols by their registered names (RFC 7301 section 6).
    pub(crate) fn offer(self) -> Vec<Vec<u8>> {
        let http1 = b"http/1.1".to_vec();
        match self {
            Self::Http1 => vec![http1],
            Self::Http2 => vec![H2.to_vec(), http1],
        }
    }

    /// The protocol that both sides chose.
    pub(crate) fn of(chosen: Option<&[u8]>) -> Self {
        match chosen {
            Some(name) if name == H2 => Self::Http2,
            _ => Self::Http1,
        }
    }
}

/// Why there is no TLS with an upstream.
#[derive(Debug)]
pub(crate) enum TlsError {
    /// It is nothing that a certificate can name.
    Name,
    /// It did not end in time.
    TimedOut,
    /// The handshake failed, most often as the upstream's certificate is not to be trusted.
    Handshake(io::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("no certificate can name this host"),
            Self::TimedOut => f.write_str("the TLS handshake did not end in time"),
            Self::Handshake(error) => write!(f, "the TLS handshake failed, {error}"),
        }
    }
}

impl Error for TlsError {}

/// Why a private authority cannot be trusted.
#[derive(Debug)]
pub(crate) enum TrustError {
    /// The file cannot be read, or is no PEM.
    Read(PathBuf, pem::Error),
    /// The file has no certificate.
    Empty(PathBuf),
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => {
                write!(
                    f,
                    "cannot read certificates from {}: {error}; give a file in PEM that this user may read",
                    path.display()
                )
            }
            Self::Empty(path) => write!(
                f,
                "{} holds no certificate; give a file in PEM",
                path.display()
            ),
        }
    }
}

impl Error for TrustError {}

fn read_private(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let read = |error| TrustError::Read(path.to_owned(), error);
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(read)?.collect();
    let certificates = certificates.map_err(read)?;
    if certificates.is_empty() {
        return Err(TrustError::Empty(path.to_owned()));
    }
    Ok(certificates)
}

fn text_of(certificates: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        push_certificate(&mut text, certificate);
    }
    text
}

const H2: &[u8] = b"h2";
