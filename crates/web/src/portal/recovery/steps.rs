//! How the steps of a recovery stand. Lives here: what the record shows of each, in words; what counts as done. Never here:
//! HTML, saying anything of a step (`wrong`).

use types::{AccountStatus, RecoveryStep, StepOutcome, StepWord, UnixMicros};

use crate::app::App;
use crate::desk::{DeskError, OnRecord, Phone, Recovery, Reported};
use crate::guard::Visitor;
use crate::page::moment;
use crate::portal::points::{Look, Point, count};
use crate::sessions::Session;

/// Reports of calls so long before a recovery belong to it: he may have seen them first.
const REPORTED_BEFORE_MS: u64 = 7 * 86_400_000;

/// What the record shows of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// It is done.
    pub is_done: bool,
    /// Since when, if that is known.
    pub at: Option<UnixMicros>,
    /// A sentence.
    pub words: String,
    /// Each thing that the step is about: words, is it done, where that is done.
    pub items: Vec<Item>,
}

/// One of the things that a step is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub words: String,
    /// Is it as it should be?
    pub is_good: bool,
    /// Address and words of what leads there.
    pub link: Option<(String, String)>,
}

impl Item {
    fn new(words: String, is_good: bool) -> Item {
        Item { words, is_good, link: None }
    }

    fn to(mut self, at: impl Into<String>, words: impl Into<String>) -> Item {
        self.link = Some((at.into(), words.into()));
        self
    }
}

/// A step, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub step: RecoveryStep,
    /// How it stands.
    pub outcome: StepOutcome,
    /// Since when, if that is known.
    pub at: Option<UnixMicros>,
    /// What the record shows.
    pub proof: Proof,
    /// What the holder said last; may be empty.
    pub words: String,
}

impl Step {
    /// Is there nothing left to do or to say?
    pub fn is_over(&self) -> bool {
        self.outcome != StepOutcome::Open
    }
}

/// Everything that is looked at.
pub struct Seen {
    /// The recovery.
    pub recovery: Recovery,
    /// The account, its phones, the check-up.
    pub look: Look,
    /// What changed since it was begun.
    pub record: OnRecord,
    /// Calls that were reported.
    pub reported: Vec<Reported>,
    /// Sessions of the account's users.
    pub sessions: Vec<Session>,
    /// The one in which this is looked at.
    pub own: u64,
}

impl Seen {
    /// Of who is signed in; `None`: no recovery is open.
    pub async fn take(app: &App, visitor: &Visitor) -> Result<Option<Seen>, DeskError> {
        let account = visitor.session.account;
        let Some(recovery) = app.ask(move |desk| desk.recovery(account)).await? else {
            return Ok(None);
        };
        let overview = app.overview(account).await?;
        let look = Look::take(app, account, overview).await?;
        let since = recovery.started;
        let (record, reported) = app
            .ask(move |desk| Ok((desk.on_record(account, since)?, desk.reported(account)?)))
            .await?;
        let of_user = |user: &crate::desk::PageUser| app.sessions.list(Some(user.id), app.now());
        let sessions = record.users.iter().flat_map(of_user).collect();
        let own = visitor.session.number;
        Ok(Some(Seen { recovery, look, record, reported, sessions, own }))
    }

    /// All steps, in order.
    pub fn steps(&self) -> Vec<Step> {
        RecoveryStep::ALL.into_iter().map(|step| self.judge(step)).collect()
    }

    /// A moment at the account's place.
    pub fn when(&self, at: UnixMicros) -> String {
        moment(at, &self.look.overview.time_zone)
    }

    fn judge(&self, step: RecoveryStep) -> Step {
        let proof = self.proof(step);
        let said = self.recovery.said.get(&step);
        let is_word = matches!(takes_word(step), Word::Alone | Word::Beside);
        let outcome = match (proof.is_done, said.map(|said| said.word)) {
            // Registered phones can be shown; whether they are his is his to say.
            (true, Some(StepWord::Done)) if takes_word(step) == Word::Both => StepOutcome::Proved,
            (true, _) if takes_word(step) != Word::Both => StepOutcome::Proved,
            (_, Some(StepWord::Skipped)) => StepOutcome::Skipped,
            (_, Some(StepWord::Done)) if is_word => StepOutcome::Confirmed,
            _ => StepOutcome::Open,
        };
        let told = said.filter(|_| outcome != StepOutcome::Open);
        let at = match outcome {
            StepOutcome::Proved if takes_word(step) != Word::Both => proof.at,
            StepOutcome::Open => None,
            _ => told.map(|said| said.at),
        };
        let words = told.map_or_else(String::new, |said| said.words.clone());
        Step { step, outcome, at, proof, words }
    }

    fn proof(&self, step: RecoveryStep) -> Proof {
        match step {
            RecoveryStep::Stop => self.stop(),
            RecoveryStep::Mail => Proof {
                words: "We cannot see your mailbox, so we take your word for it.".to_owned(),
                ..Proof::default()
            },
            RecoveryStep::Web => self.web(),
            RecoveryStep::Sessions => self.sessions(),
            RecoveryStep::Lines => self.lines(),
            RecoveryStep::Phones => self.phones(),
            RecoveryStep::Authenticator => self.authenticator(),
            RecoveryStep::Limits => self.limits(),
            RecoveryStep::Review => self.review(),
            RecoveryStep::Calls => self.calls(),
        }
    }

    fn stop(&self) -> Proof {
        let stopped = self.record.stopped;
        let (is_done, words) = match (self.look.overview.status, stopped) {
            (AccountStatus::Frozen, Some(at)) => {
                (true, format!("Outgoing calls are stopped since {}.", self.when(at)))
            }
            (AccountStatus::Frozen, None) => (true, "Outgoing calls are stopped.".to_owned()),
            (AccountStatus::Limited, _) => {
                (true, "Your provider has stopped costly calls.".to_owned())
            }
            (AccountStatus::Suspended, _) => {
                (true, "Your provider has stopped outgoing calls.".to_owned())
            }
            (_, Some(at)) => (
                true,
                format!(
                    "Outgoing calls were stopped on {}, and started again since.",
                    self.when(at)
                ),
            ),
            _ => (false, "Outgoing calls are not stopped.".to_owned()),
        };
        Proof { is_done, at: stopped, words, items: Vec::new() }
    }

    fn web(&self) -> Proof {
        let users = self.record.users.iter().filter(|user| user.password_since.is_some());
        let is_new = |since: UnixMicros| since >= self.recovery.started;
        let items: Vec<Item> = users
            .clone()
            .map(|user| match user.password_since.filter(|at| is_new(*at)) {
                Some(at) => Item::new(format!("{}: changed on {}", user.name, self.when(at)), true),
                None => Item::new(format!("{}: not changed since you began", user.name), false),
            })
            .collect();
        let at = users.filter_map(|user| user.password_since).max();
        let words = match (done(&items), items.len()) {
            (1, 1) => "The password of these pages is new.".to_owned(),
            (0, 1) => "The password of these pages was not changed since you began.".to_owned(),
            (good, all) => format!("{good} of {all} log-ins have a new password."),
        };
        whole(items, at, words)
    }

    /// Sessions that nobody can be sure of: begun before the recovery, or before the password that their user has now.
    fn sessions(&self) -> Proof {
        let password = |session: &Session| {
            let user = self.record.users.iter().find(|user| user.id == session.user);
            user.and_then(|user| user.password_since)
        };
        let is_old = |session: &&Session| {
            let sure_from = password(session).unwrap_or_default().max(self.recovery.started);
            session.number != self.own && session.since < sure_from
        };
        let old: Vec<&Session> = self.sessions.iter().filter(is_old).collect();
        let item = |session: &&Session| {
            let agent = if session.agent.is_empty() { "unknown browser" } else { &session.agent };
            let since = self.when(session.since);
            Item::new(
                format!("{} since {since}, from {}: {agent}", session.name, session.source),
                false,
            )
        };
        let words = match old.len() {
            0 => "Nobody else is signed in from before.".to_owned(),
            1 => "One other session is open from before.".to_owned(),
            count => format!("{count} other sessions are open from before."),
        };
        Proof { is_done: old.is_empty(), at: None, words, items: old.iter().map(item).collect() }
    }

    fn lines(&self) -> Proof {
        let lines = self.record.lines.iter();
        let items: Vec<Item> = lines
            .clone()
            .map(|line| match line.set >= self.recovery.started {
                true => {
                    Item::new(format!("{}: new since {}", line.user, self.when(line.set)), true)
                }
                false => Item::new(format!("{}: still the password from before", line.user), false)
                    .to(
                        format!("/passwords/{}", line.line),
                        format!("New password for {}", line.user),
                    ),
            })
            .collect();
        let words = match (done(&items), items.len()) {
            (_, 0) => "You have no line in use.".to_owned(),
            (1, 1) => "Your line has a new password.".to_owned(),
            (0, 1) => "Your line still has the password from before.".to_owned(),
            (good, all) => format!("{good} of {all} lines have a new password."),
        };
        whole(items, lines.map(|line| line.set).max(), words)
    }

    fn phones(&self) -> Proof {
        let here = self.look.phones.phones.iter().filter(|phone| phone.is_registered);
        let items: Vec<Item> = here.map(phone_item).collect();
        let strange = items.iter().filter(|item| !item.is_good).count();
        let words = match (items.len(), strange) {
            (0, _) => "No phone is registered now.".to_owned(),
            (1, 0) => "One phone is registered now, and it is known.".to_owned(),
            (count, 0) => format!("{count} phones are registered now, and all of them are known."),
            (_, 1) => "One phone is registered of which nobody said that it is yours.".to_owned(),
            (_, count) => {
                format!("{count} phones are registered of which nobody said that they are yours.")
            }
        };
        Proof { is_done: strange == 0, at: None, words, items }
    }

    fn authenticator(&self) -> Proof {
        let users = self.record.users.iter();
        let item = |user: &crate::desk::PageUser| match user.has_totp {
            true => Item::new(format!("{}: has one", user.name), true),
            false => Item::new(format!("{}: a password alone opens these pages", user.name), false),
        };
        let mut items: Vec<Item> = users.map(item).collect();
        let words = match (done(&items), items.len()) {
            (1, 1) => "Your log-in has an authenticator.".to_owned(),
            (0, 1) => "A password alone opens these pages.".to_owned(),
            (good, all) => format!("{good} of {all} log-ins have an authenticator."),
        };
        let whole = whole(items.clone(), None, words);
        // Of one alone it says all there is.
        items.retain(|_| self.record.users.len() > 1);
        Proof { items, ..whole }
    }

    fn limits(&self) -> Proof {
        let at = self.record.lowered;
        let words = match at {
            Some(at) => format!("You lowered your limits on {}.", self.when(at)),
            None => "You have lowered none of your limits since you began.".to_owned(),
        };
        Proof { is_done: at.is_some(), at, words, items: Vec::new() }
    }

    fn review(&self) -> Proof {
        let mut points: Vec<Point> = self.look.points();
        points.retain(|point| point.point.is_at_home());
        let (good, all) = count(&points);
        let said = self.look.check_up.said.iter().filter(|(point, _)| point.is_at_home());
        let at = said.map(|(_, said)| said.at).max();
        let words = format!("{good} of {all} points of your check-up at home are good.");
        Proof { is_done: good == all, at, words, items: Vec::new() }
    }

    /// Calls that belong to this recovery.
    pub fn marked(&self) -> impl Iterator<Item = &Reported> {
        let since = self.recovery.started.0 - (REPORTED_BEFORE_MS * 1_000) as i64;
        self.reported.iter().filter(move |one| one.at.0 >= since)
    }

    fn calls(&self) -> Proof {
        let count = self.marked().count();
        let words = match count {
            0 => "No call is marked as not yours.".to_owned(),
            1 => "One call is marked as not yours.".to_owned(),
            count => format!("{count} calls are marked as not yours."),
        };
        let at = self.marked().map(|one| one.at).max();
        Proof { is_done: count > 0, at, words, items: Vec::new() }
    }
}

/// What his word is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing: the record shows it, or it is not done.
    None,
    /// All: nobody else can know.
    Alone,
    /// It stands where the record shows nothing.
    Beside,
    /// Both are wanted.
    Both,
}

/// What his word is worth at a step.
pub fn takes_word(step: RecoveryStep) -> Word {
    match step {
        RecoveryStep::Mail => Word::Alone,
        RecoveryStep::Limits | RecoveryStep::Review | RecoveryStep::Calls => Word::Beside,
        RecoveryStep::Phones => Word::Both,
        RecoveryStep::Stop
        | RecoveryStep::Web
        | RecoveryStep::Sessions
        | RecoveryStep::Lines
        | RecoveryStep::Authenticator => Word::None,
    }
}

/// How many are as they should be.
fn done(items: &[Item]) -> usize {
    items.iter().filter(|item| item.is_good).count()
}

/// Done when each of them is.
fn whole(items: Vec<Item>, at: Option<UnixMicros>, words: String) -> Proof {
    let is_done = done(&items) == items.len();
    Proof { is_done, at: at.filter(|_| is_done), words, items }
}

fn phone_item(phone: &Phone) -> Item {
    let device = &phone.device;
    let name = if phone.name.is_empty() { "A phone without a name" } else { &phone.name };
    let words =
        format!("{name} at {}, line {}", device.peer.ip().to_canonical(), phone.lines.join(", "));
    let is_known = device.state == types::DeviceState::Known;
    let words = if is_known { words } else { format!("{words}: new, is it yours?") };
    Item::new(words, is_known)
        .to(format!("/phones/{}/not-mine", device.id), format!("Not mine: {name}"))
}
