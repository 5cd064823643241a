//! Is our certificate good, and for how long? Never here: reading it (shell::certificate).

use super::Found::{self, Good, Warning, Wrong};
use crate::config::Config;
use crate::shell::certificate::Certificate;
use crate::shell::clock::system_wall;

/// A certificate that ends this soon is worth a word: those that renew themselves do so before.
const SOON_MS: u64 = 14 * 24 * 3_600 * 1_000;

/// What there is to say about the certificate; `None` without one.
pub fn look(config: &Config) -> Option<Found> {
    let files = config.tls_files()?;
    let name = files.certificate.display();
    let now = system_wall();
    let renew = || format!("renew {name}; a running node notices by itself");
    Some(match Certificate::read(&files) {
        Err(error) => Wrong(format!("{error:#}"), "set tls.certificate and tls.key".to_owned()),
        Ok(certificate) => match certificate.complaint(now) {
            Some(complaint) => Wrong(format!("{name}: {complaint}"), renew()),
            None if certificate.until.0 < now.plus_ms(SOON_MS).0 => {
                Warning(format!("{name} ends at {}", certificate.until), renew())
            }
            None => Good(format!("{name} is good until {}", certificate.until)),
        },
    })
}
