//! The record that cannot be changed unseen. Lives here: what is chained, how a link is made, what is found
//! when all of them are walked. Never here: tables (`sqlite`, `memory`), where keys come from.
//!
//! ```text
//! link n:  body = SHA-256(record)                        record: see `canonical`
//!          hash = SHA-256(hash of link n-1 · n · key id · place · body)
//!          mac  = HMAC-SHA-256(chain key, hash of link n-1 · hash · n · place · marks), first 16 bytes
//! ```
//!
//! The mac shows who made a link, and behind which other. The hash needs no key, and covers all links
//! before it: once a key is gone, the next link whose key is there still vouches for what was made
//! with it. The chain key is HKDF-Expand (RFC 5869 §2.3) of a sealing key.

mod canonical;
mod contents;
mod findings;
mod place;
mod walk;

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::seal::KeyId;

pub(crate) use canonical::Content;
pub(crate) use contents::{Ordered, write, write_run};
pub use findings::{Break, ChainReport, KeyUse, Span};
pub use place::{LinkKind, Place};
pub(crate) use place::{bill_of, key_of_bill, key_of_state, place_of, place_of_transfer, state_of};
pub use walk::ChainQuestion;
pub(crate) use walk::{Each, Found, Links, ReadLink, walk};

/// SHA-256 of something.
pub type Hash = [u8; 32];
/// A mac, cut to its first half (RFC 2104 §5).
pub type Tag = [u8; 16];

/// Before the first link.
const GENESIS: Hash = [0; 32];

/// What signs links. Made from a sealing key, or from nothing, which everybody can.
#[derive(Clone)]
pub(crate) struct ChainKey(Hmac<Sha256>);

impl ChainKey {
    /// The chain key of a sealing key: HKDF-Expand, one block of it.
    pub fn derive(sealing_key: &[u8; 32]) -> ChainKey {
        let mut expand =
            Hmac::<Sha256>::new_from_slice(sealing_key).expect("HMAC takes keys of every length");
        expand.update(b"ringfence chain 1\x01");
        let key = zeroize::Zeroizing::new(<[u8; 32]>::from(expand.finalize().into_bytes()));
        let mac = Hmac::new_from_slice(key.as_slice()).expect("HMAC takes keys of every length");
        ChainKey(mac)
    }

    /// The key of stores without keys.
    pub fn public() -> ChainKey {
        ChainKey::derive(&[0; 32])
    }

    fn tag(&self, before: &Hash, link: &Link) -> Tag {
        let mut mac = self.0.clone();
        mac.update(before);
        mac.update(&link.hash);
        mac.update(&link.seq.to_le_bytes());
        mac.update(&link.place.bytes());
        mac.update(&link.marks);
        let whole = mac.finalize().into_bytes();
        *whole.first_chunk().expect("a mac has 32 bytes")
    }
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// From 1, without a gap.
    pub seq: u64,
    /// The key that it was made with; `None`: the public one.
    pub key: Option<KeyId>,
    /// Which record it is of.
    pub place: Place,
    /// SHA-256 of the record, where the row may be replaced later; elsewhere the row itself is there.
    pub body: Option<Hash>,
    /// A mark for each field of the record.
    pub marks: Vec<u8>,
    /// Over everything up to here.
    pub hash: Hash,
    /// Made by who has the key.
    pub mac: Tag,
}

impl Link {
    /// What the hash has to be, for a record of this body.
    fn hash_for(&self, before: &Hash, body: &Hash) -> Hash {
        let key = self.key.map_or(0, |key| u64::from(key.number()) + 1);
        let mut hash = Sha256::new();
        hash.update(before);
        hash.update(self.seq.to_le_bytes());
        hash.update(key.to_le_bytes());
        hash.update(self.place.bytes());
        hash.update(body);
        hash.finalize().into()
    }
}

/// SHA-256 of a record.
pub(crate) fn body_of(content: &Content) -> Hash {
    Sha256::digest(content.bytes()).into()
}

/// Makes links, one after the other.
pub(crate) struct Appender {
    key: (Option<KeyId>, ChainKey),
    seq: u64,
    hash: Hash,
    content: Content,
}

impl Appender {
    /// After this link (none: the first), with this key.
    pub fn after(head: Option<(u64, Hash)>, key: Option<(KeyId, ChainKey)>) -> Appender {
        let (seq, hash) = head.unwrap_or((0, GENESIS));
        let key = match key {
            Some((id, key)) => (Some(id), key),
            None => (None, ChainKey::public()),
        };
        Appender { key, seq, hash, content: Content::default() }
    }

    /// The next link, of what `write` writes.
    pub fn link(&mut self, place: Place, write: impl FnOnce(&mut Content)) -> Link {
        self.content.clear();
        write(&mut self.content);
        let body = body_of(&self.content);
        let mut link = Link {
            seq: self.seq + 1,
            key: self.key.0,
            place,
            body: place.kind.is_replaced().then_some(body),
            marks: self.content.marks().to_vec(),
            hash: GENESIS,
            mac: [0; 16],
        };
        link.hash = link.hash_for(&self.hash, &body);
        link.mac = self.key.1.tag(&self.hash, &link);
        (self.seq, self.hash) = (link.seq, link.hash);
        link
    }
}

/// How far the chain reached at a moment: kept elsewhere, it shows later that nothing up to there was
/// changed, not even by who has the key, and that the end was not cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The last link.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seq)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Not an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an anchor: expected the number of a link, a colon and 64 hexadecimal digits")]
pub struct AnchorError(pub String);

impl FromStr for Anchor {
    type Err = AnchorError;

    fn from_str(text: &str) -> Result<Anchor, AnchorError> {
        let read = || {
            let (seq, digits) = text.trim().split_once(':')?;
            let is_hex = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let mut hash = GENESIS;
            for (at, byte) in hash.iter_mut().enumerate().take_while(|_| is_hex) {
                *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
            }
            is_hex.then_some(())?;
            Some(Anchor { seq: seq.parse().ok()?, hash })
        };
        read().ok_or_else(|| AnchorError(text.to_owned()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_as_printed() {
        let anchor = Anchor { seq: 812, hash: std::array::from_fn(|at| at as u8 * 7) };
        assert_eq!(anchor.to_string().parse(), Ok(anchor));
        let long = "0".repeat(64);
        for bad in [
            "",
            "812",
            "812:",
            ":00",
            "x:00",
            "812:zz",
            &format!("-1:{long}"),
            &format!("1:{long}0"),
        ] {
            let error = bad.parse::<Anchor>().unwrap_err();
            assert_eq!(error, AnchorError(bad.to_owned()));
        }
    }

    /// RFC 4231 has no case for this use; what matters is that keys, and everything that is signed, matter.
    #[test]
    fn every_part_of_a_link_matters() {
        let key = |byte: u8| ChainKey::derive(&[byte; 32]);
        let place = Place { kind: LinkKind::Account, key: 7, part: 0 };
        let mut appender = Appender::after(None, Some((KeyId::from_number(5), key(1))));
        let write = |content: &mut Content| content.field("name", "alice");
        let (first, second) = (appender.link(place, write), appender.link(place, write));
        assert_eq!((first.seq, second.seq), (1, 2));
        assert_ne!((first.hash, first.mac), (second.hash, second.mac));
        let good = |link: &Link, key: &ChainKey| {
            let body = link.body.unwrap();
            link.hash == link.hash_for(&first.hash, &body) && link.mac == key.tag(&first.hash, link)
        };
        assert!(good(&second, &key(1)));
        assert!(!good(&second, &key(2)) && !good(&second, &ChainKey::public()));
        let change = |how: &dyn Fn(&mut Link)| {
            let mut changed = second.clone();
            how(&mut changed);
            assert!(!good(&changed, &key(1)), "{changed:?}");
        };
        change(&|link| link.seq = 3);
        change(&|link| link.key = None);
        change(&|link| link.key = Some(KeyId::from_number(6)));
        change(&|link| link.place.kind = LinkKind::Line);
        change(&|link| link.place.key = 8);
        change(&|link| link.place.part = 1);
        change(&|link| link.body.as_mut().unwrap()[31] ^= 1);
        change(&|link| link.marks[0] ^= 1);
        change(&|link| link.hash[0] ^= 1);
        change(&|link| link.mac[15] ^= 1);
    }
}
