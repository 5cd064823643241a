//! When something is due. Lives here: timers in lanes, one lane for each delay. Never here: the
//! clock, what happens when a timer fires.
//!
//! The machines use a dozen different delays, and within one delay what is set first fires first.
//! So a lane is a plain queue, and setting a timer costs one push. A timer is not taken out when it
//! is no longer wanted: its owner knows the instant it waits for, and timers at other instants are
//! dropped when they come up, or when they outnumber the wanted ones.

use std::collections::VecDeque;

use types::{Millis, Tick};

use super::slots::Handle;

/// Which timer of which transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// A server transaction sends its response again.
    ServerRetransmit,
    /// A server transaction ends.
    ServerEnd,
    /// A client transaction sends its request again.
    ClientRetransmit,
    /// A client transaction ends.
    ClientEnd,
}

/// A timer that was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub deadline: Tick,
    pub handle: Handle,
    pub timer: Timer,
}

struct Lane {
    delay_ms: Millis,
    entries: VecDeque<Entry>,
}

/// All timers.
pub(super) struct TimerQueue {
    lanes: Vec<Lane>,
    len: usize,
}

impl TimerQueue {
    pub fn new() -> TimerQueue {
        TimerQueue { lanes: Vec::new(), len: 0 }
    }

    /// Sets a timer and returns its instant.
    pub fn set(&mut self, now: Tick, delay_ms: Millis, timer: Timer, handle: Handle) -> Tick {
        let lane = match self.lanes.iter().position(|lane| lane.delay_ms == delay_ms) {
            Some(lane) => lane,
            None => {
                self.lanes.push(Lane { delay_ms, entries: VecDeque::new() });
                self.lanes.len() - 1
            }
        };
        let entries = &mut self.lanes[lane].entries;
        let latest = entries.back().map_or(Tick(0), |entry| entry.deadline);
        let deadline = now.plus_ms(delay_ms).max(latest);
        entries.push_back(Entry { deadline, handle, timer });
        self.len += 1;
        deadline
    }

    /// The earliest instant of any timer, wanted or not.
    pub fn next(&self) -> Option<Tick> {
        self.lanes.iter().filter_map(|lane| Some(lane.entries.front()?.deadline)).min()
    }

    /// Takes the earliest timer that is due.
    pub fn pop_due(&mut self, now: Tick) -> Option<Entry> {
        let lane = self
            .lanes
            .iter_mut()
            .filter(|lane| lane.entries.front().is_some_and(|entry| entry.deadline <= now))
            .min_by_key(|lane| lane.entries.front().map(|entry| entry.deadline))?;
        let entry = lane.entries.pop_front()?;
        self.len -= 1;
        if lane.entries.capacity() > 1_024 && lane.entries.len() < lane.entries.capacity() / 8 {
            lane.entries.shrink_to(lane.entries.len() * 2);
        }
        Some(entry)
    }

    /// Drops unwanted timers when the queue is more than `bound` long: each transaction has at most
    /// two wanted ones, so a queue twice that long halves, and dropping costs nothing on average.
    pub fn compact(&mut self, bound: usize, wanted: impl Fn(&Entry) -> bool) {
        if self.len <= bound {
            return;
        }
        for lane in &mut self.lanes {
            lane.entries.retain(&wanted);
            lane.entries.shrink_to(lane.entries.len() * 2);
        }
        self.len = self.lanes.iter().map(|lane| lane.entries.len()).sum();
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.lanes.iter().map(|lane| lane.entries.capacity()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Handle = Handle { slot: 0, generation: 1 };

    #[test]
    fn fires_in_order_over_all_lanes() {
        let mut queue = TimerQueue::new();
        for (at_ms, delay_ms) in [(0, 500), (0, 4_000), (100, 500), (200, 1_000), (300, 500)] {
            queue.set(Tick(at_ms * 1_000), delay_ms, Timer::ClientEnd, OWNER);
        }
        assert_eq!(queue.next(), Some(Tick(500_000)));
        assert!(queue.pop_due(Tick(499_999)).is_none());
        let mut fired = Vec::new();
        while let Some(entry) = queue.pop_due(Tick(1_200_000)) {
            fired.push(entry.deadline.0 / 1_000);
        }
        assert_eq!(fired, [500, 600, 800, 1_200]);
        assert_eq!(queue.next(), Some(Tick(4_000_000)));
    }

    #[test]
    fn unwanted_timers_take_no_lasting_memory() {
        let mut queue = TimerQueue::new();
        for number in 0..100_000 {
            let handle = Handle { slot: 0, generation: number };
            queue.set(Tick(u64::from(number)), 32_000, Timer::ServerEnd, handle);
            queue.compact(1_024, |entry| entry.handle.generation + 10 > number);
            assert!(queue.len() <= 1_025);
        }
        assert!(queue.capacity() < 5_000, "{}", queue.capacity());
    }
}
