//! Whole calls. Lives here: their holds, CDRs and transfers, by number. Never here: who makes them.

use types::cdr::{HangupCause, LegRecord};
use types::decision::{Explanation, Outcome};
use types::*;

use super::{SECOND, at, decision, destination, peer, rate};

/// The hold of the n-th call, as it is before the answer.
pub fn hold(n: u32, account: u32) -> Hold {
    Hold {
        decision: decision(n),
        account: AccountId(account),
        line: Some(LineId(1)),
        device: None,
        to_account: None,
        direction: cdr::Direction::Outgoing,
        amount: Money::from_micros(35_000),
        covered_ms: 30_000,
        state: HoldState::Pending,
        started: at(i64::from(n) * SECOND),
        dialled: "00 33 1 23 45".to_owned(),
        caller: "+442079460000".to_owned(),
        destination: destination(DestinationClass::International),
        trunk: Some(TrunkId(1)),
        cost_rate: Some(rate(8_000)),
        explanation: Explanation {
            outcome: Outcome::Admitted,
            findings: Vec::new(),
            rate: Some(rate(12_500)),
            rate_prefix: Some("33".to_owned()),
        },
        legs: (0..=255).cycle().take(600).collect(),
    }
}

/// The CDR of the n-th call, a minute long.
pub fn cdr(n: u32, account: u32, price: i64) -> Cdr {
    let hold = hold(n, account);
    Cdr {
        decision: hold.decision,
        account: hold.account,
        line: hold.line,
        device: None,
        to_account: None,
        direction: hold.direction,
        caller: hold.caller,
        dialled: hold.dialled,
        destination: hold.destination,
        started: hold.started,
        answered: Some(UnixMicros(hold.started.0 + 5 * SECOND)),
        ended: UnixMicros(hold.started.0 + 65 * SECOND),
        duration_ms: 60_000,
        price: Money::from_micros(price),
        cost: Money::from_micros(price / 2),
        cost_rate: hold.cost_rate,
        trunk: hold.trunk,
        a_leg: LegRecord {
            peer: Some(peer(5070)),
            call_id: format!("{n}@a.example"),
            user_agent: "Phone/1.0".to_owned(),
        },
        b_leg: LegRecord {
            peer: Some(peer(5060)),
            call_id: format!("{n}@b.example"),
            user_agent: "Carrier".to_owned(),
        },
        cause: HangupCause::Normal,
        status: 200,
        side: HangupSide::Caller,
        explanation: hold.explanation,
    }
}

/// A call that was refused.
pub fn refused(n: u32, account: u32) -> Cdr {
    let findings = vec![
        Finding::BarredClass { class: DestinationClass::Premium },
        Finding::PriceCap { per_minute: Money::from_units(1), cap: Money::from_cents(5) },
        Finding::IpLock { peer: "203.0.113.9".parse().unwrap() },
    ];
    Cdr {
        answered: None,
        duration_ms: 0,
        cost_rate: None,
        trunk: None,
        cause: HangupCause::Refused,
        status: 403,
        side: HangupSide::Ringfence,
        explanation: Explanation {
            outcome: Outcome::Refused,
            findings,
            rate: None,
            rate_prefix: None,
        },
        b_leg: LegRecord::default(),
        ..cdr(n, account, 0)
    }
}

pub fn charge(cdr: &Cdr) -> Transfer {
    Transfer {
        decision: cdr.decision,
        kind: TransferKind::Charge,
        debit: LedgerAccount::Receivable(cdr.account),
        credit: LedgerAccount::Revenue,
        amount: cdr.price,
        at: cdr.ended,
    }
}

pub fn cost(cdr: &Cdr) -> Transfer {
    Transfer {
        decision: cdr.decision,
        kind: TransferKind::Cost,
        debit: LedgerAccount::CarrierCost,
        credit: LedgerAccount::CarrierPayable(TrunkId(1)),
        amount: cdr.cost,
        at: cdr.ended,
    }
}

pub fn held(n: u32, account: u32) -> Record {
    Record::Hold(Box::new(hold(n, account)))
}

pub fn answered(n: u32, account: u32) -> Record {
    let answered = UnixMicros(at(i64::from(n) * SECOND).0 + 5 * SECOND);
    let state = HoldState::Answered(answered);
    let amount = Money::from_micros(70_000);
    Record::Hold(Box::new(Hold { state, amount, covered_ms: 60_000, ..hold(n, account) }))
}

/// All that is written when the n-th call ends.
pub fn ended(n: u32, account: u32, price: i64) -> Vec<Record> {
    let cdr = cdr(n, account, price);
    vec![
        Record::HoldClosed(cdr.decision),
        Record::Transfer(charge(&cdr)),
        Record::Transfer(cost(&cdr)),
        Record::Cdr(Box::new(cdr)),
    ]
}
