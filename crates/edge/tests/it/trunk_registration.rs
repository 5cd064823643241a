//! Our registrations at carriers: made, refreshed, tried again; calls to our Contact. Never here: what we answer to a
//! challenge (trunk_login).

use types::{Fact, TrunkAuth};

use crate::calls::carrier;
use crate::town::*;
use crate::trunk_login::{OURS, challenge, is_answered, town};
use crate::ua::Ua;
use crate::wire::{Got, OFFER};
use crate::world::World;

fn take_register(box_of: &Ua) -> Got {
    let register = box_of.expect("REGISTER");
    assert_eq!(register.uri, format!("sip:{CARRIER}"));
    assert_eq!(register.header("To"), format!("<sip:ringfence@{CARRIER}>"));
    assert_eq!(register.contact(), "sip:trunk-1@192.0.2.10:5060");
    register
}

fn answer(box_of: &Ua, got: &Got, status: u16, extra: &str) {
    let to = format!("{};tag=reg", got.header("To"));
    box_of.send(&box_of.response(got, status, &to, extra, ""));
}

fn reachable(world: &World) -> Vec<bool> {
    let facts = world.facts();
    let seen = facts.iter().filter_map(|fact| match fact {
        Fact::TrunkReachable { reachable, .. } => Some(*reachable),
        _ => None,
    });
    seen.collect()
}

#[test]
fn we_register_and_refresh() {
    let world = town(true);
    world.advance(0);
    let box_of = carrier(&world);
    let first = take_register(&box_of);
    answer(&box_of, &first, 401, &challenge(401, OURS, "r1"));
    let second = take_register(&box_of);
    is_answered(&second, 401, "r1");
    assert_eq!((second.call_id(), second.cseq()), (first.call_id(), 2));
    answer(&box_of, &second, 200, "Contact: <sip:ringfence@192.0.2.10:5060>;expires=600\r\n");
    assert_eq!(reachable(&world), [true]);
    world.advance(299_999);
    box_of.expect_nothing();
    world.advance(1);
    let third = take_register(&box_of);
    assert_eq!(third.cseq(), 3);
    answer(&box_of, &third, 401, &challenge(401, OURS, "r2"));
    let fourth = take_register(&box_of);
    is_answered(&fourth, 401, "r2");
    answer(&box_of, &fourth, 200, "Expires: 600\r\n");
    assert_eq!(reachable(&world), [true]);
    world.finish();
}

#[test]
fn a_failed_registration_is_tried_again() {
    let world = town(true);
    world.advance(0);
    let box_of = carrier(&world);
    // Refused after our answer.
    let first = take_register(&box_of);
    answer(&box_of, &first, 401, &challenge(401, OURS, "r1"));
    let second = take_register(&box_of);
    answer(&box_of, &second, 401, &challenge(401, OURS, "r2"));
    box_of.expect_nothing();
    world.advance(29_999);
    box_of.expect_nothing();
    world.advance(1);
    // Another realm: not answered.
    let third = take_register(&box_of);
    answer(&box_of, &third, 401, &challenge(401, "elsewhere.test", "r3"));
    box_of.expect_nothing();
    world.advance(29_999);
    box_of.expect_nothing();
    world.advance(1);
    let fourth = take_register(&box_of);
    answer(&box_of, &fourth, 200, "Expires: 3600\r\n");
    // No answer at all.
    world.advance(1_800_000);
    world.advance(32_000);
    assert_eq!(box_of.forget().len(), 11);
    assert_eq!(reachable(&world), [true, false]);
    world.advance(30_000);
    let fifth = take_register(&box_of);
    answer(&box_of, &fifth, 200, "Expires: 3600\r\n");
    assert_eq!(reachable(&world), [true, false, true]);
    world.finish();
}

#[test]
fn a_trunk_added_later_is_registered_at() {
    let world = World::new();
    world.advance(10_000);
    let mut trunk = Town::new().trunk(1).clone();
    trunk.host = "carrier.test".to_owned();
    trunk.auth = Some(TrunkAuth {
        user: "ringfence".to_owned(),
        secret: "x".to_owned(),
        realm: OURS.to_owned(),
        register: true,
    });
    world.command(engine::Command::PutTrunk(trunk.clone())).unwrap();
    world.advance(0);
    let box_of = carrier(&world);
    let register = box_of.expect("REGISTER");
    assert_eq!(register.uri, "sip:carrier.test");
    answer(&box_of, &register, 200, "Expires: 3600\r\n");
    trunk.enabled = false;
    world.command(engine::Command::PutTrunk(trunk)).unwrap();
    world.advance(4_000_000);
    box_of.expect_nothing();
    world.finish();
}

/// A carrier that we are registered at, and whose networks nobody told us.
#[test]
fn a_registrar_calls_our_contact_and_means_the_number_in_to() {
    fn check(uri: &str, to: &str, want: u16) {
        let world = World::with(|town| {
            let auth = TrunkAuth {
                user: "acme".to_owned(),
                secret: "secret at the carrier".to_owned(),
                realm: OURS.to_owned(),
                register: true,
            };
            let trunk = town.trunk(1);
            (trunk.auth, trunk.sources) = (Some(auth), Vec::new());
        });
        world.advance(0);
        let bob = world.ua("203.0.113.20:5070", BOB);
        bob.register();
        let carrier = carrier(&world).moved("198.51.100.1:40000");
        let mut request = carrier.request("INVITE", uri);
        request.to = format!("<sip:{to}@carrier.test>");
        request.extra = format!("Contact: <{}>\r\n", carrier.contact());
        request.body = OFFER.to_owned();
        carrier.send_request(&request);
        let mut caller = carrier.leg_of(request);
        if want == 200 {
            caller.expect(100);
            let mut callee = bob.expect_invite();
            callee.answer(&mut caller);
            caller.bye();
            callee.take_bye();
        } else {
            caller.refused(want);
        }
        world.forget_post();
        world.advance(70_000);
        assert_eq!(world.stats().calls, 0);
    }
    let contact = "sip:trunk-1@192.0.2.10:5060";
    check(contact, BOB_NUMBER, 200);
    check(contact, "442079460002", 200);
    check("sip:acme@192.0.2.10:5060", BOB_NUMBER, 200);
    check(&format!("sip:{BOB_NUMBER}@192.0.2.10:5060"), "somebody", 200);
    check(contact, "+442079460777", 404);
    // What a carrier asks for decides; To does only where that says nothing.
    check("sip:+442079460777@192.0.2.10:5060", BOB_NUMBER, 404);
    check("sip:trunk-2@192.0.2.10:5060", BOB_NUMBER, 404);
}
