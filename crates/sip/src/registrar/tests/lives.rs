//! What becomes of bindings: streams that close, refreshes, what is written, restarts.

use super::*;

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
