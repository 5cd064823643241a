//! Keys, and the text that they are kept in. Lives here: making, naming, reading and writing them.
//! Never here: what they seal; where a key file is (the shell).

use std::fmt;

use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use types::UnixMicros;
use zeroize::Zeroizing;

use crate::chain::ChainKey;

/// Bytes of a key's name.
pub(super) const ID: usize = 4;
/// In microseconds.
const SECOND: i64 = 1_000_000;
/// Bytes of a key.
pub const KEY: usize = 32;

/// The name of a key, made from the key itself: a typing error in a key file is noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; ID]);

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
    pub(super) cipher: Aes256Gcm,
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

    pub(super) fn find(&self, id: KeyId) -> Option<&Key> {
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::new(Zeroizing::new([byte; KEY]), Some(UnixMicros(1_795_435_200_000_000)))
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
