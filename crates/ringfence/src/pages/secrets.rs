//! Passwords of lines, as the pages make them; who came in and who tried. Lives here: whose line it is, for whom the one
//! before goes on, what is in the log. Never here: how a password is made (engine), HTML.

use store::{FactFilter, Reader};
use types::{AccountId, DeviceState, Fact, LineId, LockScope, fact_text_with};
use web::{DeskError, Event, NewSecret, SecretDesk, SecretShape};
use zeroize::Zeroizing;

use super::desk::{NodeUsers, counted, down};
use crate::change::{Change, OverlapFor};
use crate::shell::secrets::make_secret;

/// Facts that are looked through for the log.
const LOOKED_THROUGH: u32 = 400;

impl SecretDesk for NodeUsers {
    fn new_secret(
        &self,
        account: AccountId,
        line: LineId,
        shape: SecretShape,
        overlap_ms: Option<u64>,
    ) -> Result<Option<NewSecret>, DeskError> {
        let (lines, devices) =
            self.read(|reader| Ok((reader.lines(Some(account))?, reader.devices(Some(account))?)))?;
        let Some(line) = lines.into_iter().find(|one| one.id == line) else { return Ok(None) };
        let form = match shape {
            SecretShape::Type => engine::SecretForm::Type,
            SecretShape::Say => engine::SecretForm::Say,
        };
        let made = make_secret(form).map_err(down)?;
        let known = devices
            .iter()
            .filter(|device| device.state == DeviceState::Known && device.lines.contains(&line.id));
        let known: Vec<_> = known.map(|device| device.id).collect();
        // Where strangers may know it, it goes on for nobody.
        let overlap_ms = overlap_ms.filter(|_| !line.wants_new_secret && !known.is_empty());
        let overlap = overlap_ms.map(|ms| OverlapFor { ms, devices: known });
        let ha1 = sip::digest::ha1(&line.user, &self.realm, made.text());
        self.change(Change::SetSecret { user: line.user.clone(), ha1, overlap })?;
        Ok(Some(NewSecret {
            user: line.user,
            text: Zeroizing::new(made.text().to_owned()),
            bits: made.bits(),
            domain: self.realm.clone(),
            old_until: overlap_ms.map(|ms| web::Desk::now(self).plus_ms(ms)),
        }))
    }

    fn access_log(&self, account: AccountId, limit: u32) -> Result<Vec<Event>, DeskError> {
        let (own, locks, lines, users) = self.read(|reader| {
            let own = FactFilter {
                account: Some(account),
                limit: LOOKED_THROUGH,
                ..FactFilter::default()
            };
            // Of somebody who guesses at the pages only the name tells whose they are.
            let kind = Some("locked-out".to_owned());
            let locks = FactFilter { kind, limit: LOOKED_THROUGH, ..FactFilter::default() };
            Ok((
                reader.facts(&own)?,
                reader.facts(&locks)?,
                reader.lines(Some(account))?,
                reader.web_users(Some(account))?,
            ))
        })?;
        let names: Vec<String> = users.iter().map(|user| counted(&user.name)).collect();
        let mut found = own;
        found.retain(|fact| is_about_access(&fact.fact));
        found.extend(locks.into_iter().filter(|fact| is_lock_of(&fact.fact, &names)));
        found.sort_by_key(|fact| std::cmp::Reverse(fact.seq));
        found.truncate(limit as usize);
        let name = |id: LineId| {
            let line = lines.iter().find(|line| line.id == id);
            line.map_or_else(|| id.to_string(), |line| line.user.clone())
        };
        let event = |fact: &store::StoredFact| Event {
            at: fact.at,
            words: fact_text_with(&fact.fact, &self.currency, &name),
        };
        Ok(found.iter().map(event).collect())
    }
}

fn is_about_access(fact: &Fact) -> bool {
    match fact {
        Fact::NewDevice { .. }
        | Fact::DeviceMoved { .. }
        | Fact::DeviceChanged { .. }
        | Fact::BannedDeviceTried { .. }
        | Fact::StaleSecrets { .. }
        | Fact::OldSecretLeaked { .. }
        | Fact::OutsideLock { .. }
        | Fact::LockedOut { .. }
        | Fact::LockLifted { .. } => true,
        Fact::AccountChanged { change, .. } => change.starts_with("web user "),
        Fact::LineChanged { change, .. } => change.contains("secret"),
        _ => false,
    }
}

/// Is somebody locked out of the pages under one of these names?
fn is_lock_of(fact: &Fact, names: &[String]) -> bool {
    let Fact::LockedOut { account: None, lock } = fact else { return false };
    match &lock.scope {
        LockScope::SourceUser { user, .. }
        | LockScope::Device { user, .. }
        | LockScope::User { user } => names.contains(user),
        LockScope::Source { .. } => false,
    }
}
