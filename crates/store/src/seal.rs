//! Secrets at rest. Lives here: sealing and opening what must not lie on a disk in clear.
//! Never here: keys themselves (keys), which column holds what (sqlite).
//!
//! ```text
//! sealed = key id (4 bytes) · nonce (12, random) · AES-256-GCM ciphertext · tag (16)
//! ```
//!
//! Each value is bound, as associated data, to what it is: realm, owner, row and verifier. Moved to
//! another row, column, account or realm it does not open. Random nonces are good for 2³² values a
//! key (NIST SP 800-38D §8.3): `key rotate` begins anew long before.

mod keys;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aes_gcm::Nonce;
use aes_gcm::aead::{Aead, Payload};
use types::{AccountId, LineId, TrunkId, WebUserId};
use zeroize::Zeroizing;

use keys::ID;
pub use keys::{KEY, Key, KeyId, Keys, KeysError};

const NONCE: usize = 12;
const TAG: usize = 16;
/// What a value is: it opens as nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A verifier of a line's secret.
    Verifier {
        /// Whose.
        account: AccountId,
        /// Of which line.
        line: LineId,
        /// With which algorithm.
        algorithm: Algorithm,
        /// 0: the secret in force; 1 and on: the former ones, the newest first.
        place: u8,
    },
    /// The secret that a carrier gave us.
    Trunk(TrunkId),
    /// The secret of a web user's authenticator.
    WebUser(WebUserId),
    /// A frame of the journal.
    Frame,
    /// Nothing: it only shows that the key is there.
    Proof,
}

/// How a verifier was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
}

/// Why a value does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short to be one.
    #[error("it is not a sealed value")]
    NotSealed,
    /// Its key is not there.
    #[error("it is sealed with key {0}, which is not in {1}")]
    NoKey(KeyId, String),
    /// It was changed, or belongs elsewhere.
    #[error("it was changed, or belongs to another line, account or realm")]
    Forged,
}

/// Seals and opens. Shared by everything that writes; its keys can be exchanged while it is in use.
pub struct Sealer {
    realm: String,
    /// Where the keys are from, for people.
    source: String,
    keys: RwLock<Arc<Keys>>,
}

impl Sealer {
    /// Keys from `source` (a file, a variable) for the secrets of a realm.
    pub fn new(realm: &str, source: &str, keys: Keys) -> Sealer {
        let keys = RwLock::new(Arc::new(keys));
        Sealer { realm: realm.to_owned(), source: source.to_owned(), keys }
    }

    /// Uses these keys from now on.
    pub fn exchange(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// The keys in use.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the keys are from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Seals with the newest key.
    pub fn seal(&self, bound: Bound, plain: &[u8]) -> Result<Vec<u8>, KeysError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| KeysError::NoDice(error.to_string()))?;
        let keys = self.keys();
        let key = keys.newest();
        let aad = self.associated(bound);
        let payload = Payload { msg: plain, aad: &aad };
        let sealed = key.cipher.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.expect("only values of 64 GiB cannot be sealed");
        let mut out = Vec::with_capacity(ID + NONCE + sealed.len());
        out.extend_from_slice(&key.id().0);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Sealer::seal`] made, if it is still what it was.
    pub fn open(&self, bound: Bound, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (id, rest) = sealed.split_first_chunk::<ID>().ok_or(OpenError::NotSealed)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(OpenError::NotSealed)?;
        if rest.len() < TAG {
            return Err(OpenError::NotSealed);
        }
        let keys = self.keys();
        let key = keys.find(KeyId(*id));
        let key = key.ok_or_else(|| OpenError::NoKey(KeyId(*id), self.source.clone()))?;
        let aad = self.associated(bound);
        let payload = Payload { msg: rest, aad: &aad };
        let plain = key.cipher.decrypt(&Nonce::from(*nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| OpenError::Forged)
    }

    /// What a value is, in bytes. Only the realm varies in length: it stands at the end.
    fn associated(&self, bound: Bound) -> Vec<u8> {
        let mut aad = Vec::with_capacity(48 + self.realm.len());
        aad.extend_from_slice(b"ringfence seal 1\0");
        match bound {
            Bound::Verifier { account, line, algorithm, place } => {
                aad.push(b'v');
                aad.extend_from_slice(&account.0.to_be_bytes());
                aad.extend_from_slice(&line.0.to_be_bytes());
                aad.push(match algorithm {
                    Algorithm::Md5 => 1,
                    Algorithm::Sha256 => 2,
                });
                aad.push(place);
            }
            Bound::Trunk(trunk) => {
                aad.push(b't');
                aad.extend_from_slice(&trunk.0.to_be_bytes());
            }
            Bound::WebUser(user) => {
                aad.push(b'w');
                aad.extend_from_slice(&user.0.to_be_bytes());
            }
            Bound::Frame => aad.push(b'f'),
            Bound::Proof => aad.push(b'p'),
        }
        aad.extend_from_slice(self.realm.as_bytes());
        aad
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({}, ..)", self.source)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use types::UnixMicros;

    use super::*;

    fn key(byte: u8) -> Key {
        Key::new(Zeroizing::new([byte; KEY]), Some(UnixMicros(1_795_435_200_000_000)))
    }

    fn sealer(realm: &str, keys: &[u8]) -> Sealer {
        Sealer::new(realm, "keys", Keys::new(keys.iter().map(|byte| key(*byte)).collect()).unwrap())
    }

    const HERE: Bound = Bound::Verifier {
        account: AccountId(1),
        line: LineId(2),
        algorithm: Algorithm::Md5,
        place: 0,
    };

    #[test]
    fn what_is_sealed_opens_as_what_it_is_and_as_nothing_else() {
        let sealed = sealer("a.example", &[7]).seal(HERE, b"verifier").unwrap();
        let check = |realm: &str, keys: &[u8], bound: Bound, want: Result<&[u8], OpenError>| {
            let opened = sealer(realm, keys).open(bound, &sealed);
            assert_eq!(
                opened.as_deref().map(Vec::as_slice),
                want.as_ref().copied(),
                "{realm} {bound:?}"
            );
        };
        let moved = |account, line, algorithm, place| {
            let (account, line) = (AccountId(account), LineId(line));
            Bound::Verifier { account, line, algorithm, place }
        };
        check("a.example", &[7], HERE, Ok(b"verifier"));
        check("a.example", &[8, 7], HERE, Ok(b"verifier"));
        check("b.example", &[7], HERE, Err(OpenError::Forged));
        check("a.example", &[7], moved(3, 2, Algorithm::Md5, 0), Err(OpenError::Forged));
        check("a.example", &[7], moved(1, 3, Algorithm::Md5, 0), Err(OpenError::Forged));
        check("a.example", &[7], moved(1, 2, Algorithm::Sha256, 0), Err(OpenError::Forged));
        check("a.example", &[7], moved(1, 2, Algorithm::Md5, 1), Err(OpenError::Forged));
        check("a.example", &[7], Bound::Trunk(TrunkId(1)), Err(OpenError::Forged));
        check("a.example", &[7], Bound::WebUser(WebUserId(1)), Err(OpenError::Forged));
        check("a.example", &[7], Bound::Frame, Err(OpenError::Forged));
        let missing = OpenError::NoKey(key(7).id(), "keys".to_owned());
        check("a.example", &[8], HERE, Err(missing));
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let sealer = sealer("a.example", &[7]);
        let sealed = sealer.seal(HERE, b"verifier").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(HERE, &changed).is_err(), "byte {at}");
            let error = sealer.open(HERE, &sealed[..at]).unwrap_err();
            assert!(matches!(error, OpenError::NotSealed | OpenError::Forged), "cut at {at}");
        }
    }

    #[test]
    fn no_value_is_sealed_twice_in_the_same_way() {
        let sealer = sealer("a.example", &[7]);
        let all: std::collections::BTreeSet<Vec<u8>> =
            (0..1_000).map(|_| sealer.seal(HERE, b"verifier").unwrap()).collect();
        let nonces: std::collections::BTreeSet<&[u8]> =
            all.iter().map(|sealed| &sealed[ID..ID + NONCE]).collect();
        assert_eq!((all.len(), nonces.len()), (1_000, 1_000));
    }

    #[test]
    fn the_newest_key_seals() {
        let sealer = sealer("a.example", &[7]);
        sealer.exchange(sealer.keys().with_newest(key(8)));
        let sealed = sealer.seal(HERE, b"x").unwrap();
        assert_eq!(KeyId::named_by(&sealed), Some(key(8).id()));
        sealer.exchange(sealer.keys().newest_only());
        assert_eq!(sealer.keys().iter().count(), 1);
        assert_eq!(sealer.open(HERE, &sealed).unwrap().as_slice(), b"x");
    }
}
