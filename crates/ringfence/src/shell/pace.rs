//! How long to let things gather before they are dealt with together. Lives here: the rate of late,
//! and the pause it allows. Never here: waiting.
//!
//! One system call takes a batch of datagrams, and one sync of the disk a group of commits. With
//! little to do nothing waits; with much to do, a pause too short to be noticed in a call's set-up
//! fills the batches.

use types::Tick;

/// The rate is that of the last whole stretch of this length.
const STRETCH_US: u64 = 50_000;

/// Watches how much comes.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Below so many a second nothing waits.
    busy_per_s: u64,
    /// As many as should come together.
    together: u64,
    /// The longest pause.
    longest_us: u64,
    since: Tick,
    count: u64,
    per_s: u64,
}

impl Pace {
    /// Pauses of at most `longest_us`, for about `together` things, from `busy_per_s` things a second on.
    pub const fn new(busy_per_s: u64, together: u64, longest_us: u64) -> Pace {
        Pace { busy_per_s, together, longest_us, since: Tick(0), count: 0, per_s: 0 }
    }

    /// Notes what came.
    pub fn note(&mut self, now: Tick, came: usize) {
        let stretch = now.micros_since(self.since);
        if stretch >= STRETCH_US {
            self.per_s = self.count.saturating_mul(1_000_000) / stretch;
            self.since = now;
            self.count = 0;
        }
        self.count = self.count.saturating_add(came as u64);
    }

    /// How long to let things gather, in microseconds.
    pub fn pause_us(&self) -> u64 {
        if self.per_s < self.busy_per_s.max(1) {
            return 0;
        }
        (self.together * 1_000_000 / self.per_s).min(self.longest_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause after a second of `per_s` things a second.
    fn pause(per_s: u64) -> u64 {
        let mut pace = Pace::new(1_000, 10, 2_000);
        let step_us = 1_000_000 / per_s;
        (1..per_s).for_each(|n| pace.note(Tick(n * step_us), 1));
        pace.pause_us()
    }

    #[test]
    fn a_quiet_node_waits_for_nothing_and_a_busy_one_for_a_batch() {
        for (per_s, want) in [(10, 0), (900, 0), (2_000, 2_000), (10_000, 1_000), (100_000, 100)] {
            let got = pause(per_s);
            assert!(got.abs_diff(want) <= want / 50, "{per_s}: {got}, not {want}");
        }
    }

    #[test]
    fn a_rush_is_forgotten() {
        let mut pace = Pace::new(1_000, 10, 2_000);
        (0..1_000).for_each(|n| pace.note(Tick(n * 100), 1));
        assert!(pace.pause_us() > 0);
        pace.note(Tick(10_000_000), 0);
        assert_eq!(pace.pause_us(), 0);
    }
}
