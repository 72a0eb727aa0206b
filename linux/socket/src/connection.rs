use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};
use throughline_protobuf::{ACKNOWLEDGEMENT, FrameError, Header};

use crate::{
    Sink,
    intake::{Intake, Taken},
};

/// One sender's connection: a buffer of one frame, and nothing else that grows.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    filled: usize,
    /// Whether the sender wants to know which of its frames are kept.
    acknowledges: bool,
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Over {
    /// The sender closed it between two frames.
    Ended,
    /// The sender closed it in the middle of a frame.
    Torn,
    /// The sender does not speak the protocol.
    Refused(FrameError),
    /// A frame could not be kept, and its sender will send it again.
    NotKept,
    /// The socket failed.
    Failed(io::Error),
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            buffer: vec![0; Header::LEN + Header::PAYLOAD_MAX].into(),
            filled: 0,
            acknowledges: false,
        }
    }

    /// Reads once, and gives the frames that have become whole to `intake`.
    pub(crate) fn read<S: Sink>(&mut self, intake: &mut Intake<S>) -> Result<(), Over> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match recv(&self.socket, room, RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) if self.filled == 0 => Err(Over::Ended),
            Ok((0, _)) | Err(Errno::CONNRESET) => Err(Over::Torn),
            Ok((len, _)) => {
                self.filled += len;
                self.take_frames(intake)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(Over::Failed(error.into())),
        }
    }

    /// Takes the whole frames out of the buffer. A whole frame always fits, so there is room to
    /// read afterwards.
    fn take_frames<S: Sink>(&mut self, intake: &mut Intake<S>) -> Result<(), Over> {
        let mut start = 0;
        let filled = self.buffer.get(..self.filled).unwrap_or_default();
        while let Some((header, rest)) = filled.get(start..).and_then(<[u8]>::split_first_chunk) {
            let header = Header::parse(*header).map_err(Over::Refused)?;
            let Some(payload) = rest.get(..header.len) else {
                break;
            };
            match intake.take(header.tag, payload) {
                Taken::Kept { acknowledge } => self.acknowledges |= acknowledge,
                // It will be sent again, on another connection.
                Taken::NotKept if self.acknowledges => return Err(Over::NotKept),
                Taken::NotKept => {}
            }
            if self.acknowledges {
                acknowledge(&self.socket);
            }
            start += Header::LEN + header.len;
        }
        self.buffer.copy_within(start..self.filled, 0);
        self.filled -= start;
        Ok(())
    }
}

/// Answers a frame. A sender that has left no room for a few bytes does not read its answers.
fn acknowledge(socket: &OwnedFd) {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let _ = send(socket, &ACKNOWLEDGEMENT, flags);
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
