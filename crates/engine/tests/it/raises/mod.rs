//! Who may change controls, raises that end, requests, what a change does to live calls. Lives here: the rules one by one.
//! Never here: random lives (model).

mod model;

use std::collections::BTreeMap;

use engine::{Command, CommandError, ControlChange, Done, Extension, Judgement};
use types::{
    Account, AccountId, AccountRaises, AccountStatus, By, ClassSet, ControlRequest, Controls,
    DecisionId, DestinationClass, Fact, LineStatus, Money, Now, Proof, Record, RequestState,
    Setting, Snapshot, Standing, UnixMicros,
};

use crate::world::*;

const HOLDER: By = By::Holder { proof: Proof::Fresh };
const LOGGED_IN: By = By::Holder { proof: Proof::LoggedIn };

fn units(amount: i64) -> Money {
    Money::from_units(amount)
}

fn level(amount: i64) -> Setting {
    Setting::StopLevel24h(units(amount))
}

fn change(settings: Vec<Setting>, by: By, until: Option<UnixMicros>) -> Command {
    let (account, why) = (ALICE, String::new());
    Command::ChangeControls(Box::new(ControlChange { account, settings, by, why, until }))
}

fn judge(request: u32, approve: bool, until: Option<UnixMicros>) -> Command {
    let (by, reason) = (By::staff("eve"), "known for years".to_owned());
    Command::JudgeRequest(Box::new(Judgement { request, approve, by, reason, until }))
}

impl World {
    fn ordered(&mut self, command: Command) -> Result<Done, CommandError> {
        self.engine.command(self.now, command)
    }

    fn controls(&self) -> Controls {
        Controls::clone(&self.engine.account(ALICE).expect("Alice is known").controls)
    }

    /// What the node does with its timers; everything that ended raises brought.
    fn timers(&mut self) -> Done {
        self.engine.handle_timeout(self.now);
        self.engine.take_ended().unwrap_or_default()
    }
}

/// What a store would keep of it.
#[derive(Default)]
struct Store {
    accounts: BTreeMap<AccountId, Account>,
    raises: BTreeMap<AccountId, AccountRaises>,
    requests: BTreeMap<u32, ControlRequest>,
    history: BTreeMap<UnixMicros, Standing>,
    facts: Vec<Fact>,
    newest: UnixMicros,
}

impl Store {
    fn write(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Account(account) => drop(self.accounts.insert(account.id, *account)),
                Record::Raises(raises) if raises.is_empty() => {
                    drop(self.raises.remove(&raises.account))
                }
                Record::Raises(raises) => drop(self.raises.insert(raises.account, *raises)),
                Record::ControlRequest(request) => drop(self.requests.insert(request.id, *request)),
                Record::Standing(standing) => {
                    self.newest = self.newest.max(standing.at);
                    let last = self.history.last_key_value();
                    assert!(last.is_none_or(|(at, _)| *at < standing.at), "history goes forward");
                    self.history.insert(standing.at, *standing);
                }
                Record::Fact(at, fact) => {
                    self.newest = self.newest.max(at);
                    self.facts.push(fact);
                }
                _ => {}
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let like = snapshot();
        let known = |account: Account| self.accounts.get(&account.id).cloned().unwrap_or(account);
        let waits = |request: &&ControlRequest| request.state == RequestState::Open;
        Snapshot {
            accounts: like.accounts.into_iter().map(known).collect(),
            raises: self.raises.values().cloned().collect(),
            requests: self.requests.values().filter(waits).cloned().collect(),
            last_request: self.requests.keys().last().copied().unwrap_or(0),
            newest: self.newest.max(like.newest),
            ..snapshot()
        }
    }

    fn at(&self, at: UnixMicros) -> Option<&Standing> {
        self.history.range(..=at).next_back().map(|(_, standing)| standing)
    }
}

#[test]
fn who_may_go_which_way() {
    /// `Ok`: (carried out, asked).
    fn check(setting: Setting, by: By, want: Result<(usize, usize), &str>) {
        let mut world = World::new();
        let before = world.controls();
        let Command::ChangeControls(change) = change(vec![setting.clone()], by.clone(), None)
        else {
            unreachable!("it is one")
        };
        let weighed = world.engine.weigh(world.now, &change);
        let got = weighed.map(|weighed| (weighed.now.len(), weighed.asked.len()));
        let got = got.map_err(|error| error.to_string());
        let want = want.map_err(ToOwned::to_owned);
        assert_eq!(got, want, "{} {setting} by {by:?}", setting.name());
        let done = world.ordered(Command::ChangeControls(change));
        assert_eq!(done.is_ok(), want.is_ok());
        let is_changed = want.is_ok_and(|(now, _)| now > 0);
        let account = world.engine.account(ALICE).expect("Alice is known");
        let is_other = world.controls() != before || account.status != AccountStatus::Active;
        assert_eq!(is_other, is_changed, "{} {setting} by {by:?}", setting.name());
    }
    let again = "stop_level_24h: this allows more than before: log in again first";
    for by in [By::STAFF, HOLDER, LOGGED_IN, By::System { reason: "x".to_owned() }] {
        check(level(5), by, Ok((1, 0)));
    }
    check(level(20), LOGGED_IN, Ok((0, 0)));
    check(level(50), LOGGED_IN, Err(again));
    check(level(50), HOLDER, Ok((1, 0)));
    check(level(51), HOLDER, Ok((0, 1)));
    check(level(51), LOGGED_IN, Err(again));
    check(level(51), By::STAFF, Ok((1, 0)));
    check(level(-1), By::STAFF, Err("stop_level_24h: cannot be negative"));
    let barred = ClassSet::barred_by_default();
    check(Setting::Barred(barred.without(DestinationClass::Personal)), HOLDER, Ok((1, 0)));
    check(Setting::Barred(barred.without(DestinationClass::Premium)), HOLDER, Ok((0, 1)));
    // What is safer about it does not wait for what is not.
    let both = barred.without(DestinationClass::Premium).with(DestinationClass::International);
    check(Setting::Barred(both), HOLDER, Ok((1, 1)));
    check(Setting::Status(AccountStatus::Frozen), LOGGED_IN, Ok((1, 0)));
    let own = "status: a holder can freeze his account and thaw it, nothing else";
    check(Setting::Status(AccountStatus::Closed), HOLDER, Err(own));
    check(Setting::Status(AccountStatus::Closed), By::STAFF, Ok((1, 0)));
}

#[test]
fn a_holder_thaws_what_he_froze_and_no_more() {
    fn check(before: AccountStatus, to: AccountStatus, want: (AccountStatus, usize)) {
        let mut world = World::new();
        let mut store = Store::default();
        let status = |status| vec![Setting::Status(status)];
        if before != AccountStatus::Active {
            let done = world.ordered(change(status(before), By::STAFF, None)).expect("staff may");
            store.write(done.records);
        }
        let done = world.ordered(change(status(AccountStatus::Frozen), LOGGED_IN, None));
        store.write(done.expect("it is safer").records);
        // Also after a restart.
        let mut world = World::from(&store.snapshot(), world.now.wall);
        world.ordered(change(status(to), HOLDER, None)).expect("he may ask");
        let now = world.engine.account(ALICE).expect("Alice is known").status;
        assert_eq!((now, world.engine.requests().count()), want, "{before}, then {to}");
    }
    use AccountStatus as Status;
    check(Status::Active, Status::Active, (Status::Active, 0));
    check(Status::Watched, Status::Watched, (Status::Watched, 0));
    check(Status::Limited, Status::Limited, (Status::Limited, 0));
    check(Status::Limited, Status::Active, (Status::Frozen, 1));
    check(Status::Watched, Status::Active, (Status::Frozen, 1));
}

#[test]
fn changes_that_make_no_sense_change_nothing() {
    fn check(command: Command, want: &str) {
        let mut world = World::new();
        let before = world.controls();
        assert_eq!(world.ordered(command).expect_err(want).to_string(), want);
        assert_eq!(world.controls(), before);
    }
    let later = Some(UnixMicros(NOON.0 + 1));
    check(
        change(vec![level(5), level(6)], By::STAFF, None),
        "settings: stop_level_24h is set twice",
    );
    check(change(vec![level(30)], By::STAFF, Some(NOON)), "until: is over already");
    check(
        change(vec![level(5)], By::STAFF, later),
        "until: only a raise can have an end, and stop_level_24h is lowered by this: set it by itself",
    );
    let mixed = ClassSet::EMPTY.with(DestinationClass::International);
    check(
        change(vec![Setting::Barred(mixed)], By::STAFF, later),
        "until: only a raise can have an end, and barred is lowered by this: set it by itself",
    );
    let watched = Setting::Status(AccountStatus::Watched);
    check(change(vec![watched], By::STAFF, later), "until: a status has no end");
    check(judge(1, true, None), "there is no request 1 that waits");
    let mut world = World::new();
    let twice =
        vec![change(vec![level(5)], By::STAFF, None), change(vec![level(6)], By::STAFF, None)];
    let error = world.engine.commands(world.now, twice).expect_err("twice");
    assert_eq!(error.to_string(), "controls: are changed twice at once");
}

#[test]
fn requests_are_judged_once_and_outlive_a_restart() {
    let (mut world, mut store) = (World::new(), Store::default());
    let done =
        world.ordered(change(vec![level(80), Setting::Calls(5)], HOLDER, None)).expect("good");
    assert_eq!(
        done.message,
        "account 1: calls 1000 to 5 (safer), asked of staff in request 1: stop_level_24h 20.00 to 80.00 (riskier)"
    );
    store.write(done.records);
    assert!(matches!(
        store.facts.as_slice(),
        [Fact::Lowered { .. }, Fact::RequestMade { request: 1, .. }]
    ));
    let mut world = World::from(&store.snapshot(), world.now.wall);
    store.write(world.ordered(change(vec![level(90)], HOLDER, None)).expect("good").records);
    let until = Some(world.now.wall.plus_ms(60_000));
    let done = world.ordered(judge(1, true, until)).expect("it waits");
    assert!(
        done.message.starts_with("account 1: request 1 approved: stop_level_24h 20.00 to 80.00")
    );
    store.write(done.records);
    assert_eq!(world.controls().stop_level_24h, units(80));
    assert!(world.ordered(judge(1, true, None)).is_err(), "it was judged");
    store.write(world.ordered(judge(2, false, None)).expect("it waits").records);
    assert_eq!(world.controls().stop_level_24h, units(80));
    let told = |fact: &Fact| match fact {
        Fact::Raised { until, by, .. } => format!("raised until {} by {by}", until.is_some()),
        Fact::RequestApproved { request, .. } => format!("approved {request}"),
        Fact::RequestRefused { request, .. } => format!("refused {request}"),
        _ => String::new(),
    };
    let told: Vec<String> = store.facts[3..].iter().map(told).collect();
    assert_eq!(told, ["raised until true by eve of staff", "approved 1", "refused 2"]);
    let states: Vec<&str> = store.requests.values().map(|request| request.state.code()).collect();
    assert_eq!(states, ["approved", "refused"]);
    world.pass_ms(60_000);
    store.write(world.timers().records);
    assert_eq!(world.controls().stop_level_24h, units(20));
}

#[test]
fn an_approval_adds_to_what_stands_and_lowers_nothing() {
    let mut world = World::new();
    let barred = ClassSet::barred_by_default();
    let opened = Setting::Barred(barred.without(DestinationClass::Premium));
    world.ordered(change(vec![opened, level(60)], HOLDER, None)).expect("he may ask");
    // Since then: one class more barred, and staff gave more.
    let more = barred.with(DestinationClass::NationalService);
    world.ordered(change(vec![Setting::Barred(more), level(70)], By::STAFF, None)).expect("good");
    world.ordered(judge(1, true, None)).expect("it waits");
    assert_eq!(world.controls().barred, more.without(DestinationClass::Premium));
    assert_eq!(world.controls().stop_level_24h, units(70));
}

#[test]
fn requests_are_bounded() {
    let mut world = World::new();
    for amount in 51..61 {
        world.ordered(change(vec![level(amount)], HOLDER, None)).expect("there is room");
    }
    let error = world.ordered(change(vec![level(61)], HOLDER, None)).expect_err("too many");
    assert_eq!(error.to_string(), "request: 10 requests of the account wait already");
    world.ordered(judge(3, false, None)).expect("it waits");
    world.ordered(change(vec![level(61)], HOLDER, None)).expect("there is room again");
}

#[test]
fn lowering_cuts_what_would_not_be_admitted_and_leaves_the_rest() {
    fn check(setting: Setting, want: &[&str]) {
        let mut world = World::new();
        // 0.024, 0.012, on-net, free, 0.06 with no fee, 0.02 with a fee of 0.11 (above the cap at first).
        world
            .ordered(change(
                vec![Setting::ConnectFeeCap(units(1)), Setting::PriceCapInternational(units(1))],
                By::STAFF,
                None,
            ))
            .expect("good");
        let dialled =
            [PARIS, LONDON, "1001", "08001111111", "004930123456", "0034911234567", "999"];
        let live: Vec<DecisionId> = dialled.iter().map(|dialled| world.call(dialled)).collect();
        let done =
            world.ordered(change(vec![setting.clone()], LOGGED_IN, None)).expect("it is safer");
        let pairs = live.iter().zip(dialled).filter(|(decision, _)| done.cut.contains(decision));
        let names: Vec<&str> = pairs.map(|(_, dialled)| dialled).collect();
        assert_eq!(names, want, "{} {setting}", setting.name());
    }
    let (berlin, madrid) = ("004930123456", "0034911234567");
    check(Setting::PriceCapInternational(Money::from_cents(3)), &[berlin]);
    check(Setting::PriceCapInternational(micros(20_000)), &[PARIS, berlin]);
    check(Setting::PriceCapNational(micros(11_999)), &[LONDON]);
    check(Setting::ConnectFeeCap(Money::from_cents(11)), &[]);
    check(Setting::ConnectFeeCap(Money::from_cents(10)), &[madrid]);
    let bars = |class| Setting::Barred(ClassSet::barred_by_default().with(class));
    check(bars(DestinationClass::International), &[PARIS, berlin, madrid]);
    check(bars(DestinationClass::OnNet), &["1001"]);
    check(bars(DestinationClass::Emergency), &[]);
    check(
        Setting::IpLock(vec!["2001:db8::/32".parse().expect("a network")]),
        &[PARIS, LONDON, "1001", "08001111111", berlin, madrid],
    );
    check(Setting::Status(AccountStatus::Frozen), &[PARIS, LONDON, berlin, madrid]);
    check(level(0), &[]);
    check(Setting::Calls(0), &[]);
}

#[test]
fn no_slice_is_held_above_a_lowered_stop_level_nor_for_a_price_above_its_cap() {
    fn check(setting: Setting, want: bool) {
        let mut world = World::new();
        let call = world.call(PARIS);
        world.engine.answered(world.now, call);
        world.ordered(change(vec![setting.clone()], LOGGED_IN, None)).expect("it is safer");
        let granted = world.engine.extend(world.now, call) == Extension::Granted;
        assert_eq!(granted, want, "{} {setting}", setting.name());
    }
    // 30 s of it are held with 0.012; 60 s cost 0.024.
    check(Setting::StopLevel24h(micros(24_000)), true);
    check(Setting::StopLevel24h(micros(23_999)), false);
    check(Setting::StopLevelAll24h(micros(23_999)), false);
    check(Setting::StopLevel1h(Some(micros(5_000))), false);
    check(Setting::PriceCapInternational(micros(23_999)), false);
}

#[test]
fn what_was_lowered_while_the_node_was_down_gets_no_further_slice() {
    let mut world = World::new();
    let call = world.call(PARIS);
    world.engine.answered(world.now, call);
    let mut down = Snapshot { holds: world.engine.hold(call).into_iter().collect(), ..snapshot() };
    let cap = micros(23_999);
    down.accounts[0].controls.price_cap_international = cap;
    let mut world = World::from(&down, world.now.wall);
    let refused = types::Finding::PriceCap { per_minute: micros(24_000), cap };
    assert_eq!(world.engine.extend(world.now, call), Extension::Refused(vec![refused]));
}

#[test]
fn a_warning_level_that_is_lowered_below_the_usage_warns_at_once() {
    let mut snapshot = snapshot();
    snapshot.unbilled = vec![(ALICE, units(7))];
    let mut world = World::from(&snapshot, NOON);
    let done = world.ordered(change(vec![Setting::WarningLevel(units(3))], LOGGED_IN, None));
    let is_warning = |record: &Record| matches!(record, Record::Fact(_, Fact::WarningLevel { .. }));
    assert_eq!(done.expect("it is safer").records.iter().filter(|one| is_warning(one)).count(), 1);
}

/// Where the wall clock goes slower than time passes, asking again and again would bring the end no nearer.
#[test]
fn an_end_that_is_almost_there_is_waited_for_without_haste() {
    let mut world = World::new();
    let until = UnixMicros(NOON.0 + 90_000_000);
    let cap = Setting::PriceCapInternational(Money::from_cents(10));
    world.ordered(change(vec![cap], By::STAFF, Some(until))).expect("good");
    world.now.wall = UnixMicros(until.0 - 10);
    world.engine.handle_timeout(world.now);
    assert_eq!(world.engine.next_timeout(), Some(world.now.tick.plus_ms(1)));
}

#[test]
fn a_raise_ends_at_its_moment_for_new_calls_and_for_live_ones() {
    let (mut world, mut store) = (World::new(), Store::default());
    let until = UnixMicros(NOON.0 + 90_000_000);
    let cap = Setting::PriceCapInternational(Money::from_cents(10));
    store.write(world.ordered(change(vec![cap], By::STAFF, Some(until))).expect("good").records);
    let berlin = "004930123456";
    let live = world.call(berlin);
    world.engine.answered(world.now, live);
    let paris = world.call(PARIS);
    world.pass_ms(89_999);
    assert_eq!(world.codes(berlin), [""; 0]);
    world.pass_ms(1);
    // No timer has run yet, and the time is over.
    assert_eq!(world.codes(berlin), ["price-cap"]);
    assert_eq!(world.engine.next_timeout(), Some(world.now.tick), "what ended wants to be taken");
    let done = world.timers();
    assert!(done.cut.contains(&live) && !done.cut.contains(&paris), "{:?}", done.cut);
    store.write(done.records);
    let stood = |at: i64| store.at(UnixMicros(at)).map(|one| one.controls.price_cap_international);
    assert_eq!(stood(until.0 - 1), Some(Money::from_cents(10)));
    assert_eq!(stood(until.0), Some(Money::from_cents(5)));
    assert!(matches!(store.facts.last(), Some(Fact::RaiseEnded { .. })));
    assert!(store.raises.is_empty());
}

#[test]
fn a_raise_that_ended_while_the_node_was_down_ends_with_the_start() {
    let (mut world, mut store) = (World::new(), Store::default());
    let until = UnixMicros(NOON.0 + 90_000_000);
    store.write(
        world.ordered(change(vec![level(60)], By::STAFF, Some(until))).expect("good").records,
    );
    let later = UnixMicros(NOON.0 + 3_600_000_000);
    let mut world = World::from(&store.snapshot(), later);
    assert_eq!(world.controls().stop_level_24h, units(20));
    assert!(world.engine.next_timeout().is_some_and(|tick| tick <= world.now.tick));
    store.write(world.timers().records);
    assert_eq!(store.at(later).map(|one| one.at), Some(until), "it ended when it was to end");
    assert_eq!(store.accounts[&ALICE].controls.stop_level_24h, units(20));
}

#[test]
fn what_was_made_safer_meanwhile_stays() {
    fn check(lowered: i64, at_once: i64, in_the_end: i64) {
        let mut world = World::new();
        let until = Some(UnixMicros(NOON.0 + 90_000_000));
        world.ordered(change(vec![level(60)], By::STAFF, until)).expect("good");
        world.pass_ms(10_000);
        world.ordered(change(vec![level(lowered)], LOGGED_IN, None)).expect("it is safer");
        assert_eq!(world.controls().stop_level_24h, units(at_once));
        world.pass_ms(80_000);
        world.timers();
        assert_eq!(world.controls().stop_level_24h, units(in_the_end), "lowered to {lowered}");
    }
    check(10, 10, 10);
    check(20, 20, 20);
    check(40, 40, 20);
}

#[test]
fn a_holder_makes_his_lines_safer_at_once() {
    fn check(change: impl Fn(&mut types::Line), by: By, want: Result<(), &str>) {
        let mut world = World::new();
        let mut known = line(ALICE_LINE, ALICE, "alice");
        (known.tls_only, known.status) = (true, LineStatus::Disabled);
        let line =
            Box::new(engine::LineChange { line: known.clone(), by: By::STAFF, why: String::new() });
        let done = world.ordered(Command::ChangeLine(line)).expect("staff may");
        assert!(done.records.iter().any(|record| matches!(record, Record::LineStanding(_))));
        change(&mut known);
        let line = Box::new(engine::LineChange { line: known, by, why: String::new() });
        let got =
            world.ordered(Command::ChangeLine(line)).map(drop).map_err(|error| error.to_string());
        assert_eq!(got, want.map_err(ToOwned::to_owned));
    }
    check(|line| line.sha256_only = true, LOGGED_IN, Ok(()));
    check(|line| line.tls_only = false, HOLDER, Ok(()));
    check(
        |line| line.tls_only = false,
        LOGGED_IN,
        Err("TLS only: this allows more than before: log in again first"),
    );
    check(
        |line| line.status = LineStatus::Active,
        HOLDER,
        Err("status: only staff enable a line again"),
    );
    check(|line| line.status = LineStatus::Active, By::STAFF, Ok(()));
}

#[test]
fn the_clock_that_was_set_is_noticed_within_a_minute() {
    let mut world = World::new();
    let until = UnixMicros(NOON.0 + 3_600_000_000);
    world.ordered(change(vec![level(60)], By::STAFF, Some(until))).expect("good");
    let wake = world.engine.next_timeout().expect("it wakes up");
    assert!(wake <= world.now.tick.plus_ms(60_000));
    // A minute passed, and the wall clock was set an hour ahead.
    world.now = Now { tick: wake, wall: until };
    world.timers();
    assert_eq!(world.controls().stop_level_24h, units(20));
}
