//! A carrier's table, bill and arithmetic. Never here: our decks, our rating.

/// One line of the carrier's table: its price of a number in its own millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostLine {
    /// For each answered call.
    pub fee: i64,
    /// For sixty seconds.
    pub minute: i64,
    /// Seconds of the first increment.
    pub first_s: u64,
    /// Seconds of each further one.
    pub next_s: u64,
}

/// One line of its bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed {
    /// Call-ID of the leg.
    pub call_id: String,
    /// The carrier's tag of the leg: a forked leg has several.
    pub tag: String,
    /// The number, as sent to the carrier.
    pub number: String,
    /// When it sent its first 200.
    pub answered: u64,
    /// When it saw the call end.
    pub ended: Option<u64>,
}

/// The digits of a number as a carrier reads it: `+…`, `00…`, national `0…` of Great Britain.
pub fn international(number: &str) -> String {
    if let Some(rest) = number.strip_prefix('+').or_else(|| number.strip_prefix("00")) {
        rest.to_owned()
    } else if let Some(rest) = number.strip_prefix('0') {
        format!("44{rest}")
    } else {
        number.to_owned()
    }
}

/// The carrier's arithmetic: whole seconds up, whole increments up, then the price of the seconds, up.
pub(super) fn charge(line: &CostLine, duration_us: u64) -> i64 {
    let seconds = duration_us.div_ceil(1_000_000);
    let further = seconds.saturating_sub(line.first_s).div_ceil(line.next_s);
    let billed = line.first_s + further * line.next_s;
    let product = i128::from(line.minute) * i128::from(billed);
    line.fee + ((product + 59) / 60) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_by_hand() {
        fn check(line: CostLine, ms: u64, want: i64) {
            assert_eq!(charge(&line, ms * 1_000), want, "{line:?} {ms} ms");
        }
        let by_second = CostLine { fee: 0, minute: 6_000, first_s: 1, next_s: 1 };
        check(by_second, 0, 100);
        check(by_second, 1_000, 100);
        check(by_second, 1_001, 200);
        let by_minute = CostLine { fee: 500, minute: 12_000, first_s: 60, next_s: 60 };
        check(by_minute, 1, 12_500);
        check(by_minute, 60_001, 24_500);
        let thirty_six = CostLine { fee: 0, minute: 10_000, first_s: 30, next_s: 6 };
        check(thirty_six, 30_001, 6_000);
        check(thirty_six, 36_001, 7_000);
    }

    #[test]
    fn reads_numbers_as_carriers_do() {
        for (number, want) in [
            ("+4420", "4420"),
            ("004420", "4420"),
            ("020", "4420"),
            ("4420", "4420"),
            ("999", "999"),
        ] {
            assert_eq!(international(number), want);
        }
    }
}
