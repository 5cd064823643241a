//! What is written when a call ends, and that it ends once.

use engine::Ended;
use types::cdr::{HangupCause, LegRecord};
use types::decision::Outcome;
use types::reason::Window;
use types::{Direction, Fact, HangupSide, LedgerAccount, Money, Record, Transfer, TransferKind};

use crate::world::*;

#[test]
fn an_answered_call_is_charged_once() {
    let mut world = World::new();
    let started = world.now.wall;
    let decision = world.call(PARIS);
    world.pass_ms(4_000);
    let answered = world.now.wall;
    world.engine.answered(world.now, decision);
    world.pass_ms(10_400);
    let leg = |call_id: &str| LegRecord { call_id: call_id.into(), ..LegRecord::default() };
    let (a_leg, b_leg) = (leg("a"), leg("b"));
    let seen = Ended { side: HangupSide::Callee, a_leg, b_leg, ..ended(HangupCause::Normal) };
    let records = world.engine.end(world.now, decision, seen.clone());
    let cdr = cdr(&records);
    // 11 billed seconds of 0.024 a minute; the carrier takes half.
    assert_eq!((cdr.price, cdr.cost), (micros(4_400), micros(2_200)));
    assert_eq!((cdr.started, cdr.answered, cdr.ended), (started, Some(answered), world.now.wall));
    assert_eq!((cdr.duration_ms, cdr.status, cdr.side), (10_400, 200, HangupSide::Callee));
    assert_eq!((cdr.account, cdr.line, cdr.trunk), (ALICE, Some(ALICE_LINE), Some(MAIN_TRUNK)));
    assert_eq!((cdr.direction, cdr.to_account), (Direction::Outgoing, None));
    assert_eq!((cdr.caller.as_str(), cdr.dialled.as_str()), ("+442079460001", PARIS));
    assert_eq!((cdr.a_leg.call_id.as_str(), cdr.b_leg.call_id.as_str()), ("a", "b"));
    assert_eq!(cdr.explanation.outcome, Outcome::Admitted);
    assert_eq!(cdr.explanation.rate_prefix.as_deref(), Some("33"));
    let transfer = |kind, debit, credit, amount| {
        Record::Transfer(Transfer { decision, kind, debit, credit, amount, at: world.now.wall })
    };
    let want = [
        Record::HoldClosed(decision),
        Record::Cdr(Box::new(cdr.clone())),
        transfer(
            TransferKind::Charge,
            LedgerAccount::Receivable(ALICE),
            LedgerAccount::Revenue,
            micros(4_400),
        ),
        transfer(
            TransferKind::Cost,
            LedgerAccount::CarrierCost,
            LedgerAccount::CarrierPayable(MAIN_TRUNK),
            micros(2_200),
        ),
    ];
    assert_eq!(records, want);
    assert_eq!(world.engine.end(world.now, decision, seen), [], "a call ends once");
    let usage = world.usage();
    assert_eq!(
        (usage.unbilled, usage.spent_24h, usage.held),
        (micros(4_400), micros(4_400), Money::ZERO)
    );
    assert_eq!(world.engine.audit(), Ok(()));
}

#[test]
fn each_ending_is_one_of_settle_release_expire() {
    fn check(answered: bool, cause: HangupCause, want: (u64, u64, u64), price: i64) {
        let mut world = World::new();
        let decision = world.call(PARIS);
        if answered {
            world.engine.answered(world.now, decision);
        }
        world.pass_ms(10_000);
        let records = world.end(decision, cause);
        assert_eq!(cdr(&records).price, micros(price), "{cause}");
        let totals = world.engine.money_totals();
        assert_eq!((totals.settled, totals.released, totals.expired), want, "{cause}");
        let charged = records.iter().any(|record| matches!(record, Record::Transfer(_)));
        assert_eq!(charged, answered, "{cause}");
    }
    for cause in [HangupCause::Normal, HangupCause::MoneyEnded, HangupCause::Cut] {
        check(true, cause, (1, 0, 0), 4_000);
    }
    for cause in [HangupCause::SessionExpired, HangupCause::Fault] {
        check(true, cause, (0, 0, 1), 4_000);
    }
    for cause in
        [HangupCause::Cancelled, HangupCause::NoAnswer, HangupCause::Rejected, HangupCause::Fault]
    {
        check(false, cause, (0, 1, 0), 0);
    }
}

#[test]
fn the_trunk_that_carried_the_call_is_paid() {
    let mut world = World::new();
    let decision = world.call(LONDON);
    world.engine.use_trunk(decision, EMERGENCY_TRUNK);
    assert_eq!(world.engine.hold(decision).and_then(|hold| hold.cost_rate), None);
    world.engine.use_trunk(decision, MAIN_TRUNK);
    world.engine.answered(world.now, decision);
    world.pass_ms(60_000);
    // The end may name the trunk, too: its costs are unknown, so they are recorded as nothing.
    let seen = Ended { trunk: Some(EMERGENCY_TRUNK), ..ended(HangupCause::Normal) };
    let records = world.engine.end(world.now, decision, seen);
    let cdr = cdr(&records);
    assert_eq!((cdr.trunk, cdr.cost, cdr.cost_rate), (Some(EMERGENCY_TRUNK), Money::ZERO, None));
    assert_eq!(cdr.price, micros(12_000));
    let transfers = records.iter().filter(|one| matches!(one, Record::Transfer(_))).count();
    assert_eq!(transfers, 1, "{records:?}");
    // Nobody asked for more money in time.
    let overrun = |one: &Record| match one {
        Record::Fact(_, Fact::Overrun { amount, .. }) => Some(*amount),
        _ => None,
    };
    assert_eq!(records.iter().find_map(overrun), Some(micros(6_000)));
}

#[test]
fn a_refused_attempt_has_a_cdr_that_says_why() {
    let mut world = World::with(|controls| controls.stop_level_24h = micros(11_999));
    let refusal = world.dial(ALICE_LINE, PARIS).expect_err("0.012 is too much");
    let decision = refusal.decision;
    let (window, spent, held) = (Window::Day, Money::ZERO, Money::ZERO);
    let (asked, level) = (micros(12_000), micros(11_999));
    let want = [types::Finding::StopLevel {
        scope: types::LevelScope::Account,
        window,
        spent,
        held,
        asked,
        level,
    }];
    assert_eq!(refusal.findings, want);
    let records = world.engine.refused(world.now, refusal, LegRecord::default(), 403);
    let [Record::Cdr(cdr)] = records.as_slice() else {
        panic!("one CDR, not {records:?}");
    };
    assert_eq!((cdr.decision, cdr.account, cdr.status), (decision, ALICE, 403));
    assert_eq!((cdr.cause, cdr.explanation.outcome), (HangupCause::Refused, Outcome::Refused));
    assert_eq!(cdr.explanation.findings, want);
    assert_eq!(cdr.explanation.rate.map(|rate| rate.per_minute), Some(micros(24_000)));
    assert_eq!((cdr.price, cdr.answered), (Money::ZERO, None));
}

#[test]
fn long_dialled_strings_are_cut_between_characters() {
    let mut world = World::new();
    let dialled = format!("{}é{}", "x".repeat(63), "y".repeat(5_000));
    let refusal = world.dial(ALICE_LINE, &dialled).expect_err("not a number");
    let records = world.engine.refused(world.now, refusal, LegRecord::default(), 404);
    assert_eq!(cdr(&records).dialled, "x".repeat(63));
}

#[test]
fn on_net_and_incoming_calls_are_recorded_for_nothing() {
    let mut world = World::new();
    let decision = world.call("1001");
    world.engine.answered(world.now, decision);
    world.pass_ms(90_000);
    let records = world.end(decision, HangupCause::Normal);
    let on_net = cdr(&records);
    assert_eq!(
        (on_net.price, on_net.duration_ms, on_net.to_account),
        (Money::ZERO, 90_000, Some(BOB))
    );
    assert_eq!(on_net.direction, Direction::OnNet);
    assert_eq!(records.len(), 2);

    let engine::Verdict::Admit(admission) =
        world.attempt(engine::Caller::Trunk(MAIN_TRUNK), "+442079460009", Some("+33142345678"))
    else {
        panic!("the number is Alice's");
    };
    let decision = admission.decision();
    world.engine.answered(world.now, decision);
    world.pass_ms(60_000);
    let records = world.end(decision, HangupCause::Normal);
    let incoming = cdr(&records);
    assert_eq!((incoming.price, incoming.cost), (Money::ZERO, Money::ZERO));
    assert_eq!(
        (incoming.account, incoming.line, incoming.trunk),
        (ALICE, Some(ALICE_DESK), Some(MAIN_TRUNK))
    );
    assert_eq!(incoming.direction, Direction::Incoming);
    assert_eq!(records.len(), 2);
}

#[test]
fn decision_ids_increase_and_carry_the_shard() {
    let mut snapshot = snapshot();
    // The highest id of the store is another shard's, from a clock that was ahead.
    snapshot.last_decision = types::DecisionId((NOON.0 as u64 + 5_000_000) << 8 | 77);
    let mut config = config();
    config.shard = 3;
    let now = types::Now { tick: types::Tick(0), wall: NOON };
    let mut engine = engine::Engine::new(config, &snapshot, now).expect("a good snapshot");
    let mut last = snapshot.last_decision;
    for _ in 0..3 {
        let attempt = engine::Attempt {
            from: engine::Caller::Line(ALICE_LINE),
            device: None,
            dialled: LONDON,
            claimed_caller: None,
            peer: PEER,
        };
        let engine::Verdict::Admit(admission) = engine.admit(now, attempt) else {
            panic!("the call is admitted");
        };
        assert!(admission.decision() > last);
        assert_eq!(admission.decision().0 & 255, 3);
        last = admission.decision();
    }
}
