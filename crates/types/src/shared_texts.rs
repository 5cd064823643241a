//! SharedTexts that many rows have in common, kept once. Lives here: their storage, by number, with how often
//! each is in use: the last row that lets go takes the text with it. Never here: what they say.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::map::HashKey;

/// The number of a text in its table; good until it was let go as often as it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextId(u32);

/// SharedTexts in use.
pub struct SharedTexts {
    key: HashKey,
    /// With how many use it; a free place has no users.
    texts: Vec<(Box<str>, u32)>,
    free: Vec<u32>,
    by_text: HashTable<u32>,
}

impl SharedTexts {
    /// Without texts.
    pub fn new(key: HashKey) -> SharedTexts {
        SharedTexts { key, texts: Vec::new(), free: Vec::new(), by_text: HashTable::new() }
    }

    /// The text of a number.
    pub fn get(&self, id: TextId) -> &str {
        &self.texts[id.0 as usize].0
    }

    /// One more uses this text.
    pub fn take(&mut self, text: &str) -> TextId {
        let hash = self.key.hash_one(text);
        let texts = &mut self.texts;
        if let Some(&at) = self.by_text.find(hash, |&at| *texts[at as usize].0 == *text) {
            texts[at as usize].1 += 1;
            return TextId(at);
        }
        let at = self.free.pop().unwrap_or(texts.len() as u32);
        match texts.get_mut(at as usize) {
            Some(place) => *place = (text.into(), 1),
            None => texts.push((text.into(), 1)),
        }
        let key = self.key;
        self.by_text.insert_unique(hash, at, |&at| key.hash_one(&*texts[at as usize].0));
        TextId(at)
    }

    /// One less uses it.
    pub fn let_go(&mut self, id: TextId) {
        let (text, users) = &mut self.texts[id.0 as usize];
        *users -= 1;
        if *users > 0 {
            return;
        }
        let text = std::mem::take(text);
        if let Ok(entry) = self.by_text.find_entry(self.key.hash_one(&*text), |&at| at == id.0) {
            entry.remove();
        }
        self.free.push(id.0);
        if self.by_text.is_empty() {
            *self = SharedTexts::new(self.key);
        }
    }

    /// How many different ones.
    pub fn len(&self) -> usize {
        self.by_text.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.by_text.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_kept_once_and_go_with_their_last_user() {
        let mut texts = SharedTexts::new(HashKey(1, 2));
        let (one, other) = (texts.take("Phone/1"), texts.take("Phone/2"));
        assert_eq!(texts.take("Phone/1"), one);
        assert_eq!((texts.get(one), texts.get(other), texts.len()), ("Phone/1", "Phone/2", 2));
        texts.let_go(one);
        assert_eq!((texts.get(one), texts.len()), ("Phone/1", 2));
        texts.let_go(one);
        assert_eq!(texts.len(), 1);
        // The place of a text that is gone is given to the next.
        let next = texts.take("");
        assert_eq!((next, texts.get(next), texts.get(other)), (one, "", "Phone/2"));
        assert_ne!(texts.take("Phone/1"), next);
    }

    #[test]
    fn texts_that_come_and_go_leave_nothing() {
        let mut texts = SharedTexts::new(HashKey(1, 2));
        for round in 0..1_000 {
            let ids = [0, 1, 2].map(|n| texts.take(&format!("Phone {round} {n}")));
            ids.into_iter().for_each(|id| texts.let_go(id));
        }
        assert!(texts.is_empty() && texts.texts.is_empty() && texts.free.is_empty());
    }
}
