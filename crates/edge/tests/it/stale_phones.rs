//! A changed secret: phones that still have the old one, overlap, a thief who has it. Never here: guesses (lock_outs).

use engine::{Command, Overlap};
use types::{DeviceId, Fact, LineId, UnixMicros};

use crate::calls::alice;
use crate::digest;
use crate::lock_outs::{ABROAD, MINUTE_MS, SAME_HOUSE, locked, try_to_register};
use crate::town::*;
use crate::ua::Ua;
use crate::world::World;

pub const NEW_SECRET: &str = "a new secret of Alice";

/// Alice gets another secret; the one before works on until then for these devices.
pub fn change_secret(world: &World, overlap: Option<(UnixMicros, Vec<DeviceId>)>) {
    let ha1 = digest::ha1("alice1", NEW_SECRET);
    let overlap = overlap.map(|(until, devices)| Overlap { until, devices });
    world.command(Command::SetSecret { line: LineId(1), ha1, overlap }).unwrap();
}

fn stale_phones(world: &World) -> Vec<Vec<String>> {
    let facts = world.facts();
    let messages = facts.iter().filter_map(|fact| match fact {
        Fact::StaleSecrets { phones, .. } => Some(phones),
        _ => None,
    });
    let named = |phone: &types::StalePhone| format!("{} {}", phone.agent, phone.peer);
    messages.map(|phones| phones.iter().map(named).collect()).collect()
}

#[test]
fn fifty_stale_phones_in_one_house_are_named_together_and_never_locked_out() {
    let world = World::with(|town| town.config.limits.bindings_per_line = 60);
    let phones: Vec<Ua> =
        (0..50).map(|n| world.ua(&format!("203.0.113.7:{}", 20_000 + n), ALICE)).collect();
    phones.iter().for_each(|phone| drop(phone.register()));
    change_secret(&world, None);
    for _ in 0..12 {
        for phone in &phones {
            phone.send_with_login(&mut phone.register_request(3600));
            let refusal = phone.expect(403);
            assert!(refusal.header("Reason").contains("[old-secret]"), "{}", refusal.text());
        }
        world.advance(MINUTE_MS);
    }
    let messages = stale_phones(&world);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].len(), 50);
    assert!(messages[0][0].starts_with("Phone of alice1 203.0.113.7:"));
    assert_eq!(locked(&world), Vec::<String>::new());
    // With the new secret each of them is in at once, and so is the colleague next to them.
    let first = Ua { secret: NEW_SECRET, ..phones[0].clone() };
    assert_eq!(try_to_register(&first), 200);
    assert_eq!(try_to_register(&world.ua(SAME_HOUSE, BOB)), 200);
    world.finish();
}

#[test]
fn a_stranger_with_an_old_secret_is_an_alarm_and_a_failure() {
    let world = World::new();
    alice(&world).register();
    change_secret(&world, None);
    let thief = world.ua(ABROAD, ALICE);
    for _ in 0..5 {
        thief.send_with_login(&mut thief.register_request(3600));
        let refusal = thief.expect(403);
        assert!(!refusal.text().contains("old-secret"), "{}", refusal.text());
    }
    let alarms = world.facts().into_iter().filter(|fact| {
        matches!(fact, Fact::OldSecretLeaked { peer, .. } if *peer == ABROAD.parse().unwrap())
    });
    assert_eq!(alarms.count(), 1, "once an hour");
    assert_eq!(locked(&world), ["alice1@203.0.113.66"]);
    world.finish();
}

#[test]
fn an_old_secret_works_for_a_while_for_the_devices_that_were_named() {
    let world = World::new();
    let phone = alice(&world);
    let other = world.ua("192.0.2.99:5060", ALICE);
    phone.register();
    other.register();
    let until = world.wall().plus_ms(60 * MINUTE_MS);
    change_secret(&world, Some((until, vec![DeviceId(1)])));
    let bound: Vec<String> = world.bindings().into_iter().map(|binding| binding.contact).collect();
    assert_eq!(bound, [phone.contact()], "the other has to register again");
    assert_eq!(try_to_register(&phone), 200);
    assert_eq!(try_to_register(&other), 403);
    world.advance(60 * MINUTE_MS);
    assert_eq!(try_to_register(&phone), 403);
    assert_eq!(
        stale_phones(&world).concat().len(),
        2,
        "the holder knows which phones are to be changed"
    );
    world.finish();
}
