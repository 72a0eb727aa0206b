//! The certificate authority of one run.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::ServerSessionMemoryCache,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use throughline_core::SessionId;

use super::{pem, trust::Alpn};

/// Signs a certificate for each host whose requests are read. Its key never leaves this process, and dies with it.
///
/// A run that lasts longer than [`VALID`] needs a new authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// One key serves every host: what sets them apart is the certificate, and making keys is what would cost.
    leaf_key: KeyPair,
    valid: Validity,
    /// No two certificates of an issuer may have the same (RFC 5280 section 4.1.2.2).
    next_serial: AtomicU64,
    crypto: Arc<CryptoProvider>,
    leaves: Mutex<Leaves>,
}

impl Authority {
    /// Makes the authority of a session; the session's name in its own tells it from those of other runs.
    ///
    /// # Errors
    ///
    /// If the system gives no random bytes.
    pub(crate) fn new(session: SessionId) -> Result<Self, AuthorityError> {
        let valid = Validity::now();
        let mut params = valid.params();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let name = format!("Throughline session {session}");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
            leaf_key: KeyPair::generate()?,
            valid,
            next_serial: AtomicU64::new(1),
            crypto: Arc::new(ring::default_provider()),
            leaves: Mutex::default(),
        })
    }

    /// The certificate that clients have to trust, as text.
    pub(crate) fn certificate_pem(&self) -> String {
        let mut text = String::new();
        pem::push_certificate(&mut text, &self.certificate);
        text
    }

    /// How to speak TLS as `host` (a name, or an address without brackets).
    ///
    /// # Errors
    ///
    /// If no certificate can name the host.
    pub(crate) fn speak_as(&self, host: &str) -> Result<Arc<ServerConfig>, LeafError> {
        let host = host.to_ascii_lowercase();
        if let Some(config) = self.lock().get(&host) {
            return Ok(config);
        }
        // Signed outside of the lock; two clients that meet here sign two.
        let config = Arc::new(self.config(&host)?);
        self.lock().put(host, Arc::clone(&config));
        Ok(config)
    }

    fn config(&self, host: &str) -> Result<ServerConfig, LeafError> {
        let chain = vec![self.sign(host).map_err(LeafError::Name)?];
        let key = PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.crypto))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let key = PrivateKeyDer::from(key);
                builder.with_no_client_auth().with_single_cert(chain, key)
            })
            .map_err(LeafError::Tls)?;
        config.alpn_protocols = Alpn::Http2.offer();
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS_PER_HOST);
        Ok(config)
    }

    fn sign(&self, host: &str) -> Result<CertificateDer<'static>, rcgen::Error> {
        let mut params = self.valid.params();
        params.subject_alt_names = CertificateParams::new([host.to_owned()])?.subject_alt_names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(SerialNumber::from(serial));
        if host.len() <= COMMON_NAME_MAX {
            params.distinguished_name.push(DnType::CommonName, host);
        }
        let certificate = params.signed_by(&self.leaf_key, &self.issuer)?;
        Ok(certificate.der().clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Leaves> {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Certificates that are likely to be asked for again; the one that was not for the longest makes room.
#[derive(Default)]
struct Leaves {
    by_host: HashMap<String, Leaf>,
    uses: u64,
}

struct Leaf {
    config: Arc<ServerConfig>,
    used: u64,
}

impl Leaves {
    fn get(&mut self, host: &str) -> Option<Arc<ServerConfig>> {
        let leaf = self.by_host.get_mut(host)?;
        self.uses += 1;
        leaf.used = self.uses;
        Some(Arc::clone(&leaf.config))
    }

    fn put(&mut self, host: String, config: Arc<ServerConfig>) {
        if self.by_host.len() >= LEAVES_MAX {
            let oldest = self.by_host.iter().min_by_key(|(_, leaf)| leaf.used);
            if let Some(oldest) = oldest.map(|(host, _)| host.clone()) {
                self.by_host.remove(&oldest);
            }
        }
        self.uses += 1;
        let used = self.uses;
        self.by_host.insert(host, Leaf { config, used });
    }
}

/// When the certificates of a run are good.
#[derive(Clone, Copy)]
struct Validity {
    now: Duration,
}

impl Validity {
    fn now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            now: now.unwrap_or_default(),
        }
    }

    fn params(self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.not_before = date_time_ymd(1970, 1, 1) + self.now.saturating_sub(SKEW);
        params.not_after = date_time_ymd(1970, 1, 1) + self.now.saturating_add(VALID);
        params
    }
}

/// Why a run has no certificate authority.
#[derive(Debug)]
pub(crate) struct AuthorityError(rcgen::Error);

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot make the session's certificate authority, {}",
            self.0
        )
    }
}

impl Error for AuthorityError {}

/// Why there is no certificate for a host.
#[derive(Debug)]
pub(crate) enum LeafError {
    /// It is nothing that a certificate can name.
    Name(rcgen::Error),
    /// The certificate is nothing to speak TLS with.
    Tls(rustls::Error),
}

impl fmt::Display for LeafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => write!(f, "no certificate for this host, {error}"),
            Self::Tls(error) => write!(f, "no TLS for this host, {error}"),
        }
    }
}

impl Error for LeafError {}

/// How long certificates are good from the start of the run: what the strictest clients accept (398 days) and less.
const VALID: Duration = Duration::from_secs(397 * 24 * 60 * 60);

/// How far behind a client's clock may be.
const SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// How many certificates are kept (count).
const LEAVES_MAX: usize = 256;

/// How many TLS sessions can be resumed with one host (count).
const SESSIONS_PER_HOST: usize = 32;

/// The greatest length of a common name (characters, RFC 5280 appendix A.1).
const COMMON_NAME_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> Authority {
        struct Sevens;
        impl throughline_core::Entropy for Sevens {
            fn random(&self) -> [u8; 16] {
                [7; 16]
            }
        }
        Authority::new(SessionId::draw(&Sevens)).unwrap()
    }

    #[test]
    fn a_host_has_one_certificate_however_its_name_is_written() {
        let authority = authority();
        let first = authority.speak_as("example.com").unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &authority.speak_as("Example.COM").unwrap()
        ));
        assert!(!Arc::ptr_eq(
            &first,
            &authority.speak_as("127.0.0.1").unwrap()
        ));
    }

    #[test]
    fn certificates_are_bounded_and_those_in_use_stay() {
        let authority = authority();
        let used = authority.speak_as("used.example").unwrap();
        for number in 0..LEAVES_MAX * 2 {
            authority.speak_as(&format!("{number}.example")).unwrap();
            assert!(Arc::ptr_eq(
                &used,
                &authority.speak_as("used.example").unwrap()
            ));
        }
        assert_eq!(authority.lock().by_host.len(), LEAVES_MAX);
        let numbers = authority.next_serial.load(Ordering::Relaxed);
        assert_eq!(numbers, 2 + 2 * LEAVES_MAX as u64);
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_an_error() {
        assert!(authority().speak_as("b\u{fc}cher.example").is_err());
    }
}
