//! Money that people move. Lives here: what may be posted, plans of instalments, bills and their runs.
//! Never here: what a bill says (ledger), whether the call is as told (the store looks again).

use serde::{Deserialize, Serialize};
use types::bill::{BillRun, Instalment, InstalmentPlan};
use types::ledger::{LONGEST_BY, LONGEST_REFERENCE};
use types::{
    AccountId, Bill, Cdr, DecisionId, Map, Money, Now, Posting, Record, Transfer, TransferKind,
    TrunkId, UnixMicros,
};

use super::together::Made;
use super::{CommandError, Done, checks, field};
use crate::engine::Engine;
use crate::warning::last_multiple;

/// The most that is moved at once: what a call may cost in the store.
const MOST: Money = Money::from_units(1_000_000_000);
/// Most instalments of a plan.
const MOST_INSTALMENTS: usize = 120;

/// Something to be posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostOrder {
    /// What.
    pub what: PostWhat,
    /// What it is called elsewhere, as a bank's reference.
    pub reference: Option<String>,
    /// When it happened; `None`: now.
    pub at: Option<UnixMicros>,
    /// Who orders it.
    pub by: String,
    /// Why; may be empty for payments and instalments only.
    pub note: String,
}

/// What is posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PostWhat {
    /// What is left of a call's price is given back.
    ZeroRate(CallFacts),
    /// A call is charged at its cost.
    CostPrice(CallFacts),
    /// Something between a holder and us: goodwill, a payment, a returned one, a write-off.
    Holder(TransferKind, AccountId, Money),
    /// An instalment of a plan is due.
    InstalmentDue(AccountId, Instalment),
    /// A carrier gives something back, for one call or in general.
    CarrierCredit(TrunkId, Money, Option<CallFacts>),
}

/// A call as the store knows it, told by who looked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    /// Which.
    pub decision: DecisionId,
    /// Who pays.
    pub account: AccountId,
    /// What was charged.
    pub price: Money,
    /// What the carrier charges.
    pub cost: Money,
    /// What was given back by zero-rating it.
    pub zero_rated: Option<Money>,
    /// What was given back by charging its cost.
    pub cost_priced: Option<Money>,
    /// What its carrier gave back.
    pub credited: Option<Money>,
}

impl CallFacts {
    /// Of a call that is over, with everything that was posted for it.
    pub fn of(cdr: &Cdr, transfers: &[Transfer]) -> CallFacts {
        let posted =
            |kind| transfers.iter().find(|one| one.kind == kind).map(|transfer| transfer.amount);
        CallFacts {
            decision: cdr.decision,
            account: cdr.account,
            price: cdr.price,
            cost: cdr.cost,
            zero_rated: posted(TransferKind::ZeroRating),
            cost_priced: posted(TransferKind::CostPrice),
            credited: posted(TransferKind::CarrierCredit),
        }
    }
}

/// A debt that is to be paid bit by bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOrder {
    /// Whose.
    pub account: AccountId,
    /// The debt.
    pub total: Money,
    /// When how much is due, in the order of time.
    pub parts: Vec<(UnixMicros, Money)>,
    /// Who orders it.
    pub by: String,
    /// Why.
    pub note: String,
}

/// The newest bills, so that none is made twice.
#[derive(Clone, Debug)]
pub(crate) struct Billed {
    /// The newest run; 0 if there is none.
    pub last_run: u32,
    /// The run of an account's newest bill.
    pub last_bills: Map<AccountId, u32>,
}

impl Engine {
    /// The newest bill run; 0 if there was none.
    pub fn last_bill_run(&self) -> u32 {
        self.billed.last_run
    }

    pub(super) fn check_post(
        &self,
        now: Now,
        order: &PostOrder,
        made: &Made,
    ) -> Result<(), CommandError> {
        let PostOrder { what, reference, at, by, note } = order;
        check_words(by, note, has_to_say_why(what))?;
        if reference.as_ref().is_some_and(|text| !is_one_line(text, LONGEST_REFERENCE)) {
            return Err(wrong("reference", "expected 1 to 100 bytes on one line"));
        }
        if at.is_some_and(|at| at > now.wall || at.0 < 0) {
            return Err(wrong("at", "a posting does not happen in the future"));
        }
        match what {
            PostWhat::Holder(_, account, _) | PostWhat::InstalmentDue(account, _) => {
                self.account_exists(*account, made)?;
            }
            PostWhat::ZeroRate(call) | PostWhat::CostPrice(call) => {
                self.account_exists(call.account, made)?;
            }
            PostWhat::CarrierCredit(trunk, ..) => {
                let known = self.directory.trunk(*trunk);
                known.ok_or_else(|| wrong("trunk", &format!("there is no trunk {trunk}")))?;
            }
        }
        let posting = self.posting(now, order, DecisionId(u64::MAX))?;
        let Transfer { decision, kind, amount, .. } = posting.transfer;
        match self.book.posted(decision, kind) {
            Some(posted) if posted != amount => Err(wrong(
                "amount",
                &format!("call {decision} has a {kind} of {posted} already, now of {amount}"),
            )),
            _ => Ok(()),
        }
    }

    /// The posting of an order, with this decision if it needs one of its own.
    fn posting(
        &self,
        now: Now,
        order: &PostOrder,
        own: DecisionId,
    ) -> Result<Posting, CommandError> {
        let (decision, kind, account, trunk, amount) = match &order.what {
            PostWhat::ZeroRate(call) => {
                let amount = self.zero_rating(call)?;
                (call.decision, TransferKind::ZeroRating, Some(call.account), None, amount)
            }
            PostWhat::CostPrice(call) => {
                let amount = self.cost_pricing(call)?;
                (call.decision, TransferKind::CostPrice, Some(call.account), None, amount)
            }
            PostWhat::Holder(kind, account, amount) if is_plain(*kind) => {
                (own, *kind, Some(*account), None, *amount)
            }
            PostWhat::Holder(kind, ..) => {
                return Err(wrong("kind", &format!("{kind} is not posted by itself")));
            }
            PostWhat::InstalmentDue(account, part) => {
                let kind = TransferKind::InstalmentDue;
                (part.decision, kind, Some(*account), None, part.amount)
            }
            PostWhat::CarrierCredit(trunk, amount, call) => {
                call.map_or(Ok(()), |call| check_credit(*amount, &call))?;
                let decision = call.map_or(own, |call| call.decision);
                (decision, TransferKind::CarrierCredit, None, Some(*trunk), *amount)
            }
        };
        if amount <= Money::ZERO || amount > MOST {
            return Err(wrong("amount", &format!("expected more than nothing, at most {MOST}")));
        }
        let (debit, credit) = kind.sides(account, trunk).expect("the kind fits who it is about");
        let at = order.at.unwrap_or(now.wall);
        Ok(Posting {
            transfer: Transfer { decision, kind, debit, credit, amount, at },
            account,
            reference: order.reference.clone(),
            by: order.by.clone(),
            note: order.note.clone(),
        })
    }

    /// What was given back of a call by a kind of posting: as the store said, or since then.
    fn given_back(&self, call: &CallFacts, kind: TransferKind) -> Option<Money> {
        let told = match kind {
            TransferKind::ZeroRating => call.zero_rated,
            _ => call.cost_priced,
        };
        told.or_else(|| self.book.posted(call.decision, kind))
    }

    fn zero_rating(&self, call: &CallFacts) -> Result<Money, CommandError> {
        if let Some(before) = self.given_back(call, TransferKind::ZeroRating) {
            return Ok(before);
        }
        let priced = self.given_back(call, TransferKind::CostPrice).unwrap_or_default();
        let left = call.price.checked_sub(priced).filter(|left| *left > Money::ZERO);
        let nothing = || format!("call {} has nothing left to give back", call.decision);
        left.ok_or_else(|| wrong("call", &nothing()))
    }

    fn cost_pricing(&self, call: &CallFacts) -> Result<Money, CommandError> {
        if let Some(before) = self.given_back(call, TransferKind::CostPrice) {
            return Ok(before);
        }
        let id = call.decision;
        if self.given_back(call, TransferKind::ZeroRating).is_some() {
            return Err(wrong("call", &format!("call {id} was zero-rated")));
        }
        let more = call.price.checked_sub(call.cost).filter(|more| *more > Money::ZERO);
        more.ok_or_else(|| {
            let problem = format!("call {id} was charged {}, it cost {}", call.price, call.cost);
            wrong("call", &problem)
        })
    }

    pub(super) fn post_order(&mut self, now: Now, order: &PostOrder) -> Done {
        // The store has it, of which the book of this run may not know.
        let (call, there) = match &order.what {
            PostWhat::ZeroRate(call) => (Some(call), call.zero_rated),
            PostWhat::CostPrice(call) => (Some(call), call.cost_priced),
            PostWhat::CarrierCredit(_, _, Some(call)) => (Some(call), call.credited),
            _ => (None, None),
        };
        if let Some((call, amount)) = call.zip(there) {
            let message =
                format!("{amount} of call {} was given back before: nothing to do", call.decision);
            return Done { message, ..Done::default() };
        }
        let own = self.next_decision(now.wall);
        let posting = match self.posting(now, order, own) {
            Ok(posting) => posting,
            // Another order of the same transaction came first.
            Err(error) => return Done { message: error.to_string(), ..Done::default() },
        };
        self.post_once(now, posting)
    }

    fn post_once(&mut self, now: Now, posting: Posting) -> Done {
        let Transfer { kind, amount, .. } = posting.transfer;
        let whose = match (posting.account, posting.transfer.debit) {
            (Some(account), _) => format!("account {account}"),
            (None, types::LedgerAccount::CarrierPayable(trunk)) => format!("trunk {trunk}"),
            (None, _) => "nobody".to_owned(),
        };
        match self.book.post_ordered(&posting) {
            Ok(ledger::Posted::New) => {}
            Ok(ledger::Posted::Again) => {
                let message = format!("{kind} of {amount} for {whose}: it is there already");
                return Done { message, ..Done::default() };
            }
            Err(error) => return Done { message: error.to_string(), ..Done::default() },
        }
        if let Some(account) = posting.account {
            self.lower_usage(now, account, posting.adds_to_usage());
        }
        let message = format!("{kind} of {amount} for {whose}");
        Done { records: vec![Record::Posting(Box::new(posting))], message, ..Done::default() }
    }

    /// Un-billed usage follows what was given back or billed, and the next warning with it. The windows
    /// of stop levels do not: money given back does not make room for more fraud.
    fn lower_usage(&mut self, now: Now, account: AccountId, by: Money) {
        if by.is_zero() {
            return;
        }
        self.ledger.change_unbilled(account, by).expect("sums of bounded amounts fit");
        let level = self.directory.account(account).map(|known| known.controls.warning_level);
        let usage = self.ledger.unbilled(account).saturating_add(self.running(now, account));
        let reached = last_multiple(usage, level.unwrap_or_default());
        if self.calls.activity(account).is_some_and(|activity| activity.warned > reached) {
            self.calls.activity_mut(account).warned = reached;
        }
        self.arm_warning(now, account);
    }

    pub(super) fn check_plan(
        &self,
        now: Now,
        order: &PlanOrder,
        made: &Made,
    ) -> Result<(), CommandError> {
        let PlanOrder { account, total, parts, by, note } = order;
        self.account_exists(*account, made)?;
        check_words(by, note, true)?;
        if parts.is_empty() || parts.len() > MOST_INSTALMENTS {
            let problem = format!("expected 1 to {MOST_INSTALMENTS} instalments");
            return Err(wrong("parts", &problem));
        }
        if parts.iter().any(|(_, amount)| *amount <= Money::ZERO) {
            return Err(wrong("parts", "an instalment is more than nothing"));
        }
        let dates: Vec<UnixMicros> = parts.iter().map(|(due, _)| *due).collect();
        if dates[0] <= now.wall || dates.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(wrong("parts", "expected dates in the future, one after the other"));
        }
        let mut amounts = parts.iter().map(|(_, amount)| *amount);
        let sum = amounts.try_fold(Money::ZERO, Money::checked_add);
        if sum != Some(*total) || *total > MOST {
            return Err(wrong("total", "the instalments do not sum up to the debt"));
        }
        Ok(())
    }

    pub(super) fn put_plan(&mut self, now: Now, order: PlanOrder) -> Done {
        let PlanOrder { account, total, parts, by, note } = order;
        let id = self.next_decision(now.wall);
        let mut part = |(due, amount)| {
            let decision = self.next_decision(now.wall);
            Instalment { decision, due, amount }
        };
        let instalments: Vec<Instalment> = parts.into_iter().map(&mut part).collect();
        let kind = TransferKind::Instalment;
        let (debit, credit) = kind.sides(Some(account), None).expect("it is about a holder");
        let at = now.wall;
        let transfer = Transfer { decision: id, kind, debit, credit, amount: total, at };
        let posting = Posting {
            transfer,
            account: Some(account),
            reference: None,
            by: by.clone(),
            note: note.clone(),
        };
        let mut done = self.post_once(now, posting);
        done.message =
            format!("account {account} pays {total} in {} instalments", instalments.len());
        let plan = InstalmentPlan { id, account, total, instalments, by, note, at };
        done.records.push(Record::Instalments(Box::new(plan)));
        done
    }

    pub(super) fn check_run(
        &self,
        run: u32,
        only: Option<AccountId>,
        made: &Made,
    ) -> Result<(), CommandError> {
        if let Some(account) = only {
            self.account_exists(account, made)?;
        }
        let next = self.billed.last_run + 1;
        match run == next {
            true => Ok(()),
            false => Err(wrong("run", &format!("the next bill run is {next}, not {run}"))),
        }
    }

    pub(super) fn begin_run(
        &mut self,
        now: Now,
        run: u32,
        day: UnixMicros,
        only: Option<AccountId>,
    ) -> Done {
        self.billed.last_run = run;
        let record = Record::BillRun(BillRun { run, day, only, at: now.wall });
        let message = format!("bill run {run} began");
        Done { records: vec![record], message, ..Done::default() }
    }

    /// Bills follow each other: one that was made of an older state than ours is not taken.
    pub(super) fn check_bills(&self, bills: &[Bill], made: &Made) -> Result<(), CommandError> {
        for bill in bills {
            self.account_exists(bill.account, made)?;
            let last = self.last_bill(bill.account);
            if bill.run == 0 || bill.run > self.billed.last_run {
                return Err(wrong("run", &format!("there is no bill run {}", bill.run)));
            }
            let follows = bill.previous == last && bill.run > last;
            if bill.run != last && !follows {
                let problem = format!("{} does not follow the account's last bill", bill.id());
                return Err(wrong("bill", &problem));
            }
        }
        let mut accounts: Vec<AccountId> = bills.iter().map(|bill| bill.account).collect();
        accounts.sort_unstable();
        match accounts.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(wrong("bill", "expected one bill of each account")),
            false => Ok(()),
        }
    }

    fn last_bill(&self, account: AccountId) -> u32 {
        self.billed.last_bills.get(&account).copied().unwrap_or(0)
    }

    /// Takes new bills; those that are there already are passed over.
    pub(super) fn put_bills(&mut self, now: Now, bills: Vec<Bill>) -> Done {
        let mut records = Vec::new();
        for bill in bills {
            if bill.run == self.last_bill(bill.account) {
                continue;
            }
            self.billed.last_bills.insert(bill.account, bill.run);
            self.lower_usage(now, bill.account, Money::ZERO.saturating_sub(bill.total));
            records.push(Record::Bill(Box::new(bill)));
        }
        let message = format!("{} bills made", records.len());
        Done { records, message, ..Done::default() }
    }

    pub(super) fn end_run(&mut self, run: u32) -> Done {
        let message = format!("bill run {run} is done");
        Done { records: vec![Record::BillRunDone(run)], message, ..Done::default() }
    }
}

/// A carrier gives at most a call's cost back, and once.
fn check_credit(amount: Money, call: &CallFacts) -> Result<(), CommandError> {
    let id = call.decision;
    if let Some(before) = call.credited.filter(|before| *before != amount) {
        let problem =
            format!("call {id} has a carrier-credit of {before} already, now of {amount}");
        return Err(wrong("amount", &problem));
    }
    match amount > call.cost {
        true => Err(wrong("amount", &format!("call {id} cost no more than {}", call.cost))),
        false => Ok(()),
    }
}

/// Kinds that people post as they are, between a holder and us.
const fn is_plain(kind: TransferKind) -> bool {
    matches!(
        kind,
        TransferKind::Goodwill
            | TransferKind::Payment
            | TransferKind::PaymentReturned
            | TransferKind::WriteOff
    )
}

fn has_to_say_why(what: &PostWhat) -> bool {
    !matches!(what, PostWhat::Holder(TransferKind::Payment, ..) | PostWhat::InstalmentDue(..))
}

fn check_words(by: &str, note: &str, say_why: bool) -> Result<(), CommandError> {
    if !is_one_line(by, LONGEST_BY) {
        return Err(wrong("by", "expected who orders it: 1 to 100 bytes on one line"));
    }
    if say_why || !note.is_empty() {
        checks::note(note)?;
    }
    Ok(())
}

fn is_one_line(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.len() <= longest && !text.chars().any(char::is_control)
}

fn wrong(name: &'static str, problem: &str) -> CommandError {
    field(name, problem.to_owned())
}
