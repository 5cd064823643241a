//! Seeded worlds with faults: no invariant breaks, nothing is left behind, every seed repeats byte for byte.
//! `SIM_SEEDS=1000 cargo test -p sim --release seeds` plays more of them.

use std::collections::BTreeMap;

use sim::seeds::{Options, run_seed};

/// How many worlds are played: a thousand where the code is optimised, some where it is not.
fn count() -> u64 {
    let usual = if cfg!(debug_assertions) { 60 } else { 1_000 };
    std::env::var("SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn seeds_hold_every_invariant() {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    for seed in 0..count() {
        let report = run_seed(seed, Options::default());
        if !report.violations.is_empty() {
            failed.push(format!(
                "seed {seed}: {}\n  repeat: cargo run -p sim --release -- seed {seed}",
                report.violations.join("\n  ")
            ));
        }
        let tally = report.tally;
        for (what, times) in [
            ("admitted", tally.admitted),
            ("audited", tally.audited),
            ("extended", tally.extended),
            ("crashes", tally.crashes),
            ("recovered", tally.recovered),
        ] {
            *seen.entry(what.to_owned()).or_default() += times;
        }
        tally.refused.into_iter().chain(tally.ended).chain(tally.office).for_each(
            |(what, times)| {
                *seen.entry(what).or_default() += times;
            },
        );
    }
    assert!(failed.is_empty(), "{} seeds failed\n{}", failed.len(), failed.join("\n"));
    // A world in which nothing happens proves nothing.
    for what in [
        "admitted",
        "audited",
        "extended",
        "crashes",
        "recovered",
        "account-status",
        "ip-lock",
        "barred-class",
        "invalid-number",
        "price-cap",
        "connect-fee-cap",
        "stop-level",
        "hotspot-limit",
        "store-down",
        "costly-call-limit",
        "unknown-number",
        "normal",
        "cancelled",
        "rejected",
        "money-ended",
        "fault",
        "payment",
        "goodwill",
        "zero-rating",
        "cost-price",
        "carrier-credit",
        "bill",
        "controls",
    ] {
        assert!(
            seen.get(what).is_some_and(|times| *times > 0),
            "{what} never happened in {seen:?}"
        );
    }
}

/// M4 with somebody who means it: in every world of a batch a thief has the password and starts his calls at once.
#[test]
fn seeds_with_a_thief_hold_every_invariant() {
    let (mut refused, mut quiet) = (0, 0);
    for seed in 0..count() / 10 {
        let options = Options { thief: true, ..Options::default() };
        let report = run_seed(seed, options);
        assert!(report.violations.is_empty(), "seed {seed}: {:?}", report.violations);
        let bounds = [
            "stop-level",
            "costly-call-limit",
            "call-limit",
            "hotspot-limit",
            "ip-lock",
            "store-down",
            "account-status",
        ];
        let stopped: u64 = bounds.iter().filter_map(|what| report.tally.refused.get(*what)).sum();
        refused += stopped;
        quiet += u64::from(stopped == 0);
    }
    // Twenty to eighty calls in one breath: nearly everywhere something says no to some of them.
    assert!(
        refused > count() / 2 && quiet * 4 < count() / 10,
        "{refused} refused, {quiet} quiet worlds"
    );
}

#[test]
fn seeds_without_faults_hold_every_invariant() {
    for seed in 0..count() / 10 {
        let report = run_seed(seed, Options { faults: false, ..Options::default() });
        assert!(report.violations.is_empty(), "seed {seed}: {:?}", report.violations);
    }
}

#[test]
fn seeds_repeat_byte_for_byte() {
    let options = Options { told: true, wire: true, minutes: 5, ..Options::default() };
    let mut digests = std::collections::BTreeSet::new();
    for seed in 0..8 {
        let (first, second) = (run_seed(seed, options), run_seed(seed, options));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.story, second.story, "seed {seed}");
        assert_eq!(first.steps, second.steps, "seed {seed}");
        digests.insert(first.digest);
    }
    assert_eq!(digests.len(), 8, "different seeds are different worlds");
}
