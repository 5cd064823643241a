//! The tables in memory. Lives here: what each record changes. Never here: faults, crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use types::{
    Account, AccountId, AccountRaises, Ban, Bill, BindingRecord, Cdr, ControlRequest, DecisionId,
    DeckId, Device, DeviceId, E164, Fact, Hold, InstalmentPlan, KeptAnswer, KnownRun, Line, LineId,
    LineStanding, LockOut, LockScope, Money, Number, Posting, Record, Region, Reseller, ResellerId,
    Standing, Transfer, TransferKind, Trunk, TrunkId, TrunkStanding, UnixMicros, WebUser,
    WebUserId,
};

use super::alerts::Alerts;
use super::chain::Kept;
use super::decks::DeckTable;
use crate::billing::Judged;
use crate::chain::{Appender, Place, key_of_state, place_of, place_of_transfer, write, write_run};
use crate::rules;

/// Every table. Two states with the same history are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub accounts: BTreeMap<AccountId, Arc<Account>>,
    pub history: BTreeMap<(AccountId, UnixMicros), Arc<Standing>>,
    pub line_history: BTreeMap<(LineId, UnixMicros), Arc<LineStanding>>,
    pub trunk_history: BTreeMap<(TrunkId, UnixMicros), TrunkStanding>,
    /// The histories in the order of commits.
    pub standings: Vec<(AccountId, UnixMicros)>,
    pub line_standings: Vec<(LineId, UnixMicros)>,
    pub trunk_standings: Vec<(TrunkId, UnixMicros)>,
    pub raises: BTreeMap<AccountId, AccountRaises>,
    pub requests: BTreeMap<u32, ControlRequest>,
    pub web_users: BTreeMap<WebUserId, WebUser>,
    pub lines: BTreeMap<LineId, Line>,
    pub users: BTreeMap<String, LineId>,
    pub resellers: BTreeMap<ResellerId, Reseller>,
    pub numbers: BTreeMap<E164, Number>,
    pub trunks: BTreeMap<TrunkId, Trunk>,
    pub decks: BTreeMap<DeckId, Arc<DeckTable>>,
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
    pub links: Vec<Kept>,
    pub telling: Alerts,
    /// Answers that are kept, by user, token and key.
    pub kept_answers: BTreeMap<(WebUserId, u32, String), KeptAnswer>,
    /// The link whose call was audited last.
    pub audited: u64,
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

    /// Writes one record that passed [`State::refusal`], and chains it if it changed something that is kept.
    pub fn apply(&mut self, record: &Record, appender: &mut Option<Appender>) {
        let place = place_of(record).and_then(|place| self.new_place(place, record));
        self.put(record);
        let Some(place) = place else { return };
        let appender = appender.get_or_insert_with(|| {
            let head = self.links.last().map(|link| (self.links.len() as u64, link.hash));
            Appender::after(head, None)
        });
        // A posting is two rows: what moved, and who ordered it.
        if let Record::Posting(posting) = record {
            let (place, moved) =
                (place_of_transfer(&posting.transfer), Record::Transfer(posting.transfer));
            let link = appender.link(place, |content| write(content, &moved, None));
            self.links.push(Kept::of(link));
        }
        let run = match record {
            Record::BillRun(run) => self.bill_runs.get(&run.run),
            Record::BillRunDone(run) => self.bill_runs.get(run),
            _ => None,
        };
        let link = appender.link(place, |content| match run {
            Some(run) => write_run(content, run),
            None => write(content, record, None),
        });
        self.links.push(Kept::of(link));
    }

    /// The place of a record, unless it is there already, or what it removes is not.
    fn new_place(&self, place: Place, record: &Record) -> Option<Place> {
        let is_new = match record {
            Record::Cdr(cdr) => !self.cdrs.contains_key(&cdr.decision),
            Record::Transfer(transfer) => {
                !self.transfers.contains_key(&(transfer.decision, transfer.kind))
            }
            Record::Fact(at, fact) => {
                let key = self.facts.len() as u64 + 1;
                return (!self.has_fact(*at, fact)).then_some(Place { key, ..place });
            }
            Record::NumberGone(number) => self.numbers.contains_key(number),
            Record::Posting(posting) => {
                let key = self.postings.len() as u64 + 1;
                let is_new = self.judge_posting(posting) == Judged::New;
                return is_new.then_some(Place { key, ..place });
            }
            Record::BillRun(run) => !self.bill_runs.contains_key(&run.run),
            Record::BillRunDone(run) => self.bill_runs.get(run).is_some_and(|run| !run.done),
            Record::Bill(bill) => self.judge_bill(bill) == Judged::New,
            Record::Instalments(plan) => !self.plans.contains_key(&plan.id),
            Record::Standing(standing) => {
                let key = self.standings.len() as u64 + 1;
                let is_new = !self.history.contains_key(&(standing.account, standing.at));
                return is_new.then_some(Place { key, ..place });
            }
            Record::LineStanding(standing) => {
                let key = self.line_standings.len() as u64 + 1;
                let is_new = !self.line_history.contains_key(&(standing.line, standing.at));
                return is_new.then_some(Place { key, ..place });
            }
            Record::Contact(contact) => {
                let key = self.telling.contacts.len() as u64 + 1;
                return self.telling.is_new(contact).then_some(Place { key, ..place });
            }
            Record::TrunkStanding(standing) => {
                let key = self.trunk_standings.len() as u64 + 1;
                let is_new = !self.trunk_history.contains_key(&(standing.trunk, standing.at));
                return is_new.then_some(Place { key, ..place });
            }
            Record::Deck(at, deck) => {
                let table = self.decks.get(&deck.id);
                let state = table.map_or(0, |table| table.puts()) + 1;
                let key = key_of_state(deck.id, state);
                let is_new = table.is_none_or(|table| !table.has_put(*at));
                return is_new.then_some(Place { key, ..place });
            }
            Record::Raises(raises) if raises.is_empty() => {
                self.raises.contains_key(&raises.account)
            }
            _ => true,
        };
        is_new.then_some(place)
    }

    /// Writes one record that passed [`State::refusal`], without a link.
    pub fn put(&mut self, record: &Record) {
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
                self.history.entry(key).or_insert_with(|| {
                    self.standings.push(key);
                    Arc::new(Standing::clone(standing))
                });
            }
            Record::LineStanding(standing) => {
                let (key, whole) = ((standing.line, standing.at), LineStanding::clone(standing));
                self.line_history.entry(key).or_insert_with(|| {
                    self.line_standings.push(key);
                    Arc::new(whole)
                });
            }
            Record::TrunkStanding(standing) => {
                let key = (standing.trunk, standing.at);
                self.trunk_history.entry(key).or_insert_with(|| {
                    self.trunk_standings.push(key);
                    *standing
                });
            }
            Record::Audited(link) => self.audited = self.audited.max(*link),
            Record::Raises(raises) if raises.is_empty() => {
                drop(self.raises.remove(&raises.account))
            }
            Record::Raises(raises) => {
                self.raises.insert(raises.account, AccountRaises::clone(raises));
            }
            Record::WebUser(user) => drop(self.web_users.insert(user.id, WebUser::clone(user))),
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
            Record::Deck(at, deck) => {
                let table = self.decks.entry(deck.id).or_default();
                if !table.has_put(*at) {
                    Arc::make_mut(table).put(*at, deck);
                }
            }
            Record::Contact(contact) => self.telling.append(contact),
            Record::Alert(alert) => {
                drop(self.telling.alerts.insert(alert.id, types::Alert::clone(alert)));
            }
            Record::AlertMark(fact) => self.telling.mark = *fact,
            Record::KeptAnswer(kept) => {
                let key = (kept.user, kept.token, kept.key.clone());
                self.kept_answers.insert(key, KeptAnswer::clone(kept));
            }
            Record::KeptAnswersGone(before) => {
                self.kept_answers.retain(|_, kept| kept.at >= *before);
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
        if self.has_fact(at, fact) {
            return;
        }
        self.facts_at.entry(at).or_default().push(self.facts.len());
        self.facts.push((at, Arc::new(fact.clone())));
    }

    fn has_fact(&self, at: UnixMicros, fact: &Fact) -> bool {
        let same_time = self.facts_at.get(&at);
        same_time.is_some_and(|found| found.iter().any(|&index| *self.facts[index].1 == *fact))
    }
}
