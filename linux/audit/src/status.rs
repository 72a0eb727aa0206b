/// The state of the audit system (`struct audit_status` of `linux/audit.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether records are kept.
    pub enabled: Enabled,
    /// The process ID of the audit daemon, 0 if there is none.
    pub daemon: u32,
    /// Records a second that are let through, 0 for any number.
    pub rate_limit: u32,
    /// Records that may wait for the daemon before senders are held (count), 0 for any number.
    pub backlog_limit: u32,
    /// Records that wait (count).
    pub backlog: u32,
    /// Records that the kernel says it lost since boot (count); it does not count all.
    pub lost: u32,
}

/// Whether the kernel keeps audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// It accepts records of programs, and discards them.
    Off,
    /// It keeps them.
    On,
    /// It keeps them, and no one can change that, or any rule, before the next boot.
    Locked,
}

impl Status {
    /// Reads the kernel's answer. Later kernels append fields.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (words, _) = payload.as_chunks::<4>();
        let words: &[[u8; 4]; 8] = words.first_chunk()?;
        let [_mask, enabled, _failure, daemon, rate, limit, lost, backlog] =
            words.map(u32::from_ne_bytes);
        Some(Self {
            enabled: match enabled {
                0 => Enabled::Off,
                1 => Enabled::On,
                _ => Enabled::Locked,
            },
            daemon,
            rate_limit: rate,
            backlog_limit: limit,
            backlog,
            lost,
        })
    }

    /// The request that switches audit on or off, and nothing else.
    pub(crate) fn request_enabled(enabled: bool) -> [u8; 44] {
        const MASK_ENABLED: u32 = 1; // AUDIT_STATUS_ENABLED

        let mut request = [0; 44];
        request[0..4].copy_from_slice(&MASK_ENABLED.to_ne_bytes());
        request[4..8].copy_from_slice(&u32::from(enabled).to_ne_bytes());
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn an_answer_is_read_by_position_and_may_be_longer() {
        let payload = answer(&[0, 1, 1, 77, 10, 64, 5, 3, 0, 15000, 0]);
        assert_eq!(
            Status::parse(&payload),
            Some(Status {
                enabled: Enabled::On,
                daemon: 77,
                rate_limit: 10,
                backlog_limit: 64,
                backlog: 3,
                lost: 5,
            })
        );
        assert_eq!(Status::parse(&payload[..31]), None);
    }

    #[test]
    fn a_locked_system_is_told_from_one_that_is_on() {
        let payload = answer(&[0, 2, 1, 0, 0, 64, 0, 0]);
        assert_eq!(Status::parse(&payload).unwrap().enabled, Enabled::Locked);
    }
}
