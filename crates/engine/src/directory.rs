//! Who is who. Lives here: accounts, lines, numbers and trunks with their look-ups.
//! Never here: money, live calls, rules.
use std::sync::Arc;
use types::{AccountId, AccountStatus, Controls, DeckId, DialPlan};

/// An account, as small as it can be: what accounts have in common is shared.
#[derive(Clone, Debug)]
pub struct AccountEntry {
    /// Its number.
    pub id: AccountId,
    /// What people call it.
    pub name: Box<str>,
    /// What it may do at all.
    pub status: AccountStatus,
    /// What bounds its loss.
    pub controls: Arc<Controls>,
    /// How its people dial.
    pub dial_plan: Arc<DialPlan>,
    /// The deck its calls are priced by.
    pub sell_deck: DeckId,
}
