//! Tests of changes, on an engine that nobody writes for.

use engine::EngineConfig;
use types::account::Ha1;
use types::record::Deck;
use types::{
    AccountStatus, By, Controls, DialPlan, HashKey, Line, LineId, LineStatus, Money, Now, Snapshot,
    Tick, record_samples,
};

use super::*;

const NOW: Now = Now { tick: Tick(0), wall: UnixMicros(1_795_435_200_000_000) };

/// An engine that nobody writes for: what a node is while its store is down.
fn engine() -> Engine {
    let account = types::Account { name: "alice".to_owned(), ..record_samples::account(1) };
    let closed = types::Account {
        id: AccountId(7),
        status: AccountStatus::Closed,
        name: "gone".to_owned(),
        ..account.clone()
    };
    let line = Line::new(LineId(4), AccountId(1), "desk".to_owned(), ha1(), UnixMicros(0));
    let snapshot = Snapshot {
        accounts: vec![account, closed],
        lines: vec![line],
        decks: vec![Deck { id: DeckId(1), name: "retail".to_owned(), rows: Vec::new() }],
        ..Snapshot::default()
    };
    Engine::new(EngineConfig::new(HashKey(1, 2)), &snapshot, NOW).expect("a good snapshot")
}

fn ha1() -> Ha1 {
    sip::digest::ha1("desk", "example.com", "sesame")
}

fn carry_out(engine: &mut Engine, change: Change) -> Value {
    let plan = plan(change, NOW.wall, engine).expect("a good change");
    let done = engine.commands(NOW, plan.commands).expect("good commands");
    plan.answer.with(done.message)
}

fn wish() -> Wish {
    Wish { by: By::STAFF, why: String::new(), until: None }
}

fn set(name: &str, value: &str) -> Change {
    let settings = vec![(name.to_owned(), value.to_owned())];
    Change::SetAccount { account: "alice".to_owned(), settings, wish: wish() }
}

fn set_line(setting: LineSetting) -> Change {
    Change::SetLine {
        user: "desk".to_owned(),
        settings: vec![setting],
        consent: None,
        by: By::STAFF,
        why: String::new(),
    }
}

fn new_account(name: &str) -> NewAccount {
    NewAccount {
        name: name.to_owned(),
        controls: Controls::residential(),
        dial_plan: DialPlan::default(),
        deck: Some("retail".to_owned()),
        time_zone: "Europe/London".to_owned(),
    }
}

fn new_line(account: &str, user: &str) -> NewLine {
    NewLine::phone(account.to_owned(), user.to_owned(), ha1())
}

#[test]
fn a_change_does_not_undo_the_one_before_it() {
    let mut engine = engine();
    carry_out(&mut engine, set("stop_level_24h", "5"));
    let status = AccountStatus::Frozen;
    carry_out(&mut engine, Change::SetStatus { account: "1".to_owned(), status, wish: wish() });
    carry_out(&mut engine, set("calls", "4"));
    let account = engine.account(AccountId(1)).expect("it is there");
    assert_eq!(account.controls.stop_level_24h, Money::from_units(5));
    assert_eq!((account.controls.calls, account.status), (4, AccountStatus::Frozen));
    carry_out(&mut engine, set_line(LineSetting::Status(LineStatus::Disabled)));
    carry_out(&mut engine, set_line(LineSetting::CallerId(None)));
    assert_eq!(engine.line(LineId(4)).map(|line| line.status), Some(LineStatus::Disabled));
}

#[test]
fn a_holder_who_asks_for_much_makes_a_request_that_staff_judge() {
    let mut engine = engine();
    let holder = Wish { by: By::Holder { proof: types::Proof::Fresh }, ..wish() };
    let settings = |value: &str| vec![("stop_level_24h".to_owned(), value.to_owned())];
    let ask = |value: &str, wish: Wish| {
        let settings = settings(value);
        Change::SetAccount { account: "alice".to_owned(), settings, wish }
    };
    let answer =
        carry_out(&mut engine, ask("40", Wish { until: Some("2h".into()), ..holder.clone() }));
    assert_eq!(answer["changes"][0]["risk"], "riskier");
    assert_eq!(answer["changes"][0]["outcome"], "done");
    assert_eq!(answer["until"], "2026-11-23T14:00:00.000Z");
    let answer = carry_out(&mut engine, ask("500", holder.clone()));
    assert_eq!(answer["changes"][0]["outcome"], "asked");
    assert_eq!(
        answer["message"],
        "account 1: asked of staff in request 1: stop_level_24h 40.00 to 500.00 (riskier)"
    );
    let judge = |request, wish| Change::JudgeRequest { request, approve: true, wish };
    let why = Wish { why: "known for years".to_owned(), ..wish() };
    let error = plan(judge(7, why.clone()), NOW.wall, &engine).err().expect("there is none");
    assert_eq!(
        error.to_string(),
        "there is no request 7 that waits; `ringfence request list` shows those there are"
    );
    let answer = carry_out(&mut engine, judge(1, why));
    assert_eq!(
        answer["message"],
        "account 1: request 1 approved: stop_level_24h 40.00 to 500.00 (riskier)"
    );
    let level = engine.account(AccountId(1)).map(|account| account.controls.stop_level_24h);
    assert_eq!(level, Some(Money::from_units(500)));
    let other = Change::SetAccount {
        account: "alice".to_owned(),
        settings: vec![("name".to_owned(), "al".to_owned())],
        wish: holder,
    };
    let error = plan(other, NOW.wall, &engine).err().expect("staff's business");
    assert_eq!(
        error.to_string(),
        "a holder changes controls only; name, deck, dial plan and time zone are the business of staff"
    );
}

#[test]
fn no_two_things_get_one_id() {
    let mut engine = engine();
    let add = |name: &str| Change::AddAccount(Box::new(new_account(name)));
    // Not that of a closed account, either.
    assert_eq!(carry_out(&mut engine, add("bob"))["id"], 8);
    assert_eq!(carry_out(&mut engine, add("carol"))["id"], 9);
    for (user, id) in [("one", 5), ("two", 6)] {
        let lines = vec![new_line("bob", user)];
        let answer = carry_out(&mut engine, Change::AddLines { lines, template: None });
        assert_eq!(answer["lines"][0]["id"], id);
    }
    for (name, id) in [("a", 2), ("b", 3)] {
        let import = Change::ImportDeck { name: name.to_owned(), rows: Vec::new() };
        assert_eq!(carry_out(&mut engine, import)["id"], id);
    }
    let taken = plan(add("gone"), NOW.wall, &engine).err().expect("the name is taken").to_string();
    assert_eq!(taken, "account 7 has the name `gone` already");
}

#[test]
fn lines_are_added_together_or_not_at_all() {
    fn check(lines: &[(&str, &str)], want: Result<&str, &str>) {
        let mut engine = engine();
        let before = (engine.accounts().count(), engine.lines().count());
        let lines: Vec<_> = lines.iter().map(|(account, user)| new_line(account, user)).collect();
        let template = Some(Box::new(new_account("as")));
        let planned = plan(Change::AddLines { lines, template }, NOW.wall, &engine);
        let done = planned.and_then(|plan| {
            let done = engine.commands(NOW, plan.commands)?;
            Ok(plan.answer.with(done.message))
        });
        match (done, want) {
            (Ok(answer), Ok(want)) => assert_eq!(answer["message"], want),
            (Err(error), Err(want)) => {
                assert_eq!(error.to_string(), want);
                assert_eq!((engine.accounts().count(), engine.lines().count()), before);
            }
            (got, want) => panic!("{:?}, not {want:?}", got.map_err(|error| error.to_string())),
        }
    }
    check(&[("alice", "a"), ("bob", "b"), ("bob", "c")], Ok("3 lines added, 1 accounts made"));
    check(&[("bob", "b"), ("bob", "b")], Err("there is a line `b` already"));
    check(&[("bob", "b"), ("alice", "desk")], Err("there is a line `desk` already"));
    // What only the engine knows to be wrong undoes what went before it, too.
    check(&[("bob", "b"), ("carol", "C")], Err("user: `C`: expected 1 to 64 of a-z 0-9 . _ -"));
}
