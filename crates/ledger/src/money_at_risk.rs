//! All accounts' money at risk. Lives here: reserve, extend, settle, release, expire and the audit.
//! Never here: prices, rules other than the stop levels.
//!
//! ```text
//!            ┌─ extend ─┐
//! reserve ─► │  open    │ ─► settle (answered, ended) │ release (never answered) │ expire (end not seen)
//!            └──────────┘
//! ```
//! Each hold is closed exactly once: closing takes it out, and a second closing finds nothing.

use types::reason::Window;
use types::{AccountId, DecisionId, Finding, HashKey, Map, Money, UnixMicros};

use crate::exposure::{Exposure, Levels, Spent};

/// Money asked for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// For which call.
    pub decision: DecisionId,
    /// Who pays.
    pub account: AccountId,
    /// How much.
    pub amount: Money,
    /// Does it count against the costly levels?
    pub costly: bool,
}

/// A stop level that a call would cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Which window.
    pub window: Window,
    /// Spent in it.
    pub spent: Money,
    /// Held by open calls.
    pub held: Money,
    /// What was asked.
    pub asked: Money,
    /// The level.
    pub level: Money,
}

impl From<Crossing> for Finding {
    fn from(crossing: Crossing) -> Finding {
        let Crossing { window, spent, held, asked, level } = crossing;
        Finding::StopLevel { window, spent, held, asked, level }
    }
}

/// Why money was not held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Levels would be crossed; at least one.
    #[error("{} stop level(s) would be crossed", .0.len())]
    Levels(Vec<Crossing>),
    /// The ask makes no sense.
    #[error(transparent)]
    Fault(#[from] LedgerError),
}

/// A movement of money that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// More than 64 bits of millionths.
    #[error("a sum of money is too large")]
    Overflow,
    /// An amount below nothing.
    #[error("an amount of money is negative")]
    Negative,
    /// The call has a hold already.
    #[error("call {0} holds money already")]
    HoldExists(DecisionId),
    /// The call has no hold, or not any more.
    #[error("call {0} holds no money")]
    NoHold(DecisionId),
    /// An extension asked for less than is held.
    #[error("call {0} holds more than the extension asks in all")]
    Shrinks(DecisionId),
}

/// An open hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// Who pays.
    pub account: AccountId,
    /// How much.
    pub amount: Money,
    /// Does it count against the costly levels?
    pub costly: bool,
}

/// How a hold was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// What was held.
    pub held: Money,
    /// What was spent instead.
    pub price: Money,
    /// What the price exceeds the hold by: a late hang-up.
    pub overrun: Money,
}

/// What an account has at risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposed {
    /// Settled, in the windows.
    pub spent: Spent,
    /// Held by costly open calls.
    pub held_costly: Money,
    /// Held by all open calls.
    pub held_all: Money,
    /// Settled and not billed yet.
    pub unbilled: Money,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Holds made, adopted ones included.
    pub reserved: u64,
    /// Holds settled.
    pub settled: u64,
    /// Holds released.
    pub released: u64,
    /// Holds expired.
    pub expired: u64,
    /// Largest overrun of one call.
    pub largest_overrun: Money,
}

/// What the audit found wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// An account's sum differs from its holds.
    #[error("account {account} keeps {kept} as held, its open holds sum up to {found}")]
    Held {
        /// Whose.
        account: AccountId,
        /// The kept sum.
        kept: Money,
        /// The sum found.
        found: Money,
    },
    /// Holds opened and closed do not match the open ones.
    #[error("{reserved} holds made, {closed} closed, {open} open")]
    Count {
        /// Made.
        reserved: u64,
        /// Closed.
        closed: u64,
        /// Open.
        open: u64,
    },
}

/// Money at risk of all accounts. An account without spending, holds and un-billed usage is not in it.
pub struct Ledger {
    exposures: Map<AccountId, Exposure>,
    holds: Map<DecisionId, OpenHold>,
    totals: Totals,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(hash: HashKey) -> Ledger {
        Ledger {
            exposures: Map::with_hasher(hash),
            holds: Map::with_hasher(hash),
            totals: Totals::default(),
        }
    }

    /// Counts spending that was settled before the start.
    pub fn restore_spending(
        &mut self,
        account: AccountId,
        at: UnixMicros,
        amount: Money,
        costly: bool,
    ) -> Result<(), LedgerError> {
        positive(amount)?;
        self.exposures.entry(account).or_default().spend(at, amount, costly)
    }

    /// Takes over the un-billed usage from before the start.
    pub fn restore_unbilled(&mut self, account: AccountId, amount: Money) {
        if !amount.is_zero() {
            self.exposures.entry(account).or_default().unbilled = amount;
        }
    }

    /// Changes un-billed usage by what was given back, or billed. Spending in the windows stays: money
    /// that is given back does not make room under a stop level.
    pub fn change_unbilled(&mut self, account: AccountId, by: Money) -> Result<(), LedgerError> {
        let exposure = self.exposures.entry(account).or_default();
        exposure.unbilled = exposure.unbilled.checked_add(by).ok_or(LedgerError::Overflow)?;
        if exposure.is_idle() {
            self.exposures.remove(&account);
        }
        Ok(())
    }

    /// Opens a hold that was open before the start, whatever the levels are now.
    pub fn adopt(&mut self, ask: Ask) -> Result<(), LedgerError> {
        positive(ask.amount)?;
        self.open(ask)
    }

    /// Every level that the ask would cross; nothing is changed.
    pub fn crossings(
        &self,
        now: UnixMicros,
        account: AccountId,
        amount: Money,
        costly: bool,
        levels: &Levels,
    ) -> Vec<Crossing> {
        match self.exposures.get(&account) {
            Some(exposure) => exposure.crossings(now, amount, costly, levels),
            None => Exposure::default().crossings(now, amount, costly, levels),
        }
    }

    /// Holds money for a call, if spent, held and asked stay within every level.
    pub fn reserve(&mut self, now: UnixMicros, ask: Ask, levels: &Levels) -> Result<(), Refused> {
        positive(ask.amount)?;
        let crossed = self.crossings(now, ask.account, ask.amount, ask.costly, levels);
        if !crossed.is_empty() {
            return Err(Refused::Levels(crossed));
        }
        self.open(ask)?;
        Ok(())
    }

    /// Holds `total` for the call from now on, if what is asked beyond its hold stays within every level.
    pub fn extend(
        &mut self,
        now: UnixMicros,
        decision: DecisionId,
        total: Money,
        levels: &Levels,
    ) -> Result<(), Refused> {
        let hold = *self.holds.get(&decision).ok_or(LedgerError::NoHold(decision))?;
        let asked = total.checked_sub(hold.amount).ok_or(LedgerError::Overflow)?;
        if asked.is_negative() {
            return Err(LedgerError::Shrinks(decision).into());
        }
        let crossed = self.crossings(now, hold.account, asked, hold.costly, levels);
        if !crossed.is_empty() {
            return Err(Refused::Levels(crossed));
        }
        let exposure = self.exposures.entry(hold.account).or_default();
        let (all, costly) = raised(exposure, asked, hold.costly)?;
        // After this point it must succeed.
        (exposure.held_all, exposure.held_costly) = (all, costly);
        self.holds.insert(decision, OpenHold { amount: total, ..hold });
        Ok(())
    }

    /// An answered call ended: its price is spent, the rest is free.
    pub fn settle(
        &mut self,
        now: UnixMicros,
        decision: DecisionId,
        price: Money,
    ) -> Result<Closing, LedgerError> {
        let closing = self.close(now, decision, price)?;
        self.totals.settled += 1;
        Ok(closing)
    }

    /// A call was never answered: all of its hold is free.
    pub fn release(
        &mut self,
        now: UnixMicros,
        decision: DecisionId,
    ) -> Result<Closing, LedgerError> {
        let closing = self.close(now, decision, Money::ZERO)?;
        self.totals.released += 1;
        Ok(closing)
    }

    /// A call's end was noticed, not seen: its price up to then is spent.
    pub fn expire(
        &mut self,
        now: UnixMicros,
        decision: DecisionId,
        price: Money,
    ) -> Result<Closing, LedgerError> {
        let closing = self.close(now, decision, price)?;
        self.totals.expired += 1;
        Ok(closing)
    }

    /// What the call holds.
    pub fn hold(&self, decision: DecisionId) -> Option<OpenHold> {
        self.holds.get(&decision).copied()
    }

    /// What the account has at risk.
    pub fn exposed(&self, now: UnixMicros, account: AccountId) -> Exposed {
        self.exposures.get(&account).map_or_else(Exposed::default, |exposure| Exposed {
            spent: exposure.spent(now),
            held_costly: exposure.held_costly,
            held_all: exposure.held_all,
            unbilled: exposure.unbilled,
        })
    }

    /// Settled and not billed yet.
    pub fn unbilled(&self, account: AccountId) -> Money {
        self.exposures.get(&account).map_or(Money::ZERO, |exposure| exposure.unbilled)
    }

    /// Held for calls in progress.
    pub fn held(&self, account: AccountId) -> Money {
        self.exposures.get(&account).map_or(Money::ZERO, |exposure| exposure.held_all)
    }

    /// Counts since the start.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Recomputes every kept sum from the open holds.
    pub fn audit(&self) -> Result<(), AuditError> {
        for (&account, exposure) in &self.exposures {
            let open = || self.holds.values().filter(|hold| hold.account == account);
            check_held(account, exposure.held_all, open())?;
            check_held(account, exposure.held_costly, open().filter(|hold| hold.costly))?;
        }
        let Totals { reserved, settled, released, expired, .. } = self.totals;
        let (closed, open) = (settled + released + expired, self.holds.len() as u64);
        if reserved != closed + open {
            return Err(AuditError::Count { reserved, closed, open });
        }
        Ok(())
    }

    fn open(&mut self, ask: Ask) -> Result<(), LedgerError> {
        if self.holds.contains_key(&ask.decision) {
            return Err(LedgerError::HoldExists(ask.decision));
        }
        let exposure = self.exposures.entry(ask.account).or_default();
        let (all, costly) = raised(exposure, ask.amount, ask.costly)?;
        // After this point it must succeed.
        (exposure.held_all, exposure.held_costly) = (all, costly);
        exposure.holds += 1;
        let hold = OpenHold { account: ask.account, amount: ask.amount, costly: ask.costly };
        self.holds.insert(ask.decision, hold);
        self.totals.reserved += 1;
        Ok(())
    }

    fn close(
        &mut self,
        now: UnixMicros,
        decision: DecisionId,
        price: Money,
    ) -> Result<Closing, LedgerError> {
        positive(price)?;
        let hold = *self.holds.get(&decision).ok_or(LedgerError::NoHold(decision))?;
        let exposure = self.exposures.entry(hold.account).or_default();
        let unbilled = exposure.unbilled.checked_add(price).ok_or(LedgerError::Overflow)?;
        if !price.is_zero() {
            exposure.spend(now, price, hold.costly)?;
        }
        // After this point it must succeed.
        exposure.unbilled = unbilled;
        exposure.held_all = exposure.held_all.saturating_sub(hold.amount);
        if hold.costly {
            exposure.held_costly = exposure.held_costly.saturating_sub(hold.amount);
        }
        exposure.holds -= 1;
        exposure.prune(now);
        assert!(
            !exposure.held_all.is_negative() && !exposure.held_costly.is_negative(),
            "an account never holds less than nothing"
        );
        if exposure.is_idle() {
            self.exposures.remove(&hold.account);
        }
        self.holds.remove(&decision);
        let excess = price.saturating_sub(hold.amount);
        let overrun = if excess.is_negative() { Money::ZERO } else { excess };
        self.totals.largest_overrun = self.totals.largest_overrun.max(overrun);
        Ok(Closing { held: hold.amount, price, overrun })
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({} accounts, {} holds)", self.exposures.len(), self.holds.len())
    }
}

/// What the account holds, all and costly, with `amount` more.
fn raised(exposure: &Exposure, amount: Money, costly: bool) -> Result<(Money, Money), LedgerError> {
    let costly_share = if costly { amount } else { Money::ZERO };
    let all = exposure.held_all.checked_add(amount).ok_or(LedgerError::Overflow)?;
    let costly = exposure.held_costly.checked_add(costly_share).ok_or(LedgerError::Overflow)?;
    Ok((all, costly))
}

fn positive(amount: Money) -> Result<(), LedgerError> {
    if amount.is_negative() { Err(LedgerError::Negative) } else { Ok(()) }
}

fn check_held<'a>(
    account: AccountId,
    kept: Money,
    open: impl Iterator<Item = &'a OpenHold>,
) -> Result<(), AuditError> {
    let found = open.fold(Money::ZERO, |sum, hold| sum.saturating_add(hold.amount));
    if kept == found { Ok(()) } else { Err(AuditError::Held { account, kept, found }) }
}
