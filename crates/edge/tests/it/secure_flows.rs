//! TLS and WSS: phones that keep their flows (RFC 5626, RFC 7118), sips (RFC 5630), and the IP lock and
//! nonces there (I1, A3).

use sip::flow::Transport;
use types::TrunkTransport;

use crate::calls::{HOME, alice, carrier, talk_between};
use crate::digest::REALM;
use crate::leg::Leg;
use crate::town::*;
use crate::ua::{Request, Ua};
use crate::world::World;

const SECURE: [Transport; 2] = [Transport::Tls, Transport::Wss];
const BOB_HOME: &str = "203.0.113.20:41000";

/// Registers Bob's phone with a flow of its own, from a browser as RFC 7118 has it.
fn register_flow(bob: &Ua, reg_id: u32, contact: &str) -> String {
    let mut request = bob.register_request(600);
    request.extra = format!(
        "Contact: <{contact}>;reg-id={reg_id};+sip.instance=\"<urn:uuid:b0b>\";expires=600\r\n\
         Supported: path, outbound\r\nUser-Agent: JsSIP\r\n"
    );
    bob.send_with_login(&mut request);
    bob.expect(200).text()
}

/// Bob's phone on two connections, the second the newer.
fn two_flows(world: &World, transport: Transport) -> (Ua, Ua) {
    let param = transport.uri_param();
    let first = world.ua_by(transport, BOB_HOME, BOB);
    let second = world.ua_by(transport, "203.0.113.20:41001", BOB);
    register_flow(&first, 1, &format!("sip:a@one.invalid;transport={param}"));
    register_flow(&second, 2, &format!("sip:a@two.invalid;transport={param}"));
    (first, second)
}

#[test]
fn a_call_goes_down_the_connection_of_the_phone() {
    for transport in SECURE {
        let world = World::new();
        let bob = world.ua_by(transport, BOB_HOME, BOB);
        let param = transport.uri_param();
        let contact = format!("sip:x7f3@k2j.invalid;transport={param}");
        let told = register_flow(&bob, 1, &contact);
        assert!(told.contains("Require: outbound\r\nFlow-Timer: 120\r\n"), "{told}");
        let mut caller = alice(&world).invite("bob1");
        let invite = bob.expect("INVITE");
        assert_eq!(invite.flow, bob.flow, "the very connection");
        assert_eq!(invite.uri, contact);
        let via = invite.header("Via").to_owned();
        assert!(via.starts_with(&format!("SIP/2.0/{} ", transport.via_name())), "{via}");
        let local = bob.flow.local;
        assert_eq!(invite.contact(), format!("sip:ringfence@{local};transport={param}"));
        let mut callee = bob.leg_from(invite);
        callee.reply(200);
        let ack = callee.expect("ACK");
        assert_eq!(ack.flow, bob.flow);
        caller.expect(200);
        caller.ack();
        caller.bye();
        callee.take_bye();
        world.finish();
    }
}

#[test]
fn one_phone_rings_once_on_the_newest_flow_that_lives() {
    let world = World::new();
    let (first, second) = two_flows(&world, Transport::Wss);
    let ring = |at: &Ua| {
        let mut caller = alice(&world).invite("bob1");
        at.expect_invite().reply(486);
        at.expect("ACK");
        caller.refused(486);
        first.expect_nothing();
        second.expect_nothing();
    };
    ring(&second);
    world.flow_closed(second.flow);
    ring(&first);
    world.flow_closed(first.flow);
    alice(&world).invite("bob1").refused(480);
    // The browser comes again: its first flow is the one it has now.
    let third = world.ua_by(Transport::Wss, "203.0.113.20:41002", BOB);
    register_flow(&third, 1, "sip:a@three.invalid;transport=ws");
    assert_eq!(world.stats().bindings, 2);
    ring(&third);
    world.finish();
}

#[test]
fn a_call_goes_on_to_the_other_flow_of_a_phone_whose_connection_ends() {
    let world = World::new();
    let (first, second) = two_flows(&world, Transport::Tls);
    let mut caller = alice(&world).invite("bob1");
    let ringing = second.expect_invite();
    ringing.reply(180);
    caller.expect(180);
    world.flow_closed(second.flow);
    let mut callee = first.expect_invite();
    callee.answer(&mut caller);
    caller.bye();
    callee.take_bye();
    // A proxy before the phone says that its flow is gone.
    let third = world.ua_by(Transport::Tls, "203.0.113.20:41002", BOB);
    register_flow(&third, 2, "sip:a@three.invalid;transport=tls");
    let mut caller = alice(&world).invite("bob1");
    third.expect_invite().reply(430);
    third.expect("ACK");
    first.expect_invite().reply(486);
    first.expect("ACK");
    caller.refused(486);
    world.flow_closed(third.flow);
    // Nor is there another: then the caller hears that nobody is there.
    let mut caller = alice(&world).invite("bob1");
    first.expect("INVITE");
    world.flow_closed(first.flow);
    caller.refused(480);
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn sips_is_not_taken_where_others_listen() {
    let check = |transport: Transport, want: u16| {
        let world = World::new();
        let phone = world.ua_by(transport, HOME, ALICE);
        let secure = |request: &mut Request| {
            request.uri = request.uri.replace("sip:", "sips:");
            request.to = request.to.replace("sip:", "sips:");
        };
        let mut register = phone.register_request(600);
        secure(&mut register);
        let only_to = Request { uri: format!("sip:{REALM}"), ..register.clone() };
        let mut invite = phone.invite_request("bob1");
        secure(&mut invite);
        for mut request in [register, only_to, invite] {
            phone.send_request(&request);
            let told = phone.pick(if want == 480 { 480 } else { challenge(&request) });
            assert_eq!(
                told.text().contains("Warning: 380 ringfence \"SIPS Not Allowed\""),
                want == 480
            );
            request.body.clear();
        }
        world.forget_post();
        world.finish_with_post();
    };
    check(Transport::Udp, 480);
    check(Transport::Tcp, 480);
    check(Transport::Tls, 0);
    check(Transport::Wss, 0);
}

fn challenge(request: &Request) -> u16 {
    if request.method == "REGISTER" { 401 } else { 407 }
}

/// A call of Alice by TLS to a sips address.
fn call_sips(world: &World, called: &str) -> Leg {
    let phone = world.ua_by(Transport::Tls, HOME, ALICE);
    let mut request = phone.invite_request(called);
    request.uri = request.uri.replace("sip:", "sips:");
    request.to = request.to.replace("sip:", "sips:");
    request.extra = request.extra.replace("<sip:", "<sips:").replace(";transport=tls", "");
    let leg = phone.invite_with(request);
    phone.expect(100);
    leg
}

#[test]
fn sips_goes_on_where_nobody_listens_or_not_at_all() {
    let world = World::new();
    let not_secure = |called: &str| {
        let told = call_sips(&world, called).refused(480);
        assert!(told.header("Reason").contains("[not-secure "), "{}", told.text());
    };
    let old = world.ua("203.0.113.20:5070", BOB);
    old.register();
    not_secure("bob1");
    not_secure(FIXED);
    old.expect_nothing();
    carrier(&world).expect_nothing();

    // Beside it comes a phone by TLS, with a sips Contact.
    let bob = world.ua_by(Transport::Tls, BOB_HOME, BOB);
    let mut register = bob.register_request(600);
    register.uri = format!("sips:{REALM}");
    register.extra = "Contact: <sips:bob1@203.0.113.20>\r\nExpires: 600\r\n".to_owned();
    bob.send_with_login(&mut register);
    bob.expect(200);
    let mut caller = call_sips(&world, "bob1");
    let invite = bob.expect("INVITE");
    assert_eq!(invite.uri, "sips:bob1@203.0.113.20");
    assert_eq!(invite.contact(), format!("sips:ringfence@{NODE_TLS}"));
    let mut callee = bob.leg_from(invite);
    callee.reply(200);
    callee.expect("ACK");
    let ok = caller.expect(200);
    assert_eq!(ok.contact(), format!("sips:ringfence@{NODE_TLS}"));
    caller.ack();
    old.expect_nothing();
    caller.bye();
    callee.take_bye();

    // Who does not ask for sips reaches both, each as it can be asked.
    let mut caller = alice(&world).invite("bob1");
    assert_eq!(bob.expect("INVITE").uri, "sip:bob1@203.0.113.20");
    old.expect("INVITE");
    caller.give_up();
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn a_carrier_by_tls_is_secure_enough() {
    let world = World::with(|town| town.trunk(2).transport = TrunkTransport::Tls);
    let mut carrier = world.ua_by(Transport::Tls, CARRIER2, ("carrier", ""));
    let mut caller = call_sips(&world, FIXED);
    let first = carrier.expect("INVITE");
    assert_eq!(first.flow.connection, sip::flow::Flow::ANY_CONNECTION);
    assert!(first.uri.ends_with(";transport=tls"), "{}", first.uri);
    carrier.flow.connection = 9;
    let mut callee = carrier.leg_from(first);
    callee.answer(&mut caller);
    caller.bye();
    callee.take_bye();
    crate::calls::carrier(&world).expect_nothing();
    world.finish();
}

#[test]
fn emergency_calls_do_not_wait_for_tls() {
    let world = World::new();
    let mut caller = call_sips(&world, "999");
    let mut callee = carrier(&world).expect_invite();
    callee.answer(&mut caller);
    caller.bye();
    callee.take_bye();
    world.finish();
}

#[test]
fn i1_the_lock_judges_the_peer_on_every_transport() {
    for transport in Transport::ALL {
        for away in ["203.0.113.66:5060", "[::ffff:203.0.113.66]:5060", "[2001:db8::66]:5060"] {
            let world = World::with(|town| {
                town.account(1).controls.ip_lock = vec!["203.0.113.7/32".parse().unwrap()];
            });
            let stranger = world.ua_by(transport, away, ALICE);
            stranger.send_with_login(&mut stranger.register_request(600));
            stranger.expect(403);
            let mut caller = stranger.invite_with(stranger.invite_request(FIXED));
            assert!(caller.refused(403).header("Reason").contains("[ip-lock "), "{transport:?}");
            // At home, also as IPv6 writes it; and then the stranger in the call, with fresh credentials.
            for home in [HOME, "[::ffff:203.0.113.7]:5060"] {
                let phone = world.ua_by(transport, home, ALICE);
                phone.register();
                let (caller, mut callee) = talk_between(&phone, &carrier(&world), FIXED);
                let mut stolen = Leg { ua: stranger.clone(), ..caller.clone() };
                for method in ["INVITE", "UPDATE", "INFO", "OPTIONS", "BYE"] {
                    stolen.send(method, "", "");
                    stolen.refused_or_answered(403);
                }
                callee.expect_nothing();
                caller.clone().bye();
                callee.take_bye();
            }
            world.forget_post();
            world.finish_with_post();
        }
    }
}

#[test]
fn a3_a_nonce_stays_on_its_transport() {
    for of in Transport::ALL {
        for used_on in Transport::ALL {
            let world = World::new();
            let phone = world.ua_by(of, HOME, ALICE);
            let request = phone.register_request(600);
            phone.send_request(&request);
            let challenge = phone.expect(401);
            let thief = world.ua_by(used_on, "203.0.113.7:6000", ALICE);
            let mut again = thief.register_request(600);
            again.credentials = thief.credentials(&challenge, "REGISTER", &again.uri, 1);
            thief.send_request(&again);
            if of == used_on {
                thief.expect(200);
            } else {
                let told = thief.expect(401).text();
                assert!(told.contains("stale=true"), "{of:?} on {used_on:?}: {told}");
            }
        }
    }
}
