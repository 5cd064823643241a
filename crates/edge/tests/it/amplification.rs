//! What strangers are answered by UDP, in bytes out for bytes in (D1).

use crate::calls::alice;
use crate::town::*;
use crate::ua::Ua;
use crate::wire::Got;
use crate::world::World;

/// The shortest that the parser takes.
fn tiny(method: &str, extra: &str) -> String {
    format!(
        "{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP a\r\nf:<sip:a>;tag=1\r\nt:<sip:a>\r\ni:1\r\n\
         CSeq:1 {method}\r\n{extra}\r\n"
    )
}

/// Filled up with a header that nobody answers.
fn padded(text: &str, length: usize) -> String {
    let missing = length.saturating_sub(text.len());
    let (head, rest) = text.split_at(text.len() - 2);
    match missing {
        0..4 => text.to_owned(),
        _ => format!("{head}P:{}\r\n{rest}", "x".repeat(missing - 4)),
    }
}

/// What comes back for one datagram of a stranger.
fn answers_to(world: &World, stranger: &Ua, text: &str) -> Vec<Got> {
    stranger.send(text);
    let mut got = Vec::new();
    while let Some(answer) = world.take(&stranger.flow, |_| true) {
        got.push(answer);
    }
    got
}

/// Everything that a stranger may send, as short as can be.
fn shapes() -> Vec<String> {
    let methods = [
        "REGISTER",
        "INVITE",
        "OPTIONS",
        "BYE",
        "CANCEL",
        "REFER",
        "MESSAGE",
        "SUBSCRIBE",
        "UPDATE",
        "PRACK",
        "FROB",
        "ACK",
    ];
    let mut shapes: Vec<String> = methods.iter().map(|method| tiny(method, "")).collect();
    for extra in [
        "Require:x\r\n",
        "Max-Forwards:0\r\n",
        "x:9\r\n",
        "Authorization:Digest x\r\n",
        "Authorization:Digest realm=\"ringfence.test\"\r\n",
        "Proxy-Authorization:Digest realm=\"ringfence.test\"\r\n",
        "Content-Length:-1\r\n",
        "Content-Length:99\r\n",
        "Expires:9\r\nm:*\r\n",
        "v:SIP/2.0/UDP a,SIP/2.0/UDP a,SIP/2.0/UDP a,SIP/2.0/UDP a,SIP/2.0/UDP a\r\n",
        "v:SIP/2.0/UDP a\r\nv:SIP/2.0/UDP a\r\nv:SIP/2.0/UDP a\r\nv:SIP/2.0/UDP a\r\n",
    ] {
        shapes.extend(["REGISTER", "INVITE", "OPTIONS"].map(|method| tiny(method, extra)));
    }
    let with_rport = |text: &String| text.replacen("UDP a\r\n", "UDP a;rport\r\n", 1);
    let in_dialog = |text: &String| text.replace("t:<sip:a>\r\n", "t:<sip:a>;tag=0.0.a0.x\r\n");
    let more: Vec<String> = shapes.iter().flat_map(|s| [with_rport(s), in_dialog(s)]).collect();
    shapes.extend(more);
    shapes
}

#[test]
fn d1_no_answer_is_longer_than_the_question_and_no_challenge_than_half_again() {
    let world = World::with(unlimited);
    let stranger = world.ua("203.0.113.200:65535", ("x", ""));
    let stranger6 = world.ua("[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535", ("x", ""));
    let (mut answered, mut worst, mut worst_refusal) = (0, 0.0_f64, 0.0_f64);
    for shape in shapes() {
        for length in (0..700).step_by(9) {
            let text = padded(&shape, length);
            for stranger in [&stranger, &stranger6] {
                let answers = answers_to(&world, stranger, &text);
                let out: usize = answers.iter().map(|answer| answer.bytes.len()).sum();
                let is_challenge = |got: &Got| matches!(got.status, 401 | 407);
                let ratio = out as f64 / text.len() as f64;
                if answers.iter().any(is_challenge) {
                    assert!(2 * out <= 3 * text.len(), "{out} to {}:\n{text}", text.len());
                    worst = worst.max(ratio);
                } else {
                    assert!(out <= text.len(), "{out} to {}:\n{text}", text.len());
                    worst_refusal = worst_refusal.max(ratio);
                }
                answered += usize::from(out > 0);
            }
        }
    }
    assert!(answered > 10_000, "{answered}: the test sees nothing");
    assert!(worst > 1.4, "{worst}: the test does not go to the limit");
    assert!(worst_refusal > 0.99, "{worst_refusal}: the test does not go to the limit");
    assert_eq!(world.stats().transactions, (0, 0));
    world.finish();
}

#[test]
fn the_less_room_the_fewer_challenges_and_the_first_is_sha_256() {
    for method in ["REGISTER", "INVITE"] {
        let world = World::with(unlimited);
        let stranger = world.ua("203.0.113.200:5060", ("x", ""));
        let mut offers = Vec::new();
        for length in 100..600 {
            let answers = answers_to(&world, &stranger, &padded(&tiny(method, ""), length));
            let offered = |answer: &Got| {
                let lines =
                    answer.headers.iter().filter(|(name, _)| name.contains("-Authenticate"));
                lines.map(|(_, value)| value.contains("SHA-256")).collect::<Vec<_>>()
            };
            let offer = answers.first().map_or_else(Vec::new, offered);
            assert!(answers.len() <= 1 && offer.is_empty() == answers.is_empty(), "{length}");
            if offers.last() != Some(&offer) {
                offers.push(offer);
            }
        }
        assert_eq!(offers, [vec![], vec![true], vec![true, false]], "{method}");
        world.finish();
    }
}

#[test]
fn what_phones_send_gets_both_challenges() {
    let world = World::new();
    // Shorter than any phone's: no Allow, no Supported, short names.
    let phone = alice(&world);
    let request = phone.register_request(3600);
    assert!(phone.text(&request).len() < 350, "{}", phone.text(&request).len());
    phone.send_request(&request);
    assert_eq!(phone.expect(401).all("WWW-Authenticate").count(), 2);
    let request = phone.invite_request(FIXED);
    phone.send_request(&request);
    assert_eq!(phone.expect(407).all("Proxy-Authenticate").count(), 2);
    // A stream's source is proved: there the shortest gets both.
    let stream = world.tcp_ua("203.0.113.7:5060", ALICE);
    let text = tiny("REGISTER", "l:0\r\n").replace("UDP", "TCP");
    assert_eq!(answers_to(&world, &stream, &text)[0].all("WWW-Authenticate").count(), 2);
    world.finish();
}
