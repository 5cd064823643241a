//! The only clock of the program. Lives here: monotonic ticks, and a wall clock that is disciplined:
//! it never goes backwards and starts no earlier than the newest time in the store.
//! Never here: timers, time zones.
//!
//! Money windows run on the wall clock. Were it set back, old spending would count as new (safe);
//! were it set forward and back, spending would be forgotten early. So it follows the system's
//! clock slowly, and jumps only forward, when it is far behind.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use types::{Now, Tick, UnixMicros};

/// How often the system's clock is asked.
const ASK_EVERY_US: u64 = 1_000_000;
/// Followed at most this fast: one part in twenty.
const SLEW_DIVISOR: i64 = 20;
/// Behind by more than this, the clock jumps forward: the machine slept, or its clock was unset.
const JUMP_US: i64 = 10_000_000;

/// Reads the machine's clocks.
pub struct Clock {
    started: Instant,
    wall: Wall,
}

impl Clock {
    /// Starts at the system's time, or at `newest` if that is later.
    #[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
    pub fn new(newest: UnixMicros) -> Clock {
        Clock { started: Instant::now(), wall: Wall::new(system_wall(), newest) }
    }

    /// The present instant.
    #[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
    pub fn now(&mut self) -> Now {
        let tick = Tick(Instant::now().duration_since(self.started).as_micros() as u64);
        Now { tick, wall: self.wall.at(tick, system_wall) }
    }

    /// How far the system's clock is ahead of ours, in microseconds.
    pub fn lag_us(&self) -> i64 {
        self.wall.behind_us
    }
}

/// The system's own wall clock, undisciplined: for commands that run alone.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
pub fn system_wall() -> UnixMicros {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// The disciplined wall clock as a function of ticks.
struct Wall {
    /// Wall time at `anchor`.
    base: i64,
    /// The tick from which `base` runs on.
    anchor: u64,
    /// How far the system's clock was ahead when last asked; negative: behind.
    behind_us: i64,
}

impl Wall {
    fn new(system: UnixMicros, newest: UnixMicros) -> Wall {
        let base = system.0.max(newest.0);
        Wall { base, anchor: 0, behind_us: system.0.saturating_sub(base) }
    }

    fn at(&mut self, tick: Tick, system: impl FnOnce() -> UnixMicros) -> UnixMicros {
        let elapsed = tick.0.saturating_sub(self.anchor);
        let reached = self.base.saturating_add(self.run(elapsed));
        if elapsed < ASK_EVERY_US {
            return UnixMicros(reached);
        }
        let system = system().0;
        let ahead = system.saturating_sub(reached);
        self.base = if ahead > JUMP_US { system } else { reached };
        self.anchor = tick.0;
        self.behind_us = system.saturating_sub(self.base);
        UnixMicros(self.base)
    }

    /// Wall microseconds that pass in `elapsed` ticks: faster or slower until the gap is closed.
    fn run(&self, elapsed: u64) -> i64 {
        let elapsed = i64::try_from(elapsed).unwrap_or(i64::MAX);
        let most = elapsed / SLEW_DIVISOR;
        elapsed.saturating_add(self.behind_us.clamp(-most, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// Ours after each second, when the system's clock reads `system(second)`.
    fn seconds(newest: i64, count: u64, system: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut wall = Wall::new(UnixMicros(system(0)), UnixMicros(newest));
        let read = |second: u64, wall: &mut Wall| {
            let tick = Tick(second * SECOND as u64);
            wall.at(tick, || UnixMicros(system(second as i64))).0
        };
        (0..count).map(|second| read(second, &mut wall)).collect()
    }

    #[test]
    fn follows_a_good_clock_exactly() {
        let got = seconds(0, 5, |s| 1_000 * SECOND + s * SECOND);
        assert_eq!(got, (0..5).map(|s| (1_000 + s) * SECOND).collect::<Vec<_>>());
    }

    #[test]
    fn starts_at_the_newest_record_and_waits_for_the_system() {
        let got = seconds(1_000 * SECOND, 4_000, |s| 900 * SECOND + s * SECOND);
        assert_eq!(got[0], 1_000 * SECOND);
        assert!(got.windows(2).all(|pair| pair[1] > pair[0]), "never backwards");
        assert_eq!(got[3_999], 900 * SECOND + 3_999 * SECOND, "the gap is closed");
    }

    #[test]
    fn never_goes_back_when_the_system_does() {
        let got = seconds(0, 100, |s| if s < 50 { s * SECOND } else { (s - 3_600) * SECOND });
        assert!(got.windows(2).all(|pair| pair[1] > pair[0]));
        assert!(
            got[99] < 99 * SECOND && got[99] > 95 * SECOND,
            "slower by a twentieth: {}",
            got[99]
        );
    }

    #[test]
    fn small_gaps_are_slewed_and_large_ones_jumped() {
        let small = seconds(0, 10, |s| s * SECOND + if s > 2 { SECOND } else { 0 });
        assert!(small[9] > 9 * SECOND && small[9] < 9 * SECOND + SECOND / 2);
        let large = seconds(0, 10, |s| s * SECOND + if s > 2 { 3_600 * SECOND } else { 0 });
        assert_eq!(large[9], 3_609 * SECOND);
    }
}
