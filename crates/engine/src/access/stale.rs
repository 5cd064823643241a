//! Phones that still use a secret that was changed. Lives here: naming them together, once.
//! Never here: how one is recognised, who is told.

use std::collections::BTreeMap;

use types::StalePhone;
use types::{AccountId, Fact, Millis, Now, Record, Tick};

/// Phones named in one message; were there more, the message names these.
const MOST_PHONES: usize = 500;
/// Accounts with a message in the making.
const MOST_ACCOUNTS: usize = 10_000;

/// Phones that were heard and not named yet, by account, and those that were named.
pub struct StalePhones {
    wait_ms: Millis,
    again_ms: Millis,
    open: BTreeMap<AccountId, Open>,
    /// Until when a phone is not named again.
    named: BTreeMap<PhoneKey, Tick>,
    next: Tick,
}

struct Open {
    due: Tick,
    phones: BTreeMap<PhoneKey, StalePhone>,
}

/// One phone: its line, and a hash of what it says that it is, its Contact and its source.
type PhoneKey = (types::LineId, u64);

impl StalePhones {
    pub fn new(wait_ms: Millis, again_ms: Millis) -> StalePhones {
        let (open, named) = (BTreeMap::new(), BTreeMap::new());
        StalePhones { wait_ms, again_ms, open, named, next: Tick::NEVER }
    }

    /// A phone that looks like this used a secret that was changed.
    pub fn heard(&mut self, now: Tick, account: AccountId, look: u64, phone: StalePhone) {
        let key = (phone.line, look);
        if self.named.get(&key).is_some_and(|until| now < *until) {
            return;
        }
        if self.open.len() >= MOST_ACCOUNTS && !self.open.contains_key(&account) {
            return;
        }
        let due = now.plus_ms(self.wait_ms);
        let open =
            self.open.entry(account).or_insert_with(|| Open { due, phones: BTreeMap::new() });
        if open.phones.len() < MOST_PHONES {
            open.phones.entry(key).or_insert(phone);
        }
        self.next = self.next.min(open.due);
    }

    /// Phones that were heard and are named with the next message.
    pub fn of(&self, account: AccountId) -> impl Iterator<Item = &StalePhone> {
        self.open.get(&account).into_iter().flat_map(|open| open.phones.values())
    }

    /// The secret was changed, or changed back: what was heard before means nothing any more.
    pub fn forget(&mut self, line: types::LineId) {
        self.named.retain(|(named, ..), _| *named != line);
        for open in self.open.values_mut() {
            open.phones.retain(|(heard, ..), _| *heard != line);
        }
    }

    /// When `handle_timeout` wants to be called next.
    pub fn next_timeout(&self) -> Option<Tick> {
        (self.next != Tick::NEVER).then_some(self.next)
    }

    /// The messages that are due: one for each account, naming all its phones.
    pub fn handle_timeout(&mut self, now: Now, records: &mut Vec<Record>) {
        if self.next > now.tick {
            return;
        }
        self.named.retain(|_, until| now.tick < *until);
        let due: Vec<AccountId> = self
            .open
            .iter()
            .filter(|(_, open)| open.due <= now.tick)
            .map(|(account, _)| *account)
            .collect();
        for account in due {
            let Some(open) = self.open.remove(&account) else { continue };
            let until = now.tick.plus_ms(self.again_ms);
            self.named.extend(open.phones.keys().map(|key| (*key, until)));
            let phones: Vec<StalePhone> = open.phones.into_values().collect();
            if !phones.is_empty() {
                records.push(Record::Fact(now.wall, Fact::StaleSecrets { account, phones }));
            }
        }
        self.next = self.open.values().map(|open| open.due).min().unwrap_or(Tick::NEVER);
    }
}

#[cfg(test)]
mod tests {
    use types::{LineId, UnixMicros};

    use super::*;

    const MINUTE_MS: Millis = 60_000;

    fn at(ms: Millis) -> Now {
        Now { tick: Tick(ms * 1_000), wall: UnixMicros(1_795_000_000_000_000) }
    }

    fn phone(n: u32) -> StalePhone {
        StalePhone {
            line: LineId(n),
            user: format!("phone{n}"),
            agent: "Yealink SIP-T46S 66.84.0.15".to_owned(),
            peer: ([192, 0, 2, 7], 1_024 + n as u16).into(),
            changed: UnixMicros(1_794_000_000_000_000),
        }
    }

    #[test]
    fn fifty_phones_are_one_message_and_none_is_named_twice_a_day() {
        let mut stale = StalePhones::new(10 * MINUTE_MS, 24 * 60 * MINUTE_MS);
        let account = AccountId(1);
        let mut records = Vec::new();
        for minute in 0..30 {
            for n in 0..50 {
                stale.heard(at(minute * MINUTE_MS).tick, account, n.into(), phone(n));
            }
            if stale.next_timeout().is_some_and(|tick| tick <= at(minute * MINUTE_MS).tick) {
                stale.handle_timeout(at(minute * MINUTE_MS), &mut records);
            }
        }
        let [Record::Fact(_, Fact::StaleSecrets { phones, .. })] = &records[..] else {
            panic!("{} messages", records.len())
        };
        assert_eq!(phones.len(), 50);
        assert_eq!(stale.next_timeout(), None);
        // A day later they are named once more; a phone whose line has a newer secret is at once.
        stale.heard(at(1_460 * MINUTE_MS).tick, account, 3, phone(3));
        assert!(stale.next_timeout().is_some());
        stale.forget(LineId(3));
        stale.handle_timeout(at(1_500 * MINUTE_MS), &mut records);
        assert_eq!(records.len(), 1, "nothing is left to say");
    }
}
