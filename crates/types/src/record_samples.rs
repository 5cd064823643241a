//! Records as most are, for tests and measurements, which bend what they are about. Lives here: an account with its line, a
//! contact, a trunk, a call with its postings, a town of them. Never here: what must come of them.

use crate::account::{Account, AccountStatus, Controls, DialPlan, Ha1, Line, Number};
use crate::catalogue::EventClass;
use crate::cdr::{Cdr, Direction, HangupCause, HangupSide, LegRecord};
use crate::contact::{Channel, Contact};
use crate::controls::By;
use crate::decision::{Destination, Explanation, Outcome};
use crate::destination::DestinationClass;
use crate::ids::{AccountId, ContactId, DecisionId, DeckId, LineId, TrunkId};
use crate::ledger::{LedgerAccount, Transfer, TransferKind};
use crate::money::Money;
use crate::number::E164;
use crate::rate::{Rate, RateRow};
use crate::record::{Deck, Record, Snapshot};
use crate::time::{Millis, UnixMicros};
use crate::trunk::{Trunk, TrunkNumberFormat, TrunkRoute, TrunkTransport};

/// A household in London that pays by deck 1.
pub fn account(id: u32) -> Account {
    Account {
        id: AccountId(id),
        name: format!("Holder {id}"),
        status: AccountStatus::Active,
        controls: Controls::residential(),
        dial_plan: DialPlan::default(),
        sell_deck: DeckId(1),
        reseller: None,
        time_zone: "Europe/London".to_owned(),
        billing_day: 1,
    }
}

/// A phone's line, `user7` for the seventh, of the account with the same number. No secret opens it.
pub fn line(id: u32) -> Line {
    let ha1 = Ha1 { md5: [0; 16], sha256: [0; 32] };
    Line::new(LineId(id), AccountId(id), format!("user{id}"), ha1, UnixMicros(0))
}

/// Trunk 1: everywhere, charged by deck 1.
pub fn trunk() -> Trunk {
    Trunk {
        id: TrunkId(1),
        name: "carrier".to_owned(),
        address: ([192, 0, 2, 9], 5060).into(),
        transport: TrunkTransport::Udp,
        host: "carrier.example".to_owned(),
        auth: None,
        sources: Vec::new(),
        routes: vec![TrunkRoute { prefix: String::new(), priority: 10 }],
        cost_deck: Some(DeckId(1)),
        number_format: TrunkNumberFormat::E164Plus,
        dial_plan: DialPlan::default(),
        emergency: true,
        enabled: true,
    }
}

/// Somebody of account 1 who is told everything by mail, at once.
pub fn contact(id: u32) -> Contact {
    Contact {
        id: ContactId(id),
        account: Some(AccountId(1)),
        name: String::new(),
        channel: Channel::Mail { address: format!("c{id}@example.com") },
        classes: EventClass::ALL.into(),
        is_on: true,
        quiet: None,
        order: 0,
        wait_ms: 900_000,
        confirmed: Some(UnixMicros(0)),
        since: UnixMicros(0),
        secret_version: 0,
        is_removed: false,
        at: UnixMicros(0),
        by: By::STAFF,
        why: String::new(),
    }
}

/// By the second, so many millionths a minute.
pub fn rate(per_minute: i64) -> Rate {
    Rate { per_minute: Money::from_micros(per_minute), ..Rate::FREE }
}

/// So many accounts, each with a line and a number (+44 20 71…), the trunk, and a deck of some 20,000 prefixes.
pub fn town(accounts: u32) -> Snapshot {
    let number = |id: u32| {
        let number = E164::try_from(442_071_000_000 + u64::from(id)).ok()?;
        Some(Number { number, account: AccountId(id), line: None })
    };
    let row = |prefix: String| RateRow {
        prefix,
        name: "somewhere".into(),
        rate: rate(2_400),
        effective: UnixMicros(0),
    };
    let prefixes = (10_000..30_000).chain([33, 44]).map(|prefix: u32| row(prefix.to_string()));
    Snapshot {
        accounts: (1..=accounts).map(account).collect(),
        lines: (1..=accounts).map(line).collect(),
        numbers: (1..=accounts).filter_map(number).collect(),
        trunks: vec![trunk()],
        decks: vec![Deck { id: DeckId(1), name: "deck".to_owned(), rows: prefixes.collect() }],
        ..Snapshot::default()
    }
}

/// A call abroad by the account's first line and trunk 1: answered after five seconds, hung up by the caller, rated by the
/// first two digits of the number (`+33…`). It costs nothing yet.
pub fn call(
    account: AccountId,
    number: &str,
    started: UnixMicros,
    talk_ms: Millis,
    rate: Rate,
) -> Cdr {
    let answered = started.plus_ms(5_000);
    Cdr {
        decision: DecisionId::at(started),
        account,
        line: Some(LineId(account.0)),
        device: None,
        to_account: None,
        direction: Direction::Outgoing,
        caller: "+442079460000".to_owned(),
        dialled: number.to_owned(),
        destination: Destination {
            class: DestinationClass::International,
            e164: number.parse().ok(),
            region: None,
            tier: None,
            hotspot: false,
        },
        started,
        answered: Some(answered),
        ended: answered.plus_ms(talk_ms),
        duration_ms: talk_ms,
        price: Money::ZERO,
        cost: Money::ZERO,
        cost_rate: None,
        trunk: Some(TrunkId(1)),
        a_leg: LegRecord::default(),
        b_leg: LegRecord::default(),
        cause: HangupCause::Normal,
        status: 200,
        side: HangupSide::Caller,
        explanation: Explanation {
            outcome: Outcome::Admitted,
            findings: Vec::new(),
            rate: Some(rate),
            rate_prefix: number.get(1..3).map(str::to_owned),
        },
    }
}

/// A call as it is written when it ends: its price and its cost are posted, the CDR comes last.
pub fn settled(cdr: Cdr) -> Vec<Record> {
    let payable = cdr.trunk.map(LedgerAccount::CarrierPayable);
    let sides = [
        (
            TransferKind::Charge,
            LedgerAccount::Receivable(cdr.account),
            Some(LedgerAccount::Revenue),
            cdr.price,
        ),
        (TransferKind::Cost, LedgerAccount::CarrierCost, payable, cdr.cost),
    ];
    let (decision, at) = (cdr.decision, cdr.ended);
    let transfer = |(kind, debit, credit, amount): (_, _, Option<_>, Money)| {
        let credit = credit.filter(|_| !amount.is_zero())?;
        Some(Record::Transfer(Transfer { decision, kind, debit, credit, amount, at }))
    };
    let mut records: Vec<Record> = sides.into_iter().filter_map(transfer).collect();
    records.push(Record::Cdr(Box::new(cdr)));
    records
}
