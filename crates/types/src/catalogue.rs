//! What facts mean for people: one catalogue for mails, pages, lists and programs. Lives here: of each kind of fact its
//! code, whom it concerns, how much, its title and what to do. Never here: the sentence with its figures (`fact_text`), why
//! a call was refused (`reason`), who the people are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::stop_level::LevelNotice;

/// What a fact is about: contacts choose by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventClass {
    /// Somebody may be abusing the account.
    Security,
    /// Usage, warning and stop levels.
    Money,
    /// Phones and passwords.
    Devices,
    /// What bounds the account, and who is told.
    Controls,
    /// Bills and payments.
    Billing,
}

impl EventClass {
    /// All of them.
    pub const ALL: [EventClass; 5] = [
        EventClass::Security,
        EventClass::Money,
        EventClass::Devices,
        EventClass::Controls,
        EventClass::Billing,
    ];

    /// Stable name in settings and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            EventClass::Security => "security",
            EventClass::Money => "money",
            EventClass::Devices => "devices",
            EventClass::Controls => "controls",
            EventClass::Billing => "billing",
        }
    }
}

impl fmt::Display for EventClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for EventClass {
    type Err = String;

    fn from_str(text: &str) -> Result<EventClass, String> {
        let found = EventClass::ALL.into_iter().find(|class| class.code() == text);
        found.ok_or_else(|| {
            let all = EventClass::ALL.map(EventClass::code).join(", ");
            format!("`{}` is no class of events: expected one of {all}", text.escape_debug())
        })
    }
}

/// How much a fact matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at.
    Important,
    /// To be looked at now: told in quiet hours too, and to every contact that is switched on.
    Critical,
}

impl Severity {
    /// Stable name in JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Important => "important",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Whom a fact concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Nobody needs to be told; it is on record.
    Nobody,
    /// Who holds the account.
    Holder,
    /// The holder, also where he could be reached before.
    HolderBefore,
    /// The platform's staff.
    Staff,
    /// Both.
    Both,
    /// One contact, and who it was before.
    Contact,
}

impl Audience {
    /// Is the holder told?
    pub const fn has_holder(self) -> bool {
        matches!(self, Audience::Holder | Audience::HolderBefore | Audience::Both)
    }

    /// Are staff told?
    pub const fn has_staff(self) -> bool {
        matches!(self, Audience::Staff | Audience::Both)
    }
}

/// What a kind of fact means for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Stable code: the `fact` tag of its record.
    pub code: &'static str,
    /// What it is about.
    pub class: EventClass,
    /// How much it matters.
    pub severity: Severity,
    /// Whom it concerns.
    pub audience: Audience,
    /// A few words.
    pub title: &'static str,
    /// What to do; empty: nothing.
    pub advice: &'static str,
}

const fn entry(
    code: &'static str,
    (class, severity, audience): (EventClass, Severity, Audience),
    title: &'static str,
    advice: &'static str,
) -> Entry {
    Entry { code, class, severity, audience, title, advice }
}

/// What this fact means for people. A new kind of fact does not compile until it has its row here.
pub fn of(fact: &Fact) -> Entry {
    use Audience::{Both, Contact, Holder, HolderBefore, Nobody, Staff};
    use EventClass::{Controls, Devices, Money, Security};
    use Severity::{Critical, Important, Info};
    let level = |notice: &LevelNotice| if notice.scope.is_holders() { Holder } else { Staff };
    let told = |tell: bool| if tell { Holder } else { Nobody };
    let quiet = (Controls, Info, Nobody);
    match fact {
        Fact::Started { .. } => entry("started", quiet, "The node started", ""),
        Fact::Stopped => entry("stopped", quiet, "The node stopped", ""),
        Fact::WarningLevel { .. } => entry(
            "warning-level",
            (Money, Important, Holder),
            "Your usage crossed the warning level",
            "Look at your calls. Do you know all of them? If not, stop outgoing calls and change your passwords.",
        ),
        Fact::StopLevelNear(notice) => entry(
            "stop-level-near",
            (Money, Important, level(notice)),
            "A stop level is near",
            "Calls that cost money end when it is reached. Are all of these calls wanted?",
        ),
        Fact::StopLevelReached(notice) => entry(
            "stop-level-reached",
            (Money, Critical, level(notice)),
            "A stop level is reached: costly calls have ended",
            "Look at your calls. Do you know all of them? If not, change your passwords before anything else.",
        ),
        Fact::MoneyEnded { .. } => entry(
            "money-ended",
            (Money, Important, Holder),
            "A call was cut: no more money could be held for it",
            "Look at your calls. Was this one yours?",
        ),
        Fact::Registered { .. } => entry("registered", quiet, "A phone registered", ""),
        Fact::NewDevice { tell, .. } => entry(
            "new-device",
            (Devices, Important, told(*tell)),
            "A new phone uses your account",
            "Is it yours? If not, say so: it is kept out at once. Then change the password of the line.",
        ),
        Fact::DeviceMoved { tell, .. } => entry(
            "device-moved",
            (Devices, Important, told(*tell)),
            "A phone of yours is somewhere else",
            "Is it yours? If not, say so: it is kept out at once. Then change the password of the line.",
        ),
        Fact::DeviceChanged { .. } => {
            entry("device-changed", (Devices, Info, Holder), "A phone was judged", "")
        }
        Fact::BannedDeviceTried { .. } => entry(
            "banned-device-tried",
            (Security, Critical, Holder),
            "A phone that is not yours knows your password",
            "It was kept out. Change the password of the line now.",
        ),
        Fact::PbxRecognised { .. } => entry(
            "pbx-recognised",
            (Devices, Info, Both),
            "A switch was recognised",
            "In nearly every case of abuse a local switch is in use: check that it cannot be reached from the internet.",
        ),
        Fact::StaleSecrets { .. } => entry(
            "stale-secrets",
            (Devices, Important, Holder),
            "Phones still use a password that was changed",
            "Enter the new password in the phones named.",
        ),
        Fact::OldSecretLeaked { .. } => entry(
            "old-secret-leaked",
            (Security, Critical, Both),
            "A stranger has a password that was changed",
            "It was of no use to him. Find out where it came from: who has the old password may find the new one in the same place.",
        ),
        Fact::OutsideLock { .. } => entry(
            "outside-lock",
            (Security, Critical, Holder),
            "Somebody elsewhere knows your password",
            "The lock to your addresses kept him out. If it was not you, change the password of the line now.",
        ),
        Fact::LockedOut { .. } => entry(
            "locked-out",
            (Security, Info, Holder),
            "Somebody guesses at a password",
            "He is kept out; phones that are known go on working. There is nothing to do unless it was you.",
        ),
        Fact::LockLifted { .. } => {
            entry("lock-lifted", (Security, Info, Nobody), "A lock-out was lifted", "")
        }
        Fact::SecretAge { .. } => entry(
            "secret-age",
            (Devices, Info, Holder),
            "A password is old",
            "Make a new one. The phones can go on with the old one until they have the new.",
        ),
        Fact::Banned { .. } => entry("banned", (Security, Info, Nobody), "A source was banned", ""),
        Fact::BanLifted { .. } => {
            entry("ban-lifted", (Security, Info, Nobody), "A ban was lifted", "")
        }
        Fact::TrunkReachable { reachable, .. } => entry(
            "trunk-reachable",
            (Controls, if *reachable { Info } else { Important }, Staff),
            if *reachable {
                "A carrier can be reached again"
            } else {
                "A carrier cannot be reached"
            },
            if *reachable { "" } else { "Calls go by the next carrier, if there is one." },
        ),
        Fact::AccountChanged { .. } => {
            entry("account-changed", (Controls, Info, Holder), "Your account was changed", "")
        }
        Fact::Raised { .. } => entry(
            "raised",
            (Controls, Important, HolderBefore),
            "Your account may do more than before",
            "If you did not want this, set it back at once: lowering a limit is immediate.",
        ),
        Fact::Lowered { .. } => {
            entry("lowered", (Controls, Info, Holder), "Your account may do less than before", "")
        }
        Fact::RaiseEnded { .. } => {
            entry("raise-ended", (Controls, Info, Holder), "A raise has ended", "")
        }
        Fact::RequestMade { .. } => entry(
            "request-made",
            (Controls, Important, Both),
            "A request for more than the holder may give himself",
            "Staff look at it. If you did not ask for it, somebody has your log-in.",
        ),
        Fact::RequestApproved { .. } => entry(
            "request-approved",
            (Controls, Important, HolderBefore),
            "A request was approved",
            "If you did not ask for it, set it back at once.",
        ),
        Fact::RequestRefused { .. } => {
            entry("request-refused", (Controls, Info, Holder), "A request was refused", "")
        }
        Fact::LineChanged { .. } => entry(
            "line-changed",
            (Controls, Important, Holder),
            "A line was changed",
            "If this was not wanted, ask support.",
        ),
        Fact::ResellerChanged { .. } => {
            entry("reseller-changed", quiet, "A reseller was changed", "")
        }
        Fact::NumberChanged { .. } => {
            entry("number-changed", (Controls, Info, Holder), "A number was changed", "")
        }
        Fact::TrunkChanged { .. } => entry("trunk-changed", quiet, "A trunk was changed", ""),
        Fact::DeckImported { .. } => entry("deck-imported", quiet, "A rate deck was imported", ""),
        Fact::Overrun { .. } => {
            entry("overrun", (Money, Info, Nobody), "A call cost more than was held for it", "")
        }
        Fact::AuditMismatch { .. } => entry(
            "audit-mismatch",
            (Money, Critical, Staff),
            "The auditor found a call that does not fit what stood for it",
            "A control or a price failed. Look at the call and at others of that time, and say that you have looked.",
        ),
        Fact::CallReported { .. } => entry(
            "call-reported",
            (Security, Important, Both),
            "A call was reported: the holder did not make it",
            "Staff look at it. If somebody else may know a password, change it, and look at the phones of the account.",
        ),
        Fact::TokenChanged { .. } => entry(
            "token-changed",
            (Controls, Important, HolderBefore),
            "What programs may do with your account was changed",
            "If you did not want this, revoke the token under Your log-in at once, and change your password.",
        ),
        Fact::RecoveryStarted { .. } => entry(
            "recovery-started",
            (Security, Important, Both),
            "Somebody of the account says that something is wrong",
            "He is going through the steps. If that was none of you, somebody else has your log-in: ask support.",
        ),
        Fact::RecoveryStepSaid { .. } => {
            entry("recovery-step-said", (Security, Info, Nobody), "A step of a recovery", "")
        }
        Fact::RecoveryReported { .. } => entry(
            "recovery-reported",
            (Security, Critical, Both),
            "Unauthorised use was reported",
            "Staff look at it: `ringfence report show` has all of it. The holder keeps a copy on his pages.",
        ),
        Fact::RecoveryEnded { .. } => entry(
            "recovery-ended",
            (Security, Important, Both),
            "Somebody of the account says that nothing was wrong",
            "If that was none of you, somebody else has your log-in: ask support.",
        ),
        Fact::CheckUpSaid { .. } => {
            entry("check-up-said", (Security, Info, Nobody), "A point of the check-up", "")
        }
        Fact::PortsChecked { .. } => entry(
            "ports-checked",
            (Security, Info, Nobody),
            "The address of a phone was looked at from outside",
            "",
        ),
        Fact::MismatchSeen { .. } => {
            entry("mismatch-seen", quiet, "Staff looked at what the auditor found", "")
        }
        Fact::ContactChanged { .. } => entry(
            "contact-changed",
            (Controls, Important, Contact),
            "Who is told of your account was changed",
            "If this was not wanted, somebody may have your log-in: ask support.",
        ),
        Fact::AlertTested { .. } => entry(
            "alert-tested",
            (Controls, Info, Contact),
            "A test: you are reached",
            "There is nothing to do.",
        ),
        Fact::AlertGivenUp { .. } => entry(
            "alert-given-up",
            (Controls, Important, Staff),
            "An alert could not be delivered",
            "Reach the holder in another way, and correct the contact.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, ContactId, DecisionId};

    #[test]
    fn codes_are_the_tags_of_records() {
        fn check(fact: &Fact) {
            let json = serde_json::to_value(fact).expect("facts are JSON");
            assert_eq!(json["fact"], of(fact).code);
        }
        check(&Fact::Stopped);
        check(&Fact::MoneyEnded { account: AccountId(1), decision: DecisionId(1) });
        let (by, contact) = (crate::By::STAFF, ContactId(1));
        check(&Fact::AlertTested { account: None, contact, by });
    }

    #[test]
    fn classes_are_read_as_printed() {
        for class in EventClass::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
        }
        assert!("all".parse::<EventClass>().is_err());
    }
}
