//! Where requests within a dialog may come from (F6, I1).

use crate::calls::{alice, carrier, talk, talk_between};
use crate::leg::Leg;
use crate::town::*;
use crate::ua::Ua;
use crate::wire::Got;
use crate::world::World;

/// The same dialog end, seen from another address.
fn at(leg: &Leg, ua: &Ua) -> Leg {
    Leg { ua: ua.clone(), ..leg.clone() }
}

fn challenge_of(leg: &mut Leg, method: &str) -> Got {
    leg.send(method, "", "");
    leg.expect(407)
}

#[test]
fn f6_a_stranger_with_the_right_tags() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    // As the caller: challenged, on another host, from another port of his, by another transport.
    let neighbours = [
        caller.ua.moved("203.0.113.66:5060"),
        caller.ua.moved("203.0.113.7:5061"),
        world.tcp_ua("203.0.113.7:5060", ALICE),
    ];
    for neighbour in neighbours {
        let mut stranger = at(&caller, &neighbour);
        for method in ["BYE", "INFO", "UPDATE", "OPTIONS"] {
            challenge_of(&mut stranger, method);
        }
    }
    // As the carrier: refused.
    let mut stranger = at(&callee, &callee.ua.moved("203.0.113.66:5060"));
    for method in ["BYE", "INFO", "UPDATE", "OPTIONS"] {
        stranger.send(method, "", "");
        stranger.expect(403);
    }
    // With his own good credentials he is still a stranger.
    let eve = world.ua("203.0.113.66:5060", EVE);
    let mut stranger = at(&caller, &eve);
    let challenge = challenge_of(&mut stranger, "BYE");
    let line = eve.credentials(&challenge, "BYE", &stranger.target, 1);
    stranger.send("BYE", &line, "");
    stranger.expect(403);
    // The other line of the same account is not the one that called.
    let other_line = world.ua("203.0.113.66:5060", ALICE2);
    let mut stranger = at(&caller, &other_line);
    let challenge = challenge_of(&mut stranger, "BYE");
    let line = other_line.credentials(&challenge, "BYE", &stranger.target, 1);
    stranger.send("BYE", &line, "");
    stranger.expect(403);
    world.advance(10_000);
    caller.expect_nothing();
    callee.expect_nothing();
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    world.finish();
}

#[test]
fn a_strangers_ack_is_not_the_callers() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    at(&caller, &caller.ua.moved("203.0.113.66:5060")).ack();
    world.advance(500);
    caller.expect(200);
    // Another port of the same host will do.
    at(&caller, &caller.ua.moved("203.0.113.7:9999")).ack();
    world.advance(5_000);
    caller.expect_nothing();
    caller.bye();
    callee.take_bye();
    world.finish();
}

#[test]
fn a_phone_that_moved_goes_on_there() {
    let world = World::new();
    let (caller, mut callee) = talk(&world, FIXED);
    let moved = caller.ua.moved("203.0.113.200:6000");
    let mut caller = at(&caller, &moved);
    caller.send("UPDATE", "", "");
    let challenge = caller.expect(407);
    let line = moved.credentials(&challenge, "UPDATE", &caller.target, 1);
    caller.send("UPDATE", &line, "");
    caller.expect((200, "UPDATE"));
    // What comes from the other side goes to the new place.
    callee.send("INFO", "", "x");
    let info = caller.expect("INFO");
    assert_eq!(info.flow.peer, moved.flow.peer);
    assert_eq!(info.uri, moved.contact());
    caller.respond(&info, 200, "", "");
    callee.expect((200, "INFO"));
    callee.bye();
    caller.take_bye();
    world.finish();
}

#[test]
fn a_phone_that_reconnected_goes_on_there() {
    let world = World::new();
    let phone = world.tcp_ua("203.0.113.7:5060", ALICE);
    let (caller, mut callee) = talk_between(&phone, &carrier(&world), FIXED);
    world.flow_closed(phone.flow);
    let mut again = phone.clone();
    again.flow.connection += 7;
    let mut caller = at(&caller, &again);
    let challenge = challenge_of(&mut caller, "UPDATE");
    let line = again.credentials(&challenge, "UPDATE", &caller.target, 1);
    caller.send("UPDATE", &line, "");
    caller.expect((200, "UPDATE"));
    callee.bye();
    let bye = caller.take_bye();
    assert_eq!(bye.flow, again.flow);
    world.finish();
}

#[test]
fn a_called_phone_that_moved() {
    let world = World::new();
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut caller, callee) = talk_between(&alice(&world), &bob, "bob1");
    let moved = bob.moved("203.0.113.21:5071");
    let mut callee = at(&callee, &moved);
    let challenge = challenge_of(&mut callee, "UPDATE");
    let line = moved.credentials(&challenge, "UPDATE", &callee.target, 1);
    callee.send("UPDATE", &line, "");
    callee.expect((200, "UPDATE"));
    caller.send("BYE", "", "");
    caller.expect((200, "BYE"));
    let bye = callee.take_bye();
    assert_eq!(bye.flow.peer, moved.flow.peer);
    world.finish();
}

/// An outgoing call over the first carrier, or one of its calls to Alice; the carrier's end second.
fn with_carrier(world: &World, outgoing: bool) -> (Leg, Leg) {
    if outgoing {
        return talk(world, FIXED);
    }
    let phone = alice(world);
    phone.register();
    let mut caller = carrier(world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    let mut callee = phone.expect_invite();
    callee.answer(&mut caller);
    (callee, caller)
}

#[test]
fn f6_a_carrier_speaks_from_its_networks() {
    fn check(sources: &[&str], from: &str, tcp: bool, may: bool) {
        for outgoing in [true, false] {
            let world = World::with(|town| {
                let networks = sources.iter().map(|network| network.parse().unwrap());
                town.trunk(1).sources = networks.collect();
            });
            if !outgoing && sources.iter().all(|network| !network.starts_with("198.51.100.")) {
                continue; // It is no carrier that calls us.
            }
            let (mut phone, mut box_of) = with_carrier(&world, outgoing);
            world.advance(1_000);
            let ua = match tcp {
                true => world.tcp_ua(from, ("carrier", "")),
                false => box_of.ua.moved(from),
            };
            let mut elsewhere = at(&box_of, &ua);
            if may {
                elsewhere.bye();
            } else {
                for method in ["BYE", "INVITE", "INFO", "UPDATE", "OPTIONS"] {
                    elsewhere.send(method, "", "");
                    let got = elsewhere.expect(403);
                    if method == "INVITE" {
                        let cseq = elsewhere.cseq;
                        elsewhere.ua.send(&elsewhere.in_dialog("ACK", cseq, got.branch(), "", ""));
                    }
                }
                phone.expect_nothing();
                box_of.bye();
            }
            phone.take_bye();
            assert_eq!(world.cdr().cause.code(), "normal", "{from}");
            world.finish();
        }
    }
    let one = &["198.51.100.1/32"];
    check(one, "198.51.100.1:40000", false, true);
    check(one, "198.51.100.1:40000", true, true);
    check(one, "198.51.100.2:5060", false, false);
    check(one, "203.0.113.66:5060", true, false);
    check(&["198.51.100.0/28"], "198.51.100.14:5060", false, true);
    check(&["198.51.100.0/28"], "198.51.100.16:5060", false, false);
    // Its switch is not among its networks: there, only the socket that the call went to.
    for none in [&[][..], &["192.0.2.128/25"]] {
        check(none, "198.51.100.1:5060", false, true);
        check(none, "198.51.100.1:40000", false, false);
        check(none, "198.51.100.1:5060", true, false);
    }
    check(&["192.0.2.128/25"], "192.0.2.200:5060", false, true);
}

#[test]
fn f6_each_phone_that_rings_speaks_for_its_own_line() {
    // Two lines ring; the other one's credentials are not this one's.
    let world = World::with(|town| {
        town.snapshot.numbers.push(number("+442079460022", 1, None));
    });
    let first = alice(&world);
    let second = world.ua("203.0.113.8:5060", ALICE2);
    first.register();
    second.register();
    let mut caller = carrier(&world).invite_as_carrier("+442079460022");
    caller.expect(100);
    let (one, mut two) = (first.expect_invite(), second.expect_invite());
    one.reply_with(183, "", crate::wire::ANSWER);
    caller.expect(183);
    let elsewhere = "203.0.113.66:5060";
    for (user, status) in [(ALICE2, 403), (ALICE, 200)] {
        let ua = world.ua(elsewhere, user);
        let mut stranger = Leg { cseq: 200 + status as u32, ..at(&one, &ua) };
        let challenge = challenge_of(&mut stranger, "UPDATE");
        let line = ua.credentials(&challenge, "UPDATE", &stranger.target, 1);
        stranger.send("UPDATE", &line, "");
        stranger.expect(status);
    }
    two.reply(603);
    two.expect("ACK");
    caller.refused(603);
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn the_ip_lock_holds_within_dialogs() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    let mut account = Town::new().account(1).clone();
    account.controls.ip_lock = vec!["203.0.113.7/32".parse().unwrap()];
    world.command(engine::Command::PutAccount(account)).unwrap();
    // Elsewhere: not even a challenge.
    let moved = caller.ua.moved("203.0.113.66:5060");
    let mut stolen = at(&caller, &moved);
    stolen.send("BYE", "", "");
    stolen.expect(403);
    moved.send_request(&moved.register_request(60));
    let challenge = moved.expect(401);
    let line = moved.credentials(&challenge, "BYE", &stolen.target, 1);
    stolen.send("BYE", &line.replace("Authorization", "Proxy-Authorization"), "");
    stolen.expect(403);
    caller.expect_nothing();
    callee.expect_nothing();
    callee.bye();
    caller.take_bye();
    world.finish();
}

/// Locks account 1, 2 … to networks where none of its phones is.
fn lock_out(world: &World, account: u32) {
    let mut account = Town::new().account(account).clone();
    account.controls.ip_lock = vec!["192.0.2.0/24".parse().unwrap()];
    world.command(engine::Command::PutAccount(account)).unwrap();
}

#[test]
fn an_ip_lock_ends_a_running_fraud() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    lock_out(&world, 1);
    callee.take_bye();
    caller.take_bye();
    world.ended_as("outgoing 10000ms 2000/1000 cut 200 Ringfence");
    world.finish();
}

#[test]
fn an_ip_lock_ends_calls_that_were_answered_outside_it() {
    let world = World::new();
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut caller, mut callee) = talk_between(&alice(&world), &bob, "bob1");
    lock_out(&world, 2);
    callee.take_bye();
    caller.take_bye();
    assert_eq!(world.cdr().cause, types::cdr::HangupCause::Cut);
    world.finish();
}

#[test]
fn emergency_calls_go_on_whatever_the_lock() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, "999");
    lock_out(&world, 1);
    world.advance(60_000);
    caller.expect_nothing();
    caller.bye();
    callee.take_bye();
    world.finish();
}

#[test]
fn who_hangs_up_from_outside_the_lock_is_heard() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    lock_out(&world, 1);
    // His BYE crosses ours.
    caller.bye_crossing();
    caller.take_bye();
    caller.expect((200, "BYE"));
    callee.take_bye();
    world.finish();
}

#[test]
fn phones_outside_the_lock_are_not_called() {
    let world = World::new();
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    lock_out(&world, 2);
    assert_eq!((world.stats().bindings, world.bindings()), (0, vec![]));
    alice(&world).invite("bob1").refused(480);
    bob.expect_nothing();
    world.finish();
}

#[test]
fn phones_of_an_earlier_secret_or_a_disabled_line_are_not_called() {
    fn check(command: engine::Command) {
        let world = World::new();
        let bob = world.ua("203.0.113.20:5070", BOB);
        bob.register();
        world.command(command).unwrap();
        assert_eq!((world.stats().bindings, world.bindings()), (0, vec![]));
        world.finish();
    }
    let line = Town::new().line(3).clone();
    let ha1 = crate::digest::ha1("bob1", "another secret of Bob");
    check(engine::Command::SetSecret { line: line.id, ha1, overlap: None });
    check(engine::Command::PutLine(types::Line { status: types::LineStatus::Disabled, ..line }));
}

#[test]
fn a_lock_that_was_set_while_no_node_ran_holds_for_phones_of_before() {
    let world = World::with(|town| {
        town.account(2).controls.ip_lock = vec!["192.0.2.0/24".parse().unwrap()];
        for (line, contact) in [(3, "sip:bob@203.0.113.20:5070"), (1, "sip:alice@203.0.113.7")] {
            town.snapshot.bindings.push(types::BindingRecord {
                line: types::LineId(line),
                contact: contact.to_owned(),
                path: Vec::new(),
                call_id: "c".to_owned(),
                cseq: 1,
                expires: types::UnixMicros::from_seconds(NOON + 600),
                transport: "udp".to_owned(),
                peer: "203.0.113.20:5070".parse().unwrap(),
                local: NODE_UDP.parse().unwrap(),
                user_agent: String::new(),
                outbound: None,
            });
        }
    });
    assert_eq!(world.stats().bindings, 1);
    world.finish();
}

#[test]
fn the_ip_lock_is_judged_for_each_request_of_a_stream() {
    let world = World::new();
    let phone = world.tcp_ua("203.0.113.7:5060", ALICE);
    phone.register();
    let mut account = Town::new().account(1).clone();
    account.controls.ip_lock = vec!["192.0.2.0/24".parse().unwrap()];
    world.command(engine::Command::PutAccount(account)).unwrap();
    phone.send_with_login(&mut phone.register_request(3600));
    phone.expect(403);
    let mut caller = phone.invite_with(phone.invite_request(FIXED));
    assert!(caller.refused(403).header("Reason").contains("[ip-lock "));
    world.finish();
}
