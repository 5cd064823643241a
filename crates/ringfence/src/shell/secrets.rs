//! Randomness of the operating system. Lives here: keys of a node, secrets for phones.
//! Never here: keeping them.

use anyhow::Context;
use edge::Secrets;
use types::HashKey;

/// Groups of five letters, sixteen bits each: 80 bits.
const GROUPS: usize = 5;
const BITS_PER_GROUP: usize = 16;
const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";

// R1: never less than 80 bits.
const _: () = assert!(GROUPS * BITS_PER_GROUP >= 80);

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("no randomness")?;
    Ok(bytes)
}

/// Keys of a node: fresh at each start, so that nonces of an earlier run are worth nothing (A3).
pub fn node_secrets() -> anyhow::Result<Secrets> {
    Ok(Secrets { nonce: random()?, tokens: random()?, hash: hash_key()? })
}

/// A key of hash maps.
pub fn hash_key() -> anyhow::Result<HashKey> {
    Ok(HashKey(u64::from_le_bytes(random()?), u64::from_le_bytes(random()?)))
}

/// A secret to type into a phone: pronounceable groups, like `lusab-babad-gutih-tugad-dobud`.
///
/// Source of the encoding: D. Wilkerson, "A Proposal for Proquints" (2009).
pub fn phone_secret() -> anyhow::Result<String> {
    let bytes: [u8; GROUPS * BITS_PER_GROUP / 8] = random()?;
    let groups: Vec<String> =
        bytes.chunks(2).map(|pair| proquint(u16::from_be_bytes([pair[0], pair[1]]))).collect();
    Ok(groups.join("-"))
}

/// Sixteen bits as consonant, vowel, consonant, vowel, consonant.
fn proquint(bits: u16) -> String {
    let consonant = |shift: u16| char::from(CONSONANTS[usize::from(bits >> shift & 15)]);
    let vowel = |shift: u16| char::from(VOWELS[usize::from(bits >> shift & 3)]);
    [consonant(12), vowel(10), consonant(6), vowel(4), consonant(0)].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_published_ones() {
        // 127.0.0.1 and 63.84.220.193 of the proposal.
        for (bits, want) in
            [(0x7f00, "lusab"), (0x0001, "babad"), (0x3f54, "gutih"), (0xdcc1, "tugad")]
        {
            assert_eq!(proquint(bits), want);
        }
    }

    #[test]
    fn secrets_differ_and_have_five_groups() {
        let (one, other) = (phone_secret().expect("random"), phone_secret().expect("random"));
        assert_ne!(one, other);
        assert_eq!(one.split('-').count(), GROUPS);
        assert!(one.split('-').all(|group| group.len() == 5));
    }
}
