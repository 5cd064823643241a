//! Devices: told of, attributed, seasoning, thrown out, and what a line asks of them. Never here: lanes (lock_outs).

use engine::Command;
use types::{DeviceId, DeviceState, Fact, LineId, Money};

use crate::calls::{HOME, alice, carrier};
use crate::lock_outs::{ABROAD, MINUTE_MS, SAME_HOUSE, locked, try_to_register};
use crate::stale_phones::{NEW_SECRET, change_secret};
use crate::town::*;
use crate::ua::Ua;
use crate::world::World;

fn new_devices(world: &World) -> Vec<(u32, bool, bool, bool)> {
    let facts = world.facts();
    let new = facts.iter().filter_map(|fact| match fact {
        Fact::NewDevice { device, new_agent, new_address, tell, .. } => {
            Some((device.0, *new_agent, *new_address, *tell))
        }
        _ => None,
    });
    new.collect()
}

#[test]
fn devices_are_told_of_as_the_holder_wishes() {
    use types::DeviceNotices::*;
    for (notices, want) in
        [(Both, [true, true, true]), (AgentOnly, [true, false, true]), (Off, [false, false, false])]
    {
        let world = World::with(|town| town.account(1).controls.device_notices = notices);
        alice(&world).register();
        // The same kind of phone elsewhere, then another kind at the first place.
        world.ua("192.0.2.99:5060", ALICE).register();
        let tablet = world.ua("203.0.113.7:9999", ALICE);
        let mut request = tablet.register_request(3600);
        request.extra = request.extra.replace("Phone of alice1", "Tablet 2.1");
        tablet.send_with_login(&mut request);
        tablet.expect(200);
        let want = [(1, true, true, want[0]), (2, false, true, want[1]), (3, true, false, want[2])];
        assert_eq!(new_devices(&world), want, "{notices:?}");
        // Firmware is updated, the phone refreshes: nothing new.
        let mut request = tablet.register_request(3600);
        request.extra = request.extra.replace("Phone of alice1", "Tablet 2.2");
        request.cseq = 7;
        tablet.send_with_login(&mut request);
        tablet.expect(200);
        alice(&world).register();
        assert_eq!(new_devices(&world).len(), 3);
        assert!(!world.facts().iter().any(|fact| matches!(fact, Fact::DeviceMoved { .. })));
        world.finish();
    }
}

#[test]
fn calls_are_attributed_to_devices_and_a_new_one_may_spend_little() {
    let world = World::with(|town| {
        town.account(1).controls.new_device_cap = Some(Money::from_cents(8));
        town.account(1).controls.costly_calls = 9;
    });
    let phone = alice(&world);
    phone.register();
    let stranger = world.ua(ABROAD, ALICE);
    stranger.register();
    // France: 3p for the first minute. The third would pass 8p.
    let mut legs = Vec::new();
    for _ in 0..2 {
        let caller = stranger.invite(FRANCE);
        legs.push((caller, carrier(&world).expect_invite()));
    }
    let mut refused = stranger.invite_with(stranger.invite_request(FRANCE));
    let refusal = refused.refused(403);
    assert!(refusal.header("Reason").contains("[new-device-cap "), "{}", refusal.text());
    // The phone that is known may, and the new one may call where it costs little.
    for (caller, number) in [(&phone, FRANCE), (&stranger, FIXED)] {
        legs.push((caller.invite(number), carrier(&world).expect_invite()));
    }
    for (mut caller, mut callee) in legs {
        callee.decline(&mut caller);
    }
    let devices: Vec<Option<u32>> =
        world.cdrs().iter().map(|cdr| cdr.device.map(|id| id.0)).collect();
    assert_eq!(devices.iter().filter(|id| **id == Some(2)).count(), 4, "{devices:?}");
    assert_eq!(devices.iter().filter(|id| **id == Some(1)).count(), 1);
    // "This was me."
    world.command(Command::DeviceMine(DeviceId(2))).unwrap();
    let mut legs = Vec::new();
    for _ in 0..2 {
        legs.push((stranger.invite(FRANCE), carrier(&world).expect_invite()));
    }
    for (mut caller, mut callee) in legs {
        callee.decline(&mut caller);
    }
    world.finish();
}

#[test]
fn talk_of_a_new_device_ends_at_its_cap_and_a_day_later_it_is_not_new() {
    let world = World::with(|town| {
        town.account(1).controls.new_device_cap = Some(Money::from_cents(8));
    });
    alice(&world).register();
    let stranger = world.ua(ABROAD, ALICE);
    stranger.register();
    let mut caller = stranger.invite(FRANCE);
    let mut callee = carrier(&world).expect_invite();
    callee.answer(&mut caller);
    // 3p a minute: 7.5p are held for two and a half, 9p for three would be too much.
    world.advance(160_000);
    callee.take_bye();
    caller.take_bye();
    let cdr = world.cdr();
    assert_eq!(cdr.price, Money::from_micros(75_000));
    let spent = world.written().into_iter().rev().find_map(|record| match record {
        types::Record::Device(device) => Some(device.state),
        _ => None,
    });
    assert!(
        matches!(spent, Some(DeviceState::Seasoning { spent, .. }) if spent == Money::from_micros(75_000)),
        "{spent:?}"
    );
    world.forget_post();
    // It stays spent over a restart.
    world.restart(1_000);
    let mut refused = stranger.invite_with(stranger.invite_request(FRANCE));
    refused.refused(403);
    world.advance(24 * 60 * MINUTE_MS);
    stranger.register();
    let mut caller = stranger.invite(FRANCE);
    let mut callee = carrier(&world).expect_invite();
    callee.decline(&mut caller);
    world.finish_with_post();
}

#[test]
fn what_is_not_mine_is_thrown_out() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    let thief = world.ua(ABROAD, ALICE);
    thief.register();
    let mut caller = thief.invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.answer(&mut caller);
    let reply = world.command(Command::DeviceNotMine(DeviceId(2))).unwrap();
    assert_eq!(reply.cut, 1, "{}", reply.message);
    callee.take_bye();
    caller.take_bye();
    let bound: Vec<String> = world.bindings().into_iter().map(|binding| binding.contact).collect();
    assert_eq!(bound, [phone.contact()]);
    // He is refused as he is, in disguise, and from elsewhere; her phone is not.
    assert_eq!(try_to_register(&thief), 403);
    let mut disguised = thief.register_request(3600);
    disguised.extra = disguised.extra.replace("Phone of", "Other phone of");
    thief.send_with_login(&mut disguised);
    thief.expect(403);
    assert_eq!(try_to_register(&world.ua("203.0.113.67:5060", ALICE)), 403);
    // Nor is he let in from her house, where only what is surely hers is until the secret is another.
    assert_eq!(try_to_register(&world.ua(SAME_HOUSE, ALICE)), 403);
    assert_eq!(try_to_register(&phone), 200);
    assert_eq!(locked(&world), Vec::<String>::new());
    // A new secret, and everybody who has it is welcome but he.
    change_secret(&world, None);
    let secret = ("alice1", NEW_SECRET);
    assert_eq!(try_to_register(&world.ua("203.0.113.67:5060", secret)), 200);
    assert_eq!(try_to_register(&world.ua(ABROAD, secret)), 403);
    let tried = world
        .facts()
        .into_iter()
        .filter(|fact| matches!(fact, Fact::BannedDeviceTried { device: DeviceId(2), .. }));
    assert_eq!(tried.count(), 1);
    let unknown = world.command(Command::DeviceNotMine(DeviceId(99)));
    assert_eq!(unknown, Err("there is no device 99".to_owned()));
    world.finish();
}

#[test]
fn lines_that_refuse_md5_or_open_ways() {
    let world = World::with(|town| {
        town.line(1).sha256_only = true;
        town.line(2).tls_only = true;
    });
    let phone = alice(&world);
    let weak = Ua { algorithm: "MD5", ..phone.clone() };
    weak.send_with_login(&mut weak.register_request(3600));
    let refusal = weak.expect(403);
    assert!(refusal.header("Reason").contains("[sha256-only]"), "{}", refusal.text());
    assert_eq!(try_to_register(&phone), 200);
    // A guess is not told what is asked of the line.
    let guess = Ua { algorithm: "MD5", secret: "a guess", ..phone };
    guess.send_with_login(&mut guess.register_request(3600));
    assert!(!guess.expect(403).text().contains("sha256-only"));
    let open = world.ua(HOME, ALICE2);
    open.send_with_login(&mut open.register_request(3600));
    let refusal = open.expect(403);
    assert!(refusal.header("Reason").contains("[tls-only]"), "{}", refusal.text());
    world.finish();
}

#[test]
fn the_right_secret_from_outside_of_the_lock_teaches_nothing() {
    let world = World::with(|town| {
        town.account(1).controls.ip_lock = vec!["203.0.113.0/28".parse().unwrap()];
    });
    alice(&world).register();
    let outside = world.ua(ABROAD, ALICE);
    for _ in 0..3 {
        assert_eq!(try_to_register(&outside), 403);
    }
    let facts = world.facts();
    let told = facts.iter().filter(|fact| matches!(fact, Fact::OutsideLock { .. })).count();
    assert_eq!(told, 1, "once an hour");
    assert_eq!(new_devices(&world).len(), 1, "no device is known from there");
    assert_eq!(world.bindings().len(), 1);
    world.finish();
}

#[test]
fn a_switch_on_a_line_of_phones_is_recognised() {
    let world = World::new();
    let pbx = alice(&world);
    let mut request = pbx.register_request(3600);
    request.extra = request.extra.replace("Phone of alice1", "FPBX-15.0.16(16.9.0)");
    pbx.send_with_login(&mut request);
    pbx.expect(200);
    let facts = world.facts();
    let found = facts.iter().find_map(|fact| match fact {
        Fact::PbxRecognised { line, family, .. } => Some((*line, family.as_str())),
        _ => None,
    });
    assert_eq!(found, Some((LineId(1), "FreePBX")));
    world.finish();
}
