//! Money while people talk. Lives here: the answer, slice by slice, the hard stop.
//! Never here: whether a new call is admitted, the final price (ending).
//!
//! The hard stop lies a margin before the end of the talk that is paid for on disk: a call that is
//! cut a moment late still costs no more than was held. It moves only when the next slice is known to
//! be on disk: a lost tick, a lost answer of the store, a full level all end the call; nothing frees it.

use types::cdr::HangupCause;
use types::{
    AccountStatus, DecisionId, DeviceId, Direction, Finding, Hold, HoldState, Millis, Money, Now,
    Tick, TrunkId,
};

use crate::config::EngineConfig;
use crate::engine::Engine;
use crate::live_call::{Call, CallOrder, Deadlines, Extension, Phase};
use crate::rules::{account_status, new_device_cap, stop_level, store_down};

/// How long a costly call of a watched account may last.
const WATCHED_CALL_MS: Millis = 600_000;
/// How soon a refused or failed extension is asked for again.
const ASK_AGAIN_MS: Millis = 1_000;

impl Engine {
    /// A carrier is tried for an admitted call: its rate is the cost from now on. Costs of nothing
    /// are recorded when the carrier's rate is not known.
    pub fn use_trunk(&mut self, decision: DecisionId, trunk: TrunkId) {
        let Some(call) = self.calls.find_mut(decision) else {
            return;
        };
        if call.hold.direction == Direction::Incoming {
            return;
        }
        let deck = self.directory.trunk(trunk).and_then(|trunk| trunk.cost_deck);
        let deck = deck.and_then(|deck| self.decks.get(&deck));
        let (number, at) = (call.hold.destination.e164, call.hold.started);
        let row = deck.zip(number).and_then(|(deck, number)| deck.lookup(number, at));
        call.hold.trunk = Some(trunk);
        call.hold.cost_rate = row.map(|row| row.rate);
    }

    /// The record to write for a live call; its legs are empty, for `edge` to fill in. Calls that
    /// nobody pays have one too, of amount zero.
    pub fn hold(&self, decision: DecisionId) -> Option<Hold> {
        self.calls.find(decision).map(|call| call.hold.clone())
    }

    /// The call was answered: from now on it is metered, and its hard stop stands. Said twice, the
    /// first time holds. A call that is not live may not be answered: its hard stop is now.
    pub fn answered(&mut self, now: Now, decision: DecisionId) -> Deadlines {
        let Some(call) = self.calls.find_mut(decision) else {
            return Deadlines { extend_at: Tick::NEVER, hard_stop: now.tick };
        };
        if call.phase == Phase::Ringing {
            call.phase = Phase::Answered { at: now.tick, before_us: 0 };
            call.hold.state = HoldState::Answered(now.wall);
            if std::mem::take(&mut call.is_cut) {
                // The answer crossed the order to hang up, which is given once more.
                call.deadlines = Deadlines { extend_at: Tick::NEVER, hard_stop: now.tick };
                self.calls.arm(decision);
            } else {
                self.renew_deadlines(decision);
            }
        }
        self.warn(now, decision);
        self.deadlines(decision).unwrap_or(Deadlines::NEVER)
    }

    /// A carrier answered a call that nobody waited for any more: it was hung up on at once. If the
    /// call ends without another answer, it is charged as the shortest call there is: the carrier
    /// bills it, and giving up in the very moment of the answer must not be a way to talk for free.
    pub fn answered_in_vain(&mut self, now: Now, decision: DecisionId) {
        if let Some(call) = self.calls.find_mut(decision)
            && call.phase == Phase::Ringing
        {
            call.answered_in_vain.get_or_insert(now);
        }
    }

    /// The call is over for people, and its end comes later: metering stops here.
    pub fn hung_up(&mut self, now: Now, decision: DecisionId) {
        let Some(call) = self.calls.find_mut(decision) else {
            return;
        };
        call.hung_up.get_or_insert(now);
        call.is_cut = true;
        call.deadlines = Deadlines::NEVER;
        self.calls.arm(decision);
    }

    /// Is anybody talking at somebody's expense?
    pub fn is_metering(&self) -> bool {
        self.calls.next_timer().is_some()
    }

    /// When a live call wants attention.
    pub fn deadlines(&self, decision: DecisionId) -> Option<Deadlines> {
        self.calls.find(decision).map(|call| call.deadlines)
    }

    /// Holds the next slice. Granted money is held at once; the hard stop moves when it is stored.
    pub fn extend(&mut self, now: Now, decision: DecisionId) -> Extension {
        let findings = match self.calls.find(decision) {
            Some(call) if !call.chargeable() => return Extension::Granted,
            Some(call) => self.hold_next_slice(now, decision, self.against_extension(now, call)),
            None => vec![Finding::StoreDown],
        };
        if findings.is_empty() {
            self.warn(now, decision);
            return Extension::Granted;
        }
        self.ask_again(now, decision);
        Extension::Refused(findings)
    }

    /// The record of the last granted extension is on disk: the hard stop moves, unless it has passed.
    pub fn extension_stored(&mut self, now: Now, decision: DecisionId) -> Deadlines {
        let Some(call) = self.calls.find_mut(decision) else {
            return Deadlines { extend_at: Tick::NEVER, hard_stop: now.tick };
        };
        let in_time = now.tick < call.deadlines.hard_stop && !call.is_cut;
        if let Some(slice) = call.asked.take_if(|_| in_time) {
            call.stored_ms = slice.talk_ms;
            self.renew_deadlines(decision);
        }
        self.deadlines(decision).unwrap_or(Deadlines::NEVER)
    }

    /// The record of the last granted extension was not written: the money stays held, the hard
    /// stop stays, and the extension is asked for again.
    pub fn extension_failed(&mut self, now: Now, decision: DecisionId) -> Deadlines {
        self.ask_again(now, decision);
        let gone = Deadlines { extend_at: Tick::NEVER, hard_stop: now.tick };
        self.deadlines(decision).unwrap_or(gone)
    }

    /// When `handle_timeout` wants to be called next.
    pub fn next_timeout(&self) -> Option<Tick> {
        let ages = (self.ages.at != Tick::NEVER).then_some(self.ages.at);
        let bans_at = self.access.bans.next_timeout();
        let bans = (bans_at != Tick::NEVER).then_some(bans_at);
        let warning = self.calls.next_warning();
        let raises = self.raises.next_timeout();
        let next =
            [self.calls.next_timer(), warning, self.access.next_timeout(), ages, bans, raises];
        next.into_iter().flatten().min()
    }

    /// What is due, oldest deadline first. Old secrets are noticed here too: see `take_facts`.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<CallOrder> {
        self.end_raises(now);
        self.access.handle_timeout(now, &mut self.facts);
        if self.ages.at <= now.tick {
            self.remind_of_ages(now);
        }
        if self.access.bans.next_timeout() <= now.tick {
            self.facts.extend(self.access.bans.handle_timeout(now));
        }
        while let Some(account) = self.calls.warning_due(now.tick) {
            self.warn_account(now, account);
        }
        let mut orders = Vec::new();
        let margin = self.config.cut_margin_ms;
        while let Some(decision) = self.calls.due(now.tick) {
            let Some(call) = self.calls.find_mut(decision) else {
                break;
            };
            if now.tick >= call.deadlines.hard_stop {
                call.is_cut = true;
                let money_ended = call.chargeable()
                    && call.talk_us(now.tick) >= cut_after_us(call.stored_ms, margin);
                let cause = if money_ended { HangupCause::MoneyEnded } else { HangupCause::Cut };
                orders.push(CallOrder::Cut(decision, cause));
            } else {
                call.deadlines.extend_at = Tick::NEVER;
                orders.push(CallOrder::Extend(decision));
            }
            self.calls.arm(decision);
        }
        orders
    }

    /// Computes a call's deadlines anew: after its answer, a stored slice, a new status.
    pub(crate) fn renew_deadlines(&mut self, decision: DecisionId) {
        let Some(call) = self.calls.find_mut(decision) else {
            return;
        };
        let status = self.directory.account(call.hold.account).map(|account| account.status);
        set_deadlines(call, status, &self.config);
        self.calls.arm(decision);
    }

    /// What speaks against talking on, money aside.
    fn against_extension(&self, now: Now, call: &Call) -> Vec<Finding> {
        let status = self.status_of(call);
        let is_late = call.is_cut || now.tick >= call.deadlines.hard_stop;
        let watched_out = limit_ms(call, status).is_some_and(|limit| call.stored_ms >= limit);
        let rules = [
            account_status::check(status, call.costly),
            self.against_place(call),
            self.against_caps(call),
            watched_out.then_some(Finding::AccountStatus { status }),
            store_down::check(self.store_up && !is_late && call.phase != Phase::Ringing, true),
        ];
        rules.into_iter().flatten().collect()
    }

    /// Holds the next slice if nothing speaks against it; what does otherwise.
    fn hold_next_slice(
        &mut self,
        now: Now,
        decision: DecisionId,
        findings: Vec<Finding>,
    ) -> Vec<Finding> {
        let Some(call) = self.calls.find(decision).filter(|_| findings.is_empty()) else {
            return findings;
        };
        if call.asked.is_some() {
            return findings;
        }
        let account = self.directory.account(call.hold.account);
        let Some((account, rate)) = account.zip(call.hold.explanation.rate) else {
            return vec![Finding::AccountStatus { status: AccountStatus::Closed }];
        };
        let Ok(slice) = rating::next_slice(&rate, call.stored_ms, self.config.slice_ms) else {
            return vec![Finding::StoreDown];
        };
        let (device, costly, decision) = (call.hold.device, call.costly, call.hold.decision);
        let cap = account.controls.new_device_cap;
        let asked = slice.amount;
        if let Some(finding) =
            self.against_new_device(now, device.filter(|_| costly), cap, asked, decision)
        {
            return vec![finding];
        }
        let off_hours = self.config.off_hours.is_off(&account.zone, now.wall);
        let levels = stop_level::levels(&account.controls, off_hours);
        let payer = self.payer(account.id, call.hold.line);
        let bounds = self.bounds(payer, levels);
        let held = self.ledger.extend(now.wall, decision, slice.amount, &bounds);
        self.tell_levels(now);
        if let Err(refused) = held {
            return stop_level::findings(refused);
        }
        let Some(call) = self.calls.find_mut(decision) else { return findings };
        // After this point it must succeed.
        call.hold.amount = slice.amount;
        call.hold.covered_ms = slice.talk_ms;
        call.asked = Some(slice);
        findings
    }

    /// Against a costly call of a new device that asks for so much in whole.
    pub(crate) fn against_new_device(
        &self,
        now: Now,
        device: Option<DeviceId>,
        cap: Option<Money>,
        asked: Money,
        but: DecisionId,
    ) -> Option<Finding> {
        let device = device?;
        let state = self.access.state_of(device).filter(|state| state.is_new());
        let account = self.access.device(device).filter(|_| state.is_some())?.account;
        let own = self.calls.of_account(account).filter(|call| {
            call.hold.device == Some(device) && call.costly && call.hold.decision != but
        });
        let held = own.fold(Money::ZERO, |sum, call| sum.saturating_add(call.hold.amount));
        new_device_cap::check(now.wall, state, cap, held, asked)
    }

    fn ask_again(&mut self, now: Now, decision: DecisionId) {
        let Some(call) = self.calls.find_mut(decision) else {
            return;
        };
        if call.deadlines.hard_stop != Tick::NEVER {
            let again = now.tick.plus_ms(ASK_AGAIN_MS);
            let in_time = again < call.deadlines.hard_stop;
            call.deadlines.extend_at = if in_time { again } else { Tick::NEVER };
            self.calls.arm(decision);
        }
    }

    fn status_of(&self, call: &Call) -> AccountStatus {
        let account = self.directory.account(call.hold.account);
        account.map_or(AccountStatus::Closed, |account| account.status)
    }
}

/// Sets when a call's next slice is asked for and when it is cut.
pub(crate) fn set_deadlines(call: &mut Call, status: Option<AccountStatus>, config: &EngineConfig) {
    let Phase::Answered { at, before_us } = call.phase else {
        return;
    };
    if !call.chargeable() || call.is_cut {
        return;
    }
    let limit = limit_ms(call, status.unwrap_or(AccountStatus::Closed));
    let talk_ms = limit.map_or(call.stored_ms, |limit| call.stored_ms.min(limit));
    let is_last = limit.is_some_and(|limit| call.stored_ms >= limit);
    // A call that was answered before this start of the program has used up part of its time.
    let talk_us = cut_after_us(talk_ms, config.cut_margin_ms);
    let hard_stop = Tick(at.0.saturating_add(talk_us).saturating_sub(before_us));
    let early = hard_stop.minus_ms(config.extend_lead_ms).max(at);
    let extend_at = if is_last { Tick::NEVER } else { early };
    call.deadlines = Deadlines { extend_at, hard_stop };
}

/// After how much of this talk a call is cut: a margin before its end, but never in its first half.
const fn cut_after_us(talk_ms: Millis, margin_ms: Millis) -> u64 {
    let half_ms = talk_ms / 2;
    let margin_ms = if margin_ms < half_ms { margin_ms } else { half_ms };
    talk_ms.saturating_sub(margin_ms).saturating_mul(1_000)
}

/// The longest talk time that the account's status allows the call.
fn limit_ms(call: &Call, status: AccountStatus) -> Option<Millis> {
    (status == AccountStatus::Watched && call.costly).then_some(WATCHED_CALL_MS)
}
