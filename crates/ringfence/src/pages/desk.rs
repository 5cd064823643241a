//! The desk of the pages over a running node. Lives here: which question goes to the node's thread, which to the database;
//! web users changed one at a time. Never here: what a page shows.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use engine::ForeignLogIn;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::{FactFilter, Reader, SqliteStore, StoreError};
use types::{
    AccountId, By, ControlRequest, DecisionId, Proof, Setting, UnixMicros, WebUser, WebUserId,
    fact_text,
};
use web::{Amend, Desk, DeskError, Event, LogIn, Outcome, Overview, Sessions};

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

/// How the engine's words for "not fresh" end (`CommandError::NeedsProof`).
const NEEDS_PROOF: &str = "log in again first";

/// The node, its database to read, and who is signed in.
pub struct NodeUsers {
    pub(super) node: NodeHandle,
    reader: Mutex<SqliteStore>,
    pub(super) contacts: ContactDesk,
    /// Held while a web user is read, changed and written.
    changing: Mutex<()>,
    sessions: Arc<Sessions>,
    pub(super) currency: String,
    pub(super) realm: String,
    pub(super) listen: Vec<ListenAddress>,
    pub(super) advertise: Option<IpAddr>,
    /// The pages as people type their address.
    address: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
            sessions: Arc::default(),
            currency: config.currency.clone(),
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
        for (user, words) in plan.users {
            self.node.answer(Ask::Change(Box::new(Change::PutWebUser(Box::new(user), words))))?;
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

    pub(super) fn look<T: DeserializeOwned>(&self, question: Question) -> Result<T, DeskError> {
        serde_json::from_value(self.reply(Ask::Look(question))?).map_err(down)
    }

    pub(super) fn change(&self, change: Change) -> Result<Outcome, DeskError> {
        let answer = self.reply(Ask::Change(Box::new(change)))?;
        Ok(Outcome { message: answer["message"].as_str().unwrap_or_default().to_owned() })
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
        let _alone = lock(&self.changing);
        let found = self.user_of_id(id)?.filter(|user| !user.is_removed);
        let mut user =
            found.ok_or_else(|| DeskError::Refused("this user was removed".to_owned()))?;
        let words = change(&mut user).map_err(DeskError::Refused)?;
        self.change(Change::PutWebUser(Box::new(user.clone()), words))?;
        Ok(user)
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
