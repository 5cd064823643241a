//! Randomness of the operating system. Lives here: keys of a node, secrets for phones.
//! Never here: keeping them.

use anyhow::Context;
use edge::Secrets;
use engine::{MadeSecret, SecretForm};
use types::{Dice, HashKey};
use zeroize::Zeroizing;

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("no randomness")?;
    Ok(bytes)
}

/// Keys of a node: fresh at each start, so that nonces of an earlier run are worth nothing (A3).
pub fn node_secrets() -> anyhow::Result<Secrets> {
    Ok(Secrets { nonce: random()?, tokens: random()?, hash: hash_key()? })
}

/// A key of hash maps.
pub fn hash_key() -> anyhow::Result<HashKey> {
    Ok(HashKey(u64::from_le_bytes(random()?), u64::from_le_bytes(random()?)))
}

/// A secret for a phone, of dice that are seeded for it alone.
pub fn make_secret(form: SecretForm) -> anyhow::Result<MadeSecret> {
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
    Ok(MadeSecret::draw(form, &mut Dice::from_seed(*seed)))
}
