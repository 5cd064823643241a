//! M7 at the node: the node dies after every single thing that it does, and comes back. Lives here: a short story with
//! failover, two extensions, a hang-up and a call given up, played once for each moment of death. Never here: what is
//! right (the auditor looks at every step, and at the end for anything left behind).

use sim::scenario::play_with;

const STORIES: [&str; 4] = [
    "account acme stop-level 1.00 costly-calls 4
     line alice of acme
     number +442035550001 of acme for alice
     trunk 1
     trunk 2
     carrier1 rejects 503
     carrier2 answers after 1s
     at 10s alice calls +33142685300
     at 80s alice hangs up
     at 90s carrier2 rings
     at 90s alice calls +2348031234567
     at 95s alice hangs up
     end 3m",
    // The money ends; the carrier hangs up.
    "account acme stop-level 0.05 costly-calls 4
     line alice of acme
     trunk 1
     carrier1 answers after 1s
     at 10s alice calls +2348031234567
     at 90s carrier1 answers after 1s and talks 10s
     at 90s alice calls +442083661177
     end 3m",
    // A free call between two phones, one that comes in, an emergency.
    "account acme stop-level 1.00
     line alice of acme
     line bob of acme tcp
     number +442035550001 of acme for alice
     trunk 1
     carrier1 answers after 1s
     bob answers after 1s
     alice answers after 1s
     at 10s alice calls bob
     at 20s alice hangs up
     at 30s carrier1 calls +442035550001 showing +33142685300
     at 40s alice hangs up
     at 50s alice calls 999
     at 60s alice hangs up
     end 2m",
    // The office, while somebody talks: each order is given twice. Controls go up for a time.
    "account acme stop-level 5.00 hotspot-calls 9
     line alice of acme
     trunk 1
     carrier1 answers after 1s
     at 10s alice calls +2348031234567
     at 20s alice hangs up
     at 25s alice calls +33142685300
     at 26s office charges the last call at cost
     at 27s office charges the last call at cost
     at 28s office books 0.01 from acme as first
     at 29s office books 0.01 from acme as first
     at 30s office bills
     at 31s staff set acme price-cap-international 0.90 until 10:02
     at 35s office zero-rates the last call
     at 36s office zero-rates the last call
     at 37s office gives 0.002 to acme
     at 40s office gets the last call credited
     at 45s alice hangs up
     at 50s office bills
     end 3m",
];

#[test]
fn nothing_is_lost_or_paid_twice_whenever_the_node_dies() {
    for (at, story) in STORIES.iter().enumerate() {
        let (told, things) =
            play_with(story, None).unwrap_or_else(|what| panic!("story {at}: {what}"));
        assert!(things > 40, "story {at}: {things} moments to die at\n{told}");
        let mut taken_up = 0;
        for last in 1..=things {
            match play_with(story, Some(last)) {
                Ok((told, _)) => {
                    assert!(
                        told.contains("the node crashes"),
                        "story {at}, {last}: it lives\n{told}"
                    );
                    taken_up += u64::from(!told.contains("with 0 calls from before"));
                }
                Err(what) => {
                    panic!("story {at}: the node dies after {last} of {things} things\n{what}")
                }
            }
        }
        assert!(taken_up > 10, "story {at}: calls were taken up {taken_up} times of {things}");
    }
}
