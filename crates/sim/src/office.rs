//! The provider's office: payments, money given back, controls that go up and down, bill runs. Lives here: what is ordered
//! when, drawn from a seed; how an errand becomes a command from what the store says in that moment. Never here: what follows.
//!
//! Everything is ordered once to ten times, some of it across a crash: people press a button again when they see no answer.

use engine::{CallFacts, Command, ControlChange, PostOrder, PostWhat};
use ledger::{BillBasis, CallText, LastBill, make_bill};
use store::{BillFilter, CallFilter, MemoryStore, Reader};
use types::decision::Outcome;
use types::{
    AccountId, Bill, By, Cdr, Coverage, Dice, Money, Posting, Setting, TransferKind, UnixMicros,
};

use crate::planted::Planted;
use crate::world::{Deed, World};

/// Somebody of the office wants something.
#[derive(Clone, Debug)]
pub enum Errand {
    /// A holder paid; the bank's reference tells payments apart.
    Payment(AccountId, Money, String),
    /// Money of ours for a holder, without a call.
    Goodwill(AccountId, Money),
    /// Something of a call is given back: of the calls there are, the one that this number picks.
    GiveBack(GiveBack, u64),
    /// A control of an account, for so many microseconds or for good.
    Control(AccountId, Setting, Option<i64>),
    /// The next step of the bill run of this day, and of any that is not done.
    BillRun(UnixMicros),
}

/// What is given back of a call, and by whom.
#[derive(Clone, Copy, Debug)]
pub enum GiveBack {
    /// What is left of its price.
    ZeroRate,
    /// What it is charged above its cost.
    CostPrice,
    /// What its carrier charged.
    CarrierCredit,
}

/// Between two steps of a bill run.
const STEP_US: u64 = 700_000;
/// An order is given again within so long.
const AGAIN_US: u64 = 90_000_000;
/// The holders of a town.
const ACCOUNTS: u64 = 4;

/// Plans the office's day.
pub fn plan(world: &mut World, dice: &mut Dice, span: u64) {
    for number in 0..dice.below(6) {
        let errand = drawn(dice, number);
        let first = span / 8 + dice.below(span / 2);
        for _ in 0..=dice.below(10) {
            let at = first + if dice.chance(500) { 0 } else { dice.below(AGAIN_US) };
            world.at(at, Deed::Errand(Box::new(errand.clone())));
        }
    }
    if dice.chance(300) {
        let control = Errand::Control(holder(dice), setting(dice), end(dice));
        world.at(dice.below(span), Deed::Errand(Box::new(control)));
    }
    for day in 0..dice.below(3) as i64 {
        let run = Errand::BillRun(UnixMicros::from_seconds(day * 86_400));
        world.at(span / 4 + dice.below(span / 2), Deed::Errand(Box::new(run)));
    }
}

fn drawn(dice: &mut Dice, number: u64) -> Errand {
    let amount = Money::from_micros(1 + dice.below(300_000).cast_signed());
    match dice.below(5) {
        0 => Errand::Payment(holder(dice), amount, format!("bank {number}")),
        1 => Errand::Goodwill(holder(dice), amount),
        2 => Errand::GiveBack(GiveBack::ZeroRate, dice.below(1_000)),
        3 => Errand::GiveBack(GiveBack::CostPrice, dice.below(1_000)),
        _ => Errand::GiveBack(GiveBack::CarrierCredit, dice.below(1_000)),
    }
}

fn holder(dice: &mut Dice) -> AccountId {
    AccountId(1 + dice.below(ACCOUNTS) as u32)
}

fn setting(dice: &mut Dice) -> Setting {
    let cents = |dice: &mut Dice| Money::from_cents(1 + dice.below(40).cast_signed());
    match dice.below(6) {
        0 => Setting::PriceCapInternational(cents(dice)),
        1 => Setting::PriceCapNational(cents(dice)),
        2 => Setting::StopLevel24h(cents(dice)),
        3 => Setting::StopLevelAll24h(cents(dice)),
        4 => Setting::WarningLevel(cents(dice)),
        _ => Setting::Calls(1 + dice.below(20) as u16),
    }
}

fn end(dice: &mut Dice) -> Option<i64> {
    dice.chance(500).then(|| (60_000_000 + dice.below(600_000_000)).cast_signed())
}

impl Errand {
    /// The command for it, as the store says now; `None`: there is nothing to do.
    pub fn command(
        &self,
        store: &MemoryStore,
        wall: UnixMicros,
        planted: Option<Planted>,
    ) -> Option<Command> {
        Some(match self {
            Errand::Payment(account, amount, reference) => {
                let what = PostWhat::Holder(TransferKind::Payment, *account, *amount);
                post(what, Some(reference.clone()))
            }
            Errand::Goodwill(account, amount) => {
                post(PostWhat::Holder(TransferKind::Goodwill, *account, *amount), None)
            }
            Errand::GiveBack(how, pick) => post(give_back(store, *how, *pick)?, None),
            Errand::Control(account, setting, lasts) => {
                Command::ChangeControls(Box::new(ControlChange {
                    account: *account,
                    settings: vec![setting.clone()],
                    by: By::staff("eve"),
                    why: String::new(),
                    until: lasts.map(|us| UnixMicros(wall.0 + us)),
                }))
            }
            Errand::BillRun(day) => bill_step(store, *day, planted)?,
        })
    }

    /// Is it to be asked again, and after how long?
    pub fn again_us(&self) -> Option<u64> {
        matches!(self, Errand::BillRun(_)).then_some(STEP_US)
    }
}

fn post(what: PostWhat, reference: Option<String>) -> Command {
    let (by, note) = ("eve".to_owned(), "as agreed".to_owned());
    Command::Post(Box::new(PostOrder { what, reference, at: None, by, note }))
}

fn give_back(store: &MemoryStore, how: GiveBack, pick: u64) -> Option<PostWhat> {
    const READ: &str = "memory can always be read";
    let filter =
        CallFilter { outcome: Some(Outcome::Admitted), limit: u32::MAX, ..CallFilter::default() };
    let mut calls = store.calls(&filter).expect(READ);
    calls.retain(|cdr| !cdr.price.is_zero() && !cdr.cost.is_zero());
    let cdr = calls.get(usize::try_from(pick).ok()? % calls.len().max(1))?;
    let facts = CallFacts::of(cdr, &store.transfers(cdr.decision).expect(READ));
    Some(match how {
        GiveBack::ZeroRate => PostWhat::ZeroRate(facts),
        GiveBack::CostPrice => PostWhat::CostPrice(facts),
        GiveBack::CarrierCredit => PostWhat::CarrierCredit(cdr.trunk?, cdr.cost, Some(facts)),
    })
}

/// What comes next: a run begins, a holder gets his bill, the run is done. `None` once the run of this day is.
fn bill_step(store: &MemoryStore, day: UnixMicros, planted: Option<Planted>) -> Option<Command> {
    const READ: &str = "memory can always be read";
    let runs = store.bill_runs().expect(READ);
    if runs.iter().any(|known| known.run.day == day && known.done) {
        return None;
    }
    let Some(open) = runs.iter().find(|known| !known.done) else {
        let last = runs.iter().map(|known| known.run.run).max().unwrap_or(0);
        return Some(Command::BeginBillRun { run: last + 1, day, only: None });
    };
    let run = open.run.run;
    let accounts = store.accounts().expect(READ);
    let newest = |account: AccountId| {
        let filter = BillFilter { account: Some(account), run: None, limit: 1 };
        store.bills(&filter).expect(READ).into_iter().next()
    };
    let last_of = |account: AccountId| newest(account).filter(|bill| bill.run == run).is_none();
    let Some(account) = accounts.into_iter().map(|account| account.id).find(|id| last_of(*id))
    else {
        return Some(Command::EndBillRun(run));
    };
    let last = newest(account);
    let last: Option<LastBill> = last.as_ref().map(LastBill::from);
    let before = last.map_or(Coverage::NOTHING, |last| last.covers);
    let covers = Coverage { marks: open.marks, until: open.run.at.max(before.until) };
    let items = store.bill_items(account, &before, &covers).expect(READ);
    let mut calls: Vec<Cdr> = items.calls;
    if planted == Some(Planted::CallUnbilled) {
        calls.pop();
    }
    let postings: Vec<Posting> = items.postings.into_iter().map(|stored| stored.posting).collect();
    let basis = BillBasis { account, run, made: open.run.at, covers, last };
    let text = |cdr: &Cdr| CallText { name: cdr.destination.class.code().to_owned(), billed_s: 0 };
    let bill: Bill = make_bill(&basis, &calls, &postings, text).expect("sums are small");
    Some(Command::PutBills(vec![bill]))
}
