//! The production auditor against planted bugs: each control that the node forgets makes exactly those calls free that it
//! let through. That it never accuses a correct node is shown with every other seed (`seeds.rs`) and scenario.

use std::collections::BTreeSet;

use audit::Mismatch;
use engine::Command;
use sim::audited::{Found, audited, report};
use sim::planted::Planted;
use sim::seeds::{Options, play_seed};
use sim::world::{Deed, World};
use store::{CallFilter, Reader};
use types::decision::Outcome;
use types::{AccountId, Cdr, Controls, DecisionId, Direction, Rate, TransferKind, UnixMicros};

/// Worlds played with each bug.
const SEEDS: u64 = 5;

fn admitted(world: &World) -> Vec<Cdr> {
    let filter =
        CallFilter { outcome: Some(Outcome::Admitted), limit: u32::MAX, ..CallFilter::default() };
    world.disk.store().calls(&filter).expect("memory can always be read")
}

fn is_charged(rate: Option<Rate>) -> bool {
    rate.is_some_and(|rate| !rate.per_minute.is_zero() || !rate.connect_fee.is_zero())
}

fn is_asked(cdr: &Cdr) -> bool {
    use types::DestinationClass::{Emergency, Support};
    cdr.direction != Direction::Incoming && ![Emergency, Support].contains(&cdr.destination.class)
}

/// What the records say that the node was told otherwise: is this call one that it should not have let out?
fn is_let_through(world: &World, planted: Planted, calls: &[Cdr], cdr: &Cdr) -> bool {
    let stood = |id: AccountId| {
        let stood = world.disk.store().controls_at(id, cdr.decision.time());
        stood.expect("memory can always be read").expect("something always stood")
    };
    let controls = stood(cdr.account).controls;
    let class = cdr.destination.class;
    match planted {
        Planted::LockForgotten => {
            let peer = cdr.a_leg.peer.expect("it came from somewhere").ip();
            let lock = &controls.ip_lock;
            is_asked(cdr) && !lock.is_empty() && !lock.iter().any(|net| net.contains(&peer))
        }
        Planted::BarsForgotten => {
            let cap = match class.is_national() {
                true => controls.price_cap_national,
                false => controls.price_cap_international,
            };
            let rate = cdr.explanation.rate.filter(|_| is_asked(cdr));
            let is_dear = rate.is_some_and(|rate| {
                rate.per_minute > cap || rate.connect_fee > controls.connect_fee_cap
            });
            is_asked(cdr) && controls.barred.contains(class) || is_dear
        }
        // Everything that has a price has the wrong one.
        Planted::HalfPrice => {
            let has_minutes = |rate: Rate| !rate.per_minute.is_zero();
            cdr.direction == Direction::Outgoing
                && is_asked(cdr)
                && cdr.explanation.rate.is_some_and(has_minutes)
        }
        Planted::WrongPayer => cdr.direction != Direction::Incoming && cdr.line.is_some(),
        Planted::LimitsForgotten => is_beyond_limits(calls, &controls, cdr),
        other => panic!("{other:?} forgets no control"),
    }
}

/// Were too many calls in progress, or too many hotspots called, when it came?
fn is_beyond_limits(calls: &[Cdr], controls: &Controls, cdr: &Cdr) -> bool {
    let earlier: Vec<&Cdr> = calls
        .iter()
        .filter(|one| one.account == cdr.account && one.decision < cdr.decision && is_asked(one))
        .collect();
    let count = |is_one: &dyn Fn(&Cdr) -> bool| earlier.iter().filter(|one| is_one(one)).count();
    let at = cdr.decision.time();
    let open = count(&|one| one.ended > at);
    let costly = count(&|one| one.ended > at && one.destination.class.is_costly());
    let half_a_day = UnixMicros(cdr.started.0 - 12 * 3_600_000_000);
    let hotspots = count(&|one| {
        let reached = one.answered.is_some() || one.ended > at;
        one.destination.hotspot && reached && one.started > half_a_day
    });
    let is_paid = cdr.direction == Direction::Outgoing && is_asked(cdr);
    let is_costly = is_paid && cdr.destination.class.is_costly();
    is_asked(cdr) && open >= usize::from(controls.calls)
        || is_costly && costly >= usize::from(controls.costly_calls)
        || is_paid && cdr.destination.hotspot && hotspots >= usize::from(controls.hotspot_calls)
}

/// Is this what the bug does?
fn is_its_kind(planted: Planted, mismatch: &Mismatch) -> bool {
    use Mismatch as M;
    match planted {
        Planted::LockForgotten => matches!(mismatch, M::IpLock { .. }),
        Planted::BarsForgotten => {
            matches!(mismatch, M::Barred { .. } | M::PriceCap { .. } | M::ConnectFeeCap { .. })
        }
        Planted::HalfPrice => matches!(mismatch, M::Rate { .. } | M::CostRate { .. }),
        Planted::LevelsTenfold => matches!(mismatch, M::StopLevel { .. } | M::Overspent { .. }),
        Planted::LimitsForgotten => {
            matches!(mismatch, M::Calls { .. } | M::CostlyCalls { .. } | M::Hotspots { .. })
        }
        // A stranger's controls are another's: whatever they do not allow.
        Planted::WrongPayer => true,
        other => panic!("{other:?} forgets no control"),
    }
}

/// Plays worlds with a bug in which nothing else fails; gives each with what the auditor finds.
fn worlds(planted: Planted) -> impl Iterator<Item = (World, Vec<Found>)> {
    (0..SEEDS).map(move |seed| {
        let options = Options { planted: Some(planted), faults: false, ..Options::default() };
        let world = play_seed(seed, options, true);
        let (_, found) = audited(world.disk.store(), &world.config().engine.off_hours);
        (world, found)
    })
}

#[test]
fn a_forgotten_control_is_found_in_exactly_the_calls_it_let_through() {
    use Planted::{BarsForgotten, HalfPrice, LimitsForgotten, LockForgotten, WrongPayer};
    for planted in [LockForgotten, BarsForgotten, LimitsForgotten, HalfPrice, WrongPayer] {
        let (mut let_through, mut fine) = (0, 0);
        for (world, found) in worlds(planted) {
            for one in &found {
                let kinds = one.mismatches.iter().all(|kind| is_its_kind(planted, kind));
                assert!(kinds, "{planted:?}: {} {:?}", one.cdr.decision, one.words());
            }
            let got: BTreeSet<DecisionId> = found.iter().map(|one| one.cdr.decision).collect();
            let calls = admitted(&world);
            let bad = calls.iter().filter(|cdr| is_let_through(&world, planted, &calls, cdr));
            let want: BTreeSet<DecisionId> = bad.map(|cdr| cdr.decision).collect();
            assert_eq!(got, want, "{planted:?}");
            let_through += want.len();
            fine += calls.len() - want.len();
        }
        assert!(let_through > 0 && fine > 0, "{planted:?}: {let_through} calls, {fine} others");
    }
}

#[test]
fn levels_that_are_too_high_are_found_in_calls_that_passed_the_right_ones() {
    let (mut found_in, mut quiet) = (0, 0);
    for (world, found) in worlds(Planted::LevelsTenfold) {
        for one in &found {
            assert!(is_charged(one.cdr.explanation.rate), "{}", one.cdr.decision);
            let kinds = one.mismatches.iter().all(|m| is_its_kind(Planted::LevelsTenfold, m));
            assert!(kinds, "{} {:?}", one.cdr.decision, one.words());
        }
        found_in += usize::from(!found.is_empty());
        quiet += admitted(&world).len() - found.len();
    }
    assert!(found_in >= 2 && quiet > 0, "found in {found_in} of {SEEDS} worlds, {quiet} fine");
}

#[test]
fn what_does_not_fit_is_given_back_once_and_nothing_else_is() {
    let mut given_back = 0;
    for (mut world, found) in worlds(Planted::LockForgotten) {
        for _ in 0..3 {
            let report = report(world.disk.store(), &found);
            let now = world.now;
            world.at(now, Deed::Command(Box::new(Command::Audited(Box::new(report)))));
            world.run_until(now + 10_000_000);
        }
        let store = world.disk.store();
        let bad: BTreeSet<DecisionId> = found.iter().map(|one| one.cdr.decision).collect();
        for cdr in admitted(&world) {
            let transfers = store.transfers(cdr.decision).expect("memory can always be read");
            let back: Vec<_> =
                transfers.iter().filter(|one| one.kind == TransferKind::ZeroRating).collect();
            let is_due = bad.contains(&cdr.decision) && !cdr.price.is_zero();
            // What the office gave back before stays as it was.
            let by_auditor = back.iter().filter(|one| one.amount == cdr.price).count();
            if is_due {
                assert!(back.len() == 1, "{}: {back:?}", cdr.decision);
                given_back += by_auditor;
            }
        }
        let kind = Some("audit-mismatch".to_owned());
        let filter = store::FactFilter { kind, limit: u32::MAX, ..store::FactFilter::default() };
        let facts = store.facts(&filter).expect("memory can always be read");
        assert_eq!(facts.len(), found.len(), "each is told once");
        assert_eq!(store.verify().expect("memory can always be read").problems, []);
    }
    assert!(given_back > 0, "no call cost anything");
}
