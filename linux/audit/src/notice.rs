use std::{fmt, time::Duration};

use crate::Refusal;

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

/// Tells of changes, and only of those.
pub(crate) struct Announcer {
    observer: Option<Box<dyn FnMut(Notice) + Send>>,
    last: State,
}

impl Announcer {
    pub(crate) fn new(observer: Option<Box<dyn FnMut(Notice) + Send>>) -> Self {
        Self {
            observer,
            last: State::On,
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
        }
        drop(announcer);
        assert_eq!(
            hearing.iter().collect::<Vec<_>>(),
            [Notice::Off(Refusal::NotPermitted), Notice::Back]
        );
    }
}
