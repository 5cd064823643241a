//! Lines. Lives here: adding one or many, changing one. Never here: secrets in clear.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use engine::{Command, Engine, LineChange, Overlap};
use serde_json::json;
use types::account::Ha1;
use types::{Account, AccountId, By, DeckId, Line, LineId, LineKind, UnixMicros};

use super::{
    Answer, LineSetting, NewAccount, NewLine, OverlapFor, Plan, account, find_line, next_id,
    no_account, pick_deck_or_only,
};
use crate::config::{Raw, levels};

pub fn add(
    new: Vec<NewLine>,
    template: Option<Box<NewAccount>>,
    engine: &Engine,
) -> anyhow::Result<Plan> {
    let mut additions = Additions::new(engine, template)?;
    let mut commands = Vec::new();
    let mut added = Vec::new();
    let mut accounts = 0;
    for line in new {
        let (account, made) = additions.account(&line.account)?;
        accounts += usize::from(made.is_some());
        commands.extend(made.map(Command::PutAccount));
        let consent = consent_note(line.kind == LineKind::Sip2sim, line.consent.as_deref())?;
        let notes = consent.into_iter().chain(line.note.clone());
        let line = additions.line(line, account)?;
        let id = line.id;
        added.push(json!({ "id": id, "user": line.user, "account": line.account }));
        commands.push(Command::PutLine(line));
        commands.extend(notes.map(|words| Command::NoteLine(id, words)));
    }
    let mut answer = json!({ "lines": added, "accounts_made": accounts });
    if added.len() != 1 || accounts > 0 {
        let words = format!("{} lines added, {accounts} accounts made", added.len());
        answer["message"] = words.into();
    }
    Ok(Plan { commands, answer: Answer(answer) })
}

/// What this change adds to what is there.
struct Additions<'e> {
    engine: &'e Engine,
    /// Accounts made.
    by_name: BTreeMap<String, AccountId>,
    /// Users made.
    users: BTreeMap<String, LineId>,
    next_account: AccountId,
    next_line: LineId,
    /// What missing accounts are made from, and their deck.
    template: Option<(Box<NewAccount>, DeckId)>,
}

impl<'e> Additions<'e> {
    fn new(engine: &'e Engine, template: Option<Box<NewAccount>>) -> anyhow::Result<Additions<'e>> {
        let template = match template {
            Some(new) => {
                let deck = pick_deck_or_only(engine.decks(), new.deck.as_deref())?;
                Some((new, deck))
            }
            None => None,
        };
        Ok(Additions {
            engine,
            by_name: BTreeMap::new(),
            users: BTreeMap::new(),
            next_account: account::next_account_id(engine),
            next_line: LineId(next_id(engine.lines().map(|line| line.id.0))),
            template,
        })
    }

    /// The account of this id or name, and its record if it had to be made.
    fn account(&mut self, text: &str) -> anyhow::Result<(AccountId, Option<Account>)> {
        let by_id = text.parse().ok().and_then(|id| self.engine.account(AccountId(id)));
        let known = by_id.or_else(|| self.engine.account_by_name(text)).map(|known| known.id);
        if let Some(id) = known.or_else(|| self.by_name.get(text).copied()) {
            return Ok((id, None));
        }
        let Some((template, deck)) = &self.template else {
            bail!(no_account(text));
        };
        let new = NewAccount { name: text.to_owned(), ..(**template).clone() };
        let made = account::from_new(new, self.next_account, *deck)?;
        self.next_account.0 += 1;
        self.by_name.insert(made.name.clone(), made.id);
        Ok((made.id, Some(made)))
    }

    fn line(&mut self, new: NewLine, account: AccountId) -> anyhow::Result<Line> {
        let id = self.next_line;
        let is_known = self.engine.any_line_by_user(&new.user).is_some();
        if is_known || self.users.insert(new.user.clone(), id).is_some() {
            bail!("there is a line `{}` already", new.user);
        }
        self.next_line.0 += 1;
        let line = Line::new(id, account, new.user, new.ha1, UnixMicros(0));
        Ok(Line { caller_id: new.caller_id, kind: new.kind, ip_lock: new.ip_lock, ..line })
    }
}

pub fn set(
    user: &str,
    settings: Vec<LineSetting>,
    consent: Option<String>,
    (by, why): (By, String),
    engine: &Engine,
) -> anyhow::Result<Plan> {
    let known = find_line(engine, user)?;
    let mut line = known.clone();
    for setting in settings {
        match setting {
            LineSetting::Status(status) => line.status = status,
            LineSetting::CallerId(number) => line.caller_id = number,
            LineSetting::IpLock(networks) => line.ip_lock = networks,
            LineSetting::Kind(kind) => line.kind = kind,
            LineSetting::TlsOnly(only) => line.tls_only = only,
            LineSetting::Sha256Only(only) => line.sha256_only = only,
            LineSetting::StopLevel(name, value) => set_level(&mut line, &name, &value)?,
        }
    }
    let becomes = line.kind == LineKind::Sip2sim && known.kind != LineKind::Sip2sim;
    let note = consent_note(becomes, consent.as_deref())?;
    let answer = json!({ "id": line.id, "user": line.user });
    let note = note.map(|words| Command::NoteLine(line.id, words));
    let change = Command::ChangeLine(Box::new(LineChange { line, by, why }));
    let commands = [change].into_iter().chain(note).collect();
    Ok(Plan { commands, answer: Answer(answer) })
}

fn set_level(line: &mut Line, name: &str, value: &str) -> anyhow::Result<()> {
    let mut own = line.stop_levels.as_deref().copied().unwrap_or_default();
    let outcome = levels::set(&mut own, name, &Raw::Words(value.to_owned()));
    let Some(outcome) = outcome else { bail!("there is no stop level `{name}`") };
    outcome
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("{name}={}", value.escape_debug()))?;
    line.stop_levels = (!own.is_none()).then(|| Box::new(own));
    Ok(())
}

/// A SIP2SIM line's secret is given to a mobile network: its holder says that he wants that, and
/// pays for its calls.
fn consent_note(is_needed: bool, consent: Option<&str>) -> anyhow::Result<Option<String>> {
    match consent.map(str::trim) {
        Some(words) if is_needed && !words.is_empty() => Ok(Some(format!(
            "SIP2SIM: the holder consents to its secret being given away: {words}"
        ))),
        None if !is_needed => Ok(None),
        Some(_) if !is_needed => bail!("a consent belongs to a line that becomes SIP2SIM"),
        _ => bail!(
            "a SIP2SIM line's secret is given to a mobile network, and its calls are charged to the \
             account: say who consented and how, like --consent 'A. Holder, letter of 3 May'"
        ),
    }
}

pub fn set_secret(
    user: &str,
    ha1: Ha1,
    overlap: Option<OverlapFor>,
    now: UnixMicros,
    engine: &Engine,
) -> anyhow::Result<Plan> {
    let line = find_line(engine, user)?;
    let mut answer = json!({ "id": line.id, "user": line.user });
    let overlap =
        overlap.map(|overlap| Overlap { until: now.plus_ms(overlap.ms), devices: overlap.devices });
    if let Some(overlap) = &overlap {
        answer["old_secret_until"] = overlap.until.to_string().into();
        answer["devices"] = json!(overlap.devices);
    }
    Ok(Plan::one(Command::SetSecret { line: line.id, ha1, overlap }, answer))
}
