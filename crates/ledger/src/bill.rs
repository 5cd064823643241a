//! Bills, and debts paid bit by bit. Lives here: from calls and postings to a bill, from a debt to its
//! instalments. Never here: which day a billing month begins on, names of places, pages.

use std::collections::BTreeMap;

use types::{
    AccountId, Bill, BillLine, BillPosting, Cdr, Coverage, DestinationClass, Direction, Money,
    Posting, UnixMicros,
};

/// What a bill is made from, besides its calls and postings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BillBasis {
    /// Whose.
    pub account: AccountId,
    /// The run that makes it.
    pub run: u32,
    /// When that run began.
    pub made: UnixMicros,
    /// What the bills up to this one cover.
    pub covers: Coverage,
    /// The bill before.
    pub last: Option<LastBill>,
}

/// What a bill needs of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastBill {
    /// Its run.
    pub run: u32,
    /// What the bills up to it cover.
    pub covers: Coverage,
    /// What was owed then.
    pub due: Money,
}

impl From<&Bill> for LastBill {
    fn from(bill: &Bill) -> LastBill {
        LastBill { run: bill.run, covers: bill.covers, due: bill.due }
    }
}

/// How a call is shown on a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallText {
    /// What people call the place.
    pub name: String,
    /// Seconds charged for.
    pub billed_s: u64,
}

/// Why a bill cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// A sum does not fit.
    #[error("account {0}: the sums of the bill are too large")]
    Overflow(AccountId),
    /// It would not hold all that the bills before hold.
    #[error("account {0}: the bill would begin before the end of the last one")]
    Backwards(AccountId),
}

/// Is a call shown on its payer's bill? What costs something, and what was answered.
pub fn is_shown(cdr: &Cdr) -> bool {
    let called = cdr.answered.is_some() && cdr.direction != Direction::Incoming;
    !cdr.price.is_zero() || called
}

/// The bill of these calls and postings, which are those that `covers` holds and the last bill's coverage
/// does not. Calls that are not shown count for nothing. Lines come by class and name.
pub fn make_bill(
    basis: &BillBasis,
    calls: &[Cdr],
    postings: &[Posting],
    describe: impl Fn(&Cdr) -> CallText,
) -> Result<Bill, BillError> {
    let account = basis.account;
    let overflow = BillError::Overflow(account);
    let before = basis.last.map_or(Coverage::NOTHING, |last| last.covers);
    if !basis.covers.follows(&before) {
        return Err(BillError::Backwards(account));
    }
    let lines = lines(calls, describe).ok_or(overflow)?;
    let (mut adjustments, mut payments) = (Vec::new(), Vec::new());
    for posting in postings {
        let lowers_usage = posting.transfer.kind.lowers_usage();
        let list = if lowers_usage { &mut adjustments } else { &mut payments };
        list.push(shown(posting, account));
    }
    let charges = sum(lines.iter().map(|line| line.amount)).ok_or(overflow)?;
    let adjusted = sum(adjustments.iter().map(|one| one.amount)).ok_or(overflow)?;
    let paid = sum(payments.iter().map(|one| one.amount)).ok_or(overflow)?;
    let brought_forward = basis.last.map_or(Money::ZERO, |last| last.due);
    let total = charges.checked_add(adjusted).ok_or(overflow)?;
    let due = sum([brought_forward, paid, total].into_iter()).ok_or(overflow)?;
    Ok(Bill {
        run: basis.run,
        account,
        previous: basis.last.map_or(0, |last| last.run),
        before,
        covers: basis.covers,
        made: basis.made,
        lines,
        adjustments,
        payments,
        brought_forward,
        total,
        due,
    })
}

fn lines(calls: &[Cdr], describe: impl Fn(&Cdr) -> CallText) -> Option<Vec<BillLine>> {
    let mut lines: BTreeMap<(DestinationClass, String), (u64, u64, Money)> = BTreeMap::new();
    for cdr in calls.iter().filter(|cdr| is_shown(cdr)) {
        let CallText { name, billed_s } = describe(cdr);
        let line = lines.entry((cdr.destination.class, name)).or_default();
        line.0 += 1;
        line.1 = line.1.checked_add(billed_s)?;
        line.2 = line.2.checked_add(cdr.price)?;
    }
    let line = |((class, name), (calls, billed_s, amount))| BillLine {
        class,
        name,
        calls,
        billed_s,
        amount,
    };
    Some(lines.into_iter().map(line).collect())
}

fn shown(posting: &Posting, account: AccountId) -> BillPosting {
    let transfer = &posting.transfer;
    BillPosting {
        at: transfer.at,
        kind: transfer.kind,
        decision: transfer.decision,
        amount: transfer.adds_to_debt_of(account),
        reference: posting.reference.clone(),
        note: posting.note.clone(),
    }
}

fn sum(mut amounts: impl Iterator<Item = Money>) -> Option<Money> {
    amounts.try_fold(Money::ZERO, Money::checked_add)
}

/// A debt in so many parts, which sum up to it to the last millionth. Whole hundredths where that is
/// possible, the last part taking what is left over; nothing for no parts, or more parts than millionths.
pub fn split(debt: Money, parts: u32) -> Vec<Money> {
    const CENT: i64 = 10_000;
    let count = i64::from(parts);
    if count == 0 || debt.micros() < count {
        return Vec::new();
    }
    let even = debt.micros() / count;
    let each = if even >= CENT { even / CENT * CENT } else { even };
    let mut amounts = vec![Money::from_micros(each); parts as usize];
    let last = debt.micros() - each * (count - 1);
    amounts[parts as usize - 1] = Money::from_micros(last);
    amounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instalments_sum_up_to_the_debt() {
        fn check(debt: &str, parts: u32, want: &[&str]) {
            let debt: Money = debt.parse().expect("an amount");
            let got = split(debt, parts);
            let texts: Vec<String> = got.iter().map(Money::to_string).collect();
            assert_eq!(texts, want, "{debt} in {parts}");
            if parts > 0 && !got.is_empty() {
                assert_eq!(sum(got.into_iter()), Some(debt));
            }
        }
        check("100", 3, &["33.33", "33.33", "33.34"]);
        check("100.000001", 3, &["33.33", "33.33", "33.340001"]);
        check("0.03", 2, &["0.01", "0.02"]);
        check("0.000003", 2, &["0.000001", "0.000002"]);
        check("0.000003", 3, &["0.000001"; 3]);
        check("0.000003", 4, &[]);
        check("5", 1, &["5.00"]);
        check("5", 0, &[]);
        check("-5", 2, &[]);
    }
}
