//! The auditor's own books: holds, CDRs, postings and bills. Lives here: sums over them, levels. Never here: `ledger`.

use std::collections::BTreeMap;

use types::{
    Account, AccountId, Bill, Cdr, DecisionId, Direction, Hold, Posting, Record, TransferKind,
    UnixMicros,
};

const HOUR_US: i64 = 3_600_000_000;

/// Holds and CDRs as some list of records leaves them.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Open holds.
    pub holds: BTreeMap<DecisionId, Hold>,
    /// CDRs.
    pub cdrs: BTreeMap<DecisionId, Cdr>,
    /// What people posted: once for a decision and kind, once for a reference and kind.
    pub postings: BTreeMap<(DecisionId, u8), Posting>,
    /// Bills by run and account.
    pub bills: BTreeMap<(u32, AccountId), Bill>,
}

impl Books {
    /// Follows a record.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Hold(hold) => {
                self.holds.insert(hold.decision, (**hold).clone());
            }
            Record::HoldClosed(decision) => {
                self.holds.remove(decision);
            }
            Record::Cdr(cdr) => {
                self.cdrs.entry(cdr.decision).or_insert_with(|| (**cdr).clone());
            }
            Record::Posting(posting) => self.post(posting),
            Record::Bill(bill) => {
                self.bills.entry((bill.run, bill.account)).or_insert_with(|| (**bill).clone());
            }
            _ => {}
        }
    }

    fn post(&mut self, posting: &Posting) {
        let kind = posting.transfer.kind;
        let is_named_so = |other: &Posting| {
            posting.reference.is_some()
                && (kind, &posting.reference) == (other.transfer.kind, &other.reference)
        };
        if !self.postings.values().any(is_named_so) {
            let key = (posting.transfer.decision, kind as u8);
            self.postings.entry(key).or_insert_with(|| posting.clone());
        }
    }

    /// What postings add to what a holder owes, or only to what he has used.
    pub fn posted(&self, account: AccountId, used: bool) -> i64 {
        let mine = self.postings.values().filter(|posting| posting.account == Some(account));
        mine.map(|posting| sign(posting.transfer.kind, used) * posting.transfer.amount.micros())
            .sum()
    }

    /// What an account has used and no bill holds.
    pub fn unbilled(&self, account: AccountId) -> i64 {
        let mine = self.bills.values().filter(|bill| bill.account == account);
        let billed: i64 = mine.map(|bill| bill.total.micros()).sum();
        self.spent(account, false, UnixMicros(i64::MIN)) + self.posted(account, true) - billed
    }

    /// Everything held for an account, or only for costly calls.
    pub fn held(&self, account: AccountId, costly: bool) -> i64 {
        let mine = self.holds.values().filter(|hold| hold.account == account);
        mine.filter(|hold| !costly || hold.destination.class.is_costly())
            .map(|hold| hold.amount.micros())
            .sum()
    }

    /// Everything charged to an account after `since`, or only for costly calls.
    pub fn spent(&self, account: AccountId, costly: bool, since: UnixMicros) -> i64 {
        let mine = self.cdrs.values().filter(|cdr| cdr.account == account && cdr.ended > since);
        mine.filter(|cdr| !costly || cdr.destination.class.is_costly())
            .map(|cdr| cdr.price.micros())
            .sum()
    }

    /// Does a new hold keep the account below every stop level? Says which it does not.
    pub fn level_crossed(
        &self,
        account: &Account,
        costly: bool,
        wall: UnixMicros,
    ) -> Option<String> {
        let controls = &account.controls;
        let ago = |hours: i64| UnixMicros(wall.0 - hours * HOUR_US);
        let mut levels = vec![("24 h, all calls", Some(controls.stop_level_all_24h), false, 24)];
        if costly {
            levels.extend([
                ("1 h", controls.stop_level_1h, true, 1),
                ("24 h", Some(controls.stop_level_24h), true, 24),
                ("7 d", controls.stop_level_7d, true, 7 * 24),
            ]);
            if is_off_hours(wall) {
                levels.push(("off hours", controls.stop_level_off_hours, true, 24));
            }
        }
        levels.into_iter().find_map(|(name, level, costly, hours)| {
            let level = level?.micros();
            let (spent, held) =
                (self.spent(account.id, costly, ago(hours)), self.held(account.id, costly));
            (spent + held > level).then(|| format!("{name}: {spent} spent + {held} held > {level}"))
        })
    }
}

/// Does a posting of this kind add to what the holder owes, or take from it? Of what he has used, some say nothing.
const fn sign(kind: TransferKind, used: bool) -> i64 {
    match kind {
        TransferKind::ZeroRating | TransferKind::CostPrice | TransferKind::Goodwill => -1,
        TransferKind::Payment | TransferKind::Instalment | TransferKind::WriteOff => {
            if used {
                0
            } else {
                -1
            }
        }
        TransferKind::PaymentReturned | TransferKind::InstalmentDue => {
            if used {
                0
            } else {
                1
            }
        }
        TransferKind::Charge | TransferKind::Cost | TransferKind::CarrierCredit => 0,
    }
}

/// Nights from 19 to 7 and weekends, in UTC: all accounts of a simulation live there.
fn is_off_hours(wall: UnixMicros) -> bool {
    let hours = wall.0.div_euclid(HOUR_US);
    // 1970-01-01 was a Thursday.
    let weekday = (hours.div_euclid(24) + 4).rem_euclid(7);
    let hour = hours.rem_euclid(24);
    matches!(weekday, 0 | 6) || !(7..19).contains(&hour)
}

/// Does anybody pay for a call of this kind?
pub fn somebody_pays(direction: Direction, class: types::DestinationClass) -> bool {
    use types::DestinationClass::{Emergency, OnNet, Support};
    direction == Direction::Outgoing && !matches!(class, Emergency | Support | OnNet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_nights_and_weekends() {
        fn check(seconds: i64, want: bool) {
            assert_eq!(is_off_hours(UnixMicros::from_seconds(seconds)), want, "{seconds}");
        }
        // 2026-03-02 is a Monday.
        let monday = 1_772_409_600;
        check(monday + 6 * 3_600 + 3_599, true);
        check(monday + 7 * 3_600, false);
        check(monday + 19 * 3_600 - 1, false);
        check(monday + 19 * 3_600, true);
        check(monday - 12 * 3_600, true);
        check(monday + 5 * 86_400 + 12 * 3_600, true);
        check(monday + 4 * 86_400 + 12 * 3_600, false);
    }
}
