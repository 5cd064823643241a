//! Failures counted in little memory. Lives here: rolling windows, the table that strangers fill.
//! Never here: what is counted (scope), what follows from it (lock_out).

use hashbrown::HashTable;
use types::{Millis, Tick};

/// Parts of a window. The oldest counts whole, so that a window is never shorter than was said.
const PARTS: usize = 16;

/// The failures of one scope in a rolling window, and how often it was locked out before.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    key: u64,
    /// The part of time that was counted last.
    part: u32,
    failures: [u16; PARTS],
    /// Lock-outs so far, in a row.
    pub level: u8,
    /// Locked out until then.
    pub until: Tick,
}

impl Count {
    fn new(key: u64) -> Count {
        Count { key, part: 0, failures: [0; PARTS], level: 0, until: Tick(0) }
    }

    /// One that is locked out, from an earlier life.
    pub fn locked(key: u64, level: u8, until: Tick) -> Count {
        Count { level, until, ..Count::new(key) }
    }

    /// Counts one; the failures within the window, this one among them.
    pub fn add(&mut self, now: Tick, window_ms: Millis) -> u32 {
        let part = self.roll(now, window_ms);
        let here = &mut self.failures[part as usize % PARTS];
        *here = here.saturating_add(1);
        self.sum()
    }

    /// Forgets the failures, not the lock-outs.
    pub fn clear(&mut self) {
        self.failures = [0; PARTS];
    }

    fn sum(&self) -> u32 {
        self.failures.iter().map(|count| u32::from(*count)).sum()
    }

    /// Moves on to the part of time that is now.
    fn roll(&mut self, now: Tick, window_ms: Millis) -> u32 {
        // The part that is running counts beside the whole ones: one less makes the window.
        let part_us = (window_ms.saturating_mul(1_000) / (PARTS as u64 - 1)).max(1);
        let part = u32::try_from(now.0 / part_us).unwrap_or(u32::MAX);
        let gone = part.saturating_sub(self.part).min(PARTS as u32);
        for step in 1..=gone {
            self.failures[(self.part.wrapping_add(step)) as usize % PARTS] = 0;
        }
        if gone == PARTS as u32 {
            self.failures = [0; PARTS];
        }
        self.part = self.part.max(part);
        self.part
    }
}

/// Counts that strangers cause: bounded, and who is locked out is never forgotten for another.
pub struct Strangers {
    slots: Vec<Count>,
    by_key: HashTable<u32>,
    most: usize,
    /// Where to look next for a slot that can be given to another.
    hand: usize,
}

impl Strangers {
    pub fn new(most: usize) -> Strangers {
        Strangers { slots: Vec::new(), by_key: HashTable::new(), most: most.max(64), hand: 0 }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn find(&self, key: u64) -> Option<&Count> {
        let at = self.by_key.find(key, |&at| self.slots[at as usize].key == key)?;
        Some(&self.slots[*at as usize])
    }

    pub fn find_mut(&mut self, key: u64) -> Option<&mut Count> {
        let at = *self.by_key.find(key, |&at| self.slots[at as usize].key == key)?;
        Some(&mut self.slots[at as usize])
    }

    /// The count of this key, a new one if there is none; `None` if all that could be forgotten for it
    /// are locked out.
    pub fn entry(&mut self, now: Tick, key: u64) -> Option<&mut Count> {
        if let Some(at) = self.by_key.find(key, |&at| self.slots[at as usize].key == key).copied() {
            return Some(&mut self.slots[at as usize]);
        }
        let at = self.room(now)?;
        self.slots[at] = Count::new(key);
        let slots = &self.slots;
        self.by_key.insert_unique(key, at as u32, |&at| slots[at as usize].key);
        Some(&mut self.slots[at])
    }

    /// A slot for somebody new: a fresh one, or that of whoever failed longest ago among some.
    fn room(&mut self, now: Tick) -> Option<usize> {
        const LOOKED_AT: usize = 8;
        if self.slots.len() < self.most {
            if self.slots.len() == self.slots.capacity() {
                // Not by doubling: the bound is what was promised.
                let more = (self.slots.len() / 4 + 1_024).min(self.most - self.slots.len());
                self.slots.reserve_exact(more);
            }
            self.slots.push(Count::new(0));
            return Some(self.slots.len() - 1);
        }
        let len = self.slots.len();
        let seen = (0..LOOKED_AT).map(|step| (self.hand + step) % len);
        let free = seen.filter(|&at| self.slots[at].until <= now);
        let oldest = free.min_by_key(|&at| self.slots[at].part);
        self.hand = (self.hand + LOOKED_AT) % len;
        let at = oldest?;
        let key = self.slots[at].key;
        if let Ok(entry) = self.by_key.find_entry(key, |&slot| slot as usize == at) {
            entry.remove();
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000;
    const WINDOW_MS: Millis = 900_000;

    #[test]
    fn a_window_rolls_and_is_never_too_short() {
        fn check(at_minutes: &[u64], want: &[u32]) {
            let mut count = Count::new(1);
            let got: Vec<u32> =
                at_minutes.iter().map(|at| count.add(Tick(at * MINUTE), WINDOW_MS)).collect();
            assert_eq!(got, want, "{at_minutes:?}");
        }
        check(&[0, 0, 1, 2, 3], &[1, 2, 3, 4, 5]);
        // Fifteen minutes later the first still counts, a minute after that it does not.
        check(&[0, 15], &[1, 2]);
        check(&[0, 16], &[1, 1]);
        check(&[0, 5, 10, 15, 20, 25, 30], &[1, 2, 3, 4, 4, 4, 4]);
        check(&[7, 1_000, 1_000, 100_000], &[1, 1, 2, 1]);
        // A clock that stands still or goes back does not forgive.
        check(&[20, 10, 20], &[1, 2, 3]);
    }

    #[test]
    fn counts_go_as_far_as_any_budget_and_do_not_overflow() {
        let mut count = Count::new(1);
        let last = (0..100_000).map(|_| count.add(Tick(5), WINDOW_MS)).last();
        assert_eq!(last, Some(u32::from(u16::MAX)));
    }

    #[test]
    fn the_locked_are_not_forgotten_for_others() {
        let mut table = Strangers::new(64);
        let now = Tick(1_000_000);
        for key in 0..64 {
            let count = table.entry(now, key).expect("there is room");
            if key % 2 == 0 {
                count.until = Tick(now.0 + MINUTE);
            }
        }
        for key in 1_000..10_000 {
            assert!(table.entry(now, key).is_some());
        }
        assert_eq!(table.len(), 64);
        assert!((0..64).step_by(2).all(|key| table.find(key).is_some()));
        // All of them are locked: nobody gives way.
        let keys: Vec<u64> = (0..10_000).filter(|key| table.find(*key).is_some()).collect();
        for key in keys {
            table.find_mut(key).expect("it is there").until = Tick(now.0 + MINUTE);
        }
        assert!((20_000..20_100).all(|key| table.entry(now, key).is_none()));
        assert!(table.entry(Tick(now.0 + MINUTE), 30_000).is_some());
    }

    #[test]
    fn a_stranger_costs_little_memory() {
        assert!(size_of::<Count>() + 2 * size_of::<u32>() <= 64);
    }
}
