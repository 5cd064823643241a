//! Commands: what they change, what they cut, and what makes no sense.

use engine::{Command, CommandError, Done};
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, DecisionId, DeckId, Fact, Line, LineId, LineStatus, Money,
    Number, Record, Trunk,
};

use crate::world::*;

fn carry_out(world: &mut World, command: Command) -> Result<Done, CommandError> {
    world.engine.command(world.now, command)
}

fn alice() -> Account {
    account(ALICE, "Alice")
}

#[test]
fn commands_that_make_no_sense_change_nothing() {
    fn check(command: Command, want: &str) {
        let mut world = World::new();
        let before = format!("{:?}", world.engine.account(ALICE));
        let error = carry_out(&mut world, command).expect_err(want);
        assert_eq!(error.to_string(), want);
        assert_eq!(format!("{:?}", world.engine.account(ALICE)), before);
    }
    let number = |digits: &str, account, line| Number {
        number: digits.parse().expect("a number"),
        account,
        line,
    };
    let nobody = AccountId(9);
    let controls = types::Controls { stop_level_24h: micros(-1), ..types::Controls::residential() };
    let mapped = vec!["::ffff:192.0.2.0/120".parse().expect("a network")];
    check(Command::PutAccount(account(AccountId(0), "No")), "id: ids start at 1");
    check(Command::PutAccount(account(nobody, " ")), "name: a name is needed");
    check(
        Command::PutAccount(Account { sell_deck: DeckId(9), ..alice() }),
        "there is no rate deck 9",
    );
    check(
        Command::PutAccount(Account { time_zone: "Europe/Atlantis".into(), ..alice() }),
        "time_zone: `Europe/Atlantis` is not known",
    );
    check(
        Command::PutAccount(Account { controls, ..alice() }),
        "stop_level_24h: cannot be negative",
    );
    check(Command::SetStatus(nobody, AccountStatus::Active), "there is no account 9");
    check(Command::PutLine(line(LineId(9), nobody, "x")), "there is no account 9");
    check(
        Command::PutLine(line(LineId(9), ALICE, "Alice")),
        "user: `Alice`: expected 1 to 64 of a-z 0-9 . _ -",
    );
    check(Command::PutLine(line(LineId(9), BOB, "alice")), "user `alice` is taken by line 1");
    check(Command::PutLine(line(ALICE_LINE, BOB, "x")), "line 1 belongs to account 1");
    let mut secret = line(ALICE_LINE, ALICE, "alice");
    secret.ha1.md5[0] ^= 1;
    check(
        Command::PutLine(secret),
        "secret: a line's secret is changed by itself, not with the line",
    );
    check(
        Command::PutLine(Line { kind: types::LineKind::Sip2sim, ..line(LineId(9), ALICE, "sim") }),
        "ip_lock: a SIP2SIM line is used from the platform's networks only: name them",
    );
    check(Command::NoteLine(LineId(9), "x".to_owned()), "there is no line 9");
    check(
        Command::PutLine(Line { ip_lock: mapped, ..line(ALICE_LINE, ALICE, "alice") }),
        "ip_lock: `::ffff:192.0.2.0/120`: write the IPv4 network itself",
    );
    check(
        Command::PutNumber(number("+442079460002", ALICE, None)),
        "number +442079460002 is taken by account 2",
    );
    check(
        Command::PutNumber(number("+442079460003", ALICE, Some(BOB_LINE))),
        "line 3 belongs to account 2",
    );
    check(
        Command::PutNumber(number("+442079460003", ALICE, Some(LineId(9)))),
        "there is no line 9",
    );
    check(Command::PutNumber(number("+442079460003", nobody, None)), "there is no account 9");
    check(
        Command::RemoveNumber("+442079460003".parse().expect("a number")),
        "+442079460003 is not a number of ours",
    );
    let carrier = || trunk(MAIN_TRUNK, &[("", 1)]);
    check(
        Command::PutTrunk(Trunk { cost_deck: Some(DeckId(9)), ..carrier() }),
        "there is no rate deck 9",
    );
    check(
        Command::PutTrunk(Trunk { host: "a\r\nb".into(), ..carrier() }),
        "host: expected a host name or an address",
    );
    let auth = types::TrunkAuth {
        user: "u".into(),
        secret: String::new(),
        realm: "r".into(),
        register: false,
    };
    check(
        Command::PutTrunk(Trunk { auth: Some(auth), ..carrier() }),
        "auth: the secret is missing: set it, or leave the trunk disabled",
    );
    let mut with_line = carrier();
    with_line.dial_plan.outside_line = Some('9');
    check(
        Command::PutTrunk(with_line),
        "dial_plan: a carrier has neither outside line nor area code",
    );
    check(
        Command::PutTrunk(trunk(MAIN_TRUNK, &[("+44", 1)])),
        "routes.prefix: `+44`: expected at most 15 digits",
    );
    let mut twice = deck(SELL, 1);
    twice.rows[1].prefix = "x".into();
    check(
        Command::PutDeck(twice),
        "rate deck 1: prefix `x`: expected 1 to 15 digits, the first not 0",
    );
    check(Command::Cut(DecisionId(5)), "there is no call 0000000000005 in progress");
}

#[test]
fn what_is_put_can_be_found_and_is_written() {
    let mut world = World::new();
    let carol = AccountId(7);
    let done = carry_out(&mut world, Command::PutAccount(account(carol, "Carol"))).expect("good");
    assert_eq!(done.message, "account 7: added");
    assert!(matches!(
        done.records.as_slice(),
        [Record::Account(_), Record::Standing(_), Record::Fact(_, Fact::AccountChanged { .. })]
    ));
    let line = line(LineId(9), carol, "carol");
    carry_out(&mut world, Command::PutLine(line.clone())).expect("good");
    let line = Line { secret_set: NOON, ..line };
    assert_eq!(world.engine.line_by_user("carol"), Some(&line));
    let renamed = Line { user: "carol.b".into(), ..line };
    let done = carry_out(&mut world, Command::PutLine(renamed)).expect("good");
    assert_eq!(done.message, "line 9 of account 7: changed: user carol to carol.b");
    assert!(world.engine.line_by_user("carol").is_none());
    assert_eq!(world.engine.line_by_user("carol.b").map(|line| line.id), Some(LineId(9)));

    let number =
        Number { number: "+442079460777".parse().expect("a number"), account: carol, line: None };
    carry_out(&mut world, Command::PutNumber(number.clone())).expect("good");
    assert_eq!(world.engine.account(carol).map(|c| c.numbers().len()), Some(1));
    let done = carry_out(&mut world, Command::RemoveNumber(number.number)).expect("good");
    assert_eq!(done.records[0], Record::NumberGone(number.number));
    assert_eq!(world.engine.account(carol).map(|c| c.numbers().len()), Some(0));
}

#[test]
fn a_new_deck_prices_the_next_call_and_not_the_live_one() {
    let mut world = World::new();
    let live = world.call(PARIS);
    let mut dearer = deck(SELL, 1);
    for row in &mut dearer.rows {
        row.rate.per_minute = row.rate.per_minute.checked_mul(2).expect("small");
    }
    let done = carry_out(&mut world, Command::PutDeck(Deck { name: "new".into(), ..dearer }));
    let message = done.expect("good").message;
    assert!(message.contains("dearer"), "{message}");
    let next = world.call(PARIS);
    let amount = |world: &World, decision| world.engine.hold(decision).map(|hold| hold.amount);
    assert_eq!(amount(&world, live), Some(micros(12_000)));
    assert_eq!(amount(&world, next), Some(micros(24_000)));
}

#[test]
fn statuses_cut_what_they_bar() {
    fn check(status: AccountStatus, want: &[&str]) {
        let mut world = World::new();
        let dialled = [PARIS, LONDON, "1001", "08001111111", "999"];
        let live: Vec<DecisionId> = dialled.iter().map(|dialled| world.call(dialled)).collect();
        let cut = world.set_status(status);
        let names: Vec<&str> = live
            .iter()
            .zip(dialled)
            .filter(|(decision, _)| cut.contains(decision))
            .map(|(_, dialled)| dialled)
            .collect();
        assert_eq!(names, want, "{status}");
        assert_eq!(world.set_status(status), [], "a call is cut once");
    }
    check(AccountStatus::Active, &[]);
    check(AccountStatus::Watched, &[]);
    check(AccountStatus::Limited, &[PARIS]);
    check(AccountStatus::Frozen, &[PARIS, LONDON]);
    check(AccountStatus::Suspended, &[PARIS, LONDON]);
    check(AccountStatus::Closed, &[PARIS, LONDON, "1001", "08001111111"]);
}

#[test]
fn an_ip_lock_ends_calls_from_outside_it() {
    fn check(lock: &str, want: &[&str]) {
        let mut world = World::new();
        let dialled = [PARIS, LONDON, "1001", "08001111111", "999"];
        let live: Vec<DecisionId> = dialled.iter().map(|dialled| world.call(dialled)).collect();
        let ip_lock = vec![lock.parse().expect("a network")];
        let by_line = Line { ip_lock: ip_lock.clone(), ..line(ALICE_LINE, ALICE, "alice") };
        let controls = types::Controls { ip_lock, ..alice().controls };
        let by_account = Account { controls, ..alice() };
        let done = carry_out(&mut world, Command::PutLine(by_line)).expect("good");
        assert_eq!(done.relocked, [ALICE_LINE]);
        let again = carry_out(&mut world, Command::PutAccount(by_account)).expect("good");
        assert_eq!(again.cut, [], "a call is cut once");
        let pairs = live.iter().zip(dialled).filter(|(decision, _)| done.cut.contains(decision));
        assert_eq!(pairs.map(|(_, dialled)| dialled).collect::<Vec<_>>(), want, "{lock}");
    }
    check("0.0.0.0/0", &[]);
    check("2001:db8::/32", &[PARIS, LONDON, "1001", "08001111111"]);
}

#[test]
fn a_caller_who_moved_outside_the_lock_is_given_no_more_time() {
    let mut world = World::new();
    let controls = types::Controls {
        ip_lock: vec!["0.0.0.0/0".parse().expect("a network")],
        ..alice().controls
    };
    carry_out(&mut world, Command::PutAccount(Account { controls, ..alice() })).expect("good");
    let call = world.call(LONDON);
    world.engine.answered(world.now, call);
    assert_eq!(world.engine.extend(world.now, call), engine::Extension::Granted);
    let peer: std::net::IpAddr = "2001:db8::9".parse().expect("an address");
    world.engine.sits_at(call, peer);
    let refused = engine::Extension::Refused(vec![types::Finding::IpLock { peer }]);
    assert_eq!(world.engine.extend(world.now, call), refused);
}

#[test]
fn phones_have_to_register_again_when_they_may_be_somebody_elses() {
    let of = |command| {
        let mut world = World::new();
        carry_out(&mut world, command).expect("good").unbound
    };
    let plain = || line(ALICE_LINE, ALICE, "alice");
    assert_eq!(of(Command::PutLine(Line { caller_id: None, ..plain() })), []);
    let off = Line { status: LineStatus::Disabled, ..plain() };
    assert_eq!(of(Command::PutLine(off)), [ALICE_LINE]);
    assert_eq!(of(Command::SetStatus(ALICE, AccountStatus::Suspended)), []);
    assert!(of(Command::SetStatus(ALICE, AccountStatus::Closed)).contains(&ALICE_LINE));
}

#[test]
fn a_disabled_line_and_a_cut_call_end() {
    let mut world = World::new();
    let (call, free) = (world.call(LONDON), world.call("1001"));
    let off = Line { status: LineStatus::Disabled, ..line(ALICE_LINE, ALICE, "alice") };
    assert_eq!(carry_out(&mut world, Command::PutLine(off)).expect("good").cut, [call]);
    let done = carry_out(&mut world, Command::Cut(free)).expect("good");
    assert_eq!((done.cut, done.records), (vec![free], vec![]));
    assert_eq!(world.usage().held, micros(6_000), "held until the end is seen");
    world.end(call, types::cdr::HangupCause::Cut);
    assert_eq!(world.usage().held, Money::ZERO);
}

/// Commands that are carried out together see what those before them made.
#[test]
fn commands_of_one_transaction_are_judged_in_order() {
    fn check(commands: Vec<Command>, want: Result<(), &str>) {
        let mut world = World::new();
        let done = world.engine.commands(world.now, commands);
        let got = done.map(drop).map_err(|error| error.to_string());
        assert_eq!(got, want.map_err(str::to_owned));
    }
    let number = |account| {
        let number = "+442079460777".parse().expect("a number");
        Command::PutNumber(Number { number, account, line: None })
    };
    let remove = || Command::RemoveNumber("+442079460777".parse().expect("a number"));
    check(vec![number(ALICE), number(ALICE)], Ok(()));
    check(vec![number(ALICE), number(BOB)], Err("number +442079460777 is taken by account 1"));
    check(vec![number(ALICE), remove(), number(BOB)], Ok(()));
    check(vec![number(ALICE), remove()], Ok(()));
    check(vec![remove()], Err("+442079460777 is not a number of ours"));
    check(vec![number(ALICE), remove(), remove()], Err("+442079460777 is not a number of ours"));
    let new = || line(LineId(9), ALICE, "new");
    let mut other = new();
    other.ha1.sha256[0] ^= 1;
    let ha1 = other.ha1.clone();
    let secret = || Command::SetSecret { line: LineId(9), ha1: ha1.clone(), overlap: None };
    check(vec![Command::PutLine(new()), Command::PutLine(new())], Ok(()));
    check(
        vec![Command::PutLine(new()), Command::PutLine(other)],
        Err("secret: a line's secret is changed by itself, not with the line"),
    );
    check(vec![Command::PutLine(new()), secret()], Ok(()));
    check(vec![secret()], Err("there is no line 9"));
    check(
        vec![Command::PutLine(new()), secret(), secret()],
        Err("secret: it is the one in use: choose another"),
    );
}
