use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{io::Errno, net::netlink::SocketAddrNetlink};

use crate::{
    RecordType,
    netlink::{open, receive, wait_readable},
};

/// Reads audit records as the kernel hands them out, with or without an audit daemon.
///
/// It joins the multicast group `AUDIT_NLGRP_READLOG`, and sees what is recorded from then on.
/// Joining makes records of its own (types 1334, 1300 and others), so filter by type.
#[derive(Debug)]
pub struct Reader {
    fd: OwnedFd,
    buffer: Box<[u8]>,
}

impl Reader {
    /// Joins the group.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_AUDIT_READ` in the initial user namespace. In another network
    /// namespace joining succeeds and nothing is ever delivered.
    pub fn open() -> io::Result<Self> {
        const READLOG: u32 = 1;
        const QUEUE: usize = 4 << 20;
        const MESSAGE_MAX: usize = 16 << 10;

        let fd = open()?;
        // Needs CAP_NET_ADMIN; without it the default queue has to do.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, QUEUE);
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, READLOG))?;
        Ok(Self {
            fd,
            buffer: vec![0; MESSAGE_MAX].into_boxed_slice(),
        })
    }

    /// The next record, of any type; `None` if there was none within `timeout`.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` if records were lost because they were read too slowly; reading may go on.
    pub fn next(&mut self, timeout: Duration) -> io::Result<Option<KernelRecord<'_>>> {
        self.next_where(timeout, |_| true)
    }

    /// The next record of type `wanted`; `None` if there was none within `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next).
    pub fn next_of(
        &mut self,
        wanted: RecordType,
        timeout: Duration,
    ) -> io::Result<Option<KernelRecord<'_>>> {
        self.next_where(timeout, |number| number == wanted.number())
    }

    fn next_where(
        &mut self,
        timeout: Duration,
        wanted: impl Fn(u16) -> bool,
    ) -> io::Result<Option<KernelRecord<'_>>> {
        let deadline = Instant::now() + timeout;
        let (number, length) = loop {
            match receive(self.fd.as_fd(), &mut self.buffer) {
                Ok(message) => match message.kind() {
                    Some(number) if wanted(number) => break (number, message.payload().len()),
                    _ => continue,
                },
                Err(Errno::AGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !wait_readable(self.fd.as_fd(), left)? {
                return Ok(None);
            }
        };
        let start = crate::Record::HEADER;
        let text = &self.buffer[start..start + length];
        Ok(Some(KernelRecord::new(number, text)))
    }
}

/// A record as the kernel hands it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelRecord<'a> {
    number: u16,
    event: &'a [u8],
    text: &'a [u8],
}

impl<'a> KernelRecord<'a> {
    /// Takes `audit(1795386199.182:294912): pid=...` apart.
    fn new(number: u16, whole: &'a [u8]) -> Self {
        const OPEN: &[u8] = b"audit(";
        const CLOSE: &[u8] = b"): ";

        let parts = whole.strip_prefix(OPEN).and_then(|rest| {
            let at = find(rest, CLOSE)?;
            Some((&rest[..at], &rest[at + CLOSE.len()..]))
        });
        let (event, text) = parts.unwrap_or((b"", whole));
        Self {
            number,
            event,
            text,
        }
    }

    /// The number that it is filed under.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// When and which: seconds since 1970, a dot, milliseconds, a colon, a serial number that the
    /// records of one event share.
    #[must_use]
    pub const fn event(&self) -> &'a [u8] {
        self.event
    }

    /// Everything after that: the kernel's own fields, and the message of a program in `msg='...'`.
    #[must_use]
    pub const fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The message of a program, byte for byte, if there is one.
    #[must_use]
    pub fn message(&self) -> Option<&'a [u8]> {
        const OPEN: &[u8] = b" msg='";

        let start = find(self.text, OPEN)? + OPEN.len();
        self.text.get(start..)?.strip_suffix(b"'")
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_taken_apart_without_loss() {
        let whole = b"audit(1795386199.182:294912): pid=4149 uid=0 msg='op=a x=\xff\n res=success'";
        let record = KernelRecord::new(1111, whole);
        assert_eq!(record.event(), b"1795386199.182:294912");
        assert_eq!(record.message(), Some(&b"op=a x=\xff\n res=success"[..]));
    }

    #[test]
    fn what_has_another_form_is_handed_out_whole() {
        let record = KernelRecord::new(1300, b"something else");
        assert_eq!(record.event(), b"");
        assert_eq!(record.text(), b"something else");
        assert_eq!(record.message(), None);
    }
}
