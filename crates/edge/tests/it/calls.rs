//! Calls from an account to a carrier, from INVITE to CDR.

use types::{Direction, Money, TrunkNumberFormat};

use crate::leg::Leg;
use crate::town::*;
use crate::ua::Ua;
use crate::wire::{ANSWER, Got, OFFER};
use crate::world::{Store, World};

/// Where Alice's phone is.
pub const HOME: &str = "203.0.113.7:5060";

pub fn alice(world: &World) -> Ua {
    world.ua(HOME, ALICE)
}

pub fn carrier(world: &World) -> Ua {
    world.ua(CARRIER, ("carrier", ""))
}

/// A call of Alice to a number by the first carrier, answered and acknowledged.
pub fn talk(world: &World, number: &str) -> (Leg, Leg) {
    talk_between(&alice(world), &carrier(world), number)
}

pub fn talk_between(phone: &Ua, carrier: &Ua, number: &str) -> (Leg, Leg) {
    let mut caller = phone.invite(number);
    let mut callee = carrier.expect_invite();
    callee.answer(&mut caller);
    (caller, callee)
}

/// A call of the first carrier to Bob's number, answered by his phone and acknowledged.
pub fn talk_from_carrier(world: &World, phone: &Ua) -> (Leg, Leg) {
    let mut caller = carrier(world).invite_as_carrier(BOB_NUMBER);
    caller.expect(100);
    let mut callee = phone.expect_invite();
    callee.answer(&mut caller);
    (caller, callee)
}

/// A call of Alice to a number by the first carrier, ringing.
pub fn ring(world: &World, number: &str) -> (Leg, Leg) {
    let mut caller = alice(world).invite(number);
    let callee = carrier(world).expect_invite();
    callee.reply(180);
    caller.expect(180);
    (caller, callee)
}

#[test]
fn the_hold_is_written_before_the_invite_leaves() {
    let world = World::new();
    let (phone, carrier) = (alice(&world), carrier(&world));
    world.store(Store::Silent);
    let mut caller = phone.invite(FIXED);
    carrier.expect_nothing();
    world.advance(5_000);
    carrier.expect_nothing();
    let waiting = world.unanswered();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(world.held(1), Money::from_micros(6_000), "30 s of 1.2p");
    world.answer_store(true);
    let mut callee = carrier.expect_invite();
    world.store(Store::Up);
    callee.reply(100);
    callee.reply(180);
    assert!(!caller.expect(180).to_tag().is_empty());
    callee.reply(200);
    callee.expect("ACK");
    let ok = caller.expect(200);
    assert_eq!(ok.body, ANSWER);
    caller.ack();
    world.advance(10_000);
    caller.bye();
    callee.take_bye();
    let cdr = world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    assert_eq!(cdr.direction, Direction::Outgoing);
    assert_eq!((cdr.caller.as_str(), cdr.dialled.as_str()), (ALICE_NUMBER, FIXED));
    assert_eq!(cdr.a_leg.call_id, caller.call_id);
    assert_eq!(cdr.b_leg.call_id, callee.call_id);
    assert_eq!(cdr.a_leg.user_agent, "Phone of alice1");
    assert_eq!(cdr.b_leg.user_agent, "Box of carrier");
    assert_eq!(cdr.a_leg.peer, Some(HOME.parse().unwrap()));
    assert_eq!(cdr.b_leg.peer, Some(CARRIER.parse().unwrap()));
    world.finish();
}

#[test]
fn the_carrier_hangs_up() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(61_000);
    callee.bye();
    caller.take_bye();
    world.ended_as("outgoing 61000ms 12200/6100 normal 200 Callee");
    world.finish();
}

/// Headers that the INVITE towards a carrier may have: nothing else ever leaves (P4).
const TYPED: &[&str] = &[
    "Via",
    "Max-Forwards",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Allow",
    "Supported",
    "Session-Expires",
    "P-Asserted-Identity",
    "User-Agent",
    "Content-Type",
    "Content-Length",
];

fn check_typed(got: &Got) {
    for (name, value) in &got.headers {
        assert!(TYPED.contains(&name.as_str()), "{name}: {value} left");
    }
}

#[test]
fn nothing_inbound_is_copied() {
    let odd = [
        "X-Foo: odd1",
        "Diversion: <sip:+442079460777@odd2>;reason=unconditional",
        "P-Asserted-Identity: <sip:+442079460002@odd3>",
        "P-Preferred-Identity: <sip:+442079460002@odd4>",
        "Remote-Party-ID: <sip:+442079460002@odd5>;party=calling",
        "History-Info: <sip:odd6@h>;index=1",
        "Route: <sip:odd7.example;lr>",
        "Record-Route: <sip:odd8.example;lr>",
        "Alert-Info: <http://odd9.example/ring>",
        "Subject: odd10",
        "Date: Sat, 13 Nov 2010 23:29:00 GMT",
        "Call-Info: <http://odd11.example/>;purpose=icon",
        "Organization: odd12",
        "Priority: odd13",
        "Reply-To: <sip:odd14@h>",
        "In-Reply-To: odd15",
        "Warning: 399 odd16 \"odd16\"",
        "Accept-Language: odd17",
        "P-Charging-Vector: icid-value=odd18",
        "User-to-User: odd19",
        "Geolocation: <sip:odd20@h>",
        "Identity: odd21",
        "Reason: SIP;cause=200;text=\"odd22\"",
        "P-Access-Network-Info: odd23",
        "Referred-By: <sip:odd24@h>",
        "Accept-Contact: *;odd25",
        "Session-ID: odd26",
        "Resource-Priority: odd.27",
        "Via: SIP/2.0/UDP odd28.example;branch=z9hG4bKodd28",
        "Timestamp: 28.28",
        "Content-Disposition: odd29",
        "Target-Dialog: odd30;local-tag=a;remote-tag=b",
    ];
    let world = World::new();
    let (phone, carrier) = (alice(&world), carrier(&world));
    let mut request = phone.invite_request(FIXED);
    request.from = "\"odd31\" <sip:odd32@odd33.example;odd34=1>;tag=odd35".to_owned();
    request.extra.push_str(&odd.map(|line| format!("{line}\r\n")).concat());
    let mut caller = phone.invite_with(request);
    phone.expect(100);
    let mut callee = carrier.expect_invite();
    let invite = callee.invite.clone().unwrap();
    check_typed(&invite);
    assert_eq!(invite.all("Via").count(), 1);
    assert!(!invite.text().contains("odd"), "{}", invite.text());
    assert_eq!(invite.body, OFFER);
    assert_eq!(invite.header("Max-Forwards"), "69");
    assert_eq!(invite.uri, format!("sip:{FIXED}@{CARRIER}"));
    assert_eq!(invite.header("To"), format!("<sip:{FIXED}@{CARRIER}>"));
    assert_ne!(invite.call_id(), caller.call_id);
    callee.reply_with(200, "X-Bar: odd36\r\nP-Asserted-Identity: <sip:odd37@h>\r\n", ANSWER);
    let ok = caller.expect(200);
    assert!(!ok.text().contains("odd36") && !ok.text().contains("odd37"), "{}", ok.text());
    check_typed(&callee.expect("ACK"));
    caller.ack();
    caller.send("BYE", "X-Foo: odd38\r\nReason: Q.850;cause=16;text=\"odd39\"\r\n", "");
    caller.expect((200, "BYE"));
    let bye = callee.take_bye();
    check_typed(&bye);
    assert!(!bye.text().contains("odd"), "{}", bye.text());
    world.finish();
}

#[test]
fn the_caller_id_is_one_of_the_accounts_own() {
    fn check(from: &str, extra: &str, want: &str, private: bool) {
        let world = World::new();
        let (phone, carrier) = (alice(&world), carrier(&world));
        let mut request = phone.invite_request(FIXED);
        request.from = format!("{from};tag=x");
        request.extra.push_str(extra);
        let mut caller = phone.invite_with(request);
        phone.expect(100);
        let mut callee = carrier.expect_invite();
        let invite = callee.invite.clone().unwrap();
        let own = format!("sip:{want}@ringfence.test");
        assert_eq!(invite.header("P-Asserted-Identity"), format!("<{own}>"), "{from} {extra}");
        let shown = if private { "sip:anonymous@anonymous.invalid" } else { &own };
        assert_eq!(crate::wire::uri_of(invite.header("From")), shown, "{from} {extra}");
        assert_eq!(invite.header("Privacy"), if private { "id" } else { "" }, "{from} {extra}");
        callee.decline(&mut caller);
        assert_eq!(world.cdr().caller, want);
        assert_eq!(world.cdr().account.0, 1);
        world.finish();
    }
    let h = "ringfence.test";
    check(&format!("<sip:alice1@{h}>"), "", ALICE_NUMBER, false);
    check(&format!("<sip:{ALICE2_NUMBER}@{h}>"), "", ALICE2_NUMBER, false);
    check(&format!("<sip:02079460011@{h}>"), "", ALICE2_NUMBER, false);
    check(&format!("<tel:{ALICE2_NUMBER}>"), "", ALICE2_NUMBER, false);
    check(&format!("<sip:{BOB_NUMBER}@{h}>"), "", ALICE_NUMBER, false);
    check(&format!("<sip:bob1@{h}>"), "", ALICE_NUMBER, false);
    check("<sip:+12025550100@elsewhere.example>", "", ALICE_NUMBER, false);
    let claims = format!(
        "P-Asserted-Identity: <sip:{BOB_NUMBER}@{h}>\r\nP-Preferred-Identity: <tel:{BOB_NUMBER}>\r\n\
         Remote-Party-ID: <sip:{BOB_NUMBER}@{h}>\r\nDiversion: <sip:{BOB_NUMBER}@{h}>\r\n"
    );
    check(&format!("<sip:alice1@{h}>"), &claims, ALICE_NUMBER, false);
    check("\"Anonymous\" <sip:anonymous@anonymous.invalid>", "", ALICE_NUMBER, true);
    check(&format!("<sip:{ALICE2_NUMBER}@{h}>"), "Privacy: id\r\n", ALICE2_NUMBER, true);
    check(&format!("<sip:alice1@{h}>"), "Privacy: none\r\n", ALICE_NUMBER, false);
}

#[test]
fn the_number_rated_is_the_number_sent() {
    fn check(dialled: &str, format: TrunkNumberFormat, want: &str) {
        let world = World::with(|town| town.trunk(1).number_format = format);
        let (phone, carrier) = (alice(&world), carrier(&world));
        let mut request = phone.invite_request("x");
        request.uri = dialled.to_owned();
        request.to = format!("<{dialled}>");
        let mut caller = phone.invite_with(request);
        phone.expect(100);
        let callee = carrier.expect_invite();
        assert_eq!(
            callee.invite.as_ref().unwrap().uri,
            format!("sip:{want}@{CARRIER}"),
            "{dialled}"
        );
        callee.reply(404);
        carrier.expect("ACK");
        caller.refused(404);
        let cdr = world.cdr();
        assert_eq!(cdr.destination.e164.unwrap().to_string(), FIXED, "{dialled}");
        world.finish();
    }
    use TrunkNumberFormat::{E164, E164Plus, National};
    check("sip:+442079460999@ringfence.test", E164Plus, "+442079460999");
    check("sip:00442079460999@ringfence.test", E164Plus, "+442079460999");
    check("sip:02079460999@voip.test", E164, "442079460999");
    check("sip:%2B442079460999@RINGFENCE.test:5060;user=phone", National, "02079460999");
    check("sip:02079460999@192.0.2.10", E164Plus, "+442079460999");
    check("tel:+44-20-7946-0999", E164Plus, "+442079460999");
    check("tel:2079460999;phone-context=+44", E164Plus, "+442079460999");
}

#[test]
fn what_is_not_for_us_is_refused() {
    fn check(uri: &str, extra: &str, status: i32) {
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.invite_request("x");
        request.uri = uri.to_owned();
        request.to = "<sip:somebody@ringfence.test>".to_owned();
        request.extra.push_str(extra);
        let text = phone.text(&request);
        let text = match extra.contains("Max-Forwards") {
            true => text.replacen("Max-Forwards: 70\r\n", "", 1),
            false => text,
        };
        phone.send(&text);
        let mut got = phone.expect(if status == 404 { 407 } else { status });
        if status == 404 {
            phone.send(&phone.ack_of_refusal(&request, &got));
            request.credentials = phone.credentials(&got, "INVITE", uri, 1);
            (request.cseq, request.branch) = (2, phone.branch());
            phone.send_request(&request);
            got = phone.expect(404);
        }
        phone.send(&phone.ack_of_refusal(&request, &got));
        assert!(world.written_but_devices() <= 1, "nothing but the start is written");
        world.finish();
    }
    check("sip:+442079460999@elsewhere.example", "", 404);
    check("sip:+442079460999@203.0.113.99", "", 404);
    check("sip:ringfence.test", "", 404);
    check("mailto:bob@ringfence.test", "", 416);
    check("sip:bob1@ringfence.test", "Max-Forwards: 0\r\n", 483);
    check("sip:bob1@ringfence.test", "Require: x-odd\r\n", 420);
    check("sip:bob1@ringfence.test", "Content-Encoding: gzip\r\n", 415);
    check("sip:bob1@ringfence.test", "Supported: timer\r\nSession-Expires: 60\r\n", 422);
}

#[test]
fn by_tcp_from_the_phone_to_the_carrier() {
    let world = World::with(|town| town.trunk(1).transport = types::TrunkTransport::Tcp);
    let phone = world.tcp_ua(HOME, ALICE);
    let mut carrier = world.tcp_ua(CARRIER, ("carrier", ""));
    let mut caller = phone.invite(FIXED);
    let first = carrier.expect("INVITE");
    assert_eq!(first.flow.connection, sip::flow::Flow::ANY_CONNECTION);
    assert!(first.uri.ends_with(";transport=tcp"), "{}", first.uri);
    assert!(first.contact().ends_with(";transport=tcp"), "{}", first.contact());
    carrier.flow.connection = 9;
    let mut callee = carrier.leg_from(first);
    callee.reply(180);
    caller.expect(180);
    callee.reply(200);
    let ack = callee.expect("ACK");
    assert_eq!(ack.flow.connection, 9, "goes on on the connection that the answer came by");
    caller.expect(200);
    caller.ack();
    world.advance(3_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 3000ms 600/300 normal 200 Caller");
    world.finish();
}

#[test]
fn from_a_carrier_to_a_phone() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    let carrier = carrier(&world);
    let mut request = carrier.invite_request(ALICE_NUMBER);
    request.from = "\"X\" <sip:+33140000000@carrier.example>;tag=q".to_owned();
    request.extra.push_str("X-Odd: odd\r\n");
    carrier.send_request(&request);
    let mut caller = carrier.leg_of(request);
    carrier.expect(100);
    let mut callee = phone.expect_invite();
    let invite = callee.invite.clone().unwrap();
    check_typed(&invite);
    assert_eq!(invite.uri, phone.contact());
    assert_eq!(crate::wire::uri_of(invite.header("From")), "sip:+33140000000@ringfence.test");
    assert!(!invite.has("P-Asserted-Identity") && !invite.text().contains("odd"));
    callee.reply(180);
    caller.expect(180);
    callee.answer(&mut caller);
    world.advance(5_000);
    callee.bye();
    caller.take_bye();
    let cdr = world.ended_as("incoming 5000ms 0/0 normal 200 Callee");
    assert_eq!((cdr.account.0, cdr.line.map(|line| line.0)), (1, Some(1)));
    assert_eq!((cdr.caller.as_str(), cdr.trunk.map(|trunk| trunk.0)), ("+33140000000", Some(1)));
    world.finish();
}

#[test]
fn on_net_by_user_and_by_number() {
    for dialled in ["bob1", BOB_NUMBER, "02079460002"] {
        let world = World::new();
        let bob = world.ua("203.0.113.20:5070", BOB);
        bob.register();
        let (mut caller, mut callee) = talk_between(&alice(&world), &bob, dialled);
        world.advance(100_000);
        callee.bye();
        caller.take_bye();
        let cdr = world.ended_as("on-net 100000ms 0/0 normal 200 Callee");
        assert_eq!((cdr.account.0, cdr.to_account.map(|account| account.0)), (1, Some(2)));
        world.finish();
    }
}

#[test]
fn nobody_registered_and_nobody_there() {
    fn check(from_carrier: bool, number: &str, status: u16, want: &str) {
        let world = World::new();
        let mut caller = match from_carrier {
            true => carrier(&world).invite_as_carrier(number),
            false => alice(&world).invite_with(alice(&world).invite_request(number)),
        };
        if status == 480 {
            caller.expect(100);
        }
        let got = caller.refused(status);
        let cdr = world.ended_as(want);
        assert!(got.header("Reason").contains(&cdr.decision.to_string()), "{}", got.text());
        let reason = cdr.explanation.findings.first().expect("a refusal has a finding").reason();
        assert!(got.header("Reason").contains(&format!("[{reason} ")), "{}", got.text());
        world.finish();
    }
    check(true, BOB_NUMBER, 480, "incoming 0ms 0/0 rejected 480 Ringfence");
    check(false, "bob1", 480, "on-net 0ms 0/0 rejected 480 Ringfence");
    check(true, "+442079460555", 404, "incoming 0ms 0/0 refused 404 Ringfence");
    check(true, "+33140000000", 404, "incoming 0ms 0/0 refused 404 Ringfence");
    check(false, "nobody", 404, "outgoing 0ms 0/0 refused 404 Ringfence");
}
