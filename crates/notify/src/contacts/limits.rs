//! What bounds a holder who changes contacts. Lives here: what needs fresh proof, how many codes are sent. Never here: staff,
//! who look at what they do.

use std::collections::BTreeSet;

use store::AlertReader;
use types::{Contact, EventClass, Millis, Proof, UnixMicros};

use super::ContactError;

/// Codes are counted for so long.
const DAY_MS: Millis = 86_400_000;
/// Codes that one account has sent in it.
const OF_ACCOUNT: usize = 10;
/// Codes that one address is sent in it, whoever asks: nobody is flooded from here.
const TO_ADDRESS: usize = 3;

/// May a holder let a contact stand so from now on?
pub fn check(
    contact: &Contact,
    proof: Proof,
    now: UnixMicros,
    books: &dyn AlertReader,
) -> Result<(), ContactError> {
    let before = books.contact_history(contact.id)?.into_iter().next();
    if let Some(before) = before
        && proof != Proof::Fresh
        && is_riskier(&before.contact, contact)
    {
        return Err(ContactError::NeedsProof);
    }
    if sends_code(contact) { check_codes(contact, now, books) } else { Ok(()) }
}

/// Is less told than before, later, or to somebody else?
fn is_riskier(before: &Contact, after: &Contact) -> bool {
    let is_less =
        |classes: &BTreeSet<EventClass>, of: &BTreeSet<EventClass>| !of.is_subset(classes);
    before.is_told()
        && ((after.is_removed, after.is_on) != (false, true)
            || before.channel != after.channel
            || is_less(&after.classes, &before.classes)
            || (after.quiet.is_some() && after.quiet != before.quiet)
            || after.order > before.order
            || after.wait_ms > before.wait_ms
            || after.secret_version != before.secret_version)
}

/// Each entry that is not confirmed sends its contact a code.
fn sends_code(contact: &Contact) -> bool {
    contact.confirmed.is_none() && contact.is_on && !contact.is_removed
}

fn check_codes(
    contact: &Contact,
    now: UnixMicros,
    books: &dyn AlertReader,
) -> Result<(), ContactError> {
    let since = UnixMicros(now.0.saturating_sub((DAY_MS * 1_000).cast_signed()));
    let sent = books.contact_entries_since(since)?;
    let sent: Vec<&Contact> =
        sent.iter().map(|entry| &entry.contact).filter(|contact| sends_code(contact)).collect();
    let address = |contact: &Contact| contact.channel.shown().to_lowercase();
    if sent.iter().filter(|one| one.account == contact.account).count() >= OF_ACCOUNT {
        let why =
            format!("{OF_ACCOUNT} codes were sent in the last 24 hours: no more are, for now");
        return Err(ContactError::Not(why));
    }
    if sent.iter().filter(|one| address(one) == address(contact)).count() >= TO_ADDRESS {
        let why = format!(
            "{} was sent {TO_ADDRESS} codes in the last 24 hours: type the newest one, or wait",
            contact.channel.shown()
        );
        return Err(ContactError::Not(why));
    }
    Ok(())
}
