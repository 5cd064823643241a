//! Long tables in pieces. Lives here: a list that grows without being copied and without a reserve that
//! may never be needed. Never here: what the rows mean, which of them are free.

use std::ops::{Index, IndexMut};

/// Bytes of a piece, about: small enough that an allocator has no use for it as a whole, and that a small
/// table stays small.
const PIECE: usize = 16_384;

/// A list of rows by number.
pub struct Chunks<T> {
    pieces: Vec<Vec<T>>,
}

impl<T> Chunks<T> {
    /// Rows of a piece.
    const ROWS: usize = {
        assert!(size_of::<T>() > 0 && size_of::<T>() <= PIECE, "rows have a sensible size");
        PIECE / size_of::<T>()
    };

    /// Without rows.
    pub const fn new() -> Chunks<T> {
        Chunks { pieces: Vec::new() }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * Self::ROWS + last.len())
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds a row; its number.
    pub fn push(&mut self, row: T) -> usize {
        let at = self.len();
        match self.pieces.last_mut() {
            Some(last) if last.len() < Self::ROWS => last.push(row),
            _ => {
                let mut piece = Vec::with_capacity(Self::ROWS);
                piece.push(row);
                self.pieces.push(piece);
            }
        }
        at
    }

    /// The row of a number.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at / Self::ROWS)?.get(at % Self::ROWS)
    }

    /// The row of a number, to change it.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pieces.get_mut(at / Self::ROWS)?.get_mut(at % Self::ROWS)
    }

    /// All rows by number.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.pieces.iter().flatten()
    }
}

impl<T> Default for Chunks<T> {
    fn default() -> Chunks<T> {
        Chunks::new()
    }
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        &self.pieces[at as usize / Self::ROWS][at as usize % Self::ROWS]
    }
}

impl<T> IndexMut<u32> for Chunks<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.pieces[at as usize / Self::ROWS][at as usize % Self::ROWS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_they_were_put() {
        let mut rows: Chunks<[u32; 25]> = Chunks::new();
        assert!(rows.is_empty() && rows.get(0).is_none());
        for n in 0..1_000 {
            assert_eq!(rows.push([n; 25]), n as usize);
            assert_eq!(rows.len(), n as usize + 1);
        }
        rows[700][3] = 9;
        rows.get_mut(163).expect("it is there")[3] = 8;
        for n in 0..1_000 {
            let want = match n {
                700 => 9,
                163 => 8,
                n => n,
            };
            assert_eq!((rows[n][0], rows[n][3]), (n, want));
            assert_eq!(rows.get(n as usize), Some(&rows[n]));
        }
        assert!(rows.iter().map(|row| row[0]).eq(0..1_000));
        assert!(rows.get(1_000).is_none() && rows.get_mut(1_000).is_none());
    }

    #[test]
    fn what_is_set_aside_is_one_piece_at_most() {
        let mut rows: Chunks<[u8; 100]> = Chunks::new();
        (0..10_000).for_each(|n| assert_eq!(rows.push([0; 100]), n));
        let set_aside: usize = rows.pieces.iter().map(Vec::capacity).sum();
        assert!(set_aside - rows.len() < PIECE / 100, "{set_aside}");
        assert!(rows.pieces.iter().all(|piece| piece.capacity() * 100 <= PIECE));
    }
}
