//! Client transactions.

use super::super::client::{State, Step, step};
use super::*;

#[test]
fn each_response_in_each_state() {
    use State::{Accepted, Calling, Completed, Proceeding};
    use Step::{Absorb, AckAgain, AckAndUp, Up};
    fn check(is_invite: bool, state: State, wants: [Step; 4]) {
        for (status, want) in [100, 183, 200, 486].into_iter().zip(wants) {
            assert_eq!(step(is_invite, state, status), want, "{is_invite} {state:?} {status}");
        }
    }
    check(true, Calling, [Up(Proceeding), Up(Proceeding), Up(Accepted), AckAndUp]);
    check(true, Proceeding, [Up(Proceeding), Up(Proceeding), Up(Accepted), AckAndUp]);
    check(true, Accepted, [Absorb, Absorb, Up(Accepted), Absorb]);
    check(true, Completed, [Absorb, Absorb, Up(Completed), AckAgain]);
    check(false, Calling, [Up(Proceeding), Up(Proceeding), Up(Completed), Up(Completed)]);
    check(false, Proceeding, [Up(Proceeding), Up(Proceeding), Up(Completed), Up(Completed)]);
    check(false, Completed, [Absorb; 4]);
}

#[test]
fn an_invite_is_repeated_until_it_is_given_up() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.sent();
    // RFC 3261 §17.1.1.2: timer A doubles without end, timer B fires after 64·T1.
    let sent = world.run(100_000);
    let times: Vec<u64> = sent.iter().map(|(ms, _)| *ms).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert!(sent.iter().all(|(_, line)| line == "INVITE"));
    assert_eq!(world.events, [TxEvent::ClientTimeout { tx, user: 5 }]);
    assert_eq!(world.layer.len(), (0, 0));
}

#[test]
fn other_requests_are_repeated_up_to_every_t2() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Bye, &udp(PEER), 5);
    world.sent();
    let times: Vec<u64> = world.run(100_000).into_iter().map(|(ms, _)| ms).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(world.events, [TxEvent::ClientTimeout { tx, user: 5 }]);
}

#[test]
fn a_provisional_response_slows_and_does_not_stop_other_requests() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Options, &udp(PEER), 5);
    world.sent();
    assert!(world.answered(100, tx, 100, "OPTIONS").is_some());
    let times: Vec<u64> = world.run(100_000).into_iter().map(|(ms, _)| ms).collect();
    assert_eq!(times, [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500]);
    assert_eq!(world.events, [TxEvent::ClientTimeout { tx, user: 5 }], "timer F runs on");
}

#[test]
fn a_provisional_response_stops_an_invite() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.sent();
    let up = Some(ResponseFor { tx, user: 5 });
    assert_eq!(world.answered(100, tx, 100, "INVITE"), up);
    assert_eq!(world.answered(200, tx, 180, "INVITE"), up);
    assert_eq!(world.answered(300, tx, 180, "INVITE"), up, "each time");
    assert!(world.run(1_000_000).is_empty());
    assert_eq!(world.events, [], "timer C is the caller's");
    assert_eq!(world.layer.len().1, 1);
}

#[test]
fn a_refusal_is_acknowledged_each_time_and_handed_up_once() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.sent();
    assert!(world.answered(100, tx, 486, "INVITE").is_some());
    let ack = world.sent_text();
    assert!(ack.starts_with("ACK sip:+4420@carrier.example SIP/2.0\r\n"), "{ack}");
    assert!(ack.contains(&format!("branch={};rport\r\n", world.layer.branch(tx))), "{ack}");
    for line in ["Route: <sip:r1;lr>", "To: <sip:+4420@carrier.example>;tag=t486", "CSeq: 9 ACK"] {
        assert!(ack.contains(&format!("\r\n{line}\r\n")), "{line} in {ack}");
    }
    with(&ack, |ack| assert_eq!(ack.method(), Some(Method::Ack)));
    assert_eq!(world.answered(1_000, tx, 486, "INVITE"), None);
    assert_eq!(world.answered(2_000, tx, 180, "INVITE"), None);
    assert_eq!(world.sent(), ["ACK"]);
    assert!(world.run(32_099).is_empty());
    assert_eq!(world.layer.len().1, 1);
    world.run(32_100); // Timer D.
    assert_eq!(world.layer.len().1, 0);
    assert_eq!(world.events, []);
    assert_eq!(world.answered(33_000, tx, 486, "INVITE"), None);
    assert!(world.sent().is_empty());
}

#[test]
fn each_2xx_is_handed_up_for_a_while() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.sent();
    let up = Some(ResponseFor { tx, user: 5 });
    assert_eq!(world.answered(100, tx, 200, "INVITE"), up);
    assert_eq!(world.answered(600, tx, 200, "INVITE"), up, "its retransmission");
    let fork = response(&world.layer.branch(tx), 200, "INVITE").replace("tag=t200", "tag=other");
    assert_eq!(world.hears(700, &fork, &udp(PEER)), up, "another fork");
    assert_eq!(world.answered(800, tx, 180, "INVITE"), None);
    assert_eq!(world.answered(800, tx, 486, "INVITE"), None);
    assert!(world.sent().is_empty(), "the ACK to 2xx is the dialog's");
    world.run(32_099);
    assert_eq!(world.answered(32_099, tx, 200, "INVITE"), up);
    world.run(32_100); // Timer M, RFC 6026 §7.2.
    assert_eq!(world.answered(32_101, tx, 200, "INVITE"), None);
    assert_eq!((world.layer.len(), world.events.len()), ((0, 0), 0));
}

#[test]
fn a_2xx_after_a_refusal_goes_up() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.answered(100, tx, 603, "INVITE");
    world.sent();
    assert_eq!(world.answered(200, tx, 200, "INVITE"), Some(ResponseFor { tx, user: 5 }));
    assert!(world.sent().is_empty());
    assert_eq!(world.answered(300, tx, 603, "INVITE"), None);
    assert_eq!(world.sent(), ["ACK"], "still acknowledged");
}

#[test]
fn other_final_responses_go_up_once() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Bye, &udp(PEER), 5);
    assert!(world.answered(100, tx, 481, "BYE").is_some());
    assert_eq!(world.answered(200, tx, 481, "BYE"), None);
    assert_eq!(world.answered(200, tx, 200, "BYE"), None);
    world.sent();
    assert!(world.run(5_099).is_empty());
    assert_eq!(world.layer.len().1, 1);
    world.run(5_100); // Timer K.
    assert_eq!((world.layer.len(), world.events.len()), ((0, 0), 0));
}

#[test]
fn over_a_stream_nothing_is_repeated() {
    let mut world = World::new();
    let flow = tcp(PEER, 3);
    let invite = world.sends(0, Method::Invite, &flow, 5);
    let bye = world.sends(0, Method::Bye, &flow, 6);
    assert_eq!(world.sent(), ["INVITE", "BYE"]);
    assert!(world.run(31_999).is_empty());
    let refusal = response(&world.layer.branch(invite), 404, "INVITE");
    assert!(world.hears(31_999, &refusal, &flow).is_some());
    assert_eq!(world.sent(), ["ACK"]);
    assert_eq!(world.layer.len().1, 1, "timer D is zero");
    world.run(32_000);
    assert_eq!(world.events, [TxEvent::ClientTimeout { tx: bye, user: 6 }]);
    let info = world.sends(40_000, Method::Info, &flow, 7);
    let ok = response(&world.layer.branch(info), 200, "INFO");
    assert!(world.hears(40_001, &ok, &flow).is_some());
    assert_eq!(world.layer.len().1, 0, "timer K is zero");
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.sent();
    world.layer.cancel(at(100), tx, &mut world.out);
    world.layer.cancel(at(100), tx, &mut world.out);
    assert!(world.sent().is_empty());
    assert_eq!(world.run(500), [(500, "INVITE".to_owned())]);
    assert!(world.answered(600, tx, 180, "INVITE").is_some());
    let cancel = world.sent_text();
    assert!(cancel.starts_with("CANCEL sip:+4420@carrier.example SIP/2.0\r\n"), "{cancel}");
    assert!(cancel.contains("CSeq: 9 CANCEL\r\n") && cancel.contains("Route: <sip:r1;lr>\r\n"));
    assert!(cancel.contains(world.layer.branch(tx).as_str()), "the INVITE's branch");
    assert_eq!(world.run(1_100), [(1_100, "CANCEL".to_owned())], "timer E");
    assert_eq!(world.answered(1_200, tx, 200, "CANCEL"), None, "absorbed");
    assert!(world.run(10_000).is_empty());
    assert!(world.answered(10_000, tx, 487, "INVITE").is_some());
    assert_eq!(world.sent(), ["ACK"]);
    world.run(100_000);
    assert_eq!((world.layer.len(), world.events.len()), ((0, 0), 0));
}

#[test]
fn a_2xx_that_crosses_the_cancel_goes_up() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.answered(100, tx, 180, "INVITE");
    world.sent();
    world.layer.cancel(at(200), tx, &mut world.out);
    assert_eq!(world.sent(), ["CANCEL"]);
    assert!(world.answered(201, tx, 200, "INVITE").is_some());
    assert_eq!(world.answered(300, tx, 481, "CANCEL"), None);
    world.layer.cancel(at(400), tx, &mut world.out);
    assert!(world.sent().is_empty(), "nothing left to cancel");
    world.run(100_000);
    assert_eq!((world.layer.len(), world.events.len()), ((0, 0), 0));
}

#[test]
fn a_final_response_before_the_cancel_could_be_sent() {
    for (status, sent) in [(200, vec![]), (486, vec!["ACK"])] {
        let mut world = World::new();
        let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
        world.sent();
        world.layer.cancel(at(10), tx, &mut world.out);
        assert!(world.answered(20, tx, status, "INVITE").is_some());
        assert_eq!(world.sent(), sent, "{status}: no CANCEL");
    }
}

#[test]
fn a_cancelled_invite_that_stays_silent_times_out() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.answered(100, tx, 183, "INVITE");
    world.layer.cancel(at(60_000), tx, &mut world.out);
    assert_eq!(world.answered(60_100, tx, 200, "CANCEL"), None);
    assert!(world.answered(61_000, tx, 183, "INVITE").is_some());
    world.sent();
    world.run(91_999);
    assert_eq!(world.events, []);
    world.run(92_000);
    assert_eq!(world.events, [TxEvent::ClientTimeout { tx, user: 5 }], "64·T1 after the CANCEL");
    assert_eq!(world.layer.len(), (0, 0));
}

#[test]
fn whose_response() {
    let check = |text: &dyn Fn(&str) -> String, want: bool| {
        let mut world = World::new();
        let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
        let text = text(&world.layer.branch(tx));
        assert_eq!(world.hears(1, &text, &udp(PEER)).is_some(), want, "{text}");
    };
    check(&|branch| response(branch, 180, "INVITE"), true);
    // RFC 3261 §18.1.2: sent-by must be ours.
    check(&|branch| response_to("203.0.113.9:5060", branch, 180, "INVITE"), false);
    check(&|branch| response_to("192.0.2.1:5061", branch, 180, "INVITE"), false);
    check(&|branch| response_to("192.0.2.1", branch, 180, "INVITE"), false);
    // §17.1.3: the method must be ours; a CANCEL was not sent.
    check(&|branch| response(branch, 180, "BYE"), false);
    check(&|branch| response(branch, 200, "CANCEL"), false);
    check(&|branch| response(branch, 200, "FOO"), false);
    // §8.1.3.3: one Via.
    let under = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\nFrom:";
    check(&|branch| response(branch, 180, "INVITE").replacen("From:", under, 1), false);
    // A guess.
    check(&|branch| response(&branch.replace(&branch[30..31], "!"), 180, "INVITE"), false);
    let guess = |branch: &str| {
        let last = if branch.ends_with('0') { "1" } else { "0" };
        response(&format!("{}{last}", &branch[..branch.len() - 1]), 180, "INVITE")
    };
    check(&guess, false);
}

#[test]
fn a_transaction_that_ended_is_nobodys() {
    let mut world = World::new();
    let old = world.sends(0, Method::Bye, &udp(PEER), 5);
    let text = response(&world.layer.branch(old), 200, "BYE");
    world.layer.discard(old);
    let new = world.sends(0, Method::Bye, &udp(PEER), 6);
    assert_ne!(world.layer.branch(old), world.layer.branch(new));
    assert_eq!(world.hears(1, &text, &udp(PEER)), None);
    world.sent();
    assert_eq!(world.run(500).len(), 1, "one of them is left");
}

#[test]
fn a_broken_way_fails_what_waits_for_it() {
    let mut world = World::new();
    let flow = tcp(PEER, 3);
    let waiting = world.sends(0, Method::Invite, &flow, 1);
    let ringing = world.sends(0, Method::Invite, &flow, 2);
    let answered = world.sends(0, Method::Invite, &flow, 3);
    let elsewhere = world.sends(0, Method::Invite, &tcp(PEER, 4), 4);
    let any = world.sends(0, Method::Invite, &tcp(PEER, Flow::ANY_CONNECTION), 5);
    let datagram = world.sends(0, Method::Invite, &udp(PEER), 6);
    for (tx, status) in [(ringing, 180), (answered, 200)] {
        let text = response(&world.layer.branch(tx), status, "INVITE");
        assert!(world.hears(1, &text, &flow).is_some());
    }
    world.layer.cancel(at(1), ringing, &mut world.out);
    world.layer.flow_failed(at(2), &tcp("203.0.113.9:5060", 3), &mut world.events);
    assert_eq!(world.events, []);
    world.layer.flow_failed(at(2), &flow, &mut world.events);
    let failed = |tx, user| TxEvent::ClientTransportFailed { tx, user };
    assert_eq!(world.events, [failed(waiting, 1), failed(ringing, 2), failed(any, 5)]);
    assert_eq!(world.layer.len().1, 3, "the CANCEL went with its INVITE");
    world.events.clear();
    world.layer.flow_failed(at(3), &udp(PEER), &mut world.events);
    assert_eq!(world.events, [failed(datagram, 6)]);
    let text = response(&world.layer.branch(elsewhere), 180, "INVITE");
    assert!(world.hears(4, &text, &flow).is_some());
}

#[test]
fn any_connection_becomes_the_one_that_answers() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &tcp(PEER, Flow::ANY_CONNECTION), 5);
    let text = response(&world.layer.branch(tx), 180, "INVITE");
    assert!(world.hears(1, &text, &tcp(PEER, 8)).is_some());
    assert_eq!(world.layer.client_flow(tx), Some(tcp(PEER, 8)));
    world.layer.flow_failed(at(2), &tcp(PEER, 9), &mut world.events);
    assert_eq!(world.events, []);
}

#[test]
fn an_invite_that_is_forgotten_takes_its_cancel_along() {
    let mut world = World::new();
    let tx = world.sends(0, Method::Invite, &udp(PEER), 5);
    world.answered(100, tx, 180, "INVITE");
    world.layer.cancel(at(200), tx, &mut world.out);
    assert_eq!(world.sent(), ["INVITE", "CANCEL"]);
    world.layer.discard(tx);
    assert_eq!(world.layer.len().1, 0);
    assert!(world.run(100_000).is_empty());
    assert_eq!(world.events, []);
}
