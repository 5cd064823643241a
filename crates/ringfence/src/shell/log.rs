//! Log lines. Lives here: their format, and the wrapper of numbers and addresses.
//! Never here: what is worth a line. No line is written for a packet.

use std::fmt;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

/// Something that tells who a person is: a number, an address, a user name. Shown as it is; wrapped,
/// so that a reader of the code sees where such things are written and one place can hide them all.
pub struct Pii<T>(pub T);

impl<T: fmt::Display> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // W3: control characters of strangers do not reach a terminal or another line.
        write!(f, "{}", self.0.to_string().escape_debug())
    }
}

/// Writes log lines to standard error from now on; under systemd without times, journald has them.
pub fn start(config: &Config) {
    let under_journald = std::env::var_os("JOURNAL_STREAM").is_some();
    let filter = EnvFilter::new(&config.log_level);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    let started = match (config.log_format, under_journald) {
        (LogFormat::Json, _) => {
            lines.json().flatten_event(true).with_timer(Utc).finish().try_init()
        }
        (LogFormat::Text, true) => lines.with_ansi(false).without_time().finish().try_init(),
        (LogFormat::Text, false) => lines.with_ansi(false).with_timer(Utc).finish().try_init(),
    };
    // Only a second call fails, and then lines are written already.
    drop(started);
}

struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, to: &mut tracing_subscriber::fmt::format::Writer<'_>) -> fmt::Result {
        write!(to, "{}", super::clock::system_wall())
    }
}
