//! Digest seen from outside: a phone that does everything right, and each way to do it wrong.

use types::UnixMicros;

use super::*;
use crate::message::{Method, Origin};

mod challenges;

const REALM: &str = "ringfence.example";
const SECRET: &str = "lusab-babad-gutih-tugad";
const START: i64 = 1_800_000_000_000_000;

fn now(ms: i64) -> Now {
    Now { tick: types::Tick(0), wall: UnixMicros(START + ms * 1_000) }
}

fn udp(peer: &str) -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), peer.parse().unwrap())
}

fn home() -> Flow {
    udp("198.51.100.7:5060")
}

fn with<T>(text: &str, check: impl FnOnce(&Message<'_>) -> T) -> T {
    let mut bytes = text.as_bytes().to_vec();
    check(&Message::parse(&mut bytes, Origin::Datagram).expect(text))
}

fn authenticator(limits: Limits) -> Authenticator {
    let mut authenticator = Authenticator::new(REALM, [9; 32], limits);
    // The instant of the start.
    authenticator.challenge(
        &mut Vec::new(),
        Name::WwwAuthenticate,
        now(0),
        &home(),
        false,
        usize::MAX,
    );
    authenticator
}

/// What a phone says, field by field.
#[derive(Clone)]
struct Phone {
    request_method: &'static str,
    request_uri: &'static str,
    hashed_method: &'static str,
    uri: &'static str,
    user: &'static str,
    hashed_user: &'static str,
    realm: &'static str,
    secret: &'static str,
    algorithm: Option<&'static str>,
    hashed_algorithm: Algorithm,
    nonce: Option<String>,
    nc: &'static str,
    cnonce: &'static str,
    qop: Option<&'static str>,
    source: Flow,
    at_ms: i64,
    cut: usize,
}

impl Default for Phone {
    fn default() -> Phone {
        Phone {
            request_method: "REGISTER",
            request_uri: "sip:ringfence.example",
            hashed_method: "REGISTER",
            uri: "sip:ringfence.example",
            user: "alice",
            hashed_user: "alice",
            realm: REALM,
            secret: SECRET,
            algorithm: Some("SHA-256"),
            hashed_algorithm: Algorithm::Sha256,
            nonce: None,
            nc: "00000001",
            cnonce: "c0ffee",
            qop: Some("auth"),
            source: home(),
            at_ms: 10,
            cut: 0,
        }
    }
}

impl Phone {
    fn credentials(&self, nonce: &str) -> String {
        let ha1 = hash::ha1_with(self.hashed_algorithm, self.hashed_user, self.realm, self.secret);
        let asked = Asked {
            method: Method::find(self.hashed_method),
            uri: self.uri,
            nonce,
            counted: self.qop.map(|_| (self.nc, self.cnonce)),
        };
        let response = hash::response(self.hashed_algorithm, &ha1, &asked).to_hex();
        let response = std::str::from_utf8(response.as_bytes()).unwrap();
        let mut text = format!(
            "Digest username=\"{}\",realm=\"{}\",nonce=\"{nonce}\",uri=\"{}\",response=\"{}\",nc={},cnonce=\"{}\"",
            self.user,
            self.realm,
            self.uri,
            &response[self.cut..],
            self.nc,
            self.cnonce
        );
        if let Some(algorithm) = self.algorithm {
            text += &format!(",algorithm={algorithm}");
        }
        if let Some(qop) = self.qop {
            text += &format!(",qop={qop}");
        }
        text
    }

    fn request(&self, lines: &str) -> String {
        format!(
            "{} {} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\r\n\
             From: <sip:alice@ringfence.example>;tag=1\r\nTo: <sip:alice@ringfence.example>\r\n\
             Call-ID: c\r\nCSeq: 1 {}\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n",
            self.request_method, self.request_uri, self.request_method
        )
    }
}

/// The nonce of a new challenge.
fn challenged(authenticator: &mut Authenticator, ms: i64, source: &Flow) -> String {
    let mut lines = Vec::new();
    authenticator.challenge(&mut lines, Name::WwwAuthenticate, now(ms), source, false, usize::MAX);
    let text = String::from_utf8(lines).unwrap();
    let from = text.find("nonce=\"").unwrap() + 7;
    text[from..from + nonce::NONCE_LENGTH].to_owned()
}

/// The only user there is.
fn lookup(user: &str) -> Option<Ha1> {
    (user == "alice").then(|| ha1("alice", REALM, SECRET))
}

/// What came of a log-in, and as whom.
fn log_in(authenticator: &mut Authenticator, phone: &Phone, text: &str) -> (&'static str, String) {
    with(text, |request| {
        let now = now(phone.at_ms);
        let presented = match authenticator.read(now, request, &phone.source, Name::Authorization) {
            Ok(presented) => presented,
            Err(Unread::Absent) => return ("absent", String::new()),
            Err(Unread::Malformed { why }) => return (why, String::new()),
            Err(Unread::Stale { user }) => return ("stale", user.to_string()),
        };
        let ha1 = lookup(&presented.user);
        let former = FORMER_SECRETS.map(ha1_of_alice);
        let former = [0, 1, 2].map(|nth| former.get(nth));
        let secrets = ha1.as_ref().map(|current| Secrets { current, former });
        let proven = match authenticator.prove(now, &presented, secrets) {
            Proven::Right => "ok",
            Proven::Replay => "replay",
            Proven::Former(0) => "the last one before",
            Proven::Former(_) => "an older one",
            Proven::Wrong => "wrong",
        };
        (proven, presented.user.to_string())
    })
}

/// Secrets that alice had before.
const FORMER_SECRETS: [&str; 2] = ["kidur-nosag-tobim-lapor", "dafuz-hirop-gunum-babik"];

fn ha1_of_alice(secret: &str) -> Ha1 {
    ha1("alice", REALM, secret)
}

fn verify(authenticator: &mut Authenticator, phone: &Phone, text: &str) -> &'static str {
    log_in(authenticator, phone, text).0
}

fn tries(authenticator: &mut Authenticator, phone: &Phone) -> &'static str {
    let nonce = match &phone.nonce {
        Some(nonce) => nonce.clone(),
        None => challenged(authenticator, 0, &home()),
    };
    let line = format!("Authorization: {}\r\n", phone.credentials(&nonce));
    verify(authenticator, phone, &phone.request(&line))
}

#[test]
fn each_field_counts() {
    fn check(change: impl FnOnce(&mut Phone), want: &str) {
        let mut phone = Phone::default();
        change(&mut phone);
        assert_eq!(tries(&mut authenticator(Limits::default()), &phone), want);
    }
    let md5 = |phone: &mut Phone| {
        (phone.algorithm, phone.hashed_algorithm) = (Some("MD5"), Algorithm::Md5);
    };
    check(|_| {}, "ok");
    check(md5, "ok");
    check(|p| (p.algorithm, p.hashed_algorithm) = (None, Algorithm::Md5), "ok");
    check(|p| p.algorithm = Some("sha-256"), "ok");
    // Secret and user.
    check(|p| p.secret = "wrong", "wrong");
    check(|p| (p.user, p.hashed_user) = ("mallory", "mallory"), "wrong");
    check(|p| p.user = "mallory", "wrong");
    check(|p| p.hashed_user = "mallory", "wrong");
    check(|p| (p.user, p.hashed_user) = ("al ice", "al ice"), "user name has no canonical form");
    check(|p| (p.user, p.hashed_user) = ("", ""), "user name has no canonical form");
    // Secrets that were changed are told from wrong ones, only for the user whose they were.
    check(|p| p.secret = FORMER_SECRETS[0], "the last one before");
    check(|p| p.secret = FORMER_SECRETS[1], "an older one");
    check(|p| (p.user, p.hashed_user, p.secret) = ("bob", "bob", FORMER_SECRETS[0]), "wrong");
    // Realm (A2): that of somebody else is no credential.
    check(|p| p.realm = "asterisk", "absent");
    check(|p| p.realm = "Ringfence.example", "absent");
    // Method and uri.
    check(|p| p.hashed_method = "INVITE", "wrong");
    check(|p| p.request_method = "INVITE", "wrong");
    check(|p| p.uri = "sip:other.example", "uri is not the Request-URI");
    check(|p| p.uri = "sip:bob@ringfence.example", "uri is not the Request-URI");
    check(|p| p.uri = "sips:ringfence.example", "uri is not the Request-URI");
    check(|p| p.uri = "sip:ringfence.example:5061", "uri is not the Request-URI");
    check(|p| p.uri = "tel:+4420", "uri is not the Request-URI");
    check(|p| p.uri = "", "uri is not the Request-URI");
    check(|p| p.uri = "sip:RINGFENCE.example:5060;transport=udp", "ok");
    check(|p| p.request_uri = "sip:ringfence.example;transport=udp", "ok");
    // Algorithm.
    check(|p| p.algorithm = Some("MD5"), "response does not fit the algorithm");
    check(
        |p| (p.algorithm, p.hashed_algorithm) = (Some("SHA-256"), Algorithm::Md5),
        "response does not fit the algorithm",
    );
    check(|p| p.algorithm = Some("SHA-256-sess"), "algorithm was not offered");
    check(|p| p.cut = 1, "response does not fit the algorithm");
    // Count and protection.
    check(|p| p.qop = None, "qop is not auth");
    check(|p| p.qop = Some("auth-int"), "qop is not auth");
    check(|p| p.nc = "1", "nc is not eight hexadecimal digits, or zero");
    check(|p| p.nc = "00000000", "nc is not eight hexadecimal digits, or zero");
    check(|p| p.nc = "+0000001", "nc is not eight hexadecimal digits, or zero");
    check(|p| p.cnonce = "", "cnonce is missing");
    // Nonce (A3): time and source.
    check(|p| p.at_ms = 60_000, "ok");
    check(|p| p.at_ms = 60_001, "stale");
    check(|p| p.source = udp("198.51.100.7:33333"), "ok");
    check(|p| p.source = udp("198.51.100.8:5060"), "stale");
    check(|p| p.source = Flow::tcp(home().local, home().peer, 1), "stale");
    check(|p| p.nonce = Some("dcd98b7102dd2f0e8b11d0f600bfb0c093".into()), "stale");
    check(|p| p.nonce = Some(String::new()), "stale");
    // An old nonce is no oracle: the answer does not depend on the secret.
    check(|p| (p.at_ms, p.secret) = (60_001, "wrong"), "stale");
}

#[test]
fn each_count_of_a_nonce_is_good_once() {
    let mut authenticator = authenticator(Limits::default());
    let nonce = challenged(&mut authenticator, 0, &home());
    let mut check = |nc: &'static str, want: &str| {
        let phone = Phone { nonce: Some(nonce.clone()), nc, ..Phone::default() };
        assert_eq!(tries(&mut authenticator, &phone), want, "{nc}");
    };
    check("00000001", "ok");
    check("00000001", "replay");
    check("00000003", "ok");
    check("00000002", "ok"); // Datagrams overtake each other.
    check("00000002", "replay");
    check("000000ff", "ok");
    check("000000FF", "replay");
    check("00000004", "replay"); // Too far behind to tell.
}

#[test]
fn a_wrong_secret_uses_nothing_up() {
    let mut authenticator = authenticator(Limits::default());
    let nonce = challenged(&mut authenticator, 0, &home());
    let wrong = Phone { nonce: Some(nonce.clone()), secret: "wrong", ..Phone::default() };
    let right = Phone { nonce: Some(nonce), ..Phone::default() };
    assert_eq!(tries(&mut authenticator, &wrong), "wrong");
    assert_eq!(authenticator.nonces.counted_len(), 0, "D2: only who has a secret is remembered");
    assert_eq!(tries(&mut authenticator, &right), "ok");
}

#[test]
fn after_a_restart_what_was_used_stays_used() {
    let mut before = authenticator(Limits::default());
    let nonce = challenged(&mut before, 0, &home());
    let phone = Phone { nonce: Some(nonce), ..Phone::default() };
    assert_eq!(tries(&mut before, &phone), "ok");
    let mut after = Authenticator::new(REALM, [9; 32], Limits::default());
    assert_eq!(tries(&mut after, &phone), "stale");
}

#[test]
fn one_of_several_credentials_is_judged() {
    let mut authenticator = authenticator(Limits::default());
    let mut check = |phones: &[Phone], extra: &str, want: &str| {
        let nonce = challenged(&mut authenticator, 0, &home());
        let lines =
            phones.iter().map(|phone| format!("Authorization: {}\r\n", phone.credentials(&nonce)));
        let text = Phone::default().request(&(extra.to_owned() + &lines.collect::<String>()));
        assert_eq!(verify(&mut authenticator, &Phone::default(), &text), want, "{text}");
    };
    let good = Phone::default();
    let foreign = Phone { realm: "asterisk", ..Phone::default() };
    let md5 = Phone { algorithm: None, hashed_algorithm: Algorithm::Md5, ..Phone::default() };
    let bad_md5 = Phone { secret: "wrong", ..md5.clone() };
    let bad = Phone { secret: "wrong", ..Phone::default() };
    let unknown = Phone { algorithm: Some("SHA-512-256"), ..Phone::default() };
    check(&[], "", "absent");
    check(std::slice::from_ref(&foreign), "", "absent");
    check(&[foreign, good.clone()], "", "ok");
    check(&[bad_md5.clone(), good.clone()], "", "ok");
    check(&[good.clone(), bad_md5], "", "ok");
    check(&[md5, bad.clone()], "", "wrong");
    check(&[bad.clone(), good.clone()], "", "wrong"); // The first of its kind.
    check(&[good.clone(), bad], "", "ok");
    check(std::slice::from_ref(&unknown), "", "algorithm was not offered");
    check(&[unknown, good.clone()], "", "ok");
    check(&[], "Authorization: Basic YTpi\r\n", "absent");
    check(&[], "Authorization: Digest username=\"alice\"\r\n", "credentials cannot be read");
    check(std::slice::from_ref(&good), "Authorization: Digest username=\"alice\"\r\n", "ok");
    check(&[], &format!("Proxy-Authorization: {}\r\n", good.credentials("x")), "absent");
}

#[test]
fn one_account_has_one_name() {
    fn check(text: &str, want: Option<&str>) {
        assert_eq!(canonical_user(text).as_deref(), want, "{text}");
    }
    check("alice", Some("alice"));
    check("ALICE", Some("alice"));
    check("%61lice", Some("alice"));
    check("%41lice", Some("alice"));
    check("alice;phone-context=x", Some("alice"));
    check("line%31", Some("line1"));
    check("a.b_c-d+e9", Some("a.b_c-d+e9"));
    check("", None);
    check(";x", None);
    check("al ice", None);
    check("alice@ringfence.example", None);
    check("alice%40x", None);
    check("alice%00", None);
    check("%2561lice", None); // Undone once.
    check("alice%", None);
    check("alice%6", None);
    check("alice%6g", None);
    check("al\\ice", None);
    check("älice", None);
    check(&"a".repeat(64), Some(&"a".repeat(64)));
    check(&"a".repeat(65), None);
}

#[test]
fn aliases_are_looked_up_by_the_one_name() {
    for user in ["ALICE", "%61lice", "Alice;x=y"] {
        let mut authenticator = authenticator(Limits::default());
        // A guesser may hash what he likes; what counts is whom it is charged to.
        let guess = Phone { user, secret: "wrong", ..Phone::default() };
        let right = Phone { user, ..Phone::default() };
        for (phone, want) in [(guess, "wrong"), (right, "ok")] {
            let nonce = challenged(&mut authenticator, 0, &home());
            let line = format!("Authorization: {}\r\n", phone.credentials(&nonce));
            let got = log_in(&mut authenticator, &phone, &phone.request(&line));
            assert_eq!(got, (want, "alice".to_owned()), "{user}");
        }
    }
}

#[test]
fn an_unknown_user_never_gets_in() {
    // Not even with the verifiers that stand in for his.
    let mut authenticator = authenticator(Limits::default());
    let nonce = challenged(&mut authenticator, 0, &home());
    let asked = Asked {
        method: Method::Register,
        uri: "sip:ringfence.example",
        nonce: &nonce,
        counted: Some(("00000001", "c")),
    };
    let stand_in = Hash::of_ha1(&authenticator.dummy, Algorithm::Sha256);
    let response = hash::response(Algorithm::Sha256, &stand_in, &asked).to_hex();
    let line = format!(
        "Authorization: Digest username=\"nobody\",realm=\"{REALM}\",nonce=\"{nonce}\",\
         uri=\"sip:ringfence.example\",response=\"{}\",nc=00000001,cnonce=\"c\",qop=auth,algorithm=SHA-256\r\n",
        std::str::from_utf8(response.as_bytes()).unwrap()
    );
    let phone = Phone::default();
    let got = verify(&mut authenticator, &phone, &phone.request(&line));
    assert_eq!(got, "wrong");
}
