//! "The most you can lose": now, tonight, this weekend. Lives here: until when, which levels hold until then,
//! how much a late hang-up can add. Never here: how a window is filled (ledger).

use jiff::Timestamp;
use jiff::civil::Weekday;
use ledger::{GreatestLoss, Stretch};
use types::{AccountId, AccountStatus, Controls, Money, Now, UnixMicros};

use crate::config::OffHours;
use crate::directory::AccountEntry;
use crate::engine::Engine;
use crate::off_hours::Zone;
use crate::rules::stop_level;

/// Clocks of all zones strike these.
const QUARTER_US: i64 = 900 * 1_000_000;
/// No weekend with its holidays is longer.
const LONGEST_US: i64 = 14 * 86_400 * 1_000_000;

/// Until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// At this moment: before anybody can do anything.
    Now,
    /// Until the next morning.
    Tonight,
    /// Until the first working morning behind the next Saturday or Sunday.
    Weekend,
}

impl Horizon {
    /// Every horizon, the nearest first.
    pub const ALL: [Horizon; 3] = [Horizon::Now, Horizon::Tonight, Horizon::Weekend];

    /// Stable name.
    pub const fn code(self) -> &'static str {
        match self {
            Horizon::Now => "now",
            Horizon::Tonight => "tonight",
            Horizon::Weekend => "weekend",
        }
    }
}

/// The most that an account can lose until a moment, whoever tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostAtRisk {
    /// Until when, in words.
    pub horizon: Horizon,
    /// Until when.
    pub until: UnixMicros,
    /// So much.
    pub most: GreatestLoss,
    /// What calls that are hung up late can add each time: one further increment of each call at once.
    pub late: GreatestLoss,
}

impl Engine {
    /// The most that an account can lose by what stands now: its levels, its calls at once, what is spent and
    /// what its calls in progress hold. `None` if there is no such account.
    pub fn most_at_risk(&self, now: Now, account: AccountId) -> Option<[MostAtRisk; 3]> {
        let entry = self.directory.account(account)?;
        let late = self.lateness(now, entry);
        Some(Horizon::ALL.map(|horizon| {
            let until = self.config.off_hours.end_of(horizon, &entry.zone, now.wall);
            MostAtRisk { horizon, until, most: self.bound(now, entry, until, late), late }
        }))
    }

    fn bound(
        &self,
        now: Now,
        account: &AccountEntry,
        until: UnixMicros,
        late: GreatestLoss,
    ) -> GreatestLoss {
        let exposed = self.ledger.exposed(now.wall, account.id);
        let costly = exposed.held_costly.saturating_add(late.costly);
        let all = exposed.held_all.saturating_add(late.all);
        let stretches = self.config.off_hours.stretches(account, now.wall, until);
        let most = self.ledger.greatest_loss(now.wall, account.id, &stretches, late);
        match account.status {
            AccountStatus::Active | AccountStatus::Watched => most,
            AccountStatus::Limited => GreatestLoss { costly, ..most },
            AccountStatus::Frozen | AccountStatus::Suspended | AccountStatus::Closed => {
                GreatestLoss { costly, all }
            }
        }
    }

    /// What late hang-ups can add: each call at once has cost one increment more when it is cut.
    fn lateness(&self, now: Now, account: &AccountEntry) -> GreatestLoss {
        let controls = &account.controls;
        let longest_s = self.decks.get(&account.sell_deck).map_or(60, |deck| {
            deck.rows().iter().map(|row| row.rate.increment_s).max().unwrap_or(60)
        });
        let dearest = dearest_minute(controls);
        let one = Money::from_micros(
            dearest.micros().saturating_mul(i64::from(longest_s)).saturating_add(59) / 60,
        );
        let live = self.calls.of_account(account.id).filter(|call| call.chargeable());
        let step = |call: &crate::live_call::Call| {
            let talk_ms = call.talk_us(now.tick) / 1_000;
            let rate = call.hold.explanation.rate.as_ref();
            let next = rate.and_then(|rate| rating::next_slice(rate, talk_ms, 1_000).ok());
            let cost = rate.and_then(|rate| rating::cost(rate, talk_ms).ok());
            next.zip(cost).map_or(one, |(next, cost)| next.amount.saturating_sub(cost))
        };
        let (mut costly, mut all) = (Money::ZERO, Money::ZERO);
        let (mut costly_live, mut all_live) = (0, 0);
        for call in live {
            let step = step(call).max(one);
            (all, all_live) = (all.saturating_add(step), all_live + 1);
            if call.costly {
                (costly, costly_live) = (costly.saturating_add(step), costly_live + 1);
            }
        }
        let further = |limit: u16, live: u16| {
            let calls = i64::from(limit.saturating_sub(live));
            Money::from_micros(one.micros().saturating_mul(calls))
        };
        let costly = costly.saturating_add(further(controls.costly_calls, costly_live));
        GreatestLoss { costly, all: all.saturating_add(further(controls.calls, all_live)) }
    }
}

/// The dearest minute that a call of the account may cost.
fn dearest_minute(controls: &Controls) -> Money {
    controls.price_cap_national.max(controls.price_cap_international)
}

impl OffHours {
    /// When a horizon ends at somebody's place. Times that no calendar shows end at once.
    fn end_of(&self, horizon: Horizon, zone: &Zone, now: UnixMicros) -> UnixMicros {
        let mut seen_weekend = false;
        let mut ends = |at: UnixMicros| match horizon {
            Horizon::Now => true,
            Horizon::Tonight => local(zone, at).is_none_or(|local| {
                local.hour() == self.weekday_to_h.cast_signed() % 24 && local.minute() == 0
            }),
            Horizon::Weekend => local(zone, at).is_none_or(|local| {
                let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
                seen_weekend |= weekend;
                seen_weekend && !weekend && !self.is_off(zone, at)
            }),
        };
        if horizon == Horizon::Now {
            return UnixMicros(now.0.saturating_add(1));
        }
        let last = now.0.saturating_add(LONGEST_US);
        quarters(now, UnixMicros(last)).find(|at| ends(*at)).unwrap_or(UnixMicros(last))
    }

    /// The account's levels from now to a moment, by whether it is off hours at its place.
    fn stretches(
        &self,
        account: &AccountEntry,
        now: UnixMicros,
        until: UnixMicros,
    ) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut from = now;
        for to in quarters(now, until).chain([until]) {
            let off_hours = self.is_off(&account.zone, from);
            let levels = stop_level::levels(&account.controls, off_hours);
            match stretches.last_mut().filter(|last| last.levels == levels) {
                Some(last) => last.until = to,
                None => stretches.push(Stretch { until: to, levels }),
            }
            from = to;
        }
        stretches
    }
}

/// The quarters of hours between two moments, both exclusive.
fn quarters(after: UnixMicros, before: UnixMicros) -> impl Iterator<Item = UnixMicros> {
    let first = (after.0.div_euclid(QUARTER_US) + 1).saturating_mul(QUARTER_US);
    let times = std::iter::successors(Some(first), |at| at.checked_add(QUARTER_US));
    times.take_while(move |at| *at < before.0).map(UnixMicros)
}

fn local(zone: &Zone, at: UnixMicros) -> Option<jiff::civil::DateTime> {
    Some(zone.rules.to_datetime(Timestamp::from_microsecond(at.0).ok()?))
}
