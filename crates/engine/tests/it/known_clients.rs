//! Log-ins elsewhere: clients that are known there have lanes of their own.

use engine::{Claim, Command, Door, ForeignLogIn};
use types::{Fact, LockScope, Record};

use crate::world::*;

const USER: &str = "pages/amy@example.com";

fn fails(world: &mut World, source: [u8; 4], known: Option<u64>) -> Vec<Record> {
    let tried = ForeignLogIn { source: source.into(), user: USER.into(), agent: "x".into(), known };
    world.engine.command(world.now, Command::NoteLogIns(vec![tried])).expect("good").records
}

fn may(world: &World, source: [u8; 4], known: Option<u64>) -> bool {
    let claim = Claim::bare(USER, (source, 0).into(), "https");
    match known {
        Some(key) => world.engine.may_known_log_in(world.now, USER, key),
        None => world.engine.may_log_in(world.now, &claim) != Door::Shut,
    }
}

/// A hundred failures of strangers, from one source and from many, shut the name for strangers and for nobody else; five
/// of a known client shut that client's lane and no other.
#[test]
fn strangers_do_not_shut_out_a_known_client() {
    let mut world = World::new();
    let (home, other) = ([192, 0, 2, 7], [203, 0, 113, 9]);
    for n in 0..120 {
        fails(&mut world, [198, 51, 100, n], None);
        fails(&mut world, home, None);
    }
    assert!(!may(&world, home, None) && !may(&world, other, None));
    assert!(may(&world, home, Some(7)) && may(&world, home, Some(8)));
    let mut locked = Vec::new();
    for _ in 0..5 {
        assert!(may(&world, home, Some(7)));
        locked.extend(fails(&mut world, home, Some(7)));
    }
    // From whatever address it comes.
    assert!(!may(&world, home, Some(7)) && !may(&world, other, Some(7)));
    assert!(may(&world, home, Some(8)));
    let told = locked.iter().find_map(|record| match record {
        Record::Fact(_, Fact::LockedOut { account: None, lock }) => Some(lock),
        _ => None,
    });
    let lock = told.expect("it is told");
    let want = LockScope::Device { user: USER.to_owned(), by: "instance".to_owned(), key: 7 };
    assert_eq!((&lock.scope, lock.failures), (&want, 5));
    // Tries during the lock-out do not count.
    assert_eq!(fails(&mut world, home, Some(7)), []);
    world.now = types::Now {
        tick: world.now.tick.plus_ms(lock.until.ms_since(lock.since)),
        wall: lock.until,
    };
    assert!(may(&world, home, Some(7)));
}
