//! Buffers for what may have to be sent again. Lives here: their reuse. Never here: what is in them.

/// Buffers of two sizes, kept in small number.
pub(super) struct Pool {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

const SMALL: usize = 1_024;
const LARGE: usize = 4_096;
const KEEP: usize = 256;

impl Pool {
    pub fn new() -> Pool {
        Pool { small: Vec::new(), large: Vec::new() }
    }

    /// A buffer with a copy of `bytes`.
    pub fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = match bytes.len() {
            0..=SMALL => self.small.pop(),
            _ => self.large.pop(),
        }
        .unwrap_or_default();
        // Exactly: completed transactions keep theirs for half a minute, in great number.
        buffer.reserve_exact(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// An empty buffer, for something small.
    pub fn empty(&mut self) -> Vec<u8> {
        self.small.pop().unwrap_or_default()
    }

    /// Replaces what is in a buffer.
    pub fn replace(&mut self, buffer: &mut Vec<u8>, bytes: &[u8]) {
        let old = std::mem::replace(buffer, self.copy(bytes));
        self.give_back(old);
    }

    /// Takes a buffer that is no longer needed.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        let shelf = match buffer.capacity() {
            0 => return,
            1..=SMALL => &mut self.small,
            capacity if capacity <= LARGE => &mut self.large,
            _ => return,
        };
        if shelf.len() < KEEP {
            buffer.clear();
            shelf.push(buffer);
        }
    }

    #[cfg(test)]
    fn kept_bytes(&self) -> usize {
        self.small.iter().chain(&self.large).map(Vec::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_again_empty_and_few() {
        let mut pool = Pool::new();
        let buffer = pool.copy(b"first");
        let place = buffer.as_ptr();
        pool.give_back(buffer);
        let buffer = pool.copy(b"later");
        assert_eq!((buffer.as_slice(), buffer.as_ptr()), (&b"later"[..], place));
        for _ in 0..10_000 {
            pool.give_back(vec![0; 900]);
            pool.give_back(vec![0; 4_000]);
            pool.give_back(vec![0; 60_000]);
        }
        assert!(pool.kept_bytes() <= KEEP * (SMALL + LARGE));
    }
}
