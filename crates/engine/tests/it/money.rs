//! Postings, plans and bills as commands: what may be, what follows in memory, what does not.

use engine::{CallFacts, Command, Done, PlanOrder, PostOrder, PostWhat};
use types::bill::Instalment;
use types::cdr::HangupCause;
use types::{
    AccountId, Bill, Coverage, DecisionId, Fact, Money, Record, TransferKind, TrunkId, UnixMicros,
};

use crate::world::*;

fn order(what: PostWhat) -> PostOrder {
    let (by, note) = ("ann".to_owned(), "as agreed".to_owned());
    PostOrder { what, reference: None, at: None, by, note }
}

fn post(world: &mut World, order: PostOrder) -> Result<Done, String> {
    let done = world.engine.command(world.now, Command::Post(Box::new(order)));
    done.map_err(|error| error.to_string())
}

fn facts(price: i64, cost: i64) -> CallFacts {
    let (price, cost) = (micros(price), micros(cost));
    let decision = DecisionId(77);
    let (zero_rated, cost_priced, credited) = (None, None, None);
    CallFacts { decision, account: ALICE, price, cost, zero_rated, cost_priced, credited }
}

fn holder(kind: TransferKind, amount: i64) -> PostWhat {
    PostWhat::Holder(kind, ALICE, micros(amount))
}

fn unbilled(world: &World) -> i64 {
    world.engine.usage(world.now, ALICE).expect("she is there").unbilled.micros()
}

/// A call to Paris of 20 s, which costs 8,000 millionths: its decision, and the warnings given.
fn spend(world: &mut World) -> (DecisionId, usize) {
    let decision = world.call(PARIS);
    world.engine.answered(world.now, decision);
    world.pass_ms(20_000);
    let records = world.end(decision, HangupCause::Normal);
    let is_warning =
        |record: &&Record| matches!(record, Record::Fact(_, Fact::WarningLevel { .. }));
    (decision, records.iter().filter(is_warning).count())
}

#[test]
fn what_makes_no_sense_is_not_posted() {
    fn check(order: PostOrder, want: &str) {
        let mut world = World::new();
        assert_eq!(post(&mut world, order).expect_err(want), want);
        assert_eq!(unbilled(&world), 0);
    }
    let paid = || order(holder(TransferKind::Payment, 5));
    let range = "amount: expected more than nothing, at most 1000000000.00";
    check(order(holder(TransferKind::Payment, 0)), range);
    check(order(holder(TransferKind::Payment, -1)), range);
    check(order(holder(TransferKind::Goodwill, 1_000_000_000_000_001)), range);
    check(order(holder(TransferKind::Charge, 5)), "kind: charge is not posted by itself");
    check(order(holder(TransferKind::ZeroRating, 5)), "kind: zero-rating is not posted by itself");
    let nobody = PostWhat::Holder(TransferKind::Payment, AccountId(9), micros(5));
    check(order(nobody), "there is no account 9");
    let who = "by: expected who orders it: 1 to 100 bytes on one line";
    check(PostOrder { by: " ".to_owned(), ..paid() }, who);
    let why = "note: expected 1 to 500 characters on one line";
    let gift = order(holder(TransferKind::Goodwill, 5));
    check(PostOrder { note: String::new(), ..gift }, why);
    let reference = "reference: expected 1 to 100 bytes on one line";
    check(PostOrder { reference: Some("a\nb".to_owned()), ..paid() }, reference);
    let future = "at: a posting does not happen in the future";
    check(PostOrder { at: Some(UnixMicros(i64::MAX)), ..paid() }, future);
    let id = DecisionId(77);
    let zero = |call| order(PostWhat::ZeroRate(call));
    let cost_price = |call| order(PostWhat::CostPrice(call));
    check(zero(facts(0, 0)), &format!("call: call {id} has nothing left to give back"));
    check(
        cost_price(facts(5, 5)),
        &format!("call: call {id} was charged 0.000005, it cost 0.000005"),
    );
    let free = CallFacts { zero_rated: Some(micros(5)), ..facts(5, 1) };
    check(cost_price(free), &format!("call: call {id} was zero-rated"));
    let credit = |call| PostWhat::CarrierCredit(MAIN_TRUNK, micros(3), call);
    let wrong = PostWhat::CarrierCredit(TrunkId(99), micros(3), None);
    check(order(wrong), "trunk: there is no trunk 99");
    let cost = format!("amount: call {id} cost no more than 0.000002");
    check(order(credit(Some(facts(5, 2)))), &cost);
    let before = CallFacts { credited: Some(micros(2)), ..facts(5, 4) };
    let twice = "has a carrier-credit of 0.000002 already, now of 0.000003";
    check(order(credit(Some(before))), &format!("amount: call {id} {twice}"));
}

#[test]
fn un_billed_usage_follows_and_nothing_is_given_back_twice() {
    let mut world = World::new();
    let cost_price = order(PostWhat::CostPrice(facts(100, 40)));
    let done = post(&mut world, cost_price.clone()).expect("it is posted");
    assert_eq!((unbilled(&world), done.records.len()), (-60, 1));
    // The same once more, as one who has not seen the first orders it.
    let again = post(&mut world, cost_price).expect("it is there");
    assert_eq!((unbilled(&world), again.records.len()), (-60, 0));
    // As one orders it who has seen it, after a restart of ours.
    let mut other = World::new();
    let seen = CallFacts { cost_priced: Some(micros(60)), ..facts(100, 40) };
    let again = post(&mut other, order(PostWhat::CostPrice(seen))).expect("it is there");
    assert_eq!((unbilled(&other), again.records.len()), (0, 0));
    // What is left of the price, and no more.
    post(&mut world, order(PostWhat::ZeroRate(facts(100, 40)))).expect("it is posted");
    assert_eq!(unbilled(&world), -100);
    let left = post(&mut world, order(PostWhat::ZeroRate(facts(100, 40)))).expect("it is there");
    assert_eq!((unbilled(&world), left.records.len()), (-100, 0));
    // Payments are no usage.
    post(&mut world, order(holder(TransferKind::Payment, 7))).expect("paid");
    post(&mut world, order(holder(TransferKind::WriteOff, 7))).expect("given up");
    assert_eq!(unbilled(&world), -100);
    post(&mut world, order(holder(TransferKind::Goodwill, 7))).expect("given");
    assert_eq!(unbilled(&world), -107);
}

#[test]
fn a_reference_is_one_payment() {
    let mut world = World::new();
    let paid = |amount| PostOrder {
        reference: Some("FT1".to_owned()),
        ..order(holder(TransferKind::Payment, amount))
    };
    let records = |done: Result<Done, String>| done.expect("no error").records.len();
    assert_eq!(records(post(&mut world, paid(5))), 1);
    for _ in 0..9 {
        assert_eq!(records(post(&mut world, paid(5))), 0);
    }
    let other = post(&mut world, paid(6)).expect("nothing is written");
    assert_eq!(other.records, []);
    assert_eq!(other.message, "`FT1` is the reference of another posting of this kind");
}

/// Money that is given back makes no room under a stop level.
#[test]
fn windows_of_stop_levels_stay() {
    let mut world = World::new();
    let (decision, _) = spend(&mut world);
    let before = world.engine.usage(world.now, ALICE).expect("she is there");
    assert!(before.spent_24h > Money::ZERO);
    let call = CallFacts { decision, price: before.unbilled, ..facts(0, 0) };
    post(&mut world, order(PostWhat::ZeroRate(call))).expect("it is posted");
    let after = world.engine.usage(world.now, ALICE).expect("she is there");
    assert_eq!(after.unbilled, Money::ZERO);
    assert_eq!(
        (after.spent_24h, after.headroom_costly),
        (before.spent_24h, before.headroom_costly)
    );
}

#[test]
fn plans_sum_up_and_have_ids_of_their_own() {
    let plan = |total, parts: &[(i64, i64)]| {
        let day = |days: i64| UnixMicros(NOON.0 + days * 86_400_000_000);
        let parts = parts.iter().map(|(days, amount)| (day(*days), micros(*amount))).collect();
        let (by, note) = ("ann".to_owned(), "bit by bit".to_owned());
        let order = PlanOrder { account: ALICE, total: micros(total), parts, by, note };
        Command::PutPlan(Box::new(order))
    };
    let mut world = World::new();
    let done = world.engine.command(world.now, plan(9, &[(1, 4), (2, 5)])).expect("a good plan");
    let [Record::Posting(posting), Record::Instalments(kept)] = &done.records[..] else {
        panic!("{:?}", done.records);
    };
    assert_eq!((posting.transfer.decision, posting.transfer.amount), (kept.id, kept.total));
    let ids: Vec<DecisionId> = kept.instalments.iter().map(|one| one.decision).collect();
    assert!(kept.id < ids[0] && ids[0] < ids[1], "{ids:?}");
    assert_eq!(unbilled(&world), 0);
    let due = PostWhat::InstalmentDue(ALICE, kept.instalments[0]);
    let posted = post(&mut world, order(due.clone())).expect("it is due");
    assert_eq!(posted.records.len(), 1);
    assert_eq!(post(&mut world, order(due)).expect("it is there").records, []);
    let other = Instalment { amount: micros(3), ..kept.instalments[0] };
    let refused = post(&mut world, order(PostWhat::InstalmentDue(ALICE, other)));
    assert!(refused.expect_err("another amount").starts_with("amount: call"));
    let mut check = |command, want: &str| {
        let error = world.engine.command(world.now, command).expect_err(want).to_string();
        assert_eq!(error, want);
    };
    check(plan(9, &[(1, 4), (2, 4)]), "total: the instalments do not sum up to the debt");
    check(plan(9, &[]), "parts: expected 1 to 120 instalments");
    check(plan(9, &[(1, 9), (2, 0)]), "parts: an instalment is more than nothing");
    let dates = "parts: expected dates in the future, one after the other";
    check(plan(9, &[(2, 4), (2, 5)]), dates);
    check(plan(9, &[(0, 4), (2, 5)]), dates);
}

#[test]
fn bills_follow_each_other() {
    fn begin(run: u32) -> Command {
        Command::BeginBillRun { run, day: UnixMicros(0), only: None }
    }
    fn bill(run: u32, previous: u32, total: i64) -> Command {
        Command::PutBills(vec![Bill {
            run,
            account: ALICE,
            previous,
            before: Coverage::NOTHING,
            covers: Coverage::NOTHING,
            made: UnixMicros(0),
            lines: Vec::new(),
            adjustments: Vec::new(),
            payments: Vec::new(),
            brought_forward: Money::ZERO,
            total: micros(total),
            due: micros(total),
        }])
    }
    let mut world = World::new();
    let mut take = |command| {
        let done = world.engine.command(world.now, command).map_err(|error| error.to_string());
        (done.map(|done| done.records.len()), unbilled(&world))
    };
    assert_eq!(take(bill(1, 0, 5)), (Err("run: there is no bill run 1".to_owned()), 0));
    assert_eq!(take(begin(2)), (Err("run: the next bill run is 1, not 2".to_owned()), 0));
    assert_eq!(take(begin(1)), (Ok(1), 0));
    let elsewhere = "bill: 1-1 does not follow the account's last bill".to_owned();
    assert_eq!(take(bill(1, 7, 5)), (Err(elsewhere), 0));
    assert_eq!(take(bill(1, 0, 5)), (Ok(1), -5));
    // Told again, by a run that goes on.
    assert_eq!(take(bill(1, 0, 5)), (Ok(0), -5));
    assert_eq!(take(begin(2)), (Ok(1), -5));
    let older = "bill: 2-1 does not follow the account's last bill".to_owned();
    assert_eq!(take(bill(2, 0, 5)), (Err(older), -5));
    assert_eq!(take(bill(2, 1, 6)), (Ok(1), -11));
}

/// A warning that was given is given again when the bill is out, and the level reached once more.
#[test]
fn a_bill_makes_way_for_the_next_warning() {
    let mut world = World::new();
    let mut alice = account(ALICE, "Alice");
    alice.controls.warning_level = micros(8_000);
    world.engine.command(world.now, Command::PutAccount(alice)).expect("a good account");
    assert_eq!(spend(&mut world).1, 1, "the level is crossed");
    assert_eq!(unbilled(&world), 8_000);
    post(&mut world, order(holder(TransferKind::Goodwill, 8_000))).expect("given");
    assert_eq!(unbilled(&world), 0);
    assert_eq!(spend(&mut world).1, 1, "it is crossed again");
}
