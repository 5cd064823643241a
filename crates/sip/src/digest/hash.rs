//! The arithmetic of digest (RFC 7616 §3.4, RFC 8760). Lives here: hashes of given strings.
//! Never here: what is right or wrong, nonces.

use md5::{Digest, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use types::account::Ha1;

use crate::message::Method;

/// A hash algorithm that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// For phones that know nothing else.
    Md5,
    /// Offered first (RFC 8760 §2.3).
    Sha256,
}

impl Algorithm {
    /// From the `algorithm` parameter; none means MD5 (RFC 7616 §3.3). `None` for those that we do
    /// not speak, the `-sess` variants among them.
    pub fn parse(name: Option<&str>) -> Option<Algorithm> {
        let Some(name) = name else { return Some(Algorithm::Md5) };
        [Algorithm::Md5, Algorithm::Sha256]
            .into_iter()
            .find(|algorithm| name.eq_ignore_ascii_case(algorithm.name()))
    }

    /// As written in challenges.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Bytes of a hash.
    pub const fn hash_len(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha256 => 32,
        }
    }

    fn hash(self, parts: &[&[u8]]) -> Hash {
        let mut hash = Hash { bytes: [0; 32], length: self.hash_len() };
        match self {
            Algorithm::Md5 => {
                let mut hasher = Md5::new();
                parts.iter().for_each(|part| hasher.update(part));
                hash.bytes[..16].copy_from_slice(&hasher.finalize());
            }
            Algorithm::Sha256 => {
                let mut hasher = Sha256::new();
                parts.iter().for_each(|part| hasher.update(part));
                hash.bytes.copy_from_slice(&hasher.finalize());
            }
        }
        hash
    }
}

/// A hash of either length.
#[derive(Clone, Copy)]
pub(super) struct Hash {
    bytes: [u8; 32],
    length: usize,
}

impl Hash {
    pub fn of_ha1(ha1: &Ha1, algorithm: Algorithm) -> Hash {
        let mut hash = Hash { bytes: [0; 32], length: algorithm.hash_len() };
        match algorithm {
            Algorithm::Md5 => hash.bytes[..16].copy_from_slice(&ha1.md5),
            Algorithm::Sha256 => hash.bytes = ha1.sha256,
        }
        hash
    }

    /// From exactly as many hexadecimal digits as it has half-bytes.
    pub fn from_hex(text: &str, algorithm: Algorithm) -> Option<Hash> {
        let mut hash = Hash { bytes: [0; 32], length: algorithm.hash_len() };
        if text.len() != 2 * hash.length {
            return None;
        }
        for (byte, pair) in hash.bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            *byte = (high << 4 | low) as u8;
        }
        Some(hash)
    }

    pub fn to_hex(self) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = Hex { bytes: [0; 64], length: 2 * self.length };
        for (pair, byte) in hex.bytes.chunks_exact_mut(2).zip(&self.bytes[..self.length]) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex
    }

    /// Takes the same time wherever they differ.
    pub fn equals(&self, other: &Hash) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

pub(super) struct Hex {
    bytes: [u8; 64],
    length: usize,
}

impl Hex {
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What is hashed besides the secret.
pub(super) struct Asked<'a> {
    pub method: Method<'a>,
    pub uri: &'a str,
    pub nonce: &'a str,
    /// `nc` and `cnonce`, with `qop=auth`; `None`: as in RFC 2069.
    pub counted: Option<(&'a str, &'a str)>,
}

impl Asked<'_> {
    /// The part of the hash that knows no secret, HA2: the same for all secrets that are tried.
    pub fn without_secret(&self, algorithm: Algorithm) -> Hex {
        let method = self.method.as_str().as_bytes();
        algorithm.hash(&[method, b":", self.uri.as_bytes()]).to_hex()
    }
}

/// The `response` that shows knowledge of the secret behind `ha1`.
pub(super) fn response(algorithm: Algorithm, ha1: &Hash, asked: &Asked<'_>) -> Hash {
    response_to(algorithm, ha1, asked, &asked.without_secret(algorithm))
}

/// As [`response`], when the part without secret is known.
pub(super) fn response_to(algorithm: Algorithm, ha1: &Hash, asked: &Asked<'_>, ha2: &Hex) -> Hash {
    let (ha1, nonce) = (ha1.to_hex(), asked.nonce.as_bytes());
    match asked.counted {
        None => algorithm.hash(&[ha1.as_bytes(), b":", nonce, b":", ha2.as_bytes()]),
        Some((nc, cnonce)) => algorithm.hash(&[
            ha1.as_bytes(),
            b":",
            nonce,
            b":",
            nc.as_bytes(),
            b":",
            cnonce.as_bytes(),
            b":auth:",
            ha2.as_bytes(),
        ]),
    }
}

/// The hash of a user's secret with one algorithm.
pub(super) fn ha1_with(algorithm: Algorithm, user: &str, realm: &str, secret: &str) -> Hash {
    algorithm.hash(&[user.as_bytes(), b":", realm.as_bytes(), b":", secret.as_bytes()])
}

/// The verifiers of a user's secret: what is kept instead of it (RFC 7616 §3.4.2).
pub fn ha1(user: &str, realm: &str, secret: &str) -> Ha1 {
    let mut md5 = [0; 16];
    md5.copy_from_slice(&ha1_with(Algorithm::Md5, user, realm, secret).bytes[..16]);
    Ha1 { md5, sha256: ha1_with(Algorithm::Sha256, user, realm, secret).bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_rfc_7616() {
        // §3.9.1: Mufasa asks for /dir/index.html.
        fn check(algorithm: Algorithm, want: &str) {
            let realm = "http-auth@example.org";
            let ha1 = ha1("Mufasa", realm, "Circle of Life");
            let asked = Asked {
                method: Method::Other("GET"),
                uri: "/dir/index.html",
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                counted: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
            };
            let got = response(algorithm, &Hash::of_ha1(&ha1, algorithm), &asked);
            assert_eq!(std::str::from_utf8(got.to_hex().as_bytes()), Ok(want));
            assert!(Hash::from_hex(want, algorithm).is_some_and(|hash| hash.equals(&got)));
        }
        check(Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec");
        check(
            Algorithm::Sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        );
    }

    #[test]
    fn example_of_rfc_2617_without_qop() {
        // RFC 2617 §3.2.2 with the qop left out: H(HA1:nonce:HA2), worked out apart from this code.
        let ha1 = ha1("Mufasa", "testrealm@host.com", "Circle Of Life");
        let asked = Asked {
            method: Method::Other("GET"),
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            counted: None,
        };
        let got = response(Algorithm::Md5, &Hash::of_ha1(&ha1, Algorithm::Md5), &asked);
        assert_eq!(got.to_hex().as_bytes(), b"670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn algorithms_by_name() {
        for (name, want) in [
            (None, Some(Algorithm::Md5)),
            (Some("md5"), Some(Algorithm::Md5)),
            (Some("SHA-256"), Some(Algorithm::Sha256)),
            (Some("SHA-256-sess"), None),
            (Some("SHA-512-256"), None),
            (Some(""), None),
        ] {
            assert_eq!(Algorithm::parse(name), want, "{name:?}");
        }
    }

    #[test]
    fn hexadecimal_digits() {
        let hex = "00ff10".repeat(5) + "0a";
        assert!(Hash::from_hex(&hex, Algorithm::Md5).is_some());
        for bad in [&hex[1..], &(hex.clone() + "0"), &hex.replace("ff", "fg"), ""] {
            assert!(Hash::from_hex(bad, Algorithm::Md5).is_none(), "{bad}");
        }
    }
}
