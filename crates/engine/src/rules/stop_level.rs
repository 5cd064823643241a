//! Rule: the money asked for would cross a stop level. The ledger judges; here is which levels hold.

use ledger::{Ask, Bounds, Ledger, Levels, Refused};
use types::{Controls, Finding, UnixMicros};

/// The levels that hold for an account at this moment.
pub(crate) fn levels(controls: &Controls, off_hours: bool) -> Levels {
    Levels {
        hour: controls.stop_level_1h,
        day: Some(controls.stop_level_24h),
        week: controls.stop_level_7d,
        off_hours: controls.stop_level_off_hours.filter(|_| off_hours),
        all_day: Some(controls.stop_level_all_24h),
    }
}

/// Every level that the ask would cross; nothing is held.
pub(crate) fn check(ledger: &Ledger, now: UnixMicros, ask: Ask, bounds: &Bounds) -> Vec<Finding> {
    let crossed = ledger.crossings(now, ask.payer, (ask.amount, ask.costly), bounds);
    crossed.into_iter().map(Finding::from).collect()
}

/// Holds the money, or says which levels it would cross: decided and held in one step.
pub(crate) fn reserve(
    ledger: &mut Ledger,
    now: UnixMicros,
    ask: Ask,
    bounds: &Bounds,
) -> Vec<Finding> {
    ledger.reserve(now, ask, bounds).map_or_else(findings, |()| Vec::new())
}

/// What a refusal of the ledger says against a call; at least one finding.
pub(crate) fn findings(refused: Refused) -> Vec<Finding> {
    match refused {
        Refused::Levels(crossed) => crossed.into_iter().map(Finding::from).collect(),
        // An amount that the ledger cannot hold is not let through.
        Refused::Fault(_) => vec![Finding::StoreDown],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Payer;
    use types::reason::Window;
    use types::{AccountId, DecisionId, HashKey, Money};

    const NOW: UnixMicros = UnixMicros(1_800_000_000_000_000);

    /// The windows crossed by asking `asked` pence with `held` pence held and `spent` pence spent a while ago.
    fn crossed(
        controls: &Controls,
        off_hours: bool,
        spent: (i64, i64),
        held: i64,
        asked: (i64, bool),
    ) -> Vec<Window> {
        let account = AccountId(1);
        let mut ledger = Ledger::new(HashKey(1, 2));
        let at = UnixMicros(NOW.0 - spent.1 * 3_600_000_000);
        let payer = Payer::account(account);
        ledger.restore_spending(payer, at, Money::from_cents(spent.0), true).expect("fits");
        let held =
            Ask { decision: DecisionId(1), payer, amount: Money::from_cents(held), costly: true };
        ledger.adopt(held).expect("fits");
        let amount = Money::from_cents(asked.0);
        let ask = Ask { decision: DecisionId(2), payer, amount, costly: asked.1 };
        let levels = Bounds::account(levels(controls, off_hours));
        let findings = check(&ledger, NOW, ask, &levels);
        assert_eq!(reserve(&mut ledger, NOW, ask, &levels), findings, "one judgement");
        assert_eq!(ledger.hold(DecisionId(2)).is_some(), findings.is_empty());
        let window = |finding| match finding {
            Finding::StopLevel { window, .. } => window,
            other => panic!("not a stop level: {other}"),
        };
        findings.into_iter().map(window).collect()
    }

    #[test]
    fn each_level_lets_its_last_penny_through() {
        let all = Controls {
            stop_level_1h: Some(Money::from_units(3)),
            stop_level_7d: Some(Money::from_units(30)),
            ..Controls::residential()
        };
        let check_row = |off_hours, spent, held, asked, want: &[Window]| {
            assert_eq!(crossed(&all, off_hours, spent, held, asked), want);
        };
        // Hour: 3.00.
        check_row(false, (100, 0), 100, (100, true), &[]);
        check_row(false, (100, 0), 100, (101, true), &[Window::Hour]);
        check_row(false, (100, 2), 100, (101, true), &[]);
        // Day: 20.00, the hour full only by what is held.
        check_row(false, (1_800, 5), 100, (100, true), &[]);
        check_row(false, (1_800, 5), 100, (101, true), &[Window::Day]);
        check_row(false, (1_800, 25), 100, (101, true), &[]);
        // Off hours: 5.00.
        check_row(true, (300, 5), 100, (100, true), &[]);
        check_row(true, (300, 5), 100, (101, true), &[Window::OffHours]);
        // Week: 30.00.
        check_row(false, (2_800, 100), 100, (100, true), &[]);
        check_row(false, (2_800, 100), 100, (101, true), &[Window::Week]);
        // All calls: 100.00; cheap calls look at no other level.
        check_row(false, (2_500, 5), 0, (7_500, false), &[]);
        check_row(false, (2_500, 5), 0, (7_501, false), &[Window::AllDay]);
        let every = [Window::Hour, Window::Day, Window::OffHours, Window::Week, Window::AllDay];
        check_row(true, (2_500, 0), 100, (9_000, true), &every);
    }

    #[test]
    fn levels_that_are_not_set_stop_nothing() {
        let none = Controls { stop_level_off_hours: None, ..Controls::residential() };
        assert_eq!(crossed(&none, true, (1_900, 0), 0, (100, true)), []);
        assert_eq!(crossed(&none, true, (0, 0), 0, (2_001, true)), [Window::Day]);
    }
}
