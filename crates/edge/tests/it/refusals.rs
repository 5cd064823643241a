//! Each reason of a refusal: its status, its phrase, the Reason header with the decision, the CDR
//! with the findings.

use types::{AccountStatus, Controls, DestinationClass, Finding, Money};

use crate::calls::{alice, carrier, ring, talk};
use crate::town::*;
use crate::ua::Request;
use crate::wire::OFFER;
use crate::world::{Store, World};

/// Alice calls `number` in a town that was changed, and hears this.
fn check(
    change: impl FnOnce(&mut Town),
    number: &str,
    status: u16,
    phrase: &str,
    findings: &[Finding],
) {
    let world = World::with(change);
    let phone = alice(&world);
    let mut caller = phone.invite_with(phone.invite_request(number));
    let got = caller.refused(status);
    assert_eq!(got.phrase, phrase);
    let cdr = world.ended_as(&format!("outgoing 0ms 0/0 refused {status} Ringfence"));
    assert_eq!(cdr.explanation.findings, findings, "{number}");
    let reason = cdr.explanation.findings[0].reason();
    let mut small = phrase.to_owned();
    small[..1].make_ascii_lowercase();
    let want = format!("SIP;cause={status};text=\"{small} [{reason} {}]\"", cdr.decision);
    assert_eq!(got.header("Reason"), want);
    assert_eq!(got.has("Retry-After"), status == 503);
    assert_eq!(cdr.dialled, number);
    assert_eq!(cdr.account.0, 1);
    assert_eq!(cdr.a_leg.user_agent, "Phone of alice1");
    world.ua(CARRIER, ("c", "")).expect_nothing();
    world.finish();
}

#[test]
fn each_reason_is_told() {
    let plain = |_: &mut Town| {};
    let controls =
        |change: fn(&mut Controls)| move |town: &mut Town| change(&mut town.account(1).controls);
    let dialled = "0123".to_owned();
    check(
        plain,
        "0123",
        404,
        "0123 is not a number that can be called",
        &[Finding::InvalidNumber { dialled }],
    );
    for status in [AccountStatus::Frozen, AccountStatus::Suspended] {
        let phrase = format!("The account is {status}");
        let change = |town: &mut Town| town.account(1).status = status;
        check(change, FIXED, 403, &phrase, &[Finding::AccountStatus { status }]);
    }
    let status = AccountStatus::Limited;
    let limited = |town: &mut Town| town.account(1).status = status;
    check(limited, FRANCE, 403, "The account is limited", &[Finding::AccountStatus { status }]);
    let elsewhere = |town: &mut Town| {
        town.account(1).controls.ip_lock = vec!["192.0.2.0/24".parse().unwrap()];
    };
    let peer = "203.0.113.7".parse().unwrap();
    check(
        elsewhere,
        FIXED,
        403,
        "The account is locked to other addresses than 203.0.113.7",
        &[Finding::IpLock { peer }],
    );
    let class = DestinationClass::Premium;
    check(
        plain,
        "+449098790000",
        403,
        "Calls of class premium are barred",
        &[Finding::BarredClass { class }],
    );
    check(plain, "+819012345678", 403, "There is no price for this number", &[Finding::NoRate]);
    check(
        plain,
        "+4930123456",
        403,
        "0.051 a minute is above the cap of 0.05",
        &[Finding::PriceCap { per_minute: Money::from_micros(51_000), cap: Money::from_cents(5) }],
    );
    check(
        plain,
        "+390612345678",
        403,
        "A connection fee of 0.101 is above the cap of 0.10",
        &[Finding::ConnectFeeCap { fee: Money::from_micros(101_000), cap: Money::from_cents(10) }],
    );
    check(
        controls(|controls| controls.calls = 0),
        FIXED,
        486,
        "0 calls are in progress, 0 are allowed",
        &[Finding::CallLimit { now: 0, limit: 0 }],
    );
    check(
        controls(|controls| controls.costly_calls = 0),
        FRANCE,
        486,
        "0 costly calls are in progress, 0 are allowed",
        &[Finding::CostlyCallLimit { now: 0, limit: 0 }],
    );
    check(
        controls(|controls| controls.hotspot_calls = 0),
        "+14734401234",
        403,
        "0 calls to fraud hotspots within 12 hours, 0 are allowed",
        &[Finding::HotspotLimit { now: 0, limit: 0 }],
    );
    check(
        controls(|controls| controls.stop_level_all_24h = Money::from_micros(5_999)),
        FIXED,
        403,
        "0.00 spent and 0.00 held in 24 hours, all calls; 0.006 more would pass the stop level of 0.005999",
        &[Finding::StopLevel {
            scope: types::LevelScope::Account,
            window: types::reason::Window::AllDay,
            spent: Money::ZERO,
            held: Money::ZERO,
            asked: Money::from_micros(6_000),
            level: Money::from_micros(5_999),
        }],
    );
    check(
        |town| town.snapshot.trunks.clear(),
        FIXED,
        503,
        "No carrier takes this number",
        &[Finding::NoTrunk],
    );
}

#[test]
fn every_finding_is_kept_and_the_first_is_told() {
    check(
        |town| {
            town.account(1).controls.calls = 0;
            town.account(1).status = AccountStatus::Frozen;
        },
        "+4930123456",
        403,
        "The account is frozen",
        &[
            Finding::AccountStatus { status: AccountStatus::Frozen },
            Finding::PriceCap { per_minute: Money::from_micros(51_000), cap: Money::from_cents(5) },
            Finding::CallLimit { now: 0, limit: 0 },
        ],
    );
}

#[test]
fn a_second_call_is_one_too_many() {
    let world = World::with(|town| town.account(1).controls.calls = 1);
    let (mut caller, mut callee) = talk(&world, FIXED);
    let phone = alice(&world);
    let mut second = phone.invite_with(phone.invite_request(FIXED));
    let got = second.refused(486);
    assert_eq!(got.phrase, "1 calls are in progress, 1 are allowed");
    caller.bye();
    callee.take_bye();
    let (mut third, mut third_callee) = talk(&world, FIXED);
    third_callee.bye();
    third.take_bye();
    assert_eq!(world.cdrs().len(), 3);
    world.finish();
}

#[test]
fn emergency_calls_pass_everything_but_closed() {
    for status in [AccountStatus::Frozen, AccountStatus::Suspended, AccountStatus::Limited] {
        let world = World::with(|town| {
            let account = town.account(1);
            account.status = status;
            account.controls.calls = 0;
            account.controls.stop_level_all_24h = Money::ZERO;
            account.controls.ip_lock = vec!["192.0.2.0/24".parse().unwrap()];
        });
        let (mut caller, mut callee) = talk(&world, "999");
        world.advance(700_000);
        caller.bye();
        callee.take_bye();
        let cdr = world.ended_as("outgoing 700000ms 0/0 normal 200 Caller");
        assert_eq!(cdr.destination.class, DestinationClass::Emergency);
        world.finish();
    }
    // F4: only the exact code is one.
    check(
        |_| {},
        "999123456",
        404,
        "999123456 is not a number that can be called",
        &[Finding::InvalidNumber { dialled: "999123456".to_owned() }, Finding::NoRate],
    );
}

#[test]
fn nothing_is_promised_while_the_node_closes() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.begin_shutdown();
    let phone = alice(&world);
    let mut second = phone.invite_with(phone.invite_request(FIXED));
    second.refused(503);
    carrier(&world).expect_nothing();
    world.advance(40_000);
    caller.bye();
    callee.take_bye();
    world.finish();
}

#[test]
fn the_write_fails() {
    let world = World::new();
    world.store(Store::Silent);
    let mut caller = alice(&world).invite(FIXED);
    world.answer_store(false);
    let got = caller.refused(503);
    assert_eq!(got.phrase, "The money for this call cannot be held at the moment");
    assert!(got.has("Retry-After"));
    carrier(&world).expect_nothing();
    world.store(Store::Up);
    world.ended_as("outgoing 0ms 0/0 fault 503 Ringfence");
    world.finish();
}

#[test]
fn a_body_that_nobody_knows() {
    let check = |content_type: &str, is_passed: bool| {
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.invite_request(FIXED);
        request.body = String::new();
        let length = OFFER.len();
        let text = phone.text(&request).replace(
            "Content-Length: 0\r\n\r\n",
            &format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{OFFER}"),
        );
        phone.send(&text);
        if is_passed {
            phone.expect(407);
        } else {
            let told = phone.expect(415);
            assert_eq!(told.header("Accept"), "application/sdp, multipart/mixed");
        }
        world.finish();
    };
    check("application/sdp", true);
    check("Application / SDP;charset=\"x\"", true);
    check("multipart/mixed;boundary=b", true);
    check("application/isup", false);
    check("text/plain", false);
    check("application/sdpx", false);
}

#[test]
fn an_invite_that_makes_no_dialog_is_recorded_with_its_reason() {
    let world = World::new();
    let phone = alice(&world);
    let mut request = phone.invite_request(FIXED);
    request.extra.push_str("Record-Route: <sip:>\r\n");
    let mut caller = phone.invite_with(request);
    caller.expect(100);
    let got = caller.refused(400);
    assert!(got.header("Reason").contains("[bad-contact "), "{}", got.text());
    let cdr = world.ended_as("outgoing 0ms 0/0 fault 400 Ringfence");
    assert_eq!(cdr.explanation.findings, [Finding::BadContact]);
    assert_eq!(world.held(1), Money::ZERO);
    world.finish();
}

/// RFC 3261 §8.2.2.2: a proxy forked, and both branches lead to us.
#[test]
fn a_merged_request_is_one_call() {
    let world = World::new();
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let carrier = carrier(&world);
    let request = carrier.invite_request(BOB_NUMBER);
    carrier.send_request(&request);
    let mut caller = carrier.leg_of(request.clone());
    caller.expect(100);
    let mut callee = bob.expect_invite();
    let other_way = Request { branch: carrier.branch(), ..request.clone() };
    carrier.send_request(&other_way);
    caller.expect(482);
    bob.expect_nothing();
    // A later request of the same caller is another.
    let later = Request { branch: carrier.branch(), cseq: request.cseq + 1, ..request };
    carrier.send_request(&later);
    caller.expect(100);
    let mut second = bob.expect_invite();
    for leg in [&mut callee, &mut second] {
        leg.reply(486);
        leg.expect("ACK");
    }
    world.forget_post();
    world.advance(70_000);
    assert_eq!(world.cdrs().len(), 2);
    assert_eq!(world.stats().calls, 0);
}

#[test]
fn a_ringing_call_that_is_cut_is_cut_once() {
    let world = World::new();
    ring(&world, FIXED);
    let decision = world.open_holds()[0].decision;
    let reply = world.command(engine::Command::Cut(decision)).unwrap();
    assert_eq!((reply.cut, world.stats().cut), (1, 1));
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn no_more_phones_ring_than_a_call_can_have() {
    let world = World::with(|town| {
        town.snapshot.lines.extend((10..13).map(|id| line(id, 2, BOB_LINES[id as usize - 10])));
    });
    for (number, user) in BOB_LINES.iter().enumerate() {
        for phone in 0..9 {
            world.ua(&format!("203.0.113.{}:{}", 100 + number, 6_000 + phone), *user).register();
        }
    }
    let mut caller = carrier(&world).invite_as_carrier(BOB_NUMBER);
    caller.expect(100);
    assert_eq!(world.stats().phones_not_rung, 3);
    caller.cancel();
    world.forget_post();
    world.advance(70_000);
}

const BOB_LINES: [(&str, &str); 3] =
    [("bob10", "one secret"), ("bob11", "another secret"), ("bob12", "a third secret")];
