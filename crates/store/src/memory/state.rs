//! The tables in memory. Lives here: what each record changes. Never here: faults, crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use types::{
    Account, AccountId, AccountRaises, Ban, Bill, BindingRecord, Cdr, ControlRequest, DecisionId,
    DeckId, Device, DeviceId, E164, Fact, Hold, InstalmentPlan, KnownRun, Line, LineId,
    LineStanding, LockOut, LockScope, Money, Number, Posting, RateRow, Record, Region, Reseller,
    ResellerId, Standing, Transfer, TransferKind, Trunk, TrunkId, UnixMicros,
};

use crate::rules;

/// A deck: its name, its rows by prefix and effective time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeckRows {
    pub name: String,
    pub rows: BTreeMap<(String, UnixMicros), RateRow>,
}

/// Every table. Two states with the same history are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub accounts: BTreeMap<AccountId, Arc<Account>>,
    pub history: BTreeMap<(AccountId, UnixMicros), Arc<Standing>>,
    pub line_history: BTreeMap<(LineId, UnixMicros), Arc<LineStanding>>,
    pub raises: BTreeMap<AccountId, AccountRaises>,
    pub requests: BTreeMap<u32, ControlRequest>,
    pub lines: BTreeMap<LineId, Line>,
    pub users: BTreeMap<String, LineId>,
    pub resellers: BTreeMap<ResellerId, Reseller>,
    pub numbers: BTreeMap<E164, Number>,
    pub trunks: BTreeMap<TrunkId, Trunk>,
    pub decks: BTreeMap<DeckId, Arc<DeckRows>>,
    pub bindings: BTreeMap<(LineId, String), BindingRecord>,
    pub devices: BTreeMap<DeviceId, Arc<Device>>,
    pub lock_outs: BTreeMap<LockScope, LockOut>,
    pub bans: BTreeMap<IpNet, Ban>,
    pub holds: BTreeMap<DecisionId, Arc<Hold>>,
    pub cdrs: BTreeMap<DecisionId, Arc<Cdr>>,
    pub transfers: BTreeMap<(DecisionId, TransferKind), Transfer>,
    /// The n-th CDR ever written, by decision.
    pub cdr_places: BTreeMap<DecisionId, u64>,
    pub postings: Vec<Arc<Posting>>,
    pub bill_runs: BTreeMap<u32, KnownRun>,
    pub bills: BTreeMap<(AccountId, u32), Arc<Bill>>,
    pub plans: BTreeMap<DecisionId, Arc<InstalmentPlan>>,
    pub facts: Vec<(UnixMicros, Arc<Fact>)>,
    pub facts_at: BTreeMap<UnixMicros, Vec<usize>>,
    pub spending: BTreeMap<(UnixMicros, AccountId, bool), Money>,
    pub unbilled: BTreeMap<AccountId, Money>,
    pub countries: BTreeSet<(AccountId, Region)>,
    pub last_decision: DecisionId,
    pub newest: UnixMicros,
}

impl State {
    /// Why these records cannot all be written, if so. What passes here is applied without fail.
    pub fn refusal<'r>(&self, records: impl Iterator<Item = &'r Record>) -> Option<String> {
        let mut changed: Option<(BTreeMap<LineId, String>, BTreeMap<String, LineId>)> = None;
        let records: Vec<&Record> = records.collect();
        if let Some(why) = self.billing_refusal(&records) {
            return Some(why);
        }
        for record in records {
            if let Some(why) = rules::refusal(record) {
                return Some(why);
            }
            let Record::Line(line) = record else { continue };
            let (names, users) = changed.get_or_insert_with(|| {
                let names = self.lines.values().map(|line| (line.id, line.user.clone()));
                (names.collect(), self.users.clone())
            });
            if let Some(before) = names.insert(line.id, line.user.clone()) {
                users.remove(&before);
            }
            if users.insert(line.user.clone(), line.id).is_some() {
                return Some(format!("line {}: the user name is taken", line.id));
            }
        }
        None
    }

    /// Writes one record that passed [`State::refusal`].
    pub fn apply(&mut self, record: &Record) {
        let (decision, time) = rules::newest(record);
        self.last_decision = self.last_decision.max(decision);
        self.newest = self.newest.max(time);
        match record {
            Record::Hold(hold) => {
                // A call that has ended is not held again, however late its hold is told once more.
                let is_open = self.holds.contains_key(&hold.decision);
                if is_open || !self.cdrs.contains_key(&hold.decision) {
                    self.holds.insert(hold.decision, Arc::new(Hold::clone(hold)));
                }
            }
            Record::HoldClosed(id) => drop(self.holds.remove(id)),
            Record::Cdr(cdr) => self.insert_cdr(cdr),
            Record::Transfer(transfer) => {
                self.transfers.entry((transfer.decision, transfer.kind)).or_insert(*transfer);
            }
            Record::Posting(posting) => self.post(posting),
            Record::BillRun(run) => self.begin_run(run),
            Record::Bill(bill) => self.insert_bill(bill),
            Record::BillRunDone(run) => {
                if let Some(run) = self.bill_runs.get_mut(run) {
                    run.done = true;
                }
            }
            Record::Instalments(plan) => {
                let kept = || Arc::new(InstalmentPlan::clone(plan));
                self.plans.entry(plan.id).or_insert_with(kept);
            }
            Record::Binding(binding) => {
                let key = (binding.line, binding.contact.clone());
                self.bindings.insert(key, BindingRecord::clone(binding));
            }
            Record::BindingGone(line, contact) => {
                self.bindings.remove(&(*line, contact.clone()));
            }
            Record::Device(device) => {
                self.devices.insert(device.id, Arc::new(Device::clone(device)));
            }
            Record::DeviceGone(id) => drop(self.devices.remove(id)),
            Record::LockOut(lock) => {
                self.lock_outs.insert(lock.scope.clone(), LockOut::clone(lock));
            }
            Record::LockOutGone(scope) => drop(self.lock_outs.remove(scope)),
            Record::Ban(ban) => drop(self.bans.insert(ban.source, Ban::clone(ban))),
            Record::BanGone(source) => drop(self.bans.remove(source)),
            Record::Fact(at, fact) => self.append_fact(*at, fact),
            // The newest time was kept above.
            Record::Alive(_) => {}
            Record::Account(account) => {
                self.accounts.insert(account.id, Arc::new(Account::clone(account)));
            }
            Record::Standing(standing) => {
                let key = (standing.account, standing.at);
                self.history.entry(key).or_insert_with(|| Arc::new(Standing::clone(standing)));
            }
            Record::LineStanding(standing) => {
                let (key, whole) = ((standing.line, standing.at), LineStanding::clone(standing));
                self.line_history.entry(key).or_insert_with(|| Arc::new(whole));
            }
            Record::Raises(raises) if raises.is_empty() => {
                drop(self.raises.remove(&raises.account))
            }
            Record::Raises(raises) => {
                self.raises.insert(raises.account, AccountRaises::clone(raises));
            }
            Record::ControlRequest(request) => {
                self.requests.insert(request.id, ControlRequest::clone(request));
            }
            Record::Line(line) => {
                if let Some(before) = self.lines.insert(line.id, Line::clone(line)) {
                    self.users.remove(&before.user);
                }
                self.users.insert(line.user.clone(), line.id);
            }
            Record::Reseller(reseller) => {
                self.resellers.insert(reseller.id, Reseller::clone(reseller));
            }
            Record::Number(number) => drop(self.numbers.insert(number.number, number.clone())),
            Record::NumberGone(number) => drop(self.numbers.remove(number)),
            Record::Trunk(trunk) => drop(self.trunks.insert(trunk.id, Trunk::clone(trunk))),
            Record::Deck(deck) => {
                let keyed =
                    deck.rows.iter().map(|row| ((row.prefix.clone(), row.effective), row.clone()));
                let rows = DeckRows { name: deck.name.clone(), rows: keyed.collect() };
                self.decks.insert(deck.id, Arc::new(rows));
            }
        }
    }

    fn insert_cdr(&mut self, cdr: &Cdr) {
        if self.cdrs.contains_key(&cdr.decision) {
            return;
        }
        if let Some(spent) = rules::spending(cdr) {
            let key = (spent.at, spent.account, spent.costly);
            let sum = self.spending.entry(key).or_default();
            *sum = sum.saturating_add(spent.amount);
            let unbilled = self.unbilled.entry(spent.account).or_default();
            *unbilled = unbilled.saturating_add(spent.amount);
        }
        self.countries.extend(rules::country_called(cdr));
        self.cdrs.insert(cdr.decision, Arc::new(cdr.clone()));
        self.cdr_places.insert(cdr.decision, self.cdrs.len() as u64);
    }

    fn append_fact(&mut self, at: UnixMicros, fact: &Fact) {
        let same_time = self.facts_at.entry(at).or_default();
        if same_time.iter().any(|&index| *self.facts[index].1 == *fact) {
            return;
        }
        same_time.push(self.facts.len());
        self.facts.push((at, Arc::new(fact.clone())));
    }
}
