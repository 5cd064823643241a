//! Session timers (RFC 4028): what is asked and granted, who refreshes, who is hung up on.

use crate::calls::{alice, carrier, talk};
use crate::leg::Leg;
use crate::town::*;
use crate::ua::Ua;
use crate::wire::ANSWER;
use crate::world::World;

const SESSION: &str = "Supported: timer\r\nSession-Expires: ";

/// Alice calls with a session timer, the carrier answers with these header lines.
fn talk_with(world: &World, asked: &str, answered: &str) -> (Leg, Leg, String) {
    let phone = alice(world);
    let mut request = phone.invite_request(FIXED);
    request.extra.push_str(asked);
    let mut caller = phone.invite_with(request);
    caller.expect(100);
    let mut callee = carrier(world).expect_invite();
    callee.reply_with(200, answered, ANSWER);
    callee.expect("ACK");
    let ok = caller.expect(200);
    caller.ack();
    let granted = format!("{}/{}", ok.header("Session-Expires"), ok.header("Require"));
    (caller, callee, granted)
}

fn expires(mut caller: Leg, mut callee: Leg, world: &World) {
    callee.take_bye();
    caller.take_bye();
    let cdr = world.cdr();
    assert_eq!((cdr.cause.code(), cdr.status), ("session-expired", 200));
    world.finish();
}

#[test]
fn too_short_is_refused() {
    for seconds in [1, 30, 89] {
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.invite_request(FIXED);
        request.extra.push_str(&format!("{SESSION}{seconds}\r\n"));
        phone.send_request(&request);
        let got = phone.expect(422);
        assert_eq!(got.header("Min-SE"), "90");
        world.finish();
    }
}

#[test]
fn what_is_granted() {
    fn check(asked: &str, want: &str) {
        let world = World::new();
        let (mut caller, mut callee, granted) = talk_with(&world, asked, "");
        assert_eq!(granted, want, "{asked}");
        caller.bye();
        callee.take_bye();
        world.finish();
    }
    check("", "/");
    check(&format!("{SESSION}90\r\n"), "90;refresher=uac/timer");
    check(&format!("{SESSION}600;refresher=uas\r\n"), "600;refresher=uas/timer");
    check(&format!("{SESSION}5000\r\n"), "1800;refresher=uac/timer");
    check("Supported: timer\r\n", "1800;refresher=uac/timer");
}

#[test]
fn a_silent_phone_is_hung_up_on() {
    let world = World::new();
    let (mut caller, callee, _) = talk_with(&world, &format!("{SESSION}90;refresher=uac\r\n"), "");
    world.advance(59_999);
    caller.expect_nothing();
    world.advance(1);
    let _ = &mut caller;
    expires(caller, callee, &world);
}

#[test]
fn a_refresh_keeps_the_session() {
    for (method, body) in
        [("UPDATE", ""), ("UPDATE", crate::wire::OFFER), ("INVITE", crate::wire::OFFER)]
    {
        let world = World::new();
        let asked = format!("{SESSION}90;refresher=uac\r\n");
        let (mut caller, mut callee, _) = talk_with(&world, &asked, "");
        for _ in 0..4 {
            world.advance(45_000);
            caller.send(method, &asked, body);
            if !body.is_empty() {
                let got = callee.expect(method);
                callee.respond(&got, 200, "", ANSWER);
                if method == "INVITE" {
                    callee.expect("ACK");
                    caller.expect(100);
                }
            }
            let ok = caller.expect((200, method));
            assert_eq!(ok.header("Session-Expires"), "90;refresher=uac", "{method} {body}");
            assert_eq!(ok.header("Require"), "timer");
            if method == "INVITE" {
                caller.ack_with(caller.cseq, "");
            }
        }
        world.advance(59_999);
        caller.expect_nothing();
        world.advance(1);
        expires(caller, callee, &world);
    }
}

#[test]
fn a_refresh_may_change_the_interval() {
    let world = World::new();
    let (mut caller, callee, _) = talk_with(&world, &format!("{SESSION}600;refresher=uac\r\n"), "");
    world.advance(300_000);
    caller.send("UPDATE", &format!("{SESSION}60;refresher=uac\r\n"), "");
    assert_eq!(caller.expect((422, "UPDATE")).header("Min-SE"), "90");
    caller.send("UPDATE", &format!("{SESSION}120;refresher=uac\r\n"), "");
    let ok = caller.expect((200, "UPDATE"));
    assert_eq!(ok.header("Session-Expires"), "120;refresher=uac");
    world.advance(87_999);
    caller.expect_nothing();
    world.advance(1);
    expires(caller, callee, &world);
}

#[test]
fn a_phone_without_timers_is_asked() {
    for (answer, goes_on) in [(200, true), (405, true), (481, false)] {
        let world = World::new();
        let (mut caller, mut callee) = talk(&world, FIXED);
        world.advance(900_000);
        let (probe, other) = (caller.expect("OPTIONS"), callee.expect("OPTIONS"));
        callee.respond(&other, 200, "", "");
        caller.respond(&probe, answer, "", "");
        if goes_on {
            world.advance(899_999);
            caller.expect_nothing();
            world.advance(1);
            let (probe, other) = (caller.expect("OPTIONS"), callee.expect("OPTIONS"));
            caller.respond(&probe, 200, "", "");
            callee.respond(&other, 200, "", "");
            caller.bye();
            callee.take_bye();
            world.finish();
        } else {
            expires(caller, callee, &world);
        }
    }
}

#[test]
fn a_phone_that_is_gone_is_found_out() {
    let world = World::new();
    let (caller, mut callee) = talk(&world, FIXED);
    world.advance(900_000);
    let probe = callee.expect("OPTIONS");
    callee.respond(&probe, 200, "", "");
    world.advance(32_000);
    callee.take_bye();
    let sent = caller.ua.forget();
    assert_eq!(sent.last().unwrap(), "BYE", "{sent:?}");
    assert_eq!(world.cdr().duration_ms, 932_000);
    world.advance(40_000);
    caller.ua.forget();
    world.finish();
}

#[test]
fn the_carrier_keeps_timers() {
    // It refreshes.
    let world = World::new();
    let theirs = "Require: timer\r\nSession-Expires: 120;refresher=uas\r\n";
    let (caller, mut callee, _) = talk_with(&world, "", theirs);
    world.advance(60_000);
    callee.send("UPDATE", &format!("{SESSION}120;refresher=uac\r\n"), "");
    let ok = callee.expect((200, "UPDATE"));
    assert_eq!(ok.header("Session-Expires"), "120;refresher=uac");
    world.advance(87_999);
    caller.expect_nothing();
    world.advance(1);
    expires(caller, callee, &world);
    // We refresh.
    let world = World::new();
    let ours = "Require: timer\r\nSession-Expires: 120;refresher=uac\r\n";
    let (mut caller, mut callee, _) = talk_with(&world, "", ours);
    for _ in 0..3 {
        world.advance(60_000);
        let update = callee.expect("UPDATE");
        assert_eq!(update.header("Session-Expires"), "120;refresher=uac");
        callee.respond(&update, 200, "Session-Expires: 120;refresher=uac\r\n", "");
    }
    caller.bye();
    callee.take_bye();
    world.finish();
}

#[test]
fn the_carrier_wants_a_longer_session() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let box_of: Ua = carrier(&world);
    let mut first = box_of.expect_invite();
    assert_eq!(first.invite.as_ref().unwrap().header("Session-Expires"), "1800;refresher=uas");
    first.reply_with(422, "Min-SE: 3600\r\n", "");
    first.expect("ACK");
    let mut callee = box_of.expect_invite();
    let again = callee.invite.clone().unwrap();
    assert_eq!(
        (again.header("Session-Expires"), again.header("Min-SE")),
        ("3600;refresher=uas", "3600")
    );
    assert_eq!((again.call_id(), again.cseq()), (first.call_id.as_str(), 2));
    callee.answer(&mut caller);
    caller.bye();
    callee.take_bye();
    world.finish();
    // One that never has enough is a refusal.
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut first = carrier(&world).expect_invite();
    first.reply_with(422, "Min-SE: 90000\r\n", "");
    first.expect("ACK");
    caller.refused(422);
    world.finish();
}
