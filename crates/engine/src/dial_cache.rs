//! Classified dialled strings, kept because people call the same numbers again.
//! Never here: anything that depends on time, price or account.

use std::hash::{Hash, Hasher};

use rating::{Called, Numbering};
use types::{DialPlan, HashKey, Map};

use crate::intern::Shared;

/// Entries of a generation. Strangers choose the strings, so there is a bound.
const GENERATION: usize = 8_192;
/// Longer strings are not worth keeping.
const LONGEST_KEPT: usize = 64;

/// Two generations: when the young one is full it becomes the old one, and the old one is dropped.
/// What is asked for again moves back to the young one.
pub(crate) struct DialCache {
    numbering: Numbering,
    young: Map<Key, Called>,
    old: Map<Key, Called>,
    hash: HashKey,
}

struct Key {
    plan: u32,
    dialled: Box<str>,
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    plan: u32,
    dialled: &'a str,
}

impl DialCache {
    pub fn new(numbering: Numbering, hash: HashKey) -> DialCache {
        DialCache { numbering, young: Map::with_hasher(hash), old: Map::with_hasher(hash), hash }
    }

    /// What it is asked when it does not know.
    pub fn numbering(&self) -> &Numbering {
        &self.numbering
    }

    /// Where the string leads under the plan.
    pub fn classify(&mut self, plan: &Shared<DialPlan>, dialled: &str) -> Called {
        let asked = Asked { plan: plan.id, dialled };
        if let Some(called) = self.young.get(&asked) {
            return called.clone();
        }
        let called = match self.old.remove(&asked) {
            Some(called) => called,
            None => self.numbering.classify(plan, dialled),
        };
        if dialled.len() <= LONGEST_KEPT {
            self.keep(asked, called.clone());
        }
        called
    }

    fn keep(&mut self, asked: Asked<'_>, called: Called) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::replace(&mut self.young, Map::with_hasher(self.hash));
        }
        self.young.insert(Key { plan: asked.plan, dialled: asked.dialled.into() }, called);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Asked { plan: self.plan, dialled: &self.dialled }.hash(state);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.plan.hash(state);
        self.dialled.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.plan == other.plan && self.dialled == other.dialled
    }
}

impl Eq for Key {}

impl hashbrown::Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.plan == key.plan && *self.dialled == *key.dialled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intern::Interner;
    use rating::NumberingConfig;

    #[test]
    fn keeps_a_bounded_number_and_answers_as_without() {
        let numbering = Numbering::new(&NumberingConfig::default()).expect("the default is good");
        let mut cache = DialCache::new(numbering.clone(), HashKey(1, 2));
        let mut plans = Interner::new(HashKey(1, 2));
        let plan = plans.intern(DialPlan::default());
        let other = plans.intern(DialPlan { outside_line: Some('9'), ..DialPlan::default() });
        for round in 0..2 {
            for dialled in ["02079460000", "999", "9999", "junk", ""] {
                for plan in [&plan, &other] {
                    let want = numbering.classify(plan, dialled);
                    assert_eq!(cache.classify(plan, dialled), want, "{dialled} in round {round}");
                }
            }
        }
        for number in 0..3 * GENERATION {
            cache.classify(&plan, &format!("x{number}"));
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
        cache.classify(&plan, &"1".repeat(LONGEST_KEPT + 1));
        assert!(cache.young.keys().all(|key| key.dialled.len() <= LONGEST_KEPT));
    }
}
