use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags},
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{self, SocketAddrNetlink},
    },
};

use crate::{Record, Refusal, Status};

/// The kernel's audit socket: `socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)`.
///
/// **A send can hold its thread**, for up to a minute and beyond any signal, while the kernel's
/// queue is full and the audit daemon is slow; no flag prevents it. An
/// [`AuditEmitter`](crate::AuditEmitter) exists to keep that away from the caller.
///
/// # References
///
/// - netlink(7), audit_send(3)
#[derive(Debug)]
pub struct AuditSocket {
    fd: OwnedFd,
    sequence: u32,
}

impl AuditSocket {
    /// Opens a socket. This needs no privilege; whether records are taken shows with the first.
    ///
    /// # Errors
    ///
    /// `EPROTONOSUPPORT` from a kernel without audit; `EMFILE` and the like.
    pub fn open() -> io::Result<Self> {
        let fd = open()?;
        Ok(Self { fd, sequence: 0 })
    }

    /// Sends one record, in one system call, and looks for the kernel's word against it, in
    /// another.
    ///
    /// The kernel handles a record within the send and answers only with an error, so no answer
    /// means that it was accepted. It does not mean that it was recorded: a kernel with audit
    /// disabled accepts everything, and so does one that will lose it to a rate limit, a rule or a
    /// full queue.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    pub fn send(&mut self, record: &mut Record) -> Result<(), Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        transmit(self.fd.as_fd(), record.datagram(self.sequence))?;
        let mut answer = [0; 1024];
        loop {
            match receive(self.fd.as_fd(), &mut answer) {
                Ok(message) if message.sequence() == Some(self.sequence) => {
                    return message
                        .error()
                        .map_or(Ok(()), |errno| Err(Refusal::from_errno(errno)));
                }
                // Another's, or the remains of something else.
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Asks for the state of the audit system (`AUDIT_GET`).
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_AUDIT_CONTROL` or outside the initial PID namespace, `ECONNREFUSED` in
    /// a user namespace, `ETIMEDOUT` if no answer came in time. The request itself is subject to
    /// the same hold as a record.
    pub fn status(&mut self, timeout: Duration) -> io::Result<Status> {
        const AUDIT_GET: u16 = 1000;

        let mut buffer = [0; 1024];
        let message = self.request(AUDIT_GET, &[], timeout, &mut buffer)?;
        Status::parse(message.payload()).ok_or_else(|| Errno::PROTO.into())
    }

    /// Switches the audit system on or off (`AUDIT_SET`), for the whole machine.
    ///
    /// It never locks the setting until the next boot, which the same request could do.
    ///
    /// # Errors
    ///
    /// As for [`status`](Self::status), and `EPERM` too if the setting is locked.
    pub fn set_enabled(&mut self, enabled: bool, timeout: Duration) -> io::Result<()> {
        const AUDIT_SET: u16 = 1001;

        let mut buffer = [0; 1024];
        let payload = Status::request_enabled(enabled);
        self.request(AUDIT_SET, &payload, timeout, &mut buffer)?;
        Ok(())
    }

    /// Sends a request and returns its answer: the first message with its number that is not an
    /// acknowledgement, or the acknowledgement if the request has a payload and so no other answer.
    fn request<'b>(
        &mut self,
        kind: u16,
        payload: &[u8],
        timeout: Duration,
        buffer: &'b mut [u8; 1024],
    ) -> io::Result<Message<'b>> {
        const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4; // NLM_F_REQUEST | NLM_F_ACK

        self.sequence = self.sequence.wrapping_add(1);
        let mut datagram = Vec::with_capacity(Record::HEADER + payload.len());
        let length = u32::try_from(Record::HEADER + payload.len()).unwrap_or(u32::MAX);
        datagram.extend_from_slice(&length.to_ne_bytes());
        datagram.extend_from_slice(&kind.to_ne_bytes());
        datagram.extend_from_slice(&REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
        datagram.extend_from_slice(&self.sequence.to_ne_bytes());
        datagram.extend_from_slice(&[0; 4]);
        datagram.extend_from_slice(payload);
        transmit(self.fd.as_fd(), &datagram)?;

        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !wait_readable(self.fd.as_fd(), left)? {
                return Err(Errno::TIMEDOUT.into());
            }
            let length = match receive(self.fd.as_fd(), buffer) {
                Ok(message) if message.sequence() != Some(self.sequence) => continue,
                Ok(message) => match message.error() {
                    Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
                    None if message.is_acknowledgement() && payload.is_empty() => continue,
                    None => message.0.len(),
                },
                Err(Errno::AGAIN) => continue,
                Err(errno) => return Err(errno.into()),
            };
            return Ok(Message(&buffer[..length]));
        }
    }
}

/// A netlink message as received, cut to what its header says and what there is.
#[derive(Debug)]
pub(crate) struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    const ERROR: u16 = 2; // NLMSG_ERROR

    pub(crate) fn kind(&self) -> Option<u16> {
        let (_, rest) = self.0.split_at_checked(4)?;
        rest.first_chunk().map(|kind| u16::from_ne_bytes(*kind))
    }

    fn sequence(&self) -> Option<u32> {
        let (_, rest) = self.0.split_at_checked(8)?;
        rest.first_chunk().map(|number| u32::from_ne_bytes(*number))
    }

    pub(crate) fn payload(&self) -> &'a [u8] {
        self.0.get(Record::HEADER..).unwrap_or_default()
    }

    fn is_acknowledgement(&self) -> bool {
        self.kind() == Some(Self::ERROR)
    }

    /// The error number, if this tells of an error.
    fn error(&self) -> Option<i32> {
        if !self.is_acknowledgement() {
            return None;
        }
        let code = i32::from_ne_bytes(*self.payload().first_chunk()?);
        (code != 0).then_some(code.saturating_neg())
    }
}

/// Opens a socket that neither blocks a receive nor survives an exec.
pub(crate) fn open() -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(netlink::AUDIT),
    )
}

/// Receives one message of the kernel's; what other processes send is passed over.
pub(crate) fn receive<'b>(
    fd: BorrowedFd<'_>,
    buffer: &'b mut [u8],
) -> rustix::io::Result<Message<'b>> {
    loop {
        let flags = RecvFlags::DONTWAIT;
        let (length, _, sender) = retry_on_intr(|| rustix::net::recvfrom(fd, &mut *buffer, flags))?;
        let is_kernel = sender
            .and_then(|address| SocketAddrNetlink::try_from(address).ok())
            .is_some_and(|address| address.pid() == 0);
        if is_kernel {
            return Ok(Message(&buffer[..length]));
        }
    }
}

/// Waits until there is something to receive; `false` if there was nothing within `timeout`.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout: Duration) -> rustix::io::Result<bool> {
    let timeout = timeout.try_into().map_err(|_| Errno::INVAL)?;
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    match rustix::event::poll(&mut fds, Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        // The caller has a deadline and looks again.
        Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(errno),
    }
}

fn transmit(fd: BorrowedFd<'_>, datagram: &[u8]) -> rustix::io::Result<()> {
    let kernel = SocketAddrNetlink::new(0, 0);
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    retry_on_intr(|| rustix::net::sendto(fd, datagram, flags, &kernel))?;
    Ok(())
}
