//! An ended call with all that is asked of the record for it. Lives here: what it holds. Never here: where it comes from
//! (judge), what it means (one file for each topic).

use types::{Cdr, LineStanding, Rate, Standing, Transfer, UnixMicros};

use crate::call::Calls;
use crate::off_hours::Calendar;

/// What a number costs by a deck as it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Priced {
    /// The record does not tell which deck stood.
    Unknown,
    /// Nobody pays.
    Free,
    /// By one of these: mostly one, more where the deck changed at that moment. `None`: there was no price.
    At(Vec<Option<Rate>>),
}

/// An ended call with all that is asked of the record for it.
pub(crate) struct Case<'a> {
    pub cdr: &'a Cdr,
    /// The time of its decision, which is surely before or after each change.
    pub at: UnixMicros,
    /// Emergency and support.
    pub exempt: bool,
    /// Did the node start anew while it lasted?
    pub interrupted: bool,
    /// What stood for its account; `None`: nothing is on record.
    pub stood: Option<Standing>,
    /// What came to stand while it lasted, oldest first.
    pub later: Vec<Standing>,
    /// The same of its line.
    pub line_stood: Option<LineStanding>,
    pub line_later: Vec<LineStanding>,
    /// What it costs its holder, and us.
    pub sold: Priced,
    pub bought: Priced,
    pub transfers: Vec<Transfer>,
    /// Calls of the account.
    pub calls: &'a Calls,
    pub calendar: &'a Calendar,
}

impl Case<'_> {
    /// Does a carrier carry it for money? Nothing else has a price.
    pub fn is_paid(&self) -> bool {
        self.cdr.direction == types::Direction::Outgoing && !self.exempt
    }

    /// Is it charged to somebody?
    pub fn is_charged(&self) -> bool {
        self.is_paid() && self.cdr.explanation.rate.as_ref().is_some_and(crate::call::is_charged)
    }

    pub fn is_costly(&self) -> bool {
        self.cdr.destination.class.is_costly()
    }

    /// Every standing of the account while it lasted, the one at its decision first.
    pub fn standings(&self) -> impl Iterator<Item = &Standing> {
        self.stood.iter().chain(&self.later)
    }
}
