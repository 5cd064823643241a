//! Lock-outs. Lives here: when patience ends, for how long, what is told and written of it.
//! Never here: who somebody is (devices), verifying secrets.
//!
//! ```text
//! free ── failures reach the budget ──► locked ── time passes ──► free, and the next lock-out is
//!   ▲                                     │                        twice as long, for a day
//!   └──────────── lifted by staff ────────┘
//! ```
//!
//! While locked, nothing is verified, so nothing is counted either: the right secret does not pass,
//! and who keeps asking does not make it longer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use types::{HashKey, LockOut, LockScope, Map, Millis, Now, Record, Tick};

use super::config::{AccessConfig, Budget};
use super::failures::{Count, Strangers};
use super::scope::Scope;

/// A lock-out is forgotten so long after its end: until then the next one is longer.
const REMEMBERED_MS: Millis = 24 * 3_600_000;

/// All lock-outs and the failures that may lead to more.
pub struct LockOuts {
    hash: HashKey,
    first_ms: Millis,
    longest_ms: Millis,
    max_locks: usize,
    writes_per_s: usize,
    /// Caused by strangers: bounded.
    strangers: Strangers,
    /// Of users that exist and of their devices: bounded by them.
    own: Map<u64, Count>,
    /// In force, as people know them.
    named: BTreeMap<u64, Named>,
    ends: BTreeSet<(Tick, u64)>,
    waiting: VecDeque<Change>,
    write_at: Tick,
}

struct Named {
    lock: LockOut,
    until: Tick,
    is_written: bool,
}

enum Change {
    Made(u64),
    Gone(LockScope),
}

impl LockOuts {
    pub fn new(hash: HashKey, config: &AccessConfig) -> LockOuts {
        LockOuts {
            hash,
            first_ms: config.first_lock_ms,
            longest_ms: config.longest_lock_ms,
            max_locks: config.max_locks,
            writes_per_s: config.writes_per_s.max(1),
            strangers: Strangers::new(config.max_counted),
            own: Map::with_hasher(hash),
            named: BTreeMap::new(),
            ends: BTreeSet::new(),
            waiting: VecDeque::new(),
            write_at: Tick::NEVER,
        }
    }

    /// Takes over a lock-out of an earlier life.
    pub fn restore(&mut self, now: Now, kept: &LockOut, is_own: bool) {
        let Some(scope) = Scope::read(&kept.scope) else { return };
        // To the microsecond: not a moment less than was said.
        let left_us = u64::try_from(kept.until.0.saturating_sub(now.wall.0)).unwrap_or(0);
        let left_us = left_us.min(self.longest_ms.saturating_mul(1_000));
        if left_us == 0 {
            return;
        }
        let (key, until) = (scope.key(self.hash), Tick(now.tick.0.saturating_add(left_us)));
        let count = Count::locked(key, kept.level.saturating_add(1), until);
        if is_own {
            self.own.insert(key, count);
        } else if let Some(place) = self.strangers.entry(now.tick, key) {
            *place = count;
        }
        self.named.insert(key, Named { lock: kept.clone(), until, is_written: true });
        self.ends.insert((until, key));
    }

    /// Is this scope locked out, and until when?
    pub fn locked_until(&self, now: Tick, scope: &Scope<'_>) -> Option<Tick> {
        let key = scope.key(self.hash);
        let count = self.own.get(&key).or_else(|| self.strangers.find(key))?;
        (now < count.until).then_some(count.until)
    }

    /// Are there so many lock-outs that no more can be made? Then no stranger is looked at.
    pub fn is_full(&self) -> bool {
        self.named.len() >= self.max_locks
    }

    /// How many are in force.
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// How many failures of strangers are being counted.
    pub fn counted(&self) -> usize {
        self.strangers.len()
    }

    /// Counts a failure. The lock-out that follows, if one does. `is_own`: of a user that exists, over
    /// all sources, or of one of his devices.
    pub fn failed(
        &mut self,
        now: Now,
        scope: Scope<'_>,
        budget: Budget,
        is_own: bool,
    ) -> Option<LockOut> {
        let key = scope.key(self.hash);
        let count = if is_own {
            self.own.entry(key).or_insert_with(|| Count::locked(key, 0, Tick(0)))
        } else {
            self.strangers.entry(now.tick, key)?
        };
        let failures = count.add(now.tick, budget.window_ms);
        if failures < u32::from(budget.failures) || now.tick < count.until {
            return None;
        }
        if now.tick.ms_since(count.until) > REMEMBERED_MS {
            count.level = 0;
        }
        let lasts_ms = (self.first_ms << count.level.min(16)).min(self.longest_ms);
        let (level, until) = (count.level, now.tick.plus_ms(lasts_ms));
        (count.level, count.until) = (level.saturating_add(1), until);
        if scope_starts_anew(&scope) {
            count.clear();
        }
        let lock = LockOut {
            scope: scope.to_lock_scope(),
            since: now.wall,
            until: now.wall.plus_ms(lasts_ms),
            level,
            failures,
        };
        self.name(now.tick, key, lock.clone(), until);
        Some(lock)
    }

    /// The device showed the right secret: what it got wrong before does not count any more.
    pub fn passed(&mut self, scope: Scope<'_>) {
        let key = scope.key(self.hash);
        if let Some(count) = self.own.get(&key)
            && count.until == Tick(0)
        {
            self.own.remove(&key);
        }
    }

    /// Lists a lock-out and has it written. Beyond the bound it stands all the same, without a name.
    fn name(&mut self, now: Tick, key: u64, lock: LockOut, until: Tick) {
        if self.waiting.len() >= 2 * self.max_locks
            || (self.is_full() && !self.named.contains_key(&key))
        {
            return;
        }
        if let Some(before) = self.named.insert(key, Named { lock, until, is_written: false }) {
            self.ends.remove(&(before.until, key));
        }
        self.ends.insert((until, key));
        self.waiting.push_back(Change::Made(key));
        if self.write_at == Tick::NEVER {
            self.write_at = now;
        }
    }

    /// Ends a lock-out before its time, and forgets the failures; the kept one, if there was one.
    pub fn lift(&mut self, scope: Scope<'_>) -> Option<LockOut> {
        let key = scope.key(self.hash);
        if let Some(count) = self.own.get_mut(&key).or_else(|| self.strangers.find_mut(key)) {
            count.clear();
            (count.until, count.level) = (Tick(0), 0);
        }
        let named = self.named.remove(&key)?;
        self.ends.remove(&(named.until, key));
        Some(named.lock)
    }

    /// All that are in force, those that end first before the others.
    pub fn all(&self) -> impl Iterator<Item = &LockOut> {
        self.ends.iter().filter_map(|(_, key)| self.named.get(key)).map(|named| &named.lock)
    }

    /// When `handle_timeout` wants to be called next.
    pub fn next_timeout(&self) -> Option<Tick> {
        let end = self.ends.first().map_or(Tick::NEVER, |(tick, _)| *tick);
        Some(end.min(self.write_at)).filter(|tick| *tick != Tick::NEVER)
    }

    /// Forgets what is over, and gives what is to be written: so many in a second.
    pub fn handle_timeout(&mut self, now: Now, records: &mut Vec<Record>) {
        while let Some(&(until, key)) = self.ends.first() {
            if until > now.tick {
                break;
            }
            self.ends.pop_first();
            if let Some(named) = self.named.remove(&key)
                && named.is_written
            {
                self.waiting.push_back(Change::Gone(named.lock.scope));
                self.write_at = self.write_at.min(now.tick);
            }
        }
        if self.write_at > now.tick {
            return;
        }
        let most = self.writes_per_s.min(self.waiting.len());
        records.extend(self.waiting.drain(..most).filter_map(|change| match change {
            Change::Gone(scope) => Some(Record::LockOutGone(scope)),
            // It may be over by now.
            Change::Made(key) => self.named.get_mut(&key).map(|named| {
                named.is_written = true;
                Record::LockOut(Box::new(named.lock.clone()))
            }),
        }));
        let is_done = self.waiting.is_empty();
        self.write_at = if is_done { Tick::NEVER } else { now.tick.plus_ms(1_000) };
    }
}

/// Failures before a lock-out count again after it only where the window is a day: an account that a
/// thousand sources guess at stays with its known devices while they go on.
fn scope_starts_anew(scope: &Scope<'_>) -> bool {
    !matches!(scope, Scope::User(_))
}

#[cfg(test)]
mod tests {
    use types::{Source, UnixMicros};

    use super::*;

    const START: i64 = 1_795_000_000_000_000;
    const MINUTE_MS: Millis = 60_000;

    fn at(ms: Millis) -> Now {
        let tick = Tick(ms * 1_000);
        Now { tick, wall: UnixMicros(START + (ms * 1_000).cast_signed()) }
    }

    fn table() -> (LockOuts, Budget) {
        let config = AccessConfig::default();
        (LockOuts::new(HashKey(1, 2), &config), config.source_user)
    }

    fn alice() -> Scope<'static> {
        Scope::SourceUser(Source::of([192, 0, 2, 7].into()), "alice")
    }

    /// Fails until it is locked; how often, and the lock.
    fn fail_until_locked(table: &mut LockOuts, now: Now, budget: Budget) -> (u32, LockOut) {
        for tries in 1..1_000 {
            if let Some(lock) = table.failed(now, alice(), budget, false) {
                return (tries, lock);
            }
        }
        panic!("never locked")
    }

    #[test]
    fn five_failures_lock_for_a_quarter_of_an_hour_to_the_microsecond() {
        let (mut table, budget) = table();
        let (tries, lock) = fail_until_locked(&mut table, at(0), budget);
        assert_eq!((tries, lock.level, lock.failures), (5, 0, 5));
        assert_eq!(lock.until.ms_since(lock.since), 15 * MINUTE_MS);
        let end = at(15 * MINUTE_MS).tick;
        for (tick, want) in [(Tick(end.0 - 1), true), (end, false), (Tick(end.0 + 1), false)] {
            assert_eq!(table.locked_until(tick, &alice()).is_some(), want, "{tick:?}");
        }
        let bob = Scope::SourceUser(Source::of([192, 0, 2, 7].into()), "bob");
        assert_eq!(table.locked_until(at(1).tick, &bob), None);
    }

    #[test]
    fn each_lock_out_is_twice_as_long_up_to_twelve_hours_and_a_quiet_day_forgives() {
        let (mut table, budget) = table();
        let mut now = 0;
        let mut lengths = Vec::new();
        for _ in 0..8 {
            let (_, lock) = fail_until_locked(&mut table, at(now), budget);
            let lasts = lock.until.ms_since(lock.since);
            lengths.push(lasts / MINUTE_MS);
            now += lasts;
        }
        assert_eq!(lengths, [15, 30, 60, 120, 240, 480, 720, 720]);
        let (_, lock) = fail_until_locked(&mut table, at(now + REMEMBERED_MS + 1), budget);
        assert_eq!(lock.level, 0);
    }

    #[test]
    fn lifting_forgets() {
        let (mut table, budget) = table();
        fail_until_locked(&mut table, at(0), budget);
        assert!(table.lift(alice()).is_some());
        assert_eq!(table.locked_until(at(1).tick, &alice()), None);
        assert_eq!((table.len(), table.all().count()), (0, 0));
        assert_eq!(fail_until_locked(&mut table, at(2), budget).0, 5);
        assert!(table.lift(Scope::User("nobody")).is_none());
    }

    #[test]
    fn a_lock_out_outlives_the_program_and_its_end_is_written_once() {
        let (mut table, budget) = table();
        let (_, lock) = fail_until_locked(&mut table, at(0), budget);
        let mut records = Vec::new();
        table.handle_timeout(at(0), &mut records);
        assert_eq!(records, [Record::LockOut(Box::new(lock.clone()))]);
        let (mut second, _) = super::tests::table();
        second.restore(at(10 * MINUTE_MS), &lock, false);
        let end = at(15 * MINUTE_MS).tick;
        assert!(second.locked_until(Tick(end.0 - 1), &alice()).is_some());
        assert_eq!(second.locked_until(end, &alice()), None);
        records.clear();
        second.handle_timeout(at(15 * MINUTE_MS), &mut records);
        assert_eq!(records, [Record::LockOutGone(lock.scope.clone())]);
        assert_eq!(second.next_timeout(), None);
        // The next one is longer, as it would have been.
        let (_, next) = fail_until_locked(&mut second, at(15 * MINUTE_MS), budget);
        assert_eq!(next.level, 1);
        second.restore(at(60 * MINUTE_MS), &lock, false);
        assert_eq!(second.len(), 1, "one that is over is not taken up");
    }

    #[test]
    fn a_lock_out_taken_up_again_ends_no_microsecond_sooner() {
        let (mut table, budget) = table();
        let (_, lock) = fail_until_locked(&mut table, at(0), budget);
        for late_us in [1, 999, 1_000] {
            let began = at(10 * MINUTE_MS);
            let wall = UnixMicros(began.wall.0 + late_us);
            let (mut second, _) = super::tests::table();
            second.restore(Now { tick: Tick(0), wall }, &lock, false);
            let end = Tick(5 * MINUTE_MS * 1_000 - late_us.cast_unsigned());
            assert!(second.locked_until(Tick(end.0 - 1), &alice()).is_some(), "{late_us}");
            assert_eq!(second.locked_until(end, &alice()), None, "{late_us}");
        }
    }

    #[test]
    fn a_budget_beyond_a_byte_is_kept_within_one_part_of_its_window() {
        let (mut table, _) = table();
        let budget = Budget { failures: 600, window_ms: 60 * MINUTE_MS };
        assert_eq!(fail_until_locked(&mut table, at(0), budget).0, 600);
    }

    #[test]
    fn many_lock_outs_are_written_at_a_measured_pace() {
        let (mut table, budget) = table();
        for n in 0..250u32 {
            let source = Source::of(std::net::Ipv4Addr::from(0xc633_0000 + n).into());
            let scope = Scope::SourceUser(source, "alice");
            (0..5).for_each(|_| drop(table.failed(at(0), scope, budget, false)));
        }
        let mut counts = Vec::new();
        for second in 0..4 {
            let mut records = Vec::new();
            table.handle_timeout(at(second * 1_000), &mut records);
            counts.push(records.len());
        }
        assert_eq!(counts, [100, 100, 50, 0]);
    }
}
