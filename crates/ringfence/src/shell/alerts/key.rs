//! The key that codes and secrets of webhooks are made from. Lives here: reading it, making it when it is first needed.
//! Never here: what is made from it (notify).

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use notify::Codes;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::shell::open::make_data_dir;
use crate::shell::secrets::random;

/// The codes; the key is made if there is none.
pub fn codes(config: &Config) -> anyhow::Result<Codes> {
    if let Some(codes) = existing_codes(config)? {
        return Ok(codes);
    }
    make_data_dir(config)?;
    let path = config.webhook_key();
    let key = Zeroizing::new(random::<32>()?);
    let text: Zeroizing<String> =
        Zeroizing::new(key.iter().map(|byte| format!("{byte:02x}")).collect());
    let named = || format!("cannot write {}", path.display());
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    match made {
        Ok(mut file) => {
            writeln!(file, "{}", text.as_str()).with_context(named)?;
            file.sync_all().with_context(named)?;
        }
        // Another process was first: its key counts.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(named),
    }
    existing_codes(config)?.with_context(named)
}

/// The codes, if there is a key.
fn existing_codes(config: &Config) -> anyhow::Result<Option<Codes>> {
    let path = config.webhook_key();
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    check_mode(&path)?;
    let digits = text.trim();
    let mut key = Zeroizing::new([0; 32]);
    let is_hex = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        bail!("{}:1: expected 64 hexadecimal digits", path.display());
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)?;
    }
    Ok(Some(Codes::new(*key)))
}

fn check_mode(path: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let shown = path.display();
        bail!("{shown} can be read by others (mode {mode:o}): chmod 600 {shown}");
    }
    Ok(())
}
