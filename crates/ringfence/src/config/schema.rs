//! Every key of the configuration. Lives here: one row per key: name, help, how it is read and
//! shown. Never here: files, the environment, what a setting does.

use std::path::PathBuf;

use types::Controls;

use super::access_keys::access_keys;
use super::alert_keys::alert_keys;
use super::controls::{CONTROL_KEYS, network};
use super::levels::{LEVEL_KEYS, LevelKey};
use super::raw::Raw;
use super::readers::{
    code, currency, data_dir, digest, digest_names, digits, host, key_file, listen, log_level,
    origin, path, realm,
};
use super::{Config, ListenAddress, LogFormat};

/// Reads a value into the configuration.
type Setter = Box<dyn Fn(&mut Config, &Raw) -> Result<(), String>>;
/// Shows the value in force.
type Shower = Box<dyn Fn(&Config) -> Raw>;

/// One key.
pub struct Key {
    /// Section as in the file: `sip`, `defaults.pbx`.
    pub section: &'static str,
    /// Name within the section.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Reads a value.
    pub set: Setter,
    /// Shows the value in force.
    pub show: Shower,
}

impl Key {
    /// `sip.listen`
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// `RINGFENCE_SIP__LISTEN`
    pub fn variable(&self) -> String {
        let path = self.path().to_ascii_uppercase().replace('.', "__");
        format!("RINGFENCE_{path}")
    }
}

/// A list of words, each read alike.
macro_rules! list_key {
    ($section:literal, $name:literal, $help:literal, $read:expr, $($field:ident).+) => {
        key($section, $name, $help,
            |c, raw| raw.list($read).map(|list| c.$($field).+ = list),
            |c| Raw::words(&c.$($field).+))
    };
}
pub(super) use list_key;

/// All keys, in the order of the file.
pub fn keys() -> Vec<Key> {
    let mut keys = vec![
        key(
            "node",
            "data_dir",
            "directory of database, journal, lock and control socket",
            data_dir,
            |c| Raw::of(c.data_dir.display()),
        ),
        key(
            "node",
            "key_file",
            "keys that seal passwords; none: ringfence.key in the data directory",
            key_file,
            |c| Raw::maybe(c.key_file.as_ref().map(|path| path.display())),
        ),
        key(
            "node",
            "realm",
            "realm of SIP log-ins; part of every secret's verifier: never change it",
            realm,
            |c| Raw::of(&c.realm),
        ),
        list_key!(
            "node",
            "domains",
            "hosts that are ours; empty: realm and listeners' addresses",
            host,
            domains
        ),
    ];
    keys.extend(sip_keys());
    keys.extend(tls_keys());
    keys.extend(web_keys());
    keys.extend(platform_keys());
    keys.extend(level_keys());
    keys.extend(money_keys());
    keys.extend(control_keys("defaults.residential", |c| &mut c.residential, |c| &c.residential));
    keys.extend(control_keys("defaults.pbx", |c| &mut c.pbx, |c| &c.pbx));
    keys.extend(control_keys(
        "controls.self_service_ceiling",
        |c| &mut c.self_service,
        |c| &c.self_service,
    ));
    keys.extend(log_keys());
    keys.extend(access_keys());
    keys.extend(limit_keys());
    keys.extend(alert_keys());
    keys
}

pub(super) fn key(
    section: &'static str,
    name: &'static str,
    help: &'static str,
    set: impl Fn(&mut Config, &Raw) -> Result<(), String> + 'static,
    show: impl Fn(&Config) -> Raw + 'static,
) -> Key {
    Key { section, name, help, set: Box::new(set), show: Box::new(show) }
}

macro_rules! number_key {
    ($section:literal, $name:literal, $help:literal, $least:literal..=$most:literal, $($field:ident).+) => {
        key($section, $name, $help,
            |c, raw| raw.number($least, $most).map(|value| c.$($field).+ = value as _),
            |c| Raw::bare(c.$($field).+))
    };
}
pub(super) use number_key;

fn web_keys() -> Vec<Key> {
    vec![
        key(
            "web",
            "listen",
            "ADDRESS:PORT of the pages, without TLS: a proxy in front has it; none: no pages",
            |c, raw| raw.optional(Raw::parse).map(|address| c.web_listen = address),
            |c| Raw::maybe(c.web_listen),
        ),
        key(
            "web",
            "url",
            "the pages as people type their address, or none: only on this machine",
            |c, raw| raw.optional(origin).map(|url| c.web_url = url),
            |c| Raw::maybe(c.web_url.as_ref()),
        ),
        list_key!(
            "web",
            "proxies",
            "networks of proxies whose X-Forwarded-For is believed",
            network,
            web_proxies
        ),
        key(
            "web",
            "look_at_private",
            "may the check-up look at phones in private networks and on this machine",
            |c, raw| raw.flag().map(|flag| c.web_look_at_private = flag),
            |c| Raw::Flag(c.web_look_at_private),
        ),
        number_key!(
            "web",
            "token_rate",
            "requests a second that a token of a program may make; twelve times as many at once",
            1..=1_000,
            token_rate
        ),
    ]
}

fn sip_keys() -> Vec<Key> {
    vec![
        key(
            "sip",
            "listen",
            "sockets: udp:, tcp:, tls: or wss: and ADDRESS:PORT; the last two need [tls]",
            listen,
            |c| Raw::words(c.listen.iter().map(ListenAddress::to_string)),
        ),
        key(
            "sip",
            "advertise",
            "address put into Via and Contact, or none",
            |c, raw| raw.optional(Raw::parse).map(|address| c.advertise = address),
            |c| Raw::maybe(c.advertise),
        ),
        key(
            "sip",
            "digest",
            "log-in algorithms offered, the preferred first: sha-256, md5",
            digest,
            |c| Raw::words(digest_names(c)),
        ),
        number_key!(
            "sip",
            "session_expires_s",
            "session interval asked for (RFC 4028)",
            90..=86_400,
            session_expires_s
        ),
        number_key!(
            "sip",
            "trunk_silence_ms",
            "a trunk that says nothing for so long is passed over",
            500..=60_000,
            trunk_silence_ms
        ),
        number_key!("sip", "ring_s", "longest time a phone rings", 10..=600, ring_s),
    ]
}

fn tls_keys() -> Vec<Key> {
    let file = |name,
                help,
                write: fn(&mut Config) -> &mut Option<PathBuf>,
                read: fn(&Config) -> &Option<PathBuf>| {
        key(
            "tls",
            name,
            help,
            move |c, raw| raw.optional(path).map(|path| *write(c) = path),
            move |c| Raw::maybe(read(c).as_ref().map(|path| path.display())),
        )
    };
    vec![
        file(
            "certificate",
            "PEM file of our certificate and what it is signed by, or none; read again when it changes",
            |c| &mut c.tls_certificate,
            |c| &c.tls_certificate,
        ),
        file(
            "key",
            "PEM file of the certificate's key, or none",
            |c| &mut c.tls_key,
            |c| &c.tls_key,
        ),
        file(
            "trunk_ca",
            "PEM file of authorities that vouch for trunks, or none: the system's",
            |c| &mut c.tls_trunk_ca,
            |c| &c.tls_trunk_ca,
        ),
        list_key!(
            "wss",
            "origins",
            "pages that may open a WebSocket, like https://phone.example.com; empty: all",
            origin,
            wss_origins
        ),
    ]
}

fn platform_keys() -> Vec<Key> {
    vec![
        key(
            "platform",
            "home",
            "home country: two letters",
            |c, raw| raw.parse().map(|home| c.home = home),
            |c| Raw::of(c.home),
        ),
        key(
            "platform",
            "currency",
            "name of the one currency of decks, levels and charges",
            currency,
            |c| Raw::of(&c.currency),
        ),
        list_key!(
            "platform",
            "emergency",
            "emergency codes as dialled, besides those of the home country",
            digits,
            numbering.emergency
        ),
        list_key!(
            "platform",
            "support",
            "the provider's own support numbers, always free and open",
            code,
            numbering.support
        ),
        list_key!(
            "platform",
            "hotspots",
            "number prefixes that international fraud prefers",
            digits,
            numbering.hotspots
        ),
        list_key!(
            "platform",
            "bank_holidays",
            "days that are off hours all day: 2026-12-25",
            Raw::plain,
            off_hours.bank_holidays
        ),
        number_key!(
            "platform",
            "off_hours_from_h",
            "hour in which nights begin on weekdays",
            0..=24,
            off_hours.weekday_from_h
        ),
        number_key!(
            "platform",
            "off_hours_to_h",
            "hour in which nights end on weekdays",
            0..=24,
            off_hours.weekday_to_h
        ),
        key(
            "platform",
            "off_hours_weekends",
            "are Saturdays and Sundays off hours",
            |c, raw| raw.flag().map(|flag| c.off_hours.weekends = flag),
            |c| Raw::Flag(c.off_hours.weekends),
        ),
    ]
}

fn money_keys() -> Vec<Key> {
    vec![
        number_key!(
            "money",
            "first_slice_s",
            "talk time held before a call goes out",
            1..=3_600,
            first_slice_s
        ),
        number_key!("money", "slice_s", "talk time held by each renewal", 1..=3_600, slice_s),
        number_key!(
            "money",
            "extend_lead_s",
            "how long before the end of a slice the next is asked for",
            1..=600,
            extend_lead_s
        ),
    ]
}

fn control_keys(
    section: &'static str,
    write: fn(&mut Config) -> &mut Controls,
    read: fn(&Config) -> &Controls,
) -> Vec<Key> {
    let one = |control: &'static super::controls::ControlKey| {
        key(
            section,
            control.name,
            control.help,
            move |c, raw| (control.set)(write(c), raw),
            move |c| (control.show)(read(c)),
        )
    };
    CONTROL_KEYS.iter().map(one).collect()
}

fn level_keys() -> Vec<Key> {
    let one = |level: &'static LevelKey| {
        key(
            "platform",
            level.name,
            level.help,
            move |c, raw| (level.set)(&mut c.platform, raw),
            move |c| (level.show)(&c.platform),
        )
    };
    LEVEL_KEYS.iter().map(one).collect()
}

fn log_keys() -> Vec<Key> {
    vec![
        key(
            "log",
            "format",
            "text or json",
            |c, raw| {
                c.log_format = match raw.text()? {
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    other => return Err(format!("expected text or json, found `{other}`")),
                };
                Ok(())
            },
            |c| Raw::of(if c.log_format == LogFormat::Json { "json" } else { "text" }),
        ),
        key("log", "level", "error, warn, info, debug or trace", log_level, |c| {
            Raw::of(&c.log_level)
        }),
    ]
}

fn limit_keys() -> Vec<Key> {
    vec![
        number_key!("limits", "calls", "calls at once on this node", 1..=10_000_000, limits.calls),
        number_key!(
            "limits",
            "transactions",
            "SIP transactions at once",
            100..=100_000_000,
            limits.transactions
        ),
        number_key!(
            "limits",
            "tcp_connections",
            "stream connections at once: TCP, TLS and WSS",
            1..=1_000_000,
            limits.tcp_connections
        ),
        number_key!(
            "limits",
            "tcp_connections_per_address",
            "stream connections at once from one address",
            1..=1_000_000,
            limits.tcp_connections_per_address
        ),
        number_key!(
            "limits",
            "udp_receive_buffer",
            "bytes of datagrams the kernel may keep for us",
            65_536..=1_073_741_824,
            limits.udp_receive_buffer
        ),
        number_key!(
            "limits",
            "stop_wait_s",
            "how long a graceful stop waits for calls to end",
            0..=86_400,
            limits.stop_wait_s
        ),
    ]
}
