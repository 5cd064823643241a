//! The bill run. Lives here: who gets a bill, in which order it is written, going on after a stop.
//! Never here: sums (ledger), what is committed (store).
//!
//! ```text
//! instalments due ─► run begins: the store notes its marks ─► bills, some accounts at a time ─► done
//!                              ▲                                        │
//!                              └───── killed anywhere: the same again ──┘
//! ```
//! A bill is made from what its run's marks cover, which does not change: made again it is the same. Who
//! has his bill is not due any more, so that nobody gets two.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use engine::{PostOrder, PostWhat};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::{BillBasis, LastBill, make_bill};
use serde_json::Value;
use store::Reader;
use types::{
    Account, AccountId, Bill, BillRun, Coverage, Instalment, InstalmentPlan, KnownRun, Marks,
    Money, Posting, Transfer, TransferKind, UnixMicros,
};

use super::{Names, cycle_end, day_start, zone};
use crate::change::Change;

/// Accounts whose bills are written together.
pub const BATCH: usize = 200;

/// The number of a run that is not made: nobody gets so far.
pub const DRAFT: u32 = u32::MAX;

/// What is to be billed.
#[derive(Clone, Copy, Debug)]
pub struct RunOrder {
    /// Up to the billing months that are over on this day.
    pub day: Date,
    /// This account only.
    pub only: Option<AccountId>,
    /// Nothing is written.
    pub dry: bool,
    /// Accounts whose bills are written together.
    pub batch: usize,
    /// Now.
    pub now: UnixMicros,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its number; 0 for a dry run.
    pub run: u32,
    /// Did it go on where one had stopped?
    pub resumed: bool,
    /// Had it been done before?
    pub done_before: bool,
    /// Accounts looked at.
    pub accounts: u64,
    /// Bills made by this call.
    pub bills: u64,
    /// Their totals together.
    pub total: Money,
    /// Instalments that became due.
    pub instalments: u64,
    /// In a dry run: the bills themselves.
    pub drafts: Vec<Bill>,
}

/// Where a run reads and writes.
pub trait Desk {
    /// What is on disk.
    fn reader(&self) -> &dyn Reader;

    /// Carries a change out; returns when it is on disk.
    fn change(&mut self, change: Change) -> anyhow::Result<Value>;
}

/// Makes bills. `progress` is told how many accounts of how many were looked at.
pub fn run(
    desk: &mut dyn Desk,
    order: &RunOrder,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<Report> {
    let mut accounts = desk.reader().accounts()?;
    accounts.retain(|account| order.only.is_none_or(|only| account.id == only));
    let due = due_instalments(desk.reader(), order)?;
    let mut report = Report::default();
    let known = match order.dry {
        true => Some(draft(order)?),
        false => begin(desk, order, (&accounts, &due), &mut report)?,
    };
    let Some(known) = known else { return Ok(report) };
    let names = Names::read(desk.reader(), &accounts, known.run.at)?;
    let all = accounts.len() as u64;
    for some in accounts.chunks(order.batch.max(1)) {
        let bills = bills(desk.reader(), &names, some, &known, order, &due)?;
        for bill in &bills {
            report.bills += 1;
            report.total = report.total.checked_add(bill.total).context("the sum is too large")?;
        }
        match order.dry {
            true => report.drafts.extend(bills),
            false if bills.is_empty() => {}
            false => drop(desk.change(Change::PutBills(bills))?),
        }
        report.accounts += some.len() as u64;
        progress(report.accounts, all);
    }
    if !order.dry {
        desk.change(Change::EndBillRun(known.run.run))?;
    }
    Ok(report)
}

/// The run that a dry run plays: it covers everything up to now.
fn draft(order: &RunOrder) -> anyhow::Result<KnownRun> {
    let marks = Marks { calls: u64::MAX, postings: u64::MAX };
    let day = day_start(order.day, &TimeZone::UTC)?;
    let run = BillRun { run: DRAFT, day, only: order.only, at: order.now };
    Ok(KnownRun { run, marks, done: false })
}

/// Goes on with the run of this day, or begins it; `None` if it is done and no month has ended since.
fn begin(
    desk: &mut dyn Desk,
    order: &RunOrder,
    (accounts, due): (&[Account], &[(AccountId, Instalment)]),
    report: &mut Report,
) -> anyhow::Result<Option<KnownRun>> {
    let day = day_start(order.day, &TimeZone::UTC)?;
    let is_ours = |known: &&KnownRun| known.run.day == day && known.run.only == order.only;
    let runs = desk.reader().bill_runs()?;
    if let Some(known) = runs.iter().find(is_ours)
        && !(known.done && has_ended_since(known.run.at, accounts, order)?)
    {
        (report.run, report.resumed) = (known.run.run, !known.done);
        report.done_before = known.done;
        return Ok((!known.done).then_some(*known));
    }
    if let Some(open) = runs.iter().find(|known| !known.done) {
        bail!("bill run {} is not done: {} goes on with it", open.run.run, how_to_go_on(open));
    }
    for (account, part) in due {
        desk.change(Change::Post(Box::new(post_due(*account, *part))))?;
        report.instalments += 1;
    }
    let answer = desk.change(Change::BeginBillRun { day, only: order.only })?;
    let number = answer["run"].as_u64().context("a run has a number")?;
    let runs = desk.reader().bill_runs()?;
    let begun = runs.into_iter().find(|known| u64::from(known.run.run) == number);
    let begun = begun.context("the bill run is not in the database yet: try again in a while")?;
    report.run = begun.run.run;
    Ok(Some(begun))
}

/// Has anybody's billing month ended since a run of the same day? It was made before the day had begun everywhere.
fn has_ended_since(
    then: UnixMicros,
    accounts: &[Account],
    order: &RunOrder,
) -> anyhow::Result<bool> {
    for account in accounts {
        let zone = zone(account)?;
        let end = |by| cycle_end(order.day, account.billing_day, &zone, by);
        if end(order.now)? > end(then)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The command that goes on with a run.
fn how_to_go_on(open: &KnownRun) -> String {
    let day = open.run.day.to_string();
    let only = open.run.only.map(|id| format!(" --account {id}")).unwrap_or_default();
    format!("`ringfence bill run --until {}{only}`", &day[..10])
}

/// Instalments whose day has come, and that were not posted.
fn due_instalments(
    reader: &dyn Reader,
    order: &RunOrder,
) -> anyhow::Result<Vec<(AccountId, Instalment)>> {
    let mut due = Vec::new();
    for InstalmentPlan { account, instalments, .. } in reader.instalments(order.only)? {
        for part in instalments.into_iter().filter(|part| part.due <= order.now) {
            if reader.transfers(part.decision)?.is_empty() {
                due.push((account, part));
            }
        }
    }
    Ok(due)
}

/// An instalment is posted at its date, however late a run notices.
fn post_due(account: AccountId, part: Instalment) -> PostOrder {
    PostOrder {
        what: PostWhat::InstalmentDue(account, part),
        reference: None,
        at: Some(part.due),
        by: "bill run".to_owned(),
        note: String::new(),
    }
}

/// The bills of some accounts, which follow each other by id.
fn bills(
    reader: &dyn Reader,
    names: &Names,
    accounts: &[Account],
    known: &KnownRun,
    order: &RunOrder,
    due: &[(AccountId, Instalment)],
) -> anyhow::Result<Vec<Bill>> {
    let (Some(first), Some(last)) = (accounts.first(), accounts.last()) else {
        return Ok(Vec::new());
    };
    let newest = reader.last_bills(first.id, last.id)?;
    let newest: BTreeMap<AccountId, &Bill> =
        newest.iter().map(|bill| (bill.account, bill)).collect();
    let mut bills = Vec::new();
    for account in accounts {
        let last = newest.get(&account.id).map(|bill| LastBill::from(*bill));
        let until = cycle_end(order.day, account.billing_day, &zone(account)?, known.run.at)?;
        let before = last.map_or(Coverage::NOTHING, |last| last.covers);
        if until <= before.until {
            continue;
        }
        let covers = Coverage { marks: known.marks, until };
        let items = reader.bill_items(account.id, &before, &covers)?;
        let mut postings: Vec<Posting> =
            items.postings.into_iter().map(|stored| stored.posting).collect();
        if order.dry {
            let parts = due.iter().filter(|(id, part)| *id == account.id && part.due < until);
            postings.extend(parts.map(|(id, part)| as_posted(*id, *part)));
        }
        postings.sort_by_key(|posting| posting.transfer.at);
        let basis =
            BillBasis { account: account.id, run: known.run.run, made: known.run.at, covers, last };
        let bill = make_bill(&basis, &items.calls, &postings, |cdr| names.describe(cdr))?;
        if !is_empty(&bill) {
            bills.push(bill);
        }
    }
    Ok(bills)
}

/// Nothing happened, and nothing is owed: nobody wants to read that.
fn is_empty(bill: &Bill) -> bool {
    let nothing_on_it =
        bill.lines.is_empty() && bill.adjustments.is_empty() && bill.payments.is_empty();
    nothing_on_it && bill.brought_forward.is_zero()
}

/// What a run would post for an instalment.
fn as_posted(account: AccountId, part: Instalment) -> Posting {
    let kind = TransferKind::InstalmentDue;
    let (debit, credit) = kind.sides(Some(account), None).expect("it is about a holder");
    let Instalment { decision, due, amount } = part;
    Posting {
        transfer: Transfer { decision, kind, debit, credit, amount, at: due },
        account: Some(account),
        reference: None,
        by: "bill run".to_owned(),
        note: String::new(),
    }
}
