//! An IP lock on trial: it holds at once, and goes unless it is confirmed; after a restart too.

use engine::{Command, CommandError, ControlChange, LockOrder, TrialEnd};
use types::{By, Fact, Proof, Record, Setting, UnixMicros};

use crate::world::*;

const LOGGED_IN: By = By::Holder { proof: Proof::LoggedIn };

fn nets(text: &str) -> Vec<ipnet::IpNet> {
    text.split_whitespace().map(|net| net.parse().expect("a network")).collect()
}

fn lock(text: &str) -> Command {
    Command::TryLock(Box::new(LockOrder { account: ALICE, lock: nets(text), by: LOGGED_IN }))
}

fn end(keep: bool) -> Command {
    Command::EndTrial(Box::new(TrialEnd { account: ALICE, keep, by: LOGGED_IN }))
}

fn set(lock: &str) -> Command {
    Command::ChangeControls(Box::new(ControlChange {
        account: ALICE,
        settings: vec![Setting::IpLock(nets(lock))],
        by: By::STAFF,
        why: String::new(),
        until: None,
    }))
}

fn stands(world: &World) -> Vec<ipnet::IpNet> {
    world.engine.account(ALICE).expect("Alice is known").controls.ip_lock.clone()
}

fn trial_of(records: &[Record]) -> Option<Option<UnixMicros>> {
    records.iter().rev().find_map(|record| match record {
        Record::Raises(raises) => Some(raises.trial.as_ref().map(|trial| trial.until)),
        _ => None,
    })
}

#[test]
fn it_holds_at_once_and_goes_after_ten_minutes() {
    let mut world = World::new();
    let began = world.now;
    let done = world.engine.command(world.now, lock("192.0.2.0/24")).expect("it makes sense");
    assert_eq!(stands(&world), nets("192.0.2.0/24"));
    assert_eq!(trial_of(&done.records), Some(Some(began.wall.plus_ms(600_000))));
    assert!(!done.relocked.is_empty(), "phones outside have to register again");

    // Also after a restart.
    let mut kept = snapshot();
    for record in done.records {
        match record {
            Record::Account(account) => kept.accounts.retain_mut(|one| {
                if one.id == account.id {
                    one.clone_from(&account);
                }
                true
            }),
            Record::Raises(raises) => kept.raises = vec![*raises],
            _ => {}
        }
    }
    let mut world = World::from(&kept, began.wall);
    world.pass_ms(599_999);
    world.engine.handle_timeout(world.now);
    assert_eq!(stands(&world), nets("192.0.2.0/24"));
    world.pass_ms(1);
    world.engine.handle_timeout(world.now);
    assert_eq!(stands(&world), nets(""));
    let ended = world.engine.take_ended().expect("it ended");
    assert_eq!(trial_of(&ended.records), Some(None));
    let told = ended.records.iter().any(|record| {
        matches!(record, Record::Fact(_, Fact::Raised { by: By::System { reason }, .. }) if reason.contains("nobody confirmed"))
    });
    assert!(told, "{:?}", ended.records);
    world.pass_ms(3_600_000);
    world.engine.handle_timeout(world.now);
    assert!(world.engine.take_ended().is_none(), "once");
}

#[test]
fn what_is_confirmed_stays_and_what_is_given_up_goes() {
    let mut world = World::new();
    world.engine.command(world.now, set("192.0.2.0/24 198.51.100.0/24")).expect("it makes sense");
    world.engine.command(world.now, lock("192.0.2.0/24")).expect("it makes sense");
    let done = world.engine.command(world.now, end(true)).expect("it is on trial");
    assert_eq!(trial_of(&done.records), Some(None));
    world.pass_ms(700_000);
    world.engine.handle_timeout(world.now);
    assert_eq!(stands(&world), nets("192.0.2.0/24"));

    world.engine.command(world.now, lock("192.0.2.0/25")).expect("it makes sense");
    world.engine.command(world.now, end(false)).expect("it is on trial");
    assert_eq!(stands(&world), nets("192.0.2.0/24"), "what stood before, no more");
    assert!(world.engine.command(world.now, end(true)).is_err(), "none is on trial");
}

/// Staff lower the lock meanwhile: no end takes that back.
#[test]
fn whatever_else_is_done_to_the_lock_ends_the_trial() {
    let mut world = World::new();
    world.engine.command(world.now, lock("192.0.2.0/24")).expect("it makes sense");
    let done = world.engine.command(world.now, set("192.0.2.7/32")).expect("it makes sense");
    assert_eq!(trial_of(&done.records), Some(None));
    world.pass_ms(700_000);
    world.engine.handle_timeout(world.now);
    assert_eq!(stands(&world), nets("192.0.2.7/32"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut world = World::new();
    let refused = |world: &mut World, command: Command| {
        world.engine.command(world.now, command).expect_err("it makes no sense").to_string()
    };
    assert!(refused(&mut world, lock("")).contains("name the networks"));
    world.engine.command(world.now, set("192.0.2.0/24")).expect("it makes sense");
    assert!(refused(&mut world, lock("192.0.2.0/24")).contains("nothing to try"));
    // Elsewhere is more, not less.
    let needs = world.engine.command(world.now, lock("198.51.100.0/24"));
    assert!(matches!(needs, Err(CommandError::NeedsProof("ip_lock"))));
    world.engine.command(world.now, lock("192.0.2.0/25")).expect("it makes sense");
    assert!(refused(&mut world, lock("192.0.2.0/26")).contains("another lock is on trial"));
}
