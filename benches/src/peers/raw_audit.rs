//! The kernel's audit socket without anything around it.

use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType,
    netlink::{self, SocketAddrNetlink},
};
use throughline_audit::Record;

/// The floor: one system call, and no look at the answer.
#[derive(Debug)]
pub struct RawAudit {
    socket: OwnedFd,
    datagram: Vec<u8>,
}

impl RawAudit {
    /// A socket, and the record as it goes over it.
    ///
    /// # Panics
    ///
    /// If no socket is to be had.
    #[must_use]
    pub fn new(record: &Record) -> Self {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::AUDIT),
        )
        .expect("a socket");
        let body = record.body().as_bytes();
        let len = u32::try_from(16 + body.len() + 1).expect("a short text");
        let mut datagram = len.to_ne_bytes().to_vec();
        datagram.extend(record.record_type().number().to_ne_bytes());
        datagram.extend(1_u16.to_ne_bytes()); // NLM_F_REQUEST
        datagram.extend([0; 8]);
        datagram.extend(body);
        datagram.push(0);
        Self { socket, datagram }
    }

    /// Sends it; whether the kernel took it.
    #[must_use]
    pub fn send(&self) -> bool {
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.socket, &self.datagram, SendFlags::empty(), &kernel).is_ok()
    }
}
