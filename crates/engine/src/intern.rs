//! Values that many accounts have in common, kept once. Never here: what the values mean.

use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::HashTable;
use types::{Controls, DialPlan, HashKey};

/// A value with the number of its spelling: equal values of one interner have the same number.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared<T> {
    /// Never given to another value.
    pub(crate) id: u32,
    value: T,
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Can be found again by a hash of its commonest differences.
pub(crate) trait Fingerprint: Eq {
    fn fingerprint(&self, hasher: &mut impl Hasher);
}

/// Keeps equal values once.
pub(crate) struct Interner<T> {
    table: HashTable<Arc<Shared<T>>>,
    hash: HashKey,
    next_id: u32,
}

impl<T: Fingerprint> Interner<T> {
    pub fn new(hash: HashKey) -> Interner<T> {
        Interner { table: HashTable::new(), hash, next_id: 0 }
    }

    /// The kept value that equals this one.
    pub fn intern(&mut self, value: T) -> Arc<Shared<T>> {
        let key = self.hash;
        let hash = hash_of(key, &value);
        if let Some(known) = self.table.find(hash, |known| known.value == value) {
            return Arc::clone(known);
        }
        let shared = Arc::new(Shared { id: self.next_id, value });
        self.next_id = self.next_id.checked_add(1).expect("fewer than 2^32 changes of an account");
        self.table.insert_unique(hash, Arc::clone(&shared), |known| hash_of(key, &known.value));
        shared
    }

    /// An owner let go: the last one takes the value with it.
    pub fn forget(&mut self, shared: Arc<Shared<T>>) {
        if Arc::strong_count(&shared) > 2 {
            return;
        }
        let hash = hash_of(self.hash, &shared.value);
        if let Ok(entry) = self.table.find_entry(hash, |known| known.id == shared.id) {
            entry.remove();
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.table.len()
    }
}

fn hash_of<T: Fingerprint>(key: HashKey, value: &T) -> u64 {
    let mut hasher = key.build_hasher();
    value.fingerprint(&mut hasher);
    hasher.finish()
}

impl Fingerprint for Controls {
    fn fingerprint(&self, hasher: &mut impl Hasher) {
        let amounts = [
            self.price_cap_national,
            self.price_cap_international,
            self.connect_fee_cap,
            self.warning_level,
            self.stop_level_24h,
            self.stop_level_all_24h,
        ];
        amounts.hash(hasher);
        [self.stop_level_1h, self.stop_level_7d, self.stop_level_off_hours].hash(hasher);
        [self.costly_calls, self.calls, self.hotspot_calls].hash(hasher);
        (&self.ip_lock, &self.barred_countries, self.barred_hours).hash(hasher);
        (self.device_notices, self.new_device_cap).hash(hasher);
    }
}

impl Fingerprint for DialPlan {
    fn fingerprint(&self, hasher: &mut impl Hasher) {
        self.home.hash(hasher);
        self.national_prefix.hash(hasher);
        self.international_prefix.hash(hasher);
        self.area_code.hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_and_go_with_their_last_owner() {
        let mut interner = Interner::new(HashKey(1, 2));
        let first = interner.intern(Controls::residential());
        let second = interner.intern(Controls::residential());
        let other = interner.intern(Controls::pbx());
        assert!(Arc::ptr_eq(&first, &second));
        assert_ne!(first.id, other.id);
        assert_eq!(interner.len(), 2);
        interner.forget(second);
        assert_eq!(interner.len(), 2);
        interner.forget(first);
        assert_eq!(interner.len(), 1);
        let again = interner.intern(Controls::residential());
        assert!(again.id > other.id, "a number is never given twice");
    }

    #[test]
    fn values_with_one_fingerprint_stay_apart() {
        let mut interner = Interner::new(HashKey(1, 2));
        let open = Controls { barred: types::ClassSet::EMPTY, ..Controls::residential() };
        let first = interner.intern(Controls::residential());
        let second = interner.intern(open.clone());
        assert_ne!(first.id, second.id);
        assert_eq!(**second, open);
    }
}
