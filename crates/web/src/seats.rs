//! Seats, of which there are only so many, and for one and the same only some. Lives here: taking one and giving it back.
//! Never here: what they are for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many seats; nobody fills them alone.
pub struct Seats<K> {
    most: usize,
    most_each: usize,
    taken: Mutex<BTreeMap<K, usize>>,
}

/// A seat that is taken until this is dropped.
pub struct Seat<K: Ord> {
    seats: Arc<Seats<K>>,
    whose: K,
}

impl<K: Ord + Clone> Seats<K> {
    /// So many for all, and so many for each.
    pub fn new(most: usize, most_each: usize) -> Arc<Seats<K>> {
        Arc::new(Seats { most, most_each, taken: Mutex::default() })
    }

    /// A seat for somebody. `None`: there is none left, or he has his share.
    pub fn take(self: &Arc<Self>, whose: K) -> Option<Seat<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let has = taken.get(&whose).copied().unwrap_or(0);
        if all >= self.most || has >= self.most_each {
            return None;
        }
        taken.insert(whose.clone(), has + 1);
        Some(Seat { seats: Arc::clone(self), whose })
    }
}

impl<K: Ord> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = taken.get_mut(&self.whose) else { return };
        *count -= 1;
        if *count == 0 {
            taken.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_his_share_and_all_no_more_than_there_are() {
        let seats = Seats::new(5, 2);
        let take = |whose: u32| seats.take(whose);
        let (first, second) = (take(1), take(1));
        assert!(first.is_some() && second.is_some() && take(1).is_none());
        drop(first);
        let again = take(1);
        assert!(again.is_some());
        let others = [take(2), take(2), take(3)];
        assert!(others.iter().all(Option::is_some));
        assert!(take(4).is_none());
        drop((second, again, others));
        assert!(seats.taken.lock().expect("not poisoned").is_empty());
    }
}
