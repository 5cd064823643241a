//! Who is shown as the caller, and that it decides nothing else (F1).

use engine::{Caller, Verdict};

use crate::world::*;

#[test]
fn only_own_numbers_are_shown() {
    fn check(claimed: Option<&str>, want: &str) {
        let mut world = World::new();
        let Verdict::Admit(admission) = world.attempt(Caller::Line(ALICE_LINE), LONDON, claimed)
        else {
            panic!("the call is admitted");
        };
        assert_eq!(admission.caller(), want, "{claimed:?}");
        assert_eq!(admission.account(), ALICE, "the claim pays nothing");
    }
    check(None, "+442079460001");
    // An own number, in any form that can be dialled.
    for claimed in ["+442079460009", "02079460009", "00442079460009", "020 7946-0009"] {
        check(Some(claimed), "+442079460009");
    }
    // Somebody else's: ours or not.
    for claimed in ["+442079460002", "02079460777", "999", "alice", "1001", "", "anonymous"] {
        check(Some(claimed), "+442079460001");
    }
}

#[test]
fn without_a_claim_the_lines_number_comes_first() {
    fn check(numbers: bool, line: Option<&str>, dialled: &str, want: &str) {
        let mut snapshot = snapshot();
        if !numbers {
            snapshot.numbers.retain(|number| number.account != ALICE);
        }
        snapshot.lines[0].caller_id = line.map(|number| number.parse().expect("a number"));
        let admission = World::from(&snapshot, NOON).dial(ALICE_LINE, dialled);
        assert_eq!(admission.expect("the call is admitted").caller(), want);
    }
    check(true, Some("+442079460009"), LONDON, "+442079460009");
    check(true, None, LONDON, "+442079460001");
    check(false, Some("+442079460500"), LONDON, "+442079460500");
    check(false, None, LONDON, "anonymous");
    // Within the house a user name can be called back.
    check(false, None, "1001", "alice");
    check(true, None, "1001", "+442079460001");
}

#[test]
fn strangers_are_shown_in_one_harmless_form() {
    fn check(claimed: Option<&str>, want: &str) {
        let mut world = World::new();
        let Verdict::Admit(admission) =
            world.attempt(Caller::Trunk(MAIN_TRUNK), "+442079460001", claimed)
        else {
            panic!("the call is admitted");
        };
        assert_eq!(admission.caller(), want, "{claimed:?}");
    }
    check(None, "anonymous");
    check(Some(""), "anonymous");
    check(Some("\r\n\u{202e}"), "anonymous");
    check(Some("+33142345678"), "+33142345678");
    check(Some("0033142345678"), "+33142345678");
    check(Some("02079460555"), "+442079460555");
    check(Some("Unavailable"), "Unavailable");
    check(Some("a b\"<script>;c=1\r\nVia: x"), "abscriptc1Viax");
    check(Some(&"7".repeat(500)), &"7".repeat(32));
}
