use std::{collections::BTreeMap, ops::RangeInclusive};

/// A set of sequence numbers that is small where numbers come one after the other.
///
/// ```text
///   0 ........ front   | chunk | chunk |          | chunk |
///   all of them        a bit a number, or "full"  none of them in between
/// ```
///
/// Numbers without a gap before them take no room at all, others one bit each, and a full chunk the
/// room of its entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    /// Every number below this one is in the set.
    front: u32,
    chunks: BTreeMap<u32, Chunk>,
    len: u32,
}

#[derive(Clone, Debug)]
enum Chunk {
    Full,
    Part(Box<Bits>),
}

#[derive(Clone, Debug, Default)]
struct Bits {
    words: [u64; WORDS],
    len: u32,
}

impl Numbers {
    /// Takes `number` in; returns whether it was new.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        if number < self.front {
            return false;
        }
        if number == self.front {
            self.len += 1;
            self.front += 1;
            self.advance();
            return true;
        }
        let empty = || Chunk::Part(Box::default());
        let chunk = self.chunks.entry(number / CHUNK).or_insert_with(empty);
        let is_new = chunk.insert(number % CHUNK);
        self.len += u32::from(is_new);
        is_new
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        number < self.front
            || self
                .chunks
                .get(&(number / CHUNK))
                .is_some_and(|chunk| chunk.next(number % CHUNK, true) == Some(number % CHUNK))
    }

    /// How many numbers are in the set.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// How much room it takes (chunks).
    pub(crate) fn weight(&self) -> usize {
        self.chunks.len()
    }

    /// The runs of numbers that are in the set, in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let first = self.next_present(from)?;
            let last = self.next_absent(first) - 1;
            from = last + 1;
            Some(first..=last)
        })
    }

    /// The runs of numbers below `end` that are not in the set, in order.
    pub(crate) fn gaps(&self, end: u32) -> impl Iterator<Item = RangeInclusive<u32>> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let first = self.next_absent(from);
            if first >= end {
                return None;
            }
            let last = self.next_present(first).map_or(end, |next| next.min(end)) - 1;
            from = last + 1;
            Some(first..=last)
        })
    }

    /// Moves the front over what has been waiting for it.
    fn advance(&mut self) {
        while let Some(entry) = self.chunks.first_entry() {
            let start = *entry.key() * CHUNK;
            if self.front < start {
                return;
            }
            let offset = self.front - start;
            let gap = (offset < CHUNK).then(|| entry.get().next(offset, false));
            match gap.flatten() {
                Some(offset) => {
                    self.front = start + offset;
                    return;
                }
                None => {
                    self.front = self.front.max(start + CHUNK);
                    entry.remove();
                }
            }
        }
    }

    fn next_present(&self, from: u32) -> Option<u32> {
        if from < self.front {
            return Some(from);
        }
        self.chunks
            .range(from / CHUNK..)
            .find_map(|(index, chunk)| {
                let start = index * CHUNK;
                let offset = chunk.next(from.saturating_sub(start), true)?;
                Some(start + offset)
            })
    }

    fn next_absent(&self, from: u32) -> u32 {
        let mut from = from.max(self.front);
        while let Some(chunk) = self.chunks.get(&(from / CHUNK)) {
            let start = from - from % CHUNK;
            if let Some(offset) = chunk.next(from - start, false) {
                return start + offset;
            }
            from = start + CHUNK;
        }
        from
    }
}

impl Chunk {
    fn insert(&mut self, offset: u32) -> bool {
        let Self::Part(bits) = self else {
            return false;
        };
        let bit = 1 << (offset % 64);
        let word = &mut bits.words[index(offset / 64)];
        let is_new = *word & bit == 0;
        *word |= bit;
        bits.len += u32::from(is_new);
        if bits.len == CHUNK {
            *self = Self::Full;
        }
        is_new
    }

    /// The first offset not before `from` that is in the chunk, or is not.
    fn next(&self, from: u32, present: bool) -> Option<u32> {
        let Self::Part(bits) = self else {
            return present.then_some(from);
        };
        let mut at = from;
        while at < CHUNK {
            let word = bits.words[index(at / 64)];
            let wanted = (if present { word } else { !word }) >> (at % 64);
            if wanted != 0 {
                return Some(at + wanted.trailing_zeros());
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }
}

const fn index(value: u32) -> usize {
    value as usize
}

const WORDS: usize = 16;

/// Numbers in a chunk: few enough that a number far from all others takes less room than its line.
const CHUNK: u32 = 64 * WORDS as u32;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Holds the set against a naive one.
    fn agree(numbers: &[u32]) {
        let (mut set, mut naive) = (Numbers::default(), BTreeSet::new());
        for number in numbers {
            assert_eq!(set.insert(*number), naive.insert(*number), "{number}");
        }
        assert_eq!(set.len() as usize, naive.len());
        let runs: Vec<u32> = set.runs().flatten().collect();
        assert!(runs.iter().eq(&naive));
        let end = 5000;
        let gaps: Vec<u32> = set.gaps(end).flatten().collect();
        let absent = (0..end).filter(|number| !naive.contains(number));
        assert!(gaps.into_iter().eq(absent));
        for number in 0..end {
            assert_eq!(set.contains(number), naive.contains(&number));
        }
    }

    #[test]
    fn it_holds_what_a_plain_set_holds() {
        agree(&[]);
        agree(&[0, 1, 2, 2, 1]);
        agree(&[3, 1, 0, 2]);
        agree(&(0..3000).rev().collect::<Vec<_>>());
        agree(
            &(0..3000)
                .filter(|number| number % 3 > 0)
                .collect::<Vec<_>>(),
        );
        agree(&(1..2500).chain([0]).collect::<Vec<_>>());
        // Knuth's multiplicative hash: the same numbers in each run.
        let scattered = |number: u32| number.wrapping_mul(2_654_435_761) % 4096;
        agree(&(0..6000).map(scattered).collect::<Vec<_>>());
    }

    #[test]
    fn the_greatest_numbers_have_their_place() {
        let mut set = Numbers::default();
        let greatest = 0x7fff_ffff;
        assert!(set.insert(greatest) && !set.insert(greatest));
        assert_eq!(set.runs().collect::<Vec<_>>(), [greatest..=greatest]);
        assert_eq!(set.gaps(1 << 31).collect::<Vec<_>>(), [0..=greatest - 1]);
    }

    #[test]
    fn numbers_in_a_row_take_no_room_and_full_chunks_little() {
        let mut set = Numbers::default();
        assert!((0..1_000_000).all(|number| set.insert(number)));
        assert_eq!(set.weight(), 0);
        set.insert(1_000_001);
        assert!((1_000_002..1075 * 1024).all(|number| set.insert(number)));
        assert!(set.weight() <= 99, "a full chunk is one entry");
        set.insert(1_000_000);
        assert_eq!(set.weight(), 0, "the front moves over full chunks");
    }
}
