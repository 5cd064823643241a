//! All money at risk: of lines, accounts, resellers and the platform. Lives here: reserve, extend, settle,
//! release, expire and the audit. Never here: prices, rules other than the stop levels.
//!
//! ```text
//!            ┌─ extend ─┐
//! reserve ─► │  open    │ ─► settle (answered, ended) │ release (never answered) │ expire (end not seen)
//!            └──────────┘
//! ```
//! Each hold is closed exactly once: closing takes it out, and a second closing finds nothing.
//!
//! A hold counts in up to four places, always in the same order: its line, if that has levels of its own,
//! its account, its reseller, the platform. All are judged before any is changed.

use std::collections::BTreeMap;

use types::{
    AccountId, DecisionId, HashKey, LevelNotice, LevelScope, LineId, Map, Money, ResellerId,
    UnixMicros,
};

use crate::exposure::{Exposure, News, Use};
use crate::greatest_loss::{self, GreatestLoss, Stretch};
use crate::outcome::{
    Ask, AuditError, Closing, Crossing, Exposed, LedgerError, OpenHold, Refused, Totals,
};
use crate::payer::{Bounds, Payer, Place};

/// Money at risk of everybody. An account without spending, holds and un-billed usage is not in it.
pub struct Ledger {
    exposures: Map<Place, Exposure>,
    holds: Map<DecisionId, OpenHold>,
    totals: Totals,
    notices: Vec<(News, LevelNotice)>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(hash: HashKey) -> Ledger {
        Ledger {
            exposures: Map::with_hasher(hash),
            holds: Map::with_hasher(hash),
            totals: Totals::default(),
            notices: Vec::new(),
        }
    }

    /// Counts spending that was settled before the start; that of a line on its own comes by
    /// [`Ledger::restore_line`].
    pub fn restore_spending(
        &mut self,
        payer: Payer,
        at: UnixMicros,
        amount: Money,
        costly: bool,
    ) -> Result<(), LedgerError> {
        positive(amount)?;
        let payer = Payer { line: None, ..payer };
        payer.places().try_for_each(|place| {
            self.exposures.entry(place).or_default().spend(at, amount, costly)
        })
    }

    /// Counts spending of a line with levels of its own that was settled before the start.
    pub fn restore_line(
        &mut self,
        line: LineId,
        at: UnixMicros,
        amount: Money,
        costly: bool,
    ) -> Result<(), LedgerError> {
        positive(amount)?;
        self.exposures.entry(Place::Line(line)).or_default().spend(at, amount, costly)
    }

    /// Takes over the un-billed usage from before the start.
    pub fn restore_unbilled(&mut self, account: AccountId, amount: Money) {
        if !amount.is_zero() {
            self.exposures.entry(Place::Account(account)).or_default().unbilled = amount;
        }
    }

    /// From now on a line is counted on its own. What it has spent is not known here: never too little, it
    /// is taken for all that its account has. `open`: its calls in progress.
    pub fn count_line(
        &mut self,
        line: LineId,
        account: AccountId,
        open: impl IntoIterator<Item = DecisionId>,
    ) {
        if self.exposures.contains_key(&Place::Line(line)) {
            return;
        }
        let mut own = match self.exposures.get(&Place::Account(account)) {
            Some(exposure) => exposure.spending_only(),
            None => Exposure::default(),
        };
        for decision in open {
            let Some(hold) = self.holds.get_mut(&decision) else { continue };
            hold.payer.line = Some(line);
            own.holds += 1;
            own.held_all = own.held_all.saturating_add(hold.amount);
            if hold.costly {
                own.held_costly = own.held_costly.saturating_add(hold.amount);
            }
        }
        self.exposures.insert(Place::Line(line), own);
    }

    /// Changes un-billed usage by what was given back, or billed. Spending in the windows stays: money
    /// that is given back does not make room under a stop level.
    pub fn change_unbilled(&mut self, account: AccountId, by: Money) -> Result<(), LedgerError> {
        let exposure = self.exposures.entry(Place::Account(account)).or_default();
        exposure.unbilled = exposure.unbilled.checked_add(by).ok_or(LedgerError::Overflow)?;
        if exposure.is_idle() {
            self.exposures.remove(&Place::Account(account));
        }
        Ok(())
    }

    /// A line has no levels of its own any more: what is not counted from now on must not be taken for all of it,
    /// should it get levels again. `open`: its calls in progress.
    pub fn forget_line(&mut self, line: LineId, open: impl IntoIterator<Item = DecisionId>) {
        for decision in open {
            if let Some(hold) = self.holds.get_mut(&decision) {
                hold.payer.line = None;
            }
        }
        self.exposures.remove(&Place::Line(line));
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
        payer: Payer,
        (asked, costly): (Money, bool),
        bounds: &Bounds,
    ) -> Vec<Crossing> {
        let (mut crossed, nothing) = (Vec::new(), Exposure::default());
        for place in payer.places().filter(|place| !bounds.of(*place).is_none()) {
            let exposure = self.exposures.get(&place).unwrap_or(&nothing);
            let used = exposure.used(now, costly, bounds.of(place));
            crossed.extend(used.filter_map(|used| crossing(place, &used, asked)));
        }
        crossed
    }

    /// Holds money for a call, if spent, held and asked stay within every level.
    pub fn reserve(&mut self, now: UnixMicros, ask: Ask, bounds: &Bounds) -> Result<(), Refused> {
        positive(ask.amount)?;
        let asked = (ask.amount, ask.costly);
        let crossed = self.judge(now, ask.payer, asked, bounds);
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
        bounds: &Bounds,
    ) -> Result<(), Refused> {
        let hold = *self.holds.get(&decision).ok_or(LedgerError::NoHold(decision))?;
        let asked = total.checked_sub(hold.amount).ok_or(LedgerError::Overflow)?;
        if asked.is_negative() {
            return Err(LedgerError::Shrinks(decision).into());
        }
        let crossed = self.judge(now, hold.payer, (asked, hold.costly), bounds);
        if !crossed.is_empty() {
            return Err(Refused::Levels(crossed));
        }
        let raised = self.raised(hold.payer, asked, hold.costly)?;
        // After this point it must succeed.
        for (place, (all, costly)) in hold.payer.places().zip(raised) {
            let exposure = self.exposures.entry(place).or_default();
            (exposure.held_all, exposure.held_costly) = (all, costly);
        }
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
        self.exposed_at(now, Place::Account(account))
    }

    /// What a line with levels of its own has at risk; nothing is known of others.
    pub fn line_exposed(&self, now: UnixMicros, line: LineId) -> Exposed {
        self.exposed_at(now, Place::Line(line))
    }

    /// What all accounts of a reseller have at risk.
    pub fn reseller_exposed(&self, now: UnixMicros, reseller: ResellerId) -> Exposed {
        self.exposed_at(now, Place::Reseller(reseller))
    }

    /// What everybody has at risk.
    pub fn platform_exposed(&self, now: UnixMicros) -> Exposed {
        self.exposed_at(now, Place::Platform)
    }

    /// The most that an account can spend until the end of the last stretch, when these levels hold and all
    /// its calls at once can cost `late` beyond what is held for them.
    pub fn greatest_loss(
        &self,
        now: UnixMicros,
        account: AccountId,
        stretches: &[Stretch],
        late: GreatestLoss,
    ) -> GreatestLoss {
        match self.exposures.get(&Place::Account(account)) {
            Some(exposure) => greatest_loss::of(exposure, now, stretches, late),
            None => greatest_loss::of(&Exposure::default(), now, stretches, late),
        }
    }

    /// What is news about levels since the last time.
    pub fn take_notices(&mut self) -> Vec<(News, LevelNotice)> {
        std::mem::take(&mut self.notices)
    }

    fn exposed_at(&self, now: UnixMicros, place: Place) -> Exposed {
        self.exposures.get(&place).map_or_else(Exposed::default, |exposure| Exposed {
            spent: exposure.spent(now),
            held_costly: exposure.held_costly,
            held_all: exposure.held_all,
            unbilled: exposure.unbilled,
        })
    }

    /// Settled and not billed yet.
    pub fn unbilled(&self, account: AccountId) -> Money {
        self.exposures
            .get(&Place::Account(account))
            .map_or(Money::ZERO, |exposure| exposure.unbilled)
    }

    /// Held for calls in progress.
    pub fn held(&self, account: AccountId) -> Money {
        self.exposures
            .get(&Place::Account(account))
            .map_or(Money::ZERO, |exposure| exposure.held_all)
    }

    /// Counts since the start.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Recomputes every kept sum from the open holds.
    pub fn audit(&self) -> Result<(), AuditError> {
        let mut found: BTreeMap<Place, (Money, Money)> = BTreeMap::new();
        for hold in self.holds.values() {
            for place in hold.payer.places() {
                let (all, costly) = found.entry(place).or_default();
                *all = all.saturating_add(hold.amount);
                if hold.costly {
                    *costly = costly.saturating_add(hold.amount);
                }
            }
        }
        for (place, exposure) in &self.exposures {
            let (all, costly) = found.remove(place).unwrap_or_default();
            check_held(*place, exposure.held_all, all)?;
            check_held(*place, exposure.held_costly, costly)?;
        }
        if let Some((place, (all, _))) = found.into_iter().next() {
            check_held(place, Money::ZERO, all)?;
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
        let raised = self.raised(ask.payer, ask.amount, ask.costly)?;
        // After this point it must succeed.
        for (place, (all, costly)) in ask.payer.places().zip(raised) {
            let exposure = self.exposures.entry(place).or_default();
            (exposure.held_all, exposure.held_costly) = (all, costly);
            exposure.holds += 1;
        }
        let hold = OpenHold { payer: ask.payer, amount: ask.amount, costly: ask.costly };
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
        let unbilled =
            self.unbilled(hold.payer.account).checked_add(price).ok_or(LedgerError::Overflow)?;
        for place in hold.payer.places() {
            let exposure = self.exposures.get(&place);
            if exposure.is_some_and(|exposure| !exposure.has_room(now, price)) {
                return Err(LedgerError::Overflow);
            }
        }
        // After this point it must succeed.
        for place in hold.payer.places() {
            let exposure = self.exposures.entry(place).or_default();
            if !price.is_zero() {
                exposure.spend(now, price, hold.costly).expect("there was room for it");
            }
            exposure.free(now, hold.amount, hold.costly);
            if place == Place::Account(hold.payer.account) {
                exposure.unbilled = unbilled;
            }
            if exposure.is_idle() && !matches!(place, Place::Line(_)) {
                self.exposures.remove(&place);
            }
        }
        self.holds.remove(&decision);
        let excess = price.saturating_sub(hold.amount);
        let overrun = if excess.is_negative() { Money::ZERO } else { excess };
        self.totals.largest_overrun = self.totals.largest_overrun.max(overrun);
        Ok(Closing { held: hold.amount, price, overrun })
    }

    /// What each place of the payer holds, all and costly, with `amount` more.
    fn raised(
        &self,
        payer: Payer,
        amount: Money,
        costly: bool,
    ) -> Result<[(Money, Money); 4], LedgerError> {
        let costly_share = if costly { amount } else { Money::ZERO };
        let mut raised = [(Money::ZERO, Money::ZERO); 4];
        for (place, slot) in payer.places().zip(&mut raised) {
            let held = self.exposures.get(&place);
            let (all, costly) =
                held.map_or((Money::ZERO, Money::ZERO), |held| (held.held_all, held.held_costly));
            let all = all.checked_add(amount).ok_or(LedgerError::Overflow)?;
            *slot = (all, costly.checked_add(costly_share).ok_or(LedgerError::Overflow)?);
        }
        Ok(raised)
    }

    /// Every level that the ask would cross. Notes which it is the first to come near to, or to reach.
    fn judge(
        &mut self,
        now: UnixMicros,
        payer: Payer,
        (asked, costly): (Money, bool),
        bounds: &Bounds,
    ) -> Vec<Crossing> {
        let (mut crossed, nothing) = (Vec::new(), Exposure::default());
        for place in payer.places().filter(|place| !bounds.of(*place).is_none()) {
            let exposure = self.exposures.get(&place).unwrap_or(&nothing);
            let mut told = exposure.told;
            for used in exposure.used(now, costly, bounds.of(place)) {
                crossed.extend(crossing(place, &used, asked));
                let news = told.note(&used, asked);
                let notice = news.map(|news| (news, notice(payer, place, &used, asked)));
                self.notices.extend(notice);
            }
            if told != exposure.told {
                self.exposures.entry(place).or_default().told = told;
            }
        }
        crossed
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({} places, {} holds)", self.exposures.len(), self.holds.len())
    }
}

fn crossing(place: Place, used: &Use, asked: Money) -> Option<Crossing> {
    let Use { window, spent, held, level } = *used;
    let scope = place.scope();
    used.is_crossed_by(asked).then_some(Crossing { scope, window, spent, held, asked, level })
}

fn notice(payer: Payer, place: Place, used: &Use, asked: Money) -> LevelNotice {
    let scope = place.scope();
    LevelNotice {
        scope,
        account: payer.account,
        line: payer.line.filter(|_| scope == LevelScope::Line),
        reseller: payer.reseller.filter(|_| scope == LevelScope::Reseller),
        window: used.window,
        usage: used.spent.saturating_add(used.held).saturating_add(asked),
        level: used.level,
    }
}

fn positive(amount: Money) -> Result<(), LedgerError> {
    if amount.is_negative() { Err(LedgerError::Negative) } else { Ok(()) }
}

fn check_held(place: Place, kept: Money, found: Money) -> Result<(), AuditError> {
    match kept == found {
        true => Ok(()),
        false => Err(AuditError::Held { place: format!("{place:?}"), kept, found }),
    }
}
