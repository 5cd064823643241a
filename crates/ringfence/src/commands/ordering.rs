//! What orders of money have in common. Lives here: who and why, a call's facts, postings as lists.
//! Never here: what may be posted.

use anyhow::bail;
use engine::{CallFacts, PostOrder, PostWhat};
use serde_json::{Value, json};
use store::{Decided, Reader};
use types::{AccountId, By, DecisionId, Money, StoredPosting};

use super::Context;
use super::output::Table;
use super::request::staff;
use crate::billing::statement;

/// Who orders it.
#[derive(Clone, Debug, clap::Args)]
pub struct Who {
    /// Who orders it; as a rule whoever types the command
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Who {
    /// His name; `staff` where none is known.
    pub fn name(self) -> String {
        let typed = || match staff() {
            By::Staff { name } if !name.is_empty() => name,
            _ => "staff".to_owned(),
        };
        self.by.unwrap_or_else(typed)
    }
}

/// Who orders it, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct Why {
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    #[command(flatten)]
    pub who: Who,
}

impl Why {
    /// An order of now, without a name elsewhere.
    pub fn order(self, what: PostWhat) -> PostOrder {
        PostOrder { what, reference: None, at: None, by: self.who.name(), note: self.why }
    }
}

/// What the store knows of a call that is over.
pub fn call_facts(reader: &dyn Reader, decision: DecisionId) -> anyhow::Result<CallFacts> {
    let cdr = match reader.decision(decision)? {
        Some(Decided::Ended(cdr)) => cdr,
        Some(Decided::Open(_)) => bail!("call {decision} is in progress: wait for its end"),
        None => bail!("there is no call {decision}; `ringfence calls` shows them"),
    };
    Ok(CallFacts::of(&cdr, &reader.transfers(decision)?))
}

/// So much of what an account owes of its bills, or all of it; an error if it owes less.
pub fn owed_at_least(
    reader: &dyn Reader,
    account: AccountId,
    amount: Option<Money>,
) -> anyhow::Result<Money> {
    let owed = statement(reader, account)?.balance;
    if owed <= Money::ZERO {
        bail!("account {account} owes nothing of its bills; `ringfence statement {account}`");
    }
    match amount {
        Some(amount) if amount > owed => {
            bail!("account {account} owes {owed} of its bills, not {amount}")
        }
        _ => Ok(amount.unwrap_or(owed)),
    }
}

/// Prints postings.
pub fn list(
    postings: &[StoredPosting],
    if_empty: &'static str,
    context: &Context,
) -> anyhow::Result<()> {
    let headers =
        [">no", "at", "kind", ">account", ">amount", "reference", "by", "why", "decision"];
    let mut table = Table::new(&headers, if_empty);
    for StoredPosting { seq, posting } in postings {
        let transfer = &posting.transfer;
        table.row(vec![
            seq.to_string(),
            transfer.at.to_string(),
            transfer.kind.to_string(),
            posting.account.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            transfer.amount.to_string(),
            posting.reference.clone().unwrap_or_default(),
            posting.by.clone(),
            posting.note.clone(),
            transfer.decision.to_string(),
        ]);
    }
    context.output.list(&table, postings.iter().map(view))
}

/// A posting as JSON.
pub fn view(stored: &StoredPosting) -> Value {
    let StoredPosting { seq, posting } = stored;
    let transfer = &posting.transfer;
    json!({
        "seq": seq,
        "at": transfer.at.to_string(),
        "kind": transfer.kind,
        "account": posting.account,
        "amount": transfer.amount.to_string(),
        "debit": transfer.debit,
        "credit": transfer.credit,
        "reference": posting.reference,
        "by": posting.by,
        "why": posting.note,
        "decision": transfer.decision.to_string(),
    })
}
