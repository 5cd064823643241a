//! Places for what is remembered of strangers. Lives here: sets of a few places, by fingerprint; memory
//! for them is taken when they are first written. Never here: what is remembered, who gives way.

/// Places for one fingerprint.
pub const WAYS: usize = 4;
/// Sets that are made at once.
const BLOCK: usize = 64;

type Block<T> = [[T; WAYS]; BLOCK];

/// `SETS` sets, a power of two. What was never written is what is there by default.
pub struct Sets<T, const SETS: usize> {
    blocks: Box<[Option<Box<Block<T>>>]>,
}

impl<T: Copy + Default, const SETS: usize> Sets<T, SETS> {
    pub fn new() -> Sets<T, SETS> {
        const { assert!(SETS.is_power_of_two() && SETS >= BLOCK) };
        Sets { blocks: (0..SETS / BLOCK).map(|_| None).collect() }
    }

    /// The set of a fingerprint, if anything was ever written near it.
    pub fn find(&self, print: u64) -> Option<&[T; WAYS]> {
        let set = print as usize % SETS;
        self.blocks[set / BLOCK].as_deref().map(|block| &block[set % BLOCK])
    }

    /// The set of a fingerprint, to write in.
    pub fn set(&mut self, print: u64) -> &mut [T; WAYS] {
        let set = print as usize % SETS;
        let block = &mut self.blocks[set / BLOCK];
        let block = block.get_or_insert_with(|| Box::new([[T::default(); WAYS]; BLOCK]));
        &mut block[set % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_is_one_of_its_own() {
        let mut sets: Sets<u16, 256> = Sets::new();
        assert!((0..256).all(|print| sets.find(print).is_none()));
        for print in [0, 1, 64, 255, 1_000] {
            sets.set(print)[3] = print as u16 + 1;
        }
        for print in [0, 1, 64, 255, 1_000, 1_256] {
            let want = [0, 0, 0, (print % 256 + if print >= 1_000 { 768 } else { 0 }) as u16 + 1];
            assert_eq!(sets.find(print), Some(&want), "{print}");
        }
        assert_eq!(sets.find(2), Some(&[0; 4]));
        assert_eq!(sets.find(128), None);
    }
}
