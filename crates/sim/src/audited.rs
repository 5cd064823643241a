//! The production auditor over the world's store. Lives here: what it asks, asked of the memory store; what it finds when the
//! world has come to rest. Never here: judging (`audit`), the simulator's own auditor, who sees the wire.

use std::collections::BTreeMap;
use std::convert::Infallible;

use audit::{Calendar, Calls, Evidence, KnownCall, Mismatch, judge};
use engine::{AuditReport, CallFacts, Misfit, OffHours};
use store::{CallFilter, FactFilter, MemoryStore, Reader, StoredFact};
use types::decision::Outcome;
use types::{
    AccountId, Cdr, DecisionId, DeckId, Fact, LineId, LineStanding, Money, RateRow, Record,
    Standing, Transfer, TransferKind, TrunkId, TrunkStanding, UnixMicros,
};

const READ: &str = "memory can always be read";

/// A call that does not fit what stood for it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The call.
    pub cdr: Cdr,
    /// What does not fit.
    pub mismatches: Vec<Mismatch>,
    /// Is it about the holder, and not only about carriers?
    pub concerns_holder: bool,
}

impl Found {
    /// In words.
    pub fn words(&self) -> Vec<String> {
        self.mismatches.iter().map(ToString::to_string).collect()
    }
}

/// Judges every admitted call of a store: how many there are, and which do not fit. A correct engine has none.
pub fn audited(store: &MemoryStore, off_hours: &OffHours) -> (u64, Vec<Found>) {
    let mut asked = Asked::new(store);
    let night = (off_hours.weekday_from_h, off_hours.weekday_to_h);
    let holidays = off_hours.bank_holidays.iter().copied();
    let calendar = Calendar::new(UnixMicros(i64::MIN), night, off_hours.weekends, holidays);
    let (mut judged, mut found) = (0, Vec::new());
    let calls = store.calls_after(0, u32::MAX).expect(READ).calls;
    let admitted =
        calls.into_iter().filter(|(_, cdr)| cdr.explanation.outcome == Outcome::Admitted);
    for (_, cdr) in admitted {
        let Ok(verdict) = judge(&cdr, &mut asked, &calendar);
        judged += 1;
        if !verdict.unknown.is_empty() {
            let what = format!("{}: the record does not tell {:?}", cdr.decision, verdict.unknown);
            panic!("{what}: the town's records are not whole");
        }
        if !verdict.is_good() {
            let concerns_holder = verdict.concerns_holder();
            found.push(Found { cdr, mismatches: verdict.mismatches, concerns_holder });
        }
    }
    (judged, found)
}

/// What the engine is told of it.
pub fn report(store: &MemoryStore, found: &[Found]) -> AuditReport {
    let misfit = |found: &Found| {
        let Cdr { decision, account, price, cost, .. } = found.cdr;
        let transfers = store.transfers(decision).expect(READ);
        let posted = |kind: TransferKind| {
            transfers.iter().find(|one| one.kind == kind).map(|one| one.amount)
        };
        Misfit {
            call: CallFacts {
                decision,
                account,
                price,
                cost,
                zero_rated: posted(TransferKind::ZeroRating),
                cost_priced: posted(TransferKind::CostPrice),
                credited: posted(TransferKind::CarrierCredit),
            },
            what: found.words(),
            free: found.concerns_holder,
            told: false,
        }
    };
    AuditReport { mark: None, found: found.iter().map(misfit).collect() }
}

/// What stood for everybody before the world began.
pub fn what_stood(records: &[Record]) -> Vec<Record> {
    let (at, by, why) = (UnixMicros(0), types::By::STAFF, String::new());
    let stood = records.iter().filter_map(|record| match record {
        Record::Account(account) => Some(Record::Standing(Box::new(Standing {
            account: account.id,
            at,
            status: account.status,
            controls: account.controls.clone(),
            sell_deck: account.sell_deck,
            reseller: account.reseller,
            time_zone: account.time_zone.clone(),
            by: by.clone(),
            why: why.clone(),
        }))),
        Record::Line(line) => Some(Record::LineStanding(Box::new(LineStanding {
            line: line.id,
            account: line.account,
            at,
            security: types::LineSecurity::of(line),
            by: by.clone(),
            why: why.clone(),
        }))),
        Record::Trunk(trunk) => Some(Record::TrunkStanding(TrunkStanding {
            trunk: trunk.id,
            at,
            cost_deck: trunk.cost_deck,
        })),
        _ => None,
    });
    stood.collect()
}

struct Asked<'s> {
    store: &'s MemoryStore,
    starts: Vec<UnixMicros>,
    calls: BTreeMap<AccountId, Calls>,
    none: Calls,
}

impl Asked<'_> {
    fn new(store: &MemoryStore) -> Asked<'_> {
        let kind = Some("started".to_owned());
        let facts = FactFilter { kind, limit: u32::MAX, ..FactFilter::default() };
        let mut starts: Vec<UnixMicros> =
            store.facts(&facts).expect(READ).into_iter().map(|stored| stored.at).collect();
        starts.sort_unstable();
        let mut calls: BTreeMap<AccountId, Calls> = BTreeMap::new();
        let all = CallFilter { limit: u32::MAX, ..CallFilter::default() };
        for cdr in store.calls(&all).expect(READ) {
            if let Some(call) = KnownCall::ended(&cdr, &starts) {
                calls.entry(cdr.account).or_default().insert(cdr.decision, call);
            }
        }
        for hold in store.holds(None).expect(READ) {
            let call = KnownCall::open(&hold, &starts);
            calls.entry(hold.account).or_default().insert(hold.decision, call);
        }
        Asked { store, starts, calls, none: Calls::new() }
    }
}

impl Evidence for Asked<'_> {
    type Error = Infallible;

    fn standing_at(
        &mut self,
        account: AccountId,
        at: UnixMicros,
    ) -> Result<Option<Standing>, Infallible> {
        Ok(self.store.controls_at(account, at).expect(READ))
    }

    fn standings_within(
        &mut self,
        account: AccountId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<Standing>, Infallible> {
        Ok(self.store.standings_within(account, after, until).expect(READ))
    }

    fn line_at(
        &mut self,
        line: LineId,
        at: UnixMicros,
    ) -> Result<Option<LineStanding>, Infallible> {
        Ok(self.store.line_at(line, at).expect(READ))
    }

    fn lines_within(
        &mut self,
        line: LineId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<LineStanding>, Infallible> {
        Ok(self.store.lines_within(line, after, until).expect(READ))
    }

    fn trunk_at(
        &mut self,
        trunk: TrunkId,
        at: UnixMicros,
    ) -> Result<Option<TrunkStanding>, Infallible> {
        Ok(self.store.trunk_at(trunk, at).expect(READ))
    }

    fn rows_at(
        &mut self,
        deck: DeckId,
        digits: &str,
        at: UnixMicros,
    ) -> Result<Vec<RateRow>, Infallible> {
        Ok(self.store.deck_rows_at(deck, digits, at).expect(READ))
    }

    fn transfers(&mut self, decision: DecisionId) -> Result<Vec<Transfer>, Infallible> {
        Ok(self.store.transfers(decision).expect(READ))
    }

    fn overruns(
        &mut self,
        account: AccountId,
        since: UnixMicros,
        until: UnixMicros,
    ) -> Result<Money, Infallible> {
        let filter = FactFilter {
            account: Some(account),
            since: Some(since),
            until: Some(UnixMicros(until.0.saturating_add(1))),
            kind: Some("overrun".to_owned()),
            limit: u32::MAX,
        };
        let sum = |sum: Money, stored: StoredFact| match stored.fact {
            Fact::Overrun { amount, .. } => sum.saturating_add(amount),
            _ => sum,
        };
        Ok(self.store.facts(&filter).expect(READ).into_iter().fold(Money::ZERO, sum))
    }

    fn starts(&mut self) -> Result<&[UnixMicros], Infallible> {
        Ok(&self.starts)
    }

    fn calls(&mut self, account: AccountId, _: UnixMicros) -> Result<&Calls, Infallible> {
        Ok(self.calls.get(&account).unwrap_or(&self.none))
    }
}
