//! Secrets that people chose. Lives here: whether one will do, and what is said when it will not.
//! Never here: making secrets (engine), keeping them.

use std::fmt;

use types::E164;
use zxcvbn::zxcvbn;

/// Shorter ones are refused whatever they are.
const SHORTEST: usize = 12;
/// Longer ones are refused: phones cut them, each in its own way.
const LONGEST: usize = 128;
/// Guesses of somebody who knows how people choose: at a thousand a second, 30 years.
const LEAST_GUESSES: u64 = 1_000_000_000_000;
/// Letters and digits that a secret has besides its owner's own words: the estimate takes the third
/// and fourth of them for a surprise.
const LEAST_OTHERS: usize = 8;

/// What a guesser tries first: names and numbers of whom the secret is for.
#[derive(Clone, Debug, Default)]
pub struct OwnWords(Vec<String>);

impl OwnWords {
    /// These names, and each word of them.
    pub fn of(names: &[&str]) -> OwnWords {
        let split = |name: &&str| {
            let words = name.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
            words.chain([name.to_lowercase()]).collect::<Vec<_>>()
        };
        let mut words: Vec<String> = names.iter().flat_map(split).collect();
        words.retain(|word| word.chars().count() > 1);
        words.sort();
        words.dedup();
        OwnWords(words)
    }

    /// And these numbers, as people write them.
    pub fn and(mut self, numbers: impl IntoIterator<Item = E164>) -> OwnWords {
        for number in numbers {
            let digits = number.value().to_string();
            for length in [6, 7, 8, 9, 10, 11] {
                let tail = digits.len().checked_sub(length).map(|from| &digits[from..]);
                self.0.extend(tail.map(str::to_owned));
                self.0.extend(tail.map(|tail| format!("0{tail}")));
            }
            self.0.push(digits);
        }
        self
    }
}

/// Why a chosen secret will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Phones cannot keep it, or it cannot be sent: never taken.
    Unusable(String),
    /// It can be guessed: taken only from who brings phones along that have it already.
    Weak(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unusable(why) => write!(f, "the secret cannot be used: {why}"),
            Fault::Weak(why) => write!(f, "the secret is too weak: {why}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Judges a chosen password of a web user: browsers send every character alike.
pub fn judge_password(password: &str, own: &OwnWords) -> Result<(), Fault> {
    if password.len() > LONGEST {
        return Err(Fault::Unusable("it is longer than 128 bytes".to_owned()));
    }
    strong(password, own)
}

/// Judges a chosen secret.
pub fn judge(secret: &str, own: &OwnWords) -> Result<(), Fault> {
    usable(secret).map_err(|why| Fault::Unusable(why.to_owned()))?;
    strong(secret, own)
}

fn strong(secret: &str, own: &OwnWords) -> Result<(), Fault> {
    let length = secret.chars().count();
    if length < SHORTEST {
        let why = format!("{length} characters, expected at least {SHORTEST}");
        return Err(Fault::Weak(why));
    }
    if others(secret, own) < LEAST_OTHERS {
        let why = "it is little more than names and numbers of the account. Add uncommon words.";
        return Err(Fault::Weak(why.to_owned()));
    }
    let own: Vec<&str> = own.0.iter().map(String::as_str).collect();
    let estimate = zxcvbn(secret, &own);
    if estimate.guesses() >= LEAST_GUESSES {
        return Ok(());
    }
    let mut why = format!("about 10^{:.0} guesses find it", estimate.guesses_log10().floor());
    let feedback = estimate.feedback();
    if let Some(warning) = feedback.and_then(|feedback| feedback.warning()) {
        why.push_str(&format!(". {warning}"));
    }
    let advice = feedback.map_or(&[][..], |feedback| feedback.suggestions());
    for suggestion in advice {
        why.push_str(&format!(" {suggestion}"));
    }
    if advice.is_empty() {
        why.push_str(". Add a word or two, or let ringfence make one.");
    }
    Err(Fault::Weak(why))
}

/// Letters and digits that belong to none of the own words.
fn others(secret: &str, own: &OwnWords) -> usize {
    let mut words: Vec<&String> = own.0.iter().filter(|word| word.len() > 2).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = zeroize::Zeroizing::new(secret.to_lowercase());
    for word in words {
        *rest = rest.replace(word.as_str(), " ");
    }
    rest.chars().filter(|c| c.is_alphanumeric()).count()
}

/// What every phone can keep: one line of ASCII without quotes.
fn usable(secret: &str) -> Result<(), &'static str> {
    if secret.is_empty() {
        return Err("it is empty");
    }
    if secret.len() > LONGEST {
        return Err("it is longer than 128 characters");
    }
    if secret.chars().any(char::is_control) {
        return Err("it holds a control character");
    }
    if !secret.is_ascii() {
        return Err("phones differ in how they send other characters than ASCII");
    }
    if secret.contains(['"', '\'', '`', '\\']) {
        return Err("many phones choke on quotes and backslashes");
    }
    if secret.trim() != secret {
        return Err("phones drop spaces at its ends");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnWords {
        OwnWords::of(&["alice.desk", "Bakery Wimbledon Ltd", "voip.example.com"])
            .and(["+442079460123".parse().expect("a number")])
    }

    #[test]
    fn strong_secrets_pass() {
        for secret in [
            "lusab-babad-gutih-tugad-dobud",
            "correct horse battery staple orange",
            "x9$Kq!vZ2m#Tp7",
            "fadol jijit vofob rutus",
        ] {
            assert_eq!(judge(secret, &own()), Ok(()), "{secret}");
        }
    }

    #[test]
    fn what_we_make_passes() {
        for form in [engine::SecretForm::Type, engine::SecretForm::Say] {
            let mut dice = types::Dice::simulated(5, 5);
            for _ in 0..200 {
                let made = engine::MadeSecret::draw(form, &mut dice);
                assert_eq!(judge(made.text(), &own()), Ok(()), "{}", made.text());
            }
        }
    }

    #[test]
    fn weak_secrets_are_refused_with_the_reason() {
        fn check(secret: &str, want: &str) {
            match judge(secret, &own()) {
                Err(Fault::Weak(why)) => assert!(why.contains(want), "{secret}: {why}"),
                other => panic!("{secret}: {other:?}"),
            }
        }
        check("sesame", "6 characters, expected at least 12");
        check("x9$Kq!vZ2m#", "11 characters, expected at least 12");
        check("password1234", "This is a very common password.");
        check("aaaaaaaaaaaaaaaa", "Repeats like \"aaa\" are easy to guess.");
        check("qwertyuiopasdf", "This is similar to a commonly used password.");
        check("123456789012", "10^");
        check("abcdefghijklmn", "Sequences like abc or 6543 are easy to guess.");
        // Its own words: none of these is in a list of passwords.
        let own_words = "it is little more than names and numbers of the account";
        check("alice.desk2024", own_words);
        check("Wimbledon-Bakery-1", own_words);
        check("02079460123442", own_words);
        check("voip.example.com1", own_words);
        check("alice.desk.alice.desk.alice", own_words);
    }

    /// The same secret is good for somebody whose words these are not.
    #[test]
    fn own_words_count() {
        let secret = "zyxgorp fnarblequux";
        assert_eq!(judge(secret, &OwnWords::default()), Ok(()));
        // By the estimate, and by what is left of it.
        for own in [&["zyxgorp fnarblequux"][..], &["Zyxgorp", "fnarble-quux"]] {
            assert!(matches!(judge(secret, &OwnWords::of(own)), Err(Fault::Weak(_))), "{own:?}");
        }
    }

    #[test]
    fn what_phones_choke_on_is_refused() {
        fn check(secret: &str, want: &str) {
            assert_eq!(judge(secret, &own()), Err(Fault::Unusable(want.to_owned())), "{secret:?}");
        }
        check("", "it is empty");
        check(&"x9$Kq!vZ2m#Tp7".repeat(10), "it is longer than 128 characters");
        check("x9$Kq!vZ\t2m#Tp7", "it holds a control character");
        check("x9$Kq!vZ\u{7f}2m#Tp7", "it holds a control character");
        check("x9$Kq!vZ2mäTp7", "phones differ in how they send other characters than ASCII");
        for quote in ['"', '\'', '`', '\\'] {
            let secret = format!("x9$Kq!vZ{quote}2m#Tp7");
            check(&secret, "many phones choke on quotes and backslashes");
        }
        check(" x9$Kq!vZ2m#Tp7", "phones drop spaces at its ends");
    }
}
