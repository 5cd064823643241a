//! What the auditor checks in the records that the node wants stored: holds, CDRs, transfers. Never here: the wire.

use types::cdr::HangupCause;
use types::decision::Outcome;
use types::{AccountId, Cdr, DecisionId, Hold, Rate, Record, UnixMicros};

use super::books::somebody_pays;
use super::prices::cost;
use super::{Auditor, INTERRUPTED_MS, legs};

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
        self.check_price(cdr)?;
        self.fresh.push(decision);
        self.check_transfers(cdr, records)
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
}
