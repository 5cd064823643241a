//! What must hold for every message, and for everything that is none.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sip::flow::{Flow, Outbox};
use sip::message::{
    Challenge, Credentials, Message, Method, Name, NameAddr, Origin, ReplyHead, Uri, Via, describe,
    print, reply_stateless, salvage,
};
use sip::sdp;
use sip::stream::{Frame, Framer};

/// Good messages to start from.
const SEEDS: [&str; 4] = [
    "INVITE sip:b@h;x=y SIP/2.0\r\nv: SIP/2.0/UDP a:1;branch=z9hG4bK1 , SIP/2.0/TCP [::1]\r\nf: \"A \\\" B\" <sip:a@h>;tag=1\r\n\
     t:sip:b@h\r\ni: x@y\r\nCSeq: 7 INVITE\r\nMax-Forwards: 70\r\nm: <sip:a@1.2.3.4>;q=0.5,\r\n\t<sip:b@h?c=d>\r\n\
     k: timer, 100rel\r\nx: 90;refresher=uac\r\nRoute: <sip:r;lr>\r\nc: application/sdp\r\nl: 27\r\n\r\n\
     v=0\r\nm=audio 1 x\r\na=inactive",
    "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP a;received=1.2.3.4;rport=5\r\nFrom: <sip:a@h>;tag=1\r\nTo: <tel:+1-2;ext=3>;tag=2\r\n\
     Call-ID: x\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n",
    "REGISTER sip:h SIP/2.0\r\nVia: SIP / 2.0 / UDP a\r\n ;rport\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: x\r\nCSeq: 2 REGISTER\r\n\
     Authorization: Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", response=\"0\", nc=00000001\r\nContact: *\r\n\
     Expires: 0\r\nPath: <sip:p;lr>\r\nContent-Length: 0\r\n\r\n",
    "MESSAGE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: x\r\nCSeq: 2 MESSAGE\r\n\
     Content-Type: multipart/mixed;boundary=b\r\nContent-Length: 54\r\n\r\n\
     --b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n--b--\r\n....",
];

fn flow() -> Flow {
    let address = |text: &str| text.parse().expect("an address");
    Flow::udp(address("192.0.2.1:5060"), address("[2001:db8::9]:5062"))
}

/// Asks a message everything that can be asked.
fn ask_everything(message: &Message<'_>) {
    let _ = (message.contacts(), message.expires(), message.session_expires(), message.min_se());
    let _ = (message.rack(), message.rseq(), message.content_type(), message.named("x").count());
    for name in Name::all().chain([Name::Other]) {
        let _ = message.values(name).count();
        let _ = message.name_addrs(name).flatten().filter(|a| a.parse_uri().is_ok()).count();
        let _ = message.credentials(name).count() + message.challenges(name).count();
        let _ = message.has_option(name, "100rel");
    }
    assert_eq!(message.vias().next(), Some(message.via().raw));
    for via in message.vias() {
        assert!(Via::parse(via).is_ok(), "every Via was read: {via}");
    }
    let _ = sdp::inspect(message.content_type(), message.body);
    assert!(!describe(message).to_string().is_empty());
}

/// Parses, asks, answers, and parses the answer.
fn go_through(bytes: &[u8], origin: Origin) {
    let mut first = bytes.to_vec();
    let mut out = Outbox::default();
    match Message::parse(&mut first, origin) {
        Ok(message) => {
            ask_everything(&message);
            if message.is_request() {
                reply_stateless(&mut out, &message, &flow(), 403, "tag", |_| ());
                let _ = ReplyHead::new(&message, &flow());
            }
            let mut reply = out.iter().next().map(|(_, b)| b.to_vec()).unwrap_or_default();
            if message.is_request() && reply.len() < 16_000 {
                let reply = Message::parse(&mut reply, Origin::Stream).expect("our own answer");
                assert_eq!((reply.status(), reply.call_id()), (Some(403), message.call_id()));
                assert_eq!(reply.via().branch, message.via().branch);
                assert_eq!(reply.vias().count(), message.vias().count());
            }
            // Unfolded, it says the same.
            let mut again = [message.head().as_bytes(), message.body].concat();
            let lines: Vec<_> = message.lines().collect();
            let message_again = Message::parse(&mut again, Origin::Datagram).expect("the same");
            assert_eq!(lines, message_again.lines().collect::<Vec<_>>());
        }
        Err(error) => {
            assert!(error.at <= bytes.len() && error.line >= 1, "{error}");
            assert!(!error.to_string().contains(|c: char| c.is_control()), "{error}");
            if let Some(salvaged) = salvage(&first) {
                salvaged.reply(&mut out, &flow(), error.status(), "tag", |_| ());
            }
        }
    }
}

/// One careless or hostile change.
#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index),
    Insert(Index, &'static str),
}

fn changes() -> impl Strategy<Value = Change> {
    let pieces = vec![
        "\r\n",
        "\n",
        "\r",
        "\0",
        "\"",
        "\\",
        "<",
        ">",
        ";",
        ",",
        ":",
        "@",
        "%",
        "=",
        "?",
        " ",
        "\t",
        "\r\n ",
        "[",
        "]",
        "é",
        "\\\0",
        "sip:",
        "SIP/2.0/UDP ",
        "l: 5\r\n",
        "From: ",
        ";tag=",
        "99999999999",
        "--b",
        "*",
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (any::<Index>(), select(pieces)).prop_map(|(at, piece)| Change::Insert(at, piece)),
    ]
}

fn change(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let len = bytes.len().max(1);
        let span = |from: &Index, to: &Index| {
            let (a, b) = (from.index(len), to.index(len));
            a.min(b)..a.max(b).min(bytes.len())
        };
        match change {
            Change::Put(at, byte) if !bytes.is_empty() => bytes[at.index(len)] = *byte,
            Change::Put(..) => {}
            Change::Cut(from, to) => drop(bytes.drain(span(from, to))),
            Change::Repeat(from, to) => {
                let range = span(from, to);
                let at = range.end;
                let copy = bytes[range].to_vec();
                bytes.splice(at..at, copy);
            }
            Change::Insert(at, piece) => {
                let at = at.index(len).min(bytes.len());
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

fn frames(stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut framer = Framer::new();
    let mut seen = Vec::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let step = cuts.next().map_or(rest.len(), |&cut| cut.min(rest.len()));
        framer.push(&rest[..step]);
        rest = &rest[step..];
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => seen.push(format!("{:?}", &*bytes)),
                Ok(Some(frame)) => seen.push(format!("{frame:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            }
        }
        assert!(framer.capacity() <= 2 * (64 * 1024 + 16 * 1024), "{}", framer.capacity());
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn seeds_survive_what_is_done_to_them(seed in 0..SEEDS.len(), list in vec(changes(), 0..6), stream in any::<bool>()) {
        let bytes = change(SEEDS[seed].as_bytes().to_vec(), &list);
        go_through(&bytes, if stream { Origin::Stream } else { Origin::Datagram });
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300)) {
        go_through(&bytes, Origin::Datagram);
        let _ = frames(&bytes, &[1, 50]);
        let _ = sdp::inspect(Some("application/sdp"), &bytes);
        let _ = sdp::inspect(Some("multipart/mixed;boundary=b"), &bytes);
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,60}|[-a:@;,=<>\"\\\\%?\\[\\] 0\t]{0,40}") {
        let _ = (NameAddr::parse(&text), Via::parse(&text), Credentials::parse(&text), Challenge::parse(&text));
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert!(uri.equivalent(&uri), "{text}");
            let _ = (uri.user_decoded(), uri.host_ip(), uri.transport(), uri.is_loose());
        }
    }

    #[test]
    fn a_stream_is_cut_the_same_however_it_comes(
        parts in vec((0..SEEDS.len() + 2, vec(changes(), 0..2)), 0..5),
        cuts in vec(1..200usize, 1..8),
    ) {
        let stream: Vec<u8> = parts.iter().flat_map(|(part, list)| match SEEDS.get(*part) {
            Some(seed) => change(seed.as_bytes().to_vec(), list),
            None => b"\r\n\r\n"[..2 * (part - SEEDS.len() + 1)].to_vec(),
        }).collect();
        let whole = frames(&stream, &[]);
        prop_assert_eq!(&frames(&stream, &cuts), &whole);
        prop_assert_eq!(&frames(&stream, &[1]), &whole);
    }

    #[test]
    fn what_is_printed_is_read(
        method in select(vec!["INVITE", "BYE", "NOTIFY", "X-a.b!"]),
        user in "[-a-z0-9_.!~*'()&=+$,;?/]{1,20}",
        host in "[a-z][a-z0-9.-]{0,20}|\\[2001:db8::[1-9a-f]\\]",
        port in proptest::option::of(any::<u16>()),
        display in "\\PC{0,20}",
        tag in "[-a-zA-Z0-9.!%*_+`'~]{1,30}",
        subject in "[^\\p{Cc}]{0,40}",
        number in 0..0x8000_0000u32,
        body in vec(any::<u8>(), 0..100),
    ) {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let uri = format!("sip:{user}@{host}{port}");
        let mut out = Vec::new();
        print::request_line(&mut out, &Method::find(method), &uri);
        print::header(&mut out, Name::Via, format_args!("SIP/2.0/UDP {host}{port};branch=z9hG4bK{tag}"));
        let mut from = b"From: ".to_vec();
        print::quoted(&mut from, &display);
        out.extend(from);
        out.extend(format!(" <{uri}>;tag={tag}\r\n").bytes());
        print::header(&mut out, Name::To, format_args!("<{uri}>"));
        print::header(&mut out, Name::CallId, &tag);
        print::header(&mut out, Name::CSeq, format_args!("{number} {method}"));
        print::raw_header(&mut out, "X-Subject", &subject);
        print::finish(&mut out, Some("application/x"), &body);

        let message = Message::parse(&mut out, Origin::Stream);
        let message = message.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(message.method().map(Method::as_str), Some(method));
        prop_assert_eq!(message.request_uri(), Some(&*uri));
        let target = message.target().expect("a request");
        prop_assert_eq!((target.user, target.host), (Some(&*user), &*host));
        prop_assert_eq!(message.from().tag(), Some(&*tag));
        prop_assert_eq!(message.from().uri, &*uri);
        let shown: String = display.chars().flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c => vec![c],
        }).collect();
        prop_assert_eq!(message.from().display.unwrap_or(""), shown);
        prop_assert_eq!(message.cseq().number, number);
        prop_assert_eq!(message.named("x-subject").next(), Some(subject.trim_matches([' ', '\t'])));
        prop_assert_eq!(message.body, body);
    }
}

/// P1: 64 KiB of anything take at most ten milliseconds; a debug build may take longer.
#[test]
#[expect(clippy::disallowed_methods, reason = "this measures time")]
fn the_worst_message_is_read_in_time() {
    let limit_ms = if cfg!(debug_assertions) { 250 } else { 10 };
    let start = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";
    let fill = |piece: &str, len: usize| piece.repeat(len / piece.len());
    let heads = [
        fill("A: b\r\n", 700),
        format!("A: {}\r\n", fill("b\r\n ", 15_000)),
        format!("m: {}\r\n", fill("<sip:a>,", 15_000)),
        format!("m: {}\r\n", fill("\"<,", 15_000)),
        format!("m: <sip:a>{}\r\n", fill(";a=\"\\\\\"", 15_000)),
        format!("m: <sip:a{}>\r\n", fill(";a", 15_000)),
        format!("v: SIP/2.0/UDP b{}\r\n", fill(",SIP/2.0/UDP b", 15_000)),
        format!("v: SIP/2.0/UDP b{}\r\n", fill(";a", 15_000)),
        format!("Authorization: Digest a=b{}\r\n", fill(",a=b", 15_000)),
        format!("k: a{}\r\n", fill(",a", 15_000)),
        format!("A: {}\r\n", fill("(", 15_000)),
        format!("X: {}", fill("y", 80_000)),
        fill("l\r\n :", 15_000),
        format!(
            "c: multipart/mixed;boundary=\"{0}\"\r\n\r\n{1}",
            "-".repeat(70),
            fill("-----\r\n", 60_000)
        ),
        format!(
            "c: multipart/mixed;boundary=b\r\n\r\n{}",
            fill("--b\r\nc:multipart/x;boundary=b\r\n\r\n", 60_000)
        ),
        format!("c: application/sdp\r\n\r\nv=0\r\n{}", fill("a=\r\n", 60_000)),
    ];
    for head in heads {
        let text = format!("{start}{head}\r\n{}", "x".repeat(1_000));
        let best = (0..5).map(|_| {
            let began = std::time::Instant::now();
            go_through(text.as_bytes(), Origin::Datagram);
            began.elapsed()
        });
        let best = best.min().expect("five times");
        assert!(best.as_millis() <= limit_ms, "{best:?}: {:.60}", head);
    }
}
