//! The certificates that a command is to trust.

use std::{
    env,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use throughline_core::SessionId;

use crate::proxy::{Authority, Trust};

/// Two files in a folder of the run's own, both gone when it ends.
///
/// Most programs can only be told of a file to trust *in place of* the system's roots, so theirs has those as well;
/// a tunnel that is passed unread still ends at a real upstream.
pub(crate) struct Bundle {
    folder: PathBuf,
    instead: PathBuf,
    beside: PathBuf,
}

impl Bundle {
    /// Writes the files.
    pub(crate) fn write(
        session: SessionId,
        authority: &Authority,
        trust: &Trust,
    ) -> io::Result<Self> {
        let place = env::temp_dir();
        let told = |error: io::Error| {
            let place = place.display();
            let told = format!(
                "cannot write the certificates for the command in {place}: {error}; {REMEDY}"
            );
            io::Error::new(error.kind(), told)
        };
        Self::write_in(
            place.join(format!("throughline-{session}")),
            authority,
            trust,
        )
        .map_err(told)
    }

    fn write_in(folder: PathBuf, authority: &Authority, trust: &Trust) -> io::Result<Self> {
        // Fails if it is there: nobody else can have put something in its place.
        DirBuilder::new().mode(0o700).create(&folder)?;
        let bundle = Self {
            instead: folder.join("roots.pem"),
            beside: folder.join("session.pem"),
            folder,
        };
        let own = authority.certificate_pem();
        write(&bundle.instead, &(own.clone() + &trust.pem()))?;
        write(&bundle.beside, &(own + &trust.private_pem()))?;
        Ok(bundle)
    }

    /// The variables by which programs find the files.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let instead = INSTEAD.iter().map(|name| (*name, self.instead.as_path()));
        let beside = BESIDE.iter().map(|name| (*name, self.beside.as_path()));
        instead.chain(beside)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        // What cannot be removed is public, and of no use without the key.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// What to do where a folder for what is kept for a moment cannot be used.
pub(crate) const REMEDY: &str = "point TMPDIR at a folder that can be written";

/// What is trusted in place of the system's roots.
const INSTEAD: [&str; 15] = [
    // OpenSSL, and with it Ruby, PHP and Python's ssl; Go; rustls-native-certs
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "NPM_CONFIG_CAFILE",
    "BUNDLE_SSL_CA_CERT",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HEX_CACERTS_PATH",
    "NIX_SSL_CERT_FILE",
    "PERL_LWP_SSL_CA_FILE",
    "HTTPLIB2_CA_CERTS",
];

/// What is trusted beside roots of the program's own.
const BESIDE: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];
