//! What the tables may take.

use super::super::Overloaded;
use super::*;

#[test]
fn a_full_server_table_forgets_what_is_completed_first() {
    let mut world = World::with_limits(Limits { max_transactions: 3 });
    let flow = udp(PEER);
    let first = world.creates(0, &request("BYE", "z9hG4bK1"), &flow, 1);
    let second = world.creates(0, &request("BYE", "z9hG4bK2"), &flow, 2);
    world.creates(0, &request("INVITE", "z9hG4bK3"), &flow, 3);
    let create = |world: &mut World, branch: &str| {
        with(&request("BYE", branch), |bye| world.layer.create_server(at(1), bye, flow, 9))
    };
    assert_eq!(create(&mut world, "z9hG4bK4"), Err(Overloaded), "none is completed");
    world.responds(1, second, 200);
    world.responds(1, first, 200);
    assert!(create(&mut world, "z9hG4bK5").is_ok());
    assert_eq!(world.layer.len().0, 3);
    assert_eq!(world.arrives(2, &request("BYE", "z9hG4bK1"), &flow), Matched::Absorbed);
    assert_eq!(
        world.arrives(2, &request("BYE", "z9hG4bK2"), &flow),
        Matched::New,
        "the oldest went"
    );
    world.sent();
    // A CANCEL is answered even when there is no room for it.
    assert!(create(&mut world, "z9hG4bK6").is_ok());
    assert_eq!(create(&mut world, "z9hG4bK7"), Err(Overloaded));
    let matched = world.arrives(3, &request("CANCEL", "z9hG4bK3"), &flow);
    assert!(matches!(matched, Matched::Cancel { user: 3, .. }));
    assert_eq!(world.sent(), ["200"]);
}

#[test]
fn a_full_client_table_refuses() {
    let mut world = World::with_limits(Limits { max_transactions: 2 });
    world.sends(0, Method::Bye, &udp(PEER), 1);
    world.sends(0, Method::Bye, &udp(PEER), 2);
    assert_eq!(world.layer.new_client(3), Err(Overloaded));
    world.run(40_000);
    assert!(world.layer.new_client(3).is_ok());
}

#[test]
fn timers_of_ended_transactions_take_no_lasting_memory() {
    let mut world = World::new();
    let flow = tcp(PEER, 1);
    // Each ends at once and leaves a timer of 32 seconds behind.
    for number in 0..50_000 {
        let tx = world.sends(number / 100, Method::Options, &flow, 1);
        let ok = response(&world.layer.branch(tx), 200, "OPTIONS");
        assert!(world.hears(number / 100, &ok, &flow).is_some());
        world.out.clear();
        assert!(world.layer.queue.len() <= 1_100, "{}", world.layer.queue.len());
    }
    assert_eq!(world.layer.len(), (0, 0));
}

#[test]
fn after_a_burst_the_memory_comes_back() {
    let mut world = World::new();
    let flow = udp(PEER);
    for number in 0..20_000 {
        let tx = world.creates(0, &request("OPTIONS", &format!("z9hG4bK{number}")), &flow, 1);
        world.responds(0, tx, 200);
        world.out.clear();
    }
    assert_eq!(world.layer.len().0, 20_000);
    world.run(32_000);
    let layer = &world.layer;
    assert_eq!(layer.len().0, 0);
    assert_eq!((layer.servers.capacity(), layer.completed.capacity()), (0, 0));
    assert!(layer.queue.capacity() <= 2_048, "{}", layer.queue.capacity());
    assert!(layer.index.capacity() <= 4_096, "{}", layer.index.capacity());
}

#[test]
fn same_keys_same_bytes() {
    let run = || {
        let mut world = World::new();
        let tx = world.creates(0, &request("INVITE", "z9hG4bKa"), &udp(PEER), 1);
        world.layer.trying(at(0), tx, &mut world.out);
        world.arrives(1, &request("CANCEL", "z9hG4bKa"), &udp(PEER));
        world.sends(2, Method::Invite, &udp(PEER), 2);
        world.layer.handle_timeout(at(500), &mut world.out, &mut world.events);
        world.sent_text()
    };
    assert_eq!(run(), run());
}
