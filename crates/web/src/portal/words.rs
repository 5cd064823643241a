//! A call in plain words. Lives here: where it went, why it was stopped, how it ended, as one says it to a holder. Never
//! here: words for staff (`types::Finding`), HTML.

use types::cdr::HangupCause;
use types::decision::{Destination, Outcome};
use types::{AccountStatus, Cdr, DestinationClass, Direction, Finding, LevelScope, Money};

use crate::page::{clock, money, round_money};
use crate::portal::safe::in_words;

/// An amount as people say it: `92p`, `0.5p`, `£1.20`.
pub fn small_money(amount: Money, currency: &str) -> String {
    const UNIT: i64 = 1_000_000;
    let micros = amount.micros();
    let sign = match currency {
        "GBP" => "p",
        "EUR" | "USD" => "c",
        _ => "",
    };
    if sign.is_empty() || !(0..UNIT).contains(&micros) {
        return money(amount, currency);
    }
    let (whole, rest) = (micros / 10_000, micros % 10_000);
    let rest = format!("{rest:04}");
    let rest = rest.trim_end_matches('0');
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{whole}{dot}{rest}{sign}")
}

/// Where a number leads: `Somalia`, `a mobile`, `a premium rate number`.
pub fn place(destination: &Destination) -> String {
    use DestinationClass as C;
    let region = destination.region.map(|region| region.name().to_owned());
    let abroad = |kind: &str| match &region {
        Some(name) if kind.is_empty() => name.clone(),
        Some(name) => format!("{kind} in {name}"),
        None if kind.is_empty() => "another country".to_owned(),
        None => kind.to_owned(),
    };
    match destination.class {
        C::Emergency => "an emergency number".to_owned(),
        C::Support => "your provider".to_owned(),
        C::OnNet => "somebody within the network".to_owned(),
        C::Freephone => "a free number".to_owned(),
        C::NationalFixed => "a landline".to_owned(),
        C::NationalMobile => "a mobile".to_owned(),
        C::NationalService => "a service number".to_owned(),
        C::Personal => "a personal number".to_owned(),
        C::Pager => "a pager".to_owned(),
        C::Premium => "a premium rate number".to_owned(),
        C::International => abroad(""),
        C::Satellite => "a satellite phone".to_owned(),
        C::InternationalPremium => abroad("a premium rate number"),
        C::Invalid => "something that is not a number".to_owned(),
    }
}

/// Classes as they stand after "calls to".
pub fn places(class: DestinationClass) -> &'static str {
    use DestinationClass as C;
    match class {
        C::Emergency => "emergency numbers",
        C::Support => "your provider",
        C::OnNet => "others within the network",
        C::Freephone => "free numbers",
        C::NationalFixed => "landlines",
        C::NationalMobile => "mobiles",
        C::NationalService => "service numbers (084, 087, 118)",
        C::Personal => "personal numbers (070)",
        C::Pager => "pagers (076)",
        C::Premium => "premium rate numbers (09)",
        C::International => "other countries",
        C::Satellite => "satellite phones",
        C::InternationalPremium => "premium rate numbers abroad",
        C::Invalid => "numbers that lead nowhere",
    }
}

/// Why a call was stopped, as it stands after a colon.
pub fn why(finding: &Finding, class: DestinationClass, currency: &str) -> String {
    let show = |amount: &Money| small_money(*amount, currency);
    match finding {
        Finding::InvalidNumber { .. } => "this is not a number that can be called".to_owned(),
        Finding::AccountStatus { status } => match status {
            AccountStatus::Frozen => "outgoing calls were stopped, as you had asked".to_owned(),
            AccountStatus::Limited => {
                "costly calls were stopped until your provider has spoken to you".to_owned()
            }
            AccountStatus::Watched => {
                "we kept an eye on costly calls: one at a time, ten minutes each".to_owned()
            }
            AccountStatus::Suspended => "your provider had stopped outgoing calls".to_owned(),
            AccountStatus::Closed => "the account was closed".to_owned(),
            AccountStatus::Active => "the account's status did not allow it".to_owned(),
        },
        Finding::IpLock { peer } => {
            format!(
                "it came from {peer}, which is not one of the addresses you lock your account to"
            )
        }
        Finding::BarredClass { class } => format!("calls to {} are switched off", places(*class)),
        Finding::BarredCountry { region } => {
            format!("calls to {} are switched off", region.name())
        }
        Finding::BarredHour { at } => {
            format!("on {at} only calls that cost nothing may be made")
        }
        Finding::NoRate => "we have no price for this number, so nobody can call it".to_owned(),
        Finding::PriceCap { per_minute, cap } => {
            format!("{} a minute is above your {} limit", show(per_minute), show(cap))
        }
        Finding::ConnectFeeCap { fee, cap } => {
            format!("{} just to connect is above your {} limit", show(fee), show(cap))
        }
        Finding::CallLimit { now, limit } => {
            format!("{now} calls were in progress, and your limit is {limit}")
        }
        Finding::CostlyCallLimit { now, limit } => {
            format!("{now} costly calls were in progress, and your limit is {limit}")
        }
        Finding::StopLevel { scope, window, level, .. } => match scope {
            LevelScope::Account => {
                format!("it would have passed your stop level of {} ({window})", show(level))
            }
            LevelScope::Line => {
                format!("it would have passed the line's stop level of {} ({window})", show(level))
            }
            LevelScope::Reseller | LevelScope::Platform => {
                "your provider's own limit was reached".to_owned()
            }
        },
        Finding::HotspotLimit { limit, .. } => format!(
            "thieves are paid for calls to such numbers, so only {limit} in 12 hours is let through"
        ),
        Finding::NoTrunk => "no carrier takes this number".to_owned(),
        Finding::StoreDown => "the money for it could not be set aside at that moment".to_owned(),
        Finding::Overload => "too many calls came at that moment".to_owned(),
        Finding::NotRegistered => match class {
            DestinationClass::OnNet => "no phone was switched on there".to_owned(),
            _ => "none of your phones was switched on".to_owned(),
        },
        Finding::NotSecure => "nobody there can be reached over an encrypted way".to_owned(),
        Finding::UnknownNumber => "the number is not in service".to_owned(),
        Finding::TransferRefused => "calls cannot be passed on to others".to_owned(),
        Finding::BadContact => "the phone asked in a way that we could not understand".to_owned(),
        Finding::NewDeviceCap { cap, .. } => {
            format!("a new phone may spend {} until you say that it is yours", show(cap))
        }
        Finding::TlsOnly => "this line may only be used encrypted".to_owned(),
        Finding::Sha256Only => {
            "the phone logged in with a method that this line refuses".to_owned()
        }
        Finding::OldSecret => "the phone still used a password that was changed".to_owned(),
    }
}

/// Was it a limit or a lock that stopped it, and not that the call led nowhere?
pub fn protects(finding: &Finding) -> bool {
    !matches!(
        finding,
        Finding::InvalidNumber { .. }
            | Finding::NoTrunk
            | Finding::StoreDown
            | Finding::Overload
            | Finding::NotRegistered
            | Finding::NotSecure
            | Finding::UnknownNumber
            | Finding::TransferRefused
            | Finding::BadContact
    )
}

/// What a call cost, in a sentence.
fn cost(call: &Cdr, currency: &str) -> String {
    match call.price.is_zero() {
        true => "Nothing was charged.".to_owned(),
        false => format!("It cost {}.", round_money(call.price, currency)),
    }
}

/// A call in one or two sentences. `time`: of day, at the account's place.
pub fn story(call: &Cdr, time: &str, currency: &str) -> String {
    let (to, cost) = (place(&call.destination), cost(call, currency));
    let is_in = call.direction == Direction::Incoming;
    if call.explanation.outcome == Outcome::Refused {
        let first = call.explanation.findings.first();
        let verb = match first.is_some_and(protects) {
            true => "We stopped",
            false => "We could not put through",
        };
        let whom = if is_in { format!("from {}", call.caller) } else { format!("to {to}") };
        let class = call.destination.class;
        let why = first.map_or_else(String::new, |one| format!(": {}", why(one, class, currency)));
        return format!("{verb} a call {whom} at {time}{why}. {cost}");
    }
    let who = match is_in {
        true => format!("{} called you at {time}", call.caller),
        false => format!("A call to {to} at {time}"),
    };
    match call.answered {
        Some(_) => {
            let lasted = format!(
                "{who}{} {}",
                if is_in { " and talked for" } else { " lasted" },
                clock(call.duration_ms)
            );
            match end(call) {
                "" => format!("{lasted}. {cost}"),
                end => format!("{lasted}; {end}. {cost}"),
            }
        }
        None => format!("{who}{} {}. {cost}", if is_in { "; it" } else { "" }, unanswered(call)),
    }
}

/// How an answered call ended, where that is worth a word.
fn end(call: &Cdr) -> &'static str {
    match call.cause {
        HangupCause::MoneyEnded => {
            "we hung up because no more money could be set aside within your limits"
        }
        HangupCause::Cut => "it was hung up for you, from these pages or by your provider",
        HangupCause::SessionExpired => "it ended because one side could not be reached any more",
        HangupCause::Fault => "it ended by a fault",
        HangupCause::Normal
        | HangupCause::Cancelled
        | HangupCause::Refused
        | HangupCause::Rejected
        | HangupCause::NoAnswer => "",
    }
}

fn unanswered(call: &Cdr) -> &'static str {
    match (call.cause, call.status) {
        (HangupCause::Cancelled, _) => "was given up before anybody answered",
        (HangupCause::NoAnswer, _) | (_, 480 | 408) => "was not answered",
        (_, 486 | 600) => "met a busy phone",
        (_, 404 | 410 | 604) => "met a number that is not in use",
        (HangupCause::MoneyEnded, _) => "ended: no more money could be set aside",
        (HangupCause::Cut, _) => "was hung up for you, from these pages or by your provider",
        (HangupCause::Rejected, _) => "was not taken",
        _ => "did not come about",
    }
}

/// The same in a word or two, for a list.
pub fn outcome(call: &Cdr) -> String {
    if call.explanation.outcome == Outcome::Refused {
        return match call.explanation.findings.first().is_some_and(protects) {
            true => "Stopped by us".to_owned(),
            false => "Not put through".to_owned(),
        };
    }
    match (call.answered, call.cause, call.status) {
        (Some(_), HangupCause::MoneyEnded | HangupCause::Cut, _) => {
            format!("{}, cut", clock(call.duration_ms))
        }
        (Some(_), ..) => clock(call.duration_ms),
        (None, HangupCause::Cancelled, _) => "Given up".to_owned(),
        (None, _, 486 | 600) => "Busy".to_owned(),
        _ => "No answer".to_owned(),
    }
}

/// Who is at the other side, and what kind of number that is.
pub fn other_side(call: &Cdr) -> (String, String) {
    let number =
        call.destination.e164.map_or_else(|| call.dialled.clone(), |e164| e164.to_string());
    match call.direction {
        Direction::Incoming => (format!("From {}", call.caller), "incoming".to_owned()),
        _ => {
            let class = in_words(call.destination.class);
            let about = match call.destination.region {
                Some(region) if !call.destination.class.is_national() => {
                    let name = region.name();
                    if class == "abroad" { name.to_owned() } else { format!("{class}, {name}") }
                }
                _ => class.to_owned(),
            };
            (format!("To {number}"), about)
        }
    }
}

#[cfg(test)]
mod tests {
    use types::InternationalTier;
    use types::cdr::{HangupSide, LegRecord};
    use types::decision::Explanation;
    use types::{AccountId, DecisionId, Rate, UnixMicros};

    use super::*;

    fn call(findings: Vec<Finding>) -> Cdr {
        let refused = !findings.is_empty();
        Cdr {
            decision: DecisionId(256),
            account: AccountId(1),
            line: None,
            device: None,
            to_account: None,
            direction: Direction::Outgoing,
            caller: "alice".to_owned(),
            dialled: "00252611234567".to_owned(),
            destination: Destination {
                class: DestinationClass::International,
                e164: "+252611234567".parse().ok(),
                region: "SO".parse().ok(),
                tier: Some(InternationalTier::High),
                hotspot: false,
            },
            started: UnixMicros(0),
            answered: (!refused).then_some(UnixMicros(0)),
            ended: UnixMicros(0),
            duration_ms: 125_000,
            price: if refused { Money::ZERO } else { Money::from_micros(1_912_345) },
            cost: Money::ZERO,
            cost_rate: None,
            trunk: None,
            a_leg: LegRecord::default(),
            b_leg: LegRecord::default(),
            cause: if refused { HangupCause::Refused } else { HangupCause::Normal },
            status: if refused { 403 } else { 200 },
            side: HangupSide::Caller,
            explanation: Explanation {
                outcome: if refused { Outcome::Refused } else { Outcome::Admitted },
                findings,
                rate: Some(Rate::FREE),
                rate_prefix: None,
            },
        }
    }

    #[test]
    fn stopped_calls_say_why() {
        fn check(finding: Finding, want: &str) {
            let story = story(&call(vec![finding]), "02:14", "GBP");
            assert_eq!(story, format!("{want}. Nothing was charged."));
        }
        let cents = Money::from_cents;
        check(
            Finding::PriceCap { per_minute: cents(92), cap: cents(10) },
            "We stopped a call to Somalia at 02:14: 92p a minute is above your 10p limit",
        );
        check(
            Finding::BarredClass { class: DestinationClass::Satellite },
            "We stopped a call to Somalia at 02:14: calls to satellite phones are switched off",
        );
        check(
            Finding::NoTrunk,
            "We could not put through a call to Somalia at 02:14: no carrier takes this number",
        );
        check(
            Finding::AccountStatus { status: AccountStatus::Frozen },
            "We stopped a call to Somalia at 02:14: outgoing calls were stopped, as you had asked",
        );
    }

    #[test]
    fn calls_that_came_about_say_how_long_and_how_much() {
        fn check(change: impl Fn(&mut Cdr), want: &str) {
            let mut call = call(Vec::new());
            change(&mut call);
            assert_eq!(story(&call, "02:14", "GBP"), want);
        }
        check(|_| {}, "A call to Somalia at 02:14 lasted 2:05. It cost £1.92.");
        check(
            |call| call.cause = HangupCause::MoneyEnded,
            "A call to Somalia at 02:14 lasted 2:05; we hung up because no more money could be set aside within \
             your limits. It cost £1.92.",
        );
        check(
            |call| {
                (call.answered, call.status, call.price) = (None, 486, Money::ZERO);
                call.cause = HangupCause::Rejected;
            },
            "A call to Somalia at 02:14 met a busy phone. Nothing was charged.",
        );
        check(
            |call| {
                (call.direction, call.price) = (Direction::Incoming, Money::ZERO);
                call.caller = "+441632960000".to_owned();
            },
            "+441632960000 called you at 02:14 and talked for 2:05. Nothing was charged.",
        );
    }

    #[test]
    fn small_amounts_are_said_in_pence() {
        fn check(micros: i64, currency: &str, want: &str) {
            assert_eq!(small_money(Money::from_micros(micros), currency), want);
        }
        check(920_000, "GBP", "92p");
        check(12_500, "GBP", "1.25p");
        check(5_000, "EUR", "0.5c");
        check(0, "GBP", "0p");
        check(1_200_000, "GBP", "£1.20");
        check(920_000, "CHF", "0.92 CHF");
    }
}
