//! Secrets as they could lie in a file. Lives here: every form of a secret, looking for them.
//! Never here: where secrets come from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::digest::{Algorithm, hex};

/// Secrets with their names; nothing of them may be found.
#[derive(Default)]
pub struct Canaries(Vec<(String, Vec<u8>)>);

impl Canaries {
    /// Plants something of this name.
    pub fn plant(&mut self, name: &str, secret: &[u8]) {
        self.0.push((name.to_owned(), secret.to_vec()));
    }

    /// Plants a line's secret, and its verifiers.
    pub fn plant_line(&mut self, user: &str, secret: &str) -> Result<()> {
        self.plant(&format!("secret of {user}"), secret.as_bytes());
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let verifier = unhex(&algorithm.hash(&[user, "example.com", secret]))?;
            self.plant(&format!("{} verifier of {user}", algorithm.name()), &verifier);
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Every form of every one.
    pub fn forms(&self) -> Vec<(String, Vec<u8>)> {
        let of = |(name, secret): &(String, Vec<u8>)| {
            let name = name.clone();
            forms(secret).into_iter().map(move |(form, bytes)| (format!("{name}, {form}"), bytes))
        };
        self.0.iter().flat_map(of).collect()
    }

    /// Where any of them lies: file and form. Files named in `but` are left out.
    pub fn find(&self, directory: &Path, but: &[&str]) -> Result<BTreeSet<(PathBuf, String)>> {
        let forms = self.forms();
        let mut found = BTreeSet::new();
        for path in files(directory)? {
            if but.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            let hits = forms.iter().filter(|(_, form)| contains(&bytes, form));
            found.extend(hits.map(|(form, _)| (path.clone(), form.clone())));
        }
        Ok(found)
    }
}

/// Raw, hexadecimal, base64 wherever it begins in a longer text, and as an array of numbers.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hexadecimal = hex(secret);
    let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
    let mut forms = vec![
        ("raw", secret.to_vec()),
        ("hex", hexadecimal.clone().into_bytes()),
        ("HEX", hexadecimal.to_uppercase().into_bytes()),
        ("numbers", numbers.join(",").into_bytes()),
        ("numbers with spaces", numbers.join(", ").into_bytes()),
    ];
    for before in 0..3 {
        // What the bytes before and after do not change.
        let text = base64(&[&vec![0; before], secret].concat());
        let sure = (before * 8).div_ceil(6)..((before + secret.len()) * 8) / 6;
        forms.push(("base64", text[sure.clone()].to_vec()));
        let url = text[sure].iter().map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        forms.push(("base64url", url.collect()));
    }
    forms
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextet = |at: usize| {
        let bit = |index: usize| {
            let byte = bytes.get(index / 8).copied().unwrap_or(0);
            usize::from(byte >> (7 - index % 8) & 1)
        };
        LETTERS[(at * 6..at * 6 + 6).fold(0, |value, index| value << 1 | bit(index))]
    };
    (0..(bytes.len() * 8).div_ceil(6)).map(sextet).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && memchr::memmem::find(bytes, part).is_some()
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16);
    Ok((0..text.len()).step_by(2).map(byte).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_usual_one() {
        // RFC 4648 §10, without padding.
        for (plain, want) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(String::from_utf8_lossy(&base64(plain.as_bytes())), want);
        }
    }

    #[test]
    fn a_secret_is_found_wherever_it_lies_in_a_longer_one() {
        for before in 0..5 {
            let long = [&vec![b'x'; before][..], b"canary secret", b"tail"].concat();
            let text = base64(&long);
            let is_found = forms(b"canary secret").iter().any(|(_, form)| contains(&text, form));
            assert!(is_found, "after {before} bytes");
        }
        assert!(!contains(b"abc", b""));
        assert!(contains(b"aab", b"ab") && !contains(b"aab", b"abb"));
    }
}
