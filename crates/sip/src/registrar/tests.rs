//! The registrar seen from outside.

use super::*;
use crate::message::Origin;

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
    for number in 0..10 {
        world.sends(0, &home(), &format!("Contact: <sip:p{number}@10.0.0.9>\r\n")).unwrap();
    }
    assert_eq!(status(world.sends(1, &home(), "Contact: <sip:p10@10.0.0.9>\r\n")), 403);
    assert_eq!(status(world.sends(1, &home(), "Contact: <sip:p3@10.0.0.9>\r\n")), 200, "a refresh");
    let swap = "Contact: <sip:p3@10.0.0.9>;expires=0, <sip:p10@10.0.0.9>\r\n";
    assert_eq!(status(world.sends(1, &home(), swap)), 200);
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
        let lines = format!("Contact: <sip:{number}@10.0.0.9>\r\n");
        stored += usize::from(world.sends(0, &home(), &lines).is_ok());
    }
    assert_eq!((stored, world.registrar.len()), (10, 10));
}

#[test]
fn a_closed_stream_makes_room_and_is_not_called() {
    let mut world = World::new();
    for number in 0..10 {
        let flow = tcp("198.51.100.7:40000", number);
        world
            .sends(0, &flow, &format!("Contact: <sip:p{number}@10.0.0.9;transport=tcp>\r\n"))
            .unwrap();
    }
    world.registrar.flow_closed(&tcp("198.51.100.7:40000", 99));
    world.registrar.flow_closed(&udp("198.51.100.7:40000"));
    assert_eq!(world.registrar.contacts(LINE).count(), 10);
    world.registrar.flow_closed(&tcp("198.51.100.7:40000", 4));
    assert_eq!(world.registrar.contacts(LINE).count(), 9);
    assert_eq!(world.registrar.bindings(LINE).count(), 10, "it is still registered");
    let again = tcp("198.51.100.7:41000", 20);
    let changes = world.sends(1, &again, "Contact: <sip:new@10.0.0.9;transport=tcp>\r\n").unwrap();
    assert_eq!(
        short(&changes),
        ["-sip:p4@10.0.0.9;transport=tcp", "+sip:new@10.0.0.9;transport=tcp"]
    );
    assert_eq!(status(world.sends(1, &again, "Contact: <sip:more@10.0.0.9>\r\n")), 403);
    // The same binding on a new connection can be called again.
    world.registrar.flow_closed(&tcp("198.51.100.7:40000", 5));
    assert_eq!(world.registrar.contacts(LINE).count(), 9);
    let back = tcp("198.51.100.7:42000", 21);
    let changes = world.sends(2, &back, "Contact: <sip:p5@10.0.0.9;transport=tcp>\r\n").unwrap();
    assert_eq!(short(&changes), ["~sip:p5@10.0.0.9;transport=tcp"], "its peer moved");
    assert_eq!(world.registrar.contacts(LINE).count(), 10);
    world.registrar.flow_closed(&tcp("198.51.100.7:40000", 5));
    assert_eq!(world.registrar.contacts(LINE).count(), 10, "the old connection is nobody's");
    world.registrar.flow_closed(&back);
    assert_eq!(world.registrar.contacts(LINE).count(), 9);
}

#[test]
fn what_a_request_names_does_not_make_room() {
    let mut world = World::new();
    for number in 0..10 {
        let flow = tcp("198.51.100.7:40000", number);
        world.sends(0, &flow, &format!("Contact: <sip:p{number}@10.0.0.9>\r\n")).unwrap();
    }
    world.registrar.flow_closed(&tcp("198.51.100.7:40000", 4));
    let both = "Contact: <sip:p4@10.0.0.9>, <sip:new@10.0.0.9>\r\n";
    assert_eq!(status(world.sends(1, &tcp("198.51.100.7:41000", 20), both)), 403);
    assert_eq!(world.registrar.bindings(LINE).count(), 10);
}

#[test]
fn a_phone_that_changes_connections_is_not_lost_with_the_old_one() {
    let mut world = World::new();
    let (old, new) = (tcp("198.51.100.7:40000", 1), tcp("198.51.100.7:40001", 2));
    world.sends(0, &old, "Contact: <sip:a@10.0.0.9>\r\n").unwrap();
    world.sends(1, &new, "Contact: <sip:a@10.0.0.9>\r\n").unwrap();
    world.registrar.flow_closed(&old);
    assert_eq!(world.registrar.contacts(LINE).count(), 1);
    world.registrar.flow_closed(&new);
    assert_eq!(world.registrar.contacts(LINE).count(), 0);
}

#[test]
fn the_same_contact_in_another_spelling_is_one_binding() {
    let mut world = World::new();
    world.sends(0, &home(), "Contact: <sip:a@phone.example;x=1>\r\n").unwrap();
    let changes = world.sends(1, &home(), "Contact: <sip:a@PHONE.example;x=1>\r\n").unwrap();
    assert_eq!(short(&changes), ["-sip:a@phone.example;x=1", "~sip:a@PHONE.example;x=1"]);
    assert_eq!(world.uris(), ["sip:a@PHONE.example;x=1"]);
    world.sends(2, &home(), "Contact: <sip:a@phone.example:5060;x=1>\r\n").unwrap();
    assert_eq!(world.registrar.len(), 2, "RFC 3261 §19.1.4: with a port it is another");
}

#[test]
fn calls_go_where_the_last_register_came_from() {
    let mut world = World::new();
    let contact = "Contact: <sip:a@10.0.0.9>\r\n";
    world.sends(0, &home(), contact).unwrap();
    let moved = udp("198.51.100.7:61000");
    assert_eq!(short(&world.sends(1, &moved, contact).unwrap()), ["~sip:a@10.0.0.9"]);
    assert_eq!(world.registrar.contacts(LINE).next().unwrap().flow(), moved);
    let streamed = tcp("198.51.100.7:61000", 3);
    assert_eq!(short(&world.sends(2, &streamed, contact).unwrap()), ["~sip:a@10.0.0.9"]);
    assert_eq!(world.registrar.contacts(LINE).next().unwrap().flow(), streamed);
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

#[test]
fn refreshes_are_written_down_lazily_and_never_too_late() {
    // Phones that refresh every so many seconds of a life of 3,600: how often is that written?
    fn check(every_s: u64, want_writes: usize) {
        let mut world = World::new();
        let contact = "Contact: <sip:a@10.0.0.9>;expires=3600\r\n";
        let mut written_until = 0;
        let mut writes = 0;
        for at_s in (0..36_000).step_by(every_s as usize) {
            let wall_s = WALL / 1_000_000 + at_s as i64;
            if at_s > 0 {
                assert!(written_until >= wall_s, "{every_s}: the store thinks it has ended");
            }
            for change in world.sends(at_s * 1_000, &home(), contact).unwrap() {
                let (Change::Added(record) | Change::Changed(record) | Change::Persist(record)) =
                    change
                else {
                    panic!()
                };
                written_until = record.expires.0 / 1_000_000;
                writes += 1;
            }
        }
        assert_eq!(writes, want_writes, "{every_s}");
    }
    check(60, 20);
    check(600, 20);
    check(1_000, 18);
    check(1_800, 20);
    check(3_240, 12);
}

#[test]
fn what_changes_is_written_at_once() {
    fn check(lines: &str, flow: &Flow, is_written: bool) {
        let mut world = World::new();
        let first = "Contact: <sip:a@10.0.0.9>\r\nUser-Agent: one\r\nSupported: path\r\n";
        world.sends(0, &home(), first).unwrap();
        let changes = world.sends(1_000, flow, lines).unwrap();
        assert_eq!(!changes.is_empty(), is_written, "{lines}");
    }
    let same = "Contact: <sip:a@10.0.0.9>\r\nUser-Agent: one\r\nSupported: path\r\n";
    check(same, &home(), false);
    check(same, &udp("198.51.100.7:5063"), true);
    check(&same.replace("one", "two"), &home(), true);
    check(&format!("{same}Path: <sip:p;lr>\r\n"), &home(), true);
}

#[test]
fn ended_bindings_are_reported_once() {
    let mut world = World::new();
    world.sends(0, &home(), "Contact: <sip:a@10.0.0.9>;expires=60\r\n").unwrap();
    world.sends(500, &home(), "Contact: <sip:b@10.0.0.9>;expires=120\r\n").unwrap();
    assert_eq!(world.registrar.next_timeout(), Some(Tick(60_000_000)));
    world.sends(30_000, &home(), "Contact: <sip:a@10.0.0.9>;expires=60\r\n").unwrap();
    assert_eq!(world.registrar.handle_timeout(at(60_000)), [], "refreshed");
    assert_eq!(world.registrar.next_timeout(), Some(Tick(90_000_000)));
    assert_eq!(world.registrar.handle_timeout(at(89_999)), []);
    assert_eq!(world.registrar.handle_timeout(at(90_000)), [(LINE, "sip:a@10.0.0.9".to_owned())]);
    assert_eq!(world.registrar.handle_timeout(at(90_000)), []);
    // Half a second late, so that it never ends early.
    assert_eq!(world.registrar.handle_timeout(at(120_500)), []);
    assert_eq!(world.registrar.handle_timeout(at(121_000)), [(LINE, "sip:b@10.0.0.9".to_owned())]);
    assert_eq!(world.registrar.next_timeout(), None);
    // A shorter life counts at once.
    world.sends(200_000, &home(), "Contact: <sip:c@10.0.0.9>;expires=3600\r\n").unwrap();
    world.sends(201_000, &home(), "Contact: <sip:c@10.0.0.9>;expires=60\r\n").unwrap();
    assert_eq!(world.registrar.handle_timeout(at(261_000)).len(), 1);
}

#[test]
fn refreshing_takes_no_lasting_memory() {
    let mut world = World::new();
    for round in 0..20_000u64 {
        let expires = if round % 2 == 0 { 3_600 } else { 60 };
        let lines = format!("Contact: <sip:a@10.0.0.9>;expires={expires}\r\n");
        world.sends(round, &home(), &lines).unwrap();
        let lines = format!(
            "Contact: <sip:b@10.0.0.9>;expires={}\r\n",
            if round % 2 == 0 { 600 } else { 0 }
        );
        world.sends(round, &home(), &lines).unwrap();
        assert!(world.registrar.table.heap_len() <= 100, "{}", world.registrar.table.heap_len());
    }
}

#[test]
fn bindings_survive_a_restart() {
    let mut before = World::new();
    let lines = "Contact: <sip:a@10.0.0.9>;expires=600\r\nUser-Agent: Phone/1\r\nSupported: path\r\n\
                 Path: <sip:p1;lr>, <sip:p2;lr>\r\n";
    let changes = before.sends(5_000, &home(), lines).unwrap();
    let [Change::Added(record)] = &changes[..] else { panic!() };
    let streamed =
        before.sends(5_000, &tcp("198.51.100.7:4000", 3), "Contact: <sip:t@10.0.0.9>\r\n");
    let streamed = streamed.unwrap();
    let [Change::Added(stream_record)] = &streamed[..] else { panic!() };

    // The monotonic clock starts anew; the wall clock went on for 100 seconds.
    let restarted = Now { tick: Tick(0), wall: UnixMicros(WALL + 105_000_000) };
    let mut after = World::new();
    assert!(after.registrar.load(restarted, record));
    assert!(!after.registrar.load(restarted, record), "once");
    assert!(after.registrar.load(restarted, stream_record));
    assert_eq!(after.uris(), ["sip:a@10.0.0.9"], "the stream is gone");
    let binding = after.registrar.contacts(LINE).next().unwrap();
    assert_eq!(
        (binding.flow(), binding.call_id(), binding.user_agent()),
        (home(), "c1", "Phone/1")
    );
    assert_eq!(binding.path().collect::<Vec<_>>(), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(binding.expires(), Tick(500_000_000));
    let old = Register { call_id: "c1", cseq: 1, lines };
    assert_eq!(status(after.sends_as(0, &home(), &old)), 500, "an old request stays old");

    let late = Now { tick: Tick(0), wall: UnixMicros(WALL + 700_000_000) };
    let mut after = World::new();
    assert!(after.registrar.load(late, record));
    assert_eq!(after.uris(), Vec::<String>::new());
    assert_eq!(after.registrar.handle_timeout(late), [(LINE, "sip:a@10.0.0.9".to_owned())]);
    for nonsense in [
        BindingRecord { transport: "sctp".into(), ..(**record).clone() },
        BindingRecord { contact: String::new(), ..(**record).clone() },
        BindingRecord { contact: "x".repeat(MAX_CONTACT + 1), ..(**record).clone() },
        BindingRecord { call_id: "x".repeat(MAX_CALL_ID + 1), ..(**record).clone() },
    ] {
        assert!(!after.registrar.load(restarted, &nonsense), "{nonsense:?}");
    }
}

#[test]
fn a_line_that_goes_takes_its_bindings_along() {
    let mut world = World::new();
    world.sends(0, &home(), "Contact: <sip:a@10.0.0.9>, <sip:b@10.0.0.9>\r\n").unwrap();
    assert_eq!(world.registrar.remove(LineId(8)), Vec::<String>::new());
    let mut removed = world.registrar.remove(LINE);
    removed.sort();
    assert_eq!(removed, ["sip:a@10.0.0.9", "sip:b@10.0.0.9"]);
    assert!(world.registrar.is_empty());
    assert_eq!(world.registrar.handle_timeout(at(9_999_000)), []);
}

#[test]
fn lines_do_not_see_each_other() {
    let mut registrar = registrar();
    for number in 0..1_000u32 {
        let lines = format!("Contact: <sip:{number}@10.0.0.9>\r\n");
        let register = Register { call_id: "c", cseq: 1, lines: &lines };
        with(&text(&register), |request| {
            registrar.register(at(0), LineId(number), request, &home())
        })
        .unwrap();
    }
    for number in (0..1_000u32).step_by(2) {
        registrar.remove(LineId(number));
    }
    for number in 0..1_000u32 {
        let uris: Vec<_> = registrar.contacts(LineId(number)).map(|b| b.uri().to_owned()).collect();
        match number % 2 {
            0 => assert_eq!(uris, Vec::<String>::new()),
            _ => assert_eq!(uris, [format!("sip:{number}@10.0.0.9")]),
        }
    }
}
