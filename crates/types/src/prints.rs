//! How many have something in common, whatever it is. Lives here: counted fingerprints, 8 bytes each.
//! Never here: what they are of.
//!
//! Two things have the same fingerprint by chance once in 2⁴⁰; the key is secret, so nobody can look for
//! such a pair. Nothing may hang on it but how strangers are treated.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use crate::map::HashKey;

/// The low bits of an entry count, the others are the fingerprint.
const COUNT_BITS: u32 = 24;
const MOST: u64 = (1 << COUNT_BITS) - 1;

/// How many have what.
pub struct Prints {
    key: HashKey,
    entries: HashTable<u64>,
}

impl Prints {
    /// Nobody has anything.
    pub fn new(key: HashKey) -> Prints {
        Prints { key, entries: HashTable::new() }
    }

    /// How many different things somebody has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Has nobody anything?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Has somebody this?
    pub fn has(&self, what: impl Hash) -> bool {
        self.count(what) > 0
    }

    /// How many have this; at most 2²⁴ − 1.
    pub fn count(&self, what: impl Hash) -> usize {
        let print = self.print(what);
        let entry = self.entries.find(place(print), same(print));
        entry.map_or(0, |entry| (entry & MOST) as usize)
    }

    /// One more has this.
    pub fn add(&mut self, what: impl Hash) {
        let print = self.print(what);
        match self.entries.find_mut(place(print), same(print)) {
            // One that was counted so often is never forgotten.
            Some(entry) if *entry & MOST == MOST => {}
            Some(entry) => *entry += 1,
            None => {
                self.entries.insert_unique(place(print), print | 1, |entry| place(entry & !MOST));
            }
        }
    }

    /// One less has this.
    pub fn remove(&mut self, what: impl Hash) {
        let print = self.print(what);
        let Ok(mut entry) = self.entries.find_entry(place(print), same(print)) else { return };
        match *entry.get() & MOST {
            MOST => {}
            1 => drop(entry.remove()),
            _ => *entry.get_mut() -= 1,
        }
    }

    /// Gives back memory when nothing is left.
    pub fn shrink(&mut self) {
        if self.entries.is_empty() {
            self.entries = HashTable::new();
        }
    }

    fn print(&self, what: impl Hash) -> u64 {
        self.key.hash_one(what) & !MOST
    }
}

/// The table looks at the highest and at the lowest bits of a hash: both must differ.
const fn place(print: u64) -> u64 {
    print ^ print.rotate_left(u64::BITS - COUNT_BITS)
}

fn same(print: u64) -> impl Fn(&u64) -> bool {
    move |entry| entry & !MOST == print
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_have_is_known_until_the_last_is_gone() {
        let mut prints = Prints::new(HashKey(1, 2));
        prints.add("one");
        prints.add("one");
        assert_eq!((prints.count("one"), prints.count("two")), (2, 0));
        prints.remove("one");
        prints.remove("two");
        assert!(prints.has("one") && !prints.has("two"));
        prints.remove("one");
        assert!(!prints.has("one") && prints.is_empty());
    }

    #[test]
    fn many_are_kept_apart() {
        let mut prints = Prints::new(HashKey(3, 4));
        (0..50_000).for_each(|n: u32| prints.add(n));
        assert_eq!(prints.len(), 50_000);
        assert!((0..50_000_u32).all(|n| prints.has(n)));
        assert!(!(50_000..100_000_u32).any(|n| prints.has(n)));
        (0..50_000).for_each(|n: u32| prints.remove(n));
        assert!(prints.is_empty());
    }
}
