//! Both ends of an intercepted connection: a certificate for the client, and trust in the upstream.

mod authority;
mod pem;
mod trust;

pub(crate) use authority::{Authority, AuthorityError};
pub(super) use pem::base64;
pub(super) use trust::{Alpn, TlsError, Upstreams};
pub(crate) use trust::{Trust, TrustError};
