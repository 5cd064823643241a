//! Secrets at rest. Lives here: keys, sealing and opening what must not lie on a disk in clear.
//! Never here: where a key comes from (the shell), which column holds what (sqlite).
//!
//! ```text
//! sealed = key id (4 bytes) · nonce (12, random) · AES-256-GCM ciphertext · tag (16)
//! ```
//!
//! Each value is bound, as associated data, to what it is: realm, owner, row and verifier. Moved to
//! another row, column, account or realm it does not open. Random nonces are good for 2³² values a
//! key (NIST SP 800-38D §8.3): `key rotate` begins anew long before.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use types::{AccountId, LineId, TrunkId, UnixMicros};
use zeroize::Zeroizing;

use crate::chain::ChainKey;

const ID: usize = 4;
const NONCE: usize = 12;
const TAG: usize = 16;
/// In microseconds.
const SECOND: i64 = 1_000_000;
/// Bytes of a key.
pub const KEY: usize = 32;

/// The name of a key, made from the key itself: a typing error in a key file is noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID]);

impl KeyId {
    fn of(bytes: &[u8; KEY]) -> KeyId {
        let digest =
            Sha256::new().chain_update(b"ringfence key id\0").chain_update(bytes).finalize();
        KeyId(*digest.first_chunk().expect("a digest is longer than an id"))
    }

    /// Its name as a number.
    pub fn number(self) -> u32 {
        u32::from_be_bytes(self.0)
    }

    /// The name that is this number.
    pub fn from_number(number: u32) -> KeyId {
        KeyId(number.to_be_bytes())
    }

    /// The key that a sealed value names.
    pub fn named_by(sealed: &[u8]) -> Option<KeyId> {
        sealed.first_chunk().copied().map(KeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key. No `Debug`, and gone from memory with its last use.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    made: Option<UnixMicros>,
    bytes: Zeroizing<[u8; KEY]>,
    cipher: Aes256Gcm,
    chain: ChainKey,
}

impl Key {
    /// The key of these bytes, made at this time, if that is known.
    pub fn new(bytes: Zeroizing<[u8; KEY]>, made: Option<UnixMicros>) -> Key {
        let cipher = Aes256Gcm::new((&*bytes).into());
        let chain = ChainKey::derive(&bytes);
        Key { id: KeyId::of(&bytes), made, bytes, cipher, chain }
    }

    /// A key from its 44 characters of base64.
    pub fn parse(text: &str, made: Option<UnixMicros>) -> Result<Key, KeysError> {
        let decoded = STANDARD.decode(text.trim()).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| KeysError::NotBase64)?;
        let bytes: [u8; KEY] =
            decoded.as_slice().try_into().map_err(|_| KeysError::Length(decoded.len()))?;
        Ok(Key::new(Zeroizing::new(bytes), made))
    }

    /// A new key of the operating system's randomness.
    pub fn random(now: UnixMicros) -> Result<Key, KeysError> {
        let mut bytes = Zeroizing::new([0; KEY]);
        getrandom::fill(&mut *bytes).map_err(|error| KeysError::NoDice(error.to_string()))?;
        Ok(Key::new(bytes, Some(now)))
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What it makes links of the chain with.
    pub(crate) fn chain(&self) -> &ChainKey {
        &self.chain
    }

    /// When it was made.
    pub fn made(&self) -> Option<UnixMicros> {
        self.made
    }
}

/// All keys: the newest seals, all of them open.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

/// Why keys cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// No base64.
    #[error("not a key: expected 44 characters of base64")]
    NotBase64,
    /// Of another length.
    #[error("not a key: {0} bytes, expected {KEY}")]
    Length(usize),
    /// Nothing there.
    #[error("there is no key")]
    None,
    /// A line of a key file.
    #[error("line {line}: {problem}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The operating system gives none.
    #[error("no randomness: {0}")]
    NoDice(String),
}

impl Keys {
    /// These keys, the one that seals first.
    pub fn new(keys: Vec<Key>) -> Result<Keys, KeysError> {
        if keys.is_empty() { Err(KeysError::None) } else { Ok(Keys(keys)) }
    }

    /// Keys in base64, white space between, the one that seals first.
    pub fn parse_words(text: &str) -> Result<Keys, KeysError> {
        Keys::new(
            text.split_whitespace().map(|word| Key::parse(word, None)).collect::<Result<_, _>>()?,
        )
    }

    /// A key file: a line `ID MADE KEY` each, MADE in seconds since 1970 or `-`, the newest first; `#`
    /// begins a comment.
    pub fn parse_file(text: &str) -> Result<Keys, KeysError> {
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let key = file_line(line);
                keys.push(key.map_err(|problem| KeysError::Line { line: at + 1, problem })?);
            }
        }
        Keys::new(keys)
    }

    /// The key file of these keys.
    pub fn to_file(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(256 + 128 * self.0.len()));
        text.push_str(
            "# Keys of Ringfence: they seal passwords in the database, the newest is the first.\n\
             # Keep a copy apart from the database's: without it all passwords are lost.\n",
        );
        for key in &self.0 {
            let made =
                key.made.map_or_else(|| "-".to_owned(), |made| (made.0 / SECOND).to_string());
            let secret = Zeroizing::new(STANDARD.encode(key.bytes.as_slice()));
            text.push_str(&format!("{} {made} ", key.id));
            text.push_str(&secret);
            text.push('\n');
        }
        text
    }

    /// The keys, the one that seals first.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// The one that seals.
    pub fn newest(&self) -> &Key {
        &self.0[0]
    }

    /// With another key that seals from now on.
    pub fn with_newest(&self, key: Key) -> Keys {
        Keys([key].into_iter().chain(self.0.iter().cloned()).collect())
    }

    /// The one that seals, alone.
    pub fn newest_only(&self) -> Keys {
        Keys(vec![self.newest().clone()])
    }

    fn find(&self, id: KeyId) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

fn file_line(line: &str) -> Result<Key, String> {
    let [id, made, secret] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err("expected ID MADE KEY".to_owned());
    };
    let made = match made {
        "-" => None,
        time => {
            let seconds: u32 =
                time.parse().map_err(|_| format!("`{time}`: expected seconds since 1970"))?;
            Some(UnixMicros(i64::from(seconds) * SECOND))
        }
    };
    let key = Key::parse(secret, made).map_err(|error| error.to_string())?;
    if key.id.to_string() != id {
        return Err(format!("the key is not `{id}`: a character of it is wrong"));
    }
    Ok(key)
}

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
        out.extend_from_slice(&key.id.0);
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

    #[test]
    fn key_files_are_read_as_written() {
        let keys = Keys::new(vec![key(8), key(7)]).unwrap();
        let text = keys.to_file();
        let again = Keys::parse_file(&text).unwrap();
        assert_eq!(again.to_file(), text);
        let of = |keys: &Keys| keys.iter().map(|key| (key.id(), key.made())).collect::<Vec<_>>();
        assert_eq!(of(&again), of(&keys));
    }

    #[test]
    fn bad_keys_are_named() {
        fn check(text: &str, want: &str) {
            let error = Keys::parse_file(text).err().expect(want).to_string();
            assert_eq!(error, want);
        }
        let good = Keys::new(vec![key(7)]).unwrap().to_file();
        let line = good.lines().last().unwrap();
        check("", "there is no key");
        check("# nothing\n\n", "there is no key");
        check("\nx\n", "line 2: expected ID MADE KEY");
        check("x y z", "line 1: `y`: expected seconds since 1970");
        check("x - z", "line 1: not a key: expected 44 characters of base64");
        check("x - AAAA", "line 1: not a key: 3 bytes, expected 32");
        check(
            &line.replace("BwcHB", "BwcHC"),
            &format!("line 1: the key is not `{}`: a character of it is wrong", key(7).id()),
        );
        assert_eq!(Keys::parse_words(" \n").err(), Some(KeysError::None));
        assert_eq!(Keys::parse_words("AAAA").err(), Some(KeysError::Length(3)));
    }
}
