//! Statements of account. Lives here: bills, payments and the balance after each. Never here: calls.

use serde_json::{Value, json};
use store::{BillFilter, PostingFilter, Reader};
use types::{AccountId, Money, TransferKind, UnixMicros};

/// One line of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRow {
    /// When.
    pub at: UnixMicros,
    /// What, in words.
    pub what: String,
    /// What it adds to the debt: negative when the holder owes less.
    pub amount: Money,
    /// What is owed after it; negative when we owe.
    pub balance: Money,
}

/// What a holder owes, and how it came to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// In the order of time.
    pub rows: Vec<StatementRow>,
    /// What is owed of bills.
    pub balance: Money,
    /// Used and not billed yet; negative where more was given back.
    pub unbilled: Money,
    /// What is owed later, by instalments.
    pub later: Money,
}

/// The statement of an account.
pub fn statement(reader: &dyn Reader, account: AccountId) -> anyhow::Result<Statement> {
    let everything = BillFilter { account: Some(account), run: None, limit: u32::MAX };
    let bills = reader.bills(&everything)?;
    let mut rows: Vec<StatementRow> = bills
        .iter()
        .map(|bill| StatementRow {
            at: bill.covers.until,
            what: format!("bill {}", bill.id()),
            amount: bill.total,
            balance: Money::ZERO,
        })
        .collect();
    let filter =
        PostingFilter { account: Some(account), limit: u32::MAX, ..PostingFilter::default() };
    let mut later = Money::ZERO;
    for stored in reader.postings(&filter)? {
        let transfer = stored.posting.transfer;
        let amount = transfer.adds_to_debt_of(account);
        if matches!(transfer.kind, TransferKind::Instalment | TransferKind::InstalmentDue) {
            later = later.saturating_sub(amount);
        }
        if transfer.kind.lowers_usage() {
            // It is on a bill, or in what is not billed yet.
            continue;
        }
        let name = stored.posting.reference.unwrap_or_default();
        let what = format!("{} {name}", transfer.kind).trim().to_owned();
        rows.push(StatementRow { at: transfer.at, what, amount, balance: Money::ZERO });
    }
    rows.sort_by_key(|row| row.at);
    let mut balance = Money::ZERO;
    for row in &mut rows {
        balance = balance.saturating_add(row.amount);
        row.balance = balance;
    }
    Ok(Statement { rows, balance, unbilled: reader.unbilled(account)?, later })
}

impl Statement {
    /// As JSON.
    pub fn view(&self) -> Value {
        let row = |row: &StatementRow| {
            json!({
                "at": row.at.to_string(),
                "what": row.what,
                "amount": row.amount.to_string(),
                "balance": row.balance.to_string(),
            })
        };
        json!({
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "balance": self.balance.to_string(),
            "unbilled": self.unbilled.to_string(),
            "by_instalments": self.later.to_string(),
        })
    }
}
