use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use uuid::Uuid;

use crate::{
    server::{Answer, Connection, Identity, read_body, serve},
    upstream::Head,
};

/// An AI gateway on the loopback interface that takes the correlation headers as the public one does: both or neither, a
/// session that is a UUID, a number from 0 to 2^31-1, and `400` for everything else.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    authority_pem: Option<String>,
    log: Arc<Log>,
}

/// What a gateway saw of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The request target.
    pub target: String,
    /// The session and the number; None if there was neither.
    pub stamp: Option<(Uuid, i32)>,
}

#[derive(Debug, Default)]
struct Log(Mutex<Entries>);

#[derive(Clone, Debug, Default)]
struct Entries {
    calls: Vec<Call>,
    refused: Vec<Head>,
}

impl Gateway {
    /// Starts a gateway in the clear on a free port. It runs until the process ends.
    ///
    /// # Errors
    ///
    /// If no port is to be had.
    pub fn http() -> io::Result<Self> {
        let log = Arc::default();
        Ok(Self {
            address: serve(None, Arc::clone(&log))?,
            authority_pem: None,
            log,
        })
    }

    /// Starts a gateway over TLS, with a certificate for `localhost` and the loopback addresses.
    ///
    /// # Errors
    ///
    /// If no port, or no certificate, is to be had.
    pub fn https() -> io::Result<Self> {
        let (log, identity) = (Arc::default(), Identity::new()?);
        Ok(Self {
            address: serve(Some(identity.config), Arc::clone(&log))?,
            authority_pem: Some(identity.authority_pem),
            log,
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

    /// The requests that it took.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.log.lock().calls.clone()
    }

    /// The requests that it answered with `400`.
    #[must_use]
    pub fn refused(&self) -> Vec<Head> {
        self.log.lock().refused.clone()
    }
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer for Log {
    fn answer(&self, head: Head, connection: &mut Connection) -> io::Result<bool> {
        read_body(&head, connection)?;
        let out = connection.get_mut();
        match stamp(&head) {
            Ok(stamp) => {
                let target = head.target().to_owned();
                self.lock().calls.push(Call { target, stamp });
                out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
            }
            Err(()) => {
                self.lock().refused.push(head);
                out.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?;
            }
        }
        out.flush().map(|()| true)
    }
}

/// The stamp of a request, from the first value of each header.
fn stamp(head: &Head) -> Result<Option<(Uuid, i32)>, ()> {
    let session = head.values(SESSION).first().copied();
    let number = head.values(NUMBER).first().copied();
    match (session, number) {
        (None, None) => Ok(None),
        (Some(session), Some(number)) => {
            let session = Uuid::parse_str(session).map_err(|_| ())?;
            let number: i32 = number.parse().map_err(|_| ())?;
            (number >= 0).then_some(Some((session, number))).ok_or(())
        }
        _ => Err(()),
    }
}

const SESSION: &str = "X-Coder-Agent-Firewall-Session-Id";
const NUMBER: &str = "X-Coder-Agent-Firewall-Sequence-Number";

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fields: &str) -> Result<Option<(Uuid, i32)>, ()> {
        stamp(&Head::new(format!("GET / HTTP/1.1\r\n{fields}\r\n")))
    }

    #[test]
    fn both_or_neither_and_each_in_its_range() {
        let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let both = |number: &str| told(&format!("{SESSION}: {uuid}\r\n{NUMBER}: {number}\r\n"));
        let session = Uuid::parse_str(uuid).unwrap();
        assert_eq!(told(""), Ok(None));
        assert_eq!(both("0"), Ok(Some((session, 0))));
        assert_eq!(both("2147483647"), Ok(Some((session, i32::MAX))));
        for number in ["-1", "2147483648", "", "1.0", "x"] {
            assert_eq!(both(number), Err(()), "{number}");
        }
        assert_eq!(told(&format!("{SESSION}: {uuid}\r\n")), Err(()));
        assert_eq!(told(&format!("{NUMBER}: 1\r\n")), Err(()));
        assert_eq!(told(&format!("{SESSION}: x\r\n{NUMBER}: 1\r\n")), Err(()));
    }
}
