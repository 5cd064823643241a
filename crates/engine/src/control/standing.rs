//! What stands for an account. Lives here: making it so, its records, what it does to live calls, ended raises.
//! Never here: whether somebody may have it so (change), which way a change goes (risk).

use types::{
    Account, AccountId, By, Changed, DecisionId, Fact, Line, LineSecurity, LineStanding, Now,
    Record, Risk, Setting, Standing, UnixMicros,
};

use super::raises::EndedRaise;
use super::{Done, risk, with_cuts};
use crate::directory::AccountEntry;
use crate::engine::Engine;
use crate::live_call::Call;
use crate::rules::{barred_class, barred_country, connect_fee_cap, invalid_number, price_cap};
use types::Finding;

/// An account as it shall be.
pub(super) struct Wish {
    pub account: Account,
    /// As it was; `None`: it is new.
    pub known: Option<Account>,
    /// What changes besides controls and status.
    pub others: Vec<String>,
    pub changes: Vec<Changed>,
    pub until: Option<UnixMicros>,
    pub by: By,
    pub why: String,
}

impl Engine {
    /// Carries a wish out: in memory, in records, for live calls. It was judged before.
    pub(super) fn make_so(&mut self, now: Now, wish: Wish) -> Done {
        let Wish { account, known, others, changes, until, by, why } = wish;
        let (id, status) = (account.id, account.status);
        let mut records = Vec::new();
        if known.as_ref().is_none_or(|known| is_elsewhere(known, &account)) || !changes.is_empty() {
            records.push(self.standing(now.wall, &account, &by, &why));
        }
        self.directory.put_account(&account).expect("its time zone was looked up");
        records.insert(0, Record::Account(Box::new(account)));
        records.extend(self.raises.follow(now, id, &changes, until));
        let plain = others.into_iter().chain(in_words(&changes, Risk::Neutral));
        let plain = super::in_words("changed", &plain.collect::<Vec<_>>());
        let change = if known.is_none() { "added".to_owned() } else { plain };
        if change != UNCHANGED {
            records.push(Record::Fact(now.wall, Fact::AccountChanged { account: id, change }));
        }
        records.extend(facts(now.wall, id, &changes, until, &by, &why));
        let (cut, relocked) = self.follow_changes(id, &changes);
        let is_warned = |change: &Changed| matches!(change.to, Setting::WarningLevel(_));
        if changes.iter().any(is_warned) {
            records.extend(self.warning(now, id));
            self.arm_warning(now, id);
        }
        let before = known.map(|known| known.status);
        Done {
            unbound: self.unbound_by(id, before, status),
            records,
            cut,
            relocked,
            ..Done::default()
        }
    }

    /// What stands from now on, as it is kept. Its time comes from the row that decisions have theirs from: each
    /// decision is surely before or after it.
    pub(crate) fn standing(
        &mut self,
        wall: UnixMicros,
        account: &Account,
        by: &By,
        why: &str,
    ) -> Record {
        let at = self.next_decision(wall).time();
        Record::Standing(Box::new(Standing {
            account: account.id,
            at,
            status: account.status,
            controls: account.controls.clone(),
            sell_deck: account.sell_deck,
            reseller: account.reseller,
            time_zone: account.time_zone.clone(),
            by: by.clone(),
            why: why.to_owned(),
        }))
    }

    /// The same of a line, if its bounds are new.
    pub(super) fn line_standing(
        &mut self,
        now: Now,
        known: Option<&LineSecurity>,
        line: &Line,
        by: By,
        why: String,
    ) -> Option<Record> {
        let security = LineSecurity::of(line);
        if known == Some(&security) {
            return None;
        }
        let at = self.next_decision(now.wall).time();
        let (line, account) = (line.id, line.account);
        Some(Record::LineStanding(Box::new(LineStanding { line, account, at, security, by, why })))
    }

    /// Ends the raises whose time is over. What that brings waits in `take_ended`.
    pub(crate) fn end_raises(&mut self, now: Now) {
        if self.raises.next_end().is_none_or(|until| until > now.wall) {
            return self.raises.arm(now);
        }
        while let Some(ended) = self.raises.end_first(now) {
            let EndedRaise { account: id, until, values, is_trial, record } = ended;
            let Some(known) = self.directory.account(id).map(AccountEntry::to_account) else {
                continue;
            };
            let mut account = known.clone();
            values.iter().for_each(|value| value.put(&mut account.status, &mut account.controls));
            let changes =
                risk::changes((known.status, &known.controls), (account.status, &account.controls));
            let mut records = vec![record];
            if !changes.is_empty() {
                let reason = if is_trial { UNCONFIRMED } else { "the time of a raise was over" };
                let by = By::System { reason: reason.to_owned() };
                let standing = self.standing(until, &account, &by, "");
                self.directory.put_account(&account).expect("its time zone is known");
                records.extend([Record::Account(Box::new(account)), standing]);
                let (trial, raised): (Vec<Changed>, Vec<Changed>) = changes
                    .iter()
                    .cloned()
                    .partition(|one| is_trial && matches!(one.to, Setting::IpLock(_)));
                // A lock that goes allows more: it is told as every raise is.
                records.extend(facts(until, id, &trial, None, &by, ""));
                if !raised.is_empty() {
                    let fact = Fact::RaiseEnded { account: id, changes: raised };
                    records.push(Record::Fact(until, fact));
                }
            }
            let (cut, relocked) = self.follow_changes(id, &changes);
            let ended = self.raises.ended.get_or_insert_default();
            ended.records.extend(records);
            ended.cut.extend(cut);
            ended.relocked.extend(relocked);
        }
        self.raises.arm(now);
    }

    /// What ended raises brought since the last time: to be written and carried out.
    pub fn take_ended(&mut self) -> Option<Done> {
        self.raises.ended.take().map(|ended| *ended)
    }

    /// Live calls that end because of changes, and lines whose phones may sit outside a lock now.
    fn follow_changes(
        &mut self,
        id: AccountId,
        changes: &[Changed],
    ) -> (Vec<DecisionId>, Vec<types::LineId>) {
        let is_status = |change: &Changed| matches!(change.to, Setting::Status(_));
        let is_lock = |change: &Changed| matches!(change.to, Setting::IpLock(_));
        let mut cut = Vec::new();
        if changes.iter().any(is_status) {
            cut.extend(self.follow_status(id));
        }
        let mut relocked = Vec::new();
        if changes.iter().any(is_lock) {
            cut.extend(self.follow_lock(id));
            relocked = self.lines_of(id);
        }
        if !changes.is_empty() {
            cut.extend(self.follow_caps(id));
        }
        (cut, relocked)
    }

    /// Calls that the controls would not admit now end: barred classes and countries, prices and fees above their caps.
    fn follow_caps(&mut self, account: AccountId) -> Vec<DecisionId> {
        let live = self.calls.of_account(account);
        let against: Vec<DecisionId> = live
            .filter(|call| self.against_caps(call).is_some())
            .map(|call| call.hold.decision)
            .collect();
        self.order_cuts(account, |call| against.contains(&call.hold.decision))
    }

    /// What of the controls speaks against a live call, counts and money in windows aside.
    pub(crate) fn against_caps(&self, call: &Call) -> Option<Finding> {
        if !call.is_counted() {
            return None;
        }
        let controls = &self.directory.account(call.hold.account)?.controls;
        let destination = &call.hold.destination;
        let rate = call.hold.explanation.rate.filter(|_| call.chargeable());
        let rules = [
            invalid_number::check(controls.barred, destination, &call.hold.dialled),
            barred_class::check(controls.barred, destination),
            barred_country::check(&controls.barred_countries, destination),
            rate.and_then(|rate| price_cap::check(controls, destination.class, &rate)),
            rate.and_then(|rate| connect_fee_cap::check(controls.connect_fee_cap, &rate)),
        ];
        rules.into_iter().flatten().next()
    }
}

/// Why a lock on trial goes away.
const UNCONFIRMED: &str = "nobody confirmed the IP lock that was tried";
const UNCHANGED: &str = "unchanged";

/// Is it priced by another deck, sold by somebody else, or at another place?
fn is_elsewhere(known: &Account, account: &Account) -> bool {
    let of = |one: &Account| (one.sell_deck, one.reseller);
    of(known) != of(account) || known.time_zone != account.time_zone
}

/// The changes that go one way, in words.
fn in_words(changes: &[Changed], way: Risk) -> impl Iterator<Item = String> {
    changes.iter().filter(move |change| change.risk == way).map(ToString::to_string)
}

/// What is told of changes: raises, and lowerings.
fn facts(
    at: UnixMicros,
    account: AccountId,
    changes: &[Changed],
    until: Option<UnixMicros>,
    by: &By,
    why: &str,
) -> Vec<Record> {
    let of = |way: Risk| -> Vec<Changed> {
        changes.iter().filter(|change| change.risk == way).cloned().collect()
    };
    let (by, why) = (by.clone(), why.to_owned());
    let mut facts = Vec::new();
    let raised = of(Risk::Riskier);
    if !raised.is_empty() {
        let (by, why) = (by.clone(), why.clone());
        facts.push(Fact::Raised { account, changes: raised, until, by, why });
    }
    let lowered = of(Risk::Safer);
    if !lowered.is_empty() {
        facts.push(Fact::Lowered { account, changes: lowered, by, why });
    }
    facts.into_iter().map(|fact| Record::Fact(at, fact)).collect()
}

/// Everything that changes, and what it did to live calls, in words.
pub(super) fn told(id: AccountId, words: &str, done: &Done) -> String {
    with_cuts(format!("account {id}: {words}"), &done.cut)
}
