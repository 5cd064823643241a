//! The wall clock as the shell disciplines it. Lives here: jumps of the machine's clock, and what the node is told.
//! Never here: monotonic time.

use types::UnixMicros;

/// The machine's clock with its error, and the time handed to the node: never backwards, at a restart no earlier
/// than the newest time in the store; where it is ahead of the machine's clock it goes at half speed until caught up.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: UnixMicros,
    error_us: i64,
    told: UnixMicros,
    told_at: u64,
}

impl Clock {
    /// A clock that is right.
    pub const fn new(start: UnixMicros) -> Clock {
        Clock { start, error_us: 0, told: start, told_at: 0 }
    }

    /// The machine's clock jumps while the node is down.
    pub const fn jump(&mut self, by_us: i64) {
        self.error_us += by_us;
    }

    /// The node starts again.
    pub fn restart(&mut self, now: u64, newest: UnixMicros) {
        self.told = self.machine(now).max(newest);
        self.told_at = now;
    }

    /// What the node is told.
    pub fn wall(&mut self, now: u64) -> UnixMicros {
        let passed = now - self.told_at;
        let slow = UnixMicros(self.told.0 + (passed / 2) as i64);
        self.told = slow.max(self.machine(now));
        // What is left of a halving counts the next time: however often it is asked, it goes on.
        self.told_at = now - passed % 2;
        self.told
    }

    /// How far the time last told is from the truth.
    pub const fn drift_us(&self, now: u64) -> i64 {
        self.told.0 - self.start.0 - now as i64
    }

    const fn machine(&self, now: u64) -> UnixMicros {
        UnixMicros(self.start.0 + now as i64 + self.error_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_backwards() {
        let mut clock = Clock::new(UnixMicros::from_seconds(1_000));
        assert_eq!(clock.wall(5_000_000).seconds(), 1_005);
        clock.jump(-3_600_000_000);
        clock.restart(10_000_000, UnixMicros::from_seconds(1_009));
        assert_eq!(clock.wall(10_000_000).seconds(), 1_009);
        assert_eq!(clock.wall(20_000_000).seconds(), 1_014);
        let often: Vec<i64> = (1..=4).map(|us| clock.wall(20_000_000 + us).0).collect();
        let was = UnixMicros::from_seconds(1_014).0;
        assert_eq!(often, [was, was + 1, was + 1, was + 2]);
        clock.jump(3_600_000_000);
        assert_eq!(clock.wall(30_000_000).seconds(), 1_030);
    }
}
