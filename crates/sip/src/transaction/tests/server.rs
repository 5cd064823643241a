//! Server transactions.

use super::super::server::{State, after_response};
use super::*;

#[test]
fn each_response_in_each_state() {
    use State::{Accepted, Completed, Confirmed, Proceeding, Trying};
    fn check(is_invite: bool, state: State, wants: [Option<State>; 4]) {
        for (status, want) in [100, 180, 200, 486].into_iter().zip(wants) {
            assert_eq!(
                after_response(is_invite, state, status),
                want,
                "{is_invite} {state:?} {status}"
            );
        }
    }
    let refused = [None; 4];
    check(true, Proceeding, [Some(Proceeding), Some(Proceeding), Some(Accepted), Some(Completed)]);
    check(true, Accepted, [None, None, Some(Accepted), None]);
    check(true, Completed, refused);
    check(true, Confirmed, refused);
    check(false, Trying, [Some(Proceeding), Some(Proceeding), Some(Completed), Some(Completed)]);
    check(
        false,
        Proceeding,
        [Some(Proceeding), Some(Proceeding), Some(Completed), Some(Completed)],
    );
    check(false, Completed, refused);
}

#[test]
fn a_refused_invite_is_repeated_until_its_ack() {
    let mut world = World::new();
    let (invite, flow) = (request("INVITE", "z9hG4bKa"), udp(PEER));
    let tx = world.creates(0, &invite, &flow, 7);
    world.layer.trying(at(0), tx, &mut world.out);
    world.layer.trying(at(0), tx, &mut world.out);
    assert_eq!(world.sent(), ["100"], "100 is sent once");
    assert_eq!(world.arrives(100, &invite, &flow), Matched::Absorbed);
    assert_eq!(world.sent(), ["100"]);
    assert!(world.responds(200, tx, 180));
    assert_eq!(world.arrives(300, &invite, &flow), Matched::Absorbed);
    assert_eq!(world.sent(), ["180", "180"]);
    assert!(world.responds(1_000, tx, 486));
    assert!(!world.responds(1_000, tx, 200), "one final response");
    assert!(world.layer.reply_head(tx).is_none(), "nothing more can be composed");
    assert_eq!(world.sent(), ["486"]);
    // RFC 3261 §17.2.1: timer G doubles from T1 up to T2.
    let times: Vec<u64> = world.run(14_000).into_iter().map(|(ms, _)| ms).collect();
    assert_eq!(times, [1_500, 2_500, 4_500, 8_500, 12_500]);
    assert_eq!(world.arrives(14_000, &invite, &flow), Matched::Absorbed);
    assert_eq!(world.sent(), ["486"], "again when asked again");
    let ack = request("ACK", "z9hG4bKa");
    assert_eq!(world.arrives(14_100, &ack, &flow), Matched::Absorbed);
    assert_eq!(world.arrives(14_200, &ack, &flow), Matched::Absorbed, "timer I absorbs more");
    assert_eq!(world.arrives(14_200, &invite, &flow), Matched::Absorbed);
    assert!(world.run(60_000).is_empty());
    assert_eq!(world.layer.len(), (0, 0));
    assert_eq!(world.events, []);
}

#[test]
fn a_refusal_without_ack_is_given_up() {
    let mut world = World::new();
    let tx = world.creates(0, &request("INVITE", "z9hG4bKa"), &udp(PEER), 7);
    world.responds(0, tx, 503);
    world.sent();
    let times: Vec<u64> = world.run(100_000).into_iter().map(|(ms, _)| ms).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(world.events, [TxEvent::ServerInviteNoAck { tx, user: 7 }]);
    assert_eq!(world.layer.len(), (0, 0));
}

#[test]
fn over_a_stream_nothing_is_repeated() {
    let mut world = World::new();
    let flow = tcp(PEER, 4);
    let invite = world.creates(0, &request("INVITE", "z9hG4bKa"), &flow, 7);
    world.responds(0, invite, 503);
    let options = world.creates(0, &request("OPTIONS", "z9hG4bKb"), &flow, 8);
    world.responds(0, options, 200);
    assert_eq!(world.layer.len().0, 1, "timer J is zero");
    world.sent();
    assert_eq!(world.arrives(0, &request("ACK", "z9hG4bKa"), &tcp(PEER, 5)), Matched::Absorbed);
    assert_eq!(world.layer.len().0, 0, "timer I is zero");
    let lost = world.creates(0, &request("INVITE", "z9hG4bKc"), &flow, 9);
    world.responds(0, lost, 404);
    world.sent();
    assert!(world.run(31_999).is_empty());
    assert!(world.events.is_empty());
    assert!(world.run(32_000).is_empty());
    assert_eq!(world.events, [TxEvent::ServerInviteNoAck { tx: lost, user: 9 }]);
}

#[test]
fn an_accepted_invite_absorbs_retransmissions_and_lets_2xx_pass() {
    let mut world = World::new();
    let (invite, flow) = (request("INVITE", "z9hG4bKa"), udp(PEER));
    let tx = world.creates(0, &invite, &flow, 7);
    assert!(world.responds(0, tx, 200));
    assert_eq!(world.arrives(100, &invite, &flow), Matched::Absorbed);
    assert!(world.responds(500, tx, 200), "the transaction user repeats the 2xx");
    assert!(!world.responds(500, tx, 486));
    assert_eq!(world.sent(), ["200", "200"], "and not the layer");
    // RFC 6026 §7.1: the ACK goes up, whether it has its own branch or not.
    assert_eq!(world.arrives(600, &request("ACK", "z9hG4bKa"), &flow), Matched::DialogAck);
    assert_eq!(world.arrives(600, &request("ACK", "z9hG4bKb"), &flow), Matched::DialogAck);
    assert!(world.layer.reply_head(tx).is_some());
    assert!(world.run(31_999).is_empty());
    assert_eq!(world.layer.len().0, 1);
    world.run(32_000); // Timer L.
    assert_eq!(world.layer.len().0, 0);
    assert_eq!(world.events, []);
    assert_eq!(world.arrives(32_001, &invite, &flow), Matched::New);
}

#[test]
fn other_requests_are_answered_again_for_a_while() {
    let mut world = World::new();
    let (bye, flow) = (request("BYE", "z9hG4bKa"), udp(PEER));
    let tx = world.creates(0, &bye, &flow, 7);
    assert_eq!(world.arrives(100, &bye, &flow), Matched::Absorbed);
    assert!(world.sent().is_empty(), "nothing to say yet");
    assert!(world.responds(200, tx, 100));
    assert_eq!(world.arrives(300, &bye, &flow), Matched::Absorbed);
    assert!(world.responds(400, tx, 200));
    assert!(!world.responds(400, tx, 500));
    assert_eq!(world.arrives(32_399, &bye, &flow), Matched::Absorbed);
    assert_eq!(world.sent(), ["100", "100", "200", "200"]);
    assert!(world.run(32_400).is_empty());
    assert_eq!(world.layer.len().0, 0, "timer J");
    assert_eq!(world.events, []);
}

#[test]
fn a_request_that_nobody_answers_does_not_stay() {
    let mut world = World::new();
    let tx = world.creates(0, &request("INFO", "z9hG4bKa"), &udp(PEER), 7);
    world.run(32_000);
    assert_eq!(world.layer.len().0, 0);
    assert!(!world.responds(32_001, tx, 200));
}

#[test]
fn cancel_is_answered_once_and_handed_up_once() {
    let mut world = World::new();
    let (invite, cancel, flow) =
        (request("INVITE", "z9hG4bKa"), request("CANCEL", "z9hG4bKa"), udp(PEER));
    assert_eq!(world.arrives(0, &cancel, &flow), Matched::CancelUnknown);
    let tx = world.creates(0, &invite, &flow, 7);
    let tag = world.layer.tag(tx).unwrap();
    assert_eq!(world.arrives(10, &cancel, &flow), Matched::Cancel { invite: tx, user: 7 });
    let ok = world.sent_text();
    assert!(ok.starts_with("SIP/2.0 200 OK\r\n") && ok.contains("CSeq: 1 CANCEL\r\n"), "{ok}");
    assert!(ok.contains(&format!("To: <sip:bob@example.com>;tag={tag}\r\n")), "{ok}");
    assert_eq!(world.arrives(20, &cancel, &flow), Matched::Absorbed);
    assert_eq!(world.sent(), ["200"], "its retransmission");
    assert!(world.responds(30, tx, 487));
    assert_eq!(world.arrives(40, &request("ACK", "z9hG4bKa"), &flow), Matched::Absorbed);
}

#[test]
fn cancel_after_the_final_response_changes_nothing() {
    for status in [200, 486] {
        let mut world = World::new();
        let tx = world.creates(0, &request("INVITE", "z9hG4bKa"), &udp(PEER), 7);
        world.responds(0, tx, status);
        world.sent();
        let matched = world.arrives(10, &request("CANCEL", "z9hG4bKa"), &udp(PEER));
        assert_eq!(matched, Matched::Absorbed, "{status}");
        assert_eq!(world.sent(), ["200"], "the CANCEL itself is answered");
    }
}

#[test]
fn who_is_part_of_a_transaction() {
    let flow = udp(PEER);
    let check = |text: &str, flow: &Flow, want: Matched| {
        let mut world = World::new();
        world.creates(0, &request("INVITE", "z9hG4bKa"), &udp(PEER), 7);
        assert_eq!(world.arrives(1, text, flow), want, "{text} {flow:?}");
    };
    let (invite, cancel) = (request("INVITE", "z9hG4bKa"), request("CANCEL", "z9hG4bKa"));
    check(&invite, &flow, Matched::Absorbed);
    check(&invite, &udp("198.51.100.7:33333"), Matched::Absorbed); // A NAT moved the port.
    check(&request("INVITE", "z9hG4bKb"), &flow, Matched::New);
    check(&request("MESSAGE", "z9hG4bKa"), &flow, Matched::New);
    check(&request_with("INVITE", "z9hG4bKa", "198.51.100.8", "c1", "1"), &flow, Matched::New);
    check(&request_with("INVITE", "z9hG4bKa", "198.51.100.7:5061", "c1", "1"), &flow, Matched::New);
    // A stranger who knows everything in the message, elsewhere.
    check(&invite, &udp("203.0.113.1:5060"), Matched::New);
    check(&cancel, &udp("203.0.113.1:5060"), Matched::CancelUnknown);
    check(&cancel, &tcp(PEER, 1), Matched::CancelUnknown);
    check(&request("ACK", "z9hG4bKa"), &udp("203.0.113.1:5060"), Matched::DialogAck);
}

#[test]
fn without_a_branch_of_rfc_3261_the_rest_decides() {
    for branch in ["1", "z9hG4bK"] {
        let mut world = World::new();
        let flow = udp(PEER);
        let text = |method: &str, call_id: &str, cseq: &str| {
            request_with(method, branch, "198.51.100.7", call_id, cseq)
        };
        let tx = world.creates(0, &text("INVITE", "c1", "1"), &flow, 7);
        assert_eq!(world.arrives(1, &text("INVITE", "c1", "1"), &flow), Matched::Absorbed);
        assert_eq!(world.arrives(1, &text("INVITE", "c2", "1"), &flow), Matched::New);
        assert_eq!(world.arrives(1, &text("INVITE", "c1", "2"), &flow), Matched::New);
        world.responds(2, tx, 404);
        let ack = text("ACK", "c1", "1")
            .replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=tl");
        assert_eq!(world.arrives(3, &ack, &flow), Matched::Absorbed, "{branch}");
    }
}

#[test]
fn responses_go_where_the_request_came_from() {
    let mut world = World::new();
    let lying =
        request_with("INVITE", "z9hG4bKa", "203.0.113.66:7777;maddr=203.0.113.67", "c1", "1");
    let tx = world.creates(0, &lying, &udp(PEER), 7);
    world.responds(0, tx, 404);
    world.run(2_000);
    world.arrives(2_000, &lying, &udp("198.51.100.7:33333"));
    assert!(world.out.iter().all(|(flow, _)| flow == udp(PEER)));
    assert_eq!(world.layer.server_flow(tx), Some(udp(PEER)));
}
