use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

/// A line between a serial port and whoever reads it that flips bits, loses bytes, adds some of its
/// own, and is unplugged once.
///
/// Its first and its last bytes are left alone: of a line whose end is missing nobody can tell what
/// it would have carried.
pub(crate) struct Noise {
    thread: JoinHandle<io::Result<Damage>>,
}

/// What a line has done to what it carried (counts).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Damage {
    /// Bytes that came from the device.
    pub(crate) carried: u64,
    flipped: u64,
    cut: u64,
    inserted: u64,
    unplugged: u64,
}

impl Damage {
    /// Whether it has done everything that it can.
    pub(crate) const fn is_of_every_kind(&self) -> bool {
        self.flipped > 0 && self.cut > 0 && self.inserted > 0 && self.unplugged > 0
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            carried,
            flipped,
            cut,
            inserted,
            unplugged,
        } = self;
        write!(
            f,
            "{carried} bytes from the device, {flipped} flipped, {cut} cut, {inserted} inserted, \
             unplugged {unplugged} times"
        )
    }
}

impl Noise {
    /// Takes one connection at `port` and carries what comes to `line`.
    pub(crate) fn start(port: &Path, line: &Path, seed: u64) -> io::Result<Self> {
        let listener = UnixListener::bind(port)?;
        let line = line.to_owned();
        let thread = thread::spawn(move || {
            let (device, _) = listener.accept()?;
            Carrier {
                bridge: UnixStream::connect(&line)?,
                line,
                random: seed,
                harm_at: 2 * SPARED as u64,
                held: Vec::new(),
                damage: Damage::default(),
            }
            .carry(device)
        });
        Ok(Self { thread })
    }

    /// Waits until the port is closed, and all that came is carried.
    pub(crate) fn finish(self) -> io::Result<Damage> {
        let panicked = |_| io::Error::other("the line panicked");
        self.thread.join().map_err(panicked)?
    }
}

struct Carrier {
    bridge: UnixStream,
    line: PathBuf,
    random: u64,
    /// After how many bytes the next ones are harmed.
    harm_at: u64,
    /// What came last, so that the end is known when it comes.
    held: Vec<u8>,
    damage: Damage,
}

impl Carrier {
    fn carry(mut self, mut device: UnixStream) -> io::Result<Damage> {
        let mut buffer = [0; 1024];
        loop {
            let len = match device.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => len,
                // What a port says whose machine was switched off.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error),
            };
            self.damage.carried += len as u64;
            self.held.extend_from_slice(&buffer[..len]);
            let known = self.held.len().saturating_sub(SPARED);
            let bytes: Vec<u8> = self.held.drain(..known).collect();
            self.harm(bytes)?;
        }
        let last = std::mem::take(&mut self.held);
        self.bridge.write_all(&last)?;
        Ok(self.damage)
    }

    /// Carries some bytes, and does something to them now and then.
    fn harm(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        if !bytes.is_empty() && self.damage.carried > self.harm_at {
            self.harm_at = self.damage.carried + 200 + self.below(2 * HARM_EVERY) as u64;
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => {
                    bytes[at] ^= 1 << self.below(8);
                    self.damage.flipped += 1;
                }
                1 => {
                    let end = (at + 1 + self.below(40)).min(bytes.len());
                    bytes.drain(at..end);
                    self.damage.cut += (end - at) as u64;
                }
                _ => {
                    let count = 1 + self.below(40);
                    let noise: Vec<_> = (0..count).map(|_| self.random() as u8).collect();
                    bytes.splice(at..at, noise);
                    self.damage.inserted += count as u64;
                }
            }
        }
        if self.damage.unplugged == 0 && self.damage.carried > UNPLUGGED_AT {
            // What is under way is lost with the connection.
            self.damage.unplugged += 1;
            self.bridge = UnixStream::connect(&self.line)?;
            return Ok(());
        }
        self.bridge.write_all(&bytes)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random() % limit as u64) as usize
    }

    /// SplitMix64.
    const fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Bytes at the front and at the end that are left alone: the greeting and the session's end.
const SPARED: usize = 64;

/// How many bytes pass unharmed, more or less (bytes).
const HARM_EVERY: usize = 2500;

/// After how many bytes the line is unplugged.
const UNPLUGGED_AT: u64 = 40_000;
