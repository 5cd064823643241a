//! What calls cost: examples worked by hand, and that a hold is always enough.

use proptest::prelude::*;
use rating::{CostError, Slice, billed_s, cost, first_slice, hold_for, next_slice, tier};
use types::{InternationalTier, Money, Rate};

/// A rate from pence: fee and minute in millionths, minimum, first increment, further increments.
fn rate(connect_fee: i64, per_minute: i64, minimum_s: u32, first: u32, further: u32) -> Rate {
    Rate {
        connect_fee: Money::from_micros(connect_fee),
        per_minute: Money::from_micros(per_minute),
        minimum_s,
        first_increment_s: first,
        increment_s: further,
    }
}

#[test]
fn examples_worked_by_hand() {
    fn check(rate: Rate, duration_ms: u64, want_s: u64, want_micros: i64) {
        assert_eq!(billed_s(&rate, duration_ms), Ok(want_s), "{duration_ms} ms");
        assert_eq!(
            cost(&rate, duration_ms),
            Ok(Money::from_micros(want_micros)),
            "{duration_ms} ms"
        );
        assert_eq!(hold_for(&rate, duration_ms), cost(&rate, duration_ms));
    }
    // 60/60 at 1.2p a minute.
    let by_minute = rate(0, 12_000, 0, 60, 60);
    check(by_minute, 0, 60, 12_000);
    check(by_minute, 1, 60, 12_000);
    check(by_minute, 60_000, 60, 12_000);
    check(by_minute, 60_001, 120, 24_000);
    check(by_minute, 119_999, 120, 24_000);
    check(by_minute, 120_000, 120, 24_000);
    check(by_minute, 3_600_000, 3_600, 720_000);
    // 1/1 at 1.25p: a second is 208.33 millionths, and the end is rounded up once.
    let by_second = rate(0, 12_500, 0, 1, 1);
    check(by_second, 0, 1, 209);
    check(by_second, 1_000, 1, 209);
    check(by_second, 1_001, 2, 417);
    check(by_second, 3_000, 3, 625);
    check(by_second, 59_001, 60, 12_500);
    // 30/6 at 6p: a second is 0.1p.
    let half_minute = rate(0, 60_000, 0, 30, 6);
    check(half_minute, 0, 30, 30_000);
    check(half_minute, 30_000, 30, 30_000);
    check(half_minute, 30_001, 36, 36_000);
    check(half_minute, 36_000, 36, 36_000);
    check(half_minute, 37_000, 42, 42_000);
    // A connection fee of 10p comes once.
    check(rate(100_000, 60_000, 0, 30, 6), 1, 30, 130_000);
    check(rate(100_000, 60_000, 0, 30, 6), 90_000, 90, 190_000);
    check(rate(100_000, 0, 0, 1, 1), 90_000, 90, 100_000);
    // A minimum is a floor and no increment: 45 s stay 45 s, and 43 s of talk are 48 s.
    let minimum = rate(0, 60_000, 45, 30, 6);
    check(minimum, 0, 45, 45_000);
    check(minimum, 42_000, 45, 45_000);
    check(minimum, 42_001, 48, 48_000);
    check(minimum, 45_000, 48, 48_000);
    // The smallest price that is not nothing.
    check(rate(0, 1, 0, 1, 1), 1, 1, 1);
    check(rate(0, 1, 0, 1, 1), 60_000, 60, 1);
    check(rate(0, 1, 0, 1, 1), 60_001, 61, 2);
    check(Rate::FREE, 86_400_000, 86_400, 0);
}

#[test]
fn what_cannot_be_charged() {
    let check = |rate: Rate, duration_ms: u64, want: CostError| {
        assert_eq!(cost(&rate, duration_ms), Err(want));
        assert_eq!(first_slice(&rate, duration_ms), Err(want));
    };
    check(rate(0, 1, 0, 0, 1), 1, CostError::ZeroIncrement);
    check(rate(0, 1, 0, 1, 0), 1, CostError::ZeroIncrement);
    check(rate(0, -1, 0, 1, 1), 1, CostError::NegativePrice);
    check(rate(-1, 1, 0, 1, 1), 1, CostError::NegativePrice);
    check(rate(1, i64::MAX, 0, 60, 60), 1, CostError::TooLarge);
    assert_eq!(cost(&rate(0, i64::MAX, 0, 60, 60), 1), Ok(Money::MAX));
    check(rate(0, i64::MAX, 0, 1, 1), u64::MAX, CostError::TooLarge);
    assert!(cost(&rate(0, 1, 0, 1, 1), u64::MAX).is_ok());
}

#[test]
fn slices_worked_by_hand() {
    fn check(got: Result<Slice, CostError>, talk_ms: u64, micros: i64) {
        assert_eq!(got, Ok(Slice { talk_ms, amount: Money::from_micros(micros) }));
    }
    // By the second: exactly the default, then exactly the quantum.
    let by_second = rate(0, 60_000, 0, 1, 1);
    check(first_slice(&by_second, 30_000), 30_000, 30_000);
    check(next_slice(&by_second, 30_000, 30_000), 60_000, 60_000);
    check(next_slice(&by_second, 30_000, 29_001), 60_000, 60_000);
    // By the minute: to the end of the minute.
    let by_minute = rate(100_000, 60_000, 0, 60, 60);
    check(first_slice(&by_minute, 30_000), 60_000, 160_000);
    check(next_slice(&by_minute, 60_000, 30_000), 120_000, 220_000);
    check(next_slice(&by_minute, 60_000, 61_000), 180_000, 280_000);
    // 30/6.
    let half_minute = rate(0, 60_000, 0, 30, 6);
    check(first_slice(&half_minute, 30_000), 30_000, 30_000);
    check(first_slice(&half_minute, 31_000), 36_000, 36_000);
    check(next_slice(&half_minute, 30_000, 30_000), 60_000, 60_000);
    check(next_slice(&half_minute, 30_000, 0), 36_000, 36_000);
    // The minimum is longer than the default; it ends within the increment from 42 to 48 s.
    let minimum = rate(0, 60_000, 45, 30, 6);
    check(first_slice(&minimum, 30_000), 42_000, 45_000);
    check(next_slice(&minimum, 42_000, 30_000), 72_000, 72_000);
    check(first_slice(&rate(0, 60_000, 120, 1, 1), 30_000), 120_000, 120_000);
    // Nothing to pay is held as nothing.
    check(first_slice(&Rate::FREE, 30_000), 30_000, 0);
}

#[test]
fn tiers_are_by_price() {
    let check = |micros, want| assert_eq!(tier(&rate(0, micros, 0, 1, 1)), want, "{micros}");
    check(0, InternationalTier::Low);
    check(20_000, InternationalTier::Low);
    check(20_001, InternationalTier::Mid);
    check(200_000, InternationalTier::Mid);
    check(200_001, InternationalTier::High);
}

prop_compose! {
    fn any_rate()(
        connect_fee in 0_i64..2_000_000,
        per_minute in prop_oneof![0_i64..5_000_000, Just(0), Just(1), Just(59), Just(61)],
        minimum_s in prop_oneof![Just(0_u32), 0_u32..200],
        first in 1_u32..130,
        further in 1_u32..130,
    ) -> Rate {
        rate(connect_fee, per_minute, minimum_s, first, further)
    }
}

/// The rule of billing written a second time, slowly: second by second.
fn slow_cost(rate: &Rate, duration_ms: u64) -> i64 {
    let (mut paid_s, mut second) = (u64::from(rate.first_increment_s), 0);
    while second * 1_000 < duration_ms {
        second += 1;
        if second > paid_s {
            paid_s += u64::from(rate.increment_s);
        }
    }
    let paid_s = paid_s.max(u64::from(rate.minimum_s)) as i64;
    let mut talk = rate.per_minute.micros() * paid_s;
    while talk % 60 != 0 {
        talk += 1;
    }
    rate.connect_fee.micros() + talk / 60
}

proptest! {
    #[test]
    fn cost_is_the_slow_cost(rate in any_rate(), duration_ms in 0_u64..600_000) {
        prop_assert_eq!(cost(&rate, duration_ms).unwrap().micros(), slow_cost(&rate, duration_ms));
    }

    #[test]
    fn longer_is_never_cheaper(rate in any_rate(), a in 0_u64..900_000, b in 0_u64..900_000) {
        prop_assert!(cost(&rate, a.min(b)).unwrap() <= cost(&rate, a.max(b)).unwrap());
    }

    /// No call within a slice costs more than was held; the slice ends exactly where it would.
    #[test]
    fn a_slice_is_enough_and_tight(
        rate in any_rate(),
        wanted_ms in 0_u64..300_000,
        covered in proptest::option::of(0_u64..300_000),
        share in 0.0..=1.0_f64,
    ) {
        let (slice, at_least) = match covered {
            None => (first_slice(&rate, wanted_ms).unwrap(), wanted_ms),
            Some(covered_ms) => {
                (next_slice(&rate, covered_ms, wanted_ms).unwrap(), covered_ms + wanted_ms.max(1))
            }
        };
        prop_assert!(slice.talk_ms >= at_least);
        let within = (slice.talk_ms as f64 * share) as u64;
        prop_assert!(cost(&rate, within).unwrap() <= slice.amount);
        prop_assert_eq!(cost(&rate, slice.talk_ms).unwrap(), slice.amount);
        // The next millisecond begins the next increment; held money of a whole millionth or more
        // a second shows it.
        if rate.per_minute.micros() >= 60 {
            prop_assert!(cost(&rate, slice.talk_ms + 1).unwrap() > slice.amount);
        }
    }

    /// Slices follow each other without end and without standing still.
    #[test]
    fn slices_move_on(rate in any_rate(), quantum_ms in 0_u64..60_000) {
        let mut slice = first_slice(&rate, 30_000).unwrap();
        for _ in 0..20 {
            let next = next_slice(&rate, slice.talk_ms, quantum_ms).unwrap();
            prop_assert!(next.talk_ms > slice.talk_ms && next.amount >= slice.amount);
            slice = next;
        }
    }
}
