//! The gate on the simulator itself: bugs planted around the node must be found, and quickly.

use sim::planted::Planted;
use sim::seeds::{Options, run_seed};

/// Within so many seeds.
const SEEDS: u64 = 20;

/// Plays seeds until something is found; gives what was found first.
fn hunt(planted: Planted) -> Option<String> {
    (0..SEEDS).find_map(|seed| {
        let options = Options { planted: Some(planted), ..Options::default() };
        run_seed(seed, options).violations.into_iter().next()
    })
}

#[test]
fn every_planted_bug_is_found() {
    fn check(planted: Planted, want: &[&str]) {
        let found =
            hunt(planted).unwrap_or_else(|| panic!("{planted:?} was not found in {SEEDS} seeds"));
        assert!(
            want.iter().any(|words| found.contains(words)),
            "{planted:?} was found by another check: {found}"
        );
    }
    for planted in Planted::ALL {
        check(
            planted,
            match planted {
                Planted::AckBeforeWrite | Planted::HoldLost | Planted::AnswersReordered => {
                    &["without a durable hold"]
                }
                Planted::ExtensionLost => &["talks beyond"],
                Planted::TickLost => {
                    &["talks beyond", "was held for it", "left behind", "nobody looks after"]
                }
                Planted::CdrTwice => &["never asked for"],
                Planted::CdrLost => &["left behind", "has no CDR", "had ended at the crash"],
                Planted::HalfBatch => &["left behind", "has no CDR", "is settled"],
                Planted::HalfPrice => &["the deck says"],
                Planted::HoldsForgotten => &["exposed", "nobody looks after"],
                Planted::SpendingForgotten => &["less than", "exposed"],
                Planted::ByeSwallowed => &["settled and goes on", "nobody ended"],
                Planted::ByeLate => &["settled and goes on", "talks beyond"],
                Planted::WrongPayer => &["is paid by"],
                Planted::LevelsTenfold => &["held >"],
                Planted::LockForgotten => &["outside of the IP lock"],
                Planted::BarsForgotten => &["which is barred", "dearer than allowed"],
                // `tests/audited.rs`
                Planted::LimitsForgotten => panic!("nobody but the production auditor finds it"),
                Planted::PostingLost => &["is not in the store"],
                Planted::PostingTwice => &["a posting", "never asked for"],
                Planted::CallUnbilled => &["calls of the run come to"],
            },
        );
    }
}
