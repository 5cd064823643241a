//! Digest answers, computed apart from the product. Lives here: RFC 7616 in a few lines.
//! Never here: anything of `sip::digest`.

use md5::Md5;
use sha2::{Digest as _, Sha256};
use types::account::Ha1;

/// The realm of all tests.
pub const REALM: &str = "ringfence.test";

/// What an answer is computed from.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    pub algorithm: &'a str,
    /// As it stands in `username`.
    pub username: &'a str,
    /// As it went into the hash.
    pub user: &'a str,
    pub realm: &'a str,
    pub secret: &'a str,
    pub method: &'a str,
    pub uri: &'a str,
    pub nonce: &'a str,
    pub nc: u32,
}

impl Answer<'_> {
    /// The value of Authorization or Proxy-Authorization.
    pub fn value(&self) -> String {
        let Answer { algorithm, username, realm, uri, nonce, nc, .. } = *self;
        let response = self.response_with("c1c2");
        format!(
            "Digest username=\"{username}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\",\
             response=\"{response}\",algorithm={algorithm},cnonce=\"c1c2\",qop=auth,nc={nc:08x}"
        )
    }

    /// The response with this cnonce.
    pub fn response_with(&self, cnonce: &str) -> String {
        let Answer { algorithm, user, realm, secret, method, uri, nonce, nc, .. } = *self;
        let hash = |text: String| match algorithm {
            "MD5" => hex(&Md5::digest(text)),
            _ => hex(&Sha256::digest(text)),
        };
        let ha1 = hash(format!("{user}:{realm}:{secret}"));
        let ha2 = hash(format!("{method}:{uri}"));
        hash(format!("{ha1}:{nonce}:{nc:08x}:{cnonce}:auth:{ha2}"))
    }
}

/// The verifiers that are kept for a secret.
pub fn ha1(user: &str, secret: &str) -> Ha1 {
    let text = format!("{user}:{REALM}:{secret}");
    Ha1 { md5: Md5::digest(&text).into(), sha256: Sha256::digest(&text).into() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn agrees_with_rfc_7616() {
    // RFC 7616 §3.9.1, with its own cnonce, so computed by the same steps.
    let ha1 = hex(&Md5::digest("Mufasa:http-auth@example.org:Circle of Life"));
    let ha2 = hex(&Md5::digest("GET:/dir/index.html"));
    let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let response = hex(&Md5::digest(format!("{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}")));
    assert_eq!(response, "8ca523f5e9506fed4657c9700eebdbec");
}
