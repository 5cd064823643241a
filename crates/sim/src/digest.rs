//! Digest as the simulated peers compute it (RFC 7616 §3.4). Lives here: challenges read, credentials written,
//! verifiers for the accounts of a world. Never here: our product's digest.

use md5::{Digest as _, Md5};
use sha2::Sha256;
use types::account::Ha1;

/// A challenge that a peer was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Answer in Proxy-Authorization?
    pub proxy: bool,
    /// Realm.
    pub realm: String,
    /// Nonce.
    pub nonce: String,
    /// Opaque, given back as it came.
    pub opaque: Option<String>,
    /// SHA-256, else MD5.
    pub sha256: bool,
    /// How often the nonce was used.
    pub uses: u32,
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIn {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
    /// Can the phone do SHA-256?
    pub sha256: bool,
}

impl Challenge {
    /// The first of the challenges in a 401 or 407 that the phone can answer.
    pub fn choose<'a>(
        values: impl Iterator<Item = &'a str>,
        proxy: bool,
        sha256: bool,
    ) -> Option<Challenge> {
        values.filter_map(|value| Challenge::read(value, proxy)).find(|one| sha256 || !one.sha256)
    }

    fn read(value: &str, proxy: bool) -> Option<Challenge> {
        let fields = value.trim().strip_prefix("Digest ")?;
        let field = |name: &str| {
            fields.split(',').find_map(|one| {
                let (key, value) = one.trim().split_once('=')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
            })
        };
        let sha256 = match field("algorithm").as_deref() {
            None | Some("MD5" | "md5") => false,
            Some("SHA-256" | "sha-256") => true,
            Some(_) => return None,
        };
        let (realm, nonce, opaque) = (field("realm")?, field("nonce")?, field("opaque"));
        Some(Challenge { proxy, realm, nonce, opaque, sha256, uses: 0 })
    }

    /// Name and value of the header that answers it; counts the use.
    pub fn answer(
        &mut self,
        log_in: &LogIn,
        method: &str,
        uri: &str,
        cnonce: u64,
    ) -> (&'static str, String) {
        self.uses += 1;
        let hash = |text: String| {
            if self.sha256 { hex(&Sha256::digest(text)) } else { hex(&Md5::digest(text)) }
        };
        let secret = hash(format!("{}:{}:{}", log_in.user, self.realm, log_in.password));
        let (nc, cnonce) = (format!("{:08x}", self.uses), format!("{cnonce:016x}"));
        let asked = hash(format!("{method}:{uri}"));
        let response = hash(format!("{secret}:{}:{nc}:{cnonce}:auth:{asked}", self.nonce));
        let algorithm = if self.sha256 { "SHA-256" } else { "MD5" };
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm={algorithm}, cnonce=\"{cnonce}\", qop=auth, nc={nc}",
            log_in.user, self.realm, self.nonce
        );
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        (if self.proxy { "Proxy-Authorization" } else { "Authorization" }, value)
    }
}

/// The verifiers of a password.
pub fn verifiers(user: &str, realm: &str, password: &str) -> Ha1 {
    let text = format!("{user}:{realm}:{password}");
    Ha1 { md5: Md5::digest(&text).into(), sha256: Sha256::digest(&text).into() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_example_of_rfc_7616() {
        // RFC 7616 §3.9.1: Mufasa, "Circle of Life", both algorithms; its cnonce is not hexadecimal, so the
        // hash is checked with the same formula on its words.
        let log_in =
            LogIn { user: "Mufasa".into(), password: "Circle of Life".into(), sha256: true };
        let header = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
            nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let mut challenge = Challenge::choose([header].into_iter(), true, false).unwrap();
        assert_eq!(challenge.realm, "http-auth@example.org");
        let (name, value) = challenge.answer(&log_in, "GET", "/dir/index.html", 1);
        assert_eq!(name, "Proxy-Authorization");
        assert!(value.contains("nc=00000001") && value.contains("opaque=\"FQhe/"), "{value}");
        let ha1 = verifiers("Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(hex(&ha1.md5), "3d78807defe7de2157e2b0b6573a855f");
        let text = format!(
            "{}:{}:00000001:f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ:auth:{}",
            hex(&ha1.md5),
            challenge.nonce,
            hex(&Md5::digest("GET:/dir/index.html"))
        );
        assert_eq!(hex(&Md5::digest(text)), "8ca523f5e9506fed4657c9700eebdbec");
    }

    #[test]
    fn picks_what_the_phone_can_do() {
        let both = [
            "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-256",
            "Digest realm=\"r\", nonce=\"2\"",
        ];
        let pick = |sha256| Challenge::choose(both.into_iter(), false, sha256).unwrap().nonce;
        assert_eq!((pick(true).as_str(), pick(false).as_str()), ("1", "2"));
        assert_eq!(
            Challenge::choose(
                ["Digest realm=\"r\", nonce=\"1\", algorithm=X"].into_iter(),
                false,
                true
            ),
            None
        );
    }
}
