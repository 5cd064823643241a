//! Emergency and support calls go through, whatever else is wrong.

use engine::Target;
use types::cdr::HangupCause;
use types::{AccountStatus, DestinationClass, Direction, Money, Tick, TrunkId};

use crate::world::*;

/// A world in which nothing else goes.
fn locked_down(status: AccountStatus) -> World {
    let mut world = World::with(|controls| {
        controls.calls = 0;
        controls.stop_level_all_24h = Money::ZERO;
        controls.barred = DestinationClass::ALL.to_vec().into();
        controls.ip_lock = vec!["203.0.113.0/24".parse().expect("a network")];
    });
    world.set_status(status);
    world.engine.store_health(false);
    world
}

#[test]
fn emergency_and_support_work_at_every_level_but_closed() {
    use AccountStatus::*;
    for dialled in ["999", "112", "150"] {
        for status in [Active, Watched, Frozen, Limited, Suspended] {
            assert_eq!(locked_down(status).codes(dialled), [""; 0], "{status} {dialled}");
        }
        assert_eq!(locked_down(Closed).codes(dialled), ["account-status"]);
    }
    // F4: an emergency code is an exact match.
    for dialled in ["999123", "9999", "+44999"] {
        assert_ne!(locked_down(Active).codes(dialled), [""; 0], "{dialled}");
    }
}

#[test]
fn emergency_calls_cost_nothing_and_have_no_end_of_money() {
    let mut world = locked_down(AccountStatus::Suspended);
    let admission = world.dial(ALICE_LINE, "999").expect("emergency");
    let decision = admission.decision();
    assert_eq!(admission.destination().class, DestinationClass::Emergency);
    assert!(!admission.needs_store());
    let Target::Trunks { number, trunks } = admission.into_route().target else {
        panic!("emergency calls go out");
    };
    assert_eq!((number.short_code.as_deref(), trunks), (Some("999"), vec![EMERGENCY_TRUNK]));
    world.engine.use_trunk(decision, EMERGENCY_TRUNK);
    let deadlines = world.engine.answered(world.now, decision);
    assert_eq!((deadlines.extend_at, deadlines.hard_stop), (Tick::NEVER, Tick::NEVER));
    assert_eq!(world.usage().calls, 0, "it is not counted");
    assert_eq!(world.set_status(AccountStatus::Closed), [], "and never cut");
    world.pass_ms(7_200_000);
    assert_eq!(world.engine.handle_timeout(world.now), []);
    let records = world.end(decision, HangupCause::Normal);
    let cdr = cdr(&records);
    assert_eq!((cdr.price, cdr.cost, cdr.duration_ms), (Money::ZERO, Money::ZERO, 7_200_000));
}

#[test]
fn emergency_calls_go_to_any_carrier_before_they_go_nowhere() {
    fn check(enabled: [bool; 2], want: Option<TrunkId>) {
        let mut snapshot = snapshot();
        for (trunk, enabled) in snapshot.trunks.iter_mut().zip(enabled) {
            trunk.enabled = enabled;
        }
        let verdict = World::from(&snapshot, NOON).dial(ALICE_LINE, "999");
        match (verdict, want) {
            (Ok(admission), Some(trunk)) => {
                let Target::Trunks { trunks, .. } = admission.into_route().target else {
                    panic!("emergency calls go out");
                };
                assert_eq!(trunks, [trunk]);
            }
            (Err(refusal), None) => assert_eq!(refusal.findings, [types::Finding::NoTrunk]),
            (got, want) => panic!("{got:?}, wanted {want:?}"),
        }
    }
    check([true, true], Some(EMERGENCY_TRUNK));
    check([true, false], Some(MAIN_TRUNK));
    check([false, false], None);
}

#[test]
fn an_emergency_code_is_never_a_user() {
    let mut snapshot = snapshot();
    snapshot.lines[2].user = "999".to_owned();
    let admission = World::from(&snapshot, NOON).dial(ALICE_LINE, "999").expect("emergency");
    assert_eq!(admission.direction(), Direction::Outgoing);
}

#[test]
fn support_may_be_a_line_of_ours_or_a_carriers_short_code() {
    let mut world = World::new();
    let admission = world.dial(ALICE_LINE, "150").expect("support");
    assert_eq!(admission.direction(), Direction::Outgoing);
    let mut snapshot = snapshot();
    snapshot.lines[2].user = "150".to_owned();
    let mut world = World::from(&snapshot, NOON);
    world.set_status(AccountStatus::Suspended);
    let admission = world.dial(ALICE_LINE, "150").expect("support");
    assert_eq!(*admission.target(), Target::Lines(vec![BOB_LINE]));
    assert_eq!(admission.destination().class, DestinationClass::Support);
    assert_eq!(world.usage().calls, 0);
}
