/// Finds the end of a chunked body (RFC 9112 section 7.1) in the bytes of a connection.
///
/// It checks nothing: hyper reads the same bytes and refuses what is wrong.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: At,
    /// The size of the chunk, or what is left of it (bytes).
    left: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    Extension,
    Data,
    DataEnd,
    TrailerStart,
    Trailer,
    End,
}

impl Chunks {
    /// Takes the bytes that belong to the body; returns how many, and whether the body ends there.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            rest = match self.at {
                At::Data => self.skip_data(rest),
                _ => {
                    self.step(*byte);
                    tail
                }
            };
            if self.at == At::End {
                break;
            }
        }
        (bytes.len() - rest.len(), self.at == At::End)
    }

    fn skip_data<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let skipped = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.left -= skipped as u64;
        if self.left == 0 {
            self.at = At::DataEnd;
        }
        &bytes[skipped..]
    }

    fn step(&mut self, byte: u8) {
        self.at = match (self.at, byte) {
            (At::Size | At::Extension, b'\n') if self.left == 0 => At::TrailerStart,
            (At::Size | At::Extension, b'\n') => At::Data,
            (At::Size, digit) => match char::from(digit).to_digit(16) {
                Some(digit) => {
                    self.left = self.left.saturating_mul(16).saturating_add(digit.into());
                    At::Size
                }
                None => At::Extension,
            },
            (At::DataEnd, b'\n') => At::Size,
            (At::TrailerStart, b'\n') => At::End,
            (At::TrailerStart, b'\r') => At::TrailerStart,
            (At::Trailer, b'\n') => At::TrailerStart,
            (At::TrailerStart, _) => At::Trailer,
            (same, _) => same,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        b"4;a=b\r\nWiki\r\n1F\r\n0123456789\r\n\r\n0123456789\n0\r\n\n567\r\n0\r\nX: y\r\n\r\n";

    #[test]
    fn the_end_is_found_wherever_the_bytes_are_split() {
        let stream = [BODY, b"GET / HTTP/1.1\r\n"].concat();
        for size in 1..stream.len() {
            let mut chunks = Chunks::default();
            let mut taken = 0;
            for piece in stream.chunks(size) {
                let (count, end) = chunks.take(piece);
                taken += count;
                if end {
                    break;
                }
                assert_eq!(count, piece.len());
            }
            assert_eq!(taken, BODY.len(), "pieces of {size}");
        }
    }

    #[test]
    fn an_absurd_size_takes_all_there_is() {
        let mut chunks = Chunks::default();
        let stream = b"fffffffffffffffffff\r\nabc";
        assert_eq!(chunks.take(stream), (stream.len(), false));
    }
}
