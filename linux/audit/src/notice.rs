use std::{fmt, time::Duration};

use crate::{Enabled, Refusal, Status};

/// A turn that an emitter's owner should hear of: each is told once, when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The kernel takes no records of this process. They are dropped; one is tried now and then.
    Off(Refusal),
    /// A send took this long at the most. Records are dropped for a short while.
    Resting(Duration),
    /// The helper process is gone, or cannot be started. It is tried again now and then.
    HelperGone,
    /// Records are accepted again.
    Back,
    /// Auditing is off: records are accepted, and discarded.
    Discarded,
    /// The kernel lets so many records a second through, of all programs together, and discards
    /// the rest of what it accepts.
    Limited(u32),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off(refusal) => write!(f, "audit records are off: {refusal}"),
            Self::Resting(took) => write!(
                f,
                "the kernel took {took:?} for an audit record: records are dropped for a while, \
                 look at the audit daemon"
            ),
            Self::HelperGone => f.write_str(
                "the audit helper is gone: records are dropped until it can be started again",
            ),
            Self::Back => f.write_str("audit records are accepted again"),
            Self::Discarded => f.write_str(
                "auditing is off: audit records are accepted and discarded, \
                 switch it on with auditctl -e 1",
            ),
            Self::Limited(limit) => write!(
                f,
                "{limit} audit records a second are let through and the rest is discarded, \
                 take the limit away with auditctl -r 0"
            ),
        }
    }
}

/// How things stand with the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Records are sent.
    #[default]
    On,
    /// Records are dropped for a while after a slow send.
    Resting,
    /// Records are dropped because the kernel refuses them.
    Off(Refusal),
    /// Records are dropped because there is no helper.
    HelperGone,
}

/// What the kernel does not keep of the records that it accepts.
///
/// It cannot be told from its answers, and to ask needs `CAP_AUDIT_CONTROL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Caution {
    /// It keeps them, or nobody knows.
    #[default]
    None,
    /// None of them.
    Discarded,
    /// Those over this number in a second.
    Limited(u32),
}

impl Caution {
    pub(crate) const fn of(status: &Status) -> Self {
        match (status.enabled, status.rate_limit) {
            (Enabled::Off, _) => Self::Discarded,
            (_, 0) => Self::None,
            (_, limit) => Self::Limited(limit),
        }
    }

    const fn notice(self) -> Option<Notice> {
        match self {
            Self::None => None,
            Self::Discarded => Some(Notice::Discarded),
            Self::Limited(limit) => Some(Notice::Limited(limit)),
        }
    }
}

/// Tells of changes, and only of those.
pub(crate) struct Announcer {
    observer: Option<Box<dyn FnMut(Notice) + Send>>,
    last: State,
    caution: Caution,
}

impl Announcer {
    pub(crate) fn new(observer: Option<Box<dyn FnMut(Notice) + Send>>) -> Self {
        Self {
            observer,
            last: State::On,
            caution: Caution::None,
        }
    }

    /// Tells what is not kept, if that is news.
    pub(crate) fn caution(&mut self, caution: Caution) {
        if caution == self.caution {
            return;
        }
        self.caution = caution;
        if let Some(notice) = caution.notice() {
            self.tell(notice);
        }
    }

    pub(crate) fn announce(&mut self, state: State, max_send: Duration) {
        if state == self.last {
            return;
        }
        self.last = state;
        let notice = match state {
            State::On => Notice::Back,
            State::Resting => Notice::Resting(max_send),
            State::Off(refusal) => Notice::Off(refusal),
            State::HelperGone => Notice::HelperGone,
        };
        self.tell(notice);
    }

    fn tell(&mut self, notice: Notice) {
        if let Some(observer) = &mut self.observer {
            observer(notice);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_state_is_announced_when_it_begins() {
        let (heard, hearing) = mpsc::channel();
        let mut announcer = Announcer::new(Some(Box::new(move |notice| {
            heard.send(notice).unwrap();
        })));
        let off = State::Off(Refusal::NotPermitted);
        for state in [State::On, off, off, off, State::On, State::On] {
            announcer.announce(state, Duration::ZERO);
            announcer.caution(Caution::Limited(10));
        }
        drop(announcer);
        assert_eq!(
            hearing.iter().collect::<Vec<_>>(),
            [
                Notice::Limited(10),
                Notice::Off(Refusal::NotPermitted),
                Notice::Back
            ]
        );
    }
}
