//! Secrets that we make up. Lives here: their two forms, their entropy. Never here: judging secrets
//! that people chose, keeping them.
//!
//! *To type*: five groups of sixteen bits as consonant, vowel, consonant, vowel, consonant, like
//! `lusab-babad-gutih-tugad-dobud` (D. Wilkerson, "A Proposal for Proquints", 2009). *To say*: seven
//! words of the list of BIP 39, whose first four letters tell any two of them apart.

use bip39::Language;
use types::Dice;
use zeroize::Zeroizing;

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";
const GROUPS: usize = 5;
const WORDS: usize = 7;

/// What a secret is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretForm {
    /// Short, of few letters that no keypad confuses.
    #[default]
    Type,
    /// Words of a language, for the telephone.
    Say,
}

/// A secret that was just made. No `Debug`; gone from memory with its last use.
pub struct MadeSecret {
    text: Zeroizing<String>,
    bits: f64,
}

impl MadeSecret {
    /// Makes a secret. The dice are seeded by the operating system, for this secret alone.
    pub fn draw(form: SecretForm, dice: &mut Dice) -> MadeSecret {
        // No pieces of it are left behind by growing.
        let text = Zeroizing::new(String::with_capacity(128));
        let mut made = MadeSecret { text, bits: 0.0 };
        match form {
            SecretForm::Type => (0..GROUPS).for_each(|group| made.group(group > 0, dice)),
            SecretForm::Say => (0..WORDS).for_each(|word| made.word(word > 0, dice)),
        }
        made
    }

    /// The secret itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whole bits of entropy: of what was drawn, not of what it looks like.
    pub fn bits(&self) -> u32 {
        // Sums of logarithms of powers of two are whole; the tenth is for lists of other lengths.
        (self.bits + 1e-9) as u32
    }

    fn group(&mut self, is_next: bool, dice: &mut Dice) {
        if is_next {
            self.text.push('-');
        }
        for letters in [&CONSONANTS[..], VOWELS, CONSONANTS, VOWELS, CONSONANTS] {
            let letter = char::from(*self.pick(letters, dice));
            self.text.push(letter);
        }
    }

    fn word(&mut self, is_next: bool, dice: &mut Dice) {
        if is_next {
            self.text.push(' ');
        }
        let word = *self.pick(Language::English.word_list(), dice);
        self.text.push_str(word);
    }

    /// One of these, each as likely as the others; its entropy is counted.
    fn pick<'a, T>(&mut self, from: &'a [T], dice: &mut Dice) -> &'a T {
        let count = from.len() as u64;
        self.bits += (count as f64).log2();
        &from[dice.below(count) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn many(form: SecretForm, count: usize) -> Vec<String> {
        let mut dice = Dice::simulated(7, 1);
        (0..count).map(|_| MadeSecret::draw(form, &mut dice).text().to_owned()).collect()
    }

    /// The bits of a group, as the proposal reads it.
    fn bits_of(group: &str) -> u16 {
        group.bytes().fold(0, |bits, letter| {
            let vowel = VOWELS.iter().position(|known| *known == letter);
            let consonant = CONSONANTS.iter().position(|known| *known == letter);
            match (consonant, vowel) {
                (Some(place), None) => bits << 4 | place as u16,
                (None, Some(place)) => bits << 2 | place as u16,
                _ => panic!("{group}: {letter}"),
            }
        })
    }

    #[test]
    fn the_entropy_is_that_of_what_was_drawn() {
        for (form, want, least) in [(SecretForm::Type, 80, 80), (SecretForm::Say, 77, 77)] {
            let made = MadeSecret::draw(form, &mut Dice::simulated(1, 1));
            assert_eq!(made.bits(), want);
            assert!(made.bits() >= least, "R1");
        }
        // Fewer of them are worth less.
        let mut short = MadeSecret { text: Zeroizing::new(String::new()), bits: 0.0 };
        short.group(false, &mut Dice::simulated(1, 1));
        assert_eq!(short.bits(), 16);
        short.pick(&[1, 2, 3], &mut Dice::simulated(1, 1));
        assert_eq!(short.bits(), 17, "log2 3 is 1.58");
    }

    #[test]
    fn lists_hold_nothing_twice() {
        let mut words: Vec<&str> = Language::English.word_list().to_vec();
        words.sort_unstable();
        words.dedup_by_key(|word| word.chars().take(4).collect::<String>());
        assert_eq!(words.len(), 2_048, "four letters tell any two apart");
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
        let letters: std::collections::BTreeSet<u8> =
            CONSONANTS.iter().chain(VOWELS).copied().collect();
        assert_eq!(letters.len(), 20);
    }

    #[test]
    fn groups_are_the_published_ones() {
        // 127.0.0.1 and 63.84.220.193 of the proposal.
        for (bits, group) in
            [(0x7f00, "lusab"), (0x0001, "babad"), (0x3f54, "gutih"), (0xdcc1, "tugad")]
        {
            assert_eq!(bits_of(group), bits);
        }
    }

    /// Every value comes up, none more often than chance has it (χ² within six deviations).
    fn flat(seen: &BTreeMap<String, u64>, values: u64) {
        assert_eq!(seen.len() as u64, values, "every one is possible");
        let drawn: u64 = seen.values().sum();
        let mean = drawn as f64 / values as f64;
        let chi2: f64 = seen.values().map(|count| (*count as f64 - mean).powi(2) / mean).sum();
        let (free, deviation) = (values as f64 - 1.0, (2.0 * (values as f64 - 1.0)).sqrt());
        assert!((chi2 - free).abs() < 6.0 * deviation, "χ² = {chi2} of {free} ± {deviation}");
    }

    #[test]
    fn every_group_is_as_likely_as_the_others() {
        let mut seen = BTreeMap::new();
        let mut bits = std::collections::BTreeSet::new();
        for secret in many(SecretForm::Type, 262_144) {
            for group in secret.split('-') {
                assert_eq!(group.len(), 5);
                bits.insert(bits_of(group));
                *seen.entry(group.to_owned()).or_default() += 1;
            }
        }
        flat(&seen, 65_536);
        assert_eq!(bits.len(), 65_536, "no two groups mean the same");
    }

    #[test]
    fn every_word_is_as_likely_as_the_others() {
        let mut seen = BTreeMap::new();
        for secret in many(SecretForm::Say, 20_000) {
            assert_eq!(secret.split(' ').count(), 7);
            for word in secret.split(' ') {
                *seen.entry(word.to_owned()).or_default() += 1;
            }
        }
        flat(&seen, 2_048);
    }

    #[test]
    fn no_two_are_the_same() {
        for form in [SecretForm::Type, SecretForm::Say] {
            let all = many(form, 10_000);
            let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
            assert_eq!(distinct.len(), all.len());
        }
    }
}
