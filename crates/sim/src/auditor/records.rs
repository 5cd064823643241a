//! What the auditor checks in the records that the node wants stored: holds, CDRs, transfers. Never here: the wire.

use types::cdr::HangupCause;
use types::decision::Outcome;
use types::{AccountId, Cdr, DecisionId, Hold, Rate, Record, UnixMicros};

use super::books::somebody_pays;
use super::prices::cost;
use super::{Auditor, INTERRUPTED_MS, MARK_AGE_US, legs};

/// Between the wire and the wall clock, which counts in halves where it was set back.
const LOST_SLACK_US: u64 = 2_000;

impl Auditor {
    /// `spent + Σ open holds + asked ≤ stop level` whenever a hold is new or grows, and holds cover what they say.
    pub(super) fn check_hold(
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

    pub(super) fn check_closed(
        &mut self,
        decision: DecisionId,
        records: &[Record],
    ) -> Result<(), String> {
        let with_cdr =
            records.iter().any(|one| matches!(one, Record::Cdr(cdr) if cdr.decision == decision));
        // A call that ended before its hold was asked for has none: nothing went out.
        if let Some(hold) = self.asked.holds.remove(&decision) {
            self.changed.push(hold.account);
        }
        if with_cdr {
            Ok(())
        } else {
            Err(format!("hold {decision} closed without a CDR beside it"))
        }
    }

    pub(super) fn check_cdr(
        &mut self,
        now: u64,
        cdr: &Cdr,
        records: &[Record],
    ) -> Result<(), String> {
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
        self.judge(cdr)?;
        self.check_reason(cdr)?;
        self.check_price(cdr)?;
        self.fresh.push(decision);
        self.check_transfers(cdr, records)
    }

    /// An admitted call that Ringfence itself did not let out says why; one that a crash ended names its legs.
    fn check_reason(&self, cdr: &Cdr) -> Result<(), String> {
        let is_ours = matches!(cdr.cause, HangupCause::Rejected | HangupCause::Fault)
            && cdr.side == types::HangupSide::Ringfence
            && cdr.answered.is_none();
        let was_open = self.interrupted.contains_key(&cdr.decision);
        if is_ours && !was_open && cdr.explanation.findings.is_empty() {
            return Err(format!("{} was not let out, and nobody knows why", cdr.decision));
        }
        if is_ours && was_open && (cdr.a_leg.call_id.is_empty() || cdr.b_leg.call_id.is_empty()) {
            return Err(format!("{} was ended by a crash and names no legs", cdr.decision));
        }
        Ok(())
    }

    /// The price is that of the duration, and never more than was held: a cut comes before the end of what is paid
    /// for. Only a crash can keep the node from cutting.
    fn check_price(&self, cdr: &Cdr) -> Result<(), String> {
        let decision = cdr.decision;
        let pays = somebody_pays(cdr.direction, cdr.destination.class) && cdr.answered.is_some();
        let rate = match self.rates.get(&decision) {
            Some(rate) => *rate,
            None => self.sell_rate(cdr.account, cdr.destination.e164, cdr.started),
        };
        let want = rate.filter(|_| pays).map_or(0, |rate| cost(&rate, cdr.duration_ms));
        let covered = self.covered.get(&decision).copied().unwrap_or(0);
        let held = rate.map_or(0, |rate| cost(&rate, covered));
        if cdr.price.micros() > held && !self.interrupted.contains_key(&decision) {
            return Err(format!("{decision} is charged {}, {held} was held for it", cdr.price));
        }
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
    pub(super) fn check_duration(&self, cdr: &Cdr) -> Result<(), String> {
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
                return self.check_lost_end(cdr, leg);
            }
            let before = i64::try_from(self.restarted_at.saturating_sub(answered)).unwrap_or(0);
            let shown = (before + self.restart_drift_us - leg.drift_us).max(0).unsigned_abs();
            seen = (shown + bye.saturating_sub(self.restarted_at.max(answered))) / 1_000;
            slack = INTERRUPTED_MS;
            if self.is_lost(cdr, leg) {
                seen = seen.min(self.most_of_lost(cdr, leg) / 1_000);
                if self.was_blind(cdr, leg) {
                    seen = seen.min(cdr.duration_ms);
                }
            }
        }
        if seen.abs_diff(cdr.duration_ms) > slack {
            return Err(format!(
                "{}: {} ms recorded, {seen} ms seen",
                cdr.decision, cdr.duration_ms
            ));
        }
        Ok(())
    }

    /// A call that had ended when the node died, its CDR lost on the way to the store. Once the carrier has said that it
    /// knows no such call, it is charged for no less than it talked (the carrier can bill that), and no longer than was
    /// held or than the node can have lived that was the last to hear of the carrier. A node that lived for a moment
    /// between two crashes may have hung up without having heard of it: then it is charged up to the first crash.
    fn check_lost_end(&self, cdr: &Cdr, leg: &legs::Leg) -> Result<(), String> {
        let (Some(answered), Some(bye), true) = (leg.answered, leg.bye, self.is_lost(cdr, leg))
        else {
            return Ok(());
        };
        let wall = |at: u64, drift_us: i64| i64::try_from(at).unwrap_or(i64::MAX) + drift_us;
        let talked_us = wall(bye, leg.bye_drift_us) - wall(answered, leg.drift_us);
        let (decision, recorded_us) = (cdr.decision, cdr.duration_ms * 1_000);
        let most_us = self.most_of_lost(cdr, leg);
        if recorded_us > most_us {
            return Err(format!(
                "{decision} had ended at the crash: {recorded_us} µs recorded, at most {most_us}"
            ));
        }
        let talked_us = talked_us.max(0).unsigned_abs().min(most_us);
        // Nobody bills a call between our own lines: with two crashes in a row, and its witness without power
        // between them, its length is that of the first.
        let is_billed = cdr.trunk.is_some();
        if is_billed && recorded_us + LOST_SLACK_US < talked_us && !self.was_blind(cdr, leg) {
            return Err(format!(
                "{decision} had ended at the crash: {recorded_us} µs recorded, {talked_us} seen"
            ));
        }
        Ok(())
    }

    /// Did the side that can bill say that it knows no such call, before it said anything else?
    fn is_lost(&self, cdr: &Cdr, b_leg: &legs::Leg) -> bool {
        self.witness(cdr, b_leg).is_some_and(|leg| leg.lost == Some(true))
    }

    /// May the store have known too little of the call at the crash?
    fn was_blind(&self, cdr: &Cdr, b_leg: &legs::Leg) -> bool {
        let carried = self.witness(cdr, b_leg).and_then(|leg| leg.carried_until);
        carried.is_some_and(|(_, was_blind)| was_blind)
    }

    /// The leg of the side that can bill.
    fn witness<'a>(&'a self, cdr: &Cdr, b_leg: &'a legs::Leg) -> Option<&'a legs::Leg> {
        let mut legs = self.legs.iter();
        match cdr.direction {
            types::Direction::Incoming => {
                legs.find(|((_, id), _)| *id == cdr.a_leg.call_id).map(|(_, leg)| leg)
            }
            _ => Some(b_leg),
        }
    }

    /// The longest, in microseconds, that a call may have lasted which nobody knows of any more.
    fn most_of_lost(&self, cdr: &Cdr, b_leg: &legs::Leg) -> u64 {
        let carried = self.witness(cdr, b_leg).and_then(|leg| leg.carried_until);
        let answered = cdr.answered.map_or(0, |at| at.0);
        let lived_us = carried.map_or(0, |(until, _)| until.0) + MARK_AGE_US - answered;
        let rate = self.rates.get(&cdr.decision).copied().flatten();
        let is_paid =
            rate.is_some_and(|rate| !(rate.per_minute.is_zero() && rate.connect_fee.is_zero()));
        let covered = self.covered.get(&cdr.decision).filter(|_| is_paid);
        covered.map_or(u64::MAX, |ms| ms * 1_000).min(lived_us.max(0).unsigned_abs())
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
}
