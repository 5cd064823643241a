//! Registrations: who may, from where, for how long, and where calls go then.

use types::Fact;

use crate::calls::{HOME, alice, carrier};
use crate::town::*;
use crate::ua::{Request, Ua};
use crate::wire::Got;
use crate::world::{Store, World};

/// A carrier's call to Alice ends like this before a phone is asked.
fn cannot_be_reached(world: &World) {
    let mut caller = carrier(world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    caller.refused(480);
}

/// A carrier's call to Alice reaches this phone.
fn can_be_reached(world: &World, phone: &Ua) {
    let mut caller = carrier(world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    let mut callee = phone.expect_invite();
    assert_eq!(callee.invite.as_ref().unwrap().uri, phone.contact());
    callee.decline(&mut caller);
}

#[test]
fn challenge_and_both_algorithms() {
    for algorithm in ["SHA-256", "MD5"] {
        let world = World::new();
        let phone = Ua { algorithm, ..alice(&world) };
        let mut request = phone.register_request(3600);
        phone.send_request(&request);
        let challenge = phone.expect(401);
        let offers: Vec<&str> = challenge.all("WWW-Authenticate").collect();
        assert_eq!(offers.len(), 2);
        assert!(offers[0].contains("algorithm=SHA-256,") && offers[1].contains("algorithm=MD5,"));
        assert!(offers.iter().all(|offer| offer.contains("realm=\"ringfence.test\"")));
        assert!(!challenge.text().contains("stale"));
        assert_eq!((world.stats().transactions, world.stats().bindings), ((0, 0), 0));
        request.credentials = phone.credentials(&challenge, "REGISTER", &request.uri, 1);
        (request.cseq, request.branch) = (2, phone.branch());
        phone.send_request(&request);
        let ok = phone.expect(200);
        assert_eq!(ok.header("Contact"), format!("<{}>;expires=3600", phone.contact()));
        let binding = world.bindings().remove(0);
        assert_eq!((binding.line.0, binding.contact), (1, phone.contact()));
        assert_eq!((binding.peer, binding.transport.as_str()), (HOME.parse().unwrap(), "udp"));
        assert_eq!(binding.user_agent, "Phone of alice1");
        assert!(world.facts().iter().any(|fact| {
            matches!(fact, Fact::Registered { account, line, peer, user_agent }
                if account.0 == 1 && line.0 == 1 && *peer == HOME.parse().unwrap()
                    && user_agent == "Phone of alice1")
        }));
        can_be_reached(&world, &phone);
        world.finish();
    }
}

/// Registers with a secret; what comes after the challenge.
fn answer_to(world: &World, user: (&'static str, &'static str)) -> Got {
    let phone = world.ua(HOME, user);
    phone.send_with_login(&mut phone.register_request(3600));
    world.take(&phone.flow, |_| true).unwrap()
}

#[test]
fn nobody_learns_who_exists() {
    let world = World::new();
    let wrong = answer_to(&world, ("alice1", "wrong"));
    assert_eq!(wrong.status, 403);
    let bare = |got: &Got, user: &str| {
        let names = [got.to_tag(), got.tag_of_from(), got.branch(), got.call_id(), user];
        names.iter().fold(got.text(), |text, name| text.replace(name, "NAME"))
    };
    for user in [("nobody", "wrong"), OFF, ("off1", "wrong")] {
        let other = answer_to(&world, user);
        assert_eq!(bare(&other, user.0), bare(&wrong, "alice1"), "{user:?}");
    }
    assert_eq!(world.stats().bindings, 0);
    assert_eq!(world.stats().log_ins_refused, 4);
    assert_eq!(world.written().len(), 1, "nothing but the start");
    world.finish();
}

#[test]
fn nobody_registers_for_another() {
    for to in ["bob1", "nobody", "alice2", ""] {
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.register_request(3600);
        request.to = format!("<sip:{to}@ringfence.test>").replace(":@", ":");
        phone.send_with_login(&mut request);
        phone.expect(403);
        assert_eq!(world.stats().bindings, 0, "{to}");
        world.finish();
    }
    // One's own name in another spelling is one's own.
    for to in
        ["<sip:ALICE1@ringfence.test>", "<sip:alice%31@ringfence.test;x=1>", "sip:alice1@voip.test"]
    {
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.register_request(3600);
        request.to = to.to_owned();
        phone.send_with_login(&mut request);
        phone.expect(200);
        assert_eq!(world.bindings()[0].line.0, 1, "{to}");
        world.finish();
    }
}

#[test]
fn the_ip_lock_judges_the_socket() {
    fn check(lock: &str, on_line: bool, peer: &str, status: i32) {
        let world = World::with(|town| {
            let lock = vec![lock.parse().unwrap()];
            match on_line {
                true => town.line(1).ip_lock = lock,
                false => town.account(1).controls.ip_lock = lock,
            }
        });
        let phone = world.ua(peer, ALICE);
        let mut request = phone.register_request(3600);
        // What headers say counts for nothing.
        request.extra.push_str("X-Forwarded-For: 192.0.2.77\r\nX-Real-IP: 192.0.2.77\r\n");
        let text = |phone: &Ua, request: &Request| {
            phone.text(request).replacen(
                &format!("{peer};branch"),
                "192.0.2.77:5060;received=192.0.2.77;branch",
                1,
            )
        };
        phone.send(&text(&phone, &request));
        let challenge = phone.expect(401);
        request.credentials = phone.credentials(&challenge, "REGISTER", &request.uri, 1);
        request.cseq = 2;
        phone.send(&text(&phone, &request));
        phone.expect(status);
        assert_eq!(world.stats().bindings, usize::from(status == 200), "{lock} {peer}");
        world.finish();
    }
    for on_line in [false, true] {
        check("203.0.113.0/24", on_line, "203.0.113.7:5060", 200);
        check("203.0.113.0/24", on_line, "[::ffff:203.0.113.7]:5060", 200);
        check("203.0.113.7/32", on_line, "203.0.113.8:5060", 403);
        check("192.0.2.77/32", on_line, "203.0.113.7:5060", 403);
        check("192.0.2.77/32", on_line, "[::ffff:203.0.113.7]:5060", 403);
        check("2001:db8:1::/48", on_line, "[2001:db8:1::7]:5060", 200);
        check("2001:db8:1::/48", on_line, "[2001:db8:2::7]:5060", 403);
    }
}

#[test]
fn a_stream_is_the_way_to_its_phone() {
    let world = World::new();
    let phone = world.tcp_ua(HOME, ALICE);
    phone.register();
    let mut caller = carrier(&world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    let mut callee = phone.expect_invite();
    assert_eq!(callee.invite.as_ref().unwrap().flow, phone.flow);
    callee.decline(&mut caller);
    world.flow_closed(phone.flow);
    cannot_be_reached(&world);
    // It comes back on another connection.
    let mut again = phone.clone();
    again.flow.connection += 40;
    again.register();
    let mut caller = carrier(&world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    let mut callee = again.expect_invite();
    assert_eq!(callee.invite.as_ref().unwrap().flow, again.flow);
    callee.decline(&mut caller);
    world.finish();
}

#[test]
fn a_stream_that_closes_while_it_rings() {
    let world = World::new();
    let phone = world.tcp_ua(HOME, ALICE);
    phone.register();
    let mut caller = carrier(&world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    let callee = phone.expect_invite();
    callee.reply(180);
    caller.expect(180);
    world.flow_closed(phone.flow);
    caller.refused(480);
    world.finish();
}

#[test]
fn everything_is_removed_by_a_star() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    world.ua("203.0.113.8:5060", ALICE).register();
    assert_eq!(world.bindings().len(), 2);
    let mut star = phone.register_request(0);
    star.extra = "Contact: *\r\nExpires: 0\r\n".to_owned();
    phone.send_with_login(&mut star);
    assert!(!phone.expect(200).has("Contact"));
    assert_eq!((world.bindings().len(), world.stats().bindings), (0, 0));
    let mut wrong = phone.register_request(0);
    wrong.extra = "Contact: *\r\nExpires: 60\r\n".to_owned();
    phone.send_with_login(&mut wrong);
    phone.expect(400);
    cannot_be_reached(&world);
    world.finish();
}

#[test]
fn a_binding_ends_by_time() {
    let world = World::new();
    let phone = alice(&world);
    phone.send_with_login(&mut phone.register_request(60));
    phone.expect(200);
    world.advance(59_000);
    can_be_reached(&world, &phone);
    world.advance(1_000);
    assert_eq!((world.bindings().len(), world.stats().bindings), (0, 0));
    cannot_be_reached(&world);
    world.finish();
}

#[test]
fn a_refresh_is_not_written_each_time() {
    let world = World::new();
    let phone = alice(&world);
    let mut request = phone.register_request(3600);
    phone.send_with_login(&mut request);
    phone.expect(200);
    let written = world.written().len();
    for _ in 0..5 {
        world.advance(50_000);
        request.credentials.clear();
        request.cseq += 1;
        phone.send_with_login(&mut request);
        let ok = phone.expect(200);
        assert!(ok.header("Contact").ends_with(";expires=3600"), "{}", ok.text());
    }
    assert_eq!(world.written().len(), written);
    world.advance(1_800_000);
    request.credentials.clear();
    phone.send_with_login(&mut request);
    phone.expect(200);
    assert_eq!(world.written().len(), written + 1);
    world.finish();
}

#[test]
fn what_is_refused() {
    fn check(extra: &str, status: i32, header: (&str, &str)) {
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.register_request(3600);
        request.extra = extra.to_owned();
        if status == 420 {
            phone.send_request(&request);
        } else {
            phone.send_with_login(&mut request);
        }
        let got = phone.expect(status);
        assert_eq!(got.header(header.0), header.1, "{}", got.text());
        assert_eq!(world.stats().bindings, 0, "{extra}");
        world.finish();
    }
    check("Contact: <sip:a@203.0.113.7>\r\nExpires: 30\r\n", 423, ("Min-Expires", "60"));
    check("Contact: <sip:a@203.0.113.7>;expires=1\r\n", 423, ("Min-Expires", "60"));
    check("Contact: <sip:a@203.0.113.7>\r\nRequire: x-odd\r\n", 420, ("Unsupported", "x-odd"));
    // F7: at ourselves, at no place, far too many.
    check("Contact: <sip:a@192.0.2.10>\r\n", 403, ("Contact", ""));
    check("Contact: <sip:a@ringfence.test>\r\n", 403, ("Contact", ""));
    check("Contact: <mailto:a@b.example>\r\n", 400, ("Contact", ""));
    let many: String = (0..40).map(|n| format!("Contact: <sip:a{n}@203.0.113.7>\r\n")).collect();
    check(&many, 403, ("Contact", ""));
}

#[test]
fn asking_changes_nothing() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    world.advance(100_000);
    let mut fetch = phone.register_request(0);
    fetch.extra = format!("User-Agent: {}\r\n", "Phone of Alice ".repeat(8));
    phone.send_with_login(&mut fetch);
    let ok = phone.expect(200);
    assert_eq!(ok.header("Contact"), format!("<{}>;expires=3500", phone.contact()));
    assert_eq!(world.stats().bindings, 1);
    world.finish();
}

#[test]
fn a_contact_at_a_third_party_is_called_where_it_came_from() {
    let world = World::new();
    let phone = alice(&world);
    let mut request = phone.register_request(3600);
    request.extra = "Contact: <sip:x@198.51.100.99:5060>\r\n".to_owned();
    phone.send_with_login(&mut request);
    phone.expect(200);
    let mut caller = carrier(&world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    let mut callee = phone.expect_invite();
    assert_eq!(callee.invite.as_ref().unwrap().uri, "sip:x@198.51.100.99:5060");
    callee.decline(&mut caller);
    world.ua("198.51.100.99:5060", ("x", "")).expect_nothing();
    world.finish();
}

#[test]
fn behind_a_path() {
    let world = World::new();
    let phone = alice(&world);
    let mut request = phone.register_request(3600);
    request.extra.push_str("Supported: path\r\nPath: <sip:proxy.example;lr>\r\n");
    phone.send_with_login(&mut request);
    assert_eq!(phone.expect(200).header("Path"), "<sip:proxy.example;lr>");
    let mut caller = carrier(&world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    let mut callee = phone.expect_invite();
    assert_eq!(callee.invite.as_ref().unwrap().header("Route"), "<sip:proxy.example;lr>");
    callee.decline(&mut caller);
    world.finish();
}

#[test]
fn answers_go_to_the_packets_source_only() {
    // D1: Via at another address, maddr, received: nothing goes there.
    let world = World::new();
    let phone = alice(&world);
    let request = phone.register_request(3600);
    let text = phone.text(&request);
    let lying = text.replacen(
        &format!("{HOME};branch"),
        "198.51.100.50:7777;maddr=198.51.100.51;received=198.51.100.52;branch",
        1,
    );
    phone.send(&lying);
    let got = phone.expect(401);
    assert!(got.header("Via").contains("received=203.0.113.7"), "{}", got.header("Via"));
    assert!(got.header("Via").contains("rport=5060"));
    world.finish();
}

/// A REGISTER with credentials; its answer, if there is one yet.
fn send_register(phone: &Ua, expires: u32) {
    let mut request = phone.register_request(expires);
    request.call_id = "one-phone@home".to_owned();
    request.cseq = phone.world.name() as u32 * 10;
    phone.send_with_login(&mut request);
}

#[test]
fn a_binding_is_durable_before_it_is_confirmed() {
    let world = World::new();
    let phone = alice(&world);
    world.store(Store::Silent);
    send_register(&phone, 3600);
    world.advance(2_000);
    phone.expect_nothing();
    world.answer_store(true);
    assert_eq!(phone.expect(200).header("Contact"), format!("<{}>;expires=3600", phone.contact()));
    assert_eq!(world.bindings().len(), 1);
    // A refresh changes nothing but the expiry, also where it is written.
    for wait_ms in [1_000, 2_000_000] {
        world.advance(wait_ms);
        send_register(&phone, 3600);
        phone.expect(200);
    }
    assert_eq!(world.unanswered().len(), 1, "the second was written");
    world.answer_store(true);
    // A removal that is forgotten would bring the phone back.
    send_register(&phone, 0);
    phone.expect_nothing();
    world.answer_store(true);
    phone.expect(200);
    assert_eq!(world.bindings().len(), 0);
    world.finish();
}

#[test]
fn a_phone_that_moved_waits_too() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    world.store(Store::Silent);
    let moved = Ua { ..phone.moved("203.0.113.7:5999") };
    let mut request = moved.register_request(3600);
    request.extra = request.extra.replace(&moved.contact(), &phone.contact());
    moved.send_with_login(&mut request);
    moved.expect_nothing();
    world.answer_store(true);
    moved.expect(200);
    world.finish();
}

#[test]
fn phones_do_not_wait_for_a_store_that_is_down() {
    // It fails.
    let world = World::new();
    world.store(Store::Failing);
    send_register(&alice(&world), 3600);
    alice(&world).expect(200);
    world.store(Store::Up);
    world.finish();
    // It says nothing, until it is declared down.
    let world = World::new();
    world.store(Store::Silent);
    send_register(&alice(&world), 3600);
    alice(&world).expect_nothing();
    world.store_health(false);
    alice(&world).expect(200);
    // From now on at once.
    let bob = world.ua("203.0.113.20:5070", BOB);
    send_register(&bob, 3600);
    bob.expect(200);
    world.store(Store::Up);
    world.store_health(true);
    alice(&world).expect_nothing();
    bob.expect_nothing();
    world.finish();
}
