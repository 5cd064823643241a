//! A second model of everything that matters, written without the first one: from the wire at the node's door, from
//! what the node wants stored, from what is durable. Lives here: the invariants. Never here: engine, ledger, rating,
//! except to compare their figures with ours.

pub mod books;
mod last;
pub mod legs;
pub mod prices;

use std::collections::BTreeMap;

use edge::Node;
use store::{MemoryStore, Reader};
use types::cdr::HangupCause;
use types::decision::Outcome;
use types::{
    Account, AccountId, Cdr, DecisionId, Hold, Now, Rate, Record, Trunk, TrunkId, UnixMicros,
};

use crate::wire::Wire;
use books::{Books, somebody_pays};
use legs::Legs;
use prices::{Prices, cost};

/// How exact the node's clockwork must be.
const SLACK_US: u64 = 50_000;
/// How well the wall clock tells the length of a call with a restart in it.
const INTERRUPTED_MS: u64 = 100;
/// Within which time a settled call is off the wire.
const SETTLED_US: u64 = 1_000_000;
/// Within which time a recovered call is metered again or hung up (M8).
const RECOVERY_US: u64 = 10_000_000;

/// What was seen, to know that a world was not an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Calls admitted.
    pub admitted: u64,
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
    asked: Books,
    kept: Books,
    legs: Legs,
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
    changed: Vec<AccountId>,
    /// CDRs of this step, to be compared with what goes over the wire in the same step.
    fresh: Vec<DecisionId>,
}

impl Auditor {
    /// An auditor who knows what the store begins with.
    pub fn new(records: &[Record]) -> Auditor {
        let mut auditor = Auditor::default();
        records.iter().for_each(|record| auditor.learn(record));
        auditor
    }

    /// Something is wrong.
    pub fn blame(&mut self, now: u64, what: String) {
        self.violations.push(format!("{} {what}", crate::story::clock(now)));
    }

    /// The node's wall clock is wrong by so much.
    pub fn drift(&mut self, by_us: i64) {
        self.drift_us = by_us;
    }

    /// An actor is the carrier behind a trunk.
    pub fn add_carrier(&mut self, actor: usize, trunk: TrunkId) {
        self.legs.add_carrier(actor, trunk);
    }

    /// The newest CDR of a line, as the node asked for it.
    pub fn last_cdr(&self, line: types::LineId) -> Option<&Cdr> {
        self.asked.cdrs.values().rfind(|cdr| cdr.line == Some(line))
    }

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
            Record::Deck(deck) => self.prices.put(deck),
            _ => {}
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

    /// Something reached the node.
    pub fn received(&mut self, now: u64, from: usize, wire: &Wire) {
        self.legs.received(now, from, wire, self.drift_us);
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
            self.kept.apply(record);
        }
    }

    /// The node wants records written in one transaction.
    pub fn asked(&mut self, now: u64, wall: UnixMicros, records: &[Record]) {
        for record in records {
            self.learn(record);
            let found = match record {
                Record::Hold(hold) => self.check_hold(wall, hold, records),
                Record::HoldClosed(decision) => self.check_closed(*decision, records),
                Record::Cdr(cdr) => self.check_cdr(now, cdr, records),
                _ => Ok(()),
            };
            if let Err(what) = found {
                self.blame(now, what);
            }
        }
    }

    /// `spent + Σ open holds + asked ≤ stop level` whenever a hold is new or grows, and holds cover what they say.
    fn check_hold(
        &mut self,
        wall: UnixMicros,
        hold: &Hold,
        records: &[Record],
    ) -> Result<(), String> {
        let decision = hold.decision;
        if self.asked.cdrs.contains_key(&decision) {
            return Err(format!("a hold for {decision} after its CDR"));
        }
        let before = self.asked.holds.get(&decision).cloned();
        let pays = somebody_pays(hold.direction, hold.destination.class);
        if before.is_none() {
            self.tally.admitted += 1;
            let rate =
                self.sell_rate(hold.account, hold.destination.e164, hold.started).filter(|_| pays);
            self.rates.insert(decision, rate);
        }
        let rate = self.rates.get(&decision).copied().flatten();
        if pays && hold.explanation.rate != rate {
            return Err(format!(
                "{decision} is held at {:?}, the deck says {rate:?}",
                hold.explanation.rate
            ));
        }
        let worth = rate.map_or(0, |rate| cost(&rate, hold.covered_ms));
        if hold.amount.micros() < worth {
            return Err(format!("{decision}: {} held for talk worth {worth}", hold.amount));
        }
        let had = before.as_ref().map_or(0, |hold| hold.amount.micros());
        if before.is_some_and(|before| before.covered_ms > hold.covered_ms) {
            return Err(format!("{decision}: the hold covers less than before"));
        }
        self.tally.extended += u64::from(had > 0 && hold.amount.micros() > had);
        self.changed.push(hold.account);
        records.iter().for_each(|record| self.asked.apply(record));
        let account = self.accounts.get(&hold.account).ok_or(format!("{decision}: whose?"))?;
        if hold.amount.micros() <= had {
            return Ok(());
        }
        match self.asked.level_crossed(account, hold.destination.class.is_costly(), wall) {
            Some(crossed) => Err(format!("{decision} of account {}: {crossed}", hold.account)),
            None => Ok(()),
        }
    }

    fn check_closed(&mut self, decision: DecisionId, records: &[Record]) -> Result<(), String> {
        let with_cdr =
            records.iter().any(|one| matches!(one, Record::Cdr(cdr) if cdr.decision == decision));
        match self.asked.holds.remove(&decision) {
            Some(hold) => self.changed.push(hold.account),
            // Ended before its hold was asked for: nothing went out.
            None => {}
        }
        if with_cdr {
            Ok(())
        } else {
            Err(format!("hold {decision} closed without a CDR beside it"))
        }
    }

    fn check_cdr(&mut self, now: u64, cdr: &Cdr, records: &[Record]) -> Result<(), String> {
        let decision = cdr.decision;
        if let Some(first) = self.asked.cdrs.get(&decision) {
            return if first == cdr { Ok(()) } else { Err(format!("two CDRs for {decision}")) };
        }
        self.settled.entry(decision).or_insert(now);
        self.changed.push(cdr.account);
        self.count(cdr);
        let closed = records
            .iter()
            .any(|one| matches!(one, Record::HoldClosed(closed) if *closed == decision));
        if self.asked.holds.remove(&decision).is_some() && !closed {
            return Err(format!("{decision} has its CDR and keeps its hold"));
        }
        self.asked.cdrs.insert(decision, cdr.clone());
        if cdr.explanation.outcome == Outcome::Refused {
            if cdr.explanation.findings.is_empty() {
                return Err(format!("{decision} is refused without a reason"));
            }
            if cdr.price.micros() != 0 || cdr.answered.is_some() {
                return Err(format!("{decision} is refused and charged or answered"));
            }
            return Ok(());
        }
        self.check_price(cdr)?;
        self.fresh.push(decision);
        self.check_transfers(cdr, records)
    }

    fn check_price(&self, cdr: &Cdr) -> Result<(), String> {
        let decision = cdr.decision;
        let pays = somebody_pays(cdr.direction, cdr.destination.class) && cdr.answered.is_some();
        let rate = match self.rates.get(&decision) {
            Some(rate) => *rate,
            None => self.sell_rate(cdr.account, cdr.destination.e164, cdr.started),
        };
        let want = rate.filter(|_| pays).map_or(0, |rate| cost(&rate, cdr.duration_ms));
        if cdr.price.micros() != want {
            return Err(format!(
                "{decision} is charged {}, its {} ms are worth {want}",
                cdr.price, cdr.duration_ms
            ));
        }
        let table =
            cdr.trunk.and_then(|trunk| self.trunks.get(&trunk)).and_then(|trunk| trunk.cost_deck);
        let digits = cdr.destination.e164.map(|number| number.digits());
        let cost_rate =
            digits.zip(table).and_then(|(digits, deck)| self.prices.of(deck, &digits, cdr.started));
        let want = match (cdr.answered, cost_rate) {
            (Some(_), Some(rate)) if cdr.direction == types::Direction::Outgoing => {
                cost(&rate, cdr.duration_ms)
            }
            _ => 0,
        };
        if cdr.cost.micros() != want {
            return Err(format!(
                "{decision} costs {}, its {} ms cost {want}",
                cdr.cost, cdr.duration_ms
            ));
        }
        Ok(())
    }

    /// The charge and the cost are posted beside the CDR, in full and once.
    fn check_transfers(&self, cdr: &Cdr, records: &[Record]) -> Result<(), String> {
        use types::{LedgerAccount, TransferKind};
        let posted = |kind: TransferKind| {
            records.iter().filter_map(move |one| match one {
                Record::Transfer(transfer)
                    if transfer.decision == cdr.decision && transfer.kind == kind =>
                {
                    Some(transfer)
                }
                _ => None,
            })
        };
        let charges: i64 = posted(TransferKind::Charge)
            .filter(|one| {
                one.debit == LedgerAccount::Receivable(cdr.account)
                    && one.credit == LedgerAccount::Revenue
            })
            .map(|one| one.amount.micros())
            .sum();
        let payable = cdr.trunk.map(LedgerAccount::CarrierPayable);
        let costs: i64 = posted(TransferKind::Cost)
            .filter(|one| one.debit == LedgerAccount::CarrierCost && Some(one.credit) == payable)
            .map(|one| one.amount.micros())
            .sum();
        let once =
            posted(TransferKind::Charge).count() <= 1 && posted(TransferKind::Cost).count() <= 1;
        if charges == cdr.price.micros() && costs == cdr.cost.micros() && once {
            return Ok(());
        }
        Err(format!(
            "{}: {charges} and {costs} posted for {} and {}",
            cdr.decision, cdr.price, cdr.cost
        ))
    }

    /// The CDR's duration is what the wire showed, to the millisecond. Where a restart fell into the call, the node
    /// had to go by the wall clock: then it is what that clock showed.
    fn check_duration(&self, cdr: &Cdr) -> Result<(), String> {
        let is_it = |call_id: &String, leg: &legs::Leg| *call_id == cdr.b_leg.call_id && leg.out;
        let Some((_, leg)) = self.legs.iter().find(|((_, call_id), leg)| is_it(call_id, leg))
        else {
            return Ok(());
        };
        let (Some(answered), Some(bye), Some(_)) = (leg.answered, leg.bye, cdr.answered) else {
            return Ok(());
        };
        let (mut seen, mut slack) = (bye.saturating_sub(answered) / 1_000, 1);
        if self.interrupted.contains_key(&cdr.decision) {
            if bye < self.restarted_at {
                // It had ended when the node died, and its CDR was lost on the way to the store.
                return Ok(());
            }
            let before = i64::try_from(self.restarted_at.saturating_sub(answered)).unwrap_or(0);
            let shown = (before + self.restart_drift_us - leg.drift_us).max(0).unsigned_abs();
            seen = (shown + bye.saturating_sub(self.restarted_at.max(answered))) / 1_000;
            slack = INTERRUPTED_MS;
        }
        if seen.abs_diff(cdr.duration_ms) > slack {
            return Err(format!(
                "{}: {} ms recorded, {seen} ms seen",
                cdr.decision, cdr.duration_ms
            ));
        }
        Ok(())
    }

    fn count(&mut self, cdr: &Cdr) {
        if cdr.explanation.outcome == Outcome::Refused {
            for finding in &cdr.explanation.findings {
                *self.tally.refused.entry(finding.reason().code().to_owned()).or_default() += 1;
            }
        } else {
            let cause = if cdr.cause == HangupCause::Normal && cdr.answered.is_none() {
                "unanswered"
            } else {
                cdr.cause.code()
            };
            *self.tally.ended.entry(cause.to_owned()).or_default() += 1;
            self.tally.charged += cdr.price.micros();
        }
    }

    fn sell_rate(
        &self,
        account: AccountId,
        number: Option<types::E164>,
        at: UnixMicros,
    ) -> Option<Rate> {
        let deck = self.accounts.get(&account)?.sell_deck;
        self.prices.of(deck, &number?.digits(), at)
    }

    /// The node died.
    pub fn crashed(&mut self, now: u64) {
        self.tally.crashes += 1;
        self.crashes.push(now);
        self.legs.forget(&self.kept);
        self.asked = self.kept.clone();
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
                ("un-billed", usage.unbilled, self.kept.spent(id, false, UnixMicros(0))),
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
        for ((_, call_id), leg) in self.legs.talking() {
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
            let end = (answered + covered * 1_000 + unknown_us).max(grace) + SLACK_US;
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
