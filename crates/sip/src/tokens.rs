//! Names that strangers cannot guess: tags, branches, Call-IDs, client nonces. Lives here: a keyed
//! hash of a counter, which repeats itself under the same key. Never here: dice, the clock.

use std::fmt;
use std::hash::Hasher;
use std::ops::Deref;

use siphasher::sip::SipHasher24;

/// The magic cookie in front of every branch (RFC 3261 §8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CAPACITY: usize = 40;

/// A short piece of text: letters, digits and nothing that needs quoting anywhere in SIP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    bytes: [u8; CAPACITY],
    length: u8,
}

impl Token {
    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("tokens are ASCII")
    }

    pub(crate) fn empty() -> Token {
        Token { bytes: [0; CAPACITY], length: 0 }
    }

    /// Appends ASCII text that is known to fit.
    pub(crate) fn push_text(&mut self, text: &str) {
        for &byte in text.as_bytes() {
            self.push_byte(byte);
        }
    }

    /// Appends the lowest `5 × count` bits of `value` in base 32, highest first.
    pub(crate) fn push_bits(&mut self, value: u64, count: u32) {
        for position in (0..count).rev() {
            self.push_byte(DIGITS[(value >> (5 * position) & 31) as usize]);
        }
    }

    fn push_byte(&mut self, byte: u8) {
        debug_assert!(usize::from(self.length) < CAPACITY && byte.is_ascii_graphic());
        self.bytes[usize::from(self.length)] = byte;
        self.length += 1;
    }
}

/// The value of base-32 digits as [`Tokens`] writes them; `None` for anything else.
pub(crate) fn read_bits(text: &[u8]) -> Option<u64> {
    debug_assert!(text.len() <= 13);
    text.iter().try_fold(0u64, |value, byte| {
        let digit = DIGITS.iter().position(|symbol| symbol == byte)?;
        Some(value << 5 | digit as u64)
    })
}

impl Deref for Token {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Token {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes tokens. The counter starts anew with the process, so the key must be new with it, too.
#[derive(Clone)]
pub struct Tokens {
    key: [u8; 16],
    shard: u8,
    counter: u64,
}

impl Tokens {
    /// Tokens of one node that is alone.
    pub fn new(key: [u8; 16]) -> Tokens {
        Tokens::with_shard(key, 0)
    }

    /// Tokens whose first two characters name the shard, so that what comes back finds it.
    pub fn with_shard(key: [u8; 16], shard: u8) -> Tokens {
        Tokens { key, shard, counter: 0 }
    }

    /// A From or To tag: 64 unguessable bits (RFC 3261 §19.3 wants 32).
    pub fn tag(&mut self) -> Token {
        let mut token = self.begin();
        token.push_bits(self.draw(), 13);
        token
    }

    /// A branch for a request outside of the transaction table.
    pub fn branch(&mut self) -> Token {
        let mut token = Token::empty();
        token.push_text(BRANCH_COOKIE);
        token.push_bits(u64::from(self.shard), 2);
        token.push_bits(self.draw(), 13);
        token
    }

    /// A Call-ID: 128 unguessable bits, no host part.
    pub fn call_id(&mut self) -> Token {
        let mut token = self.begin();
        token.push_bits(self.draw(), 13);
        token.push_bits(self.draw(), 13);
        token
    }

    /// A client nonce for digest.
    pub fn cnonce(&mut self) -> Token {
        self.tag()
    }

    /// 64 unguessable bits.
    pub fn draw(&mut self) -> u64 {
        self.counter += 1;
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&self.counter.to_le_bytes());
        hasher.finish()
    }

    /// A tag that belongs to `seed` and stays the same.
    pub fn tag_of(&self, seed: u128) -> Token {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(b"tag");
        hasher.write(&seed.to_le_bytes());
        let mut token = self.begin();
        token.push_bits(hasher.finish(), 13);
        token
    }

    /// Which shard this is.
    pub fn shard(&self) -> u8 {
        self.shard
    }

    /// The shard that wrote a tag, Call-ID or branch; `None` when none of ours could have.
    pub fn shard_of(token: &str) -> Option<u8> {
        let rest = token.strip_prefix(BRANCH_COOKIE).unwrap_or(token);
        let shard = read_bits(rest.as_bytes().get(..2)?)?;
        u8::try_from(shard).ok()
    }

    fn begin(&self) -> Token {
        let mut token = Token::empty();
        token.push_bits(u64::from(self.shard), 2);
        token
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens(shard {}, ..)", self.shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_key_same_tokens_and_none_twice() {
        let draw = |key| {
            let mut tokens = Tokens::new(key);
            (0..1_000).map(|_| tokens.tag().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(draw([7; 16]), draw([7; 16]));
        assert_ne!(draw([7; 16]), draw([8; 16]));
        let mut all = draw([7; 16]);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 1_000);
    }

    #[test]
    fn the_shard_can_be_read_back() {
        for shard in [0, 1, 31, 32, 255] {
            let mut tokens = Tokens::with_shard([1; 16], shard);
            for token in [tokens.tag(), tokens.branch(), tokens.call_id(), tokens.tag_of(5)] {
                assert_eq!(Tokens::shard_of(&token), Some(shard), "{token}");
            }
        }
        for foreign in ["", "z", "z9hG4bK", "zz-foreign", "!!"] {
            assert_eq!(Tokens::shard_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_tag_of_a_seed_stays() {
        let mut tokens = Tokens::new([1; 16]);
        let first = tokens.tag_of(9);
        tokens.tag();
        assert_eq!(tokens.tag_of(9), first);
        assert_ne!(tokens.tag_of(10), first);
    }

    #[test]
    fn bits_read_back() {
        for value in [0, 31, 32, u64::MAX >> 4, 0x0123_4567_89ab_cdef] {
            let mut token = Token::empty();
            token.push_bits(value, 13);
            assert_eq!(read_bits(token.as_bytes()), Some(value));
        }
        assert_eq!(read_bits(b"!"), None);
        assert_eq!(read_bits(b"Z"), None);
    }
}
