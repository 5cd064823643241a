//! A second model of everything that matters, written without the first one: from the wire at the node's door, from
//! what the node wants stored, from what is durable. Lives here: the invariants. Never here: engine, ledger, rating,
//! except to compare their figures with ours.

pub mod books;
mod judge;
mod last;
pub mod legs;
mod office;
pub mod prices;
mod records;

use std::collections::BTreeMap;
use std::net::IpAddr;

use edge::Node;
use store::{MemoryStore, Reader};
use types::{Account, AccountId, Cdr, DecisionId, Now, Rate, Record, Trunk, TrunkId, UnixMicros};

use crate::wire::Wire;
use books::Books;
use legs::Legs;
use prices::Prices;

/// How well the wall clock tells the length of a call with a restart in it.
const INTERRUPTED_MS: u64 = 100;
/// How much older than its death the last mark of life of a node with a good store may be.
const MARK_AGE_US: i64 = 1_500_000;
/// Within which time a settled call is off the wire.
const SETTLED_US: u64 = 1_000_000;
/// Within which time a recovered call is metered again or hung up (M8).
const RECOVERY_US: u64 = 10_000_000;

/// What was seen, to know that a world was not an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Calls admitted.
    pub admitted: u64,
    /// Calls that the production auditor judged.
    pub audited: u64,
    /// Refusals by reason.
    pub refused: BTreeMap<String, u64>,
    /// Ends of admitted calls by cause.
    pub ended: BTreeMap<String, u64>,
    /// Holds made longer.
    pub extended: u64,
    /// Crashes.
    pub crashes: u64,
    /// Calls held when the node came back.
    pub recovered: u64,
    /// Charged in all, millionths.
    pub charged: i64,
    /// What the carriers bill, millionths.
    pub billed: i64,
    /// Of that, for talk beyond the node's own end of the call.
    pub overrun: i64,
    /// Postings by kind, bills, controls that changed.
    pub office: BTreeMap<String, u64>,
}

/// The auditor.
#[derive(Debug, Default)]
pub struct Auditor {
    /// What is wrong; the world stops at the first.
    pub violations: Vec<String>,
    /// What was seen.
    pub tally: Tally,
    prices: Prices,
    accounts: BTreeMap<AccountId, Account>,
    trunks: BTreeMap<TrunkId, Trunk>,
    /// Accounts, trunks and decks in the order in which they became durable.
    kept_settings: Vec<Record>,
    asked: Books,
    kept: Books,
    legs: Legs,
    senders: judge::Senders,
    office: office::Office,
    /// The price of a call is fixed when it is admitted.
    rates: BTreeMap<DecisionId, Option<Rate>>,
    /// Talk time that a durable hold ever covered.
    covered: BTreeMap<DecisionId, u64>,
    /// Decisions that were ever durably held.
    held: BTreeMap<DecisionId, ()>,
    /// Calls that were open across a restart, and until when they must be looked after.
    recovering: Vec<(u64, DecisionId)>,
    /// Calls that were open at any crash: their durations are known only roughly.
    interrupted: BTreeMap<DecisionId, ()>,
    /// When the node first asked for each CDR.
    settled: BTreeMap<DecisionId, u64>,
    /// Did somebody change controls while calls went on?
    levels_changed: bool,
    restarted_at: u64,
    /// How far the node's wall clock is from the truth, now and at its last start, in microseconds.
    drift_us: i64,
    restart_drift_us: i64,
    crashes: Vec<u64>,
    /// When the node told the time last: world, wall.
    told: (u64, UnixMicros),
    changed: Vec<AccountId>,
    /// CDRs of this step, to be compared with what goes over the wire in the same step.
    fresh: Vec<DecisionId>,
}

impl Auditor {
    /// An auditor who knows what the store begins with.
    pub fn new(records: &[Record]) -> Auditor {
        let mut auditor = Auditor { kept_settings: records.to_vec(), ..Auditor::default() };
        records.iter().for_each(|record| auditor.learn(record));
        auditor.accounts.values().for_each(|account| auditor.office.begin_with(account));
        auditor
    }

    /// Something is wrong.
    pub fn blame(&mut self, now: u64, what: String) {
        self.violations.push(format!("{} {what}", crate::story::clock(now)));
    }

    /// The node's wall clock is wrong by so much.
    pub fn drift(&mut self, by_us: i64) {
        self.drift_us = by_us;
        self.legs.drift(by_us);
    }

    /// An actor is the carrier behind a trunk.
    pub fn add_carrier(&mut self, actor: usize, trunk: TrunkId) {
        self.legs.add_carrier(actor, trunk);
    }

    /// The newest CDR of a line, as the node asked for it.
    pub fn last_cdr(&self, line: types::LineId) -> Option<&Cdr> {
        self.asked.cdrs.values().rfind(|cdr| cdr.line == Some(line))
    }

    /// What is asked for holds at once; after a crash only what is durable does.
    fn learn(&mut self, record: &Record) {
        match record {
            Record::Account(account) => {
                let before = self.accounts.get(&account.id);
                self.levels_changed |=
                    before.is_some_and(|before| before.controls != account.controls);
                self.accounts.insert(account.id, (**account).clone());
            }
            Record::Trunk(trunk) => {
                self.trunks.insert(trunk.id, (**trunk).clone());
            }
            Record::Deck(_, deck) => self.prices.put(deck),
            Record::Line(line) => self.senders.put(line),
            _ => self.office.learn(record),
        }
    }

    /// The node sent something to an actor.
    pub fn sent(&mut self, now: u64, to: usize, wire: &Wire) {
        // Calls without a price go at once, whatever the store says; so do short codes.
        let digits = crate::carrier::international(&wire.dialled());
        let free = |account: &Account| {
            let rate = self.prices.of(account.sell_deck, &digits, UnixMicros(i64::MAX));
            rate.is_some_and(|rate| rate.per_minute.is_zero() && rate.connect_fee.is_zero())
        };
        let free = digits.len() <= 6 || self.accounts.values().any(free);
        if let Err(what) = self.legs.sent(now, to, wire, free, &self.kept) {
            self.blame(now, what);
        }
    }

    /// Something reached the node, from this address.
    pub fn received(&mut self, now: u64, (from, peer): (usize, IpAddr), wire: &Wire) {
        self.senders.received(peer, wire);
        self.legs.received(now, from, wire);
    }

    /// Records are durable.
    pub fn durable(&mut self, records: &[Record]) {
        for record in records {
            if let Record::Hold(hold) = record {
                self.held.insert(hold.decision, ());
                let covered = self.covered.entry(hold.decision).or_default();
                *covered = hold.covered_ms.max(*covered);
            }
            if let Record::Cdr(cdr) = record
                && self.asked.cdrs.get(&cdr.decision) != Some(cdr)
            {
                let decision = cdr.decision;
                self.violations
                    .push(format!("a CDR {decision} was written that the node never asked for"));
            }
            if let Err(what) = self.office_durable(record) {
                self.violations.push(what);
            }
            self.kept.apply(record);
            if matches!(
                record,
                Record::Account(_) | Record::Trunk(_) | Record::Deck(..) | Record::Standing(_)
            ) {
                self.kept_settings.push(record.clone());
            }
        }
    }

    /// The node wants records written in one transaction.
    pub fn asked(&mut self, now: u64, wall: UnixMicros, records: &[Record]) {
        self.told = (now, wall);
        for record in records {
            self.learn(record);
            let found = match record {
                Record::Hold(hold) => self.check_hold(wall, hold, records),
                Record::HoldClosed(decision) => self.check_closed(*decision, records),
                Record::Cdr(cdr) => self.check_cdr(now, cdr, records),
                Record::Posting(_) | Record::Bill(_) => {
                    self.asked.apply(record);
                    Ok(())
                }
                _ => Ok(()),
            };
            if let Err(what) = found {
                self.blame(now, what);
            }
        }
    }

    /// The node died; `newest` is the newest time that its store knows of.
    pub fn crashed(&mut self, now: u64, newest: UnixMicros) {
        self.tally.crashes += 1;
        self.crashes.push(now);
        let wall = self.told.1.0.saturating_add_unsigned(now - self.told.0);
        let was_blind = wall - newest.0 > MARK_AGE_US;
        self.legs.forget(now, &self.kept, newest, was_blind);
        self.asked = self.kept.clone();
        self.office.forget_what_stood();
        for record in self.kept_settings.clone() {
            self.learn(&record);
        }
        let open: Vec<DecisionId> = self.kept.holds.keys().copied().collect();
        self.interrupted.extend(open.into_iter().map(|decision| (decision, ())));
        self.recovering.clear();
    }

    /// The node is back: its exposure is the same or more, the store has what we saw being written.
    pub fn restarted(&mut self, now: u64, instant: Now, node: &Node, store: &MemoryStore) {
        self.restarted_at = now;
        self.restart_drift_us = self.drift_us;
        self.tally.recovered += self.kept.holds.len() as u64;
        let open = self.kept.holds.keys();
        self.recovering = open.map(|decision| (now + RECOVERY_US, *decision)).collect();
        let in_store = store.holds(None).expect("memory can always be read");
        if in_store.len() != self.kept.holds.len() {
            self.blame(
                now,
                format!(
                    "{} holds in the store, {} were written",
                    in_store.len(),
                    self.kept.holds.len()
                ),
            );
        }
        let wall = instant.wall;
        for hold in self.kept.holds.values().cloned().collect::<Vec<_>>() {
            if matches!(hold.state, types::HoldState::Answered(at) if at > wall) {
                self.blame(now, format!("the clock starts before the answer of {}", hold.decision));
            }
        }
        let ago = |hours: i64| UnixMicros(wall.0 - hours * 3_600_000_000);
        for id in self.accounts.keys().copied().collect::<Vec<_>>() {
            let Some(usage) = node.engine().usage(instant, id) else { continue };
            let pairs = [
                ("held", usage.held, self.kept.held(id, false)),
                ("held for costly calls", usage.held_costly, self.kept.held(id, true)),
                ("spent in 1 h", usage.spent_1h, self.kept.spent(id, true, ago(1))),
                ("spent in 24 h", usage.spent_24h, self.kept.spent(id, true, ago(24))),
                ("spent in 7 d", usage.spent_7d, self.kept.spent(id, true, ago(24 * 7))),
                ("spent in 24 h, all", usage.spent_all_24h, self.kept.spent(id, false, ago(24))),
                ("un-billed", usage.unbilled, self.kept.unbilled(id)),
            ];
            for (what, got, want) in pairs {
                // A call that ended in the same instant moves from held to spent; both together never shrink.
                if got.micros() < want && !what.starts_with("held") {
                    self.blame(
                        now,
                        format!(
                            "after the restart account {id} has {got} {what}, less than {want}"
                        ),
                    );
                }
            }
            let exposure = usage.held.micros() + usage.spent_all_24h.micros();
            let was = self.kept.held(id, false) + self.kept.spent(id, false, ago(24));
            if exposure < was {
                self.blame(
                    now,
                    format!(
                        "after the restart account {id} is exposed to {exposure}, before {was}"
                    ),
                );
            }
        }
    }

    /// After each step of the node.
    pub fn step(&mut self, now: u64, instant: Now, node: &Node) {
        for id in std::mem::take(&mut self.changed) {
            self.compare(now, instant, node, id);
        }
        for decision in std::mem::take(&mut self.fresh) {
            let found =
                self.asked.cdrs.get(&decision).map_or(Ok(()), |cdr| self.check_duration(cdr));
            found.unwrap_or_else(|what| self.blame(now, what));
        }
        self.check_talks(now);
        if self.recovering.iter().any(|(until, _)| *until <= now) {
            self.check_recovered(now, node);
        }
    }

    /// The node's own figures against ours.
    fn compare(&mut self, now: u64, instant: Now, node: &Node, id: AccountId) {
        let Some(usage) = node.engine().usage(instant, id) else { return };
        let (held, costly) = (self.asked.held(id, false), self.asked.held(id, true));
        if usage.held.micros() != held || usage.held_costly.micros() != costly {
            let got = (usage.held, usage.held_costly);
            self.blame(
                now,
                format!("account {id}: the node holds {got:?}, asked for {held} and {costly}"),
            );
        }
        let unbilled = self.asked.unbilled(id);
        if usage.unbilled.micros() != unbilled {
            let got = usage.unbilled;
            self.blame(
                now,
                format!("account {id}: the node has {got} un-billed, asked for {unbilled}"),
            );
        }
        let day = UnixMicros(instant.wall.0 - 24 * 3_600_000_000);
        let spent = self.asked.spent(id, true, day);
        if usage.spent_24h.micros() < spent {
            self.blame(
                now,
                format!("account {id}: the node counts {} spent, it is {spent}", usage.spent_24h),
            );
        }
    }

    /// Nobody talks longer at somebody's expense than a durable hold covers.
    fn check_talks(&mut self, now: u64) {
        let mut found = Vec::new();
        for ((_, call_id), leg) in self.legs.talking().filter(|(_, leg)| !leg.gave_up(now)) {
            let (Some(answered), Some(decision)) = (leg.answered, leg.decision) else {
                continue;
            };
            let covered = self.covered.get(&decision).copied().unwrap_or(0);
            let paid = self
                .rates
                .get(&decision)
                .copied()
                .flatten()
                .is_some_and(|rate| !rate.per_minute.is_zero());
            // After a restart the node has only the wall clock to tell how long a call has lasted:
            // where the clock went back meanwhile, that much talk is unknown to it.
            let (grace, unknown_us) = if self.restarted_at > answered {
                let unknown_us = (leg.drift_us - self.restart_drift_us).max(0).unsigned_abs();
                (self.restarted_at + RECOVERY_US, unknown_us)
            } else {
                (0, 0)
            };
            let end = (answered + covered * 1_000 + unknown_us).max(grace);
            if paid && now > end {
                found.push(format!(
                    "{decision} ({call_id}) talks beyond the {covered} ms that are held for it"
                ));
            }
            let settled = self.settled.get(&decision).copied().unwrap_or(u64::MAX);
            if now > settled.max(answered).max(grace).saturating_add(SETTLED_US) {
                found.push(format!("{decision} ({call_id}) is settled and goes on"));
            }
        }
        for what in found {
            self.blame(now, what);
        }
    }

    /// M8: ten seconds after a restart every open call is metered again or has ended.
    fn check_recovered(&mut self, now: u64, node: &Node) {
        let due: Vec<DecisionId> = self
            .recovering
            .iter()
            .filter(|(until, _)| *until <= now)
            .map(|(_, decision)| *decision)
            .collect();
        self.recovering.retain(|(until, _)| *until > now);
        for decision in due {
            let live = node.engine().live().any(|call| call.decision == decision);
            if !live && !self.asked.cdrs.contains_key(&decision) {
                self.blame(
                    now,
                    format!("{decision} was open before the crash, and nobody looks after it"),
                );
            }
        }
    }
}
