//! The engine: its parts and what can be looked up. Never here: decisions (admission), live calls
//! (metering, ending), commands (control).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ledger::{Book, Ledger};
use rating::{Numbering, RateDeck};
use types::record::Deck;
use types::{
    AccountId, Controls, DecisionId, DeckId, DialPlan, E164, Line, LineId, Map, Now, Number,
    Record, Reseller, ResellerId, Snapshot, Trunk, TrunkId, UnixMicros,
};

use crate::access::Access;
use crate::access::age::AgeRound;
use crate::config::{EngineConfig, EngineError};
use crate::control::Billed;
use crate::control::Raises;
use crate::dial_cache::DialCache;
use crate::directory::{AccountEntry, Directory};
use crate::intern::Shared;
use crate::live_call::Calls;
use crate::rules::ip_lock;

/// Postings that the book knows again; the store knows all of them.
const BOOK_MEMORY: usize = 4_096;

/// The brain of a node: everybody, every price, all money at risk and every live call of its shard.
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) directory: Directory,
    /// Controls of callers that belong to no account; they are refused whatever these say.
    pub(crate) no_controls: Arc<Shared<Controls>>,
    /// How carriers write numbers that are no trunk of ours; they are refused whatever they write.
    pub(crate) no_plan: Arc<Shared<DialPlan>>,
    pub(crate) decks: Map<DeckId, RateDeck>,
    /// What staff call them.
    pub(crate) deck_names: BTreeMap<DeckId, String>,
    pub(crate) dial_cache: DialCache,
    pub(crate) ledger: Ledger,
    pub(crate) book: Book,
    pub(crate) billed: Billed,
    /// Calls of which the auditor's findings are on record, the newest of them.
    pub(crate) told_misfits: BTreeSet<DecisionId>,
    pub(crate) calls: Calls,
    pub(crate) last_decision: DecisionId,
    pub(crate) store_up: bool,
    pub(crate) access: Access,
    pub(crate) ages: AgeRound,
    /// Raises with an end, and requests.
    pub(crate) raises: Raises,
    /// Noticed, and not handed out yet.
    pub(crate) facts: Vec<Record>,
}

impl Engine {
    /// An engine that knows what the snapshot holds. Calls that were open are open again, with
    /// their money held; spending windows are rebuilt.
    pub fn new(config: EngineConfig, snapshot: &Snapshot, now: Now) -> Result<Engine, EngineError> {
        check_config(&config)?;
        let numbering = Numbering::new(&config.numbering)?;
        let hash = config.hash;
        let mut directory = Directory::new(hash, snapshot.accounts.len(), snapshot.lines.len());
        let (no_controls, no_plan) = directory.share(Controls::residential(), DialPlan::default());
        let mut engine = Engine {
            directory,
            no_controls,
            no_plan,
            decks: Map::with_hasher(hash),
            deck_names: BTreeMap::new(),
            dial_cache: DialCache::new(numbering, hash),
            ledger: Ledger::new(hash),
            book: Book::new(hash, BOOK_MEMORY),
            billed: Billed { last_run: 0, last_bills: Map::with_hasher(hash) },
            told_misfits: BTreeSet::new(),
            calls: Calls::new(hash),
            last_decision: DecisionId(0),
            store_up: true,
            access: Access::new(config.access.clone(), hash),
            ages: AgeRound::default(),
            raises: Raises::default(),
            facts: Vec::new(),
            config,
        };
        engine.restore(snapshot, now)?;
        if snapshot.lines.iter().any(|line| line.secret_set.0 > 0) {
            engine.ages.begin(now.tick);
        }
        Ok(engine)
    }

    /// The usable line of a user name: not a disabled one, nor one of a closed account.
    pub fn line_by_user(&self, user: &str) -> Option<&Line> {
        self.directory.line_of_user(user).filter(|line| self.directory.is_usable(line))
    }

    /// A line, whatever its status.
    pub fn line(&self, line: LineId) -> Option<&Line> {
        self.directory.line(line)
    }

    /// An account.
    pub fn account(&self, account: AccountId) -> Option<&AccountEntry> {
        self.directory.account(account)
    }

    /// The account of a name, whatever its status.
    pub fn account_by_name(&self, name: &str) -> Option<&AccountEntry> {
        self.directory.account_of_name(name)
    }

    /// All accounts, in no order that means anything.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountEntry> {
        self.directory.accounts()
    }

    /// All lines, in no order that means anything.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.directory.lines()
    }

    /// The line of a user name, whatever its status.
    pub fn any_line_by_user(&self, user: &str) -> Option<&Line> {
        self.directory.line_of_user(user)
    }

    /// A number of ours.
    pub fn number(&self, number: E164) -> Option<&Number> {
        self.directory.number(number)
    }

    /// All rate decks by id, with their names.
    pub fn decks(&self) -> impl Iterator<Item = (DeckId, &str)> + Clone {
        self.deck_names.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// A rate deck with its rows.
    pub fn deck(&self, id: DeckId) -> Option<Deck> {
        let (name, table) = (self.deck_names.get(&id)?, self.decks.get(&id)?);
        Some(Deck { id, name: name.clone(), rows: table.rows().to_vec() })
    }

    /// A reseller.
    pub fn reseller(&self, reseller: ResellerId) -> Option<&Reseller> {
        self.directory.reseller(reseller)
    }

    /// All resellers, by id.
    pub fn resellers(&self) -> impl Iterator<Item = &Reseller> {
        self.directory.resellers()
    }

    /// A trunk.
    pub fn trunk(&self, trunk: TrunkId) -> Option<&Trunk> {
        self.directory.trunk(trunk)
    }

    /// All trunks, by id.
    pub fn trunks(&self) -> impl Iterator<Item = &Trunk> {
        self.directory.trunks()
    }

    /// The enabled trunk that an address belongs to: the narrowest network, then the lowest id.
    pub fn trunk_by_source(&self, peer: IpAddr) -> Option<TrunkId> {
        self.directory.trunk_by_source(peer)
    }

    /// May the line be used from this address? Judged by the locks of its account and its own (I1).
    pub fn ip_allowed(&self, line: LineId, peer: IpAddr) -> bool {
        let Some(line) = self.directory.line(line) else {
            return false;
        };
        let Some(account) = self.directory.account(line.account) else {
            return false;
        };
        ip_lock::check(&account.controls.ip_lock, &line.ip_lock, peer).is_none()
    }

    /// Who may come in.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Can money be held durably? While it cannot, calls that cost money are refused.
    pub fn store_health(&mut self, up: bool) {
        self.store_up = up;
    }

    /// Facts noticed since the last time (warning levels crossed while people talk). What is not
    /// taken comes with the records of the next call that ends.
    pub fn take_facts(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.facts)
    }

    /// Are there any, or has a raise ended?
    pub fn has_facts(&self) -> bool {
        !self.facts.is_empty() || self.raises.ended.is_some()
    }

    /// Could these digits be an emergency code of somebody? A cheap look before anything is known.
    pub fn may_be_emergency(&self, digits: &str) -> bool {
        self.dial_cache.numbering().may_be_emergency(digits)
    }

    /// Recomputes every kept sum of money: for simulations, tests and `doctor`.
    pub fn audit(&self) -> Result<(), ledger::AuditError> {
        self.ledger.audit()
    }

    /// Counts of holds made and closed since the start, and the largest overrun of one call.
    pub fn money_totals(&self) -> ledger::Totals {
        self.ledger.totals()
    }

    /// The settings.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    pub(crate) fn next_decision(&mut self, wall: UnixMicros) -> DecisionId {
        self.last_decision = DecisionId::next(self.last_decision, wall, self.config.shard);
        self.last_decision
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({:?}, {:?})", self.ledger, self.book)
    }
}

fn check_config(config: &EngineConfig) -> Result<(), EngineError> {
    let (from, to) = (config.off_hours.weekday_from_h, config.off_hours.weekday_to_h);
    if from > 24 || to > 24 {
        return Err(EngineError::OffHours(from, to));
    }
    let lead_ms = config.extend_lead_ms.saturating_add(config.cut_margin_ms);
    let shortest = config.first_slice_ms.min(config.slice_ms);
    if shortest < 1_000 || shortest <= lead_ms {
        return Err(EngineError::Slices { lead_ms });
    }
    Ok(())
}
