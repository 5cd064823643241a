//! The decision, steps 7 to 9 of a call's way: classify, rate, decide and hold in one step.
//! Never here: SIP, what a rule means (rules), what a case is (case).

use ledger::Ask;
use types::decision::{Explanation, Outcome};
use types::{Finding, Hold, HoldState, Money, Now};

use crate::case::{Case, Kind};
use crate::engine::Engine;
use crate::live_call::Call;
use crate::rules::*;
use crate::verdict::{Admission, Attempt, Caller, Refusal, Verdict};

impl Engine {
    /// May this call go out? All that speaks against it is found; if nothing does, its money is
    /// held before this returns.
    pub fn admit(&mut self, now: Now, attempt: Attempt<'_>) -> Verdict {
        self.end_raises(now);
        let case = match attempt.from {
            Caller::Line(line) => self.outgoing_case(now, line, &attempt),
            Caller::Trunk(trunk) => self.incoming_case(now, trunk, &attempt),
        };
        let mut findings = match case.kind {
            Kind::Exempt => exempt_findings(&case),
            Kind::Incoming => unknown_number(&case).into_iter().collect(),
            Kind::OnNet => self.on_net_findings(&case),
            Kind::Paid => self.paid_findings(now, &case),
        };
        findings.extend(self.decide_and_hold(now, &case, findings.is_empty()));
        if !findings.is_empty() {
            return Verdict::Refuse(refusal(now, case, findings));
        }
        // After this point it must succeed.
        let chargeable = case.is_chargeable();
        let admission = Admission {
            decision: case.decision,
            account: case.account,
            line: case.line,
            direction: case.direction,
            destination: case.destination.clone(),
            caller: case.caller.clone(),
            target: case.target.clone(),
            chargeable,
        };
        self.forget_old_hotspots(now, &case);
        let mut call = Call::new(first_hold(now, case));
        call.peer = matches!(attempt.from, Caller::Line(_)).then_some(attempt.peer);
        self.calls.insert(call);
        Verdict::Admit(admission)
    }

    /// Against a call to somebody of ours: nobody pays, so only the account itself is asked.
    fn on_net_findings(&self, case: &Case) -> Vec<Finding> {
        let controls = &case.controls;
        let calls = self.calls.activity(case.account).map_or(0, |activity| activity.calls);
        let rules = [
            account_status::check(case.status, false),
            ip_lock::check(&controls.ip_lock, &case.line_lock, case.peer),
            barred_class::check(controls.barred, &case.destination),
            call_limit::check(calls, controls.calls),
            unknown_number(case),
        ];
        rules.into_iter().flatten().collect()
    }

    /// Against a call that a carrier is paid for, money aside.
    fn paid_findings(&self, now: Now, case: &Case) -> Vec<Finding> {
        let (controls, destination) = (&case.controls, &case.destination);
        let (class, costly) = (destination.class, destination.class.is_costly());
        let activity = self.calls.activity(case.account);
        let calls = activity.map_or(0, |activity| activity.calls);
        let costly_calls = activity.map_or(0, |activity| activity.costly);
        let hotspots = activity.map_or(&[][..], |activity| &activity.hotspots);
        let rate = case.rate.as_ref();
        let limit = controls.hotspot_calls;
        let rules = [
            account_status::check(case.status, costly),
            ip_lock::check(&controls.ip_lock, &case.line_lock, case.peer),
            invalid_number::check(controls.barred, destination, &case.dialled),
            barred_class::check(controls.barred, destination),
            barred_country::check(&controls.barred_countries, destination),
            // Like money, hours are asked of what costs some.
            case.zone
                .as_ref()
                .filter(|_| case.is_chargeable())
                .and_then(|zone| barred_hour::check(controls.barred_hours, zone, now.wall)),
            no_rate::check(destination, rate),
            rate.and_then(|rate| price_cap::check(controls, class, rate)),
            rate.and_then(|rate| connect_fee_cap::check(controls.connect_fee_cap, rate)),
            call_limit::check(calls, controls.calls),
            costly_call_limit::check(case.status, costly_calls, controls.costly_calls)
                .filter(|_| costly),
            hotspot_limit::check(hotspots, now.wall, limit).filter(|_| destination.hotspot),
            no_trunk::check(case.trunks()).filter(|_| case.is_number()),
            store_down::check(self.store_up, case.is_chargeable()),
            case.slice.filter(|_| costly).and_then(|slice| {
                let (device, cap) = (case.device, controls.new_device_cap);
                self.against_new_device(now, device, cap, slice.amount, case.decision)
            }),
        ];
        rules.into_iter().flatten().collect()
    }

    /// The last rule. Where nothing else speaks against the call, it holds the first slice in the
    /// same step as it judges it.
    fn decide_and_hold(&mut self, now: Now, case: &Case, hold: bool) -> Vec<Finding> {
        let (Some(slice), Some(zone)) = (case.slice, &case.zone) else {
            return Vec::new();
        };
        let ask = Ask {
            decision: case.decision,
            payer: self.payer(case.account, case.line),
            amount: slice.amount,
            costly: case.destination.class.is_costly(),
        };
        let off_hours = self.config.off_hours.is_off(zone, now.wall);
        let bounds = self.bounds(ask.payer, stop_level::levels(&case.controls, off_hours));
        if !hold {
            return stop_level::check(&self.ledger, now.wall, ask, &bounds);
        }
        let findings = stop_level::reserve(&mut self.ledger, now.wall, ask, &bounds);
        self.tell_levels(now);
        findings
    }

    fn forget_old_hotspots(&mut self, now: Now, case: &Case) {
        if case.destination.hotspot {
            let hotspots = &mut self.calls.activity_mut(case.account).hotspots;
            hotspots.retain(|&at| hotspot_limit::is_recent(at, now.wall));
        }
    }
}

/// Against an emergency or support call: nothing but that it leads nowhere, or has no caller.
fn exempt_findings(case: &Case) -> Vec<Finding> {
    let nowhere = case.lines().is_empty().then(|| no_trunk::check(case.trunks())).flatten();
    [account_status::check_exempt(case.status), nowhere].into_iter().flatten().collect()
}

/// A number of ours that nobody answers for, or of nobody.
fn unknown_number(case: &Case) -> Option<Finding> {
    case.lines().is_empty().then_some(Finding::UnknownNumber)
}

/// What is held for the call, as it will be written.
fn first_hold(now: Now, case: Case) -> Hold {
    let (amount, covered_ms) =
        case.slice.map_or((Money::ZERO, 0), |slice| (slice.amount, slice.talk_ms));
    Hold {
        decision: case.decision,
        account: case.account,
        line: case.line,
        device: case.device,
        to_account: case.to_account,
        direction: case.direction,
        amount,
        covered_ms,
        state: HoldState::Pending,
        started: now.wall,
        dialled: case.dialled,
        caller: case.caller,
        destination: case.destination,
        trunk: case.trunk,
        cost_rate: None,
        explanation: Explanation {
            outcome: Outcome::Admitted,
            findings: Vec::new(),
            rate: case.rate,
            rate_prefix: case.rate_prefix,
        },
        legs: Vec::new(),
    }
}

fn refusal(now: Now, case: Case, findings: Vec<Finding>) -> Refusal {
    Refusal {
        decision: case.decision,
        findings,
        account: case.account,
        line: case.line,
        device: case.device,
        to_account: case.to_account,
        direction: case.direction,
        caller: case.caller,
        dialled: case.dialled,
        destination: case.destination,
        rate: case.rate,
        rate_prefix: case.rate_prefix,
        trunk: case.trunk,
        started: now.wall,
    }
}
