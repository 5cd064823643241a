//! Random lives of a small world. Lives here: steps by dice, what must hold after them. Never here: what a step does (world).

use engine::{PlanOrder, PostWhat};
use store::{CallFilter, MemoryStore, Reader};
use types::*;

use super::world::{DAY_US, Kill, World, facts, sqlite, told};
use crate::billing::Desk;
use crate::change::Change;

/// One random step of a small world.
fn step(world: &mut World, n: u32, late: &mut Vec<Vec<Record>>) {
    let id = world.dice.below(5) as u32 + 1;
    let account = AccountId(id);
    let amount = Money::from_micros(world.dice.below(5_000) as i64 + 1);
    match world.dice.below(20) {
        0..=8 => {
            let price = world.dice.below(4) as i64 * 10_001;
            let ended = UnixMicros(world.now.0 - world.dice.below(3_600_000_000) as i64);
            let records = world.call(n, id, price, ended);
            // A stalled store, a crash: it is written later, perhaps after a bill run.
            if world.dice.chance(200) {
                late.push(records)
            } else {
                world.commit(records)
            }
            world.restart();
        }
        9 if !late.is_empty() => {
            let records = late.remove(world.dice.below(late.len() as u64) as usize);
            world.commit(records);
            world.restart();
        }
        9..=11 => {
            let calls = world.store.calls(&CallFilter::default()).expect("it can be read");
            let some = world.dice.below(calls.len().max(1) as u64) as usize;
            if let Some(call) = calls.get(some).map(|cdr| facts(world, cdr)) {
                let free = world.dice.chance(500);
                let what = if free { PostWhat::ZeroRate(call) } else { PostWhat::CostPrice(call) };
                // What has nothing left is refused.
                drop(world.post(what, None));
            }
        }
        12 => {
            let what = PostWhat::Holder(TransferKind::Goodwill, account, amount);
            world.post(what, None).expect("a gift is taken");
        }
        13 | 14 => {
            let reference = format!("FT{}", world.dice.below(12));
            let kinds = [TransferKind::Payment, TransferKind::PaymentReturned];
            let kind = kinds[world.dice.below(2) as usize];
            // A reference that was used for another amount is refused.
            drop(world.post(PostWhat::Holder(kind, account, amount), Some(&reference)));
        }
        15 => {
            let total = Money::from_micros(amount.micros() + 10);
            let due = |n: i64| UnixMicros(world.now.0 + (n + 1) * 20 * DAY_US);
            let parts = ::ledger::split(total, 3).into_iter().enumerate();
            let parts = parts.map(|(n, amount)| (due(n as i64), amount)).collect();
            let (by, note) = ("ann".to_owned(), "bit by bit".to_owned());
            let order = PlanOrder { account, total, parts, by, note };
            world.change(Change::PutPlan(Box::new(order))).expect("a good plan");
        }
        16 => world.restart(),
        17 | 18 => world.now = UnixMicros(world.now.0 + world.dice.below(12) as i64 * DAY_US),
        _ => {
            let (at, after) = (world.dice.below(6) as u32 + 1, world.dice.chance(500));
            let batch = world.dice.below(3) as usize + 1;
            world.kill = world.dice.chance(700).then_some(Kill { at: world.changes + at, after });
            bill_today(world, batch);
        }
    }
    world.now = UnixMicros(world.now.0 + 1_000);
}

/// Bills up to today; a run that was killed goes on, or waits for the next time.
fn bill_today(world: &mut World, batch: usize) {
    let open = world.store.bill_runs().expect("it can be read");
    let open = open.iter().find(|known| !known.done).map(|known| known.run.day);
    let day = open.unwrap_or(world.now).to_string();
    let made = world.bill(&day[..10], batch);
    world.kill = None;
    if let Err(error) = made {
        assert_eq!(error.to_string(), "killed");
        world.restart();
    }
}

/// A life of ninety steps, looked at after each so many.
fn live(world: &mut World, every: u32) -> Vec<Bill> {
    world.stutters = true;
    let mut late = Vec::new();
    for n in 1..=90 {
        step(world, n, &mut late);
        if n.is_multiple_of(every) {
            world.check();
        }
    }
    late.into_iter().for_each(|records| world.commit(records));
    world.kill = None;
    world.restart();
    bill_today(world, 2);
    world.now = UnixMicros(world.now.0 + 40 * DAY_US);
    bill_today(world, 2);
    world.check();
    // By now every call is on one bill, and on no other (check).
    let calls = world.store.calls(&CallFilter { limit: u32::MAX, ..CallFilter::default() });
    let calls = calls.expect("it can be read").len();
    let billed: usize = world.bills().iter().map(|bill| world.calls_of(bill).len()).sum();
    assert_eq!(billed, calls);
    told(world)
}

/// Debits equal credits, no call is on two bills, bills and un-billed usage are what was charged and
/// given back: whatever is posted, billed, late, told ten times, killed.
#[test]
fn random_money_comes_out() {
    let (mut bills, mut adjusted, mut paid) = (0, 0, 0);
    for seed in 0..12 {
        let here = live(&mut World::new(Box::new(MemoryStore::new()), seed), 1);
        let directory = tempfile::tempdir().expect("a directory");
        let there = live(&mut World::new(sqlite(&directory), seed), 9);
        assert_eq!(here, there, "seed {seed}");
        bills += here.len();
        adjusted += here.iter().filter(|bill| !bill.adjustments.is_empty()).count();
        paid += here.iter().filter(|bill| !bill.payments.is_empty()).count();
    }
    assert!(bills > 80 && adjusted > 20 && paid > 20, "{bills} {adjusted} {paid}");
}
