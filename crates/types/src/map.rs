//! Hash maps whose key is injected: strangers choose the keys, so the seed must be secret, and
//! simulations repeat themselves, so it must be an argument.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// The secret of a hash map. Two maps with the same key and history iterate in the same order.
#[derive(Clone, Copy)]
pub struct HashKey(pub u64, pub u64);

impl BuildHasher for HashKey {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// A hash map with an injected key. Make one with `Map::with_hasher(key)`.
pub type Map<K, V> = hashbrown::HashMap<K, V, HashKey>;

/// A hash set with an injected key.
pub type Set<K> = hashbrown::HashSet<K, HashKey>;
