//! The registrar seen from outside.

use super::*;
use crate::message::Origin;

mod flows;
mod lives;

const LINE: LineId = LineId(7);
const WALL: i64 = 1_800_000_000_000_000;

/// An instant in milliseconds after the start.
fn at(ms: u64) -> Now {
    Now { tick: Tick(ms * 1_000), wall: UnixMicros(WALL + ms as i64 * 1_000) }
}

fn udp(peer: &str) -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), peer.parse().unwrap())
}

fn tcp(peer: &str, connection: u32) -> Flow {
    Flow::tcp("192.0.2.1:5060".parse().unwrap(), peer.parse().unwrap(), connection)
}

fn home() -> Flow {
    udp("198.51.100.7:5062")
}

fn registrar() -> Registrar {
    let own = vec!["192.0.2.1:5060".parse().unwrap(), "[2001:db8::1]:5060".parse().unwrap()];
    Registrar::new(HashKey(1, 2), Limits::default(), own, vec!["ringfence.example".into()])
}

/// A REGISTER with the given Call-ID, CSeq and further lines.
struct Register<'a> {
    call_id: &'a str,
    cseq: u32,
    lines: &'a str,
}

fn text(register: &Register<'_>) -> String {
    format!(
        "REGISTER sip:ringfence.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1;rport\r\n\
         From: <sip:alice@ringfence.example>;tag=1\r\nTo: <sip:alice@ringfence.example>\r\n\
         Call-ID: {}\r\nCSeq: {} REGISTER\r\nMax-Forwards: 70\r\n{}Content-Length: 0\r\n\r\n",
        register.call_id, register.cseq, register.lines
    )
}

fn with<T>(text: &str, check: impl FnOnce(&Message<'_>) -> T) -> T {
    let mut bytes = text.as_bytes().to_vec();
    check(&Message::parse(&mut bytes, Origin::Datagram).expect(text))
}

/// A registrar, a phone that counts its requests, and what the store would have been told.
struct World {
    registrar: Registrar,
    cseq: u32,
}

impl World {
    fn new() -> World {
        World { registrar: registrar(), cseq: 0 }
    }

    fn sends(&mut self, ms: u64, flow: &Flow, lines: &str) -> Result<Vec<Change>, RegisterError> {
        self.cseq += 1;
        self.sends_as(ms, flow, &Register { call_id: "c1", cseq: self.cseq, lines })
    }

    fn sends_as(
        &mut self,
        ms: u64,
        flow: &Flow,
        register: &Register<'_>,
    ) -> Result<Vec<Change>, RegisterError> {
        let registered =
            with(&text(register), |request| self.registrar.register(at(ms), LINE, request, flow))?;
        Ok(registered.changes)
    }

    /// Contact URIs, sorted.
    fn uris(&self) -> Vec<String> {
        let mut uris: Vec<String> =
            self.registrar.contacts(LINE).map(|binding| binding.uri().to_owned()).collect();
        uris.sort();
        uris
    }

    fn written(&self, ms: u64) -> String {
        let mut out = Vec::new();
        self.registrar.write_contacts(LINE, at(ms), &mut out);
        String::from_utf8(out).unwrap()
    }
}

/// Changes in short: `+uri`, `=uri`, `-uri`.
fn short(changes: &[Change]) -> Vec<String> {
    let short = changes.iter().map(|change| match change {
        Change::Added(record) => format!("+{}", record.contact),
        Change::Changed(record) => format!("~{}", record.contact),
        Change::Persist(record) => format!("={}", record.contact),
        Change::Removed { contact } => format!("-{contact}"),
    });
    short.collect()
}

fn status(result: Result<Vec<Change>, RegisterError>) -> u16 {
    result.map_or_else(|error| error.status, |_| 200)
}

#[test]
fn a_phone_comes_stays_and_goes() {
    let mut world = World::new();
    let contact = "Contact: <sip:alice@10.0.0.9:5062;ob>;expires=600\r\nUser-Agent: Phone/1\r\n";
    let changes = world.sends(0, &home(), contact).unwrap();
    let want = BindingRecord {
        line: LINE,
        contact: "sip:alice@10.0.0.9:5062;ob".into(),
        path: vec![],
        call_id: "c1".into(),
        cseq: 1,
        expires: UnixMicros(WALL + 600_000_000),
        transport: "udp".into(),
        peer: home().peer,
        local: home().local,
        user_agent: "Phone/1".into(),
        outbound: None,
    };
    assert_eq!(changes, [Change::Added(Box::new(want))]);
    let binding = world.registrar.contacts(LINE).next().unwrap();
    assert_eq!((binding.flow(), binding.q(), binding.user_agent()), (home(), 1_000, "Phone/1"));
    assert_eq!(world.written(0), "Contact: <sip:alice@10.0.0.9:5062;ob>;expires=600\r\n");
    assert_eq!(world.written(599_001), "Contact: <sip:alice@10.0.0.9:5062;ob>;expires=0\r\n");
    assert_eq!(world.sends(1_000, &home(), "").unwrap(), [], "it only asks");
    assert_eq!(world.registrar.contacts(LineId(8)).count(), 0);
    let gone =
        world.sends(2_000, &home(), "Contact: <sip:alice@10.0.0.9:5062;ob>\r\nExpires: 0\r\n");
    assert_eq!(short(&gone.unwrap()), ["-sip:alice@10.0.0.9:5062;ob"]);
    assert!(world.registrar.is_empty());
    let again = world.sends(3_000, &home(), "Contact: <sip:alice@10.0.0.9:5062;ob>;expires=0\r\n");
    assert_eq!(again.unwrap(), [], "it was not there");
}

#[test]
fn how_long() {
    fn check(lines: &str, want: Result<u64, (u16, Option<u32>)>) {
        let mut world = World::new();
        let got = world.sends(0, &home(), lines);
        let got = got.map_err(|error| (error.status, error.min_expires)).map(|_| {
            world.registrar.contacts(LINE).next().map_or(0, |b| b.expires().0 / 1_000_000)
        });
        assert_eq!(got, want, "{lines}");
    }
    let contact = |params: &str, rest: &str| format!("Contact: <sip:a@10.0.0.9>{params}\r\n{rest}");
    check(&contact("", ""), Ok(3_600));
    check(&contact("", "Expires: 120\r\n"), Ok(120));
    check(&contact(";expires=90", "Expires: 120\r\n"), Ok(90));
    check(&contact(";expires=60", ""), Ok(60));
    check(&contact(";expires=59", ""), Err((423, Some(60))));
    check(&contact(";expires=1", ""), Err((423, Some(60))));
    check(&contact("", "Expires: 59\r\n"), Err((423, Some(60))));
    check(&contact(";expires=0", ""), Ok(0));
    check(&contact(";expires=3601", ""), Ok(3_600));
    check(&contact(";expires=4294967295", ""), Ok(3_600));
    check(&contact(";expires=99999999999", ""), Ok(3_600));
    check(&contact(";expires=soon", "Expires: 120\r\n"), Ok(3_600)); // RFC 3261 §20.10.
    check(&contact(";expires", "Expires: 120\r\n"), Ok(3_600));
}

#[test]
fn where_a_contact_may_be() {
    fn check(contact: &str, want: u16) {
        let mut world = World::new();
        let got = status(world.sends(0, &home(), &format!("Contact: {contact}\r\n")));
        assert_eq!(got, want, "{contact}");
        assert_eq!(world.registrar.len(), usize::from(want == 200), "{contact}");
    }
    check("<sip:alice@10.0.0.9>", 200);
    check("sip:10.0.0.9", 200);
    check("<sip:alice@phone.example;transport=tcp>", 200);
    // A third party: stored, but calls go where the REGISTER came from.
    check("<sip:victim@203.0.113.66:5060>", 200);
    // At ourselves, in each spelling.
    check("<sip:alice@192.0.2.1>", 403);
    check("<sip:alice@192.0.2.1:5060>", 403);
    check("<sip:alice@192.0.2.1:5061>", 200);
    check("<sip:alice@[2001:db8::1]>", 403);
    check("<sip:alice@[2001:DB8:0::0:1]:5060>", 403);
    check("<sip:alice@[::ffff:192.0.2.1]>", 403);
    check("<sip:alice@RINGFENCE.example>", 403);
    check("<sip:alice@ringfence.example:9999>", 403);
    // Not a SIP phone.
    check("<sips:alice@10.0.0.9>", 403);
    check("<tel:+442079460000>", 400);
    check("<mailto:alice@example.com>", 400);
    check("<sip:alice@10.0.0.9?Subject=x>", 400);
    check("<sip:alice@10.0.0.9;method=BYE>", 400);
    check(&format!("<sip:{}@10.0.0.9>", "a".repeat(MAX_CONTACT)), 400);
    check("<sip:alice@10.0.0.9>;q=0.5", 200);
    check("<sip:alice@10.0.0.9>;q=1.000", 200);
    check("<sip:alice@10.0.0.9>;q=1.1", 400);
    check("<sip:alice@10.0.0.9>;q=0.1234", 400);
    check("<sip:alice@10.0.0.9>;q=x", 400);
    check("<sip:alice@10.0.0.9>;q", 400);
    check("<sip:a@10.0.0.9>, <sip:a@10.0.0.9>", 400);
    check("<sip:a@10.0.0.9;x=1;y=2>, <sip:a@10.0.0.9;Y=2;X=1>", 400);
}

#[test]
fn a_contact_at_a_third_party_leads_nowhere() {
    let mut world = World::new();
    world.sends(0, &home(), "Contact: <sip:victim@203.0.113.66:5060>\r\n").unwrap();
    assert_eq!(world.registrar.contacts(LINE).next().unwrap().flow(), home());
}

#[test]
fn star_removes_all_or_nothing() {
    fn check(lines: &str, call_id: &str, cseq: u32, want: Result<usize, u16>) {
        let mut world = World::new();
        world.sends(0, &home(), "Contact: <sip:a@10.0.0.9>, <sip:b@10.0.0.9>\r\n").unwrap();
        let got = world.sends_as(1_000, &home(), &Register { call_id, cseq, lines });
        assert_eq!(got.map(|changes| changes.len()).map_err(|error| error.status), want, "{lines}");
        assert_eq!(world.registrar.len(), if want.is_ok() { 0 } else { 2 }, "{lines}");
    }
    check("Contact: *\r\nExpires: 0\r\n", "c1", 2, Ok(2));
    check("Contact: *\r\nExpires: 0\r\n", "c2", 1, Ok(2));
    check("Contact: *\r\nExpires: 0\r\n", "c1", 1, Err(500));
    check("Contact: *\r\n", "c1", 2, Err(400));
    check("Contact: *\r\nExpires: 60\r\n", "c1", 2, Err(400));
    check("Contact: *\r\nExpires: x\r\n", "c1", 2, Err(400));
    check("Contact: *, <sip:a@10.0.0.9>\r\nExpires: 0\r\n", "c1", 2, Err(400));
    check("Contact: <sip:a@10.0.0.9>\r\nContact: *\r\nExpires: 0\r\n", "c1", 2, Err(400));
}

#[test]
fn within_one_call_id_only_what_is_newer_counts() {
    fn check(call_id: &str, cseq: u32, want: u16) {
        let mut world = World::new();
        let first = "Contact: <sip:a@10.0.0.9>\r\n";
        world.sends_as(0, &home(), &Register { call_id: "c1", cseq: 5, lines: first }).unwrap();
        for lines in
            ["Contact: <sip:a@10.0.0.9>;expires=600\r\n", "Contact: <sip:a@10.0.0.9>;expires=0\r\n"]
        {
            let got = world.sends_as(1_000, &home(), &Register { call_id, cseq, lines });
            assert_eq!(status(got), want, "{call_id} {cseq} {lines}");
            if want != 200 {
                assert!(world.written(1_000).contains("expires=3599"), "nothing was done");
            } else {
                return;
            }
        }
    }
    check("c1", 6, 200);
    check("c1", 5, 500);
    check("c1", 4, 500);
    check("c2", 1, 200);
}

#[test]
fn all_or_nothing() {
    let mut world = World::new();
    world.sends(0, &home(), "Contact: <sip:a@10.0.0.9>\r\n").unwrap();
    let before = world.written(1_000);
    for bad in [
        "Contact: <sip:new@10.0.0.9>, <sip:short@10.0.0.9>;expires=5\r\n",
        "Contact: <sip:a@10.0.0.9>;expires=0, <tel:+1>\r\n",
        "Contact: <sip:a@10.0.0.9>;expires=0, <sip:x@192.0.2.1>\r\n",
        "Contact: <sip:a@10.0.0.9>;expires=0, <sip:new@10.0.0.9>;q=7\r\n",
    ] {
        assert_ne!(status(world.sends(1_000, &home(), bad)), 200, "{bad}");
        assert_eq!(world.written(1_000), before, "{bad}");
    }
    let good = "Contact: <sip:a@10.0.0.9>;expires=0, <sip:b@10.0.0.9>, <sip:c@10.0.0.9>;q=0.25\r\n";
    let changes = world.sends(2_000, &home(), good).unwrap();
    assert_eq!(short(&changes), ["-sip:a@10.0.0.9", "+sip:b@10.0.0.9", "+sip:c@10.0.0.9"]);
    assert_eq!(
        world.written(2_000),
        "Contact: <sip:c@10.0.0.9>;q=0.250;expires=3600\r\nContact: <sip:b@10.0.0.9>;expires=3600\r\n"
    );
}

#[test]
fn ten_bindings_and_no_more() {
    let mut world = World::new();
    let mut phone = |number: u32, lines: &str| {
        let call_id = format!("c{number}");
        let register = Register { call_id: &call_id, cseq: world.cseq + 1, lines };
        world.cseq += 1;
        status(world.sends_as(1, &home(), &register))
    };
    for number in 0..10 {
        assert_eq!(phone(number, &format!("Contact: <sip:p{number}@10.0.0.9>\r\n")), 200);
    }
    assert_eq!(phone(10, "Contact: <sip:p10@10.0.0.9>\r\n"), 403);
    assert_eq!(phone(3, "Contact: <sip:p3@10.0.0.9>\r\n"), 200, "a refresh");
    let swap = "Contact: <sip:p3@10.0.0.9>;expires=0, <sip:p10@10.0.0.9>\r\n";
    assert_eq!(phone(10, swap), 200);
    assert_eq!(world.registrar.len(), 10);
    assert!(world.uris().contains(&"sip:p10@10.0.0.9".to_owned()));
}

#[test]
fn ten_thousand_contacts() {
    let mut world = World::new();
    for count in [11, 16, 17, 1_000] {
        let list: Vec<String> = (0..count).map(|n| format!("<sip:{n}@h>")).collect();
        let lines = format!("Contact: {}\r\n", list.join(","));
        assert_eq!(status(world.sends(0, &home(), &lines)), 403, "{count}");
        assert_eq!(world.registrar.len(), 0);
    }
    // And one by one over the life of a line.
    let mut stored = 0;
    for number in 0..10_000 {
        let (call_id, lines) =
            (format!("c{number}"), format!("Contact: <sip:{number}@10.0.0.9>\r\n"));
        let register = Register { call_id: &call_id, cseq: 1, lines: &lines };
        stored += usize::from(world.sends_as(0, &home(), &register).is_ok());
    }
    assert_eq!((stored, world.registrar.len()), (10, 10));
}

#[test]
fn a_phone_that_begins_anew_takes_the_place_of_what_it_left_behind() {
    fn check(user_agent: &str, other: &str, want: u16) {
        let mut world = World::new();
        let mut sends = |n: u32, call_id: &str, user_agent: &str| {
            let flow = udp(&format!("198.51.100.7:{}", 40_000 + n));
            let lines = format!(
                "Contact: <sip:alice@10.0.0.9:{}>\r\nUser-Agent: {user_agent}\r\n",
                5_000 + n
            );
            let register = Register { call_id, cseq: n + 1, lines: &lines };
            world.sends_as(u64::from(n) * 1_000, &flow, &register)
        };
        // Another phone of the line, registered first, and nine ports of this one.
        sends(0, "desk", "Desk phone 1").unwrap();
        (1..10).for_each(|n| drop(sends(n, &format!("boot{n}"), "Softphone 2").unwrap()));
        match sends(10, other, user_agent) {
            Ok(changes) => assert_eq!(
                (200, short(&changes)),
                (
                    want,
                    vec![
                        "-sip:alice@10.0.0.9:5001".to_owned(),
                        "+sip:alice@10.0.0.9:5010".to_owned()
                    ]
                )
            ),
            Err(error) => assert_eq!(error.status, want),
        }
        assert_eq!(world.registrar.len(), 10);
    }
    check("Softphone 2", "boot10", 200);
    check("", "boot1", 200);
    check("Unheard of 3", "new", 403);
    check("", "new", 403);
}

#[test]
fn path_only_for_those_who_know_it() {
    let path = "Path: <sip:p1.example;lr>, <sip:p2.example;lr>\r\nPath: <sip:p3.example;lr>\r\n";
    let contact = "Contact: <sip:a@10.0.0.9>\r\n";
    let check = |lines: &str, want: &[&str]| {
        let mut world = World::new();
        let changes = world.sends(0, &home(), lines).unwrap();
        let binding = world.registrar.contacts(LINE).next().unwrap();
        assert_eq!(binding.path().collect::<Vec<_>>(), want, "{lines}");
        let [Change::Added(record)] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!(record.path, want);
        let mut out = Vec::new();
        let register = Register { call_id: "c1", cseq: 1, lines };
        with(&text(&register), |request| Registrar::write_path(request, &mut out));
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), want.len());
    };
    let all = ["<sip:p1.example;lr>", "<sip:p2.example;lr>", "<sip:p3.example;lr>"];
    check(&format!("{contact}{path}Supported: outbound, path\r\n"), &all);
    check(&format!("{contact}{path}"), &[]);
    check(&format!("{contact}Supported: path\r\n"), &[]);
    let mut world = World::new();
    let long = "Path: <sip:p.example;lr>\r\n".repeat(30);
    for bad in ["Path: <tel:+1>\r\n", "Path: <sip:x\r\n", &long] {
        let lines = format!("{contact}Supported: path\r\n{bad}");
        assert_eq!(status(world.sends(0, &home(), &lines)), 400, "{bad}");
    }
}

#[test]
fn texts_are_bounded() {
    let mut world = World::new();
    let agent = format!("User-Agent: {}é\r\nContact: <sip:a@10.0.0.9>\r\n", "x".repeat(127));
    world.sends(0, &home(), &agent).unwrap();
    let binding = world.registrar.contacts(LINE).next().unwrap();
    assert_eq!(binding.user_agent(), "x".repeat(127), "cut between characters");
    let contact = "Contact: <sip:b@10.0.0.9>\r\n";
    for (length, want) in [(MAX_CALL_ID, 200), (MAX_CALL_ID + 1, 400)] {
        let call_id = "c".repeat(length);
        let got =
            world.sends_as(0, &home(), &Register { call_id: &call_id, cseq: 1, lines: contact });
        assert_eq!(status(got), want, "{length}");
    }
}
