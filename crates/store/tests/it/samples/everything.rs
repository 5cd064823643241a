//! Everything that can be asked of a store. Lives here: asking it. Never here: records.

use store::{Backend, CallFilter, FactFilter, StoredFact};
use types::*;

use super::{ALL_TIME, SECOND, at};

/// Everything that can be asked of a store.
#[derive(Debug, PartialEq)]
pub struct Everything {
    pub snapshot: Snapshot,
    pub accounts: Vec<Account>,
    pub lines: Vec<Line>,
    pub numbers: Vec<Number>,
    pub history: Vec<Standing>,
    pub line_history: Vec<LineStanding>,
    pub trunk_history: Vec<TrunkStanding>,
    pub on_links: Vec<(u64, Cdr)>,
    pub audited: u64,
    pub requests: Vec<ControlRequest>,
    pub calls: Vec<Cdr>,
    pub transfers: Vec<Transfer>,
    pub balances: Vec<store::Balance>,
    pub facts: Vec<StoredFact>,
    pub verification: store::Verification,
    /// Links of the chain.
    pub links: u64,
    /// Where it breaks.
    pub breaks: Vec<store::Break>,
}

pub fn everything(store: &dyn Backend) -> Everything {
    let calls = store.calls(&CallFilter { limit: u32::MAX, ..CallFilter::default() }).unwrap();
    let transfers = calls.iter().flat_map(|cdr| store.transfers(cdr.decision).unwrap());
    let chain = walked(store);
    Everything {
        snapshot: store.snapshot(ALL_TIME).unwrap(),
        accounts: store.accounts().unwrap(),
        lines: store.lines(None).unwrap(),
        numbers: store.numbers(None).unwrap(),
        history: (1..=4)
            .flat_map(|id| store.account_history(AccountId(id), u32::MAX).unwrap())
            .collect(),
        line_history: (1..=40).flat_map(|id| store.line_history(LineId(id)).unwrap()).collect(),
        trunk_history: (1..=160)
            .filter_map(|n| {
                store.trunk_at(TrunkId(n / 40 + 1), at(i64::from(n % 40) * SECOND)).unwrap()
            })
            .collect(),
        on_links: store.calls_after(3, 1_000).unwrap().calls,
        audited: store.audited().unwrap(),
        requests: store.control_requests(None).unwrap(),
        transfers: transfers.collect(),
        balances: store.balances().unwrap(),
        facts: store.facts(&FactFilter { limit: u32::MAX, ..FactFilter::default() }).unwrap(),
        verification: store.verify().unwrap(),
        links: chain.links,
        breaks: chain.breaks,
        calls,
    }
}

/// What a whole walk along the chain finds.
pub fn walked(store: &dyn Backend) -> store::ChainReport {
    store.verify_chain(&store::ChainQuestion::default(), &mut |_, _| {}).unwrap()
}
