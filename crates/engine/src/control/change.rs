//! Changing controls: who may go which way. Lives here: the weighing of a change, carrying it out, requests for what
//! lies above the ceiling. Never here: which way is which (risk), what it does to calls (standing).

use serde::{Deserialize, Serialize};
use types::{
    Account, AccountId, AccountRaises, AccountStatus, By, Changed, ControlRequest, Fact, Line,
    LineSecurity, LineStatus, Now, Proof, Record, Region, RequestState, Risk, Setting, UnixMicros,
};

use super::standing::{Wish, told};
use super::{CommandError, Done, ceiling, checks, field, risk};
use crate::directory::AccountEntry;
use crate::engine::Engine;

/// Requests of one account that may wait at once.
const MOST_REQUESTS: usize = 10;

/// Controls and status as somebody wants them; what is not named stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlChange {
    /// Whose.
    pub account: AccountId,
    /// What they shall be.
    pub settings: Vec<Setting>,
    /// Who wants it.
    pub by: By,
    /// Why, in words; may be empty.
    pub why: String,
    /// Until when, of a raise; `None`: for good.
    pub until: Option<UnixMicros>,
}

/// A line as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineChange {
    /// The line, whole.
    pub line: Line,
    /// Who wants it.
    pub by: By,
    /// Why, in words; may be empty.
    pub why: String,
}

/// What staff say to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Which.
    pub request: u32,
    /// Is it to be carried out?
    pub approve: bool,
    /// Who says so.
    pub by: By,
    /// Why.
    pub reason: String,
    /// Until when, of an approved one; `None`: as it was asked.
    pub until: Option<UnixMicros>,
}

/// What a change comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Carried out at once.
    pub now: Vec<Changed>,
    /// Asked of staff: above what the holder may give himself.
    pub asked: Vec<Changed>,
    /// Until when the raises among them last.
    pub until: Option<UnixMicros>,
}

impl Engine {
    /// Judges a change: what of it is carried out, what is asked of staff. Nothing is changed.
    pub fn weigh(&self, now: Now, change: &ControlChange) -> Result<Weighed, CommandError> {
        let id = change.account;
        let known = self.directory.account(id).ok_or(CommandError::UnknownAccount(id))?;
        if !change.why.is_empty() {
            checks::note(&change.why)?;
        }
        if change.until.is_some_and(|until| until <= now.wall) {
            return Err(field("until", "is over already".to_owned()));
        }
        let (mut status, mut controls) = (known.status, types::Controls::clone(&known.controls));
        for (position, setting) in change.settings.iter().enumerate() {
            if change.settings[..position].iter().any(|one| one.name() == setting.name()) {
                return Err(field("settings", format!("{} is set twice", setting.name())));
            }
            setting.put(&mut status, &mut controls);
        }
        checks::controls(&controls)?;
        let changes = risk::changes((known.status, &known.controls), (status, &controls));
        if change.until.is_some() {
            changes.iter().try_for_each(can_end)?;
        }
        let mut weighed = Weighed { until: change.until, ..Weighed::default() };
        match &change.by {
            By::Staff { .. } | By::System { .. } => weighed.now = changes,
            By::Holder { proof } => {
                changes
                    .into_iter()
                    .try_for_each(|one| self.weigh_own(id, *proof, one, &mut weighed))?;
            }
        }
        if !weighed.asked.is_empty() && self.requests_of(id).count() >= MOST_REQUESTS {
            let problem = format!("{MOST_REQUESTS} requests of the account wait already");
            return Err(field("request", problem));
        }
        Ok(weighed)
    }

    /// A holder's change of his own: down at once, up with fresh proof and below the ceiling.
    fn weigh_own(
        &self,
        id: AccountId,
        proof: Proof,
        change: Changed,
        weighed: &mut Weighed,
    ) -> Result<(), CommandError> {
        if change.risk != Risk::Riskier {
            let own = [Setting::Status(AccountStatus::Frozen)];
            if matches!(change.to, Setting::Status(_)) && !own.contains(&change.to) {
                let problem = "a holder can freeze his account and thaw it, nothing else";
                return Err(field("status", problem.to_owned()));
            }
            weighed.now.push(change);
            return Ok(());
        }
        if proof != Proof::Fresh {
            return Err(CommandError::NeedsProof(change.from.name()));
        }
        let before = self.raises.of(id).and_then(|raises| raises.frozen_from);
        let ceiling = &self.config.self_service;
        if !ceiling::is_above(ceiling, before, &change.from, &change.to) {
            weighed.now.push(change);
            return Ok(());
        }
        // What is safer about it does not wait for staff.
        match (&change.from, &change.to) {
            (Setting::Barred(from), Setting::Barred(to)) if risk::union(*from, *to) != *from => {
                let both = Setting::Barred(risk::union(*from, *to));
                let lowered = Changed { from: change.from, to: both.clone(), risk: Risk::Safer };
                weighed.now.push(lowered);
                weighed.asked.push(Changed { from: both, to: change.to, risk: Risk::Riskier });
            }
            (Setting::BarredHours(from), Setting::BarredHours(to)) if !to.is_within(*from) => {
                let both = Setting::BarredHours(from.union(*to));
                let lowered = Changed { from: change.from, to: both.clone(), risk: Risk::Safer };
                weighed.now.push(lowered);
                weighed.asked.push(Changed { from: both, to: change.to, risk: Risk::Riskier });
            }
            (Setting::BarredCountries(from), Setting::BarredCountries(to))
                if risk::both(from, to).len() > from.len() =>
            {
                let both = Setting::BarredCountries(risk::both(from, to));
                let lowered = Changed { from: change.from, to: both.clone(), risk: Risk::Safer };
                weighed.now.push(lowered);
                weighed.asked.push(Changed { from: both, to: change.to, risk: Risk::Riskier });
            }
            _ => weighed.asked.push(change),
        }
        Ok(())
    }

    pub(super) fn change_controls(
        &mut self,
        now: Now,
        change: ControlChange,
        weighed: Weighed,
    ) -> Done {
        let ControlChange { account: id, by, why, .. } = change;
        let Weighed { now: changes, asked, until } = weighed;
        let mut words: Vec<String> = changes.iter().map(ToString::to_string).collect();
        if let Some(until) = until.filter(|_| !changes.is_empty()) {
            words.push(format!("until {until}"));
        }
        if words.is_empty() && asked.is_empty() {
            words.push("unchanged".to_owned());
        }
        let mut done = match changes.is_empty() {
            true => Done::default(),
            false => self.set(now, id, changes, until, by.clone(), why.clone()),
        };
        if !asked.is_empty() {
            let request = self.ask(now, id, asked, until, by, why, &mut done.records);
            words.push(request);
        }
        done.message = told(id, &words.join(", "), &done);
        done
    }

    /// Puts these values, judged before.
    pub(super) fn set(
        &mut self,
        now: Now,
        id: AccountId,
        changes: Vec<Changed>,
        until: Option<UnixMicros>,
        by: By,
        why: String,
    ) -> Done {
        let known = self.directory.account(id).map(AccountEntry::to_account);
        let known = known.expect("it was looked up");
        let mut account: Account = known.clone();
        for change in &changes {
            change.to.put(&mut account.status, &mut account.controls);
        }
        let (known, others) = (Some(known), Vec::new());
        self.make_so(now, Wish { account, known, others, changes, until, by, why })
    }

    #[expect(clippy::too_many_arguments, reason = "each is a field of the request")]
    fn ask(
        &mut self,
        now: Now,
        account: AccountId,
        asked: Vec<Changed>,
        until: Option<UnixMicros>,
        by: By,
        note: String,
        records: &mut Vec<Record>,
    ) -> String {
        self.raises.last_request = self.raises.last_request.saturating_add(1);
        let (id, state) = (self.raises.last_request, RequestState::Open);
        let words: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let fact = Fact::RequestMade { account, request: id, asked: asked.clone() };
        let at = now.wall;
        let request = ControlRequest { id, account, asked, until, by, at, note, state };
        records.push(Record::ControlRequest(Box::new(request.clone())));
        records.push(Record::Fact(now.wall, fact));
        self.raises.requests.insert(id, request);
        format!("asked of staff in request {id}: {}", words.join(", "))
    }

    /// What a judgement comes to.
    pub(super) fn weigh_judgement(
        &self,
        now: Now,
        judgement: &Judgement,
    ) -> Result<Weighed, CommandError> {
        checks::note(&judgement.reason)?;
        let request = self.raises.requests.get(&judgement.request);
        let request = request.ok_or(CommandError::UnknownRequest(judgement.request))?;
        if !judgement.approve {
            return match judgement.until {
                Some(_) => Err(field("until", "a refusal has no end".to_owned())),
                None => Ok(Weighed::default()),
            };
        }
        let id = request.account;
        let known = self.directory.account(id).ok_or(CommandError::UnknownAccount(id))?;
        let now_stands = |one: &Setting| one.same_in(known.status, &known.controls);
        let wished = request
            .asked
            .iter()
            .map(|asked| (now_stands(&asked.to), wished(asked, &now_stands(&asked.to))));
        // What is there already, or is more by now, is not lowered by an approval.
        let raised = wished.filter(|(from, to)| risk::risk(from, to) == Risk::Riskier);
        self.weigh(
            now,
            &ControlChange {
                account: id,
                settings: raised.map(|(_, to)| to).collect(),
                by: judgement.by.clone(),
                why: judgement.reason.clone(),
                until: judgement.until.or(request.until),
            },
        )
    }

    pub(super) fn judge_request(
        &mut self,
        now: Now,
        judgement: Judgement,
        weighed: Weighed,
    ) -> Done {
        let Judgement { request: id, approve, by, reason, .. } = judgement;
        let mut request = self.raises.requests.remove(&id).expect("it was looked up");
        let (account, at) = (request.account, now.wall);
        let (mut done, fact, words) = if approve {
            let mut words: Vec<String> = weighed.now.iter().map(ToString::to_string).collect();
            words.extend(weighed.until.map(|until| format!("until {until}")));
            let done = match weighed.now.is_empty() {
                true => Done::default(),
                false => {
                    let (by, reason) = (by.clone(), reason.clone());
                    self.set(now, account, weighed.now, weighed.until, by, reason)
                }
            };
            let (by_fact, why) = (by.clone(), reason.clone());
            request.state = RequestState::Approved { at, by, reason };
            let fact = Fact::RequestApproved { account, request: id, by: by_fact, reason: why };
            (done, fact, format!("request {id} approved: {}", words.join(", ")))
        } else {
            let (by_fact, why) = (by.clone(), reason.clone());
            request.state = RequestState::Refused { at, by, reason };
            let fact = Fact::RequestRefused { account, request: id, by: by_fact, reason: why };
            (Done::default(), fact, format!("request {id} refused"))
        };
        done.records.push(Record::ControlRequest(Box::new(request)));
        done.records.push(Record::Fact(now.wall, fact));
        done.message = told(account, &words, &done);
        done
    }

    /// Requests that nobody has looked at yet, oldest first.
    pub fn requests(&self) -> impl Iterator<Item = &ControlRequest> {
        self.raises.requests.values()
    }

    /// Does this request wait?
    pub fn is_waiting(&self, request: u32) -> bool {
        self.raises.requests.contains_key(&request)
    }

    /// What is beneath an account's controls, where something does not last.
    pub fn raises_of(&self, account: AccountId) -> Option<&AccountRaises> {
        self.raises.of(account)
    }

    fn requests_of(&self, account: AccountId) -> impl Iterator<Item = &ControlRequest> {
        self.requests().filter(move |request| request.account == account)
    }

    /// May he have the line so? A holder makes his lines safer at once, and less safe with fresh proof; only staff
    /// enable one again.
    pub(super) fn weigh_line(&self, change: &LineChange) -> Result<(), CommandError> {
        if !change.why.is_empty() {
            checks::note(&change.why)?;
        }
        let By::Holder { proof } = change.by else { return Ok(()) };
        let known = self.directory.line(change.line.id);
        let known = known.ok_or(CommandError::UnknownLine(change.line.id))?;
        if known.status == LineStatus::Disabled && change.line.status == LineStatus::Active {
            return Err(field("status", "only staff enable a line again".to_owned()));
        }
        let changes = risk::line_changes(&LineSecurity::of(known), &LineSecurity::of(&change.line));
        let raised = changes.iter().find(|(_, _, _, risk)| *risk == Risk::Riskier);
        match raised {
            Some((name, ..)) if proof != Proof::Fresh => Err(CommandError::NeedsProof(name)),
            _ => Ok(()),
        }
    }
}

/// A raise with an end takes nothing away, and is of a control: its end must not allow anything.
fn can_end(change: &Changed) -> Result<(), CommandError> {
    let name = change.from.name();
    if matches!(change.to, Setting::Status(_)) {
        return Err(field("until", "a status has no end".to_owned()));
    }
    if risk::risk(&change.to, &change.from) != Risk::Safer {
        let problem = format!(
            "only a raise can have an end, and {name} is lowered by this: set it by itself"
        );
        return Err(field("until", problem));
    }
    Ok(())
}

/// What a request asks for, on top of what stands now.
fn wished(asked: &Changed, stands: &Setting) -> Setting {
    match (&asked.from, &asked.to, stands) {
        (Setting::Barred(from), Setting::Barred(to), Setting::Barred(stands)) => {
            Setting::Barred(risk::less(*stands, risk::less(*from, *to)))
        }
        (Setting::BarredHours(from), Setting::BarredHours(to), Setting::BarredHours(stands)) => {
            Setting::BarredHours(stands.less(from.less(*to)))
        }
        (
            Setting::BarredCountries(from),
            Setting::BarredCountries(to),
            Setting::BarredCountries(stands),
        ) => {
            let opened = |region: &&Region| from.contains(region) && !to.contains(region);
            let left = stands.iter().filter(|region| !opened(region));
            Setting::BarredCountries(left.copied().collect())
        }
        _ => asked.to.clone(),
    }
}
