use crate::{
    Refusal,
    gate::Tally,
    notice::{Caution, State},
};

/// What a helper tells of itself: what it has counted since it was started, and how things stand.
///
/// On the wire eleven 64-bit numbers in the machine's own byte order: both ends are one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    pub(crate) state: State,
    pub(crate) caution: Caution,
}

impl Report {
    pub(crate) const LEN: usize = 11 * 8;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let (state, errno) = match self.state {
            State::On | State::HelperGone => (0, 0),
            State::Resting => (1, 0),
            State::Off(refusal) => (2, u64::from(refusal.errno().unsigned_abs())),
        };
        let (caution, limit) = match self.caution {
            Caution::None => (0, 0),
            Caution::Discarded => (1, 0),
            Caution::Limited(limit) => (2, u64::from(limit)),
        };
        let words = [
            self.tally.accepted,
            self.tally.not_permitted,
            self.tally.connection_refused,
            self.tally.other,
            self.tally.resting,
            self.tally.off,
            self.tally.max_send_ns,
            state,
            errno,
            caution,
            limit,
        ];
        let mut bytes = [0; Self::LEN];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        let words: &[[u8; 8]; 11] = words.try_into().ok()?;
        let [
            accepted,
            not_permitted,
            connection_refused,
            other,
            resting,
            off,
            max_send_ns,
            state,
            errno,
            caution,
            limit,
        ] = words.map(u64::from_ne_bytes);
        Some(Self {
            tally: Tally {
                accepted,
                not_permitted,
                connection_refused,
                other,
                resting,
                off,
                max_send_ns,
            },
            state: match state {
                0 => State::On,
                1 => State::Resting,
                2 => State::Off(Refusal::from_errno(i32::try_from(errno).ok()?)),
                _ => return None,
            },
            caution: match caution {
                0 => Caution::None,
                1 => Caution::Discarded,
                2 => Caution::Limited(u32::try_from(limit).ok()?),
                _ => return None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_over_whole_or_not_at_all() {
        let report = Report {
            tally: Tally {
                accepted: 1,
                not_permitted: 2,
                connection_refused: 3,
                other: 4,
                resting: 5,
                off: 6,
                max_send_ns: u64::MAX,
            },
            state: State::Off(Refusal::NotPermitted),
            caution: Caution::Limited(10),
        };
        let bytes = report.to_bytes();
        assert_eq!(Report::from_bytes(&bytes), Some(report));
        assert_eq!(Report::from_bytes(&bytes[1..]), None);
        let mut unknown = bytes;
        unknown[56] = 0xff;
        unknown[63] = 0xff;
        assert_eq!(Report::from_bytes(&unknown), None);
    }
}
