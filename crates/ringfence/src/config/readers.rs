//! How values of single keys are read. Lives here: what each may be, and what is said when it is not.
//! Never here: which keys exist.

use std::net::SocketAddr;
use std::path::PathBuf;

use sip::flow::Transport;

use super::raw::Raw;
use super::{Config, ListenAddress};

pub fn data_dir(config: &mut Config, raw: &Raw) -> Result<(), String> {
    let text = raw.text()?;
    if text.is_empty() {
        return Err("expected a directory".to_owned());
    }
    config.data_dir = PathBuf::from(text);
    Ok(())
}

pub fn key_file(config: &mut Config, raw: &Raw) -> Result<(), String> {
    config.key_file = raw.optional(|raw| match raw.text()? {
        "" => Err("expected a file".to_owned()),
        text => Ok(PathBuf::from(text)),
    })?;
    Ok(())
}

pub fn realm(config: &mut Config, raw: &Raw) -> Result<(), String> {
    let text = raw.text()?;
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '<' | '>' | ',');
    if text.is_empty() || text.len() > 128 || !text.chars().all(is_plain) {
        return Err(format!(
            "`{}` is not a realm: expected a name like example.com",
            text.escape_debug()
        ));
    }
    config.realm = text.to_owned();
    Ok(())
}

pub fn path(raw: &Raw) -> Result<PathBuf, String> {
    match raw.text()? {
        "" => Err("expected a file".to_owned()),
        text => Ok(PathBuf::from(text)),
    }
}

/// RFC 6454 §6.2: scheme, host and port if it is not the usual one, as browsers send them.
pub fn origin(raw: &Raw) -> Result<String, String> {
    let text = raw.text()?.trim();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    match rest {
        Some(host) if !host.is_empty() && host.chars().all(is_host) => Ok(text.to_owned()),
        _ => Err(format!(
            "`{}` is not an origin: expected one like https://phone.example.com",
            text.escape_debug()
        )),
    }
}

pub fn host(raw: &Raw) -> Result<String, String> {
    let text = raw.text()?.trim();
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    if text.is_empty() || !text.chars().all(is_host) {
        return Err(format!("`{}` is not a host name or address", text.escape_debug()));
    }
    Ok(text.to_ascii_lowercase())
}

pub fn listen(config: &mut Config, raw: &Raw) -> Result<(), String> {
    let sockets = raw.list(Raw::parse::<ListenAddress>)?;
    if sockets.is_empty() {
        return Err("expected at least one socket, like udp:0.0.0.0:5060".to_owned());
    }
    let double = (1..sockets.len())
        .find(|&at| sockets[at].address.port() != 0 && sockets[..at].contains(&sockets[at]));
    if let Some(at) = double {
        return Err(format!("{} is there twice", sockets[at]));
    }
    config.listen = sockets;
    Ok(())
}

/// Some phones look at the first challenge only, and some give up when any is SHA-256.
pub fn digest(config: &mut Config, raw: &Raw) -> Result<(), String> {
    let names = raw.list(|item| item.text().map(str::to_ascii_lowercase))?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (sha256, md5, md5_first) = match names[..] {
        ["sha-256"] => (true, false, false),
        ["sha-256", "md5"] => (true, true, false),
        ["md5", "sha-256"] => (true, true, true),
        ["md5"] => (false, true, false),
        _ => {
            return Err(
                "expected [\"sha-256\", \"md5\"], the same the other way round, or one of them"
                    .to_owned(),
            );
        }
    };
    config.digest_sha256 = sha256;
    config.digest_md5 = md5;
    config.digest_md5_first = md5_first;
    Ok(())
}

pub fn digest_names(config: &Config) -> &'static [&'static str] {
    match (config.digest_md5, config.digest_md5_first) {
        _ if !config.digest_sha256 => &["md5"],
        (false, _) => &["sha-256"],
        (true, false) => &["sha-256", "md5"],
        (true, true) => &["md5", "sha-256"],
    }
}

pub fn currency(config: &mut Config, raw: &Raw) -> Result<(), String> {
    let text = raw.text()?;
    if text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!(
            "`{}` is not a currency: expected three capital letters like GBP",
            text.escape_debug()
        ));
    }
    config.currency = text.to_owned();
    Ok(())
}

pub fn digits(raw: &Raw) -> Result<String, String> {
    let text = raw.text()?.trim();
    if text.is_empty() || text.len() > 15 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{}` is not a row of 1 to 15 digits", text.escape_debug()));
    }
    Ok(text.to_owned())
}

pub fn code(raw: &Raw) -> Result<String, String> {
    let text = raw.text()?.trim();
    let plain = text.strip_prefix('+').unwrap_or(text).to_owned();
    digits(&Raw::Text(plain)).map(|_| text.to_owned())
}

pub fn log_level(config: &mut Config, raw: &Raw) -> Result<(), String> {
    let text = raw.text()?;
    tracing_subscriber::EnvFilter::try_new(text)
        .map_err(|error| format!("`{}` is not a log level: {error}", text.escape_debug()))?;
    config.log_level = text.to_owned();
    Ok(())
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<ListenAddress, String> {
        let wrong = || {
            format!(
                "`{text}` is not a socket: expected udp:, tcp:, tls: or wss: and ADDRESS:PORT, like udp:0.0.0.0:5060"
            )
        };
        let (transport, address) = text.split_once(':').ok_or_else(wrong)?;
        let is_named = |one: &Transport| one.name().eq_ignore_ascii_case(transport);
        let transport = Transport::ALL.into_iter().find(is_named).ok_or_else(wrong)?;
        let address: SocketAddr = address.parse().map_err(|_| wrong())?;
        Ok(ListenAddress { transport, address })
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.address)
    }
}
