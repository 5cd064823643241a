//! A disk that forgets what was not synced. Lives here: files as programs see them, and as a power
//! cut leaves them. Never here: SQLite's interface (`vfs`).
//!
//! ```text
//! write ─► pending ─► view      what programs read
//!             │
//!           sync ───► synced    what a power cut leaves, and any part of what is pending
//! ```

use std::collections::BTreeMap;

use types::Dice;

/// Disks write sectors whole; a longer write may come through in part.
const SECTOR: usize = 512;

/// What goes wrong, counted in changes of the disk (writes, truncations, syncs, deletions) from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// At this change the power goes.
    CutAt(u64),
    /// These changes fail. What a failed sync should have kept is lost, though it can still be read.
    Io { from: u64, until: u64 },
    /// These writes find no room.
    Full { from: u64, until: u64 },
}

/// How a change failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Io,
    Full,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    view: Vec<u8>,
    /// `None`: not even the name was synced.
    synced: Option<Vec<u8>>,
    pending: Vec<Change>,
}

/// The disk of a machine.
pub struct Disk {
    files: BTreeMap<String, File>,
    /// Deleted, but the directory was not synced.
    deleted: Vec<(String, File)>,
    changes: u64,
    trouble: Option<Trouble>,
    is_off: bool,
    dice: Dice,
}

fn write_to(target: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if target.len() < at + bytes.len() {
        target.resize(at + bytes.len(), 0);
    }
    target[at..at + bytes.len()].copy_from_slice(bytes);
}

impl File {
    fn change(&mut self, change: Change) {
        apply(&mut self.view, &change);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        let synced = self.synced.get_or_insert_default();
        self.pending.drain(..).for_each(|change| apply(synced, &change));
    }

    /// What is left of it after a power cut, if anything.
    fn after_cut(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        if self.synced.is_none() && dice.chance(500) {
            return None;
        }
        let mut left = self.synced.clone().unwrap_or_default();
        // All, none, the first ones, or any.
        let (style, first) = (dice.below(4), dice.below(self.pending.len() as u64 + 1) as usize);
        for (index, change) in self.pending.iter().enumerate() {
            let survives = |dice: &mut Dice| match style {
                0 => true,
                1 => false,
                2 => index < first || index == first && dice.chance(500),
                _ => dice.chance(500),
            };
            match change {
                Change::Truncate(_) if survives(dice) => apply(&mut left, change),
                Change::Truncate(_) => {}
                Change::Write { at, bytes } => {
                    for (at, piece) in sectors(*at, bytes) {
                        if survives(dice) {
                            write_to(&mut left, at, piece);
                        }
                    }
                }
            }
        }
        Some(left)
    }
}

fn apply(target: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => write_to(target, *at, bytes),
        Change::Truncate(length) => target.truncate(*length),
    }
}

/// The pieces of a write, cut where sectors end.
fn sectors(mut at: usize, mut bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(bytes.len().min(SECTOR - at % SECTOR));
        pieces.push((at, piece));
        (at, bytes) = (at + piece.len(), rest);
    }
    pieces
}

impl Disk {
    pub fn new(seed: u64, trouble: Option<Trouble>) -> Disk {
        Disk {
            files: BTreeMap::new(),
            deleted: Vec::new(),
            changes: 0,
            trouble,
            is_off: false,
            dice: Dice::simulated(seed, 1),
        }
    }

    /// Changes so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Is the power gone?
    pub fn is_off(&self) -> bool {
        self.is_off
    }

    /// Takes the power away, and gives the disk as it is found afterwards.
    pub fn power_cut(&mut self, seed: u64) -> Disk {
        self.is_off = true;
        self.as_if_cut(seed)
    }

    /// The disk as it would be found if the power went now.
    pub fn as_if_cut(&self, seed: u64) -> Disk {
        let mut after = Disk::new(seed, None);
        let mut dice = Dice::simulated(seed, 2);
        let mut names: BTreeMap<&String, Option<Vec<u8>>> = BTreeMap::new();
        for (name, file) in &self.deleted {
            let returned = if dice.chance(500) { file.after_cut(&mut dice) } else { None };
            names.insert(name, returned);
        }
        for (name, file) in &self.files {
            // A name that did not get to the disk leaves the place to who had it before.
            let left = file.after_cut(&mut dice);
            let before = names.remove(name).flatten();
            names.insert(name, left.or(before));
        }
        for (name, left) in names {
            if let Some(left) = left {
                let synced = Some(left.clone());
                after.files.insert(name.clone(), File { view: left, synced, pending: Vec::new() });
            }
        }
        after
    }

    /// Counts a change. `Err`: it fails.
    fn step(&mut self, is_write: bool) -> Result<(), Failure> {
        if self.is_off {
            return Err(Failure::Io);
        }
        self.changes += 1;
        match self.trouble {
            Some(Trouble::CutAt(at)) if self.changes >= at => {
                self.is_off = true;
                Err(Failure::Io)
            }
            Some(Trouble::Io { from, until }) if (from..until).contains(&self.changes) => {
                Err(Failure::Io)
            }
            Some(Trouble::Full { from, until })
                if is_write && (from..until).contains(&self.changes) =>
            {
                Err(Failure::Full)
            }
            _ => Ok(()),
        }
    }

    pub fn exists(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    pub fn create(&mut self, name: &str) {
        self.files.entry(name.to_owned()).or_default();
    }

    pub fn size(&self, name: &str) -> usize {
        self.files.get(name).map_or(0, |file| file.view.len())
    }

    /// Reads what there is of the range. `None`: the disk is off.
    pub fn read(&self, name: &str, at: usize, length: usize) -> Option<&[u8]> {
        let view = self.files.get(name).map_or(&[][..], |file| &file.view);
        let start = at.min(view.len());
        (!self.is_off).then(|| &view[start..(at + length).min(view.len())])
    }

    /// Writes. A write that fails may have come through in part.
    pub fn write(&mut self, name: &str, at: usize, bytes: &[u8]) -> Result<(), Failure> {
        let outcome = self.step(true);
        let done = match outcome {
            Ok(()) => bytes.len(),
            Err(_) => self.dice.below(bytes.len() as u64 + 1) as usize,
        };
        if let Some(file) = self.files.get_mut(name) {
            file.change(Change::Write { at, bytes: bytes[..done].to_vec() });
        }
        outcome
    }

    pub fn truncate(&mut self, name: &str, length: usize) -> Result<(), Failure> {
        self.step(false)?;
        if let Some(file) = self.files.get_mut(name) {
            file.change(Change::Truncate(length));
        }
        Ok(())
    }

    /// Syncs a file, and the names of its directory too if asked.
    pub fn sync(&mut self, name: &str, sync_directory: bool) -> Result<(), Failure> {
        let outcome = self.step(false);
        if sync_directory && outcome.is_ok() {
            self.deleted.clear();
            for file in self.files.values_mut() {
                file.synced.get_or_insert_default();
            }
        }
        let Some(file) = self.files.get_mut(name) else { return outcome };
        match outcome {
            Ok(()) => file.sync(),
            // The kernel tells of a failed write-back once, and then thinks the pages clean.
            Err(_) if !self.is_off => {
                let part = File { view: Vec::new(), ..file.clone() }.after_cut(&mut self.dice);
                file.synced = part;
                file.pending.clear();
            }
            Err(_) => {}
        }
        outcome
    }

    pub fn delete(&mut self, name: &str, sync_directory: bool) -> Result<(), Failure> {
        self.step(false)?;
        if let Some(file) = self.files.remove(name) {
            self.deleted.push((name.to_owned(), file));
        }
        if sync_directory {
            self.deleted.clear();
        }
        Ok(())
    }
}
