//! What can be asked of a store, for commands and pages. Lives here: the questions and the shapes of
//! their answers. Never here: how a backend finds them.

use types::cdr::Direction;
use types::decision::Outcome;
use types::record::{Deck, Spending};
use types::{
    Account, AccountId, AccountRaises, Ban, Bill, BindingRecord, Cdr, ControlRequest, Coverage,
    DecisionId, DeckId, DestinationClass, Device, E164, Fact, Hold, InstalmentPlan, KeptAnswer,
    KnownRun, LedgerAccount, Line, LineId, LineStanding, LockOut, Money, Number, RateRow, Region,
    Reseller, Standing, StoredPosting, Transfer, Trunk, TrunkId, TrunkStanding, UnixMicros,
    WebUser, WebUserId,
};

use crate::billing::{BillFilter, BillItems, PostingFilter};
use crate::chain::{Anchor, ChainQuestion, ChainReport};
use crate::deck_states::DeckState;
use crate::error::StoreError;
use crate::verification::{Sealing, Verification};

/// Which calls to list. Every condition given must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFilter {
    /// Paid by this account, or to it within the platform.
    pub account: Option<AccountId>,
    /// Started at this time or later.
    pub since: Option<UnixMicros>,
    /// Started before this time.
    pub until: Option<UnixMicros>,
    /// Decided before this one.
    pub before: Option<DecisionId>,
    /// On this line.
    pub line: Option<LineId>,
    /// Did it cost its payer anything?
    pub charged: Option<bool>,
    /// Which way.
    pub direction: Option<Direction>,
    /// To this number.
    pub number: Option<E164>,
    /// To a number that begins with these digits, the country's code first. Nothing but digits.
    pub digits: Option<String>,
    /// By this trunk.
    pub trunk: Option<TrunkId>,
    /// Admitted or refused.
    pub outcome: Option<Outcome>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Default for CallFilter {
    fn default() -> CallFilter {
        CallFilter {
            account: None,
            since: None,
            until: None,
            before: None,
            line: None,
            charged: None,
            direction: None,
            number: None,
            digits: None,
            trunk: None,
            outcome: None,
            limit: 100,
        }
    }
}

/// Some calls of an account, and whether there may be more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPage {
    /// Newest first.
    pub calls: Vec<Cdr>,
    /// All that were decided from here on were looked at; `None`: nothing is left before.
    pub next: Option<DecisionId>,
}

impl CallPage {
    /// All that a filter lets through, up to its limit.
    pub fn of(calls: Vec<Cdr>, filter: &CallFilter) -> CallPage {
        let is_full = calls.len() >= filter.limit as usize;
        let next = calls.last().filter(|_| is_full).map(|call| call.decision);
        CallPage { calls, next }
    }
}

/// Where an account has called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastUsed {
    /// Classes and countries of answered outgoing calls, each once, with when the last of them began; the newest first.
    pub used: Vec<(DestinationClass, Option<Region>, UnixMicros)>,
    /// Countries that were ever called, by code; of calls of class international.
    pub countries: Vec<Region>,
    /// Were all calls looked at, and not only the newest?
    pub is_all: bool,
}

impl LastUsed {
    /// Takes a call; they come newest first.
    pub(crate) fn take(
        &mut self,
        class: DestinationClass,
        region: Option<Region>,
        started: UnixMicros,
    ) {
        if !self.used.iter().any(|(known, there, _)| (*known, *there) == (class, region)) {
            self.used.push((class, region, started));
        }
    }
}

/// Which facts to list. Every condition given must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactFilter {
    /// About this account.
    pub account: Option<AccountId>,
    /// At this time or later.
    pub since: Option<UnixMicros>,
    /// Before this time.
    pub until: Option<UnixMicros>,
    /// Of this kind: the `fact` tag, as `warning-level`.
    pub kind: Option<String>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Default for FactFilter {
    fn default() -> FactFilter {
        FactFilter { account: None, since: None, until: None, kind: None, limit: 100 }
    }
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// The call is over, or was refused.
    Ended(Box<Cdr>),
    /// The call is in progress, or was when the node went down.
    Open(Box<Hold>),
}

/// A deck without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeckSummary {
    /// Its number.
    pub id: DeckId,
    /// What staff call it.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
}

/// The sums of a ledger account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Which ledger account.
    pub account: LedgerAccount,
    /// Sum of all transfers that debit it.
    pub debits: Money,
    /// Sum of all transfers that credit it.
    pub credits: Money,
}

/// A fact with its place in the order of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFact {
    /// 1 for the first ever written.
    pub seq: u64,
    /// When it happened.
    pub at: UnixMicros,
    /// What happened.
    pub fact: Fact,
}

/// The questions. Lists come in the order of their keys, calls and facts newest first.
pub trait Reader {
    /// CDRs, newest decision first.
    fn calls(&self, filter: &CallFilter) -> Result<Vec<Cdr>, StoreError>;

    /// CDRs of the filter's account, newest first, a page at a time: at most its limit, and no more than `look` of the
    /// account's calls are looked at. Go on with `before: page.next`. Without an account it is as [`Reader::calls`].
    fn call_page(&self, filter: &CallFilter, look: u32) -> Result<CallPage, StoreError> {
        let _ = look;
        Ok(CallPage::of(self.calls(filter)?, filter))
    }

    /// Where an account has called, as its newest calls tell, at most so many.
    fn last_used(&self, account: AccountId, look: u32) -> Result<LastUsed, StoreError> {
        let filter = CallFilter { account: Some(account), limit: look, ..CallFilter::default() };
        let calls = self.calls(&filter)?;
        let mut found = LastUsed { is_all: calls.len() < look as usize, ..LastUsed::default() };
        let mine = calls.iter().filter(|call| call.account == account && call.answered.is_some());
        for call in mine.filter(|call| call.direction != Direction::Incoming) {
            found.take(call.destination.class, call.destination.region, call.started);
            found.countries.extend(crate::rules::country_called(call).map(|(_, region)| region));
        }
        found.countries.sort_unstable();
        found.countries.dedup();
        Ok(found)
    }

    /// One decision by its id.
    fn decision(&self, id: DecisionId) -> Result<Option<Decided>, StoreError>;

    /// All accounts, closed ones too.
    fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// One account.
    fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;

    /// What stood for an account at a time; `None`: it was not there yet, or nothing is known of then. A
    /// decision's own time (`DecisionId::time`) tells exactly what it was judged by.
    fn controls_at(&self, id: AccountId, at: UnixMicros) -> Result<Option<Standing>, StoreError>;

    /// Everything that stood for an account, the newest first, at most so many.
    fn account_history(&self, id: AccountId, limit: u32) -> Result<Vec<Standing>, StoreError>;

    /// What bounded the use of a line at a time.
    fn line_at(&self, id: LineId, at: UnixMicros) -> Result<Option<LineStanding>, StoreError>;

    /// Everything that bounded the use of a line, the newest first.
    fn line_history(&self, id: LineId) -> Result<Vec<LineStanding>, StoreError>;

    /// What is beneath the controls of an account, and until when; `None`: nothing of it will end.
    fn raises(&self, account: AccountId) -> Result<Option<AccountRaises>, StoreError>;

    /// Requests of one account or all, by number.
    fn control_requests(
        &self,
        account: Option<AccountId>,
    ) -> Result<Vec<ControlRequest>, StoreError>;

    /// Web users of one account or all, removed ones too, by number.
    fn web_users(&self, account: Option<AccountId>) -> Result<Vec<WebUser>, StoreError>;

    /// The web user of this number, a removed one too.
    fn web_user_of_id(&self, id: WebUserId) -> Result<Option<WebUser>, StoreError>;

    /// The web user of this name who is not removed.
    fn web_user(&self, name: &str) -> Result<Option<WebUser>, StoreError>;

    /// What is kept for the key of a token.
    fn kept_answer(
        &self,
        user: WebUserId,
        token: u32,
        key: &str,
    ) -> Result<Option<KeptAnswer>, StoreError>;

    /// How many answers are kept for an account, of requests at this time or later.
    fn kept_answers(&self, account: AccountId, since: UnixMicros) -> Result<u64, StoreError>;

    /// One request.
    fn control_request(&self, id: u32) -> Result<Option<ControlRequest>, StoreError>;

    /// Lines, of one account or all.
    fn lines(&self, account: Option<AccountId>) -> Result<Vec<Line>, StoreError>;

    /// All resellers.
    fn resellers(&self) -> Result<Vec<Reseller>, StoreError>;

    /// Settled spending of an account from a time on, by five minutes.
    fn spending(&self, account: AccountId, since: UnixMicros) -> Result<Vec<Spending>, StoreError>;

    /// Numbers, of one account or all.
    fn numbers(&self, account: Option<AccountId>) -> Result<Vec<Number>, StoreError>;

    /// All trunks.
    fn trunks(&self) -> Result<Vec<Trunk>, StoreError>;

    /// All decks without their rows.
    fn decks(&self) -> Result<Vec<DeckSummary>, StoreError>;

    /// One deck with its rows as they stand, in the order of prefix and effective time.
    fn deck(&self, id: DeckId) -> Result<Option<Deck>, StoreError> {
        self.deck_at(id, UnixMicros(i64::MAX))
    }

    /// A deck as it stood at a time; `None`: it was not there yet. A decision's own time (`DecisionId::time`) tells
    /// exactly which prices it was judged by.
    fn deck_at(&self, id: DeckId, at: UnixMicros) -> Result<Option<Deck>, StoreError>;

    /// The rows of a deck as it stood at a time whose prefix these digits begin with, the shortest prefix first, then
    /// by effective time. One look-up for each length of a prefix.
    fn deck_rows_at(
        &self,
        deck: DeckId,
        digits: &str,
        at: UnixMicros,
    ) -> Result<Vec<RateRow>, StoreError>;

    /// What was put when, the newest first; empty for a deck that nobody knows. Reads all versions of its rows.
    fn deck_states(&self, id: DeckId) -> Result<Vec<DeckState>, StoreError>;

    /// Bindings, of one account's lines or all; ended ones too, until the node removes them.
    fn bindings(&self, account: Option<AccountId>) -> Result<Vec<BindingRecord>, StoreError>;

    /// Open holds, of one account or all.
    fn holds(&self, account: Option<AccountId>) -> Result<Vec<Hold>, StoreError>;

    /// Un-billed usage of an account, open holds not counted.
    fn unbilled(&self, account: AccountId) -> Result<Money, StoreError>;

    /// The transfers of a decision, in the order of their kind.
    fn transfers(&self, decision: DecisionId) -> Result<Vec<Transfer>, StoreError>;

    /// The sums of every ledger account that has any.
    fn balances(&self) -> Result<Vec<Balance>, StoreError>;

    /// Postings, newest first.
    fn postings(&self, filter: &PostingFilter) -> Result<Vec<StoredPosting>, StoreError>;

    /// Bill runs, newest first.
    fn bill_runs(&self) -> Result<Vec<KnownRun>, StoreError>;

    /// Bills, newest run first.
    fn bills(&self, filter: &BillFilter) -> Result<Vec<Bill>, StoreError>;

    /// The newest bill of each account from one to another that has any, by account.
    fn last_bills(&self, first: AccountId, last: AccountId) -> Result<Vec<Bill>, StoreError>;

    /// What `covers` holds of an account and `before` does not: what a bill is made from. Marks of
    /// `u64::MAX` stand for everything up to now.
    fn bill_items(
        &self,
        account: AccountId,
        before: &Coverage,
        covers: &Coverage,
    ) -> Result<BillItems, StoreError>;

    /// Plans of instalments, of one account or all, by id.
    fn instalments(&self, account: Option<AccountId>) -> Result<Vec<InstalmentPlan>, StoreError>;

    /// Facts, newest first.
    fn facts(&self, filter: &FactFilter) -> Result<Vec<StoredFact>, StoreError>;

    /// Devices, of one account or all; banned ones too.
    fn devices(&self, account: Option<AccountId>) -> Result<Vec<Device>, StoreError>;

    /// Lock-outs, ended ones too, until the node removes them.
    fn lock_outs(&self) -> Result<Vec<LockOut>, StoreError>;

    /// Bans, ended ones too, until the node removes them.
    fn bans(&self) -> Result<Vec<Ban>, StoreError>;

    /// Opens every sealed secret, and counts. Reads every line: slow.
    fn sealing(&self) -> Result<Sealing, StoreError>;

    /// Computes every kept sum again from CDRs and transfers, and compares. Reads everything: slow.
    fn verify(&self) -> Result<Verification, StoreError>;

    /// Walks along the chain, and compares every row with what was recorded. `progress` hears how many
    /// links of how many are done. Reads everything: slow.
    fn verify_chain(
        &self,
        question: &ChainQuestion,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<ChainReport, StoreError>;

    /// How far the chain reaches; `None` if nothing was ever recorded.
    fn anchor(&self) -> Result<Option<Anchor>, StoreError>;

    /// What came to stand for an account after a time, until another and at it, oldest first.
    fn standings_within(
        &self,
        id: AccountId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<Standing>, StoreError>;

    /// The same of a line.
    fn lines_within(
        &self,
        id: LineId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<LineStanding>, StoreError>;

    /// What stood for a trunk at a time.
    fn trunk_at(&self, id: TrunkId, at: UnixMicros) -> Result<Option<TrunkStanding>, StoreError>;

    /// Calls on the next links of the chain after this one, in the order of commits.
    fn calls_after(&self, link: u64, most: u32) -> Result<CallsOnLinks, StoreError>;

    /// Up to which link calls were audited.
    fn audited(&self) -> Result<u64, StoreError>;
}

/// The calls on some links of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallsOnLinks {
    /// Each with its link, in their order.
    pub calls: Vec<(u64, Cdr)>,
    /// The last link that was looked at.
    pub upto: u64,
    /// The last link that there is.
    pub head: u64,
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        impl<R: Reader + ?Sized> Reader for Box<R> {
            $(fn $name(&self, $($arg: $type),*) -> Result<$out, StoreError> {
                (**self).$name($($arg),*)
            })*
        }

        impl<R: Reader + ?Sized> Reader for &R {
            $(fn $name(&self, $($arg: $type),*) -> Result<$out, StoreError> {
                (**self).$name($($arg),*)
            })*
        }
    };
}

forward! {
    calls(filter: &CallFilter) -> Vec<Cdr>;
    decision(id: DecisionId) -> Option<Decided>;
    accounts() -> Vec<Account>;
    account(id: AccountId) -> Option<Account>;
    controls_at(id: AccountId, at: UnixMicros) -> Option<Standing>;
    account_history(id: AccountId, limit: u32) -> Vec<Standing>;
    line_at(id: LineId, at: UnixMicros) -> Option<LineStanding>;
    line_history(id: LineId) -> Vec<LineStanding>;
    raises(account: AccountId) -> Option<AccountRaises>;
    control_requests(account: Option<AccountId>) -> Vec<ControlRequest>;
    control_request(id: u32) -> Option<ControlRequest>;
    web_users(account: Option<AccountId>) -> Vec<WebUser>;
    web_user(name: &str) -> Option<WebUser>;
    web_user_of_id(id: WebUserId) -> Option<WebUser>;
    kept_answer(user: WebUserId, token: u32, key: &str) -> Option<KeptAnswer>;
    kept_answers(account: AccountId, since: UnixMicros) -> u64;
    lines(account: Option<AccountId>) -> Vec<Line>;
    resellers() -> Vec<Reseller>;
    spending(account: AccountId, since: UnixMicros) -> Vec<Spending>;
    numbers(account: Option<AccountId>) -> Vec<Number>;
    trunks() -> Vec<Trunk>;
    decks() -> Vec<DeckSummary>;
    deck_at(id: DeckId, at: UnixMicros) -> Option<Deck>;
    deck_rows_at(deck: DeckId, digits: &str, at: UnixMicros) -> Vec<RateRow>;
    deck_states(id: DeckId) -> Vec<DeckState>;
    bindings(account: Option<AccountId>) -> Vec<BindingRecord>;
    holds(account: Option<AccountId>) -> Vec<Hold>;
    unbilled(account: AccountId) -> Money;
    transfers(decision: DecisionId) -> Vec<Transfer>;
    balances() -> Vec<Balance>;
    postings(filter: &PostingFilter) -> Vec<StoredPosting>;
    bill_runs() -> Vec<KnownRun>;
    bills(filter: &BillFilter) -> Vec<Bill>;
    last_bills(first: AccountId, last: AccountId) -> Vec<Bill>;
    bill_items(account: AccountId, before: &Coverage, covers: &Coverage) -> BillItems;
    instalments(account: Option<AccountId>) -> Vec<InstalmentPlan>;
    facts(filter: &FactFilter) -> Vec<StoredFact>;
    devices(account: Option<AccountId>) -> Vec<Device>;
    lock_outs() -> Vec<LockOut>;
    bans() -> Vec<Ban>;
    sealing() -> Sealing;
    verify() -> Verification;
    verify_chain(question: &ChainQuestion, progress: &mut dyn FnMut(u64, u64)) -> ChainReport;
    anchor() -> Option<Anchor>;
    standings_within(id: AccountId, after: UnixMicros, until: UnixMicros) -> Vec<Standing>;
    lines_within(id: LineId, after: UnixMicros, until: UnixMicros) -> Vec<LineStanding>;
    trunk_at(id: TrunkId, at: UnixMicros) -> Option<TrunkStanding>;
    calls_after(link: u64, most: u32) -> CallsOnLinks;
    audited() -> u64;
}
