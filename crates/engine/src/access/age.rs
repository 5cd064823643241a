//! Old secrets. Lives here: when a holder is reminded of the age of one. Never here: how he hears of
//! it, forcing him.
//!
//! Lines are looked at in turn, all of them within an hour, a few at a time: the node's thread is
//! never held up. What was reminded is kept with the line, so that it is said once.

use types::{AccountId, Fact, Line, LineStatus, Now, Record, Tick, UnixMicros};

use crate::engine::Engine;

/// Days of age at which holders are reminded (R15: SIP passwords are changed every 90 days).
const REMINDERS: [u8; 2] = [80, 90];
const DAY_US: i64 = 86_400 * 1_000_000;
/// All lines are looked at within so long.
const ROUND_MS: u64 = 3_600_000;
/// Lines that are looked at together.
const TOGETHER: usize = 2_000;
/// The first look after a start or a first line.
const FIRST_MS: u64 = 1_000;

/// How far the round has come.
#[derive(Debug)]
pub(crate) struct AgeRound {
    /// Look again then; never while there is no line.
    pub at: Tick,
    place: usize,
}

impl Default for AgeRound {
    fn default() -> AgeRound {
        AgeRound { at: Tick::NEVER, place: 0 }
    }
}

impl AgeRound {
    /// There is something to look at from now on.
    pub fn begin(&mut self, now: Tick) {
        if self.at == Tick::NEVER {
            self.at = now.plus_ms(FIRST_MS);
        }
    }
}

/// Whole days since a secret was set; `None` if that is not known, or lies ahead.
pub fn days_old(line: &Line, now: UnixMicros) -> Option<u32> {
    let age_us = now.0.checked_sub(line.secret_set.0).filter(|_| line.secret_set.0 > 0)?;
    u32::try_from(age_us.div_euclid(DAY_US)).ok()
}

/// The reminder that is due: the highest of those the age has come to, unless it was given.
fn due(line: &Line, now: UnixMicros) -> Option<(u8, u32)> {
    let days = days_old(line, now)?;
    let reached = REMINDERS.into_iter().rev().find(|reminder| days >= u32::from(*reminder))?;
    let is_told = line.reminded_days >= reached || line.status == LineStatus::Disabled;
    (!is_told).then_some((reached, days))
}

impl Engine {
    /// Looks at the next lines; what is due goes to the facts, with the line that remembers it.
    pub(crate) fn remind_of_ages(&mut self, now: Now) {
        let count = self.directory.line_count();
        let end = (self.ages.place + TOGETHER).min(count);
        let found: Vec<(Line, u32)> = (self.ages.place..end)
            .filter_map(|place| {
                let line = self.directory.line_at(place);
                let (reminder, days) = due(line, now.wall)?;
                let open = self.is_open(line.account);
                open.then(|| (Line { reminded_days: reminder, ..line.clone() }, days))
            })
            .collect();
        for (line, days) in found {
            self.directory.put_line(&line);
            let fact = Fact::SecretAge { account: line.account, line: line.id, days };
            self.facts.push(Record::Line(Box::new(line)));
            self.facts.push(Record::Fact(now.wall, fact));
        }
        self.ages.place = if end == count { 0 } else { end };
        let steps = count.div_ceil(TOGETHER).max(1) as u64;
        self.ages.at = match count {
            0 => Tick::NEVER,
            _ => now.tick.plus_ms(ROUND_MS / steps),
        };
    }

    fn is_open(&self, account: AccountId) -> bool {
        let account = self.directory.account(account);
        account.is_some_and(|account| account.status != types::AccountStatus::Closed)
    }
}
