use core::ops::Range;

use serde::Serialize;

/// Writes postcard values one behind the other; what does not fit says `None`.
pub(crate) struct Room<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> Room<'a> {
    pub(crate) const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    /// How much was written (bytes).
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Option<()> {
        let free = self.bytes.get_mut(self.len..)?;
        let written = postcard::to_slice(value, free).ok()?.len();
        self.advance(written)
    }

    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let free = self.bytes.get_mut(self.len..)?;
        free.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.advance(bytes.len())
    }

    /// Lets `write` fill the front of the free room, as many bytes as it says.
    pub(crate) fn with(&mut self, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<()> {
        let written = write(self.bytes.get_mut(self.len..)?)?;
        self.advance(written)
    }

    fn advance(&mut self, len: usize) -> Option<()> {
        self.len = self.len.checked_add(len)?;
        Some(())
    }
}

/// Moves `bytes[from]` towards the front, to begin at `to`, and returns where they end then.
///
/// One by one: the library's way has a path to a panic.
pub(crate) fn move_to(bytes: &mut [u8], from: Range<usize>, to: usize) -> Option<usize> {
    let mut end = to;
    for at in from {
        let byte = *bytes.get(at)?;
        *bytes.get_mut(end)? = byte;
        end = end.checked_add(1)?;
    }
    Some(end)
}
