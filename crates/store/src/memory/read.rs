//! Answers from memory. Lives here: queries and the snapshot. Never here: writes.

use std::collections::BTreeMap;

use types::record::{Deck, Spending};
use types::{
    Account, AccountId, AccountRaises, Ban, Bill, BindingRecord, Cdr, ControlRequest, Coverage,
    DecisionId, DeckId, Device, Fact, Hold, InstalmentPlan, KeptAnswer, KnownRun, LedgerAccount,
    Line, LineId, LineStanding, LockOut, Money, Number, RateRow, RequestState, Reseller, Snapshot,
    Standing, StoredPosting, Transfer, TransferKind, Trunk, TrunkId, TrunkStanding, UnixMicros,
    WebUser, WebUserId,
};

use super::MemoryStore;
use super::state::State;
use crate::backend::SnapshotWindow;
use crate::billing::{BillFilter, BillItems, PostingFilter};
use crate::chain::{Anchor, ChainQuestion, ChainReport, walk};
use crate::deck_states::DeckState;
use crate::error::StoreError;
use crate::queries::{
    Balance, CallFilter, CallsOnLinks, Decided, DeckSummary, FactFilter, Reader, StoredFact,
};
use crate::rules;
use crate::verification::{Problem, Sealing, Verification};

impl State {
    /// What the node needs at its start.
    pub fn snapshot(&self, window: SnapshotWindow) -> Snapshot {
        let spending = self.spending.range((window.spending_since, AccountId(0), false)..);
        let hotspots = self
            .cdrs
            .values()
            .filter(|cdr| rules::is_hotspot_call(cdr) && cdr.started >= window.hotspots_since);
        Snapshot {
            accounts: self.accounts.values().map(|account| Account::clone(account)).collect(),
            raises: self.raises.values().cloned().collect(),
            requests: self
                .requests
                .values()
                .filter(|request| request.state == RequestState::Open)
                .cloned()
                .collect(),
            last_request: self.requests.keys().next_back().copied().unwrap_or(0),
            lines: self.lines.values().cloned().collect(),
            resellers: self.resellers.values().cloned().collect(),
            numbers: self.numbers.values().cloned().collect(),
            trunks: self.trunks.values().cloned().collect(),
            decks: self.all_decks().collect(),
            bindings: self.bindings.values().filter(|b| b.expires > window.now).cloned().collect(),
            devices: self.devices.values().map(|device| Device::clone(device)).collect(),
            lock_outs: self.lock_outs.values().filter(|l| l.until > window.now).cloned().collect(),
            bans: self
                .bans
                .values()
                .filter(|ban| ban.until.is_none_or(|until| until > window.bans_since))
                .cloned()
                .collect(),
            holds: self.holds.values().map(|hold| Hold::clone(hold)).collect(),
            spending: spending
                .map(|(&(at, account, costly), &amount)| Spending { account, at, amount, costly })
                .collect(),
            line_spending: self.line_spending(window.spending_since),
            unbilled: self
                .unbilled
                .iter()
                .filter(|(_, sum)| !sum.is_zero())
                .map(|(id, sum)| (*id, *sum))
                .collect(),
            last_bills: self.newest_bills().map(|bill| (bill.account, bill.run)).collect(),
            last_bill_run: self.bill_runs.keys().last().copied().unwrap_or(0),
            hotspot_calls: hotspots.map(|cdr| (cdr.account, cdr.started)).collect(),
            countries_called: self.countries.iter().copied().collect(),
            last_decision: self.last_decision,
            newest: self.newest,
        }
    }

    /// Of lines with stop levels of their own.
    fn line_spending(&self, since: UnixMicros) -> Vec<(LineId, Spending)> {
        let since = rules::stretch(since);
        let mut found: BTreeMap<(LineId, UnixMicros, bool), Spending> = BTreeMap::new();
        for cdr in self.cdrs.values() {
            let line = cdr.line.and_then(|line| self.lines.get(&line));
            let line = line.filter(|line| line.stop_levels.is_some());
            let spent = rules::spending(cdr).filter(|spent| spent.at >= since);
            let Some((line, spent)) = line.zip(spent) else { continue };
            let empty = Spending { amount: Money::ZERO, ..spent };
            let sum = found.entry((line.id, spent.at, spent.costly)).or_insert(empty);
            sum.amount = sum.amount.saturating_add(spent.amount);
        }
        found.into_iter().map(|((line, ..), spending)| (line, spending)).collect()
    }

    fn all_decks(&self) -> impl Iterator<Item = Deck> {
        self.decks.keys().filter_map(|id| self.deck_at(*id, UnixMicros(i64::MAX)))
    }

    fn deck_at(&self, id: DeckId, at: UnixMicros) -> Option<Deck> {
        self.decks.get(&id)?.at(id, at)
    }

    fn owner(&self, line: LineId) -> Option<AccountId> {
        self.lines.get(&line).map(|line| line.account)
    }

    fn verify(&self) -> Verification {
        let mut sums: BTreeMap<AccountId, [Money; rules::SUMS]> = BTreeMap::new();
        let mut add = |account: AccountId, column: usize, amount: Money| {
            let sum = &mut sums.entry(account).or_default()[column];
            *sum = sum.saturating_add(amount);
        };
        let mut costs = [Money::ZERO; 2];
        for cdr in self.cdrs.values() {
            add(cdr.account, 0, cdr.price);
            costs[0] = costs[0].saturating_add(cdr.cost);
        }
        for transfer in self.transfers.values() {
            match (transfer.kind, transfer.debit) {
                (TransferKind::Charge, LedgerAccount::Receivable(account)) => {
                    add(account, 1, transfer.amount);
                }
                (TransferKind::Charge, _) => {}
                (TransferKind::Cost, _) => costs[1] = costs[1].saturating_add(transfer.amount),
                (kind, _) if kind.lowers_usage() => {
                    if let LedgerAccount::Receivable(account) = transfer.credit {
                        add(account, 4, transfer.amount);
                    }
                }
                _ => {}
            }
        }
        self.bills.values().for_each(|bill| add(bill.account, 5, bill.total));
        self.unbilled.iter().for_each(|(account, sum)| add(*account, 2, *sum));
        self.spending.iter().for_each(|((_, account, _), sum)| add(*account, 3, *sum));
        let mut problems = self.verify_bills();
        problems.extend(sums.iter().flat_map(|(account, sums)| rules::compare(*account, *sums)));
        if costs[0] != costs[1] {
            problems.push(Problem::Costs { costs: costs[1], cdrs: costs[0] });
        }
        let both = self.holds.keys().filter(|id| self.cdrs.contains_key(id));
        problems.extend(both.map(|id| Problem::HeldAndEnded(*id)));
        Verification {
            cdrs: self.cdrs.len() as u64,
            transfers: self.transfers.len() as u64,
            charged: sums.values().fold(Money::ZERO, |sum, [_, c, ..]| sum.saturating_add(*c)),
            problems,
        }
    }
}

fn call_matches(cdr: &Cdr, filter: &CallFilter) -> bool {
    filter.account.is_none_or(|id| cdr.account == id || cdr.to_account == Some(id))
        && filter.since.is_none_or(|since| cdr.started >= since)
        && filter.until.is_none_or(|until| cdr.started < until)
        && filter.before.is_none_or(|before| cdr.decision < before)
        && filter.line.is_none_or(|line| cdr.line == Some(line))
        && filter.charged.is_none_or(|charged| cdr.price.is_zero() != charged)
        && filter.direction.is_none_or(|direction| cdr.direction == direction)
        && filter.number.is_none_or(|number| cdr.destination.e164 == Some(number))
        && filter.digits.as_ref().is_none_or(|digits| {
            cdr.destination.e164.is_some_and(|number| number.digits().starts_with(digits))
        })
        && filter.trunk.is_none_or(|trunk| cdr.trunk == Some(trunk))
        && filter.outcome.is_none_or(|outcome| cdr.explanation.outcome == outcome)
}

fn fact_matches(stored: &StoredFact, filter: &FactFilter) -> bool {
    let kind = |fact: &Fact| {
        let body = serde_json::to_string(fact).expect("facts have string keys only");
        rules::kind_of(&body).to_owned()
    };
    filter.account.is_none_or(|id| rules::account_of(&stored.fact) == Some(id))
        && filter.since.is_none_or(|since| stored.at >= since)
        && filter.until.is_none_or(|until| stored.at < until)
        && filter.kind.as_ref().is_none_or(|want| *want == kind(&stored.fact))
}

impl Reader for MemoryStore {
    fn calls(&self, filter: &CallFilter) -> Result<Vec<Cdr>, StoreError> {
        let state = self.state();
        let mut found: Vec<&Cdr> =
            state.cdrs.values().map(|cdr| &**cdr).filter(|cdr| call_matches(cdr, filter)).collect();
        found.reverse();
        Ok(found.into_iter().take(filter.limit as usize).cloned().collect())
    }

    fn decision(&self, id: DecisionId) -> Result<Option<Decided>, StoreError> {
        let state = self.state();
        let ended = state.cdrs.get(&id).map(|cdr| Decided::Ended(Box::new(Cdr::clone(cdr))));
        let open = || state.holds.get(&id).map(|hold| Decided::Open(Box::new(Hold::clone(hold))));
        Ok(ended.or_else(open))
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.state().accounts.values().map(|account| Account::clone(account)).collect())
    }

    fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        Ok(self.state().accounts.get(&id).map(|account| Account::clone(account)))
    }

    fn controls_at(&self, id: AccountId, at: UnixMicros) -> Result<Option<Standing>, StoreError> {
        let until = self.state().history.range((id, UnixMicros(i64::MIN))..=(id, at));
        Ok(until.last().map(|(_, standing)| Standing::clone(standing)))
    }

    fn account_history(&self, id: AccountId, limit: u32) -> Result<Vec<Standing>, StoreError> {
        let all = (id, UnixMicros(i64::MIN))..=(id, UnixMicros(i64::MAX));
        let newest = self.state().history.range(all).rev().take(limit as usize);
        Ok(newest.map(|(_, standing)| Standing::clone(standing)).collect())
    }

    fn line_at(&self, id: LineId, at: UnixMicros) -> Result<Option<LineStanding>, StoreError> {
        let until = self.state().line_history.range((id, UnixMicros(i64::MIN))..=(id, at));
        Ok(until.last().map(|(_, standing)| LineStanding::clone(standing)))
    }

    fn line_history(&self, id: LineId) -> Result<Vec<LineStanding>, StoreError> {
        let all = (id, UnixMicros(i64::MIN))..=(id, UnixMicros(i64::MAX));
        let newest = self.state().line_history.range(all).rev();
        Ok(newest.map(|(_, standing)| LineStanding::clone(standing)).collect())
    }

    fn raises(&self, account: AccountId) -> Result<Option<AccountRaises>, StoreError> {
        Ok(self.state().raises.get(&account).cloned())
    }

    fn control_requests(
        &self,
        account: Option<AccountId>,
    ) -> Result<Vec<ControlRequest>, StoreError> {
        let mine = |request: &&ControlRequest| account.is_none_or(|id| request.account == id);
        Ok(self.state().requests.values().filter(mine).cloned().collect())
    }

    fn web_users(&self, account: Option<AccountId>) -> Result<Vec<WebUser>, StoreError> {
        let mine = |user: &&WebUser| account.is_none_or(|id| user.account == id);
        Ok(self.state().web_users.values().filter(mine).cloned().collect())
    }

    fn web_user_of_id(&self, id: WebUserId) -> Result<Option<WebUser>, StoreError> {
        Ok(self.state().web_users.get(&id).cloned())
    }

    fn web_user(&self, name: &str) -> Result<Option<WebUser>, StoreError> {
        let state = self.state();
        let named = |user: &&WebUser| user.name == name && !user.is_removed;
        Ok(state.web_users.values().find(named).cloned())
    }

    fn kept_answer(
        &self,
        user: WebUserId,
        token: u32,
        key: &str,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        Ok(self.state().kept_answers.get(&(user, token, key.to_owned())).cloned())
    }

    fn kept_answers(&self, account: AccountId, since: UnixMicros) -> Result<u64, StoreError> {
        let mine = |kept: &&KeptAnswer| kept.account == account && kept.at >= since;
        Ok(self.state().kept_answers.values().filter(mine).count() as u64)
    }

    fn control_request(&self, id: u32) -> Result<Option<ControlRequest>, StoreError> {
        Ok(self.state().requests.get(&id).cloned())
    }

    fn lines(&self, account: Option<AccountId>) -> Result<Vec<Line>, StoreError> {
        let mine = |line: &&Line| account.is_none_or(|id| line.account == id);
        Ok(self.state().lines.values().filter(mine).cloned().collect())
    }

    fn resellers(&self) -> Result<Vec<Reseller>, StoreError> {
        Ok(self.state().resellers.values().cloned().collect())
    }

    fn spending(&self, account: AccountId, since: UnixMicros) -> Result<Vec<Spending>, StoreError> {
        let spending = self.state().spending.range((since, AccountId(0), false)..);
        let mine = spending.filter(|((_, whose, _), _)| *whose == account);
        let spent = |(&(at, account, costly), &amount)| Spending { account, at, amount, costly };
        Ok(mine.map(spent).collect())
    }

    fn numbers(&self, account: Option<AccountId>) -> Result<Vec<Number>, StoreError> {
        let mine = |number: &&Number| account.is_none_or(|id| number.account == id);
        Ok(self.state().numbers.values().filter(mine).cloned().collect())
    }

    fn trunks(&self) -> Result<Vec<Trunk>, StoreError> {
        Ok(self.state().trunks.values().cloned().collect())
    }

    fn decks(&self) -> Result<Vec<DeckSummary>, StoreError> {
        let decks = self.state().all_decks();
        let summary =
            |deck: Deck| DeckSummary { id: deck.id, name: deck.name, rows: deck.rows.len() as u64 };
        Ok(decks.map(summary).collect())
    }

    fn deck_at(&self, id: DeckId, at: UnixMicros) -> Result<Option<Deck>, StoreError> {
        Ok(self.state().deck_at(id, at))
    }

    fn deck_rows_at(
        &self,
        deck: DeckId,
        digits: &str,
        at: UnixMicros,
    ) -> Result<Vec<RateRow>, StoreError> {
        let table = self.state().decks.get(&deck);
        Ok(table.map(|table| table.rows_at(digits, at)).unwrap_or_default())
    }

    fn deck_states(&self, id: DeckId) -> Result<Vec<DeckState>, StoreError> {
        Ok(self.state().decks.get(&id).map(|table| table.states(id)).unwrap_or_default())
    }

    fn bindings(&self, account: Option<AccountId>) -> Result<Vec<BindingRecord>, StoreError> {
        let state = self.state();
        let mine = |binding: &&BindingRecord| {
            account.is_none_or(|id| state.owner(binding.line) == Some(id))
        };
        Ok(state.bindings.values().filter(mine).cloned().collect())
    }

    fn holds(&self, account: Option<AccountId>) -> Result<Vec<Hold>, StoreError> {
        let holds = self.state().holds.values();
        let mine = holds.filter(|hold| account.is_none_or(|id| hold.account == id));
        Ok(mine.map(|hold| Hold::clone(hold)).collect())
    }

    fn unbilled(&self, account: AccountId) -> Result<Money, StoreError> {
        Ok(self.state().unbilled.get(&account).copied().unwrap_or_default())
    }

    fn transfers(&self, decision: DecisionId) -> Result<Vec<Transfer>, StoreError> {
        Ok(self.state().transfers_of(decision))
    }

    fn balances(&self) -> Result<Vec<Balance>, StoreError> {
        let mut sums: BTreeMap<LedgerAccount, (Money, Money)> = BTreeMap::new();
        for transfer in self.state().transfers.values() {
            let debit = &mut sums.entry(transfer.debit).or_default().0;
            *debit = debit.saturating_add(transfer.amount);
            let credit = &mut sums.entry(transfer.credit).or_default().1;
            *credit = credit.saturating_add(transfer.amount);
        }
        let balance = |(account, (debits, credits))| Balance { account, debits, credits };
        Ok(sums.into_iter().map(balance).collect())
    }

    fn postings(&self, filter: &PostingFilter) -> Result<Vec<StoredPosting>, StoreError> {
        Ok(self.state().find_postings(filter))
    }

    fn bill_runs(&self) -> Result<Vec<KnownRun>, StoreError> {
        Ok(self.state().bill_runs.values().rev().copied().collect())
    }

    fn bills(&self, filter: &BillFilter) -> Result<Vec<Bill>, StoreError> {
        Ok(self.state().find_bills(filter))
    }

    fn last_bills(&self, first: AccountId, last: AccountId) -> Result<Vec<Bill>, StoreError> {
        let newest = self.state().newest_bills();
        let mine = newest.filter(|bill| (first..=last).contains(&bill.account));
        Ok(mine.map(|bill| Bill::clone(bill)).collect())
    }

    fn bill_items(
        &self,
        account: AccountId,
        before: &Coverage,
        covers: &Coverage,
    ) -> Result<BillItems, StoreError> {
        Ok(self.state().bill_items(account, before, covers))
    }

    fn instalments(&self, account: Option<AccountId>) -> Result<Vec<InstalmentPlan>, StoreError> {
        let plans = self.state().plans.values();
        let mine = plans.filter(|plan| account.is_none_or(|id| plan.account == id));
        Ok(mine.map(|plan| InstalmentPlan::clone(plan)).collect())
    }

    fn facts(&self, filter: &FactFilter) -> Result<Vec<StoredFact>, StoreError> {
        let facts = self.state().facts.iter().enumerate().rev().map(|(index, (at, fact))| {
            StoredFact { seq: index as u64 + 1, at: *at, fact: Fact::clone(fact) }
        });
        let found = facts.filter(|stored| fact_matches(stored, filter));
        Ok(found.take(filter.limit as usize).collect())
    }

    fn devices(&self, account: Option<AccountId>) -> Result<Vec<Device>, StoreError> {
        let devices = self.state().devices.values();
        let mine = devices.filter(|device| account.is_none_or(|id| device.account == id));
        Ok(mine.map(|device| Device::clone(device)).collect())
    }

    fn lock_outs(&self) -> Result<Vec<LockOut>, StoreError> {
        Ok(self.state().lock_outs.values().cloned().collect())
    }

    fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        Ok(self.state().bans.values().cloned().collect())
    }

    /// Memory is not sealed.
    fn sealing(&self) -> Result<Sealing, StoreError> {
        Ok(Sealing::default())
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        Ok(self.state().verify())
    }

    fn verify_chain(
        &self,
        question: &ChainQuestion,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<ChainReport, StoreError> {
        let Ok(report) = walk(self.state(), None, question, progress);
        Ok(report)
    }

    fn anchor(&self) -> Result<Option<Anchor>, StoreError> {
        let links = &self.state().links;
        let anchor =
            |link: &super::chain::Kept| Anchor { seq: links.len() as u64, hash: link.hash };
        Ok(links.last().map(anchor))
    }

    fn standings_within(
        &self,
        id: AccountId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<Standing>, StoreError> {
        let found = self.state().history.range((id, after)..).take_while(|(key, _)| key.0 == id);
        let within = found.filter(|((_, at), _)| *at > after && *at <= until);
        Ok(within.map(|(_, standing)| Standing::clone(standing)).collect())
    }

    fn lines_within(
        &self,
        id: LineId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<LineStanding>, StoreError> {
        let found = self.state().line_history.range((id, after)..);
        let own = found.take_while(|(key, _)| key.0 == id);
        let within = own.filter(|((_, at), _)| *at > after && *at <= until);
        Ok(within.map(|(_, standing)| LineStanding::clone(standing)).collect())
    }

    fn trunk_at(&self, id: TrunkId, at: UnixMicros) -> Result<Option<TrunkStanding>, StoreError> {
        let until = self.state().trunk_history.range((id, UnixMicros(i64::MIN))..=(id, at));
        Ok(until.last().map(|(_, standing)| *standing))
    }

    fn calls_after(&self, link: u64, most: u32) -> Result<CallsOnLinks, StoreError> {
        let head = self.state().links.len() as u64;
        let upto = link.saturating_add(most.into()).min(head);
        Ok(CallsOnLinks { calls: self.state().calls_on(link, upto), upto, head })
    }

    fn audited(&self) -> Result<u64, StoreError> {
        Ok(self.state().audited)
    }
}
