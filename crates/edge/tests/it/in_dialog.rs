//! Requests within dialogs, passed from one side to the other.

use crate::calls::{alice, carrier, talk};
use crate::leg::Leg;
use crate::town::*;
use crate::wire::{ANSWER, OFFER};
use crate::world::World;

pub const HOLD: &str = "v=0\r\no=a 1 2 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\n\
                    t=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=sendonly\r\n";

pub fn hang_up(world: &World, mut caller: Leg, mut callee: Leg) {
    world.advance(1_000);
    caller.bye();
    callee.take_bye();
    assert_eq!(world.cdr().cause.code(), "normal");
    world.finish();
}

/// Both directions of a conversation: who asks, who is asked.
pub fn both_ways(check: impl Fn(&World, &mut Leg, &mut Leg)) {
    for swapped in [false, true] {
        let world = World::new();
        let (mut caller, mut callee) = talk(&world, FIXED);
        if swapped {
            check(&world, &mut callee, &mut caller);
        } else {
            check(&world, &mut caller, &mut callee);
        }
        hang_up(&world, caller, callee);
    }
}

#[test]
fn hold_and_resume() {
    both_ways(|world, asks, asked| {
        for body in [HOLD, OFFER] {
            asks.send("INVITE", "X-Odd: odd\r\n", body);
            asks.expect(100);
            let invite = asked.expect("INVITE");
            assert_eq!(invite.body, body);
            assert!(!invite.has("X-Odd"));
            asked.respond(&invite, 100, "", "");
            asks.expect_nothing();
            asked.respond(&invite, 200, "", ANSWER);
            let ack = asked.expect("ACK");
            assert_eq!(ack.cseq(), invite.cseq());
            let ok = asks.expect(200);
            assert_eq!(ok.body, ANSWER);
            world.advance(500);
            assert_eq!(asks.expect(200).text(), ok.text(), "until the ACK comes");
            asked.respond(&invite, 200, "", ANSWER);
            assert_eq!(asked.expect("ACK").text(), ack.text());
            asks.ack_with(asks.cseq, "");
            world.advance(5_000);
            asks.expect_nothing();
            asked.expect_nothing();
        }
    });
}

#[test]
fn an_offerless_reinvite() {
    both_ways(|_, asks, asked| {
        asks.send("INVITE", "", "");
        asks.expect(100);
        let invite = asked.expect("INVITE");
        assert_eq!(invite.body, "");
        asked.respond(&invite, 200, "", OFFER);
        asked.expect_nothing();
        assert_eq!(asks.expect(200).body, OFFER);
        asks.ack_with(asks.cseq, ANSWER);
        assert_eq!(asked.expect("ACK").body, ANSWER);
    });
}

#[test]
fn a_reinvite_is_refused() {
    both_ways(|_, asks, asked| {
        for (status, want) in [(488, 488), (491, 491), (603, 603), (407, 403)] {
            asks.send("INVITE", "", HOLD);
            asks.expect(100);
            let invite = asked.expect("INVITE");
            asked.respond(&invite, status, "", "");
            asked.expect("ACK");
            let refusal = asks.expect(want);
            let ack = asks.in_dialog("ACK", asks.cseq, branch_of(&refusal), "", "");
            asks.ua.send(&ack);
        }
    });
}

pub fn branch_of(got: &crate::wire::Got) -> &str {
    got.branch()
}

#[test]
fn nobody_answers_a_reinvite() {
    // Provisional responses only, then the caller hangs up: nothing may be left of the re-INVITE.
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    caller.send("INVITE", "", HOLD);
    caller.expect(100);
    let invite = callee.expect("INVITE");
    callee.respond(&invite, 180, "", "");
    caller.expect(180);
    world.advance(60_000);
    caller.send("BYE", "", "");
    caller.expect((200, "BYE"));
    let refusal = caller.expect((487, "INVITE"));
    let cseq = refusal.cseq();
    caller.ua.send(&caller.in_dialog("ACK", cseq, branch_of(&refusal), "", ""));
    callee.take_bye();
    callee.respond(&invite, 487, "", "");
    callee.ua.forget();
    world.finish();
}

#[test]
fn a_reinvite_can_be_cancelled() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    let text = caller.send("INVITE", "", HOLD);
    caller.expect(100);
    let invite = callee.expect("INVITE");
    callee.respond(&invite, 180, "", "");
    caller.expect(180);
    let cancel = text.split("\r\n\r\n").next().unwrap();
    let cancel =
        cancel.replace("INVITE", "CANCEL").replace("Content-Type: application/sdp\r\n", "");
    let cut = cancel.find("Content-Length").unwrap();
    caller.ua.send(&format!("{}Content-Length: 0\r\n\r\n", &cancel[..cut]));
    caller.expect((200, "CANCEL"));
    let cancel = callee.expect("CANCEL");
    callee.respond(&cancel, 200, "", "");
    callee.respond(&invite, 487, "", "");
    callee.expect("ACK");
    let refusal = caller.expect((487, "INVITE"));
    caller.ua.send(&caller.in_dialog("ACK", caller.cseq, branch_of(&refusal), "", ""));
    hang_up(&world, caller, callee);
}

#[test]
fn update_with_and_without_a_body() {
    both_ways(|_, asks, asked| {
        asks.send("UPDATE", "", HOLD);
        let update = asked.expect("UPDATE");
        assert_eq!(update.body, HOLD);
        asked.respond(&update, 200, "", ANSWER);
        assert_eq!(asks.expect((200, "UPDATE")).body, ANSWER);
        asks.send("UPDATE", "", "");
        asks.expect((200, "UPDATE"));
        asked.expect_nothing();
        asks.send("UPDATE", "", HOLD);
        let update = asked.expect("UPDATE");
        asked.respond(&update, 488, "", "");
        asks.expect((488, "UPDATE"));
    });
}

#[test]
fn a_target_refresh_is_followed() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    callee.send("UPDATE", "", "");
    callee.expect((200, "UPDATE"));
    let text = callee.in_dialog("UPDATE", 200, &callee.ua.branch(), "", "");
    callee
        .ua
        .send(&text.replace("<sip:carrier@198.51.100.1:5060>\r\n", "<sip:new@10.9.9.9;ob>\r\n"));
    callee.cseq = 200;
    callee.expect((200, "UPDATE"));
    caller.send("BYE", "", "");
    caller.expect((200, "BYE"));
    let bye = callee.take_bye();
    assert_eq!(bye.uri, "sip:new@10.9.9.9;ob");
    assert_eq!(bye.flow.peer, CARRIER.parse().unwrap(), "the flow decides where it goes");
    world.finish();
}

#[test]
fn info_passes() {
    both_ways(|_, asks, asked| {
        asks.send("INFO", "X-Odd: odd\r\n", "Signal=5\r\nDuration=160\r\n");
        let info = asked.expect("INFO");
        assert_eq!(info.body, "Signal=5\r\nDuration=160\r\n");
        assert_eq!(info.header("Content-Type"), "application/sdp", "the type goes with it");
        assert!(!info.has("X-Odd"));
        asked.respond(&info, 415, "", "");
        asks.expect((415, "INFO"));
    });
}

#[test]
fn what_is_answered_here() {
    both_ways(|_, asks, asked| {
        for (method, extra, status) in [
            ("OPTIONS", "", 200),
            ("REFER", "Refer-To: <sip:+449098790000@ringfence.test>\r\n", 403),
            ("MESSAGE", "", 405),
            ("SUBSCRIBE", "Event: x\r\n", 405),
            ("NOTIFY", "Event: x\r\n", 405),
            ("PUBLISH", "Event: x\r\n", 405),
            ("FROBNICATE", "", 501),
            ("INFO", "Require: x-odd\r\n", 420),
        ] {
            asks.send(method, extra, "");
            let got = asks.expect(status);
            assert_eq!(got.cseq_method(), method);
            if status == 405 || method == "OPTIONS" {
                assert!(got.header("Allow").contains("INVITE"), "{}", got.text());
            }
            if method == "REFER" {
                assert!(got.header("Reason").contains("transfer-refused"), "{}", got.text());
            }
        }
        asked.expect_nothing();
    });
}

#[test]
fn out_of_order_is_refused() {
    both_ways(|_, asks, asked| {
        asks.send("INFO", "", "x");
        let info = asked.expect("INFO");
        asked.respond(&info, 200, "", "");
        asks.expect((200, "INFO"));
        for step in [0, 1, 2] {
            let cseq = asks.cseq - step;
            asks.ua.send(&asks.in_dialog("INFO", cseq, &asks.ua.branch(), "", "x"));
            asks.expect((500, "INFO"));
        }
        asked.expect_nothing();
    });
}

#[test]
fn another_tag_or_call_is_nobodys() {
    let world = World::new();
    let (caller, callee) = talk(&world, FIXED);
    for (from, to) in [
        (caller.local_tag(), "f-wrong"),
        (crate::wire::tag_of(&caller.remote), "0.0.a0.guessed0000000000"),
        (crate::wire::tag_of(&caller.remote), "0.0.b0.guessed"),
        (crate::wire::tag_of(&caller.remote), "ffffffff.ffff.a0.x"),
        (caller.call_id.as_str(), "another@call"),
    ] {
        for method in ["BYE", "INVITE", "UPDATE", "INFO", "OPTIONS"] {
            let mut other = caller.clone();
            other.cseq = 500;
            let text = other.in_dialog(method, 500, &other.ua.branch(), "", "");
            other.ua.send(&text.replace(from, to));
            let got = caller.ua.expect(481);
            if method == "INVITE" {
                let ack = other.in_dialog("ACK", 500, got.branch(), "", "");
                other.ua.send(&ack.replace(from, to));
            }
        }
    }
    callee.expect_nothing();
    hang_up(&world, caller, callee);
}

#[test]
fn outside_of_a_dialog() {
    fn check(method: &str, extra: &str, status: i32) {
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.request(method, "sip:ringfence.test");
        request.extra = extra.to_owned();
        phone.send_request(&request);
        phone.expect(status);
        assert_eq!(world.stats().transactions, (0, 0), "{method}: nothing stays behind");
        world.finish();
    }
    check("OPTIONS", "", 200);
    check("OPTIONS", "Require: x-odd\r\n", 420);
    check("BYE", "", 481);
    check("CANCEL", "", 481);
    check("PRACK", "", 481);
    check("UPDATE", "", 481);
    check("INFO", "", 481);
    check("REFER", "Refer-To: <sip:+449098790000@ringfence.test>\r\n", 403);
    check("MESSAGE", "", 405);
    check("SUBSCRIBE", "", 405);
    check("NOTIFY", "", 405);
    check("PUBLISH", "", 405);
    check("FROBNICATE", "", 501);
    check("invite", "", 501);
}

#[test]
fn reliable_provisional_responses_pass_end_to_end() {
    let world = World::new();
    let phone = alice(&world);
    let mut request = phone.invite_request(FIXED);
    request.extra.push_str("Supported: 100rel\r\n");
    let mut caller = phone.invite_with(request);
    caller.expect(100);
    let mut callee = carrier(&world).expect_invite();
    assert!(callee.invite.as_ref().unwrap().header("Supported").contains("100rel"));
    let reliable = "Require: 100rel\r\nRSeq: 4711\r\n";
    callee.reply_with(183, reliable, ANSWER);
    let progress = caller.expect(183);
    assert_eq!((progress.header("RSeq"), progress.header("Require")), ("4711", "100rel"));
    assert_eq!(progress.body, ANSWER);
    // Until it is acknowledged it comes again, and passes again.
    callee.reply_with(183, reliable, ANSWER);
    caller.expect(183);
    let rack = format!("RAck: 4711 {} INVITE\r\n", caller.request.as_ref().unwrap().cseq);
    caller.send("PRACK", &rack, "");
    let prack = callee.expect("PRACK");
    let invite_cseq = callee.invite.as_ref().unwrap().cseq();
    assert_eq!(prack.header("RAck"), format!("4711 {invite_cseq} INVITE"));
    callee.respond(&prack, 200, "", "");
    caller.expect((200, "PRACK"));
    caller.send("UPDATE", "", HOLD);
    let update = callee.expect("UPDATE");
    callee.respond(&update, 200, "", ANSWER);
    assert_eq!(caller.expect((200, "UPDATE")).body, ANSWER);
    callee.reply_with(200, "", "");
    callee.expect("ACK");
    caller.expect(200);
    caller.ack();
    hang_up(&world, caller, callee);
}

#[test]
fn a_callee_is_not_told_of_100rel_unless_the_caller_was() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    assert_eq!(callee.invite.as_ref().unwrap().header("Supported"), "timer");
    callee.reply_with(183, "Require: 100rel\r\nRSeq: 1\r\n", ANSWER);
    let progress = caller.expect(183);
    assert!(!progress.has("RSeq") && !progress.has("Require"), "{}", progress.text());
    callee.decline(&mut caller);
    world.finish();
}

#[test]
fn silence_to_a_relayed_request_ends_the_call() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    caller.send("INFO", "", "x");
    callee.expect("INFO");
    world.advance(32_000);
    // RFC 4320 §4.2: no 408 for what is not an INVITE.
    caller.take_bye();
    let sent = callee.ua.forget();
    assert_eq!((sent.len(), sent.last().unwrap().as_str()), (11, "BYE"), "{sent:?}");
    world.ended_as("outgoing 32000ms 6400/3200 session-expired 200 Ringfence");
    world.advance(40_000);
    callee.ua.forget();
    world.finish();
}

#[test]
fn a_side_that_lost_the_dialog_ends_the_call() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    caller.send("INFO", "", "x");
    let info = callee.expect("INFO");
    callee.respond(&info, 481, "", "");
    caller.expect((481, "INFO"));
    callee.take_bye();
    caller.take_bye();
    world.ended_as("outgoing 10000ms 2000/1000 session-expired 200 Ringfence");
    world.finish();
}
