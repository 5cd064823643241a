//! Bills and plans of instalments, as they are kept. Lives here: their shapes. Never here: how a bill is
//! made (ledger), how it looks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::destination::DestinationClass;
use crate::ids::{AccountId, DecisionId};
use crate::ledger::{Posting, TransferKind};
use crate::money::Money;
use crate::time::UnixMicros;

/// How far the store had come when a bill run began, in the order of its commits. What is written later
/// is behind every mark, however long ago it happened. Only the store knows what the numbers count.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Marks {
    /// Of calls.
    pub calls: u64,
    /// Of postings.
    pub postings: u64,
}

/// What bills of an account up to one of them are about: what was committed by the marks, and ended
/// (a call) or happened (a posting) before a time. A later bill's coverage holds all of an earlier one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Committed by then.
    pub marks: Marks,
    /// Ended before then.
    pub until: UnixMicros,
}

impl Coverage {
    /// Covers nothing: what was billed before the first bill.
    pub const NOTHING: Coverage =
        Coverage { marks: Marks { calls: 0, postings: 0 }, until: UnixMicros(i64::MIN) };

    /// Is a call of this mark and end in it?
    pub fn has_call(&self, mark: u64, ended: UnixMicros) -> bool {
        mark <= self.marks.calls && ended < self.until
    }

    /// Is a posting of this mark and time in it?
    pub fn has_posting(&self, mark: u64, at: UnixMicros) -> bool {
        mark <= self.marks.postings && at < self.until
    }

    /// Does it hold all that the other holds?
    pub fn follows(&self, other: &Coverage) -> bool {
        self.marks.calls >= other.marks.calls
            && self.marks.postings >= other.marks.postings
            && self.until >= other.until
    }
}

/// A bill run: when it is written, the store notes its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillRun {
    /// 1 for the first.
    pub run: u32,
    /// The day up to which it bills, as midnight UTC: what each account's own calendar makes of it
    /// decides what it is billed for.
    pub day: UnixMicros,
    /// Of this account only.
    pub only: Option<AccountId>,
    /// When it began.
    pub at: UnixMicros,
}

/// A bill run as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRun {
    /// As it was ordered.
    pub run: BillRun,
    /// What was committed when it began.
    pub marks: Marks,
    /// Were all bills made?
    pub done: bool,
}

/// Names a bill: its run and its account, as `12-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillId {
    /// The run.
    pub run: u32,
    /// Whose.
    pub account: AccountId,
}

impl fmt::Display for BillId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.run, self.account))
    }
}

/// Not the name of a bill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a bill: expected run and account, like 12-7; `ringfence bill list` shows all"
)]
pub struct BillIdError(pub String);

impl FromStr for BillId {
    type Err = BillIdError;

    fn from_str(text: &str) -> Result<BillId, BillIdError> {
        let error = || BillIdError(text.escape_debug().to_string());
        let (run, account) = text.split_once('-').ok_or_else(error)?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| plain)
        };
        let (run, account) = (number(run).ok_or_else(error)?, number(account).ok_or_else(error)?);
        Ok(BillId { run, account: AccountId(account) })
    }
}

/// Calls to one kind of place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillLine {
    /// Class of the called numbers.
    pub class: DestinationClass,
    /// What people call the place.
    pub name: String,
    /// How many calls.
    pub calls: u64,
    /// Seconds charged for.
    pub billed_s: u64,
    /// Their prices together.
    pub amount: Money,
}

/// A posting on a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillPosting {
    /// When.
    pub at: UnixMicros,
    /// What for.
    pub kind: TransferKind,
    /// Its decision: that of the call for an adjustment.
    pub decision: DecisionId,
    /// What it adds to what the holder owes: negative when he owes less.
    pub amount: Money,
    /// What it is called elsewhere.
    pub reference: Option<String>,
    /// Why.
    pub note: String,
}

/// What a holder owes for a stretch of time. Once written it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// Its run.
    pub run: u32,
    /// Whose.
    pub account: AccountId,
    /// Run of the bill before; 0 for the first.
    pub previous: u32,
    /// What the bills up to the one before cover; `Coverage::NOTHING` for the first.
    pub before: Coverage,
    /// What the bills up to this one cover.
    pub covers: Coverage,
    /// When it was made: the start of its run.
    pub made: UnixMicros,
    /// Calls, by class and name.
    pub lines: Vec<BillLine>,
    /// What lowers the usage: negative amounts.
    pub adjustments: Vec<BillPosting>,
    /// What else changes the debt: payments (negative), returned ones, instalments.
    pub payments: Vec<BillPosting>,
    /// `due` of the bill before.
    pub brought_forward: Money,
    /// Lines and adjustments together.
    pub total: Money,
    /// Brought forward, payments and total together; negative when we owe.
    pub due: Money,
}

impl Bill {
    /// Its name.
    pub fn id(&self) -> BillId {
        BillId { run: self.run, account: self.account }
    }

    /// From when on; `None` for the first bill: since ever.
    pub fn from(&self) -> Option<UnixMicros> {
        (self.previous != 0).then_some(self.before.until)
    }

    /// Calls together, before adjustments.
    pub fn charges(&self) -> Money {
        self.lines.iter().fold(Money::ZERO, |sum, line| sum.saturating_add(line.amount))
    }
}

/// One instalment of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instalment {
    /// Names its posting when it is due.
    pub decision: DecisionId,
    /// From when on it has to be paid.
    pub due: UnixMicros,
    /// How much.
    pub amount: Money,
}

/// A debt that is paid bit by bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalmentPlan {
    /// Names it, and the posting that took the debt into it.
    pub id: DecisionId,
    /// Whose.
    pub account: AccountId,
    /// The debt: exactly all instalments together.
    pub total: Money,
    /// In the order of their dates.
    pub instalments: Vec<Instalment>,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub note: String,
    /// When.
    pub at: UnixMicros,
}

/// A posting with its place in the order of commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPosting {
    /// 1 for the first ever written.
    pub seq: u64,
    /// What was posted.
    pub posting: Posting,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bills_read_back() {
        let id = BillId { run: 12, account: AccountId(7) };
        assert_eq!((id.to_string().as_str(), "12-7".parse()), ("12-7", Ok(id)));
        for wrong in ["", "12", "12-", "-7", "12-+7", "a-7", "12-7-1", "99999999999-1"] {
            assert_eq!(wrong.parse::<BillId>(), Err(BillIdError(wrong.to_owned())), "{wrong}");
        }
    }

    /// Whatever was committed, and whenever it ended: no bill of a chain has it twice.
    #[test]
    fn a_late_record_is_on_the_next_bill() {
        let cover = |calls, until| Coverage {
            marks: Marks { calls, postings: calls },
            until: UnixMicros(until),
        };
        let chain = [Coverage::NOTHING, cover(3, 10), cover(3, 20), cover(9, 20), cover(9, 30)];
        for pair in chain.windows(2) {
            assert!(pair[1].follows(&pair[0]));
            assert!(!pair[0].follows(&pair[1]));
        }
        let bills_of = |mark, ended| {
            let bills = chain.windows(2).enumerate();
            let on = bills.filter(|(_, pair)| {
                let (calls, postings) = (
                    pair[1].has_call(mark, ended) && !pair[0].has_call(mark, ended),
                    pair[1].has_posting(mark, ended) && !pair[0].has_posting(mark, ended),
                );
                assert_eq!(calls, postings);
                calls
            });
            on.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let check = |mark, ended, want: &[usize]| {
            assert_eq!(bills_of(mark, UnixMicros(ended)), want, "{mark} {ended}");
        };
        check(1, 9, &[0]);
        check(1, 10, &[1]);
        check(4, 9, &[2]);
        check(4, 19, &[2]);
        check(4, 20, &[3]);
        check(4, 30, &[]);
        check(10, 0, &[]);
    }
}
