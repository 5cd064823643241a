//! The desk of the pages over a running node. Lives here: which question goes to the node's thread, which to the database;
//! web users changed one at a time. Never here: what a page shows.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use engine::{CallReport, ForeignLogIn, LockOrder, TrialEnd};
use ipnet::IpNet;
use rating::Numbering;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::{CallFilter, Decided, FactFilter, Reader, SqliteStore, StoreError};
use types::{
    AccountId, By, Cdr, ClassSet, ControlRequest, DecisionId, Fact, LineId, Proof, Setting,
    UnixMicros, UserNote, WebUser, WebUserId, fact_text,
};
use web::{
    Amend, CallAsk, CallsFound, Desk, DeskError, Destinations, Event, LogIn, Outcome, Overview,
    PhonesAndLocks, RegisteredPhone, Reported, Sessions, TurnedOff, as_called,
};

use super::destinations::PriceLists;
use super::users::{self, UserAsk};
use crate::change::{Change, Wish};
use crate::chosen::{self, OwnWords};
use crate::config::{Config, ListenAddress};
use crate::look::Question;
use crate::shell::alerts::ContactDesk;
use crate::shell::clock::system_wall;
use crate::shell::control::{Ask, NodeHandle};
use crate::shell::keys::KeyRing;
use crate::shell::open::open_existing;

/// So many calls of an account are looked at for one page.
const LOOK: u32 = 10_000;
/// Reports of one account that are shown.
const REPORTS: u32 = 1_000;
/// Lowerings among which one is looked for that turned something off.
const LOWERINGS: u32 = 50;
/// How the engine's words for "not fresh" end (`CommandError::NeedsProof`).
const NEEDS_PROOF: &str = "log in again first";

/// The node, its database to read, and who is signed in.
pub struct NodeUsers {
    pub(super) node: NodeHandle,
    reader: Mutex<SqliteStore>,
    pub(super) contacts: ContactDesk,
    /// Held while a web user is read, changed and written.
    pub(super) changing: Mutex<()>,
    /// Held while an address is looked at from outside.
    pub(super) looking: Mutex<()>,
    /// May that be one of a private network, or of this machine?
    pub(super) looks_at_private: bool,
    sessions: Arc<Sessions>,
    numbering: Numbering,
    prices: Mutex<PriceLists>,
    pub(super) currency: String,
    pub(super) realm: String,
    pub(super) listen: Vec<ListenAddress>,
    pub(super) advertise: Option<IpAddr>,
    /// The pages as people type their address.
    address: Option<String>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn down(error: impl std::fmt::Display) -> DeskError {
    DeskError::Down(error.to_string())
}

impl NodeUsers {
    /// Over a node that runs, or is about to.
    pub fn new(
        config: &Config,
        node: NodeHandle,
        keys: &KeyRing,
        contacts: ContactDesk,
    ) -> anyhow::Result<NodeUsers> {
        let reader = open_existing(config, Some(keys))?.context("the database is gone")?;
        Ok(NodeUsers {
            node,
            reader: Mutex::new(reader),
            contacts,
            changing: Mutex::new(()),
            looking: Mutex::new(()),
            looks_at_private: config.web_look_at_private,
            sessions: Arc::default(),
            currency: config.currency.clone(),
            numbering: Numbering::new(&config.numbering)?,
            prices: Mutex::default(),
            realm: config.realm.clone(),
            listen: config.listen.clone(),
            advertise: config.advertise,
            address: config.web_address(),
        })
    }

    /// Who is signed in.
    pub fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions)
    }

    /// Who was signed in when the program ended is so still.
    pub fn restore_sessions(&self) -> Result<(), DeskError> {
        let users = self.read(|reader| reader.web_users(None))?;
        self.sessions.restore(&users, system_wall());
        Ok(())
    }

    /// What staff ask about web users.
    pub fn carry_out(&self, ask: UserAsk) -> anyhow::Result<Value> {
        let _alone = lock(&self.changing);
        let plan = users::plan(ask, &*lock(&self.reader), system_wall(), self.address.as_deref())?;
        for (user, note) in plan.users {
            self.node.answer(Ask::Change(Box::new(Change::PutWebUser(Box::new(user), note))))?;
        }
        if let Some(user) = plan.sign_out {
            self.sessions.end_all(user, None);
        }
        Ok(match plan.sessions {
            Some(user) => self.sessions_view(user),
            None => plan.answer,
        })
    }

    fn sessions_view(&self, user: Option<WebUserId>) -> Value {
        let one = |session: &web::Session| {
            json!({
                "session": session.number,
                "user": session.name,
                "account": session.account,
                "source": session.source,
                "agent": session.agent,
                "since": session.since.to_string(),
                "seen": session.seen.to_string(),
            })
        };
        self.sessions.list(user, system_wall()).iter().map(one).collect()
    }

    pub(super) fn read<T>(
        &self,
        question: impl FnOnce(&SqliteStore) -> Result<T, StoreError>,
    ) -> Result<T, DeskError> {
        question(&lock(&self.reader)).map_err(down)
    }

    fn reply(&self, ask: Ask) -> Result<Value, DeskError> {
        self.node.reply(ask).map_err(down)?.map_err(|why| match why.ends_with(NEEDS_PROOF) {
            true => DeskError::NeedsProof,
            false => DeskError::Refused(why),
        })
    }

    /// Changes a web user, alone, and tells of it so.
    pub(super) fn amend_noted(
        &self,
        id: WebUserId,
        change: &mut Amend<'_>,
        note: impl FnOnce(String) -> UserNote,
    ) -> Result<WebUser, DeskError> {
        let _alone = lock(&self.changing);
        let found = self.user_of_id(id)?.filter(|user| !user.is_removed);
        let mut user =
            found.ok_or_else(|| DeskError::Refused("this user was removed".to_owned()))?;
        let words = change(&mut user).map_err(DeskError::Refused)?;
        self.change(Change::PutWebUser(Box::new(user.clone()), note(words)))?;
        Ok(user)
    }

    pub(super) fn look<T: DeserializeOwned>(&self, question: Question) -> Result<T, DeskError> {
        serde_json::from_value(self.reply(Ask::Look(question))?).map_err(down)
    }

    pub(super) fn change(&self, change: Change) -> Result<Outcome, DeskError> {
        let answer = self.reply(Ask::Change(Box::new(change)))?;
        Ok(Outcome { message: answer["message"].as_str().unwrap_or_default().to_owned() })
    }
}

/// What was turned off, if the fact tells of that, by the holder.
fn turned_off(stored: &store::StoredFact) -> Option<TurnedOff> {
    let Fact::Lowered { changes, by: By::Holder { .. }, .. } = &stored.fact else { return None };
    let (mut countries, mut classes) = (Vec::new(), ClassSet::EMPTY);
    for change in changes {
        match (&change.from, &change.to) {
            (Setting::BarredCountries(from), Setting::BarredCountries(to)) => {
                countries.extend(to.iter().filter(|region| !from.contains(region)));
            }
            (Setting::Barred(from), Setting::Barred(to)) => {
                let new = to.iter().filter(|class| !from.contains(*class));
                classes = new.fold(classes, ClassSet::with);
            }
            _ => {}
        }
    }
    let is_any = !countries.is_empty() || classes != ClassSet::EMPTY;
    is_any.then_some(TurnedOff { at: stored.at, countries, classes })
}

/// The call as this account may see it, if it is its business.
fn seen_by(account: AccountId, call: Cdr) -> Option<Cdr> {
    match call.to_account {
        _ if call.account == account => Some(call),
        Some(called) if called == account => Some(as_called(call)),
        _ => None,
    }
}

/// The name under which the access brain counts tries at the pages: no line has such a name.
pub(super) fn counted(name: &str) -> String {
    format!("pages/{name}")
}

impl Desk for NodeUsers {
    fn now(&self) -> UnixMicros {
        system_wall()
    }

    fn overview(&self, account: AccountId) -> Result<Option<Overview>, DeskError> {
        let found: Option<Overview> = self.look(Question::Overview(account))?;
        Ok(found.map(|found| Overview { currency: self.currency.clone(), ..found }))
    }

    fn events(&self, account: AccountId, limit: u32) -> Result<Vec<Event>, DeskError> {
        let filter = FactFilter { account: Some(account), limit, ..FactFilter::default() };
        let facts = self.read(|reader| reader.facts(&filter))?;
        let event = |fact: &store::StoredFact| Event {
            at: fact.at,
            words: fact_text(&fact.fact, &self.currency),
        };
        Ok(facts.iter().map(event).collect())
    }

    fn requests(&self, account: AccountId) -> Result<Vec<ControlRequest>, DeskError> {
        self.look(Question::Requests(account))
    }

    fn change_controls(
        &self,
        account: AccountId,
        settings: Vec<Setting>,
        until: &str,
        proof: Proof,
    ) -> Result<Outcome, DeskError> {
        let until = (!until.is_empty()).then(|| until.to_owned());
        let wish = Wish { by: By::Holder { proof }, why: String::new(), until };
        self.change(Change::SetControls { account: account.to_string(), settings, wish })
    }

    fn calls(&self, account: AccountId, ask: &CallAsk) -> Result<CallsFound, DeskError> {
        let ask = ask.clone();
        let filter = CallFilter {
            account: Some(account),
            since: ask.since,
            until: ask.until,
            before: ask.before,
            line: ask.line,
            charged: ask.charged,
            direction: ask.direction,
            digits: ask.digits,
            outcome: ask.outcome,
            limit: ask.limit,
            ..CallFilter::default()
        };
        let page = self.read(|reader| reader.call_page(&filter, LOOK))?;
        let calls = page.calls.into_iter().filter_map(|call| seen_by(account, call)).collect();
        Ok(CallsFound { calls, next: page.next })
    }

    fn call(&self, account: AccountId, decision: DecisionId) -> Result<Option<Cdr>, DeskError> {
        let found = self.read(|reader| reader.decision(decision))?;
        Ok(match found {
            Some(Decided::Ended(call)) => seen_by(account, *call),
            Some(Decided::Open(_)) | None => None,
        })
    }

    fn lines(&self, account: AccountId) -> Result<Vec<(LineId, String)>, DeskError> {
        let lines = self.read(|reader| reader.lines(Some(account)))?;
        Ok(lines.into_iter().map(|line| (line.id, line.user)).collect())
    }

    fn reported(&self, account: AccountId) -> Result<Vec<Reported>, DeskError> {
        let kind = Some("call-reported".to_owned());
        let filter =
            FactFilter { account: Some(account), kind, limit: REPORTS, ..FactFilter::default() };
        let facts = self.read(|reader| reader.facts(&filter))?;
        let told = facts.into_iter().filter_map(|stored| match stored.fact {
            Fact::CallReported { decision, by, words, .. } => {
                Some(Reported { at: stored.at, decision, by, words })
            }
            _ => None,
        });
        Ok(told.collect())
    }

    fn report_call(
        &self,
        account: AccountId,
        decision: DecisionId,
        by: &str,
        words: &str,
    ) -> Result<Outcome, DeskError> {
        let (by, words) = (by.to_owned(), words.to_owned());
        let report = CallReport { account, decision, by, words };
        self.change(Change::ReportCall(Box::new(report)))
    }

    fn destinations(&self, account: AccountId) -> Result<Destinations, DeskError> {
        let Some(known) = self.read(|reader| reader.account(account))? else {
            return Err(DeskError::Refused("this account is closed".to_owned()));
        };
        let key = (known.sell_deck, known.dial_plan.home);
        let (list, used) = self.read(|reader| {
            let list = lock(&self.prices).of(key, &self.numbering, reader, system_wall())?;
            Ok((list, reader.last_used(account, LOOK)?))
        })?;
        let (used, ever, is_all) = (used.used, used.countries, used.is_all);
        Ok(Destinations { used, ever, is_all, ..list })
    }

    fn turned_off(&self, account: AccountId) -> Result<Option<TurnedOff>, DeskError> {
        let kind = Some("lowered".to_owned());
        let filter =
            FactFilter { account: Some(account), kind, limit: LOWERINGS, ..FactFilter::default() };
        let facts = self.read(|reader| reader.facts(&filter))?;
        Ok(facts.iter().find_map(turned_off))
    }

    fn phones_and_locks(&self, account: AccountId) -> Result<PhonesAndLocks, DeskError> {
        let now = system_wall();
        let (lines, bindings) = self
            .read(|reader| Ok((reader.lines(Some(account))?, reader.bindings(Some(account))?)))?;
        let user = |id: LineId| lines.iter().find(|line| line.id == id).map(|line| &line.user);
        let live = bindings.into_iter().filter(|binding| binding.expires > now);
        let phones = live.filter_map(|binding| {
            let line = user(binding.line)?.clone();
            let address = binding.peer.ip().to_canonical();
            Some(RegisteredPhone { line, agent: binding.user_agent, address })
        });
        let mut phones: Vec<RegisteredPhone> = phones.collect();
        phones.dedup();
        let locked = lines.iter().filter(|line| !line.ip_lock.is_empty());
        let locks = locked.map(|line| (line.user.clone(), line.ip_lock.clone())).collect();
        Ok(PhonesAndLocks { phones, locks })
    }

    fn try_lock(
        &self,
        account: AccountId,
        lock: Vec<IpNet>,
        proof: Proof,
    ) -> Result<Outcome, DeskError> {
        let order = LockOrder { account, lock, by: By::Holder { proof } };
        self.change(Change::TryLock(Box::new(order)))
    }

    fn end_trial(&self, account: AccountId, keep: bool) -> Result<Outcome, DeskError> {
        let end = TrialEnd { account, keep, by: By::Holder { proof: Proof::LoggedIn } };
        self.change(Change::EndTrial(Box::new(end)))
    }

    fn cut(&self, decision: DecisionId) -> Result<Outcome, DeskError> {
        self.change(Change::Cut(decision))
    }

    fn may_log_in(&self, tried: &LogIn) -> Result<bool, DeskError> {
        let LogIn { ref name, source, known, .. } = *tried;
        self.look(Question::MayLogIn { name: counted(name), source, known })
    }

    fn note_wrong_log_in(&self, tried: &LogIn) -> Result<(), DeskError> {
        let LogIn { ref name, source, ref agent, known } = *tried;
        let tried = ForeignLogIn { source, user: counted(name), agent: agent.clone(), known };
        self.change(Change::NoteLogIns(vec![tried])).map(drop)
    }

    fn user(&self, name: &str) -> Result<Option<WebUser>, DeskError> {
        self.read(|reader| reader.web_user(name))
    }

    fn user_of_id(&self, id: WebUserId) -> Result<Option<WebUser>, DeskError> {
        self.read(|reader| reader.web_user_of_id(id))
    }

    fn amend(&self, id: WebUserId, change: &mut Amend<'_>) -> Result<WebUser, DeskError> {
        self.amend_noted(id, change, UserNote::from)
    }

    fn judge_password(&self, password: &str, own: &[&str]) -> Result<(), String> {
        let judged = chosen::judge_password(password, &OwnWords::of(own));
        judged.map_err(|fault| match fault {
            chosen::Fault::Unusable(why) => format!("This password cannot be used: {why}."),
            chosen::Fault::Weak(why) => format!("This password is too weak: {why}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_proof_is_told_from_what_is_refused() {
        let words = engine::CommandError::NeedsProof("stop_level_24h").to_string();
        assert!(words.ends_with(NEEDS_PROOF), "{words}");
        let other = engine::CommandError::UnknownAccount(AccountId(1)).to_string();
        assert!(!other.ends_with(NEEDS_PROOF), "{other}");
    }
}
