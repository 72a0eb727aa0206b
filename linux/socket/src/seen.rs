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
    /// Ranges of all sessions (count).
    ranges: usize,
    /// How often something has come (count).
    turn: u64,
}

/// The numbers that were seen, as ranges in order. A sender that keeps to the protocol needs one, and
/// one more for each loss.
#[derive(Debug, Default)]
struct SeenSession {
    ranges: VecDeque<RangeInclusive<u32>>,
    count: u64,
    /// The number that came first.
    first: Option<u32>,
    last_status: u64,
    /// The turn in which it was heard of last.
    turn: u64,
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

    /// How many of the `written` events of a session that has ended have not come (count).
    ///
    /// Another collector may have had what came before the first number that was seen here.
    pub(crate) fn missing(&self, session: SessionId, written: u32) -> u64 {
        let seen = self.sessions.get(&session);
        let first = seen.and_then(|seen| Some((seen, seen.first?)));
        first.map_or(0, |(seen, first)| {
            u64::from(written).saturating_sub(seen.count + u64::from(first))
        })
    }

    pub(crate) fn insert(&mut self, session: SessionId, news: &News) {
        let seen = self.session(session);
        let before = seen.ranges.len();
        seen.first = seen.first.or_else(|| news.0.iter().min().copied());
        for number in &news.0 {
            seen.insert(*number);
        }
        let after = seen.ranges.len();
        self.ranges = (self.ranges + after).saturating_sub(before);
        while self.ranges > RANGES_OF_ALL_MAX && self.sessions.len() > 1 {
            self.forget_one();
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
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(&session) {
            self.forget_one();
        }
        self.turn += 1;
        let seen = self.sessions.entry(session).or_default();
        seen.turn = self.turn;
        seen
    }

    /// Forgets the session that was not heard of for longest.
    fn forget_one(&mut self) {
        let oldest = self.sessions.iter().min_by_key(|(_, seen)| seen.turn);
        if let Some(seen) = oldest
            .map(|(session, _)| *session)
            .and_then(|session| self.sessions.remove(&session))
        {
            self.ranges = self.ranges.saturating_sub(seen.ranges.len());
        }
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

/// Sessions that are remembered (count); the one that was not heard of for longest is forgotten first.
const SESSIONS_MAX: usize = 4096;

/// Ranges of a session that are remembered (count); the lowest are forgotten first.
const RANGES_MAX: usize = 1024;

/// Ranges that are remembered of all sessions (count): they take a megabyte.
const RANGES_OF_ALL_MAX: usize = 1 << 16;

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
        assert_eq!(seen.missing(SESSION, 25), 4);
    }

    /// As after a collector was restarted, whose predecessor had what came before.
    #[test]
    fn what_came_before_the_first_that_was_seen_is_not_missing() {
        let mut seen = Seen::default();
        assert_eq!(seen.missing(SESSION, 100), 0);
        insert(&mut seen, 40..100);
        assert_eq!(seen.missing(SESSION, 100), 0);
        assert_eq!(seen.missing(SESSION, 101), 1);
    }

    #[test]
    fn a_session_that_goes_on_is_remembered_however_many_come_and_go() {
        let mut seen = Seen::default();
        insert(&mut seen, [0]);
        for id in 2..6000 {
            seen.session(SessionId::from_uuid(uuid::Uuid::from_u128(id)));
            if id % 1000 == 0 {
                insert(&mut seen, [u32::try_from(id).unwrap()]);
            }
        }
        assert!(seen.has(SESSION, 0));
        assert_eq!(seen.sessions.len(), SESSIONS_MAX);
    }

    #[test]
    fn memory_is_bounded_however_hostile_the_sender() {
        let mut seen = Seen::default();
        insert(&mut seen, (0..100_000).map(|number| number * 2));
        assert_eq!(seen.sessions[&SESSION].ranges.len(), RANGES_MAX);
        let mut news = News::default();
        (0..500).for_each(|number| news.push(number * 2));
        for id in 0..5000 {
            seen.insert(SessionId::from_uuid(uuid::Uuid::from_u128(id)), &news);
        }
        let ranges: usize = seen.sessions.values().map(|seen| seen.ranges.len()).sum();
        assert_eq!(seen.ranges, ranges);
        assert!(seen.ranges <= RANGES_OF_ALL_MAX);
    }

    #[test]
    fn a_status_that_is_sent_again_is_known() {
        let mut seen = Seen::default();
        assert!(!seen.is_last_status(SESSION, b"a"));
        seen.set_last_status(SESSION, b"a");
        assert!(seen.is_last_status(SESSION, b"a") && !seen.is_last_status(SESSION, b"b"));
    }
}
