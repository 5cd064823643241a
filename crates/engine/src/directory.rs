//! Who is who. Lives here: accounts, lines, numbers and trunks with their look-ups.
//! Never here: money, live calls, rules, whether a change makes sense (control).

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashTable;
use types::{
    Account, AccountId, AccountStatus, Controls, DeckId, DialPlan, E164, HashKey, Line, LineId,
    LineStatus, Map, Number, Reseller, ResellerId, Trunk, TrunkId,
};

use crate::intern::{Interner, Shared};
use crate::off_hours::{Zone, Zones};

/// An account, as small as it can be: what accounts have in common is shared.
#[derive(Clone, Debug)]
pub struct AccountEntry {
    /// Its number.
    pub id: AccountId,
    /// What people call it.
    pub name: Box<str>,
    /// What it may do at all.
    pub status: AccountStatus,
    /// What bounds its loss.
    pub controls: Arc<Shared<Controls>>,
    /// How its people dial.
    pub dial_plan: Arc<Shared<DialPlan>>,
    /// The deck its calls are priced by.
    pub sell_deck: DeckId,
    /// Who sells to it in our place, if anybody.
    pub reseller: Option<ResellerId>,
    pub(crate) zone: Arc<Zone>,
    billing_day: u8,
    lines: Vec<LineId>,
    numbers: Vec<E164>,
}

impl AccountEntry {
    /// IANA name of its time zone.
    pub fn time_zone(&self) -> &str {
        &self.zone.name
    }

    /// Its lines, by id.
    pub fn lines(&self) -> &[LineId] {
        &self.lines
    }

    /// Its numbers, smallest first.
    pub fn numbers(&self) -> &[E164] {
        &self.numbers
    }

    /// The account as it is stored.
    pub fn to_account(&self) -> Account {
        Account {
            id: self.id,
            name: self.name.to_string(),
            status: self.status,
            controls: Controls::clone(&self.controls),
            dial_plan: DialPlan::clone(&self.dial_plan),
            sell_deck: self.sell_deck,
            reseller: self.reseller,
            time_zone: self.time_zone().to_owned(),
            billing_day: self.billing_day,
        }
    }
}

/// No such time zone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownZone;

/// Everybody, in memory. Lines and accounts lie side by side, their look-ups hold positions only.
pub(crate) struct Directory {
    accounts: Vec<AccountEntry>,
    by_account: HashTable<u32>,
    /// Whoever makes accounts takes care that no two have the same name.
    by_name: HashTable<u32>,
    lines: Vec<Line>,
    by_line: HashTable<u32>,
    by_user: HashTable<u32>,
    numbers: Map<E164, Number>,
    trunks: BTreeMap<TrunkId, (Trunk, Arc<Shared<DialPlan>>)>,
    resellers: BTreeMap<ResellerId, Reseller>,
    controls: Interner<Controls>,
    plans: Interner<DialPlan>,
    zones: Zones,
    hash: HashKey,
}

impl Directory {
    /// An empty directory with room for so many.
    pub fn new(hash: HashKey, accounts: usize, lines: usize) -> Directory {
        Directory {
            accounts: Vec::with_capacity(accounts),
            by_account: HashTable::with_capacity(accounts),
            by_name: HashTable::with_capacity(accounts),
            lines: Vec::with_capacity(lines),
            by_line: HashTable::with_capacity(lines),
            by_user: HashTable::with_capacity(lines),
            numbers: Map::with_hasher(hash),
            trunks: BTreeMap::new(),
            resellers: BTreeMap::new(),
            controls: Interner::new(hash),
            plans: Interner::new(hash),
            zones: Zones::new(),
            hash,
        }
    }

    /// Gives back room that growing left over.
    pub fn shrink(&mut self) {
        for account in &mut self.accounts {
            account.lines.shrink_to_fit();
            account.numbers.shrink_to_fit();
        }
        self.numbers.shrink_to_fit();
    }

    pub fn account(&self, id: AccountId) -> Option<&AccountEntry> {
        let position = self.account_position(id)?;
        Some(&self.accounts[position as usize])
    }

    /// The account of this name, whatever its status.
    pub fn account_of_name(&self, name: &str) -> Option<&AccountEntry> {
        let hash = self.hash.hash_one(name);
        let position = self.by_name.find(hash, |&at| *self.accounts[at as usize].name == *name)?;
        Some(&self.accounts[*position as usize])
    }

    /// All accounts, in no order that means anything.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountEntry> {
        self.accounts.iter()
    }

    /// All lines, in no order that means anything.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    /// How many lines there are.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The line at a place below their count. Lines keep their places.
    pub fn line_at(&self, place: usize) -> &Line {
        &self.lines[place]
    }

    /// Is there such a time zone?
    pub fn knows_zone(&mut self, name: &str) -> bool {
        self.zones.find(name).is_some()
    }

    pub fn line(&self, id: LineId) -> Option<&Line> {
        let hash = self.hash.hash_one(id);
        let position = self.by_line.find(hash, |&at| self.lines[at as usize].id == id)?;
        Some(&self.lines[*position as usize])
    }

    /// The line of a user name, whatever its status. Names are compared in lower case (A9).
    pub fn line_of_user(&self, user: &str) -> Option<&Line> {
        let lower;
        let user = if user.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lower = user.to_ascii_lowercase();
            lower.as_str()
        } else {
            user
        };
        let hash = self.hash.hash_one(user);
        let position = self.by_user.find(hash, |&at| self.lines[at as usize].user == user)?;
        Some(&self.lines[*position as usize])
    }

    /// May calls be made and taken with this line?
    pub fn is_usable(&self, line: &Line) -> bool {
        let is_open = |account: &AccountEntry| account.status != AccountStatus::Closed;
        line.status == LineStatus::Active && self.account(line.account).is_some_and(is_open)
    }

    pub fn number(&self, number: E164) -> Option<&Number> {
        self.numbers.get(&number)
    }

    /// The usable lines that ring for a number.
    pub fn ringing(&self, number: &Number) -> Vec<LineId> {
        let Some(account) = self.account(number.account) else {
            return Vec::new();
        };
        let usable = |line: &&LineId| self.line(**line).is_some_and(|line| self.is_usable(line));
        match &number.line {
            Some(line) => Some(line).into_iter().filter(usable).copied().collect(),
            None => account.lines.iter().filter(usable).copied().collect(),
        }
    }

    pub fn reseller(&self, id: ResellerId) -> Option<&Reseller> {
        self.resellers.get(&id)
    }

    /// All resellers, by id.
    pub fn resellers(&self) -> impl Iterator<Item = &Reseller> {
        self.resellers.values()
    }

    /// Adds or replaces a reseller.
    pub fn put_reseller(&mut self, reseller: Reseller) {
        self.resellers.insert(reseller.id, reseller);
    }

    pub fn trunk(&self, id: TrunkId) -> Option<&Trunk> {
        self.trunks.get(&id).map(|(trunk, _)| trunk)
    }

    /// How a trunk's carrier writes numbers.
    pub fn trunk_plan(&self, id: TrunkId) -> Option<Arc<Shared<DialPlan>>> {
        self.trunks.get(&id).map(|(_, plan)| Arc::clone(plan))
    }

    /// All trunks, by id.
    pub fn trunks(&self) -> impl Iterator<Item = &Trunk> + Clone {
        self.trunks.values().map(|(trunk, _)| trunk)
    }

    /// The enabled trunk whose networks hold the address: the narrowest network, then the lowest id;
    /// else the one that we are registered at there, which may call us without more ado.
    pub fn trunk_by_source(&self, peer: IpAddr) -> Option<TrunkId> {
        let peer = peer.to_canonical();
        let enabled = self.trunks().filter(|trunk| trunk.enabled);
        enabled
            .flat_map(|trunk| trunk.sources.iter().map(move |network| (trunk.id, network)))
            .filter(|(_, network)| network.contains(&peer))
            .max_by_key(|(id, network)| (network.prefix_len(), std::cmp::Reverse(*id)))
            .map(|(id, _)| id)
            .or_else(|| self.registered_at(peer))
    }

    fn registered_at(&self, peer: IpAddr) -> Option<TrunkId> {
        let mut enabled = self.trunks().filter(|trunk| trunk.enabled);
        enabled.find(|trunk| trunk.registrar() == Some(peer)).map(|trunk| trunk.id)
    }

    /// The one kept copy of controls, and of a dial plan, for what belongs to no account.
    pub fn share(
        &mut self,
        controls: Controls,
        plan: DialPlan,
    ) -> (Arc<Shared<Controls>>, Arc<Shared<DialPlan>>) {
        (self.controls.intern(controls), self.plans.intern(plan))
    }

    /// Adds or replaces an account; its lines and numbers stay.
    pub fn put_account(&mut self, account: &Account) -> Result<(), UnknownZone> {
        let zone = self.zones.find(&account.time_zone).ok_or(UnknownZone)?;
        let controls = self.controls.intern(account.controls.clone());
        let dial_plan = self.plans.intern(account.dial_plan.clone());
        let entry = AccountEntry {
            id: account.id,
            name: account.name.as_str().into(),
            status: account.status,
            controls,
            dial_plan,
            sell_deck: account.sell_deck,
            reseller: account.reseller,
            zone,
            billing_day: account.billing_day,
            lines: Vec::new(),
            numbers: Vec::new(),
        };
        let position = match self.account_position(account.id) {
            Some(position) => {
                self.forget_name(position);
                let known = &mut self.accounts[position as usize];
                let old = std::mem::replace(known, entry);
                (known.lines, known.numbers) = (old.lines, old.numbers);
                self.controls.forget(old.controls);
                self.plans.forget(old.dial_plan);
                position
            }
            None => {
                let (position, hash) = (next_position(self.accounts.len()), self.hash);
                grow_gently(&mut self.accounts);
                self.accounts.push(entry);
                let accounts = &self.accounts;
                let rehash = |&at: &u32| hash.hash_one(accounts[at as usize].id);
                self.by_account.insert_unique(hash.hash_one(account.id), position, rehash);
                position
            }
        };
        self.remember_name(position);
        Ok(())
    }

    /// Adds or replaces a line. It stays with its account and its user name is its own (control
    /// checks both); a user name that is taken keeps pointing to its first line.
    pub fn put_line(&mut self, line: &Line) {
        let mut line = line.clone();
        line.user.shrink_to_fit();
        line.ip_lock.shrink_to_fit();
        let (id, account, hash) = (line.id, line.account, self.hash);
        let known = self.by_line.find(hash.hash_one(id), |&at| self.lines[at as usize].id == id);
        let position = match known.copied() {
            Some(position) => {
                self.forget_user(position);
                self.lines[position as usize] = line;
                position
            }
            None => {
                let position = next_position(self.lines.len());
                grow_gently(&mut self.lines);
                self.lines.push(line);
                let lines = &self.lines;
                let rehash = |&at: &u32| hash.hash_one(lines[at as usize].id);
                self.by_line.insert_unique(hash.hash_one(id), position, rehash);
                position
            }
        };
        self.remember_user(position);
        if let Some(account) = self.account_mut(account) {
            insert_sorted(&mut account.lines, id);
        }
    }

    /// Adds or replaces a number.
    pub fn put_number(&mut self, number: &Number) {
        self.remove_number(number.number);
        self.numbers.insert(number.number, number.clone());
        if let Some(account) = self.account_mut(number.account) {
            insert_sorted(&mut account.numbers, number.number);
        }
    }

    /// Takes a number away; the number, if it was one of ours.
    pub fn remove_number(&mut self, number: E164) -> Option<Number> {
        let removed = self.numbers.remove(&number)?;
        if let Some(account) = self.account_mut(removed.account) {
            account.numbers.retain(|&own| own != number);
        }
        Some(removed)
    }

    /// Does an enabled trunk call from there, or is it called there?
    pub fn trunk_at(&self, address: IpAddr) -> bool {
        let is_there = |trunk: &Trunk| {
            trunk.address.ip().to_canonical() == address
                || trunk.sources.iter().any(|network| network.contains(&address))
        };
        self.trunks().any(|trunk| trunk.enabled && is_there(trunk))
    }

    /// Adds or replaces a trunk.
    pub fn put_trunk(&mut self, trunk: &Trunk) {
        let plan = self.plans.intern(trunk.dial_plan.clone());
        if let Some((_, old)) = self.trunks.insert(trunk.id, (trunk.clone(), plan)) {
            self.plans.forget(old);
        }
    }

    fn account_position(&self, id: AccountId) -> Option<u32> {
        let hash = self.hash.hash_one(id);
        self.by_account.find(hash, |&at| self.accounts[at as usize].id == id).copied()
    }

    fn account_mut(&mut self, id: AccountId) -> Option<&mut AccountEntry> {
        let position = self.account_position(id)?;
        Some(&mut self.accounts[position as usize])
    }

    fn remember_name(&mut self, position: u32) {
        let (accounts, hash) = (&self.accounts, self.hash);
        let name_hash = |at: u32| hash.hash_one(&*accounts[at as usize].name);
        self.by_name.insert_unique(name_hash(position), position, |&at| name_hash(at));
    }

    fn forget_name(&mut self, position: u32) {
        let hash = self.hash.hash_one(&*self.accounts[position as usize].name);
        if let Ok(entry) = self.by_name.find_entry(hash, |&at| at == position) {
            entry.remove();
        }
    }

    fn remember_user(&mut self, position: u32) {
        let (lines, hash) = (&self.lines, self.hash);
        let user = lines[position as usize].user.as_str();
        if self.line_of_user(user).is_none() {
            let rehash = |&at: &u32| hash.hash_one(lines[at as usize].user.as_str());
            self.by_user.insert_unique(hash.hash_one(user), position, rehash);
        }
    }

    fn forget_user(&mut self, position: u32) {
        let hash = self.hash.hash_one(self.lines[position as usize].user.as_str());
        if let Ok(entry) = self.by_user.find_entry(hash, |&at| at == position) {
            entry.remove();
        }
    }
}

fn next_position(len: usize) -> u32 {
    u32::try_from(len).expect("ids are 32 bits, so there are fewer of them")
}

/// Grows by an eighth instead of doubling: these vectors are large and grow seldom.
fn grow_gently<T>(vector: &mut Vec<T>) {
    if vector.len() == vector.capacity() {
        vector.reserve_exact(vector.len() / 8 + 16);
    }
}

fn insert_sorted<T: Ord>(sorted: &mut Vec<T>, item: T) {
    if let Err(position) = sorted.binary_search(&item) {
        sorted.insert(position, item);
    }
}
