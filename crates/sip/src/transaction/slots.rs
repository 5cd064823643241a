//! Places with names that are never used twice. Lives here: a table whose handles go stale safely.
//! Never here: what is in it.

/// A place and the life it was given out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Handle {
    pub slot: u32,
    pub generation: u32,
}

/// A table; gives its memory back when it becomes empty after a burst.
///
/// It grows by shelves: what is in it never moves, and growing costs the same at any size.
pub(super) struct Slots<T> {
    shelves: Vec<Box<[Place<T>]>>,
    /// Places given out at least once; the rest of the last shelf is fresh.
    used: u32,
    free: Vec<u32>,
    generation: u32,
}

type Place<T> = Option<(u32, T)>;

/// Places on a shelf. A table of one shelf keeps its memory.
const SHELF: usize = 1_024;

impl<T> Slots<T> {
    pub fn new() -> Slots<T> {
        Slots { shelves: Vec::new(), used: 0, free: Vec::new(), generation: 0 }
    }

    pub fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }

    pub fn insert(&mut self, value: T) -> Handle {
        // Each life has its own generation, over all places: four billion lives before one recurs.
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = self.free.pop().unwrap_or_else(|| self.fresh());
        if let Some(place) = self.place_mut(slot) {
            *place = Some((generation, value));
        }
        Handle { slot, generation }
    }

    pub fn get(&self, handle: Handle) -> Option<&T> {
        match self.place(handle.slot)? {
            Some((generation, value)) if *generation == handle.generation => Some(value),
            _ => None,
        }
    }

    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        match self.place_mut(handle.slot)? {
            Some((generation, value)) if *generation == handle.generation => Some(value),
            _ => None,
        }
    }

    /// What lives at a place, whatever its generation.
    pub fn at(&self, slot: u32) -> Option<(Handle, &T)> {
        let (generation, value) = self.place(slot)?.as_ref()?;
        Some((Handle { slot, generation: *generation }, value))
    }

    pub fn remove(&mut self, handle: Handle) -> Option<T> {
        self.get(handle)?;
        let (_, value) = self.place_mut(handle.slot)?.take()?;
        self.free.push(handle.slot);
        if self.len() == 0 && self.shelves.len() > 1 {
            (self.shelves, self.free, self.used) = (Vec::new(), Vec::new(), 0);
        }
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        (0..self.used).filter_map(|slot| self.at(slot))
    }

    /// A place that was not given out before.
    fn fresh(&mut self) -> u32 {
        let slot = self.used;
        if slot as usize == self.shelves.len() * SHELF {
            self.shelves.push(std::iter::repeat_with(|| None).take(SHELF).collect());
        }
        self.used += 1;
        slot
    }

    fn place(&self, slot: u32) -> Option<&Place<T>> {
        let slot = slot as usize;
        self.shelves.get(slot / SHELF)?.get(slot % SHELF)
    }

    fn place_mut(&mut self, slot: u32) -> Option<&mut Place<T>> {
        let slot = slot as usize;
        self.shelves.get_mut(slot / SHELF)?.get_mut(slot % SHELF)
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.shelves.len() * SHELF + self.free.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_ends_with_its_life() {
        let mut slots = Slots::new();
        let first = slots.insert('a');
        assert_eq!(slots.get(first), Some(&'a'));
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b');
        assert_eq!(first.slot, second.slot);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.at(second.slot), Some((second, &'b')));
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn memory_comes_back_and_names_do_not() {
        let mut slots = Slots::new();
        let handles: Vec<_> = (0..10_000).map(|number| slots.insert(number)).collect();
        for handle in &handles {
            slots.remove(*handle);
        }
        assert_eq!(slots.capacity(), 0);
        let next = slots.insert(1);
        assert!(!handles.contains(&next));
    }
}
