//! Secrets that are computed, so that nothing of them lies in the database: the code that confirms a contact, and what a
//! webhook is signed with. Never here: files, where the key comes from.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use types::{Contact, Millis, UnixMicros};
use zeroize::Zeroizing;

/// Crockford's base 32: no letter that is taken for another.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code: 50 bits, for a few days.
const CODE: usize = 10;
/// How long a code confirms.
pub const CODE_MS: Millis = 7 * 86_400_000;

/// Computes secrets from one key of the operator's.
#[derive(Clone)]
pub struct Codes(Zeroizing<[u8; 32]>);

impl Codes {
    /// With this key; 32 random bytes.
    pub fn new(key: [u8; 32]) -> Codes {
        Codes(Zeroizing::new(key))
    }

    fn mac(&self, use_for: &str, parts: &[&str]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of every length");
        for part in std::iter::once(&use_for).chain(parts) {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// What shows that somebody gets what is sent to a contact, as `7K3QD-M2XVA`: another one for each address, and for
    /// each time that it is set.
    pub fn confirmation(&self, contact: &Contact) -> String {
        let channel = format!("{:?}", contact.channel);
        let (id, since) = (contact.id.to_string(), contact.since.0.to_string());
        let mac = self.mac("confirm a contact", &[&id, &since, &channel]);
        let bits = u64::from_le_bytes(*mac.first_chunk().expect("a mac has 32 bytes"));
        let letter = |at: usize| char::from(LETTERS[(bits >> (at * 5) & 31) as usize]);
        let half = |from: usize| (from..from + CODE / 2).map(letter).collect::<String>();
        format!("{}-{}", half(0), half(CODE / 2))
    }

    /// Is this the code? Small letters, spaces and a missing dash are forgiven; time is not.
    pub fn confirms(&self, contact: &Contact, code: &str, now: UnixMicros) -> bool {
        let plain = |text: &str| -> Vec<u8> {
            text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_uppercase()).collect()
        };
        let (given, wanted) = (plain(code), plain(&self.confirmation(contact)));
        let is_same: bool = given.ct_eq(&wanted).into();
        is_same && now.ms_since(contact.since) < CODE_MS
    }

    /// What the webhook of a contact is signed with.
    pub fn webhook(&self, contact: &Contact) -> Zeroizing<String> {
        let (id, version) = (contact.id.to_string(), contact.secret_version.to_string());
        let mac = Zeroizing::new(self.mac("sign a webhook", &[&id, &version]));
        let mut secret = Zeroizing::new(String::with_capacity(70));
        secret.push_str("whsec_");
        for byte in mac.iter() {
            for nibble in [byte >> 4, byte & 15] {
                secret.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
        secret
    }
}

#[cfg(test)]
mod tests {
    use types::Channel;
    use types::record_samples::contact;

    use super::*;

    #[test]
    fn a_code_is_of_one_address_and_one_week() {
        let codes = Codes::new([7; 32]);
        let mine = contact(1);
        let code = codes.confirmation(&mine);
        assert_eq!(code.len(), 11);
        let check = |contact: &Contact, code: &str, at: i64, want: bool| {
            let now = UnixMicros::from_seconds(at);
            assert_eq!(codes.confirms(contact, code, now), want, "{code} at {at}");
        };
        check(&mine, &code, 1, true);
        check(&mine, &code.to_lowercase().replace('-', " "), 1, true);
        check(&mine, &code, 7 * 86_400 - 1, true);
        check(&mine, &code, 7 * 86_400, false);
        check(&mine, "", 1, false);
        check(&mine, &code[1..], 1, false);
        check(&contact(2), &code, 1, false);
        let elsewhere = Channel::Mail { address: "mallory@example.com".to_owned() };
        check(&Contact { channel: elsewhere, ..mine.clone() }, &code, 1, false);
        check(&Contact { since: UnixMicros(1), ..mine.clone() }, &code, 1, false);
        assert!(!Codes::new([8; 32]).confirms(&mine, &code, UnixMicros(0)));
    }

    #[test]
    fn each_webhook_has_its_own_secret_and_a_new_one_when_asked() {
        let codes = Codes::new([7; 32]);
        let first = codes.webhook(&contact(1));
        let renewed = Contact { secret_version: 1, ..contact(1) };
        assert_eq!(first.len(), 70);
        assert_ne!(first, codes.webhook(&contact(2)));
        assert_ne!(first, codes.webhook(&renewed));
        let moved = Channel::Webhook { url: "https://a.example".to_owned(), template: None };
        assert_eq!(first, codes.webhook(&Contact { channel: moved, ..contact(1) }));
    }
}
