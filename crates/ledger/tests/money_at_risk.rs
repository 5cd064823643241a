//! The ledger: each movement, each error, and the kept sums against a recount.

use ledger::{Ask, Ledger, LedgerError, Levels, Refused};
use types::{AccountId, DecisionId, Dice, HashKey, Money, UnixMicros};

const NOW: UnixMicros = UnixMicros::from_seconds(1_800_000_000);
const ACCOUNT: AccountId = AccountId(7);

fn levels(day: i64) -> Levels {
    let all_day = Money::from_micros(1_000_000);
    Levels { hour: None, day: Money::from_micros(day), week: None, off_hours: None, all_day }
}

fn ask(decision: u64, amount: i64) -> Ask {
    let (decision, amount) = (DecisionId(decision), Money::from_micros(amount));
    Ask { decision, account: ACCOUNT, amount, costly: true }
}

fn ledger() -> Ledger {
    Ledger::new(HashKey(1, 2))
}

#[test]
fn holds_count_as_spent_and_free_what_is_left() {
    let mut ledger = ledger();
    let level = levels(100);
    ledger.reserve(NOW, ask(1, 60), &level).expect("60 of 100");
    assert!(matches!(ledger.reserve(NOW, ask(2, 41), &level), Err(Refused::Levels(_))));
    ledger.reserve(NOW, ask(3, 40), &level).expect("100 of 100");
    let closing = ledger.settle(NOW, DecisionId(1), Money::from_micros(25)).expect("open");
    assert_eq!((closing.held.micros(), closing.overrun), (60, Money::ZERO));
    ledger.release(NOW, DecisionId(3)).expect("open");
    assert!(matches!(ledger.reserve(NOW, ask(4, 76), &level), Err(Refused::Levels(_))));
    ledger.reserve(NOW, ask(4, 75), &level).expect("25 and 75 of 100");
    let closing = ledger.expire(NOW, DecisionId(4), Money::from_micros(80)).expect("open");
    assert_eq!(closing.overrun.micros(), 5);
    let exposed = ledger.exposed(NOW, ACCOUNT);
    assert_eq!((exposed.spent.day.micros(), exposed.unbilled.micros()), (105, 105));
    let totals = ledger.totals();
    assert_eq!((totals.reserved, totals.settled, totals.released, totals.expired), (3, 1, 1, 1));
    assert_eq!((totals.largest_overrun.micros(), ledger.audit()), (5, Ok(())));
}

#[test]
fn extensions_ask_for_the_difference() {
    let mut ledger = ledger();
    let level = levels(100);
    ledger.reserve(NOW, ask(1, 60), &level).expect("60 of 100");
    let total = Money::from_micros;
    let Err(Refused::Levels(crossed)) = ledger.extend(NOW, DecisionId(1), total(101), &level)
    else {
        panic!("101 of 100");
    };
    assert_eq!((crossed[0].held.micros(), crossed[0].asked.micros()), (60, 41));
    assert_eq!(ledger.hold(DecisionId(1)).map(|hold| hold.amount.micros()), Some(60));
    ledger.extend(NOW, DecisionId(1), total(100), &level).expect("100 of 100");
    assert_eq!(ledger.exposed(NOW, ACCOUNT).held_costly.micros(), 100);
    assert_eq!(ledger.audit(), Ok(()));
}

#[test]
fn movements_that_cannot_be_change_nothing() {
    let mut ledger = ledger();
    let level = levels(100);
    ledger.reserve(NOW, ask(1, 60), &level).expect("60 of 100");
    let (one, two) = (DecisionId(1), DecisionId(2));
    let fault = |result: Result<(), Refused>| match result {
        Err(Refused::Fault(error)) => error,
        other => panic!("no fault: {other:?}"),
    };
    assert_eq!(fault(ledger.reserve(NOW, ask(1, 1), &level)), LedgerError::HoldExists(one));
    assert_eq!(fault(ledger.reserve(NOW, ask(2, -1), &level)), LedgerError::Negative);
    let total = Money::from_micros;
    assert_eq!(fault(ledger.extend(NOW, one, total(59), &level)), LedgerError::Shrinks(one));
    assert_eq!(fault(ledger.extend(NOW, two, total(59), &level)), LedgerError::NoHold(two));
    assert_eq!(ledger.settle(NOW, two, total(1)), Err(LedgerError::NoHold(two)));
    assert_eq!(ledger.settle(NOW, one, total(-1)), Err(LedgerError::Negative));
    let open = Levels { day: Money::MAX, all_day: Money::MAX, ..level };
    let Err(Refused::Levels(_)) = ledger.reserve(NOW, ask(2, i64::MAX), &open) else {
        panic!("a sum above 64 bits is above every level");
    };
    assert_eq!(ledger.adopt(ask(2, i64::MAX)), Err(LedgerError::Overflow));
    assert_eq!(ledger.exposed(NOW, ACCOUNT).held_all.micros(), 60);
    ledger.settle(NOW, one, total(10)).expect("open");
    assert_eq!(ledger.settle(NOW, one, total(10)), Err(LedgerError::NoHold(one)), "closed once");
    assert_eq!(ledger.unbilled(ACCOUNT).micros(), 10);
    assert_eq!(ledger.audit(), Ok(()));
}

#[test]
fn an_account_without_money_at_risk_takes_no_room() {
    let mut ledger = ledger();
    ledger.reserve(NOW, ask(1, 60), &levels(100)).expect("60 of 100");
    assert_eq!(format!("{ledger:?}"), "Ledger(1 accounts, 1 holds)");
    ledger.release(NOW, DecisionId(1)).expect("open");
    assert_eq!(format!("{ledger:?}"), "Ledger(0 accounts, 0 holds)");
}

/// A second model: every settled price with its time, every hold; summed up by hand.
#[test]
fn random_movements_stay_within_the_level() {
    for seed in 0..200 {
        let mut dice = Dice::simulated(seed, 1);
        let (mut ledger, mut now) = (ledger(), NOW);
        let (mut open, mut spent) = (Vec::<(u64, i64)>::new(), Vec::<(i64, i64)>::new());
        let level = 50 + dice.below(500) as i64;
        for decision in 1..300 {
            now = UnixMicros(now.0 + dice.below(600_000_000) as i64);
            let held: i64 = open.iter().map(|(_, amount)| amount).sum();
            let recent = spent.iter().filter(|(at, _)| *at > now.0 - 86_400_000_000);
            let exact: i64 = recent.map(|(_, price)| price).sum();
            let amount = dice.below(60) as i64;
            if ledger.reserve(now, ask(decision, amount), &levels(level)).is_ok() {
                assert!(exact + held + amount <= level, "seed {seed}");
                open.push((decision, amount));
            } else {
                // A bucket may count up to five minutes too long, never too little.
                let recent = spent.iter().filter(|(at, _)| *at > now.0 - 86_700_000_000);
                let longer: i64 = recent.map(|(_, price)| price).sum();
                assert!(longer + held + amount > level, "seed {seed}: refused without need");
            }
            if dice.chance(400) && !open.is_empty() {
                let (id, held) = open.swap_remove(dice.below(open.len() as u64) as usize);
                let price = dice.below(held as u64 + 1) as i64;
                ledger.settle(now, DecisionId(id), Money::from_micros(price)).expect("open");
                spent.push((now.0, price));
            }
            assert_eq!(ledger.audit(), Ok(()));
        }
    }
}
