//! Phones with several flows (RFC 5626), and those that register with sips (RFC 5630).

use super::*;
use crate::flow::Transport;

const PHONE: &str = "<urn:uuid:00000000-0000-1000-8000-000a95a0e128>";

fn on(transport: Transport, connection: u32) -> Flow {
    let peer = format!("198.51.100.7:{}", 40_000 + connection);
    Flow { transport, ..tcp(&peer, connection) }
}

/// Lines of a REGISTER for one flow of the phone.
fn flow_lines(contact: &str, reg_id: &str) -> String {
    format!(
        "Supported: path, outbound\r\n\
         Contact: <{contact}>;reg-id={reg_id};+sip.instance=\"{PHONE}\";expires=600\r\n"
    )
}

#[test]
fn the_same_flow_replaces_the_earlier_one() {
    let mut world = World::new();
    let first = flow_lines("sip:a@one.invalid;transport=ws", "1");
    assert_eq!(
        short(&world.sends(0, &on(Transport::Wss, 1), &first).unwrap()),
        ["+sip:a@one.invalid;transport=ws"]
    );
    // A browser that was loaded again: another connection, Contact and Call-ID.
    let again = flow_lines("sip:a@two.invalid;transport=ws", "1");
    let register = Register { call_id: "c2", cseq: 1, lines: &again };
    let changes = world.sends_as(1_000, &on(Transport::Wss, 2), &register).unwrap();
    assert_eq!(
        short(&changes),
        ["-sip:a@one.invalid;transport=ws", "~sip:a@two.invalid;transport=ws"]
    );
    let bindings: Vec<_> = world.registrar.contacts(LINE).collect();
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0].flow(), on(Transport::Wss, 2));
    assert_eq!(bindings[0].instance(), Some(PHONE));
    // The end of the first connection is nothing to the binding.
    world.registrar.flow_closed(&on(Transport::Wss, 1));
    assert_eq!(world.registrar.contacts(LINE).count(), 1);
    world.registrar.flow_closed(&on(Transport::Wss, 2));
    assert_eq!(world.registrar.contacts(LINE).count(), 0);
}

#[test]
fn two_flows_with_one_contact() {
    let mut world = World::new();
    let contact = "sip:line1@192.0.2.2;transport=tcp";
    for flow in [1, 2] {
        let lines = flow_lines(contact, &flow.to_string());
        let register = Register { call_id: &format!("c{flow}"), cseq: 1, lines: &lines };
        let changes = world.sends_as(0, &on(Transport::Tls, flow), &register).unwrap();
        assert_eq!(short(&changes), [format!("+{contact}")]);
    }
    let want = format!(
        "Contact: <{contact}>;expires=600;+sip.instance=\"{PHONE}\";reg-id=2\r\n\
         Contact: <{contact}>;expires=600;+sip.instance=\"{PHONE}\";reg-id=1\r\n"
    );
    assert_eq!(world.written(0), want);
    // One of them ends: the store knows them by their Contact, and must not forget the other.
    let end = flow_lines(contact, "1").replace("expires=600", "expires=0");
    let register = Register { call_id: "c1", cseq: 2, lines: &end };
    assert_eq!(world.sends_as(1_000, &on(Transport::Tls, 1), &register).unwrap(), []);
    assert_eq!(world.registrar.contacts(LINE).count(), 1);
    assert_eq!(world.registrar.handle_timeout(at(601_000)), [(LINE, contact.to_owned())]);
}

#[test]
fn what_is_asked_of_a_flow() {
    fn check(flow: &Flow, lines: &str, want: Result<&str, u16>) {
        let mut world = World::new();
        let got = world.sends(0, flow, lines).map(|_| {
            with(&text(&Register { call_id: "c", cseq: 1, lines }), |request| {
                let mut out = Vec::new();
                Registrar::write_outbound(request, flow, &mut out);
                String::from_utf8(out).unwrap()
            })
        });
        assert_eq!(got.as_deref().map_err(|error| error.status), want, "{lines}");
    }
    let stream = on(Transport::Tls, 1);
    let good = "Require: outbound\r\nFlow-Timer: 120\r\n";
    let lines = |reg_id: &str| flow_lines("sip:a@h.invalid", reg_id);
    check(&stream, &lines("1"), Ok(good));
    check(&on(Transport::Tcp, 1), &lines("2147483647"), Ok(good));
    check(&home(), &lines("1"), Ok(""));
    for reg_id in ["0", "2147483648", "x", "-1"] {
        check(&stream, &lines(reg_id), Err(400));
    }
    check(&stream, &lines("1").replace("outbound", "gruu"), Ok(""));
    check(&stream, &lines("1").replace("reg-id", "reg"), Ok(""));
    check(&stream, &lines("1").replace("+sip.instance", "x"), Ok(""));
    check(&stream, &lines("1").replace(PHONE, ""), Err(400));
    check(&stream, &lines("1").replace(PHONE, &"x".repeat(MAX_INSTANCE + 1)), Err(400));
    check(&stream, &format!("{}Contact: <sip:b@h>\r\n", lines("1")), Err(400));
    let proxy = "Via: SIP/2.0/TLS h;branch=z9hG4bK2\r\n";
    check(&stream, &format!("{proxy}{}", lines("1")), Err(439));
    check(&stream, &format!("{proxy}Path: <sip:p;lr;ob>\r\n{}", lines("1")), Ok(good));
    check(&stream, &format!("{proxy}Path: <sip:p;lr>\r\n{}", lines("1")), Err(439));
}

#[test]
fn flows_come_back_with_the_store() {
    let mut world = World::new();
    let lines = flow_lines("sip:a@one.invalid", "3");
    let changes = world.sends(0, &on(Transport::Tls, 9), &lines).unwrap();
    let [Change::Added(record)] = &changes[..] else { panic!("{changes:?}") };
    let want = Outbound { instance: PHONE.to_owned(), reg_id: 3 };
    assert_eq!(record.outbound.as_ref(), Some(&want));
    assert_eq!(record.transport, "tls");
    let mut later = World::new();
    assert!(later.registrar.load(at(1_000), record));
    assert_eq!(later.registrar.contacts(LINE).count(), 0, "its connection is gone");
    let lines = flow_lines("sip:a@other.invalid", "3");
    let register = Register { call_id: "c9", cseq: 1, lines: &lines };
    later.sends_as(2_000, &on(Transport::Tls, 1), &register).unwrap();
    assert_eq!(later.uris(), ["sip:a@other.invalid"]);
    assert_eq!(later.registrar.len(), 1);
    for wrong in [
        Outbound { reg_id: 0, ..want.clone() },
        Outbound { instance: "x".repeat(MAX_INSTANCE + 1), ..want },
    ] {
        let record = BindingRecord { outbound: Some(wrong), ..(**record).clone() };
        assert!(!World::new().registrar.load(at(0), &record));
    }
}

#[test]
fn sips_is_registered_where_nobody_listens() {
    fn check(flow: &Flow, scheme: &str, lines: &str, want: u16) {
        let request = text(&Register { call_id: "c1", cseq: 1, lines });
        let request = request.replacen("REGISTER sip:", &format!("REGISTER {scheme}:"), 1);
        let mut registrar = registrar();
        let done = with(&request, |request| registrar.register(at(0), LINE, request, flow));
        assert_eq!(status(done.map(|done| done.changes)), want, "{scheme} {lines}");
    }
    let contact = "Contact: <sips:a@10.0.0.9>\r\n";
    let secure = [on(Transport::Tls, 1), on(Transport::Wss, 1)];
    for flow in &secure {
        check(flow, "sips", contact, 200);
        check(flow, "sip", contact, 400);
        check(flow, "sip", "Contact: <sip:a@10.0.0.9>\r\n", 200);
        let path = |uri: &str| format!("{contact}Supported: path\r\nPath: <{uri};lr>\r\n");
        check(flow, "sips", &path("sips:p"), 200);
        check(flow, "sips", &path("sip:p"), 400);
    }
    for flow in [home(), on(Transport::Tcp, 1)] {
        check(&flow, "sips", contact, 403);
    }
}
