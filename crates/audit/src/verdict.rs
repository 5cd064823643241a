//! What the auditor says. Lives here: what does not fit, in types and in one sentence each. Never here: finding it.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use types::reason::Window;
use types::{
    AccountId, AccountStatus, DestinationClass, LevelScope, Millis, Money, Rate, Region,
    UnixMicros, WeekHour,
};

/// What was found of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What does not fit; empty is good.
    pub mismatches: Vec<Mismatch>,
    /// What the record did not tell, so that it was not judged.
    pub unknown: Vec<&'static str>,
}

impl Verdict {
    /// Does everything fit?
    pub fn is_good(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// Did the holder get a call that he must not have been charged for as he was? Where only the carrier's side is
    /// wrong, he did not.
    pub fn concerns_holder(&self) -> bool {
        self.mismatches.iter().any(Mismatch::concerns_holder)
    }
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mismatch", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is told in words below, with its fields")]
pub enum Mismatch {
    Payer { charged: AccountId, owner: AccountId },
    AccountStatus { status: AccountStatus, class: DestinationClass },
    LineDisabled,
    IpLock { peer: Option<IpAddr>, of_line: bool },
    Barred { class: DestinationClass },
    BarredCountry { region: Region },
    BarredHour { at: WeekHour },
    PriceCap { per_minute: Money, cap: Money },
    ConnectFeeCap { fee: Money, cap: Money },
    NotFree { by: Rate },
    Rate { by: Option<Rate>, deck: Option<Rate>, charged: Money, due: Money },
    Price { charged: Money, due: Money },
    CostRate { by: Option<Rate>, deck: Option<Rate> },
    Cost { recorded: Money, due: Money },
    Charged { posted: Money, price: Money },
    CostPosted { posted: Money, cost: Money },
    Calls { open: u16, limit: u16 },
    CostlyCalls { open: u16, limit: u16 },
    Hotspots { before: u16, limit: u16 },
    StopLevel { scope: LevelScope, window: Window, at_least: Money, level: Money },
    Overspent { scope: LevelScope, window: Window, spent: Money, level: Money },
    NotCut { since: UnixMicros, after_ms: Millis, because: Change },
}

/// What should have ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    Status { status: AccountStatus },
    Barred { class: DestinationClass },
    BarredCountry { region: Region },
    PriceCap { cap: Money },
    ConnectFeeCap { cap: Money },
    LineDisabled,
}

impl Mismatch {
    /// Is it about what the holder might do and was charged? The rest is between carriers and us.
    pub const fn concerns_holder(&self) -> bool {
        !matches!(
            self,
            Mismatch::CostRate { .. } | Mismatch::Cost { .. } | Mismatch::CostPosted { .. }
        )
    }
}

impl fmt::Display for Mismatch {
    /// One sentence for a person, without the full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Payer { charged, owner } => {
                write!(f, "charged to account {charged}, its line belongs to account {owner}")
            }
            Mismatch::AccountStatus { status, class } => {
                write!(f, "a call of class {class} was let out, the account was {status}")
            }
            Mismatch::LineDisabled => f.write_str("a call was let out by a line that was disabled"),
            Mismatch::IpLock { peer, of_line } => {
                let whose = if *of_line { "line" } else { "account" };
                match peer {
                    Some(peer) => {
                        write!(f, "it came from {peer}, outside the IP lock of its {whose}")
                    }
                    None => write!(
                        f,
                        "it came from nowhere that is on record, its {whose} has an IP lock"
                    ),
                }
            }
            Mismatch::Barred { class } => {
                write!(f, "a call of class {class} was let out, which was barred")
            }
            Mismatch::BarredCountry { region } => {
                write!(f, "a call to {} was let out, which was barred", region.name())
            }
            Mismatch::BarredHour { at } => {
                write!(f, "a call was let out on {at}, which was barred")
            }
            Mismatch::PriceCap { per_minute, cap } => {
                write!(f, "a call at {per_minute} a minute was let out, the cap was {cap}")
            }
            Mismatch::ConnectFeeCap { fee, cap } => {
                write!(f, "a call with a connection fee of {fee} was let out, the cap was {cap}")
            }
            Mismatch::Calls { open, limit } => {
                write!(
                    f,
                    "at least {open} calls were in progress when it was let out, the limit was {limit}"
                )
            }
            Mismatch::CostlyCalls { open, limit } => write!(
                f,
                "at least {open} costly calls were in progress when it was let out, the limit was {limit}"
            ),
            Mismatch::Hotspots { before, limit } => write!(
                f,
                "at least {before} calls to hotspots came before it in 12 hours, the limit was {limit}"
            ),
            Mismatch::StopLevel { scope, window, at_least, level } => write!(
                f,
                "with it at least {at_least} was spent and held in {window}, the stop level of its {scope} was {level}"
            ),
            Mismatch::Overspent { scope, window, spent, level } => write!(
                f,
                "with it {spent} was spent in {window}, the stop level of its {scope} was never above {level}"
            ),
            Mismatch::NotCut { since, after_ms, because } => {
                write!(
                    f,
                    "{because} at {since}, it went on for {}.{} s",
                    after_ms / 1_000,
                    after_ms % 1_000 / 100
                )
            }
            about_money => about_money.fmt_money(f),
        }
    }
}

impl Mismatch {
    fn fmt_money(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::NotFree { by } => {
                write!(f, "a call that is free was rated {}", Minute(&Some(*by)))
            }
            Mismatch::Rate { by, deck: None, charged, .. } => {
                write!(f, "charged {charged} {}, by the deck of that day it had no price", By(by))
            }
            Mismatch::Rate { by, deck, charged, due } => write!(
                f,
                "charged {charged} {}, by the deck of that day {due} {}",
                By(by),
                By(deck)
            ),
            Mismatch::Price { charged, due } => {
                write!(f, "charged {charged}, its talk comes to {due}")
            }
            Mismatch::CostRate { by, deck } => {
                let told = |rate: &Option<Rate>, none: &str| match rate {
                    Some(_) => Minute(rate).to_string(),
                    None => none.to_owned(),
                };
                let (by, deck) = (told(by, "for unknown"), told(deck, "it had no price"));
                write!(f, "the carrier's rate was taken {by}, by his deck {deck}")
            }
            Mismatch::Cost { recorded, due } => {
                write!(f, "a carrier's cost of {recorded} is recorded, its talk comes to {due}")
            }
            Mismatch::Charged { posted, price } => {
                write!(f, "{posted} was posted for a price of {price}")
            }
            Mismatch::CostPosted { posted, cost } => {
                write!(f, "{posted} was posted for a carrier's cost of {cost}")
            }
            _ => unreachable!("all others are told above"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Status { status } => write!(f, "the account became {status}"),
            Change::Barred { class } => write!(f, "class {class} was barred"),
            Change::BarredCountry { region } => write!(f, "{} was barred", region.name()),
            Change::PriceCap { cap } => write!(f, "the price cap was lowered to {cap}"),
            Change::ConnectFeeCap { cap } => {
                write!(f, "the cap of connection fees was lowered to {cap}")
            }
            Change::LineDisabled => f.write_str("the line was disabled"),
        }
    }
}

/// A rate behind "by".
struct By<'r>(&'r Option<Rate>);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rate) => write!(f, "by {}", Rated(rate)),
            None => f.write_str("by no rate"),
        }
    }
}

/// A rate behind "at".
struct Minute<'r>(&'r Option<Rate>);

impl fmt::Display for Minute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rate) => write!(f, "at {}", Rated(rate)),
            None => f.write_str("at no rate"),
        }
    }
}

/// A rate, with what of it is not usual.
struct Rated<'r>(&'r Rate);

impl fmt::Display for Rated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { connect_fee, per_minute, minimum_s, first_increment_s, increment_s } = self.0;
        write!(f, "{per_minute} a minute")?;
        if !connect_fee.is_zero() {
            write!(f, " and {connect_fee} a call")?;
        }
        if (*first_increment_s, *increment_s) != (1, 1) {
            write!(f, " in {first_increment_s}/{increment_s} s")?;
        }
        if *minimum_s > 0 {
            write!(f, ", at least {minimum_s} s")?;
        }
        Ok(())
    }
}
