//! Bans from making to forgetting, with a clock of the test's own.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::*;

const MINUTE_US: u64 = 60_000_000;

fn at(us: u64) -> Now {
    let wall = UnixMicros(1_795_435_200_000_000 + us.cast_signed());
    Now { tick: Tick(5_000_000 + us), wall }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn bans() -> Bans {
    Bans::new(HashKey(1, 2))
}

#[test]
fn a_ban_holds_for_its_network_and_its_time_exactly() {
    let mut all = bans();
    assert!(!all.is_banned(ip("192.0.2.7"), at(0).wall));
    assert!(all.add_automatic(at(0), net("192.0.2.7/32"), BanReason::Scanner));
    all.add_ordered(at(0), net("2001:db8:7::/64"), None, "noise".into()).unwrap();
    all.add_ordered(at(0), net("198.51.100.0/24"), Some(at(1).wall), "x".into()).unwrap();
    let check = |source: &str, us: u64, want: bool| {
        assert_eq!(all.is_banned(ip(source), at(us).wall), want, "{source} at {us}");
    };
    check("192.0.2.7", 0, true);
    check("::ffff:192.0.2.7", 0, true);
    check("192.0.2.8", 0, false);
    check("192.0.2.7", 15 * MINUTE_US - 1, true);
    check("192.0.2.7", 15 * MINUTE_US, false);
    check("198.51.100.255", 0, true);
    check("198.51.101.0", 0, false);
    check("198.51.100.1", 1, false);
    check("2001:db8:7::9", u64::MAX / 4, true);
    check("2001:db8:7:1::9", 0, false);
    assert_eq!(all.find(ip("192.0.2.7"), at(0).wall).unwrap().reason, BanReason::Scanner);
}

#[test]
fn each_ban_is_twice_as_long_as_the_last_until_it_is_forgotten() {
    let mut all = bans();
    let mut now_us = 0;
    for want_min in [15, 30, 60, 120, 240, 480, 720, 720] {
        assert!(all.add_automatic(at(now_us), net("192.0.2.7/32"), BanReason::Garbage));
        assert!(!all.add_automatic(at(now_us), net("192.0.2.7/32"), BanReason::Garbage));
        let ban = all.ban(net("192.0.2.7/32")).unwrap();
        assert_eq!(ban.until.unwrap().ms_since(ban.since), want_min * 60_000);
        now_us += want_min * MINUTE_US;
        all.handle_timeout(at(now_us));
        assert!(all.iter(at(now_us).wall).next().is_none());
    }
    now_us += REMEMBER_MS * 1_000 - 1;
    assert!(!all.handle_timeout(at(now_us)).contains(&Record::BanGone(net("192.0.2.7/32"))));
    assert_eq!(all.next_timeout(), at(now_us + 1).tick);
    let gone = all.handle_timeout(at(now_us + 1));
    assert_eq!(gone, [Record::BanGone(net("192.0.2.7/32"))]);
    assert!(all.add_automatic(at(now_us + 1), net("192.0.2.7/32"), BanReason::Garbage));
    assert_eq!(all.ban(net("192.0.2.7/32")).unwrap().level, 0);
}

#[test]
fn what_nobody_ordered_is_written_once_and_slowly() {
    let mut all = bans();
    let source = |n: u32| IpNet::from(IpAddr::from(std::net::Ipv4Addr::from_bits(n)));
    (0..120).for_each(|n| assert!(all.add_automatic(at(0), source(n), BanReason::Scanner)));
    let mut rows = Vec::new();
    let mut seconds = Vec::new();
    while all.next_timeout() < at(MINUTE_US).tick {
        let now = at(all.next_timeout().0 - 5_000_000);
        let records = all.handle_timeout(now);
        seconds.push((now.wall.seconds() - at(0).wall.seconds(), records.len() / 2));
        rows.extend(records.into_iter().filter(|record| matches!(record, Record::Ban(_))));
    }
    assert_eq!(seconds, [(0, 50), (1, 50), (2, 20)]);
    rows.dedup();
    assert_eq!(rows.len(), 120);
}

#[test]
fn a_ban_lifted_before_it_was_written_is_never_told_of() {
    let mut all = bans();
    all.add_automatic(at(0), net("192.0.2.7/32"), BanReason::Scanner);
    let lifted = all.lift(at(0), net("192.0.2.7/32")).unwrap();
    assert_eq!(lifted[0], Record::BanGone(net("192.0.2.7/32")));
    assert_eq!(all.lift(at(0), net("192.0.2.7/32")), None);
    assert!(!all.is_banned(ip("192.0.2.7"), at(0).wall));
    assert_eq!(all.handle_timeout(at(0)), [Record::BanGone(net("192.0.2.7/32"))]);
    // One that has ended is forgiven without a word.
    all.add_automatic(at(0), net("192.0.2.7/32"), BanReason::Scanner);
    all.handle_timeout(at(15 * MINUTE_US));
    let forgiven = all.lift(at(15 * MINUTE_US), net("192.0.2.7/32")).unwrap();
    assert_eq!(forgiven, [Record::BanGone(net("192.0.2.7/32"))]);
}

#[test]
fn a_ban_in_force_gives_way_to_staff_only_and_the_shortest_first() {
    let mut all = Bans::with_room(HashKey(1, 2), 3);
    all.add_automatic(at(0), net("192.0.2.1/32"), BanReason::Scanner);
    all.add_automatic(at(1), net("192.0.2.2/32"), BanReason::Scanner);
    all.add_ordered(at(1), net("192.0.2.3/32"), Some(at(2).wall), "staff".into()).unwrap();
    assert!(!all.add_automatic(at(1), net("192.0.2.4/32"), BanReason::Scanner));
    assert_eq!(all.not_made(), 1);
    assert!(all.has_room(net("192.0.2.5/32")));
    all.add_ordered(at(1), net("192.0.2.5/32"), None, "staff".into()).unwrap();
    let banned = |all: &Bans, last: u8| all.is_banned(IpAddr::from([192, 0, 2, last]), at(1).wall);
    assert_eq!([1, 2, 3, 4, 5].map(|last| banned(&all, last)), [false, true, true, false, true]);
    all.add_ordered(at(1), net("192.0.2.6/32"), None, "staff".into()).unwrap();
    assert!(!all.has_room(net("192.0.2.7/32")));
    assert_eq!(all.add_ordered(at(1), net("192.0.2.7/32"), None, String::new()), Err(Full));
    // Ended ones are forgotten for anybody.
    all.handle_timeout(at(2));
    assert!(all.add_automatic(at(2), net("192.0.2.4/32"), BanReason::Scanner));
}

#[test]
fn a_restart_changes_nothing() {
    let mut all = bans();
    all.add_automatic(at(0), net("192.0.2.7/32"), BanReason::Scanner);
    all.add_ordered(at(0), net("192.0.2.8/32"), None, "staff".into()).unwrap();
    let kept: Vec<Ban> = all.iter(at(0).wall).cloned().collect();
    let check = |us: u64, want: [bool; 2], level: u8| {
        let mut again = bans();
        again.restore(&kept, at(us));
        let got = ["192.0.2.7", "192.0.2.8"].map(|text| again.is_banned(ip(text), at(us).wall));
        assert_eq!(got, want, "at {us}");
        again.handle_timeout(at(us));
        again.add_automatic(at(us), net("192.0.2.7/32"), BanReason::Scanner);
        assert_eq!(again.ban(net("192.0.2.7/32")).unwrap().level, level, "at {us}");
    };
    check(15 * MINUTE_US - 1, [true, true], 0);
    check(15 * MINUTE_US, [false, true], 1);
    check(15 * MINUTE_US + REMEMBER_MS * 1_000, [false, true], 0);
}
