//! Prices, counted. Lives here: the own look-up in the rows of a deck, the own arithmetic, what has to be posted.
//! Never here: which deck (judge).

use types::{
    Direction, LedgerAccount, Millis, Money, Rate, RateRow, Transfer, TransferKind, UnixMicros,
};

use crate::call::is_charged;
use crate::case::{Case, Priced};
use crate::verdict::Mismatch;

/// What a call of so many milliseconds is charged, in millionths: increments are counted up, seconds priced in sixtieths.
/// `None`: no whole number of millionths that fits.
pub fn cost(rate: &Rate, talk_ms: Millis) -> Option<i64> {
    let step = u64::from(rate.increment_s.max(1));
    let mut billed_s = u64::from(rate.first_increment_s);
    // Nobody counts a day in seconds: whole hours of steps first.
    let far_s = (talk_ms / 1_000).saturating_sub(billed_s);
    billed_s += far_s / step * step;
    while billed_s.checked_mul(1_000)? < talk_ms {
        billed_s += step;
    }
    let billed_s = billed_s.max(u64::from(rate.minimum_s));
    let sixtieths = i128::from(rate.per_minute.micros()) * i128::from(billed_s);
    let mut micros = sixtieths / 60;
    if micros * 60 != sixtieths {
        micros += 1;
    }
    i64::try_from(micros + i128::from(rate.connect_fee.micros())).ok()
}

/// The row that prices a number at a moment: of those in force the longest prefix, of its rows the newest.
pub(crate) fn row_in_force<'r>(
    rows: &'r [RateRow],
    digits: &str,
    at: UnixMicros,
) -> Option<&'r RateRow> {
    let mut best: Option<&RateRow> = None;
    for row in rows {
        let fits = row.effective <= at && digits.starts_with(&row.prefix);
        let rank = |row: &RateRow| (row.prefix.len(), row.effective);
        if fits && best.is_none_or(|best| rank(row) > rank(best)) {
            best = Some(row);
        }
    }
    best
}

fn money(micros: i64) -> Money {
    Money::from_micros(micros)
}

/// The rate that a call was charged by is the one of the deck as it stood.
pub(crate) fn rate(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let by = case.cdr.explanation.rate;
    let due = |rate: &Option<Rate>| {
        let answered = case.cdr.answered.is_some();
        let micros = rate.as_ref().filter(|_| answered).and_then(|r| cost(r, case.cdr.duration_ms));
        money(micros.unwrap_or(0))
    };
    match &case.sold {
        Priced::Unknown => {}
        Priced::Free if by.as_ref().is_none_or(|rate| !is_charged(rate)) => {}
        Priced::Free => found.push(Mismatch::NotFree { by: by.unwrap_or(Rate::FREE) }),
        Priced::At(rates) if rates.contains(&by) && by.is_some() => {}
        Priced::At(rates) => {
            let deck = rates.first().copied().flatten();
            let charged = case.cdr.price;
            found.push(Mismatch::Rate { by, deck, charged, due: due(&deck) });
        }
    }
}

/// The price is that rate's for the length of the call; nothing for calls that were not answered or that nobody pays.
pub(crate) fn price(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let cdr = case.cdr;
    let pays = cdr.answered.is_some() && cdr.direction == Direction::Outgoing && !case.exempt;
    let rate = cdr.explanation.rate.filter(|_| pays);
    let Some(due) = rate.map_or(Some(0), |rate| cost(&rate, cdr.duration_ms)) else { return };
    if cdr.price.micros() != due {
        found.push(Mismatch::Price { charged: cdr.price, due: money(due) });
    }
}

/// The same for the carrier's rate and what he charges.
pub(crate) fn carrier(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let cdr = case.cdr;
    let carried = cdr.answered.is_some() && cdr.direction == Direction::Outgoing;
    if let Priced::At(rates) = &case.bought
        && !rates.contains(&cdr.cost_rate)
    {
        let deck = rates.first().copied().flatten();
        found.push(Mismatch::CostRate { by: cdr.cost_rate, deck });
    }
    let rate = cdr.cost_rate.filter(|_| carried);
    let Some(due) = rate.map_or(Some(0), |rate| cost(&rate, cdr.duration_ms)) else { return };
    if cdr.cost.micros() != due {
        found.push(Mismatch::Cost { recorded: cdr.cost, due: money(due) });
    }
}

/// Price and cost are posted, in full and once, and nothing else is.
pub(crate) fn posted(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let cdr = case.cdr;
    let receivable = LedgerAccount::Receivable(cdr.account);
    let sum = |kind: TransferKind, is_right: &dyn Fn(&Transfer) -> bool| {
        let mut of_kind = case.transfers.iter().filter(|one| one.kind == kind);
        of_kind.try_fold(0i64, |sum, one| {
            sum.checked_add(one.amount.micros()).filter(|_| is_right(one))
        })
    };
    let charged = sum(TransferKind::Charge, &|one| {
        one.debit == receivable && one.credit == LedgerAccount::Revenue
    });
    if charged != Some(cdr.price.micros()) {
        let posted = money(charged.unwrap_or_default());
        found.push(Mismatch::Charged { posted, price: cdr.price });
    }
    let payable = cdr.trunk.map(LedgerAccount::CarrierPayable);
    let bought = sum(TransferKind::Cost, &|one| {
        one.debit == LedgerAccount::CarrierCost && Some(one.credit) == payable
    });
    if bought != Some(cdr.cost.micros()) {
        let posted = money(bought.unwrap_or_default());
        found.push(Mismatch::CostPosted { posted, cost: cdr.cost });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Sample, row};
    use types::{AccountId, DecisionId};

    #[test]
    fn increments_are_counted() {
        fn check(
            (fee, minute): (i64, i64),
            (min, first, next): (u32, u32, u32),
            ms: u64,
            want: i64,
        ) {
            let rate = Rate {
                connect_fee: Money::from_micros(fee),
                per_minute: Money::from_micros(minute),
                minimum_s: min,
                first_increment_s: first,
                increment_s: next,
            };
            assert_eq!(cost(&rate, ms), Some(want), "{rate:?} {ms} ms");
        }
        check((0, 600), (0, 60, 60), 0, 600);
        check((0, 600), (0, 60, 60), 60_000, 600);
        check((0, 600), (0, 60, 60), 60_001, 1_200);
        check((0, 600), (0, 30, 6), 30_000, 300);
        check((0, 600), (0, 30, 6), 30_001, 360);
        check((0, 600), (0, 30, 6), 36_001, 420);
        check((0, 600), (0, 1, 1), 1, 10);
        check((0, 600), (45, 1, 1), 44_000, 450);
        check((0, 600), (45, 30, 30), 31_000, 600);
        check((50_000, 600), (0, 60, 60), 1, 50_600);
        // Rounded up, once.
        check((0, 1), (0, 1, 1), 1_000, 1);
        check((0, 100), (0, 1, 1), 7_000, 12);
        check((0, 600), (0, 1, 1), 86_400_000, 864_000);
        check((0, 600), (0, 7, 11), 86_400_000, 864_010);
        let dear = Rate { per_minute: Money::MAX, ..Rate::FREE };
        assert_eq!(cost(&dear, 120_000), None);
    }

    #[test]
    fn the_longest_prefix_in_force_prices() {
        let rows = [row("44", 1, 0), row("447", 2, 0), row("447", 3, 10), row("4477", 4, 20)];
        let of = |digits, at| {
            row_in_force(&rows, digits, UnixMicros(at)).map(|row| row.rate.per_minute.micros())
        };
        assert_eq!(of("442", 5), Some(1));
        assert_eq!(of("44771", 9), Some(2));
        assert_eq!(of("44771", 10), Some(3));
        assert_eq!(of("44771", 20), Some(4));
        assert_eq!(of("1", 20), None);
        assert_eq!(of("447", -1), None);
    }

    #[test]
    fn rates_are_those_of_the_deck() {
        fn check(change: impl FnOnce(&mut Sample), want: &str) {
            let mut sample = Sample::new();
            change(&mut sample);
            assert_eq!(sample.found(rate), want);
        }
        let by = |sample: &Sample| sample.cdr.explanation.rate;
        check(|_| (), "");
        check(
            |s| s.cdr.explanation.rate = Some(Sample::rate(20_000)),
            "charged 0.01 by 0.02 a minute, by the deck of that day 0.005 by 0.01 a minute",
        );
        check(
            |s| s.cdr.explanation.rate = None,
            "charged 0.01 by no rate, by the deck of that day 0.005 by 0.01 a minute",
        );
        check(
            |s| s.sold = Priced::At(vec![None]),
            "charged 0.01 by 0.01 a minute, by the deck of that day it had no price",
        );
        // A deck that changed in the same instant: one as good as the other.
        check(|s| s.sold = Priced::At(vec![Some(Sample::rate(5)), by(s)]), "");
        check(|s| s.sold = Priced::Unknown, "");
        check(|s| s.sold = Priced::Free, "a call that is free was rated at 0.01 a minute");
        check(|s| (s.sold, s.cdr.explanation.rate) = (Priced::Free, Some(Rate::FREE)), "");
    }

    #[test]
    fn prices_and_costs_are_those_of_the_talk() {
        fn check(change: impl FnOnce(&mut Sample), want: [&str; 2]) {
            let mut sample = Sample::new();
            change(&mut sample);
            assert_eq!([sample.found(price), sample.found(carrier)], want);
        }
        check(
            |_| (),
            [
                "charged 0.01, its talk comes to 0.005",
                "a carrier's cost of 0.00 is recorded, its talk comes to 0.003",
            ],
        );
        let right = |s: &mut Sample| {
            (s.cdr.price, s.cdr.cost) = (Money::from_micros(5_000), Money::from_micros(3_000));
        };
        check(right, ["", ""]);
        check(
            |s| {
                right(s);
                s.cdr.answered = None;
            },
            [
                "charged 0.005, its talk comes to 0.00",
                "a carrier's cost of 0.003 is recorded, its talk comes to 0.00",
            ],
        );
        check(
            |s| {
                right(s);
                s.exempt = true;
            },
            ["charged 0.005, its talk comes to 0.00", ""],
        );
        check(
            |s| {
                right(s);
                s.bought = Priced::At(vec![None]);
            },
            ["", "the carrier's rate was taken at 0.006 a minute, by his deck it had no price"],
        );
    }

    #[test]
    fn what_is_posted_is_price_and_cost() {
        fn check(change: impl FnOnce(&mut Sample), want: &str) {
            let mut sample = Sample::new();
            let transfer = |kind, debit, credit, micros| Transfer {
                decision: DecisionId(1),
                kind,
                debit,
                credit,
                amount: Money::from_micros(micros),
                at: UnixMicros(0),
            };
            let receivable = LedgerAccount::Receivable(AccountId(7));
            sample.transfers.push(transfer(
                TransferKind::Charge,
                receivable,
                LedgerAccount::Revenue,
                10_000,
            ));
            change(&mut sample);
            assert_eq!(sample.found(posted), want);
        }
        check(|_| (), "");
        check(|s| s.transfers.clear(), "0.00 was posted for a price of 0.01");
        check(|s| s.cdr.price = Money::ZERO, "0.01 was posted for a price of 0.00");
        check(
            |s| s.transfers[0].debit = LedgerAccount::Receivable(AccountId(8)),
            "0.00 was posted for a price of 0.01",
        );
        check(
            |s| s.cdr.cost = Money::from_micros(3_000),
            "0.00 was posted for a carrier's cost of 0.003",
        );
    }
}
