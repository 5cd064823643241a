//! Who may come in: lock-outs, lanes of known devices, stale phones, new devices.

use engine::{Command, Overlap};
use types::{DeviceId, DeviceState, Fact, LineId, LockScope, Millis, Money, UnixMicros};

use crate::calls::{HOME, alice, carrier};
use crate::digest;
use crate::town::*;
use crate::ua::Ua;
use crate::world::World;

const MINUTE_MS: Millis = 60_000;
/// Another port of the house that Alice's phone is in.
const SAME_HOUSE: &str = "203.0.113.7:40000";
const ABROAD: &str = "203.0.113.66:5060";

/// Tries to register; the status of the answer.
fn try_to_register(phone: &Ua) -> u16 {
    phone.send_with_login(&mut phone.register_request(3600));
    let got = phone.world.take(&phone.flow, |_| true).expect("an answer");
    got.status
}

fn guess(world: &World, address: &str, user: &'static str) -> u16 {
    try_to_register(&world.ua(address, (user, "a guess")))
}

fn locked(world: &World) -> Vec<String> {
    let facts = world.facts();
    let scopes = facts.iter().filter_map(|fact| match fact {
        Fact::LockedOut { lock, .. } => Some(lock.scope.to_string()),
        _ => None,
    });
    scopes.collect()
}

#[test]
fn after_five_failures_the_right_secret_does_not_pass_for_a_quarter_of_an_hour() {
    let world = World::new();
    for _ in 0..5 {
        assert_eq!(guess(&world, ABROAD, "alice1"), 403);
    }
    let thief = world.ua(ABROAD, ALICE);
    for _ in 0..10 {
        assert_eq!(try_to_register(&thief), 403);
    }
    assert_eq!(world.stats().log_ins_locked, 10);
    assert_eq!(locked(&world), ["alice1@203.0.113.66"]);
    // Others from there, and she from elsewhere, have nothing to do with it.
    assert_eq!(try_to_register(&world.ua("203.0.113.66:5070", BOB)), 200);
    assert_eq!(try_to_register(&alice(&world)), 200);
    world.advance(15 * MINUTE_MS - 1);
    assert_eq!(try_to_register(&thief), 403);
    world.advance(1);
    assert_eq!(try_to_register(&thief), 200);
    world.finish();
}

#[test]
fn every_name_of_an_account_is_one_name() {
    let world = World::new();
    for name in ["alice1", "ALICE1", "alice%31", "Alice1", "%41lice1"] {
        assert_eq!(guess(&world, ABROAD, name), 403, "{name}");
    }
    assert_eq!(try_to_register(&world.ua(ABROAD, ALICE)), 403);
    assert_eq!(world.stats().log_ins_locked, 1);
    world.finish();
}

#[test]
fn methods_share_one_count() {
    let world = World::new();
    let wrong = world.ua(ABROAD, ("alice1", "a guess"));
    for round in 0..5 {
        if round % 2 == 0 {
            assert_eq!(try_to_register(&wrong), 403);
        } else {
            wrong.invite_with(wrong.invite_request(FIXED)).refused(403);
        }
    }
    let thief = world.ua(ABROAD, ALICE);
    thief.invite_with(thief.invite_request(FIXED)).refused(403);
    assert_eq!(world.stats().log_ins_locked, 1);
    assert_eq!(world.cdrs().len(), 0, "nobody was asked to pay");
    world.finish();
}

#[test]
fn names_that_nobody_has_are_locked_out_alike() {
    let world = World::new();
    let statuses = |user: &'static str, address: &str| -> Vec<u16> {
        (0..8).map(|_| guess(&world, address, user)).collect()
    };
    assert_eq!(statuses("alice1", ABROAD), statuses("nobody", "203.0.113.67:5060"));
    assert_eq!(world.stats().log_ins_locked, 6, "three each");
    world.finish();
}

#[test]
fn a_known_phone_has_its_own_lane_behind_its_own_address() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    for _ in 0..6 {
        assert_eq!(guess(&world, SAME_HOUSE, "alice1"), 403);
    }
    assert_eq!(try_to_register(&world.ua(SAME_HOUSE, ALICE)), 403, "even with the right secret");
    for _ in 0..3 {
        assert_eq!(try_to_register(&phone), 200);
        world.advance(5 * MINUTE_MS);
        guess(&world, SAME_HOUSE, "alice1");
    }
    let mut caller = phone.invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(486);
    callee.expect("ACK");
    caller.refused(486);
    world.finish();
}

#[test]
fn a_known_phone_is_known_by_more_than_its_socket() {
    // Its NAT gave it another port, or it was switched off and on: the house is under attack meanwhile.
    type Change = fn(&mut crate::ua::Request, &Ua);
    fn check(what: &str, change: Change, want: u16) {
        let world = World::new();
        let phone = alice(&world);
        let mut first = phone.register_request(3600);
        let instance = "+sip.instance=\"<urn:uuid:0f>\"";
        first.extra = first.extra.replace("\r\nExpires", &format!(";{instance}\r\nExpires"));
        phone.send_with_login(&mut first);
        phone.expect(200);
        for _ in 0..6 {
            guess(&world, SAME_HOUSE, "alice1");
        }
        let other = world.ua("203.0.113.7:31000", ALICE);
        let mut request = other.register_request(3600);
        change(&mut request, &phone);
        if what == "Call-ID" {
            request.call_id.clone_from(&first.call_id);
        }
        request.cseq = 10;
        other.send_with_login(&mut request);
        let got = world.take(&other.flow, |_| true).unwrap();
        assert_eq!(got.status, want, "{what}");
        world.finish();
    }
    check("nothing", |_, _| {}, 403);
    check("Call-ID", |_, _| {}, 200);
    check(
        "instance",
        |request, _| {
            let named = ";+sip.instance=\"<urn:uuid:0f>\"\r\nExpires";
            request.extra = request.extra.replace("\r\nExpires", named);
        },
        200,
    );
    check("look", |request, phone| request.extra = phone.register_request(3600).extra, 200);
    check(
        "another look",
        |request, phone| {
            let extra = phone.register_request(3600).extra;
            request.extra = extra.replace("Phone of", "Robot of");
        },
        403,
    );
}

#[test]
fn a_device_that_fails_itself_is_locked_out_itself() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    let broken = Ua { secret: "mistyped", ..phone.clone() };
    for _ in 0..5 {
        assert_eq!(try_to_register(&broken), 403);
    }
    assert_eq!(try_to_register(&phone), 403);
    assert_eq!(locked(&world), ["alice1#socket-0000000000000001"]);
    // Nobody else in the house is.
    assert_eq!(try_to_register(&world.ua(SAME_HOUSE, ALICE2)), 200);
    assert_eq!(try_to_register(&world.ua("203.0.113.7:40001", BOB)), 200);
    let lift = LockScope::Device { user: "alice1".into(), by: "socket".into(), key: 1 };
    world.command(Command::LiftLockOut(lift.clone())).unwrap();
    assert_eq!(try_to_register(&phone), 200);
    let again = world.command(Command::LiftLockOut(lift));
    assert_eq!(again, Err("alice1#socket-0000000000000001 is not locked out".to_owned()));
    world.finish();
}

#[test]
fn guessing_from_everywhere_ends_with_known_devices_only_and_lapses() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    for n in 0..100u32 {
        let address = format!("203.0.114.{}:5060", n + 1);
        assert_eq!(guess(&world, &address, "alice1"), 403);
    }
    assert_eq!(locked(&world), ["alice1"]);
    let traveller = world.ua("192.0.2.200:5060", ALICE);
    assert_eq!(try_to_register(&traveller), 403);
    assert_eq!(try_to_register(&phone), 200);
    // Who comes from her house is no stranger.
    assert_eq!(try_to_register(&world.ua(SAME_HOUSE, ALICE)), 200);
    world.advance(15 * MINUTE_MS);
    assert_eq!(try_to_register(&traveller), 200);
    // One more guess, and it goes on, for longer.
    assert_eq!(guess(&world, "203.0.120.1:5060", "alice1"), 403);
    assert_eq!(try_to_register(&world.ua("192.0.2.201:5060", ALICE)), 403);
    world.advance(29 * MINUTE_MS);
    assert_eq!(try_to_register(&world.ua("192.0.2.201:5060", ALICE)), 403);
    world.advance(MINUTE_MS);
    assert_eq!(try_to_register(&world.ua("192.0.2.201:5060", ALICE)), 200);
    world.finish();
}

#[test]
fn a_source_that_tries_many_names_is_locked_out_but_for_who_is_known_there() {
    let world = World::new();
    let phone = world.ua(ABROAD, ALICE);
    phone.register();
    let names = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"];
    // Thirty, and one more for the phone that is known there.
    for n in 0..31 {
        assert_eq!(guess(&world, "203.0.113.66:7000", names[n % names.len()]), 403);
    }
    assert_eq!(locked(&world), ["203.0.113.66"]);
    assert_eq!(try_to_register(&world.ua("203.0.113.66:7001", BOB)), 403);
    assert_eq!(try_to_register(&phone), 200);
    assert_eq!(try_to_register(&world.ua("203.0.113.66:7002", ALICE)), 200);
    assert_eq!(try_to_register(&world.ua("203.0.113.67:5060", BOB)), 200);
    world.finish();
}

#[test]
fn a_lock_out_outlives_the_program() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    for _ in 0..5 {
        guess(&world, ABROAD, "alice1");
    }
    world.advance(1_000);
    world.restart(5 * MINUTE_MS);
    let thief = world.ua(ABROAD, ALICE);
    assert_eq!(try_to_register(&thief), 403);
    assert_eq!(world.stats().log_ins_locked, 1);
    // So does what is known of her phone.
    for _ in 0..6 {
        guess(&world, SAME_HOUSE, "alice1");
    }
    assert_eq!(try_to_register(&phone), 200);
    world.advance(10 * MINUTE_MS);
    assert_eq!(try_to_register(&thief), 200);
    world.finish();
}

/// Alice gets another secret; the one before works on until then for these devices.
fn change_secret(world: &World, overlap: Option<(UnixMicros, Vec<DeviceId>)>) {
    let ha1 = digest::ha1("alice1", NEW_SECRET);
    let overlap = overlap.map(|(until, devices)| Overlap { until, devices });
    world.command(Command::SetSecret { line: LineId(1), ha1, overlap }).unwrap();
}

const NEW_SECRET: &str = "a new secret of Alice";

fn stale_phones(world: &World) -> Vec<Vec<String>> {
    let facts = world.facts();
    let messages = facts.iter().filter_map(|fact| match fact {
        Fact::StaleSecrets { phones, .. } => Some(phones),
        _ => None,
    });
    let named = |phone: &types::record::StalePhone| format!("{} {}", phone.agent, phone.peer);
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
        callee.reply(486);
        callee.expect("ACK");
        caller.refused(486);
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
        callee.reply(486);
        callee.expect("ACK");
        caller.refused(486);
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
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    caller.ack();
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
    callee.reply(486);
    callee.expect("ACK");
    caller.refused(486);
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
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    caller.ack();
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
