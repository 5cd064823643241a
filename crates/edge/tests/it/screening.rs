//! Who is heard and who is not: scanners, garbage, rates, bans, and those who are spared. Never here: how
//! long bans last (engine), how fast it is (the benches).

use engine::{BanOrder, Command};
use types::*;

use crate::calls::{alice, carrier};
use crate::town::*;
use crate::ua::{Request, Ua};
use crate::world::World;

const MINUTE_MS: Millis = 60_000;

fn options(ua: &Ua, agent: &str) -> Request {
    let mut request = ua.request("OPTIONS", "sip:ringfence.test");
    request.extra = format!("User-Agent: {agent}\r\nX-Room: {}\r\n", "for an answer ".repeat(9));
    request
}

/// Is an OPTIONS from there answered?
fn is_heard(ua: &Ua) -> bool {
    ua.send_request(&options(ua, "Phone"));
    !ua.forget().is_empty()
}

/// How many of so many OPTIONS are answered.
fn heard(ua: &Ua, tries: usize) -> usize {
    (0..tries).filter(|_| is_heard(ua)).count()
}

fn bans(world: &World) -> Vec<(String, BanReason)> {
    let ban = |fact| match fact {
        Fact::Banned { ban } => Some((ban.source.to_string(), ban.reason)),
        _ => None,
    };
    world.facts().into_iter().filter_map(ban).collect()
}

fn order(source: &str, ms: Option<Millis>) -> Command {
    let until = ms.map(|ms| UnixMicros::from_seconds(NOON).plus_ms(ms));
    let (source, note) = (source.parse().unwrap(), "noise".to_owned());
    Command::Ban(Box::new(BanOrder { source, until, note, even_if_known: false }))
}

#[test]
fn a_scanner_is_banned_at_once_and_gets_no_word() {
    fn check(agent: &str, from: &str, want: bool) {
        let world = World::new();
        let stranger = world.ua("203.0.113.66:5060", ("x", ""));
        let mut request = options(&stranger, agent);
        request.from = from.to_owned();
        stranger.send_request(&request);
        assert_eq!(stranger.forget().is_empty(), want, "{agent} {from}");
        assert_eq!(!is_heard(&stranger.moved("203.0.113.66:7")), want, "{agent} {from}");
        assert!(is_heard(&stranger.moved("203.0.113.67:5060")), "{agent}");
        let source = "203.0.113.66/32".to_owned();
        let banned = if want { vec![(source, BanReason::Scanner)] } else { Vec::new() };
        assert_eq!(bans(&world), banned, "{agent} {from}");
        world.finish();
    }
    let anybody = "<sip:100@203.0.113.66>;tag=1";
    check("friendly-scanner", anybody, true);
    check("Friendly-Scanner 0.3", anybody, true);
    check("sundayddr", anybody, true);
    check("sipcli/v1.8", anybody, true);
    check("pplsip", anybody, true);
    check("Nmap NSE", anybody, true);
    check("Yealink", "\"sipvicious\"<sip:100@1.1.1.1>;tag=1", true);
    check("Yealink SIP-T46S", anybody, false);
    check("VaxSIPUserAgent/3.1", anybody, false);
    check("sipsak 0.9.8.1", anybody, false);
    check("not a friendly-scanner", anybody, false);
}

#[test]
fn nobody_is_banned_where_customers_are() {
    let world =
        World::with(|town| town.config.engine.allow = vec!["192.0.2.128/25".parse().unwrap()]);
    let phone = alice(&world);
    phone.register();
    let neighbour = phone.moved(&format!("{}:4711", phone.flow.peer.ip()));
    for scanner in [neighbour, carrier(&world), world.ua("192.0.2.200:5060", ("x", ""))] {
        scanner.send_request(&options(&scanner, "friendly-scanner"));
        scanner.forget();
        assert!(is_heard(&scanner), "{}", scanner.flow.peer);
    }
    assert_eq!(bans(&world), []);
    // A phone that calls itself so is a phone.
    phone.send_request(&options(&phone, "friendly-scanner"));
    phone.expect(200);
    world.finish();
}

#[test]
fn garbage_that_goes_on_is_banned_and_a_little_is_not() {
    fn check(pieces: &[u8], per_s: u64, seconds: u64, want: bool) {
        let world = World::new();
        let stranger = world.ua("203.0.113.66:5060", ("x", ""));
        for _ in 0..seconds * per_s {
            world.receive(stranger.flow, pieces);
            stranger.forget();
            world.advance(1_000 / per_s);
        }
        assert_eq!(!is_heard(&stranger), want, "{per_s} a second for {seconds} s");
        assert_eq!(bans(&world).len(), usize::from(want));
        world.finish();
    }
    check(&[0xAA; 80], 100, 6, true);
    check(&[0xAA; 80], 20, 20, false);
    check(&[0xAA; 80], 100, 3, false);
    check(b"\r\n\r\n", 100, 6, false);
}

#[test]
fn strangers_have_a_rate_and_known_sockets_have_none() {
    let world = World::new();
    let (phone, carrier) = (alice(&world), carrier(&world));
    let stranger = world.ua("203.0.113.66:5060", ("x", ""));
    assert_eq!(heard(&stranger, 300), 100);
    assert_eq!(heard(&stranger.moved("203.0.113.66:7"), 9), 0);
    assert_eq!(heard(&stranger.moved("203.0.113.67:7"), 9), 9);
    world.advance(1_000);
    assert_eq!(heard(&stranger, 300), 20);
    phone.register();
    assert_eq!(heard(&phone, 300), 300);
    assert_eq!(heard(&carrier, 300), 300);
    assert_eq!(world.stats().dropped.rate, 200 + 9 + 280);
    world.finish();
}

#[test]
fn strangers_are_shed_first() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    let strangers = |count: usize| {
        let one = |at: &usize| {
            let address = format!("203.0.{}.{}:5060", 114 + at / 250, at % 250 + 1);
            is_heard(&world.ua(&address, ("x", "")))
        };
        (0..count).filter(one).count()
    };
    world.set_busy(true);
    assert_eq!(strangers(3_000), 2_000);
    assert!(is_heard(&phone));
    world.set_busy(false);
    assert_eq!(strangers(3_000), 3_000);
    world.finish();
}

#[test]
fn a_switch_that_never_registers_is_known_by_its_calls() {
    let world = World::new();
    let (switch, carrier) = (alice(&world), carrier(&world));
    switch.send_with_login(&mut switch.invite_request(FIXED));
    assert_eq!(heard(&switch, 300), 300);
    assert_eq!(
        heard(&switch.moved("203.0.113.7:99"), 300),
        97,
        "two INVITEs and an ACK were counted"
    );
    world.forget_post();
    world.advance(200_000);
    carrier.forget();
    switch.forget();
}

/// A phone and an attacker behind one address, who has used up what strangers may send from there.
fn under_fire(world: &World) -> (Ua, Ua) {
    let phone = alice(world);
    phone.register();
    let attacker = phone.moved(&format!("{}:6666", phone.flow.peer.ip()));
    heard(&attacker, 200);
    assert!(!is_heard(&attacker));
    (phone, attacker)
}

#[test]
fn a_phone_is_heard_whatever_its_neighbours_do() {
    let world = World::new();
    let (phone, attacker) = under_fire(&world);
    assert!(is_heard(&phone));
    // The NAT gives it another port: its Contact and its Call-ID are what they were.
    let moved = phone.moved(&format!("{}:4711", phone.flow.peer.ip()));
    let same_contact = |mut request: Request| {
        request.extra = request.extra.replace(&moved.contact(), &phone.contact());
        request
    };
    let mut again = same_contact(moved.register_request(3600));
    moved.send_with_login(&mut again);
    moved.expect(200);
    // Somebody who says something else is not heard, nor one who says the same from elsewhere too often.
    let unfamiliar = world.stats().dropped.unfamiliar;
    attacker.send_request(&attacker.register_request(3600));
    attacker.expect_nothing();
    assert_eq!(world.stats().dropped.unfamiliar, unfamiliar + 1);
    let elsewhere = world.ua("203.0.113.200:5060", ("x", ""));
    heard(&elsewhere, 200);
    elsewhere.send_request(&same_contact(elsewhere.register_request(3600)));
    elsewhere.expect_nothing();
    world.finish();
}

#[test]
fn an_emergency_call_is_heard_beyond_the_rate() {
    let world = World::new();
    let (phone, attacker) = under_fire(&world);
    let new = phone.moved(&format!("{}:4711", phone.flow.peer.ip()));
    new.send_request(&new.invite_request(FIXED));
    new.expect_nothing();
    let mut emergency = new.invite_request("999");
    new.send_with_login(&mut emergency);
    new.expect(100);
    let invite = carrier(&world).pick("INVITE");
    assert!(invite.uri.contains("999"), "{}", invite.uri);
    // Fake ones are challenged so often and no more.
    let fakes = |count: usize| {
        let one = |_: &usize| {
            attacker.send_request(&attacker.invite_request("112"));
            !attacker.forget().is_empty()
        };
        (0..count).filter(one).count()
    };
    assert_eq!(fakes(200), 28, "of thirty, two were the call");
    world.forget_post();
    world.advance(400_000);
}

#[test]
fn staff_ban_and_lift_and_a_restart_changes_nothing() {
    let world = World::new();
    let stranger = world.ua("203.0.113.66:5060", ("x", ""));
    let reply = world.command(order("203.0.113.0/24", Some(MINUTE_MS))).unwrap();
    assert_eq!(reply.message, "203.0.113.0/24 is banned until 2026-11-23T12:01:00.000Z");
    assert!(!is_heard(&stranger));
    world.restart(10_000);
    assert!(!is_heard(&stranger));
    world.advance(MINUTE_MS - 10_000 - 1);
    assert!(!is_heard(&stranger));
    world.advance(1);
    assert!(is_heard(&stranger));
    world.command(order("203.0.113.66/32", None)).unwrap();
    world.advance(1_000 * MINUTE_MS);
    assert!(!is_heard(&stranger));
    world.command(Command::Unban("203.0.113.66/32".parse().unwrap())).unwrap();
    assert!(is_heard(&stranger));
    world.finish();
}

#[test]
fn what_staff_cannot_ban() {
    fn check(command: Command, want: &str) {
        let world = World::with(|town| {
            town.config.engine.allow = vec!["203.0.113.128/25".parse().unwrap()];
        });
        assert_eq!(world.command(command.clone()).unwrap_err(), want, "{command:?}");
    }
    check(
        order("203.0.113.0/24", None),
        "203.0.113.0/24 cannot be banned: access.allow spares 203.0.113.128/25",
    );
    check(
        order("203.0.113.200/32", None),
        "203.0.113.200/32 cannot be banned: access.allow spares 203.0.113.128/25",
    );
    check(order("198.51.0.0/16", None), "198.51.0.0/16 cannot be banned: trunk 1 is there");
    check(order("192.0.2.9/32", Some(0)), "until: is over already");
    check(order("192.0.0.0/7", None), "source: `192.0.0.0/7` is wider than /8");
    check(
        order("192.0.2.9/24", None),
        "source: `192.0.2.9/24` is no network: is 192.0.2.0/24 meant?",
    );
    check(
        order("::ffff:192.0.2.0/120", None),
        "source: `::ffff:192.0.2.0/120`: write the IPv4 network itself",
    );
    check(Command::Unban("192.0.2.9/32".parse().unwrap()), "192.0.2.9/32 is not banned");
}

#[test]
fn a_ban_is_one_record_whatever_comes() {
    let world = World::new();
    let stranger = world.ua("203.0.113.66:5060", ("x", ""));
    let before = world.asked();
    for _ in 0..5_000 {
        stranger.send_request(&options(&stranger, "friendly-scanner"));
    }
    assert_eq!(world.asked() - before, 1);
    let dropped = world.stats().dropped;
    assert_eq!((dropped.scanner, dropped.banned), (1, 4_999));
    world.finish();
}
