//! M9: the n-th write fails, for every n. Lives here: people who answer whatever comes, a story of calls, and the store
//! that does not write once, or for a while. What must hold is checked by the world: no INVITE without a hold on
//! disk, one CDR for each hold, nothing left behind.

use types::{Money, Record, Transfer, TransferKind};

use crate::calls::{alice, carrier};
use crate::leg::Leg;
use crate::town::*;
use crate::ua::Ua;
use crate::wire::Got;
use crate::world::World;

/// What the carriers do with an INVITE.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Answer,
    Ring,
    Refuse,
}

/// Somebody who is called: answers INVITEs by his mood and everything else politely.
struct Callee {
    ua: Ua,
    mood: Mood,
    /// Calls that were answered and have had no BYE.
    live: Vec<Leg>,
    ringing: Vec<Leg>,
    invites: usize,
}

impl Callee {
    fn new(ua: Ua, mood: Mood) -> Callee {
        Callee { ua, mood, live: Vec::new(), ringing: Vec::new(), invites: 0 }
    }

    fn serve(&mut self) {
        while let Some(got) = self.ua.world.take(&self.ua.flow, |_| true) {
            match got.method.as_str() {
                "INVITE" if got.to_tag().is_empty() => self.invited(got),
                "CANCEL" => {
                    self.ua.send(&self.ua.response(&got, 200, got.header("To"), "", ""));
                    let at = self.ringing.iter().position(|leg| leg.call_id == got.call_id());
                    if let Some(at) = at {
                        self.ringing.remove(at).reply(487);
                    }
                }
                "BYE" => {
                    self.ua.send(&self.ua.response(&got, 200, got.header("To"), "", ""));
                    self.live.retain(|leg| leg.call_id != got.call_id());
                }
                _ => {}
            }
        }
    }

    fn invited(&mut self, got: Got) {
        let seen = |leg: &Leg| leg.call_id == got.call_id();
        if self.live.iter().any(seen) || self.ringing.iter().any(seen) {
            return;
        }
        self.invites += 1;
        let leg = self.ua.leg_from(got);
        match self.mood {
            Mood::Answer => {
                leg.reply(200);
                self.live.push(leg);
            }
            Mood::Ring => {
                leg.reply(180);
                self.ringing.push(leg);
            }
            Mood::Refuse => leg.reply(503),
        }
    }
}

/// Alice's side of one call.
struct Caller {
    leg: Leg,
    talks: bool,
    over: bool,
}

impl Caller {
    fn serve(&mut self) {
        let call_id = self.leg.call_id.clone();
        while let Some(got) =
            self.leg.ua.world.take(&self.leg.ua.flow, |got| got.call_id() == call_id)
        {
            match (got.status, got.method.as_str()) {
                (200, _) if got.cseq_method() == "INVITE" => {
                    self.leg.remote = got.header("To").to_owned();
                    self.leg.target = got.contact().to_owned();
                    self.leg.ack();
                    self.talks = true;
                }
                (300.., _) if got.cseq_method() == "INVITE" => {
                    let invite = self.leg.request.clone().unwrap();
                    self.leg.ua.send(&self.leg.ua.ack_of_refusal(&invite, &got));
                    self.over = true;
                }
                (200, _) if got.cseq_method() == "BYE" => self.over = true,
                (_, "BYE") => {
                    self.leg.respond(&got, 200, "", "");
                    self.over = true;
                }
                _ => {}
            }
        }
    }

    fn hang_up(&mut self) {
        match (self.over, self.talks) {
            (true, _) => {}
            (false, true) => self.leg.bye_crossing(),
            (false, false) => self.leg.cancel(),
        }
    }
}

/// One call: placed, served for a while, hung up, served to its end.
fn call(world: &World, callees: &mut [Callee], number: &str, talk_ms: u64) {
    let leg = alice(world).invite_with(alice(world).invite_request(number));
    let mut caller = Caller { leg, talks: false, over: false };
    let mut serve = |caller: &mut Caller, ms: u64| {
        for _ in 0..ms / 500 {
            callees.iter_mut().for_each(Callee::serve);
            caller.serve();
            callees.iter_mut().for_each(Callee::serve);
            world.advance(500);
        }
    };
    serve(&mut caller, talk_ms);
    caller.hang_up();
    serve(&mut caller, 40_000);
    assert!(caller.over, "the caller is left waiting");
    let live: usize = callees.iter().map(|callee| callee.live.len() + callee.ringing.len()).sum();
    assert_eq!(live, 0, "a callee is left in a call");
}

/// A registration, a call with failover and two extensions, one given up, one that the money ends, one on-net.
fn story(world: &World) -> usize {
    let phone = alice(world);
    phone.send_with_login(&mut phone.register_request(3600));
    phone.forget();
    let bob = world.ua("203.0.113.90:5060", BOB);
    bob.send_with_login(&mut bob.register_request(3600));
    bob.forget();
    let second = world.ua(CARRIER2, ("carrier2", ""));
    let mut callees = [
        Callee::new(carrier(world), Mood::Refuse),
        Callee::new(second, Mood::Answer),
        Callee::new(bob, Mood::Answer),
    ];
    call(world, &mut callees, FIXED, 70_000);
    callees[0].mood = Mood::Ring;
    callees[1].mood = Mood::Ring;
    call(world, &mut callees, FIXED, 5_000);
    callees[0].mood = Mood::Answer;
    callees[1].mood = Mood::Answer;
    call(world, &mut callees, MOBILE, 200_000);
    call(world, &mut callees, "bob1", 5_000);
    callees[0].invites + callees[1].invites
}

/// A level that ends the mobile call before its caller does.
fn world() -> World {
    World::with(|town| {
        town.account(1).controls.stop_level_all_24h = Money::from_micros(120_000);
    })
}

fn finish(world: &World, what: &str, invites: usize) {
    // Thirty writes may fail, and each is asked for again after at most half a minute.
    world.advance(31 * 31_000);
    let written = world.written();
    let held = written.iter().filter(|record| matches!(record, Record::Hold(_))).count();
    assert!(held >= invites, "{what}: {invites} INVITEs at carriers, {held} holds written");
    for cdr in world.cdrs() {
        let is_charge = |transfer: &&Transfer| {
            transfer.decision == cdr.decision && transfer.kind == TransferKind::Charge
        };
        let transfers = written.iter().filter_map(|record| match record {
            Record::Transfer(transfer) => Some(transfer),
            _ => None,
        });
        let charged: i64 = transfers.filter(is_charge).map(|charge| charge.amount.micros()).sum();
        assert_eq!(charged, cdr.price.micros(), "{what}: half of a record: {cdr:?}");
    }
    assert_eq!(world.cdrs().len(), 4, "{what}: one CDR for each call");
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn once() {
    let plain = world();
    let invites = story(&plain);
    finish(&plain, "every write is written", invites);
    let writes = plain.writes_answered();
    assert!(writes > 15, "{writes} writes");
    assert!(plain.stats().cut == 1 && invites == 4, "{invites} INVITEs, {:?}", plain.stats());
    for n in 1..=writes + 3 {
        let world = world();
        world.fail_writes(n..n + 1);
        let invites = story(&world);
        finish(&world, &format!("write {n} of {writes} fails"), invites);
    }
}

#[test]
fn from_the_nth_on_for_a_while() {
    let plain = world();
    story(&plain);
    for n in 1..=plain.writes_answered() {
        for many in [2, 5, 30] {
            let world = world();
            world.fail_writes(n..n + many);
            let invites = story(&world);
            finish(&world, &format!("writes {n} to {} fail", n + many - 1), invites);
        }
    }
}
