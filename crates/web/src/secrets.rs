//! What log-ins are checked with. Lives here: passwords (argon2id), one-time codes (RFC 6238), random tokens and
//! their hashes. Never here: who is let in (`portal::sign_in`).

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use types::UnixMicros;

/// Seconds of a time step, as every authenticator has them (RFC 6238 §5.2).
const STEP_S: i64 = 30;
/// Steps before and after the present one of which a code is taken: clocks differ.
const DRIFT: i64 = 1;
/// Bytes of an authenticator's secret (RFC 4226 §4 asks for 16, and recommends 20).
const TOTP_BYTES: usize = 20;
/// Recovery codes made at once.
pub const RECOVERY_CODES: usize = 10;

/// There were no random bytes, or a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes: {0}")]
pub struct NoDice(String);

fn random<const N: usize>() -> Result<[u8; N], NoDice> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NoDice(error.to_string()))?;
    Ok(bytes)
}

/// 32 random bytes as text that can stand in a cookie and a link.
pub fn token() -> Result<String, NoDice> {
    Ok(BASE64URL_NOPAD.encode(&random::<32>()?))
}

/// What is kept of a token: its SHA-256, in hex.
pub fn hash(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

/// Are two texts the same? Takes the same time wherever they differ.
pub fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Argon2id of a password, as a PHC string (RFC 9106; 19 MiB, two passes: the parameters OWASP names).
pub fn hash_password(password: &str) -> Result<String, NoDice> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    Ok(hashed.map_err(|error| NoDice(error.to_string()))?.to_string())
}

/// A hash that no password has: who is unknown is to cost what who is known costs (A7).
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let password = token().unwrap_or_default();
    hash_password(&password).unwrap_or_default()
});

/// Makes the hash of nobody now, so that the first unknown name does not take longer than the next.
pub fn prepare() {
    LazyLock::force(&NOBODY);
}

/// Is it the password? Without a hash, as much work is done, and it is not.
pub fn is_password(password: &str, phc: Option<&str>) -> bool {
    let Ok(parsed) = PasswordHash::new(phc.unwrap_or(&NOBODY)) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && phc.is_some()
}

/// A new secret for an authenticator.
pub fn totp_secret() -> Result<Vec<u8>, NoDice> {
    Ok(random::<TOTP_BYTES>()?.to_vec())
}

/// The secret as it is typed into an authenticator.
pub fn totp_text(secret: &[u8]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// The secret as it was shown; `None` if it is none.
pub fn read_totp_text(text: &str) -> Option<Vec<u8>> {
    BASE32_NOPAD.decode(text.as_bytes()).ok().filter(|secret| secret.len() == TOTP_BYTES)
}

/// The code of a time step (RFC 4226 §5.3), six digits.
fn code_of(secret: &[u8], step: u64) -> u32 {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return u32::MAX };
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0xf);
    let bytes = [digest[offset] & 0x7f, digest[offset + 1], digest[offset + 2], digest[offset + 3]];
    u32::from_be_bytes(bytes) % 1_000_000
}

/// The step of which this is the code, if it is of one now, or nearly, that is after `last`.
pub fn totp_step(secret: &[u8], code: &str, now: UnixMicros, last: u64) -> Option<u64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let present = now.seconds() / STEP_S;
    let steps = (present - DRIFT..=present + DRIFT).filter_map(|step| u64::try_from(step).ok());
    let is_code = |step: &u64| is_same(&format!("{:06}", code_of(secret, *step)), &digits);
    steps.filter(|step| *step > last).rfind(is_code)
}

/// Codes for the day when the authenticator is lost: ten letters and digits in two groups, 50 bits each.
pub fn recovery_codes() -> Result<Vec<String>, NoDice> {
    let one = || {
        let text = BASE32_NOPAD.encode(&random::<7>()?).to_lowercase();
        Ok(format!("{}-{}", &text[..5], &text[5..10]))
    };
    (0..RECOVERY_CODES).map(|_| one()).collect()
}

/// What is kept of a recovery code, however it was typed.
pub fn hash_recovery(code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hash(&plain.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, its last six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        fn check(seconds: i64, code: &str) {
            let secret = b"12345678901234567890";
            let now = UnixMicros::from_seconds(seconds);
            let step = u64::try_from(seconds / 30).ok();
            assert_eq!(totp_step(secret, code, now, 0), step, "{seconds}");
        }
        check(59, "287082");
        check(1_111_111_109, "081804");
        check(1_111_111_111, "050471");
        check(1_234_567_890, "005924");
        check(2_000_000_000, "279037");
        check(20_000_000_000, "353130");
    }

    #[test]
    fn a_code_is_taken_once_and_not_long_after() {
        fn check(code: &str, at: i64, last: u64, want: Option<u64>) {
            let found =
                totp_step(b"12345678901234567890", code, UnixMicros::from_seconds(at), last);
            assert_eq!(found, want, "{code} at {at} after {last}");
        }
        let step = 1_111_111_109 / 30;
        check("081804", 1_111_111_109, step - 1, Some(step));
        check(" 081 804 ", 1_111_111_109, 0, Some(step));
        check("081804", 1_111_111_109, step, None);
        check("081804", 1_111_111_109 + 30, 0, Some(step));
        check("081804", 1_111_111_109 + 60, 0, None);
        check("081804", 1_111_111_109 - 60, 0, None);
        check("81804", 1_111_111_109, 0, None);
        check("", 1_111_111_109, 0, None);
    }

    #[test]
    fn passwords_are_told_from_others_and_nobody_has_one() {
        let phc = hash_password("correct horse battery").expect("dice");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(is_password("correct horse battery", Some(&phc)));
        assert!(!is_password("correct horse batterz", Some(&phc)));
        assert!(!is_password("correct horse battery", None));
        assert!(!is_password("", None));
        assert!(!is_password("x", Some("no hash")));
    }

    #[test]
    fn recovery_codes_differ_and_are_read_as_people_type_them() {
        let codes = recovery_codes().expect("dice");
        let distinct: std::collections::BTreeSet<&String> = codes.iter().collect();
        assert_eq!((codes.len(), distinct.len()), (RECOVERY_CODES, RECOVERY_CODES));
        let typed = codes[0].to_uppercase().replace('-', " ");
        assert_eq!(hash_recovery(&typed), hash_recovery(&codes[0]));
    }
}
