//! Challenges: ours to phones, carriers' to us.

use super::super::uac::{AnswerError, Attempt, answer_response};
use super::*;

#[test]
fn without_md5_it_is_neither_offered_nor_taken() {
    let mut strict = authenticator(Limits { md5: false, ..Limits::default() });
    let md5 = Phone { algorithm: None, hashed_algorithm: Algorithm::Md5, ..Phone::default() };
    assert_eq!(tries(&mut strict, &md5), "algorithm was not offered");
    assert_eq!(tries(&mut strict, &Phone::default()), "ok");
    let mut out = Vec::new();
    strict.challenge(&mut out, Name::WwwAuthenticate, now(0), &home(), false, usize::MAX);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("WWW-Authenticate").count(), 1, "{text}");
    assert!(!text.contains("MD5"), "{text}");
}

#[test]
fn a_challenge_offers_sha_256_first() {
    for stale in [false, true] {
        let mut out = Vec::new();
        let mut authenticator = authenticator(Limits::default());
        authenticator.challenge(
            &mut out,
            Name::ProxyAuthenticate,
            now(0),
            &home(),
            stale,
            usize::MAX,
        );
        let lines = String::from_utf8(out).unwrap();
        let text = format!(
            "SIP/2.0 407 X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:a@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        with(&text, |response| {
            let all: Vec<_> =
                response.challenges(Name::ProxyAuthenticate).map(Result::unwrap).collect();
            let algorithms: Vec<_> = all.iter().map(|challenge| challenge.algorithm).collect();
            assert_eq!(algorithms, [Some("SHA-256"), Some("MD5")]);
            for challenge in all {
                assert_eq!((challenge.realm, challenge.qop), (REALM, Some("auth")));
                assert_eq!(challenge.stale, stale);
            }
        });
    }
}

#[test]
fn realms_are_made_harmless() {
    let mut authenticator = Authenticator::new("a\"b\\c\r\nd", [0; 32], Limits::default());
    assert_eq!(authenticator.realm(), "abcd");
    let mut out = Vec::new();
    authenticator.challenge(&mut out, Name::WwwAuthenticate, now(0), &home(), false, usize::MAX);
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 2);
}

#[test]
fn carriers_are_answered_for_the_pinned_realm_only() {
    let attempt = Attempt {
        method: Method::Invite,
        uri: "sip:+4420@carrier.example",
        user: "us",
        secret: "s3",
        realm: "carrier.example",
        cnonce: "cc",
        nc: 1,
    };
    fn answered(status: u16, lines: &str, attempt: &Attempt<'_>) -> Result<String, AnswerError> {
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:a@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let mut out = Vec::new();
        with(&text, |response| answer_response(&mut out, response, attempt))?;
        Ok(String::from_utf8(out).unwrap())
    }
    let check = |status: u16, lines: &str, want: Result<&str, AnswerError>| {
        let got = answered(status, lines, &attempt);
        match want {
            Ok(part) => {
                assert!(got.as_ref().is_ok_and(|line| line.contains(part)), "{lines} {got:?}")
            }
            Err(error) => assert_eq!(got, Err(error), "{lines}"),
        }
    };
    let ours = "Digest realm=\"carrier.example\", nonce=\"n\", qop=\"auth\"";
    let www = |rest: &str| format!("WWW-Authenticate: {rest}\r\n");
    check(401, &www(ours), Ok("Authorization: Digest username=\"us\","));
    check(407, &format!("Proxy-Authenticate: {ours}\r\n"), Ok("Proxy-Authorization: Digest "));
    check(401, &www(ours), Ok("algorithm=MD5,qop=auth,nc=00000001\r\n"));
    check(401, &www(&format!("{ours},algorithm=SHA-256")), Ok("algorithm=SHA-256"));
    check(401, &www(&format!("{ours},opaque=\"o\\\"p\"")), Ok(",opaque=\"o\\\"p\""));
    check(401, &www("Digest realm=\"carrier.example\", nonce=\"n\""), Ok("algorithm=MD5\r\n"));
    check(
        401,
        &www("Digest realm=\"carrier.example\", nonce=\"n\", qop=\"auth-int, auth\""),
        Ok("qop=auth,"),
    );
    // The favourite of the server stands first.
    let both = www(&format!("{ours},algorithm=SHA-256")) + &www(ours);
    check(401, &both, Ok("algorithm=SHA-256"));
    let unknown_first = www(&format!("{ours},algorithm=SHA-512-256")) + &www(ours);
    check(401, &unknown_first, Ok("algorithm=MD5"));
    check(401, "", Err(AnswerError::NoChallenge));
    check(403, &www(ours), Err(AnswerError::NoChallenge));
    check(401, &format!("Proxy-Authenticate: {ours}\r\n"), Err(AnswerError::NoChallenge));
    check(
        401,
        &www("Digest realm=\"ringfence.example\", nonce=\"n\""),
        Err(AnswerError::ForeignRealm),
    );
    check(
        401,
        &www("Digest realm=\"carrier.example\", nonce=\"n\", qop=\"auth-int\""),
        Err(AnswerError::Unsupported),
    );
    check(401, &www(&format!("{ours},algorithm=AKAv1-MD5")), Err(AnswerError::Unsupported));
}

#[test]
fn our_answers_satisfy_our_challenges() {
    for (md5, limits) in
        [(true, Limits::default()), (false, Limits { md5: false, ..Limits::default() })]
    {
        let mut authenticator = authenticator(limits);
        let mut lines = Vec::new();
        authenticator.challenge(
            &mut lines,
            Name::WwwAuthenticate,
            now(0),
            &home(),
            false,
            usize::MAX,
        );
        let lines = String::from_utf8(lines).unwrap();
        // With MD5 offered, answer that one, as an old carrier would.
        let picked = lines.lines().last().unwrap();
        assert_eq!(picked.contains("MD5"), md5);
        let response = format!(
            "SIP/2.0 401 X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:a@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{picked}\r\nContent-Length: 0\r\n\r\n"
        );
        let attempt = Attempt {
            method: Method::Register,
            uri: "sip:ringfence.example",
            user: "alice",
            secret: SECRET,
            realm: REALM,
            cnonce: "cc",
            nc: 1,
        };
        let mut answer = Vec::new();
        with(&response, |response| answer_response(&mut answer, response, &attempt)).unwrap();
        let phone = Phone::default();
        let text = phone.request(std::str::from_utf8(&answer).unwrap());
        assert_eq!(verify(&mut authenticator, &phone, &text), "ok");
    }
}
