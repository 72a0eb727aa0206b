//! The least that a piece of work could cost.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

use throughline_core::Clock;

use crate::events::Act;

/// A buffer that texts are copied to, one behind the other; it starts over when it is full.
#[derive(Debug)]
pub struct Copies {
    bytes: Box<[u8]>,
    at: usize,
}

impl Copies {
    /// A buffer as large as a block of a trail.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; 32_768].into(),
            at: 0,
        }
    }

    /// Copies the three texts of an act: no encoder can do less.
    #[inline]
    pub fn copy(&mut self, act: &Act) {
        let len = act.method.len() + act.url.len() + act.rule.len();
        if self.at + len > self.bytes.len() {
            self.at = 0;
        }
        for text in [act.method, act.url, act.rule] {
            let end = self.at + text.len();
            self.bytes[self.at..end].copy_from_slice(text.as_bytes());
            self.at = end;
        }
    }

    /// Goes back to the start.
    pub const fn rewind(&mut self) {
        self.at = 0;
    }
}

impl Default for Copies {
    fn default() -> Self {
        Self::new()
    }
}

/// What recording cannot do without: a number that nobody else gets, the time, the three texts.
#[derive(Debug)]
pub struct LeastRecord<C> {
    number: AtomicU64,
    clock: C,
    copies: Copies,
}

impl<C: Clock> LeastRecord<C> {
    /// With this clock.
    pub fn new(clock: C) -> Self {
        Self {
            number: AtomicU64::new(0),
            clock,
            copies: Copies::new(),
        }
    }

    /// One act.
    #[inline]
    pub fn record(&mut self, act: &Act) -> u64 {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        black_box(self.clock.wall());
        self.copies.copy(act);
        number
    }
}
