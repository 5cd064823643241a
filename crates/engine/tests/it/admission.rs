//! Each rule as the caller meets it, with its neighbour that passes.

use engine::{Caller, Target, Verdict};
use types::{AccountStatus, Controls, Direction, Finding, LineId, Money};

use crate::world::*;

#[test]
fn each_destination_meets_its_rules() {
    fn check(dialled: &str, want: &[&str]) {
        assert_eq!(World::new().codes(dialled), want, "{dialled}");
    }
    check(LONDON, &[]);
    check(PARIS, &[]);
    check(RIGA, &[]);
    check("08001111111", &[]);
    check("+353 1 234 5678", &[]);
    // Above the international cap of 5p; a national number at 150p, barred as premium besides.
    check("0049301234567", &["price-cap"]);
    check("09098790000", &["barred-class", "price-cap"]);
    // A connection fee of 11p.
    check("0034911234567", &["connect-fee-cap"]);
    // No row of the deck.
    check("0039066982", &["no-rate"]);
    check("00881612345678", &["barred-class"]);
    check("00881712345678", &["barred-class", "no-rate"]);
    check("hello", &["invalid-number"]);
    check("", &["invalid-number"]);
    check("*100#", &["invalid-number"]);
}

#[test]
fn all_that_speaks_against_a_call_is_found() {
    let mut world = World::with(|controls| {
        controls.calls = 0;
        controls.costly_calls = 0;
        controls.hotspot_calls = 0;
        controls.price_cap_international = Money::from_cents(1);
        controls.stop_level_24h = Money::ZERO;
        controls.stop_level_all_24h = Money::ZERO;
        controls.ip_lock = vec!["203.0.113.0/24".parse().expect("a network")];
    });
    world.set_status(AccountStatus::Frozen);
    world.engine.store_health(false);
    let trunks: Vec<_> = world.engine.trunks().cloned().collect();
    for trunk in trunks {
        let off = types::Trunk { enabled: false, ..trunk };
        world.engine.command(world.now, engine::Command::PutTrunk(off)).expect("a good trunk");
    }
    let want = [
        "account-status",
        "ip-lock",
        "price-cap",
        "call-limit",
        "costly-call-limit",
        "hotspot-limit",
        "no-trunk",
        "store-down",
        "stop-level",
        "stop-level",
    ];
    assert_eq!(world.codes(RIGA), want);
    assert_eq!(world.usage().held, Money::ZERO, "a refused call holds nothing");
    assert_eq!(world.engine.live().count(), 0);
}

#[test]
fn statuses_bar_what_they_say() {
    fn check(status: AccountStatus, dialled: &str, want: &[&str]) {
        let mut world = World::new();
        world.set_status(status);
        assert_eq!(world.codes(dialled), want, "{status} {dialled}");
    }
    const BARRED: &[&str] = &["account-status"];
    for dialled in [LONDON, PARIS, "1001"] {
        check(AccountStatus::Active, dialled, &[]);
        check(AccountStatus::Watched, dialled, &[]);
        check(AccountStatus::Frozen, dialled, BARRED);
        check(AccountStatus::Suspended, dialled, BARRED);
        check(AccountStatus::Closed, dialled, BARRED);
    }
    check(AccountStatus::Limited, LONDON, &[]);
    check(AccountStatus::Limited, "1001", &[]);
    check(AccountStatus::Limited, PARIS, BARRED);
}

#[test]
fn a_watched_account_has_one_costly_call_at_a_time() {
    let mut world = World::new();
    world.set_status(AccountStatus::Watched);
    let first = world.call(PARIS);
    assert_eq!(world.codes(PARIS), ["costly-call-limit"]);
    assert_eq!(world.codes(LONDON), [""; 0]);
    world.end(first, types::cdr::HangupCause::Cancelled);
    assert_eq!(world.codes(PARIS), [""; 0]);
}

#[test]
fn calls_at_once_are_limited() {
    let mut world = World::with(|controls| (controls.calls, controls.costly_calls) = (3, 2));
    let first = world.call(PARIS);
    world.call(PARIS);
    assert_eq!(world.codes(PARIS), ["costly-call-limit"]);
    world.call("1001");
    assert_eq!(world.codes(LONDON), ["call-limit"]);
    assert_eq!(world.codes(PARIS), ["call-limit", "costly-call-limit"]);
    world.end(first, types::cdr::HangupCause::Cancelled);
    assert_eq!(world.codes(PARIS), [""; 0]);
}

#[test]
fn five_hundred_at_once_get_what_ten_holds_afford() {
    // The first slice to Paris holds 0.012.
    let mut world = World::with(|controls| controls.stop_level_24h = micros(10 * 12_000));
    let admitted = (0..500).filter(|_| world.dial(ALICE_LINE, PARIS).is_ok()).count();
    assert_eq!(admitted, 10);
    assert_eq!(world.usage().held_costly, micros(120_000));
    assert_eq!(world.usage().headroom_costly, Money::ZERO);
    assert_eq!(world.codes(LONDON), [""; 0], "cheap calls look at another level");

    let mut less = World::with(|controls| controls.stop_level_24h = micros(10 * 12_000 - 1));
    let admitted = (0..500).filter(|_| less.dial(ALICE_LINE, PARIS).is_ok()).count();
    assert_eq!(admitted, 9);
}

#[test]
fn off_hours_have_their_own_level_at_the_accounts_place() {
    fn check(hours_later: u64, zone: &str, want: &[&str]) {
        let mut snapshot = snapshot();
        snapshot.accounts[0].controls.stop_level_off_hours = Some(micros(12_000));
        snapshot.accounts[0].time_zone = zone.into();
        let mut world = World::from(&snapshot, NOON);
        world.pass_ms(hours_later * 3_600_000);
        world.call(PARIS);
        assert_eq!(world.codes(PARIS), want, "{hours_later} h after noon, {zone}");
    }
    check(6, "Europe/London", &[]);
    check(7, "Europe/London", &["stop-level"]);
    check(7, "America/New_York", &[]);
    check(12, "America/New_York", &["stop-level"]);
    check(96, "Europe/London", &["stop-level"]); // Saturday noon.
}

#[test]
fn hotspots_are_called_once_in_twelve_hours() {
    let mut world = World::new();
    let first = world.call(RIGA);
    assert_eq!(world.codes(RIGA), ["hotspot-limit"], "also while it rings");
    world.end(first, types::cdr::HangupCause::NoAnswer);
    let second = world.call(RIGA);
    world.engine.answered(world.now, second);
    world.pass_ms(1_000);
    world.end(second, types::cdr::HangupCause::Normal);
    assert_eq!(world.codes(RIGA), ["hotspot-limit"]);
    world.pass_ms(43_200_000 - 1_001);
    assert_eq!(world.codes(RIGA), ["hotspot-limit"]);
    world.pass_ms(1);
    assert_eq!(world.codes(RIGA), [""; 0]);
}

#[test]
fn users_and_numbers_of_ours_are_called_for_nothing() {
    fn check(dialled: &str, lines: &[LineId]) {
        let mut world = World::new();
        world.engine.store_health(false);
        let admission = world.dial(ALICE_LINE, dialled).expect("on-net calls go through");
        assert_eq!(admission.direction(), Direction::OnNet, "{dialled}");
        assert_eq!(*admission.target(), Target::Lines(lines.to_vec()), "{dialled}");
        assert!(!admission.chargeable() && !admission.needs_store());
        let hold = world.engine.hold(admission.decision()).expect("it is live");
        assert_eq!((hold.amount, hold.explanation.rate), (Money::ZERO, None));
        assert_eq!(world.usage().held, Money::ZERO);
    }
    check("1001", &[BOB_LINE]);
    check("Alice-Desk", &[ALICE_DESK]);
    check("02079460002", &[BOB_LINE]);
    check("+442079460002", &[BOB_LINE]);
    check("02079460001", &[ALICE_LINE, ALICE_DESK]);
}

#[test]
fn a_user_name_cannot_take_a_numbers_place() {
    let mut snapshot = snapshot();
    snapshot.lines[2].user = LONDON.to_owned();
    let mut world = World::from(&snapshot, NOON);
    let admission = world.dial(ALICE_LINE, LONDON).expect("the call is admitted");
    assert_eq!(admission.direction(), Direction::Outgoing);
}

#[test]
fn a_number_of_ours_without_a_usable_line_is_not_in_service() {
    let mut snapshot = snapshot();
    snapshot.lines[2].status = types::LineStatus::Disabled;
    let mut world = World::from(&snapshot, NOON);
    assert_eq!(world.codes("02079460002"), ["unknown-number"]);
    assert_eq!(world.codes("1001"), ["invalid-number"], "a disabled user is nobody");
}

#[test]
fn incoming_calls_reach_our_numbers_whatever_the_status() {
    fn check(status: AccountStatus, dialled: &str, want: Result<&[LineId], &str>) {
        let mut world = World::with(|controls| {
            controls.calls = 0;
            controls.ip_lock = vec!["203.0.113.0/24".parse().expect("a network")];
        });
        world.set_status(status);
        world.engine.store_health(false);
        match (world.attempt(Caller::Trunk(MAIN_TRUNK), dialled, Some("+33142345678")), want) {
            (Verdict::Admit(admission), Ok(lines)) => {
                assert_eq!(*admission.target(), Target::Lines(lines.to_vec()));
                assert_eq!(admission.direction(), Direction::Incoming);
                assert_eq!((admission.account(), admission.caller()), (ALICE, "+33142345678"));
                assert!(!admission.chargeable());
            }
            (Verdict::Refuse(refusal), Err(want)) => {
                assert_eq!(refusal.findings[0].reason().code(), want, "{status} {dialled}");
            }
            (got, want) => panic!("{status} {dialled}: {got:?}, wanted {want:?}"),
        }
    }
    use AccountStatus::*;
    for status in [Active, Watched, Frozen, Limited, Suspended] {
        check(status, "+442079460001", Ok(&[ALICE_LINE, ALICE_DESK]));
        check(status, "442079460009", Ok(&[ALICE_DESK]));
    }
    check(Closed, "+442079460001", Err("unknown-number"));
    // Carriers reach nothing but our numbers: no user, no emergency, no way out again.
    for dialled in ["+442079460777", "1001", "alice", "999", "150", PARIS, ""] {
        check(Active, dialled, Err("unknown-number"));
    }
}

#[test]
fn a_carriers_numbers_are_read_as_in_its_own_country() {
    fn check(home: &str, format: types::TrunkNumberFormat, dialled: &str, caller: &str) {
        let mut snapshot = snapshot();
        let trunk = &mut snapshot.trunks[0];
        trunk.number_format = format;
        trunk.dial_plan.home = home.parse().expect("a country");
        if home == "US" {
            trunk.dial_plan.national_prefix = "1".to_owned();
            trunk.dial_plan.international_prefix = "011".to_owned();
        }
        let mut world = World::from(&snapshot, NOON);
        match world.attempt(Caller::Trunk(MAIN_TRUNK), dialled, Some(caller)) {
            Verdict::Admit(admission) => {
                assert_eq!(admission.account(), ALICE);
                assert_eq!(admission.caller(), "+33142345678", "{caller} in {home}");
            }
            Verdict::Refuse(refusal) => panic!("{dialled} in {home}: {:?}", refusal.findings),
        }
    }
    use types::TrunkNumberFormat::*;
    check("GB", National, "02079460001", "0033142345678");
    check("FR", National, "00442079460001", "0142345678");
    check("US", National, "011442079460001", "01133142345678");
    check("US", E164, "442079460001", "33142345678");
    check("FR", E164Plus, "+442079460001", "+33142345678");
}

#[test]
fn a_disabled_trunk_brings_nothing_in() {
    let mut snapshot = snapshot();
    snapshot.trunks[0].enabled = false;
    let mut world = World::from(&snapshot, NOON);
    let verdict = world.attempt(Caller::Trunk(MAIN_TRUNK), "+442079460001", None);
    assert!(matches!(verdict, Verdict::Refuse(_)));
}

#[test]
fn a_line_of_nobody_gets_a_reason() {
    let refusal = World::new().dial(LineId(99), LONDON).expect_err("nobody cannot call");
    let status = AccountStatus::Closed;
    assert!(refusal.findings.contains(&Finding::AccountStatus { status }));
}

#[test]
fn the_locks_of_account_and_line_are_asked() {
    fn check(account: &[&str], line: &[&str], want: bool) {
        let nets = |lock: &[&str]| lock.iter().map(|net| net.parse().expect("a network")).collect();
        let mut snapshot = snapshot();
        snapshot.accounts[0].controls =
            Controls { ip_lock: nets(account), ..snapshot.accounts[0].controls.clone() };
        snapshot.lines[0].ip_lock = nets(line);
        let mut world = World::from(&snapshot, NOON);
        assert_eq!(world.engine.ip_allowed(ALICE_LINE, PEER), want);
        let refused = if want { &[][..] } else { &["ip-lock"] };
        assert_eq!(world.codes(LONDON), refused);
        assert_eq!(world.codes("1001"), refused);
    }
    check(&[], &[], true);
    check(&["198.51.100.0/24"], &[], true);
    check(&["198.51.99.0/24"], &[], false);
    check(&["198.51.100.0/24"], &["198.51.100.8/32"], false);
}
