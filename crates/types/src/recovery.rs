//! When something is wrong: what a holder does about it, step by step, and what he reports in the end. Lives here: the steps
//! in their order, what is kept of each, the report and its text. Never here: whether a step is done (web), what staff make
//! of it.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, DecisionId};
use crate::money::Money;
use crate::time::{Millis, UnixMicros};

/// Most calls that a report names, the newest.
pub const MOST_REPORTED_CALLS: usize = 100;
/// Most phones that a report names.
pub const MOST_REPORTED_PHONES: usize = 30;

/// A step out of trouble. The order is that of sipgate's advice "Unauthorised use of my account" (mail, web log-in, SIP
/// password, phones, network, support), with what we can do besides put where it helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryStep {
    /// Outgoing calls are stopped.
    Stop,
    /// The password of the mailbox is another.
    Mail,
    /// The passwords of these pages are others.
    Web,
    /// Nobody else is signed in.
    Sessions,
    /// Every line has a new password.
    Lines,
    /// Only the holder's own phones are registered.
    Phones,
    /// A password alone opens these pages no more.
    Authenticator,
    /// The money limits fit.
    Limits,
    /// The network at home was gone through.
    Review,
    /// Calls that were not his are named.
    Calls,
}

impl RecoveryStep {
    /// All of them, in the order in which they are taken.
    pub const ALL: [RecoveryStep; 10] = [
        RecoveryStep::Stop,
        RecoveryStep::Mail,
        RecoveryStep::Web,
        RecoveryStep::Sessions,
        RecoveryStep::Lines,
        RecoveryStep::Phones,
        RecoveryStep::Authenticator,
        RecoveryStep::Limits,
        RecoveryStep::Review,
        RecoveryStep::Calls,
    ];

    /// Stable name in addresses, records and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            RecoveryStep::Stop => "stop",
            RecoveryStep::Mail => "mail",
            RecoveryStep::Web => "web",
            RecoveryStep::Sessions => "sessions",
            RecoveryStep::Lines => "lines",
            RecoveryStep::Phones => "phones",
            RecoveryStep::Authenticator => "authenticator",
            RecoveryStep::Limits => "limits",
            RecoveryStep::Review => "review",
            RecoveryStep::Calls => "calls",
        }
    }

    /// What to do, in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            RecoveryStep::Stop => "Stop outgoing calls",
            RecoveryStep::Mail => "Change the password of your e-mail account",
            RecoveryStep::Web => "Change the password of these pages",
            RecoveryStep::Sessions => "Sign out everywhere else",
            RecoveryStep::Lines => "Give every line a new password",
            RecoveryStep::Phones => "Check that only your phones are registered",
            RecoveryStep::Authenticator => "Add an authenticator",
            RecoveryStep::Limits => "Look at your money limits",
            RecoveryStep::Review => "Check your network at home",
            RecoveryStep::Calls => "Tell us which calls were not yours",
        }
    }
}

impl fmt::Display for RecoveryStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for RecoveryStep {
    type Err = String;

    fn from_str(text: &str) -> Result<RecoveryStep, String> {
        let found = RecoveryStep::ALL.into_iter().find(|step| step.code() == text);
        found.ok_or_else(|| format!("`{}` is no step of a recovery", text.escape_debug()))
    }
}

/// What a holder says of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepWord {
    /// He has done it.
    Done,
    /// He leaves it, with a reason.
    Skipped,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// The record shows that it is done.
    Proved,
    /// The holder says that it is done.
    Confirmed,
    /// The holder leaves it, with a reason.
    Skipped,
    /// Not done.
    Open,
}

impl StepOutcome {
    /// Stable name in JSON.
    pub const fn code(self) -> &'static str {
        match self {
            StepOutcome::Proved => "proved",
            StepOutcome::Confirmed => "confirmed",
            StepOutcome::Skipped => "skipped",
            StepOutcome::Open => "open",
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            StepOutcome::Proved => "done, as our record shows",
            StepOutcome::Confirmed => "done, as the holder says",
            StepOutcome::Skipped => "left out",
            StepOutcome::Open => "not done",
        }
    }
}

/// A step as it is reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedStep {
    /// Which.
    pub step: RecoveryStep,
    /// How it stands.
    pub outcome: StepOutcome,
    /// Since when, if that is known.
    pub at: Option<UnixMicros>,
    /// What the record says about it: a sentence.
    pub proof: String,
    /// What the holder says about it; may be empty.
    pub words: String,
}

/// A call that was not the holder's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedCall {
    /// Its decision.
    pub decision: DecisionId,
    /// The number called, or what was dialled where it was none.
    pub number: String,
    /// Where that is: a country, or a kind of number.
    pub place: String,
    /// When.
    pub started: UnixMicros,
    /// Milliseconds of talk.
    pub talk_ms: Millis,
    /// What it cost.
    pub price: Money,
    /// It was stopped before it left.
    pub is_refused: bool,
    /// User name of the line; may be empty.
    pub line: String,
    /// From where it was made.
    pub source: Option<IpAddr>,
    /// With what: User-Agent; may be empty.
    pub agent: String,
}

/// A phone that showed a password of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedPhone {
    /// What it says it is; may be empty.
    pub agent: String,
    /// Where it was last.
    pub address: IpAddr,
    /// `known`, `new` or `banned` (not the holder's).
    pub state: String,
    /// User names of its lines.
    pub lines: Vec<String>,
    /// First and last seen.
    pub seen: (UnixMicros, UnixMicros),
    /// Was it registered when the report was made?
    pub is_registered: bool,
}

/// What goes to support when a recovery is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryReport {
    /// Whose.
    pub account: AccountId,
    /// What people call the account.
    pub name: String,
    /// Which recovery of the account: 1 for the first.
    pub recovery: u32,
    /// Who began it, and who sends it: web users.
    pub by: (String, String),
    /// When it began.
    pub started: UnixMicros,
    /// When the report was made.
    pub made: UnixMicros,
    /// When the holder noticed, as he says.
    pub noticed: Option<UnixMicros>,
    /// In his own words; may be empty.
    pub words: String,
    /// What the account may do: a status.
    pub status: String,
    /// The steps, in order.
    pub steps: Vec<ReportedStep>,
    /// Calls that were not his, the newest first.
    pub calls: Vec<ReportedCall>,
    /// Calls beyond those.
    pub more_calls: u32,
    /// What the calls named cost together.
    pub price: Money,
    /// Phones, the newest first.
    pub phones: Vec<ReportedPhone>,
}

impl RecoveryReport {
    /// The report as plain text, to print or to copy. `when`: how times are written.
    pub fn text(&self, currency: &str, when: &dyn Fn(UnixMicros) -> String) -> String {
        let mut text = String::new();
        self.head(&mut text, when);
        self.told_steps(&mut text, when);
        self.told_calls(&mut text, currency, when);
        self.told_phones(&mut text, when);
        // What a phone or a person said must not move the cursor of whoever reads it.
        let is_kept = |c: &char| *c == '\n' || !(c.is_control() || is_turning(*c));
        text.chars().filter(is_kept).collect()
    }

    // Writing into a string cannot fail, so what `writeln!` says is dropped.
    fn head(&self, out: &mut String, when: &dyn Fn(UnixMicros) -> String) {
        let Self { account, name, recovery, by: (began, sent), .. } = self;
        _ = writeln!(out, "UNAUTHORISED USE: REPORT {recovery} OF ACCOUNT {account} ({name})\n");
        _ = writeln!(out, "Account number   {account}");
        _ = writeln!(out, "Noticed          {}", self.noticed.map_or("not said".to_owned(), when));
        _ = writeln!(out, "Steps begun      {} by {began}", when(self.started));
        _ = writeln!(out, "Report made      {} by {sent}", when(self.made));
        _ = writeln!(out, "Account is       {}", self.status);
        let words = if self.words.is_empty() { "(nothing)" } else { &self.words };
        _ = writeln!(out, "\nIn the holder's words\n  {words}");
    }

    fn told_steps(&self, out: &mut String, when: &dyn Fn(UnixMicros) -> String) {
        _ = writeln!(out, "\nSteps taken");
        for (number, step) in (1..).zip(&self.steps) {
            let at = step.at.map_or_else(String::new, |at| format!(", {}", when(at)));
            _ = writeln!(out, " {number:>2}. {}: {}{at}", step.step.title(), step.outcome.words());
            for line in [&step.proof, &step.words].into_iter().filter(|line| !line.is_empty()) {
                _ = writeln!(out, "     {line}");
            }
        }
    }

    fn told_calls(&self, out: &mut String, currency: &str, when: &dyn Fn(UnixMicros) -> String) {
        let count = self.calls.len() + self.more_calls as usize;
        _ = writeln!(out, "\nCalls that were not the holder's: {count}");
        for call in &self.calls {
            let what = match (call.is_refused, call.talk_ms) {
                (true, _) => "stopped by us".to_owned(),
                (false, 0) => "not answered".to_owned(),
                (false, ms) => format!("{} min {:02} s", ms / 60_000, ms / 1_000 % 60),
            };
            let source = call.source.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
            _ = writeln!(
                out,
                "  {}  {} ({})  {what}  {} {currency}",
                when(call.started),
                call.number,
                call.place,
                call.price
            );
            _ = writeln!(
                out,
                "     call {}, line {}, from {source}, {}",
                call.decision,
                dash(&call.line),
                dash(&call.agent)
            );
        }
        if self.more_calls > 0 {
            _ = writeln!(out, "  and {} more, older ones", self.more_calls);
        }
        _ = writeln!(out, "  Together {} {currency}", self.price);
    }

    fn told_phones(&self, out: &mut String, when: &dyn Fn(UnixMicros) -> String) {
        _ = writeln!(out, "\nPhones seen: {}", self.phones.len());
        for phone in &self.phones {
            let state = match phone.state.as_str() {
                "banned" => "not the holder's, kept out",
                "new" => "new, nobody said whose",
                _ => "known",
            };
            let now = if phone.is_registered { ", registered now" } else { "" };
            _ = writeln!(out, "  {} at {}: {state}{now}", dash(&phone.agent), phone.address);
            let (first, last) = phone.seen;
            let lines = phone.lines.join(", ");
            _ = writeln!(out, "     line {lines}, first {}, last {}", when(first), when(last));
        }
    }
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Does it turn the direction of writing, or hide?
fn is_turning(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A report as most are, for previews, documents and tests.
pub fn sample(account: AccountId, at: UnixMicros) -> RecoveryReport {
    let step = |step| ReportedStep {
        step,
        outcome: StepOutcome::Proved,
        at: Some(at),
        proof: "It is on record.".to_owned(),
        words: String::new(),
    };
    let address = IpAddr::from([203, 0, 113, 9]);
    let call = ReportedCall {
        decision: DecisionId::at(at),
        number: "+252611234567".to_owned(),
        place: "Somalia".to_owned(),
        started: at,
        talk_ms: 247_000,
        price: Money::from_cents(379),
        is_refused: false,
        line: "alice-desk".to_owned(),
        source: Some(address),
        agent: "friendly-scanner".to_owned(),
    };
    let phone = ReportedPhone {
        agent: "friendly-scanner".to_owned(),
        address,
        state: "banned".to_owned(),
        lines: vec!["alice-desk".to_owned()],
        seen: (at, at),
        is_registered: false,
    };
    let alice = "alice@example.com".to_owned();
    RecoveryReport {
        account,
        name: "Alice".to_owned(),
        recovery: 1,
        by: (alice.clone(), alice),
        started: at,
        made: at.plus_ms(900_000),
        noticed: Some(at),
        words: "my phone rang at night".to_owned(),
        status: "frozen".to_owned(),
        steps: RecoveryStep::ALL.map(step).to_vec(),
        price: call.price,
        calls: vec![call],
        more_calls: 0,
        phones: vec![phone],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_printed_and_keep_the_order_of_the_advice() {
        for step in RecoveryStep::ALL {
            assert_eq!(step.code().parse(), Ok(step));
            let json = serde_json::to_value(step).expect("it is JSON");
            assert_eq!(json, step.code());
        }
        assert!("report".parse::<RecoveryStep>().is_err());
        use RecoveryStep::{Lines, Mail, Phones, Review, Web};
        let of_the_advice = [Mail, Web, Lines, Phones, Review];
        let kept = RecoveryStep::ALL.into_iter().filter(|step| of_the_advice.contains(step));
        assert_eq!(kept.collect::<Vec<_>>(), of_the_advice);
        assert_eq!(RecoveryStep::ALL[0], RecoveryStep::Stop);
    }

    #[test]
    fn a_report_says_all_that_support_asks_for() {
        let mut report = sample(AccountId(7), UnixMicros::from_seconds(1_795_313_640));
        report.words = "so\u{1b}[31m bad\u{202e}".to_owned();
        report.more_calls = 2;
        let text = report.text("GBP", &|at| at.to_string());
        for want in [
            "Account number   7",
            "Noticed          2026-11-22T02:14:00",
            "  1. Stop outgoing calls: done, as our record shows, 2026-11-22T02:14:00",
            " 10. Tell us which calls",
            "+252611234567 (Somalia)  4 min 07 s  3.79 GBP",
            "line alice-desk, from 203.0.113.9, friendly-scanner",
            "and 2 more",
            "not the holder's, kept out",
            "so[31m bad\n",
        ] {
            assert!(text.contains(want), "no `{want}` in:\n{text}");
        }
    }
}
