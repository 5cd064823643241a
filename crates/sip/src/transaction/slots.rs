//! Places with names that are never used twice. Lives here: a table whose handles go stale safely.
//! Never here: what is in it.

/// A place and the life it was given out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Handle {
    pub slot: u32,
    pub generation: u32,
}

/// A table; gives its memory back when it becomes empty after a burst.
pub(super) struct Slots<T> {
    places: Vec<Option<(u32, T)>>,
    free: Vec<u32>,
    generation: u32,
}

/// A table this small keeps its memory.
const KEEP: usize = 1_024;

impl<T> Slots<T> {
    pub fn new() -> Slots<T> {
        Slots { places: Vec::new(), free: Vec::new(), generation: 0 }
    }

    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub fn insert(&mut self, value: T) -> Handle {
        // Each life has its own generation, over all places: four billion lives before one recurs.
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.places[slot as usize] = Some((generation, value));
                slot
            }
            None => {
                self.places.push(Some((generation, value)));
                self.places.len() as u32 - 1
            }
        };
        Handle { slot, generation }
    }

    pub fn get(&self, handle: Handle) -> Option<&T> {
        match self.places.get(handle.slot as usize)? {
            Some((generation, value)) if *generation == handle.generation => Some(value),
            _ => None,
        }
    }

    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        match self.places.get_mut(handle.slot as usize)? {
            Some((generation, value)) if *generation == handle.generation => Some(value),
            _ => None,
        }
    }

    /// What lives at a place, whatever its generation.
    pub fn at(&self, slot: u32) -> Option<(Handle, &T)> {
        let (generation, value) = self.places.get(slot as usize)?.as_ref()?;
        Some((Handle { slot, generation: *generation }, value))
    }

    pub fn remove(&mut self, handle: Handle) -> Option<T> {
        self.get(handle)?;
        let (_, value) = self.places[handle.slot as usize].take()?;
        self.free.push(handle.slot);
        if self.len() == 0 && self.places.capacity() > KEEP {
            self.places = Vec::new();
            self.free = Vec::new();
        }
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        (0..self.places.len() as u32).filter_map(|slot| self.at(slot))
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.places.capacity() + self.free.capacity()
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
