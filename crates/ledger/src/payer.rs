//! Whose spending a call is. Lives here: where it is counted, which levels hold there.
//! Never here: what is spent.

use types::{AccountId, LevelScope, LineId, ResellerId};

use crate::exposure::Levels;

/// Whose spending a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payer {
    /// Who pays.
    pub account: AccountId,
    /// The line, if it has levels of its own.
    pub line: Option<LineId>,
    /// Who sells to the account, if anybody.
    pub reseller: Option<ResellerId>,
}

impl Payer {
    /// An account that stands for itself.
    pub const fn account(account: AccountId) -> Payer {
        Payer { account, line: None, reseller: None }
    }

    /// Where its spending is counted, in the order of [`LevelScope::ALL`].
    pub(crate) fn places(self) -> impl Iterator<Item = Place> {
        let line = self.line.map(Place::Line);
        let reseller = self.reseller.map(Place::Reseller);
        let all = [line, Some(Place::Account(self.account)), reseller, Some(Place::Platform)];
        all.into_iter().flatten()
    }
}

/// Where spending is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Line(LineId),
    Account(AccountId),
    Reseller(ResellerId),
    Platform,
}

impl Place {
    pub const fn scope(self) -> LevelScope {
        match self {
            Place::Line(_) => LevelScope::Line,
            Place::Account(_) => LevelScope::Account,
            Place::Reseller(_) => LevelScope::Reseller,
            Place::Platform => LevelScope::Platform,
        }
    }
}

/// The levels of everybody whose spending a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Of the line alone.
    pub line: Levels,
    /// Of the account.
    pub account: Levels,
    /// Of the reseller.
    pub reseller: Levels,
    /// Of the platform.
    pub platform: Levels,
}

impl Bounds {
    /// Of an account that stands for itself.
    pub fn account(levels: Levels) -> Bounds {
        Bounds { account: levels, ..Bounds::default() }
    }

    pub(crate) const fn of(&self, place: Place) -> &Levels {
        match place {
            Place::Line(_) => &self.line,
            Place::Account(_) => &self.account,
            Place::Reseller(_) => &self.reseller,
            Place::Platform => &self.platform,
        }
    }
}
