use core::future::Future;

use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::{Error, ErrorKind, Write};
use throughline_core::{Block, Failure, Origin, Platform, Trail};
use throughline_postcard::LinkFormat;

/// A link to a receiver that is waited for: the async sibling of core's
/// [`Transport`](throughline_core::Transport).
///
/// A future that a method returned may be dropped before it is ready, when its time is over. After
/// that of `write`, the link is closed, and the frame is written again from its start on the next
/// one, so that it does not matter how much of it went out.
pub trait Line {
    /// Opens the link.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it cannot be opened now; the link is closed then.
    fn open(&mut self) -> impl Future<Output = Result<(), Failure>>;

    /// Writes the front of `frame`, at least one byte, and returns how many bytes that was.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the link broke; it is closed then.
    fn write(&mut self, frame: &[u8]) -> impl Future<Output = Result<usize, Failure>>;

    /// Closes the link.
    fn close(&mut self);
}

/// A serial line, such as a UART: it is always there, and says whose it is when it is opened.
#[derive(Debug)]
pub struct Serial<W, G> {
    writer: W,
    greeter: G,
}

/// What writes the frame that a line begins with.
pub trait Greeter {
    /// Writes the frame to the front of `out` and returns its length (bytes); `None` if the format
    /// has none.
    fn greet(&self, out: &mut [u8]) -> Option<usize>;
}

impl<W: Write, G: Greeter> Serial<W, G> {
    /// A line over `writer` that begins with what `greeter` writes: as a rule the trail itself, with the
    /// lane that leaves here.
    pub const fn new(writer: W, greeter: G) -> Self {
        Self { writer, greeter }
    }
}

impl<W: Write, G: Greeter> Line for Serial<W, G> {
    async fn open(&mut self) -> Result<(), Failure> {
        let mut out = [0; LinkFormat::BEGIN_MAX];
        let len = self.greeter.greet(&mut out).unwrap_or_default();
        let greeting = out.get(..len).unwrap_or_default();
        self.writer
            .write_all(greeting)
            .await
            .map_err(|error| failure(&error))
    }

    async fn write(&mut self, frame: &[u8]) -> Result<usize, Failure> {
        match self.writer.write(frame).await {
            // embedded-io allows this for an empty buffer alone; nothing would ever come of it.
            Ok(0) if !frame.is_empty() => Err(Failure::Transient),
            Ok(len) => Ok(len),
            Err(error) => Err(failure(&error)),
        }
    }

    fn close(&mut self) {}
}

/// A trail and the lane whose line this is.
impl<M, P, B, const BLOCKS: usize, const LANES: usize> Greeter
    for (&Trail<M, P, LinkFormat, B, BLOCKS, LANES>, usize)
where
    M: RawMutex,
    P: Platform,
    B: Block,
{
    fn greet(&self, out: &mut [u8]) -> Option<usize> {
        let (trail, lane) = *self;
        let origin = Origin {
            session: trail.session(),
            process: trail.process(),
        };
        LinkFormat.begin(origin, trail.lane(lane).totals().written, out)
    }
}

/// For formats that begin with their first frame.
impl Greeter for () {
    fn greet(&self, _: &mut [u8]) -> Option<usize> {
        None
    }
}

fn failure(error: &impl Error) -> Failure {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::InvalidInput => {
            Failure::Permanent
        }
        _ => Failure::Transient,
    }
}
