//! Our own torture messages against the parser: as datagrams, cut out of a stream in pieces, and answered.
//! What a node does with the well-formed ones is tested where the node is, from the same list.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sip::flow::{Flow, Outbox};
use sip::message::{Message, Origin, ReplyHead, describe, print, salvage};
use sip::stream::{Frame, Framer};

const AFTERWARDS: &str = "OPTIONS sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKafter\r\n\
    From: <sip:carol@example.net>;tag=1\r\nTo: <sip:dave@example.org>\r\nCall-ID: after\r\nCSeq: 1 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

/// Sections that hold messages: RFC 4475 by group and count, RFC 5118 from 4.1 on.
const RFC_4475: [(&str, usize); 5] =
    [("3.1.1", 13), ("3.1.2", 19), ("3.2", 1), ("3.3", 15), ("3.4", 1)];
const RFC_5118: (&str, usize) = ("4", 10);

/// One row of the list.
struct Case {
    file: String,
    source: String,
    start: String,
    layer: String,
    datagram: String,
    stream: String,
    above: String,
    bytes: Vec<u8>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

fn cases() -> Vec<Case> {
    let list = fs::read_to_string(folder().join("manifest.tsv")).expect("the list is there");
    let mut rows = list.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(rows.next(), Some("file\tsource\tstart\tlayer\tdatagram\tstream\tabove\tnote"));
    let case = |row: &str| {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, source, start, layer, datagram, stream, above, _note] = columns[..] else {
            panic!("eight columns: {row}");
        };
        let own = str::to_owned;
        Case {
            file: own(file),
            source: own(source),
            start: own(start),
            layer: own(layer),
            datagram: own(datagram),
            stream: own(stream),
            above: own(above),
            bytes: fs::read(folder().join(file)).expect(file),
        }
    };
    rows.map(case).collect()
}

fn parsed(bytes: &[u8], origin: Origin) -> String {
    match Message::parse(&mut bytes.to_vec(), origin) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.status().to_string(),
    }
}

#[test]
fn every_section_is_covered_and_every_file_listed() {
    let cases = cases();
    let sources: BTreeSet<&str> = cases.iter().map(|case| case.source.as_str()).collect();
    for (group, count) in RFC_4475 {
        for section in 1..=count {
            let source = format!("RFC 4475 §{group}.{section}");
            assert!(sources.contains(source.as_str()), "{source}");
        }
    }
    for section in 1..=RFC_5118.1 {
        let source = format!("RFC 5118 §{}.{section}", RFC_5118.0);
        assert!(sources.contains(source.as_str()), "{source}");
    }
    let listed: BTreeSet<String> = cases.iter().map(|case| case.file.clone()).collect();
    let there: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("text"))
        .filter(|name| name.ends_with(".sip"))
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn as_datagrams() {
    for case in cases() {
        assert_eq!(parsed(&case.bytes, Origin::Datagram), case.datagram, "{}", case.file);
        let refused_here = case.datagram != "ok" && case.start != "keep-alive";
        let judged_here = case.layer == "parser";
        assert_eq!(refused_here, judged_here, "{}", case.file);
        assert_eq!(parsed(AFTERWARDS.as_bytes(), Origin::Datagram), "ok", "after {}", case.file);
    }
}

/// What comes out of a stream that comes in pieces of `step` bytes: frames joined by `+`.
fn streamed(bytes: &[u8], step: usize) -> String {
    let mut framer = Framer::new();
    let mut seen: Vec<String> = Vec::new();
    for piece in bytes.chunks(step) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(message))) => seen.push(parsed(message, Origin::Stream)),
                Ok(Some(Frame::KeepAlivePing)) => seen.push("ping".to_owned()),
                Ok(Some(Frame::Pong)) => {}
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("frame:{}", error.status()));
                    return seen.join("+");
                }
            }
        }
    }
    if framer.is_inside() {
        seen.push("waits".to_owned());
    }
    seen.join("+")
}

#[test]
fn out_of_streams() {
    for case in cases() {
        for step in [1, 2, 7, 100, case.bytes.len()] {
            assert_eq!(streamed(&case.bytes, step), case.stream, "{} by {step}", case.file);
        }
        if case.stream.contains("frame:") || case.stream.contains("waits") {
            continue;
        }
        // The stream can be read on: a message after it is not lost.
        let more = [&case.bytes, AFTERWARDS.as_bytes()].concat();
        assert_eq!(streamed(&more, 11), format!("{}+ok", case.stream), "after {}", case.file);
    }
}

#[test]
fn answered_when_there_is_enough_to_answer() {
    let address = |text: &str| text.parse().expect("an address");
    let flow = Flow::udp(address("203.0.113.1:5060"), address("203.0.113.9:5062"));
    for case in cases() {
        let mut bytes = case.bytes.clone();
        let mut out = Outbox::default();
        match Message::parse(&mut bytes, Origin::Datagram) {
            Ok(message) => {
                assert!(!describe(&message).to_string().is_empty());
                if message.is_request() {
                    let start = out.begin();
                    ReplyHead::new(&message, &flow).begin(&mut out.arena, 200, "OK", "tag");
                    print::finish(&mut out.arena, None, b"");
                    out.finish(start, flow);
                }
            }
            Err(error) => {
                if let Some(salvaged) = salvage(&bytes) {
                    salvaged.reply(&mut out, &flow, error.status(), "tag", |_| ());
                }
                let got =
                    out.iter().next().map_or("none".to_owned(), |_| error.status().to_string());
                assert_eq!(got, case.above, "{}: {error}", case.file);
            }
        }
        let Some((_, reply)) = out.iter().next() else { continue };
        assert!(!String::from_utf8_lossy(reply).contains("tag;tag"), "{}", case.file);
        if case.layer == "above" {
            // An answer to a message that we take is one that we take.
            assert_eq!(parsed(reply, Origin::Stream), "ok", "{}", case.file);
        }
    }
}

#[test]
fn what_was_meant_is_what_is_read() {
    fn check(file: &str, see: impl FnOnce(&Message<'_>) -> Vec<String>, want: &[&str]) {
        let mut bytes = fs::read(folder().join(file)).expect(file);
        let message = Message::parse(&mut bytes, Origin::Datagram).expect(file);
        assert_eq!(see(&message), want, "{file}");
    }
    use sip::message::{Name, Uri};
    let own = |text: &str| text.to_owned();
    check(
        "tortuous-invite.sip",
        |m| {
            let contact = m.name_addrs(Name::Contact).next().expect("there").expect("good");
            let mut seen = vec![
                own(m.to().tag().expect("tag")),
                own(m.from().display.expect("display")),
                m.cseq().number.to_string(),
                m.vias().count().to_string(),
                own(m.via().branch.expect("branch")),
                own(contact.param("q").expect("q")),
                m.max_forwards().expect("there").to_string(),
            ];
            seen.extend(m.header(Name::Subject).map(own));
            seen
        },
        &["77aa01q", "D \\\\\\\" Carol", "12", "3", "7zz1", "0.42", "41", ""],
    );
    check(
        "percent-escapes.sip",
        |m| vec![m.target().expect("request").user_decoded().into_owned(), own(m.from().uri)],
        &["sips:dave@example.net", "sip:I%20have%20spaces@example.net"],
    );
    check(
        "percent-is-no-escape.sip",
        |m| {
            let method = m.method().expect("request");
            vec![format!("{method:?}"), m.values(Name::Contact).count().to_string()]
        },
        &["Other(\"RE%47IST%45R\")", "1"],
    );
    check(
        "semicolon-in-user.sip",
        |m| {
            let uri = m.target().expect("request");
            vec![uri.user_decoded().into_owned(), own(uri.host), own(uri.params.as_str())]
        },
        &["user;par=u@example.org", "example.net", ""],
    );
    check(
        "contact-parameter.sip",
        |m| {
            let contact = m.name_addrs(Name::Contact).next().expect("there").expect("good");
            vec![own(contact.uri), own(contact.params.as_str())]
        },
        &["sip:+19725552222@gw.example.net", ";unknownparam"],
    );
    check(
        "contact-uri-parameter.sip",
        |m| {
            let contact = m.name_addrs(Name::Contact).next().expect("there").expect("good");
            let uri = Uri::parse(contact.uri).expect("good");
            vec![own(uri.params.as_str()), own(contact.params.as_str())]
        },
        &[";unknownparam", ""],
    );
    check(
        "ipv6-port-inside.sip",
        |m| {
            vec![
                own(m.target().expect("request").host),
                format!("{:?}", m.target().expect("request").port),
            ]
        },
        &["[2001:db8::21:5070]", "None"],
    );
    check(
        "ipv6-three-colons.sip",
        |m| vec![m.target().expect("request").host_ip().expect("address").to_string()],
        &["2001:db8::cb00:7101"],
    );
    check(
        "trailing-octets.sip",
        |m| vec![m.body.len().to_string(), m.lines().count().to_string()],
        &["0", "8"],
    );
}
