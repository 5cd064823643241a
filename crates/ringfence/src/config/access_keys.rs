//! The keys of `[access]`. Lives here: name, help, how each is read and shown. Never here: what they do.

use super::Raw;
use super::controls::network;
use super::readers::path;
use super::schema::{Key, key, list_key, number_key};

/// A number of some unit, kept in milliseconds.
macro_rules! time_key {
    ($name:literal, $help:literal, $least:literal..=$most:literal, $unit_ms:literal, $($field:ident).+) => {
        key("access", $name, $help,
            |c, raw| raw.number($least, $most).map(|value| c.$($field).+ = value as u64 * $unit_ms),
            |c| Raw::bare(c.$($field).+ / $unit_ms))
    };
}

/// Its keys: log-ins, then who is heard at all.
pub(super) fn access_keys() -> Vec<Key> {
    let mut keys = log_in_keys();
    keys.extend(stranger_keys());
    keys
}

fn log_in_keys() -> Vec<Key> {
    vec![
        key(
            "access",
            "country_files",
            "CSV tables `first,last,COUNTRY` that say where addresses are",
            |c, raw| raw.list(path).map(|files| c.country_files = files),
            |c| Raw::words(c.country_files.iter().map(|file| file.display().to_string())),
        ),
        key(
            "access",
            "network_files",
            "CSV tables `first,last,AS-NUMBER` that say whose addresses are",
            |c, raw| raw.list(path).map(|files| c.network_files = files),
            |c| Raw::words(c.network_files.iter().map(|file| file.display().to_string())),
        ),
        number_key!(
            "access",
            "failures",
            "failed log-ins of one user name from one source that lock it out",
            1..=100,
            log_ins.source_user.failures
        ),
        time_key!(
            "failures_within_min",
            "minutes in which they count",
            1..=1_440,
            60_000,
            log_ins.source_user.window_ms
        ),
        number_key!(
            "access",
            "failures_per_source",
            "failed log-ins an hour from one source over all user names that lock it out",
            1..=10_000,
            log_ins.source.failures
        ),
        number_key!(
            "access",
            "failures_per_user",
            "failed log-ins a day of one user name over all sources: then known devices only",
            1..=10_000,
            log_ins.user.failures
        ),
        time_key!(
            "first_lock_min",
            "minutes of a first lock-out; each that follows within a day is twice as long",
            1..=1_440,
            60_000,
            log_ins.first_lock_ms
        ),
        time_key!(
            "longest_lock_h",
            "hours of the longest lock-out",
            1..=168,
            3_600_000,
            log_ins.longest_lock_ms
        ),
        time_key!(
            "known_days",
            "days for which a device is known after it showed a right password",
            1..=365,
            86_400_000,
            log_ins.known_ms
        ),
        time_key!(
            "new_device_h",
            "hours for which a device is new, and may spend little",
            1..=720,
            3_600_000,
            log_ins.season_ms
        ),
        time_key!(
            "stale_digest_s",
            "seconds for which phones with a changed password are gathered, to be named together",
            1..=86_400,
            1_000,
            log_ins.stale_digest_ms
        ),
    ]
}

fn stranger_keys() -> Vec<Key> {
    vec![
        list_key!(
            "access",
            "allow",
            "networks that are never banned, nor held to a rate",
            network,
            access.allow
        ),
        number_key!(
            "access",
            "stranger_rate",
            "messages a second heard from an address where nobody has logged in",
            1..=1_000_000,
            access.stranger_rate
        ),
        number_key!(
            "access",
            "stranger_burst",
            "messages at once heard from such an address",
            1..=1_000_000,
            access.stranger_burst
        ),
    ]
}
