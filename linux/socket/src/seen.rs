//! Which events have come: what tells a repeated one, and a missing one.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
};

use throughline_core::SessionId;

/// What was seen of each session, for as many sessions as are worth remembering.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    sessions: HashMap<SessionId, SeenSession>,
    /// The sessions in the order in which they came.
    order: VecDeque<SessionId>,
}

/// The numbers that were seen, as ranges in order. A sender that keeps to the protocol needs one, and
/// one more for each loss.
#[derive(Debug, Default)]
struct SeenSession {
    ranges: VecDeque<RangeInclusive<u32>>,
    count: u64,
    last_status: u64,
}

/// The numbers of one frame that were not seen before.
#[derive(Debug, Default)]
pub(crate) struct News(Vec<u32>);

impl News {
    pub(crate) fn push(&mut self, number: u32) {
        self.0.push(number);
    }

    pub(crate) fn has(&self, number: u32) -> bool {
        // In order as a rule, so that the last says enough.
        self.0.last().is_some_and(|last| *last >= number) && self.0.contains(&number)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) const fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Seen {
    pub(crate) fn has(&self, session: SessionId, number: u32) -> bool {
        let seen = self.sessions.get(&session);
        seen.is_some_and(|seen| seen.has(number))
    }

    /// How many events of the session have come (count).
    pub(crate) fn count(&self, session: SessionId) -> u64 {
        self.sessions.get(&session).map_or(0, |seen| seen.count)
    }

    pub(crate) fn insert(&mut self, session: SessionId, news: &News) {
        let seen = self.session(session);
        for number in &news.0 {
            seen.insert(*number);
        }
    }

    /// Whether the last status of the session was the same, byte for byte: then it was sent twice.
    pub(crate) fn is_last_status(&self, session: SessionId, payload: &[u8]) -> bool {
        let seen = self.sessions.get(&session);
        seen.is_some_and(|seen| seen.last_status == hash(payload))
    }

    pub(crate) fn set_last_status(&mut self, session: SessionId, payload: &[u8]) {
        self.session(session).last_status = hash(payload);
    }

    fn session(&mut self, session: SessionId) -> &mut SeenSession {
        if !self.sessions.contains_key(&session) {
            self.order.push_back(session);
            if self.order.len() > SESSIONS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.sessions.remove(&oldest);
            }
        }
        self.sessions.entry(session).or_default()
    }
}

impl SeenSession {
    fn has(&self, number: u32) -> bool {
        let after = self.ranges.partition_point(|range| *range.end() < number);
        self.ranges
            .get(after)
            .is_some_and(|range| range.contains(&number))
    }

    fn insert(&mut self, number: u32) {
        self.count += 1;
        let after = self.ranges.partition_point(|range| *range.end() < number);
        let joins = |range: &RangeInclusive<u32>| range.end().checked_add(1) == Some(number);
        match after
            .checked_sub(1)
            .and_then(|at| self.ranges.get_mut(at))
            .filter(|range| joins(range))
        {
            Some(before) => *before = *before.start()..=number,
            None => self.ranges.insert(after, number..=number),
        }
        if self.ranges.len() > RANGES_MAX {
            self.ranges.pop_front();
        }
    }
}

fn hash(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    // Zero stands for none.
    hasher.finish() | 1
}

/// Sessions that are remembered (count); the oldest is forgotten first.
const SESSIONS_MAX: usize = 4096;

/// Ranges of a session that are remembered (count); the lowest are forgotten first.
const RANGES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId::from_uuid(uuid::Uuid::from_u128(1));

    fn insert(seen: &mut Seen, numbers: impl IntoIterator<Item = u32>) {
        let mut news = News::default();
        numbers.into_iter().for_each(|number| news.push(number));
        seen.insert(SESSION, &news);
    }

    #[test]
    fn what_was_seen_is_known_and_what_was_not_is_not() {
        let mut seen = Seen::default();
        insert(&mut seen, (0..10).chain(20..30));
        insert(&mut seen, [12]);
        let known: Vec<_> = (0..40)
            .filter(|number| seen.has(SESSION, *number))
            .collect();
        let expected: Vec<_> = (0..10).chain([12]).chain(20..30).collect();
        assert_eq!(known, expected);
        assert_eq!(seen.count(SESSION), 21);
    }

    #[test]
    fn memory_is_bounded_however_hostile_the_sender() {
        let mut seen = Seen::default();
        insert(&mut seen, (0..100_000).map(|number| number * 2));
        assert_eq!(seen.sessions[&SESSION].ranges.len(), RANGES_MAX);
        for id in 0..10_000 {
            seen.session(SessionId::from_uuid(uuid::Uuid::from_u128(id)));
        }
        assert_eq!(seen.sessions.len(), SESSIONS_MAX);
    }

    #[test]
    fn a_status_that_is_sent_again_is_known() {
        let mut seen = Seen::default();
        assert!(!seen.is_last_status(SESSION, b"a"));
        seen.set_last_status(SESSION, b"a");
        assert!(seen.is_last_status(SESSION, b"a") && !seen.is_last_status(SESSION, b"b"));
    }
}
