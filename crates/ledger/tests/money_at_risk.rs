//! The ledger: each movement, each error, and the kept sums against a recount.

use ledger::{Ask, Bounds, Ledger, LedgerError, Levels, News, Payer, Refused};
use types::{
    AccountId, DecisionId, Dice, HashKey, LevelScope, LineId, Money, ResellerId, UnixMicros,
};

const NOW: UnixMicros = UnixMicros::from_seconds(1_800_000_000);
const ACCOUNT: AccountId = AccountId(7);

/// Of so much a day for costly calls.
fn day(level: i64) -> Levels {
    Levels { day: Some(Money::from_micros(level)), ..Levels::default() }
}

fn levels(level: i64) -> Bounds {
    let all_day = Some(Money::from_micros(1_000_000));
    Bounds::account(Levels { all_day, ..day(level) })
}

fn ask(decision: u64, amount: i64) -> Ask {
    let (decision, amount) = (DecisionId(decision), Money::from_micros(amount));
    Ask { decision, payer: Payer::account(ACCOUNT), amount, costly: true }
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
    let open = levels(i64::MAX);
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
    assert_eq!(format!("{ledger:?}"), "Ledger(2 places, 1 holds)");
    ledger.release(NOW, DecisionId(1)).expect("open");
    assert_eq!(format!("{ledger:?}"), "Ledger(0 places, 0 holds)");
}

/// A call of a line of an account of a reseller.
fn call(decision: u64, amount: i64, payer: Payer) -> Ask {
    let (decision, amount) = (DecisionId(decision), Money::from_micros(amount));
    Ask { decision, payer, amount, costly: true }
}

#[test]
fn every_place_is_asked_in_order_and_none_is_held_before_all_agree() {
    let payer = |line, account, reseller| Payer {
        account: AccountId(account),
        line: Some(LineId(line)),
        reseller: Some(ResellerId(reseller)),
    };
    let bounds = Bounds { line: day(40), account: day(60), reseller: day(80), platform: day(100) };
    let mut ledger = ledger();
    let mut check = |decision, amount, payer, want: &[LevelScope]| {
        let refused = match ledger.reserve(NOW, call(decision, amount, payer), &bounds) {
            Ok(()) => Vec::new(),
            Err(Refused::Levels(crossed)) => crossed.iter().map(|level| level.scope).collect(),
            Err(Refused::Fault(fault)) => panic!("{fault}"),
        };
        assert_eq!(refused, want, "call {decision}");
        assert_eq!(ledger.audit(), Ok(()));
    };
    use LevelScope::{Account, Line, Platform, Reseller};
    check(1, 40, payer(1, 1, 1), &[]);
    check(2, 1, payer(1, 1, 1), &[Line]);
    check(3, 21, payer(2, 1, 1), &[Account]);
    check(3, 20, payer(2, 1, 1), &[]);
    check(4, 21, payer(3, 2, 1), &[Reseller]);
    check(4, 20, payer(3, 2, 1), &[]);
    check(5, 21, payer(4, 3, 2), &[Platform]);
    check(5, 20, payer(4, 3, 2), &[]);
    check(6, 41, payer(1, 1, 1), &LevelScope::ALL);
}

#[test]
fn coming_near_and_reaching_is_told_once() {
    let (mut ledger, level) = (ledger(), levels(100));
    let mut decision = 0;
    let mut check = |now: UnixMicros, amount: i64, want: &[(News, i64)]| {
        decision += 1;
        if ledger.reserve(now, ask(decision, amount), &level).is_ok() {
            let price = Money::from_micros(amount);
            ledger.settle(now, DecisionId(decision), price).expect("open");
        }
        let notices = ledger.take_notices();
        let told: Vec<(News, i64)> =
            notices.iter().map(|(news, notice)| (*news, notice.usage.micros())).collect();
        assert_eq!(told, want, "{amount} at {now}");
    };
    check(NOW, 79, &[]);
    check(NOW, 1, &[(News::Near, 80)]);
    check(NOW, 20, &[]);
    check(NOW, 1, &[(News::Reached, 101)]);
    check(NOW, 5, &[]);
    // A day later all of it has left the window, and is news again.
    let tomorrow = UnixMicros(NOW.0 + 86_700_000_000);
    check(tomorrow, 1, &[]);
    check(tomorrow, 84, &[(News::Near, 85)]);
    check(tomorrow, 16, &[(News::Reached, 101)]);
}

#[test]
fn a_line_that_gets_levels_is_taken_for_its_whole_account_at_first() {
    let (mut ledger, line) = (ledger(), LineId(3));
    ledger
        .restore_spending(Payer::account(ACCOUNT), NOW, Money::from_micros(30), true)
        .expect("fits");
    ledger.reserve(NOW, ask(1, 10), &levels(100)).expect("room");
    ledger.reserve(NOW, ask(2, 20), &levels(100)).expect("room");
    ledger.count_line(line, ACCOUNT, [DecisionId(2)]);
    let exposed = ledger.line_exposed(NOW, line);
    assert_eq!((exposed.spent.day.micros(), exposed.held_costly.micros()), (30, 20));
    // Counted a second time, it keeps what it has.
    ledger.count_line(line, ACCOUNT, [DecisionId(1)]);
    assert_eq!(ledger.line_exposed(NOW, line).held_costly.micros(), 20);
    ledger.settle(NOW, DecisionId(2), Money::from_micros(5)).expect("open");
    ledger.settle(NOW, DecisionId(1), Money::from_micros(5)).expect("open");
    let exposed = ledger.line_exposed(NOW, line);
    assert_eq!((exposed.spent.day.micros(), exposed.held_costly.micros()), (35, 0));
    assert_eq!(ledger.audit(), Ok(()));
}

/// A settled price, with whose it is.
struct Settled {
    at: i64,
    payer: Payer,
    price: i64,
}

/// A second model: every settled price with its time, every hold; summed up by hand for each place.
#[test]
fn random_movements_stay_within_every_level() {
    for seed in 0..200 {
        let mut dice = Dice::simulated(seed, 1);
        let (mut ledger, mut now) = (ledger(), NOW);
        let (mut open, mut spent) = (Vec::<(u64, Payer, i64)>::new(), Vec::<Settled>::new());
        let level = 50 + dice.below(500) as i64;
        let of_scope = [level / 2, level, level * 3 / 2, level * 2];
        let bounds = Bounds {
            line: day(of_scope[0]),
            account: day(of_scope[1]),
            reseller: day(of_scope[2]),
            platform: day(of_scope[3]),
        };
        let shares = |scope: usize, one: &Payer, other: &Payer| match scope {
            0 => one.line == other.line,
            1 => one.account == other.account,
            2 => one.reseller.is_none() || one.reseller == other.reseller,
            _ => true,
        };
        for decision in 1..300 {
            now = UnixMicros(now.0 + dice.below(300_000_000) as i64);
            let (account, line) = (dice.below(4) as u32, dice.below(2) as u32);
            let payer = Payer {
                account: AccountId(account),
                line: Some(LineId(account * 2 + line)),
                reseller: (account > 0).then_some(ResellerId(account / 2)),
            };
            let amount = dice.below(60) as i64;
            // What a place has used; a bucket may count up to five minutes too long, never too little.
            let used = |scope: usize, slack_us: i64| -> i64 {
                let since = now.0 - 86_400_000_000 - slack_us;
                let recent = spent.iter().filter(|one| one.at > since);
                let recent = recent.filter(|one| shares(scope, &payer, &one.payer));
                let held = open.iter().filter(|(_, other, _)| shares(scope, &payer, other));
                recent.map(|one| one.price).sum::<i64>() + held.map(|hold| hold.2).sum::<i64>()
            };
            let asked = |scope: &usize| *scope != 2 || payer.reseller.is_some();
            let scopes: Vec<usize> = (0..4).filter(asked).collect();
            if ledger.reserve(now, call(decision, amount, payer), &bounds).is_ok() {
                let fits = |scope: &usize| used(*scope, 0) + amount <= of_scope[*scope];
                assert!(scopes.iter().all(fits), "seed {seed}: above a level");
                open.push((decision, payer, amount));
            } else {
                let full = |scope: &usize| used(*scope, 300_000_000) + amount > of_scope[*scope];
                assert!(scopes.iter().any(full), "seed {seed}: refused without need");
            }
            if dice.chance(400) && !open.is_empty() {
                let at = dice.below(open.len() as u64) as usize;
                let (id, payer, held) = open.swap_remove(at);
                let price = dice.below(held as u64 + 1) as i64;
                ledger.settle(now, DecisionId(id), Money::from_micros(price)).expect("open");
                spent.push(Settled { at: now.0, payer, price });
            }
            assert_eq!(ledger.audit(), Ok(()));
        }
    }
}
