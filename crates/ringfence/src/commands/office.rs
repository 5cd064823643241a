//! Where changes are carried out. Lives here: by the running node, or directly when none runs.
//! Never here: what a change means.

use std::time::Duration;

use anyhow::{Context as _, bail};
use engine::{Done, Engine, EngineConfig};
use serde_json::Value;
use store::{Backend, Batch, Reader, SnapshotWindow, SqliteStore};
use types::{Now, Record, Tick, UnixMicros};

use crate::change::{self, Change};
use crate::config::Config;
use crate::look::{self, Question};
use crate::pages::{UserAsk, users};
use crate::shell::alerts;
use crate::shell::clock::system_wall;
use crate::shell::control::{Client, Request};
use crate::shell::keys::KeyRing;
use crate::shell::lock::{Lock, try_lock};
use crate::shell::open::{make_data_dir, open_to_write};
use crate::shell::secrets::hash_key;

/// How often to look again for a node that is starting, and how long.
const LOOKS: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// Carries a change out: by the running node, so that it holds at once, or on the database directly.
pub fn change(config: &Config, change: Change) -> anyhow::Result<Value> {
    match door(config)? {
        Door::Node(mut client) => client.ask(&Request::Change(Box::new(change))),
        Door::Files(lock) => directly(config, change, &lock),
    }
}

/// Something about web users: by the running node, or on the database directly.
pub fn user(config: &Config, ask: UserAsk) -> anyhow::Result<Value> {
    match door(config)? {
        Door::Node(mut client) => client.ask(&Request::User(ask)),
        Door::Files(lock) => {
            let store = open_to_write(config, &KeyRing::to_write(config)?, &lock)?;
            Direct::open(config, store)?.users(ask, config)
        }
    }
}

/// Asks the running node, or an engine on the database when none runs.
pub fn look(config: &Config, question: Question) -> anyhow::Result<Value> {
    match door(config)? {
        Door::Node(mut client) => client.ask(&Request::Look(question)),
        Door::Files(lock) => {
            let store = open_to_write(config, &KeyRing::to_write(config)?, &lock)?;
            let direct = Direct::open(config, store)?;
            look::answer(&question, &direct.engine, direct.now)
        }
    }
}

/// A place where several changes are carried out, one after the other.
pub enum Office {
    /// At the running node.
    Node(Client),
    /// On the database; no node can start meanwhile.
    Files(Box<Direct>, #[expect(dead_code, reason = "it is held, not used")] Lock),
}

impl Office {
    /// At the running node, or on the database if none runs. A running node is told to read its key
    /// file again; it must come to the same key as ours.
    pub fn open(config: &Config, keys: &KeyRing) -> anyhow::Result<Office> {
        match door(config)? {
            Door::Node(client) => {
                let mut office = Office::Node(client);
                office.follow_keys(keys)?;
                Ok(office)
            }
            Door::Files(lock) => {
                let store = open_to_write(config, keys, &lock)?;
                Ok(Office::Files(Box::new(Direct::open(config, store)?), lock))
            }
        }
    }

    /// Carries a change out.
    pub fn change(&mut self, change: Change) -> anyhow::Result<Value> {
        match self {
            Office::Node(client) => client.ask(&Request::Change(Box::new(change))),
            Office::Files(direct, _) => direct.carry_out(change),
        }
    }

    /// Something about web users.
    pub fn users(&mut self, ask: UserAsk, config: &Config) -> anyhow::Result<Value> {
        match self {
            Office::Node(client) => client.ask(&Request::User(ask)),
            Office::Files(direct, _) => direct.users(ask, config),
        }
    }

    /// The keys were changed.
    pub fn follow_keys(&mut self, keys: &KeyRing) -> anyhow::Result<()> {
        let Office::Node(client) = self else { return Ok(()) };
        let (theirs, ours) = (client.ask(&Request::Keys)?, keys.keys().newest().id().to_string());
        if theirs["newest"] != ours.as_str() {
            bail!(
                "the running node seals with key {}, not with {ours} of {}: give it the same keys \
                 and restart it",
                theirs["newest"].as_str().unwrap_or("?"),
                keys.name()
            );
        }
        Ok(())
    }
}

/// Changes a contact, or acknowledges an alert: by the running node, or on the database directly.
pub fn tell(config: &Config, what: alerts::Direct) -> anyhow::Result<Value> {
    match door(config)? {
        Door::Node(mut client) => client.ask(&match what {
            alerts::Direct::Contact(wish) => Request::Contact(Box::new(wish)),
            alerts::Direct::Acknowledge(alert, by) => Request::Acknowledge(alert, by),
        }),
        Door::Files(lock) => {
            let mut store = open_to_write(config, &KeyRing::to_write(config)?, &lock)?;
            let newest = store.snapshot(SnapshotWindow::at(system_wall()))?.newest;
            let now = system_wall().max(newest);
            alerts::directly(what, &mut store, now, &alerts::codes(config)?)
        }
    }
}

/// Asks the running node; `None` if none runs.
pub fn ask(config: &Config, request: &Request) -> anyhow::Result<Option<Value>> {
    match Client::connect(&config.control_socket())? {
        Some(mut client) => client.ask(request).map(Some),
        None => Ok(None),
    }
}

enum Door {
    /// A node runs.
    Node(Client),
    /// None does, and none can start meanwhile.
    Files(Lock),
}

fn door(config: &Config) -> anyhow::Result<Door> {
    make_data_dir(config)?;
    let mut holder = String::new();
    for _ in 0..LOOKS {
        match try_lock(&config.lock_file())? {
            Ok(lock) => return Ok(Door::Files(lock)),
            Err(other) => holder = other,
        }
        if let Some(client) = Client::connect(&config.control_socket())? {
            return Ok(Door::Node(client));
        }
        wait_a_little();
    }
    bail!(
        "process {holder} works on {} and takes no commands; wait for it, or stop it",
        config.data_dir.display()
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process cannot be waited for in another way"
)]
fn wait_a_little() {
    std::thread::sleep(BETWEEN);
}

fn directly(config: &Config, change: Change, lock: &Lock) -> anyhow::Result<Value> {
    if let Change::Cut(_) = change {
        bail!("no node is running, so there is no call to cut");
    }
    let store = open_to_write(config, &KeyRing::to_write(config)?, lock)?;
    let mut direct = Direct::open(config, store)?;
    direct.carry_out(change)
}

/// An engine without a node, on the database.
pub struct Direct {
    engine: Engine,
    store: SqliteStore,
    now: Now,
}

impl Direct {
    /// On a store that is open to write.
    pub fn open(config: &Config, store: SqliteStore) -> anyhow::Result<Direct> {
        let snapshot = store.snapshot(SnapshotWindow::at(system_wall()))?;
        let wall = system_wall().max(snapshot.newest);
        let now = Now { tick: Tick(0), wall };
        let settings = engine_config(config, EngineConfig::new(hash_key()?));
        let engine = Engine::new(settings, &snapshot, now)
            .context("the database does not fit the configuration")?;
        Ok(Direct { engine, store, now })
    }

    /// Carries a change out, in one transaction; the answer says in `message` what was done.
    pub fn carry_out(&mut self, change: Change) -> anyhow::Result<Value> {
        let plan = change::plan(change, self.now.wall, &self.engine)?;
        let done = self.engine.commands(self.now, plan.commands)?;
        let gone = self.bindings_gone(&done)?;
        // No two changes at the same instant: the store tells equal facts by their time.
        self.now.wall = UnixMicros(self.now.wall.0.saturating_add(1));
        let batch = Batch { ticket: 1, records: done.records.into_iter().chain(gone).collect() };
        match self.store.commit(&[batch]) {
            Ok(()) => {}
            Err(store::CommitError::Unknown(error)) => match self.store.resolve()? {
                true => {}
                false => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
        Ok(plan.answer.with(done.message))
    }

    /// Something about web users; nobody is signed in where no node runs.
    pub fn users(&mut self, ask: UserAsk, config: &Config) -> anyhow::Result<Value> {
        let plan = users::plan(ask, &self.store, self.now.wall, config.web_address().as_deref())?;
        for (user, note) in plan.users {
            self.carry_out(Change::PutWebUser(Box::new(user), note))?;
        }
        Ok(plan.answer)
    }

    /// Phones that the change forgets: the node would forget them itself.
    fn bindings_gone(&self, done: &Done) -> anyhow::Result<Vec<Record>> {
        let mut gone = Vec::new();
        for line in done.lines_to_look_at() {
            let account = self.engine.line(line).map(|line| line.account);
            let bindings = self.store.bindings(account)?;
            for binding in bindings.into_iter().filter(|binding| binding.line == line) {
                if self.engine.ends_binding(done, line, binding.peer, &binding.user_agent) {
                    gone.push(Record::BindingGone(line, binding.contact));
                }
            }
        }
        Ok(gone)
    }
}

/// The engine's settings.
pub fn engine_config(config: &Config, defaults: EngineConfig) -> EngineConfig {
    EngineConfig {
        numbering: config.numbering.clone(),
        first_slice_ms: config.first_slice_s * 1_000,
        slice_ms: config.slice_s * 1_000,
        extend_lead_ms: config.extend_lead_s * 1_000,
        off_hours: config.off_hours.clone(),
        platform: config.platform,
        access: config.log_ins.clone(),
        allow: config.access.allow.clone(),
        self_service: config.self_service.clone(),
        ..defaults
    }
}
