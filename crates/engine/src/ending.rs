//! The end of calls and their records. Lives here: settle, release, expire, the CDR, the postings.
//! Never here: hanging up, writing.

use ledger::call_transfers;
use types::cdr::{HangupCause, LegRecord};
use types::decision::{Explanation, Outcome};
use types::{
    Cdr, DecisionId, Direction, Fact, HangupSide, Hold, HoldState, Money, Now, Record, TrunkId,
    UnixMicros,
};

use crate::engine::Engine;
use crate::live_call::{Call, Phase};
use crate::verdict::{Ended, Refusal};

impl Engine {
    /// Ends an admitted call, in exactly one of settle, release, expire. The records are one
    /// transaction: the hold is closed, the CDR written, its price and cost posted, facts noted.
    /// A call that has ended already gives no records.
    pub fn end(&mut self, now: Now, decision: DecisionId, ended: Ended) -> Vec<Record> {
        if let Some(trunk) = ended.trunk
            && self.calls.find(decision).is_some_and(|call| call.hold.trunk != Some(trunk))
        {
            self.use_trunk(decision, trunk);
        }
        let in_vain = self.take_vain_answer(decision);
        let Some(call) = self.calls.remove(decision) else {
            return Vec::new();
        };
        let now = call.hung_up.unwrap_or(now);
        let duration_ms = match in_vain {
            true => 0,
            false => self.duration_ms(now, &call, ended.lost_after),
        };
        let price = self.close_hold(now, &call, duration_ms, ended.cause);
        let cost = carrier_cost(&call, duration_ms);
        let (account, trunk) = (call.hold.account, call.hold.trunk);
        let device = call.hold.device.filter(|_| call.costly && !price.is_zero());
        let money_ended = ended.cause == HangupCause::MoneyEnded;
        let cdr = ended_cdr(now, *call, ended, duration_ms, (price, cost));
        let mut records = vec![Record::HoldClosed(decision), Record::Cdr(Box::new(cdr))];
        records.extend(self.post(now, decision, account, price, trunk.map(|trunk| (trunk, cost))));
        records.extend(device.and_then(|device| self.access.spent(device, price)));
        records.append(&mut self.facts);
        if money_ended {
            records.push(Record::Fact(now.wall, Fact::MoneyEnded { account, decision }));
        }
        records.extend(self.warning(now, account));
        self.arm_warning(now, account);
        self.calls.forget_idle(account);
        records
    }

    /// A call that was answered in vain, and not otherwise, ends as an answered one of no length.
    fn take_vain_answer(&mut self, decision: DecisionId) -> bool {
        let Some(call) = self.calls.find_mut(decision) else { return false };
        let Some(at) = call.answered_in_vain.filter(|_| call.phase == Phase::Ringing) else {
            return false;
        };
        call.phase = Phase::Answered { at: at.tick, before_us: 0 };
        call.hold.state = HoldState::Answered(at.wall);
        true
    }

    /// How long a call talked. One that its carrier had forgotten when this program came back ended
    /// while the last one lived, and never beyond what was held: that one had cut it.
    fn duration_ms(&self, now: Now, call: &Call, lost_after: Option<UnixMicros>) -> u64 {
        let talk_ms = call.talk_us(now.tick) / 1_000;
        let Some((answered, alive)) = call.answered_at().zip(lost_after) else {
            return talk_ms;
        };
        let died = alive.plus_ms(self.config.mark_age_ms);
        let alive_us = died.0.saturating_sub(answered.0).max(0).cast_unsigned();
        let most_ms = if call.chargeable() { call.hold.covered_ms } else { u64::MAX };
        talk_ms.min(alive_us / 1_000).min(most_ms)
    }

    /// The CDR of a refused attempt: one for each decision.
    pub fn refused(
        &mut self,
        now: Now,
        refusal: Refusal,
        a_leg: LegRecord,
        status: u16,
    ) -> Vec<Record> {
        let explanation = Explanation {
            outcome: Outcome::Refused,
            findings: refusal.findings,
            rate: refusal.rate,
            rate_prefix: refusal.rate_prefix,
        };
        vec![Record::Cdr(Box::new(Cdr {
            decision: refusal.decision,
            account: refusal.account,
            line: refusal.line,
            device: refusal.device,
            to_account: refusal.to_account,
            direction: refusal.direction,
            caller: refusal.caller,
            dialled: refusal.dialled,
            destination: refusal.destination,
            started: refusal.started,
            answered: None,
            ended: now.wall,
            duration_ms: 0,
            price: Money::ZERO,
            cost: Money::ZERO,
            cost_rate: None,
            trunk: refusal.trunk,
            a_leg,
            b_leg: LegRecord::default(),
            cause: HangupCause::Refused,
            status,
            side: HangupSide::Ringfence,
            explanation,
        }))]
    }

    /// Calls that were open at the start and have not ended since: to be adopted or hung up.
    pub fn recovered(&self) -> Vec<DecisionId> {
        let recovered = self.calls.all().filter(|call| call.recovered);
        recovered.map(|call| call.hold.decision).collect()
    }

    /// Closes the money of a call; its price.
    fn close_hold(&mut self, now: Now, call: &Call, duration_ms: u64, cause: HangupCause) -> Money {
        let Some(rate) = call.hold.explanation.rate.filter(|_| call.chargeable()) else {
            return Money::ZERO;
        };
        let decision = call.hold.decision;
        let unseen = matches!(cause, HangupCause::SessionExpired | HangupCause::Fault);
        // A price that cannot be computed is at least what was held.
        let price = rating::cost(&rate, duration_ms).unwrap_or(call.hold.amount);
        let closing = match call.phase {
            Phase::Ringing => self.ledger.release(now.wall, decision),
            Phase::Answered { .. } if unseen => self.ledger.expire(now.wall, decision, price),
            Phase::Answered { .. } => self.ledger.settle(now.wall, decision, price),
        };
        let closing = closing.expect("a live call that costs money has a hold, and its price fits");
        if !closing.overrun.is_zero() {
            let (account, amount) = (call.hold.account, closing.overrun);
            let fact = Fact::Overrun { account, decision, amount };
            self.facts.push(Record::Fact(now.wall, fact));
        }
        closing.price
    }

    /// Posts price and cost once.
    fn post(
        &mut self,
        now: Now,
        decision: DecisionId,
        account: types::AccountId,
        price: Money,
        carried: Option<(TrunkId, Money)>,
    ) -> Vec<Record> {
        let transfers = call_transfers(decision, account, price, carried, now.wall);
        transfers
            .map(|transfer| {
                self.book.post(&transfer).expect("a call ends once, so its transfers are new");
                Record::Transfer(transfer)
            })
            .collect()
    }
}

fn carrier_cost(call: &Call, duration_ms: u64) -> Money {
    let carried = call.hold.direction == Direction::Outgoing && call.phase != Phase::Ringing;
    let rate = call.hold.cost_rate.filter(|_| carried);
    rate.and_then(|rate| rating::cost(&rate, duration_ms).ok()).unwrap_or(Money::ZERO)
}

fn ended_cdr(
    now: Now,
    call: Call,
    ended: Ended,
    duration_ms: u64,
    (price, cost): (Money, Money),
) -> Cdr {
    let answered = call.answered_at();
    let Hold { decision, account, line, device, to_account, direction, mut explanation, .. } =
        call.hold;
    explanation.findings.extend(ended.finding);
    Cdr {
        decision,
        account,
        line,
        device,
        to_account,
        direction,
        caller: call.hold.caller,
        dialled: call.hold.dialled,
        destination: call.hold.destination,
        started: call.hold.started,
        answered,
        ended: now.wall,
        duration_ms,
        price,
        cost,
        cost_rate: call.hold.cost_rate,
        trunk: call.hold.trunk,
        a_leg: ended.a_leg,
        b_leg: ended.b_leg,
        cause: ended.cause,
        status: ended.status,
        side: ended.side,
        explanation,
    }
}
