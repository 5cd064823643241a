//! Money controls as a form has them. Lives here: their names for people, how each is read. Never here: their values,
//! what they do (engine).

use types::{Money, Setting};

/// What a control's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Money.
    Amount,
    /// Money, or nothing: no such limit.
    MaybeAmount,
    /// A whole number.
    Count,
}

/// One control.
pub struct Rule {
    /// As in the configuration.
    pub name: &'static str,
    /// Heading it stands under.
    pub group: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What its value is.
    pub kind: Kind,
}

const fn rule(
    group: &'static str,
    name: &'static str,
    kind: Kind,
    label: &'static str,
    help: &'static str,
) -> Rule {
    Rule { name, group, label, help, kind }
}

const WARN: &str = "When we tell you";
const STOP: &str = "When we stop costly calls";
const PRICE: &str = "What one call may cost";
const AT_ONCE: &str = "How many at once";

/// The controls of the page, in its order.
pub const RULES: &[Rule] = &[
    rule(
        WARN,
        "warning_level",
        Kind::Amount,
        "Warning level",
        "Usage that is not billed yet, calls in progress among it. A warning stops nothing.",
    ),
    rule(
        STOP,
        "stop_level_24h",
        Kind::Amount,
        "Stop level for 24 hours",
        "Costly calls end, and no new ones begin, when so much is spent and held.",
    ),
    rule(
        STOP,
        "stop_level_off_hours",
        Kind::MaybeAmount,
        "Stop level at night and weekends",
        "Holds when nobody is likely to watch. Leave it empty for none.",
    ),
    rule(
        STOP,
        "stop_level_1h",
        Kind::MaybeAmount,
        "Stop level for one hour",
        "Leave it empty for none.",
    ),
    rule(
        STOP,
        "stop_level_7d",
        Kind::MaybeAmount,
        "Stop level for seven days",
        "Leave it empty for none.",
    ),
    rule(
        STOP,
        "stop_level_all_24h",
        Kind::Amount,
        "Stop level for all calls, 24 hours",
        "Everyday calls count too.",
    ),
    rule(
        PRICE,
        "price_cap_national",
        Kind::Amount,
        "Highest price a minute, in the country",
        "A dearer number is not connected.",
    ),
    rule(
        PRICE,
        "price_cap_international",
        Kind::Amount,
        "Highest price a minute, abroad",
        "A dearer number is not connected.",
    ),
    rule(
        PRICE,
        "connect_fee_cap",
        Kind::Amount,
        "Highest fee to connect",
        "A number that costs more before anybody speaks is not connected.",
    ),
    rule(
        AT_ONCE,
        "costly_calls",
        Kind::Count,
        "Costly calls at once",
        "Thieves make many at a time; people seldom do.",
    ),
    rule(AT_ONCE, "calls", Kind::Count, "All calls at once", "Incoming calls are not counted."),
    rule(
        AT_ONCE,
        "hotspot_calls",
        Kind::Count,
        "Calls to known fraud targets, 12 hours",
        "Number ranges that thieves are paid for.",
    ),
    rule(
        "New phones",
        "new_device_cap",
        Kind::MaybeAmount,
        "What a new phone may spend on its first day",
        "On costly calls, until you say that it is yours. Leave it empty for none.",
    ),
];

/// What was typed for a control that stands like this, or what is wrong with it.
pub fn read(stands: &Setting, text: &str) -> Result<Setting, String> {
    use Setting as S;
    Ok(match stands {
        S::WarningLevel(_) => S::WarningLevel(amount(text)?),
        S::StopLevel24h(_) => S::StopLevel24h(amount(text)?),
        S::StopLevelAll24h(_) => S::StopLevelAll24h(amount(text)?),
        S::PriceCapNational(_) => S::PriceCapNational(amount(text)?),
        S::PriceCapInternational(_) => S::PriceCapInternational(amount(text)?),
        S::ConnectFeeCap(_) => S::ConnectFeeCap(amount(text)?),
        S::StopLevel1h(_) => S::StopLevel1h(maybe(text)?),
        S::StopLevel7d(_) => S::StopLevel7d(maybe(text)?),
        S::StopLevelOffHours(_) => S::StopLevelOffHours(maybe(text)?),
        S::NewDeviceCap(_) => S::NewDeviceCap(maybe(text)?),
        S::CostlyCalls(_) => S::CostlyCalls(count(text)?),
        S::Calls(_) => S::Calls(count(text)?),
        S::HotspotCalls(_) => S::HotspotCalls(count(text)?),
        S::Status(_)
        | S::Barred(_)
        | S::BarredCountries(_)
        | S::BarredHours(_)
        | S::IpLock(_)
        | S::DeviceNotices(_) => stands.clone(),
    })
}

fn amount(text: &str) -> Result<Money, String> {
    let plain = text.trim().trim_start_matches(['£', '€', '$']).trim();
    let wrong = || format!("“{}” is not an amount: write it like 12.50", text.trim());
    if plain.is_empty() {
        return Err("Write an amount, like 12.50".to_owned());
    }
    let parsed: Money = plain.parse().map_err(|_| wrong())?;
    if parsed.is_negative() { Err("An amount cannot be below zero".to_owned()) } else { Ok(parsed) }
}

fn maybe(text: &str) -> Result<Option<Money>, String> {
    if text.trim().is_empty() { Ok(None) } else { amount(text).map(Some) }
}

fn count(text: &str) -> Result<u16, String> {
    let wrong = |_| format!("“{}” is not a whole number from 0 to 65535", text.trim());
    text.trim().parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use types::{AccountStatus, Controls};

    use super::*;

    /// What is shown in a field reads back as what stands: saving an untouched form changes nothing.
    #[test]
    fn what_is_shown_reads_back() {
        for controls in [Controls::residential(), Controls::pbx()] {
            for stands in Setting::all(AccountStatus::Active, &controls) {
                let shown = stands.to_string();
                let shown = if shown == "none" { String::new() } else { shown };
                assert_eq!(read(&stands, &shown), Ok(stands.clone()), "{}", stands.name());
            }
        }
    }

    #[test]
    fn what_people_type_is_read_or_refused_with_the_reason() {
        fn check(stands: Setting, text: &str, want: Result<Setting, &str>) {
            let found = read(&stands, text);
            match (found, want) {
                (Ok(found), Ok(want)) => assert_eq!(found, want, "{text}"),
                (Err(found), Err(want)) => assert!(found.contains(want), "{text}: {found}"),
                (found, want) => panic!("{text}: {found:?}, wanted {want:?}"),
            }
        }
        let level = |cents| Setting::StopLevel24h(Money::from_cents(cents));
        check(level(2_000), " £15 ", Ok(level(1_500)));
        check(level(2_000), "15.5", Ok(level(1_550)));
        check(level(2_000), "", Err("Write an amount"));
        check(level(2_000), "lots", Err("“lots” is not an amount"));
        check(level(2_000), "-1", Err("below zero"));
        let hour = |cents: Option<i64>| Setting::StopLevel1h(cents.map(Money::from_cents));
        check(hour(Some(500)), "", Ok(hour(None)));
        check(hour(None), "5", Ok(hour(Some(500))));
        check(Setting::Calls(3), "4", Ok(Setting::Calls(4)));
        check(Setting::Calls(3), "4.5", Err("not a whole number"));
    }

    #[test]
    fn every_rule_is_a_control_and_every_group_stands_together() {
        let controls = Controls::residential();
        let all = Setting::all(AccountStatus::Active, &controls);
        let mut groups: Vec<&str> = RULES.iter().map(|rule| rule.group).collect();
        groups.dedup();
        let mut distinct = groups.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(groups.len(), distinct.len());
        for rule in RULES {
            assert!(all.iter().any(|setting| setting.name() == rule.name), "{}", rule.name);
        }
    }
}
