//! Look-ups: users, sources of carriers.

use types::{AccountStatus, LineStatus, TrunkId};

use crate::world::*;

#[test]
fn users_have_one_canonical_name() {
    let mut world = World::new();
    let find = |world: &World, user: &str| world.engine.line_by_user(user).map(|line| line.id);
    for user in ["alice", "Alice", "ALICE"] {
        assert_eq!(find(&world, user), Some(ALICE_LINE), "{user}");
    }
    for user in ["", "alic", "alice ", "älice", "%61lice"] {
        assert_eq!(find(&world, user), None, "{user}");
    }
    world.set_status(AccountStatus::Suspended);
    assert_eq!(find(&world, "alice"), Some(ALICE_LINE), "emergency calls need it");
    world.set_status(AccountStatus::Closed);
    assert_eq!(find(&world, "alice"), None);
    let mut snapshot = snapshot();
    snapshot.lines[0].status = LineStatus::Disabled;
    assert_eq!(find(&World::from(&snapshot, NOON), "alice"), None);
}

#[test]
fn carriers_are_known_by_their_networks() {
    let mut snapshot = snapshot();
    let net = |text: &str| text.parse().expect("a network");
    snapshot.trunks[0].sources = vec![net("192.0.2.0/24"), net("2001:db8::/32")];
    snapshot.trunks[1].sources = vec![net("192.0.2.128/25"), net("192.0.2.0/24")];
    let mut off = trunk(TrunkId(3), &[]);
    off.enabled = false;
    off.sources = vec![net("0.0.0.0/0")];
    snapshot.trunks.push(off);
    let world = World::from(&snapshot, NOON);
    let check = |peer: &str, want: Option<TrunkId>| {
        let peer = peer.parse().expect("an address");
        assert_eq!(world.engine.trunk_by_source(peer), want, "{peer}");
    };
    check("192.0.2.5", Some(MAIN_TRUNK));
    check("::ffff:192.0.2.5", Some(MAIN_TRUNK));
    check("192.0.2.200", Some(EMERGENCY_TRUNK));
    check("2001:db8::1", Some(MAIN_TRUNK));
    check("203.0.113.1", None);
}

#[test]
fn an_account_reads_back_as_it_was_put() {
    let world = World::new();
    let entry = world.engine.account(ALICE).expect("Alice is known");
    assert_eq!(entry.to_account(), snapshot().accounts[0]);
    assert_eq!(entry.lines(), [ALICE_LINE, ALICE_DESK]);
    assert_eq!(entry.numbers().len(), 2);
}

#[test]
fn an_engine_can_move_to_the_thread_of_its_node() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&World::new().engine);
}
