use core::mem::take;

/// Up to `N` bytes that are built once and copied often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    /// The texts of `parts` one after the other. What would pass `N` bytes is left out; the
    /// callers' sizes rule that out.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut text = Self::EMPTY;
        let mut room = Room::new(&mut text.bytes);
        for part in parts {
            room.put(part);
            text.len = text.len.saturating_add(part.len()).min(N);
        }
        text
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

/// A buffer that fills from its front.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    free: &'a mut [u8],
}

impl<'a> Room<'a> {
    pub(crate) const fn new(buffer: &'a mut [u8]) -> Self {
        Self { free: buffer }
    }

    /// Appends `bytes` whole. If they do not fit, the room is closed: nothing is appended any more.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if let Some((filled, free)) = take(&mut self.free).split_at_mut_checked(bytes.len()) {
            filled.copy_from_slice(bytes);
            self.free = free;
        }
    }
}
