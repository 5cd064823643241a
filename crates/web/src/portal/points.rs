//! How the points of the check-up stand. Lives here: judging what is on record, in words. Never here: asking for it, HTML.

use std::net::IpAddr;

use types::{AccountId, CheckPoint, Contact, DeviceState, Money, UnixMicros};

use crate::app::App;
use crate::desk::{CheckUp, DeskError, OnRecord, Overview, Phones};
use crate::page::{moment, round_money};

/// A holder's word is good for so long.
const WORD_MS: u64 = 180 * DAY_MS;
/// A look from outside is good for so long.
const LOOK_MS: u64 = 30 * DAY_MS;
/// A line that was not used for so long is unused.
const UNUSED_MS: u64 = 90 * DAY_MS;
/// A password is called old from this age on, in days.
const OLD_DAYS: u64 = 80;
const DAY_MS: u64 = 86_400_000;
/// A level is far above what was ever used from so many times on.
const FAR: i64 = 5;
/// What counts as used at least: nobody is told that £20 is too much for him.
const LITTLE: Money = Money::from_units(5);

/// How a point stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// We see that it is good.
    Good,
    /// The holder says that it is good.
    Said,
    /// There is something to do.
    ToDo,
    /// Nobody knows.
    Unknown,
}

impl State {
    /// Is it fine?
    pub fn is_good(self) -> bool {
        matches!(self, State::Good | State::Said)
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            State::Good => "Good",
            State::Said => "Good, you say",
            State::ToDo => "To do",
            State::Unknown => "Not known",
        }
    }

    /// Class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            State::Good | State::Said => "green",
            State::ToDo => "amber",
            State::Unknown => "plain",
        }
    }
}

/// A point, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Which.
    pub point: CheckPoint,
    /// How it stands.
    pub state: State,
    /// What we see, a sentence each.
    pub seen: Vec<String>,
    /// When the holder said something of it last, in words.
    pub said: Option<String>,
    /// May he say that it is done?
    pub can_say: bool,
}

/// Everything that is looked at.
pub struct Look {
    /// The account.
    pub overview: Overview,
    /// Its phones and lines.
    pub phones: Phones,
    /// Who is told.
    pub contacts: Vec<Contact>,
    /// Who signs in.
    pub record: OnRecord,
    /// What was said and found.
    pub check_up: CheckUp,
}

impl Look {
    /// Of an account.
    pub async fn take(
        app: &App,
        account: AccountId,
        overview: Overview,
    ) -> Result<Look, DeskError> {
        app.ask(move |desk| {
            Ok(Look {
                phones: desk.phones(account)?,
                contacts: desk.contacts(account)?,
                record: desk.on_record(account, UnixMicros(i64::MAX))?,
                check_up: desk.check_up(account)?,
                overview,
            })
        })
        .await
    }

    /// All points, in their order.
    pub fn points(&self) -> Vec<Point> {
        CheckPoint::ALL.into_iter().map(|point| self.judge(point)).collect()
    }

    /// Addresses at which phones are registered now, each once.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let registered = self.phones.phones.iter().filter(|phone| phone.is_registered);
        let mut all: Vec<IpAddr> =
            registered.map(|phone| phone.device.peer.ip().to_canonical()).collect();
        all.sort();
        all.dedup();
        all
    }

    fn now(&self) -> UnixMicros {
        self.overview.at
    }

    fn when(&self, at: UnixMicros) -> String {
        moment(at, &self.overview.time_zone)
    }

    fn judge(&self, point: CheckPoint) -> Point {
        use CheckPoint as P;
        let (evidence, seen) = match point {
            P::RouterPassword | P::RouterFirmware | P::PhonePassword => (None, Vec::new()),
            P::Malware | P::LeftAround | P::Browsers => (None, Vec::new()),
            P::RemoteAccess => self.remote_access(),
            P::Dmz => self.dmz(),
            P::PhoneSoftware => self.software(),
            P::Rotation => self.rotation(),
            P::StalePhones => self.stale(),
            P::NewPhones => self.new_phones(),
            P::IpLock => self.ip_lock(),
            P::Limits => self.limits(),
            P::Contacts => self.contacts(),
            P::Authenticator => self.authenticator(),
            P::UnusedLines => self.unused(),
        };
        let word = self.check_up.said.get(&point);
        let is_fresh = word.is_some_and(|said| self.now().ms_since(said.at) < WORD_MS);
        // What we see goes before what is said.
        let state = match (evidence, word) {
            (Some(state @ (State::Good | State::ToDo)), _) => state,
            (_, Some(said)) if is_fresh && said.is_done => State::Said,
            (_, Some(said)) if is_fresh && !said.is_done => State::ToDo,
            _ => State::Unknown,
        };
        let said = word.map(|said| {
            let word = if said.is_done { "is done" } else { "is to do" };
            let old = if is_fresh { "" } else { ": long ago, so look again" };
            format!("{} said on {} that it {word}{old}.", said.by, self.when(said.at))
        });
        let is_ours = matches!(
            point,
            P::Rotation | P::StalePhones | P::NewPhones | P::Contacts | P::Authenticator
        );
        let can_say = !is_ours && !matches!(evidence, Some(State::Good | State::ToDo));
        Point { point, state, seen, said, can_say }
    }

    /// What was found lately at addresses at which phones are.
    fn looks(&self) -> impl Iterator<Item = &crate::desk::PortsSeen> {
        let fresh = |at| self.now().ms_since(at) < LOOK_MS;
        self.check_up.ports.iter().filter(move |one| fresh(one.at))
    }

    fn remote_access(&self) -> (Option<State>, Vec<String>) {
        let mut seen = Vec::new();
        for look in self.looks() {
            let when = self.when(look.at);
            seen.push(match look.open.len() {
                0 => format!("On {when} nothing answered us at {}.", look.address),
                1 => format!("On {when} one port answered us at {}.", look.address),
                count => format!("On {when} {count} ports answered us at {}.", look.address),
            });
        }
        let state = match seen.is_empty() {
            true => None,
            false if self.looks().any(|look| !look.open.is_empty()) => Some(State::ToDo),
            false => Some(State::Good),
        };
        if state.is_none() {
            seen.push("Nobody has looked from outside lately: you can, below.".to_owned());
        }
        (state, seen)
    }

    fn dmz(&self) -> (Option<State>, Vec<String>) {
        let is_sip = |port: &types::OpenPort| matches!(port.port, 5060 | 5061);
        let in_sight = self.looks().find(|look| look.open.iter().any(is_sip));
        match in_sight {
            Some(look) => {
                let words = format!(
                    "Something at {} answers calls from anybody on the internet: a phone or switch that stands \
                     outside of the firewall.",
                    look.address
                );
                (Some(State::ToDo), vec![words])
            }
            None if self.looks().next().is_some() => {
                (Some(State::Good), vec!["No phone or switch answered us from outside.".to_owned()])
            }
            None => (None, Vec::new()),
        }
    }

    fn software(&self) -> (Option<State>, Vec<String>) {
        let old = self.check_up.software.iter();
        let mut seen: Vec<String> =
            old.map(|one| format!("{}: {}", one.agent, one.trouble)).collect();
        let state = (!seen.is_empty()).then_some(State::ToDo);
        for phone in self.phones.phones.iter().filter(|one| one.device.state != DeviceState::Banned)
        {
            if let Some(family) = &phone.pbx {
                seen.push(format!(
                    "{} is a switch ({family}). In nearly every case of abuse a switch is used: ask whoever looks after \
                     it to bring it up to date and to close it to the internet.",
                    phone.name
                ));
            }
        }
        (state, seen)
    }

    fn rotation(&self) -> (Option<State>, Vec<String>) {
        let mut seen = Vec::new();
        let mut is_old = false;
        let mut tell = |what: String, set: UnixMicros| {
            let days = self.now().ms_since(set) / DAY_MS;
            is_old |= days >= OLD_DAYS;
            seen.push(match days {
                0 => format!("{what}: set today."),
                1 => format!("{what}: a day old."),
                90.. => format!("{what}: {days} days old, older than 90: change it."),
                OLD_DAYS.. => format!("{what}: {days} days old, soon 90: change it."),
                _ => format!("{what}: {days} days old."),
            });
        };
        for user in &self.record.users {
            if let Some(since) = user.password_since {
                tell(format!("Password of these pages of {}", user.name), since);
            }
        }
        for line in &self.record.lines {
            tell(format!("Password of line {}", line.user), line.set);
        }
        (Some(if is_old { State::ToDo } else { State::Good }), seen)
    }

    fn stale(&self) -> (Option<State>, Vec<String>) {
        let stale = self.phones.stale.iter().map(|phone| {
            let agent = if phone.agent.is_empty() { "A phone" } else { phone.agent.as_str() };
            format!("{agent} at {} still has the old password of {}.", phone.peer.ip(), phone.user)
        });
        let mut seen: Vec<String> = stale.collect();
        let wanting = self.phones.lines.iter().filter(|line| line.wants_new_secret);
        seen.extend(wanting.map(|line| {
            format!("Somebody else may know the password of line {}: make a new one.", line.user)
        }));
        if seen.is_empty() {
            return (Some(State::Good), vec!["No phone uses an old password.".to_owned()]);
        }
        (Some(State::ToDo), seen)
    }

    fn new_phones(&self) -> (Option<State>, Vec<String>) {
        let new = self.phones.phones.iter().filter(|phone| phone.device.state.is_new());
        let seen: Vec<String> = new
            .map(|phone| {
                let name =
                    if phone.name.is_empty() { "A phone without a name" } else { &phone.name };
                format!("{name} at {}: is it yours?", phone.device.peer.ip().to_canonical())
            })
            .collect();
        match seen.is_empty() {
            true => {
                (Some(State::Good), vec!["There is no phone that you have not seen.".to_owned()])
            }
            false => (Some(State::ToDo), seen),
        }
    }

    fn ip_lock(&self) -> (Option<State>, Vec<String>) {
        let lock = &self.overview.controls.ip_lock;
        if !lock.is_empty() {
            let nets: Vec<String> = lock.iter().map(ToString::to_string).collect();
            let words = format!("Your account can be used from {} only.", nets.join(", "));
            return (Some(State::Good), vec![words]);
        }
        let mut seen = vec!["Your account can be used from everywhere.".to_owned()];
        match &self.addresses()[..] {
            [] => {}
            [one] => seen.push(format!(
                "All your phones are at {one}: if that address stays, lock your account to it."
            )),
            more => seen.push(format!("Your phones are at {} addresses now.", more.len())),
        }
        (None, seen)
    }

    fn limits(&self) -> (Option<State>, Vec<String>) {
        let (level, most) = (self.overview.controls.stop_level_24h, self.check_up.most_spent);
        let show = |amount| round_money(amount, &self.overview.currency);
        let seen = format!(
            "Costly calls stop at {} a day. The most that you used in a day of the last month: {}.",
            show(level),
            show(most)
        );
        let far = most.max(LITTLE).checked_mul(FAR).unwrap_or(Money::MAX);
        let state = if level > far { None } else { Some(State::Good) };
        let mut seen = vec![seen];
        if state.is_none() {
            seen.push("That is far more than you need: a thief would have it, too.".to_owned());
        }
        (state, seen)
    }

    fn contacts(&self) -> (Option<State>, Vec<String>) {
        let told = self.contacts.iter().filter(|contact| contact.is_told());
        let told: Vec<String> = told.map(|contact| contact.channel.shown()).collect();
        let waiting = self.contacts.iter().filter(|one| one.confirmed.is_none());
        let mut seen = match told.is_empty() {
            true => vec!["Nobody would be told if something happened.".to_owned()],
            false => vec![format!("We tell {}.", told.join(", "))],
        };
        let waiting: Vec<String> =
            waiting.map(|one| format!("{} was never confirmed.", one.channel.shown())).collect();
        let is_good = !told.is_empty() && waiting.is_empty();
        seen.extend(waiting);
        (Some(if is_good { State::Good } else { State::ToDo }), seen)
    }

    fn authenticator(&self) -> (Option<State>, Vec<String>) {
        let without = self.record.users.iter().filter(|user| !user.has_totp);
        let seen: Vec<String> =
            without.map(|user| format!("{} signs in with a password alone.", user.name)).collect();
        match seen.is_empty() {
            true => (Some(State::Good), vec!["Nobody signs in with a password alone.".to_owned()]),
            false => (Some(State::ToDo), seen),
        }
    }

    fn unused(&self) -> (Option<State>, Vec<String>) {
        let is_recent = |at: UnixMicros| self.now().ms_since(at) < UNUSED_MS;
        let is_used = |user: &str| {
            let of_line = |phone: &&crate::desk::Phone| phone.lines.iter().any(|one| one == user);
            let mut phones = self.phones.phones.iter().filter(of_line);
            phones.any(|phone| phone.is_registered || is_recent(phone.device.last_seen))
        };
        let unused = self.record.lines.iter().filter(|line| {
            // A password that was just set is about to be used.
            !is_used(&line.user) && self.now().ms_since(line.set) > LOOK_MS
        });
        let seen: Vec<String> = unused
            .map(|line| format!("Line {} was not used for three months.", line.user))
            .collect();
        match seen.is_empty() {
            true => (Some(State::Good), vec!["Every line is in use.".to_owned()]),
            false => (None, seen),
        }
    }
}

/// How many points are good, of how many.
pub fn count(points: &[Point]) -> (usize, usize) {
    (points.iter().filter(|point| point.state.is_good()).count(), points.len())
}
