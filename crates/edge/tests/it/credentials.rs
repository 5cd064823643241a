//! Who is calling (A1–A3, A9): methods times kinds of bad credentials, and the names of one account.

use crate::calls::{HOME, alice, carrier, talk};
use crate::digest::{Answer, REALM};
use crate::leg::Leg;
use crate::town::*;
use crate::ua::Ua;
use crate::wire::Got;
use crate::world::World;

/// What is wrong with credentials, and the answer to them: 0 means a challenge.
#[derive(Clone, Copy, Debug)]
enum Bad {
    Nothing,
    None,
    OtherRealm,
    OtherRealmBesideOurs,
    WrongSecret,
    UnknownUser,
    AnotherLine,
    OtherMethod,
    OtherUri,
    MadeUpNonce,
    NonceOfAnother,
    OldNonce,
    Replayed,
    ZeroCount,
    NoQop,
    OtherAlgorithm,
    ShortResponse,
    Basic,
    Torn,
}

const ALL: &[(Bad, u16)] = &[
    (Bad::None, 0),
    (Bad::OtherRealm, 0),
    (Bad::WrongSecret, 403),
    (Bad::UnknownUser, 403),
    (Bad::OtherMethod, 403),
    (Bad::OtherUri, 400),
    (Bad::MadeUpNonce, 0),
    (Bad::NonceOfAnother, 0),
    (Bad::OldNonce, 0),
    (Bad::Replayed, 0),
    (Bad::ZeroCount, 400),
    (Bad::NoQop, 400),
    (Bad::OtherAlgorithm, 400),
    (Bad::ShortResponse, 400),
    (Bad::Basic, 0),
    (Bad::Torn, 400),
];

impl Bad {
    fn is_stale(self) -> bool {
        matches!(self, Bad::MadeUpNonce | Bad::NonceOfAnother | Bad::OldNonce | Bad::Replayed)
    }
}

fn nonce_of(challenge: &Got) -> String {
    challenge.text().split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// The header lines of credentials of Alice with this fault.
fn spoil(phone: &Ua, name: &str, method: &str, uri: &str, nonce: &str, bad: Bad) -> String {
    let mut answer = Answer {
        algorithm: "SHA-256",
        username: "alice1",
        user: "alice1",
        realm: REALM,
        secret: ALICE.1,
        method,
        uri,
        nonce,
        nc: 1,
    };
    let foreign = Answer { realm: "elsewhere.example", ..answer };
    match bad {
        Bad::OtherRealm => answer = foreign,
        Bad::WrongSecret => answer.secret = "wrong",
        Bad::UnknownUser => (answer.username, answer.user) = ("nobody", "nobody"),
        Bad::AnotherLine => {
            (answer.username, answer.user, answer.secret) = (EVE.0, EVE.0, EVE.1);
        }
        Bad::OtherMethod => answer.method = "NOTIFY",
        Bad::OtherUri => answer.uri = "sip:+449098790000@ringfence.test",
        Bad::MadeUpNonce => answer.nonce = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        Bad::ZeroCount => answer.nc = 0,
        _ => {}
    }
    let value = answer.value();
    let value = match bad {
        Bad::None => return String::new(),
        Bad::NoQop => value.replace(",qop=auth", ""),
        Bad::OtherAlgorithm => value.replace("SHA-256", "SHA-512-256"),
        Bad::ShortResponse => value.replace("algorithm=SHA-256", "algorithm=MD5"),
        Bad::Basic => "Basic YWxpY2UxOng=".to_owned(),
        Bad::Torn => value.replace("nonce=\"", "nonce="),
        _ => value,
    };
    let _ = phone;
    match bad {
        Bad::OtherRealmBesideOurs => format!("{name}: {}\r\n{name}: {value}\r\n", foreign.value()),
        _ => format!("{name}: {value}\r\n"),
    }
}

/// A nonce for this fault, good unless the fault is the nonce's.
fn nonce_for(phone: &Ua, bad: Bad) -> String {
    let asks = match bad {
        Bad::NonceOfAnother => phone.moved("203.0.113.200:5060"),
        _ => phone.clone(),
    };
    asks.send_request(&asks.register_request(60));
    let nonce = nonce_of(&asks.expect(401));
    match bad {
        Bad::OldNonce => phone.world.advance(60_001),
        Bad::Replayed => {
            // Used once, properly.
            let mut request = phone.register_request(0);
            request.extra = String::new();
            request.credentials =
                spoil(phone, "Authorization", "REGISTER", &request.uri, &nonce, Bad::Nothing);
            phone.send_request(&request);
            phone.expect(200);
        }
        _ => {}
    }
    nonce
}

fn check_answer(got: &Got, bad: Bad, want: u16, challenge: u16) {
    let status = if want == 0 { challenge } else { want };
    assert_eq!(got.status, status, "{bad:?}\n{}", got.text());
    assert_eq!(got.text().contains("stale=true"), bad.is_stale(), "{bad:?}");
}

#[test]
fn registrations() {
    for (bad, want) in ALL {
        let world = World::new();
        let phone = alice(&world);
        let nonce = nonce_for(&phone, *bad);
        let mut request = phone.register_request(3600);
        request.credentials =
            spoil(&phone, "Authorization", "REGISTER", &request.uri, &nonce, *bad);
        phone.send_request(&request);
        check_answer(&phone.expect(if *want == 0 { 401 } else { *want }), *bad, *want, 401);
        assert_eq!(world.stats().bindings, 0, "{bad:?}");
        world.finish();
    }
}

#[test]
fn calls() {
    for (bad, want) in ALL {
        let world = World::new();
        let phone = alice(&world);
        let nonce = nonce_for(&phone, *bad);
        let mut request = phone.invite_request(FIXED);
        request.credentials =
            spoil(&phone, "Proxy-Authorization", "INVITE", &request.uri, &nonce, *bad);
        phone.send_request(&request);
        let got = phone.expect(if *want == 0 { 407 } else { *want });
        check_answer(&got, *bad, *want, 407);
        phone.send(&phone.ack_of_refusal(&request, &got));
        assert_eq!(world.stats().admitted + world.stats().refused, 0, "{bad:?}");
        assert_eq!(world.stats().transactions, (0, 0), "{bad:?}");
        world.finish();
    }
}

#[test]
fn requests_within_a_dialog_from_elsewhere() {
    let methods = ["BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "REFER", "FROBNICATE"];
    let more = [(Bad::AnotherLine, 403)];
    for (bad, want) in ALL.iter().chain(&more) {
        let world = World::new();
        let (mut caller, mut callee) = talk(&world, FIXED);
        let elsewhere = caller.ua.moved("203.0.113.99:5060");
        let stranger = Leg { ua: elsewhere.clone(), ..caller.clone() };
        for (step, method) in methods.iter().enumerate() {
            let nonce = nonce_for(&elsewhere, *bad);
            let uri = stranger.target.clone();
            let line = spoil(&elsewhere, "Proxy-Authorization", method, &uri, &nonce, *bad);
            let cseq = 50 + step as u32;
            elsewhere.send(&stranger.in_dialog(method, cseq, &elsewhere.branch(), &line, ""));
            let got = elsewhere.expect(if *want == 0 { 407 } else { *want });
            check_answer(&got, *bad, *want, 407);
            if *method == "INVITE" {
                elsewhere.send(&stranger.in_dialog("ACK", cseq, got.branch(), "", ""));
            }
        }
        callee.expect_nothing();
        caller.expect_nothing();
        caller.bye();
        callee.take_bye();
        world.finish();
    }
}

#[test]
fn our_credentials_beside_anothers() {
    let world = World::new();
    let phone = alice(&world);
    let nonce = nonce_for(&phone, Bad::Nothing);
    let mut request = phone.register_request(3600);
    let bad = Bad::OtherRealmBesideOurs;
    request.credentials = spoil(&phone, "Authorization", "REGISTER", &request.uri, &nonce, bad);
    phone.send_request(&request);
    phone.expect(200);
    world.finish();
}

#[test]
fn a_nonce_is_of_one_transport_and_one_life() {
    let world = World::new();
    let phone = alice(&world);
    let nonce = nonce_for(&phone, Bad::Nothing);
    let stream = world.tcp_ua(HOME, ALICE);
    let mut request = stream.register_request(3600);
    request.credentials =
        spoil(&stream, "Authorization", "REGISTER", &request.uri, &nonce, Bad::Nothing);
    stream.send_request(&request);
    assert!(stream.expect(401).text().contains("stale=true"));
    world.restart(1_000);
    let mut request = phone.register_request(3600);
    request.credentials =
        spoil(&phone, "Authorization", "REGISTER", &request.uri, &nonce, Bad::Nothing);
    phone.send_request(&request);
    assert!(phone.expect(401).text().contains("stale=true"));
    world.finish();
}

#[test]
fn one_account_under_all_its_names() {
    for username in ["ALICE1", "Alice1", "alice%31", "%61lice1", "alice1;x=1", "AlIcE%31"] {
        let world = World::new();
        let phone = alice(&world);
        let carrier = carrier(&world);
        let nonce = nonce_for(&phone, Bad::Nothing);
        let mut request = phone.invite_request(FIXED);
        // Who signs pays, whoever he says he is.
        request.from = "<sip:bob1@ringfence.test>;tag=z".to_owned();
        let answer = Answer {
            algorithm: "SHA-256",
            username,
            user: "alice1",
            realm: REALM,
            secret: ALICE.1,
            method: "INVITE",
            uri: &request.uri,
            nonce: &nonce,
            nc: 1,
        };
        request.credentials = format!("Proxy-Authorization: {}\r\n", answer.value());
        phone.send_request(&request);
        let mut caller = phone.leg_of(request);
        caller.expect(100);
        let mut callee = carrier.expect_invite();
        callee.answer(&mut caller);
        world.advance(10_000);
        callee.bye();
        caller.take_bye();
        let cdr = world.ended_as("outgoing 10000ms 2000/1000 normal 200 Callee");
        assert_eq!((cdr.account.0, cdr.line.map(|line| line.0)), (1, Some(1)), "{username}");
        assert_eq!(cdr.caller, ALICE_NUMBER);
        world.finish();
    }
}

#[test]
fn a_trunks_address_is_no_log_in_for_a_phone() {
    // From a carrier's address only our own numbers can be called, whatever the credentials.
    let world = World::new();
    let phone = world.ua("198.51.100.1:6666", ALICE);
    let mut request = phone.invite_request(FIXED);
    let nonce = nonce_for(&phone, Bad::Nothing);
    request.credentials =
        spoil(&phone, "Proxy-Authorization", "INVITE", &request.uri, &nonce, Bad::Nothing);
    phone.send_request(&request);
    let mut caller = phone.leg_of(request);
    caller.refused(404);
    world.finish();
}
