//! The auditor's last look, when everybody has gone home. Lives here: leaks, sums, the carriers' bills.

use std::collections::BTreeMap;

use edge::Node;
use store::{ChainQuestion, MemoryStore, Reader};
use types::decision::Outcome;
use types::{AccountId, DecisionId};

use super::prices::cost;
use super::{Auditor, RECOVERY_US};
use crate::carrier::Carrier;

/// How long a hang-up may take from the node's first BYE to the carrier: 64·T1 of retransmissions and the way.
const HANG_UP_US: u64 = 34_000_000;

impl Auditor {
    /// Everything is at rest: is nothing left behind, and does everything add up?
    pub fn finish(
        &mut self,
        now: u64,
        node: &Node,
        store: &MemoryStore,
        carriers: &[(usize, &Carrier)],
    ) {
        let stats = node.stats();
        if stats.calls != 0 || stats.transactions != (0, 0) || stats.stores_open != 0 {
            self.blame(now, format!("left behind in the node: {stats:?}"));
        }
        let live = node.engine().live().count();
        if live != 0 {
            self.blame(now, format!("{live} calls left behind in the engine"));
        }
        for decision in
            self.kept.holds.keys().chain(self.asked.holds.keys()).copied().collect::<Vec<_>>()
        {
            self.blame(now, format!("the hold of {decision} is left behind"));
        }
        for decision in self.held.keys().copied().collect::<Vec<_>>() {
            if !self.kept.cdrs.contains_key(&decision) {
                self.blame(now, format!("{decision} was held and has no CDR"));
            }
        }
        for ((_, call_id), leg) in self.legs.talking() {
            if leg.out && !leg.forgotten && !leg.gave_up(now) {
                let what = format!("nobody ended the leg {call_id} to {}", leg.number);
                self.violations.push(what);
            }
        }
        self.check_store(now, node, store);
        self.check_bills(now, carriers);
    }

    /// The store's sums are the sums of its CDRs, and those are the ones we saw.
    fn check_store(&mut self, now: u64, node: &Node, store: &MemoryStore) {
        const READ: &str = "memory can always be read";
        let balances = store.balances().expect(READ);
        let sum = |side: fn(&store::Balance) -> types::Money| -> i128 {
            balances.iter().map(|balance| i128::from(side(balance).micros())).sum()
        };
        let (debits, credits) = (sum(|one| one.debits), sum(|one| one.credits));
        if debits != credits {
            self.blame(now, format!("debits {debits}, credits {credits}"));
        }
        let left = |one: &store::Balance| (one.account, one.debits.micros() - one.credits.micros());
        let unbilled = |account| {
            let known = node.engine().usage(types::Now::default(), account);
            let known = known.map_or(0, |usage| usage.unbilled.micros());
            (store.unbilled(account).expect(READ).micros(), known)
        };
        for what in self.check_office(&balances.iter().map(left).collect(), unbilled) {
            self.blame(now, what);
        }
        let kinds = self.kept.postings.values().map(|one| one.transfer.kind.code());
        let bills = self.kept.bills.values().map(|_| "bill");
        let controls = self.office.changes().map(|_| "controls");
        for what in kinds.chain(bills).chain(controls) {
            *self.tally.office.entry(what.to_owned()).or_default() += 1;
        }
        for problem in store.verify().expect(READ).problems {
            self.blame(now, format!("the store's own check finds: {problem}"));
        }
        let chain = store.verify_chain(&ChainQuestion::default(), &mut |_, _| ()).expect(READ);
        for found in chain.breaks {
            self.blame(now, format!("the chain is broken: {found}"));
        }
        let in_store =
            store.calls(&store::CallFilter { limit: u32::MAX, ..store::CallFilter::default() });
        let in_store = in_store.expect("memory can always be read").len();
        if in_store != self.kept.cdrs.len() {
            self.blame(
                now,
                format!("{in_store} CDRs in the store, {} were written", self.kept.cdrs.len()),
            );
        }
    }

    /// What the carriers bill is what our records say, but for the time that a hang-up takes.
    fn check_bills(&mut self, now: u64, carriers: &[(usize, &Carrier)]) {
        let mut found = Vec::new();
        let mut costly: BTreeMap<AccountId, (i64, i64)> = BTreeMap::new();
        for (actor, carrier) in carriers {
            for billed in &carrier.bill {
                let charge = carrier.charge(billed, now);
                self.tally.billed += charge;
                let Some(leg) = self.legs.find(*actor, &billed.call_id) else {
                    found.push(format!("the carrier bills {} which never left", billed.call_id));
                    continue;
                };
                let Some(decision) = leg.decision else { continue };
                let Some(cdr) = self.kept.cdrs.get(&decision) else { continue };
                if cdr.explanation.outcome != Outcome::Admitted {
                    found.push(format!("{decision} was refused and is on the carrier's bill"));
                }
                let is_free = cdr.answered.is_none() && charge > 0;
                if is_free
                    && !leg.is_given_up()
                    && !self.is_excused(decision, leg.invited, billed.answered)
                {
                    found.push(format!("the carrier bills {decision}, whose CDR has no answer"));
                }
                let billed_us = billed.ended.unwrap_or(now).saturating_sub(billed.answered);
                let ours_us = leg
                    .answered
                    .zip(leg.bye)
                    .filter(|_| leg.tag == billed.tag)
                    .map_or(0, |(answered, bye)| bye.saturating_sub(answered));
                let deck = self.trunks.get(&carrier.trunk).and_then(|trunk| trunk.cost_deck);
                let digits = cdr.destination.e164.map(|number| number.digits()).unwrap_or_default();
                let rate = deck.and_then(|deck| self.prices.of(deck, &digits, cdr.started));
                let worth = |us: u64| rate.map_or(0, |rate| cost(&rate, us.div_ceil(1_000)));
                // One increment and one second's rounding stand between two clocks.
                let increment =
                    rate.map_or(0, |rate| cost(&rate, 0) + rate.per_minute.micros() / 60 + 1);
                if charge > worth(billed_us) + increment {
                    found.push(format!(
                        "{decision}: the carrier charges {charge}, we reckon {}",
                        worth(billed_us)
                    ));
                }
                let late_us = billed_us.saturating_sub(ours_us);
                if late_us > HANG_UP_US
                    && !self.is_excused(decision, leg.invited, billed.answered + billed_us)
                {
                    found.push(format!(
                        "{decision}: the carrier charges {late_us} µs beyond our own end"
                    ));
                }
                // The answer of a second fork, or of a carrier given up, beside the call that went on.
                let ours =
                    cdr.answered.filter(|_| leg.tag == billed.tag).map_or(0, |_| cdr.cost.micros());
                let overrun = (charge - ours).max(0);
                self.tally.overrun += overrun;
                if cdr.destination.class.is_costly() {
                    let sums = costly.entry(cdr.account).or_default();
                    *sums = (sums.0 + charge, sums.1 + overrun);
                }
            }
        }
        for (account, (billed, overrun)) in costly {
            let Some(level) =
                self.accounts.get(&account).map(|one| one.controls.stop_level_24h.micros())
            else {
                continue;
            };
            let late = self.late_prices(account);
            if !self.levels_changed && billed > level + overrun + late {
                found.push(format!(
                    "account {account}: carriers bill {billed}, over {level} + {overrun} + {late}"
                ));
            }
        }
        found.into_iter().for_each(|what| self.blame(now, what));
    }

    /// Charges beyond what was ever held: calls that were hung up late, which a crash can do.
    fn late_prices(&self, account: AccountId) -> i64 {
        let mine =
            self.kept.cdrs.values().filter(|cdr| cdr.account == account && cdr.price.micros() > 0);
        mine.map(|cdr| {
            let covered = self.covered.get(&cdr.decision).copied().unwrap_or(0);
            let rate = self.rates.get(&cdr.decision).copied().flatten();
            let held = rate.map_or(0, |rate| cost(&rate, covered));
            (cdr.price.micros() - held).max(0)
        })
        .sum()
    }

    /// A crash between INVITE and the end of a call may leave a carrier without its BYE.
    fn is_excused(&self, decision: DecisionId, from: u64, to: u64) -> bool {
        self.interrupted.contains_key(&decision)
            || self.crashes.iter().any(|crash| (from..to + RECOVERY_US).contains(crash))
    }
}
