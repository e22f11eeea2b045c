//! Which revision a request goes to is drawn at random: canary and stable see the same mix, which a judgement needs.
//!
//! xorshift64* (Vigna, 2016): quick, one word of state for each thread, seeded by the system. Not for secrets.

use std::cell::Cell;

/// A thread's generator.
#[derive(Debug)]
pub(super) struct Random(Cell<u64>);

impl Random {
    /// Seeded by the system; by the thread's number if that fails, which only makes the sequence predictable.
    pub(super) fn new(thread: usize) -> Self {
        let seed = getrandom::u64().unwrap_or(0x9E37_79B9_7F4A_7C15 ^ thread as u64);
        Self(Cell::new(seed | 1))
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Evenly from 0 to below `bound`, by the number's high bits.
    pub(super) fn below(&self, bound: u32) -> u32 {
        let scaled = u128::from(self.next()) * u128::from(bound);
        u32::try_from(scaled >> 64)
            .expect("a number below 2^64 times the bound, by 2^64, is below the bound")
    }
}
