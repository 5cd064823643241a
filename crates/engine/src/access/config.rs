//! How much is forgiven, and for how long. Lives here: the limits of log-ins and their defaults.
//! Never here: files, the environment.

use types::Millis;

const MINUTE_MS: Millis = 60_000;
const HOUR_MS: Millis = 60 * MINUTE_MS;
const DAY_MS: Millis = 24 * HOUR_MS;

/// So many failures within so long are the end of patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Failed log-ins.
    pub failures: u16,
    /// Within this time.
    pub window_ms: Millis,
}

/// Limits of log-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessConfig {
    /// Of one user name from one source, and of one user name by whoever looks like one known device.
    pub source_user: Budget,
    /// From one source over all user names; each line that is known there adds one.
    pub source: Budget,
    /// Of one user name over all sources: then known devices only.
    pub user: Budget,
    /// How long the first lock-out lasts. Each one that follows within a day lasts twice as long.
    pub first_lock_ms: Millis,
    /// The longest lock-out.
    pub longest_lock_ms: Millis,
    /// A device is known for so long after it showed a right secret.
    pub known_ms: Millis,
    /// A new device may spend little for so long.
    pub season_ms: Millis,
    /// Phones that use a changed secret are named together: so long after the first.
    pub stale_digest_ms: Millis,
    /// And not again before.
    pub stale_again_ms: Millis,
    /// Failures that are counted at one time, by source and user name.
    pub max_counted: usize,
    /// Lock-outs in force at one time. Were there more, no stranger's log-in is looked at.
    pub max_locks: usize,
    /// Devices remembered of one line.
    pub devices_per_line: usize,
    /// Lock-outs written down in a second; the others wait.
    pub writes_per_s: usize,
}

impl Default for AccessConfig {
    fn default() -> AccessConfig {
        AccessConfig {
            source_user: Budget { failures: 5, window_ms: 15 * MINUTE_MS },
            source: Budget { failures: 30, window_ms: HOUR_MS },
            user: Budget { failures: 100, window_ms: DAY_MS },
            first_lock_ms: 15 * MINUTE_MS,
            longest_lock_ms: 12 * HOUR_MS,
            known_ms: 30 * DAY_MS,
            season_ms: DAY_MS,
            stale_digest_ms: 10 * MINUTE_MS,
            stale_again_ms: DAY_MS,
            max_counted: 400_000,
            max_locks: 100_000,
            devices_per_line: 64,
            writes_per_s: 100,
        }
    }
}
