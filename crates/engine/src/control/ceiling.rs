//! How far a holder may raise his own controls. Lives here: the operator's ceiling, what lies above it.
//! Never here: which way a change goes (risk), requests.

use types::{
    AccountStatus, ClassSet, Controls, DestinationClass, DeviceNotices, HourSet, Money, Risk,
    Setting,
};

use super::risk::{less, risk};

/// The usual ceiling (pounds). Its barred classes are those that no holder opens by himself.
pub fn default_ceiling() -> Controls {
    Controls {
        barred: ClassSet::EMPTY
            .with(DestinationClass::Premium)
            .with(DestinationClass::Satellite)
            .with(DestinationClass::InternationalPremium)
            .with(DestinationClass::Invalid),
        barred_countries: Vec::new(),
        barred_hours: HourSet::EMPTY,
        price_cap_national: Money::from_cents(50),
        price_cap_international: Money::from_cents(50),
        connect_fee_cap: Money::from_cents(50),
        costly_calls: 4,
        calls: 30,
        warning_level: Money::from_units(50),
        stop_level_1h: Some(Money::from_units(50)),
        stop_level_24h: Money::from_units(50),
        stop_level_7d: Some(Money::from_units(200)),
        stop_level_off_hours: Some(Money::from_units(20)),
        stop_level_all_24h: Money::from_units(200),
        hotspot_calls: 2,
        ip_lock: Vec::new(),
        device_notices: DeviceNotices::Off,
        new_device_cap: Some(Money::from_units(10)),
    }
}

/// Does a raise go above the ceiling? A status is never raised past what stood before the holder froze it.
pub(crate) fn is_above(
    ceiling: &Controls,
    frozen_from: Option<AccountStatus>,
    from: &Setting,
    to: &Setting,
) -> bool {
    match (from, to) {
        (Setting::Barred(from), Setting::Barred(to)) => {
            let opened = less(*from, *to);
            opened.iter().any(|class| ceiling.barred.contains(class))
        }
        (Setting::BarredCountries(from), Setting::BarredCountries(to)) => {
            let mut opened = from.iter().filter(|region| !to.contains(region));
            opened.any(|region| ceiling.barred_countries.contains(region))
        }
        (Setting::BarredHours(from), Setting::BarredHours(to)) => {
            !ceiling.barred_hours.less(*to).less(ceiling.barred_hours.less(*from)).is_empty()
        }
        (Setting::Status(_), Setting::Status(_)) => {
            let before = frozen_from.filter(|_| *from == Setting::Status(AccountStatus::Frozen));
            before.is_none_or(|before| risk(&Setting::Status(before), to) == Risk::Riskier)
        }
        _ => risk(&to.same_in(AccountStatus::Active, ceiling), to) == Risk::Riskier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_above_is_told_from_what_lies_below() {
        fn check(from: Setting, to: Setting, want: bool) {
            assert_eq!(is_above(&default_ceiling(), None, &from, &to), want, "{from} to {to}");
        }
        use DestinationClass as Class;
        use Setting as S;
        let level = |units| S::StopLevel24h(Money::from_units(units));
        check(level(20), level(50), false);
        check(level(20), level(51), true);
        let hour = |units: Option<i64>| S::StopLevel1h(units.map(Money::from_units));
        check(hour(Some(5)), hour(Some(50)), false);
        check(hour(Some(5)), hour(None), true);
        let barred = |of: &[Class]| S::Barred(ClassSet::from(of.to_vec()));
        check(barred(&[Class::Personal]), barred(&[]), false);
        check(barred(&[Class::Premium]), barred(&[]), true);
        // What staff opened before does not stand in the way of the rest.
        check(barred(&[Class::Pager, Class::Satellite]), barred(&[Class::Satellite]), false);
        let countries = |of: &[&str]| {
            S::BarredCountries(of.iter().map(|code| code.parse().expect("a code")).collect())
        };
        check(countries(&["SO"]), countries(&[]), false);
        let closed =
            Controls { barred_countries: vec!["SO".parse().expect("a code")], ..default_ceiling() };
        assert!(is_above(&closed, None, &countries(&["LV", "SO"]), &countries(&["LV"])));
        assert!(!is_above(&closed, None, &countries(&["LV", "SO"]), &countries(&["SO"])));
        check(
            S::IpLock(vec!["192.0.2.0/24".parse().expect("a network")]),
            S::IpLock(vec![]),
            false,
        );
    }

    #[test]
    fn a_holder_thaws_to_what_he_froze() {
        fn check(
            before: Option<AccountStatus>,
            from: AccountStatus,
            to: AccountStatus,
            want: bool,
        ) {
            let (from, to) = (Setting::Status(from), Setting::Status(to));
            assert_eq!(is_above(&default_ceiling(), before, &from, &to), want, "{from} to {to}");
        }
        use AccountStatus as Status;
        check(Some(Status::Active), Status::Frozen, Status::Active, false);
        check(Some(Status::Limited), Status::Frozen, Status::Limited, false);
        check(Some(Status::Limited), Status::Frozen, Status::Active, true);
        check(None, Status::Frozen, Status::Active, true);
        check(None, Status::Limited, Status::Active, true);
        check(Some(Status::Active), Status::Suspended, Status::Active, true);
    }
}
