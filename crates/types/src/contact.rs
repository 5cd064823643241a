//! Whom to tell, and what was told. Lives here: contacts, alerts and their states as they are kept. Never here: which fact
//! concerns whom (`catalogue`), when somebody is told (notify), sending.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::catalogue::{EventClass, Severity};
use crate::controls::By;
use crate::ids::{AccountId, ContactId};
use crate::time::{Millis, UnixMicros};

/// How somebody is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "channel", rename_all = "kebab-case")]
pub enum Channel {
    /// By mail.
    Mail {
        /// The address.
        address: String,
    },
    /// By a signed POST to a program; with a template to a chat.
    Webhook {
        /// Where to.
        url: String,
        /// The template of its body; `None`: all there is to say, as JSON.
        template: Option<String>,
    },
    /// By SMS, through the operator's gateway.
    Sms {
        /// The number, as `+447700900123`.
        number: String,
    },
}

impl Channel {
    /// Stable name in lists and JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Channel::Mail { .. } => "mail",
            Channel::Webhook { .. } => "webhook",
            Channel::Sms { .. } => "sms",
        }
    }

    /// Where it leads, for lists and logs: of a URL only the host, as what follows may be a secret of its owner.
    pub fn shown(&self) -> String {
        match self {
            Channel::Mail { address } => address.clone(),
            Channel::Sms { number } => number.clone(),
            Channel::Webhook { url, .. } => {
                let from = url.find("://").map_or(0, |at| at + 3);
                match url[from..].find(['/', '?', '#']) {
                    Some(end) if from + end + 1 < url.len() => format!("{}/…", &url[..from + end]),
                    _ => url.clone(),
                }
            }
        }
    }
}

/// Hours of the day in which only what is critical is told, at the account's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// Minute of the day in which they begin.
    pub from_min: u16,
    /// Minute of the day in which they end; before `from_min`: on the next day.
    pub to_min: u16,
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |min: u16| format!("{:02}:{:02}", min / 60, min % 60);
        f.pad(&format!("{}-{}", time(self.from_min), time(self.to_min)))
    }
}

impl FromStr for QuietHours {
    type Err = String;

    fn from_str(text: &str) -> Result<QuietHours, String> {
        let time = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let read = text.split_once('-').and_then(|(from, to)| Some((time(from)?, time(to)?)));
        let read = read.filter(|(from, to)| from != to);
        let read = read.map(|(from_min, to_min)| QuietHours { from_min, to_min });
        read.ok_or_else(|| {
            format!("`{}` are no quiet hours: expected 22:00-07:00", text.escape_debug())
        })
    }
}

/// Somebody who is told, as he stands from a moment on. Each change appends a whole one: see `at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Which.
    pub id: ContactId,
    /// Whose; `None`: the platform's staff.
    pub account: Option<AccountId>,
    /// What people call it; may be empty.
    pub name: String,
    /// How it is reached.
    pub channel: Channel,
    /// What it is told of; of what is critical it is always told.
    pub classes: BTreeSet<EventClass>,
    /// Is it told anything?
    pub is_on: bool,
    /// When only what is critical is told.
    pub quiet: Option<QuietHours>,
    /// Who comes first: contacts of the lowest order are told at once.
    pub order: u8,
    /// For a later order: told when those before it were not reached, or did not acknowledge, for so long.
    pub wait_ms: Millis,
    /// Is it shown that whoever set it gets what is sent there? `None`: it is only sent the request to confirm.
    pub confirmed: Option<UnixMicros>,
    /// Since when it is reached in this way: proof of identity wants one older than the incident.
    pub since: UnixMicros,
    /// How often its webhook's secret was made anew.
    pub secret_version: u32,
    /// Was it removed?
    pub is_removed: bool,
    /// From when on it stands so.
    pub at: UnixMicros,
    /// Who set it so.
    pub by: By,
    /// Why; may be empty.
    pub why: String,
}

impl Contact {
    /// Is it told what concerns it?
    pub fn is_told(&self) -> bool {
        self.is_on && !self.is_removed && self.confirmed.is_some()
    }

    /// Is it told of something like this?
    pub fn wants(&self, class: EventClass, severity: Severity) -> bool {
        self.is_told() && (severity == Severity::Critical || self.classes.contains(&class))
    }
}

/// Which alert: of which fact, to which entry of the contacts' history. The same however often it is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertId {
    /// Number of the fact.
    pub fact: u64,
    /// Number of the entry.
    pub entry: u64,
}

impl fmt::Display for AlertId {
    /// `812-7`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.fact, self.entry))
    }
}

impl FromStr for AlertId {
    type Err = String;

    fn from_str(text: &str) -> Result<AlertId, String> {
        let read = || {
            let (fact, entry) = text.split_once('-')?;
            Some(AlertId { fact: fact.parse().ok()?, entry: entry.parse().ok()? })
        };
        read().ok_or_else(|| {
            format!("`{}` is not an alert: expected one like 812-7", text.escape_debug())
        })
    }
}

/// How far an alert has come.
///
/// ```text
/// Waiting ──► Due ◄── Gathering          Waiting: for the turn of its contact · Gathering: for company, or the end of
///    │       ▲ │ │        │              quiet hours
///    │ retry └─┘ ├──► Delivered ──► Acknowledged
///    ▼           ├──► GivenUp            Digested: told within another one, whose fate it shares
/// NotNeeded      └──► Digested ─► Delivered, GivenUp
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum AlertState {
    /// Contacts before this one have their turn; looked at again at this time.
    Waiting {
        /// When.
        until: UnixMicros,
    },
    /// It waits for company until then.
    Gathering {
        /// When.
        until: UnixMicros,
    },
    /// To be sent, or sent again, at this time.
    Due {
        /// When.
        at: UnixMicros,
    },
    /// Told within another alert to the same contact.
    Digested {
        /// Which.
        leader: AlertId,
    },
    /// The next one took it: a mail server or a program.
    Delivered {
        /// When.
        at: UnixMicros,
    },
    /// Somebody said that he knows.
    Acknowledged {
        /// When.
        at: UnixMicros,
        /// Who.
        by: By,
    },
    /// It could not be delivered, and is not tried again.
    GivenUp {
        /// When.
        at: UnixMicros,
    },
    /// Somebody before it in the order was reached.
    NotNeeded,
}

impl AlertState {
    /// Stable name in lists and JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            AlertState::Waiting { .. } => "waiting",
            AlertState::Gathering { .. } => "gathering",
            AlertState::Due { .. } => "due",
            AlertState::Digested { .. } => "digested",
            AlertState::Delivered { .. } => "delivered",
            AlertState::Acknowledged { .. } => "acknowledged",
            AlertState::GivenUp { .. } => "given-up",
            AlertState::NotNeeded => "not-needed",
        }
    }

    /// When it is looked at again; `None`: never.
    pub const fn due(&self) -> Option<UnixMicros> {
        match self {
            AlertState::Waiting { until } | AlertState::Gathering { until } => Some(*until),
            AlertState::Due { at } => Some(*at),
            _ => None,
        }
    }
}

/// Something to tell somebody: a row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Which.
    pub id: AlertId,
    /// Whose contact is told; `None`: the platform's staff.
    pub account: Option<AccountId>,
    /// Who is told.
    pub contact: ContactId,
    /// What it is about.
    pub class: EventClass,
    /// How much it matters.
    pub severity: Severity,
    /// When it was derived from its fact.
    pub made: UnixMicros,
    /// Order of the contact.
    pub order: u8,
    /// How long the contact leaves those before it.
    pub wait_ms: Millis,
    /// How far it has come.
    pub state: AlertState,
    /// How often it was tried.
    pub tries: u32,
    /// Why the last try failed; may be empty.
    pub trouble: String,
    /// Others that are told within it.
    pub members: Vec<AlertId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_are_read_as_printed() {
        fn check(text: &str, want: Option<(u16, u16)>) {
            let read: Result<QuietHours, _> = text.parse();
            assert_eq!(read.as_ref().ok().map(|q| (q.from_min, q.to_min)), want, "{text}");
            if let Ok(quiet) = read {
                assert_eq!(quiet.to_string(), text);
            }
        }
        check("22:00-07:00", Some((1_320, 420)));
        check("00:00-23:59", Some((0, 1_439)));
        check("07:00-07:00", None);
        check("24:00-07:00", None);
        check("22-7", None);
        check("22:60-07:00", None);
    }

    #[test]
    fn alerts_are_named_as_printed() {
        let id = AlertId { fact: 812, entry: 7 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string(), "812-7");
        assert!("812".parse::<AlertId>().is_err() && "812-x".parse::<AlertId>().is_err());
    }

    #[test]
    fn what_follows_the_host_is_not_shown() {
        fn check(url: &str, want: &str) {
            let channel = Channel::Webhook { url: url.to_owned(), template: None };
            assert_eq!(channel.shown(), want);
        }
        check("https://hooks.example.com/T0/B0/secret", "https://hooks.example.com/…");
        check("https://hooks.example.com?key=secret", "https://hooks.example.com/…");
        check("https://hooks.example.com/", "https://hooks.example.com/");
        check("https://hooks.example.com", "https://hooks.example.com");
    }
}
