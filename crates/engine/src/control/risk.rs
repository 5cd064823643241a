//! Which way a change goes. Lives here: the one table, for accounts and for lines; the safer of two values.
//! Never here: who may make a change (change), what it does to calls (live).

use ipnet::IpNet;
use types::{
    AccountStatus, Changed, ClassSet, Controls, DeviceNotices, LineSecurity, LineStatus, Money,
    Region, Risk, Setting,
};

/// Which way it goes from one value of a setting to another. The setting itself must be the same.
pub fn risk(from: &Setting, to: &Setting) -> Risk {
    use Setting as S;
    match (from, to) {
        (S::Status(from), S::Status(to)) => ordered(leeway(*from), leeway(*to)),
        (S::Barred(from), S::Barred(to)) => verdict(!within(*from, *to), !within(*to, *from)),
        (S::BarredCountries(from), S::BarredCountries(to)) => {
            verdict(!all_in(from, to), !all_in(to, from))
        }
        (S::BarredHours(from), S::BarredHours(to)) => {
            verdict(!from.is_within(*to), !to.is_within(*from))
        }
        (S::IpLock(from), S::IpLock(to)) => verdict(!lets_in(from, to), !lets_in(to, from)),
        // Whoever is told less learns later of what goes wrong.
        (S::DeviceNotices(from), S::DeviceNotices(to)) => ordered(silence(*from), silence(*to)),
        (S::WarningLevel(from), S::WarningLevel(to)) => ordered(deafness(*from), deafness(*to)),
        (S::CostlyCalls(from), S::CostlyCalls(to))
        | (S::Calls(from), S::Calls(to))
        | (S::HotspotCalls(from), S::HotspotCalls(to)) => ordered(from, to),
        (S::PriceCapNational(from), S::PriceCapNational(to))
        | (S::PriceCapInternational(from), S::PriceCapInternational(to))
        | (S::ConnectFeeCap(from), S::ConnectFeeCap(to))
        | (S::StopLevel24h(from), S::StopLevel24h(to))
        | (S::StopLevelAll24h(from), S::StopLevelAll24h(to)) => ordered(from, to),
        // No level lets everything through.
        (S::StopLevel1h(from), S::StopLevel1h(to))
        | (S::StopLevel7d(from), S::StopLevel7d(to))
        | (S::StopLevelOffHours(from), S::StopLevelOffHours(to))
        | (S::NewDeviceCap(from), S::NewDeviceCap(to)) => {
            ordered(from.unwrap_or(Money::MAX), to.unwrap_or(Money::MAX))
        }
        // Two different settings: every one is named, so that a new one does not compile without its row.
        (
            S::Status(_)
            | S::Barred(_)
            | S::BarredCountries(_)
            | S::BarredHours(_)
            | S::IpLock(_)
            | S::DeviceNotices(_)
            | S::WarningLevel(_)
            | S::CostlyCalls(_)
            | S::Calls(_)
            | S::HotspotCalls(_)
            | S::PriceCapNational(_)
            | S::PriceCapInternational(_)
            | S::ConnectFeeCap(_)
            | S::StopLevel24h(_)
            | S::StopLevelAll24h(_)
            | S::StopLevel1h(_)
            | S::StopLevel7d(_)
            | S::StopLevelOffHours(_)
            | S::NewDeviceCap(_),
            _,
        ) => Risk::Riskier,
    }
}

/// What differs between two sets of controls and statuses, in the order of the settings.
pub fn changes(
    (status, controls): (AccountStatus, &Controls),
    (new_status, new_controls): (AccountStatus, &Controls),
) -> Vec<Changed> {
    let before = Setting::all(status, controls);
    let both = before.into_iter().zip(Setting::all(new_status, new_controls));
    both.filter(|(from, to)| from != to)
        .map(|(from, to)| Changed { risk: risk(&from, &to), from, to })
        .collect()
}

/// What allows no more than either of two values of a setting. Where nothing does that could be written down
/// (two locks without a common address), it is the one that was lowered to.
pub(crate) fn safer_of(kept: &Setting, lowered: &Setting) -> Setting {
    if risk(kept, lowered) != Risk::Riskier {
        return lowered.clone();
    }
    match (kept, lowered) {
        _ if risk(lowered, kept) != Risk::Riskier => kept.clone(),
        (Setting::Barred(kept), Setting::Barred(lowered)) => {
            Setting::Barred(union(*kept, *lowered))
        }
        (Setting::BarredCountries(kept), Setting::BarredCountries(lowered)) => {
            Setting::BarredCountries(both(kept, lowered))
        }
        (Setting::BarredHours(kept), Setting::BarredHours(lowered)) => {
            Setting::BarredHours(kept.union(*lowered))
        }
        (Setting::IpLock(kept), Setting::IpLock(lowered)) => {
            let common = common(kept, lowered);
            Setting::IpLock(if common.is_empty() { lowered.clone() } else { common })
        }
        _ => lowered.clone(),
    }
}

/// All classes of both.
pub(crate) fn union(one: ClassSet, other: ClassSet) -> ClassSet {
    other.iter().fold(one, ClassSet::with)
}

/// The classes of one that the other has not.
pub(crate) fn less(one: ClassSet, other: ClassSet) -> ClassSet {
    other.iter().fold(one, ClassSet::without)
}

/// All countries of both, in the order of their codes.
pub(crate) fn both(one: &[Region], other: &[Region]) -> Vec<Region> {
    let mut both: Vec<Region> = one.iter().chain(other).copied().collect();
    both.sort_unstable();
    both.dedup();
    both
}

/// Is every country of one in the other?
fn all_in(one: &[Region], other: &[Region]) -> bool {
    one.iter().all(|region| other.contains(region))
}

/// What changes about the use of a line: name, old value, new value, which way.
pub(crate) fn line_changes(
    from: &LineSecurity,
    to: &LineSecurity,
) -> Vec<(&'static str, String, String, Risk)> {
    let LineSecurity { status, tls_only, sha256_only, ip_lock, stop_levels } = from;
    let is_used = |status: LineStatus| status == LineStatus::Active;
    let in_use = |status: LineStatus| if is_used(status) { "active" } else { "disabled" };
    let switch = |on: bool| if on { "on" } else { "off" };
    let row = |name, from: &str, to: &str, risk| (name, from.to_owned(), to.to_owned(), risk);
    let (old_lock, new_lock) =
        (Setting::IpLock(ip_lock.clone()), Setting::IpLock(to.ip_lock.clone()));
    let bounds = [
        row(
            "status",
            in_use(*status),
            in_use(to.status),
            ordered(is_used(*status), is_used(to.status)),
        ),
        row("TLS only", switch(*tls_only), switch(to.tls_only), ordered(!tls_only, !to.tls_only)),
        row(
            "SHA-256 only",
            switch(*sha256_only),
            switch(to.sha256_only),
            ordered(!sha256_only, !to.sha256_only),
        ),
        row("IP lock", &old_lock.to_string(), &new_lock.to_string(), risk(&old_lock, &new_lock)),
    ];
    let levels = stop_levels.named().into_iter().zip(to.stop_levels.named());
    let levels = levels.map(|((name, old), (_, new))| {
        // No level lets everything through.
        let [from, to] = [old, new].map(|level| level.unwrap_or(Money::MAX));
        row(name, &level(old), &level(new), ordered(from, to))
    });
    bounds.into_iter().chain(levels).filter(|(_, from, to, _)| from != to).collect()
}

/// A level as it is typed.
pub(super) fn level(level: Option<Money>) -> String {
    level.map_or_else(|| "none".to_owned(), |level| level.to_string())
}

fn verdict(allows_more: bool, allows_less: bool) -> Risk {
    match (allows_more, allows_less) {
        (true, _) => Risk::Riskier,
        (false, true) => Risk::Safer,
        (false, false) => Risk::Neutral,
    }
}

/// Where more is riskier.
fn ordered<T: PartialOrd>(from: T, to: T) -> Risk {
    verdict(to > from, to < from)
}

/// How much a status lets through.
const fn leeway(status: AccountStatus) -> u8 {
    match status {
        AccountStatus::Closed => 0,
        AccountStatus::Suspended => 1,
        AccountStatus::Frozen => 2,
        AccountStatus::Limited => 3,
        AccountStatus::Watched => 4,
        AccountStatus::Active => 5,
    }
}

const fn silence(notices: DeviceNotices) -> u8 {
    match notices {
        DeviceNotices::Both => 0,
        DeviceNotices::AgentOnly => 1,
        DeviceNotices::Off => 2,
    }
}

/// A warning level of nothing is none.
fn deafness(level: Money) -> Money {
    if level.is_zero() { Money::MAX } else { level }
}

/// Is every class of one in the other?
fn within(one: ClassSet, other: ClassSet) -> bool {
    one.iter().all(|class| other.contains(class))
}

/// Does a lock let in all that another lets in? An empty one lets in everybody.
fn lets_in(lock: &[IpNet], other: &[IpNet]) -> bool {
    if lock.is_empty() {
        return true;
    }
    let lock = IpNet::aggregate(&lock.to_vec());
    !other.is_empty() && other.iter().all(|net| lock.iter().any(|wide| wide.contains(net)))
}

/// The networks that lie in both of two locks that lock something.
fn common(one: &[IpNet], other: &[IpNet]) -> Vec<IpNet> {
    let narrower = |a: &IpNet, b: &IpNet| match (a.contains(b), b.contains(a)) {
        (true, _) => Some(*b),
        (_, true) => Some(*a),
        _ => None,
    };
    let pairs = one.iter().flat_map(|a| other.iter().filter_map(move |b| narrower(a, b)));
    IpNet::aggregate(&pairs.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use types::DestinationClass as Class;

    use super::*;

    fn nets(lock: &[&str]) -> Vec<IpNet> {
        lock.iter().map(|net| net.parse().expect("a network")).collect()
    }

    fn classes(of: &[Class]) -> ClassSet {
        ClassSet::from(of.to_vec())
    }

    fn countries(codes: &str) -> Vec<Region> {
        codes.split(' ').map(|code| code.parse().expect("a code")).collect()
    }

    fn hours(text: &str) -> types::HourSet {
        text.parse().expect("hours")
    }

    fn units(amount: i64) -> Money {
        Money::from_units(amount)
    }

    /// From the safer value to the riskier one.
    fn rows() -> Vec<(Setting, Setting)> {
        use Setting as S;
        let some = |amount| Some(units(amount));
        vec![
            (S::Status(AccountStatus::Closed), S::Status(AccountStatus::Suspended)),
            (S::Status(AccountStatus::Suspended), S::Status(AccountStatus::Frozen)),
            (S::Status(AccountStatus::Frozen), S::Status(AccountStatus::Limited)),
            (S::Status(AccountStatus::Limited), S::Status(AccountStatus::Watched)),
            (S::Status(AccountStatus::Watched), S::Status(AccountStatus::Active)),
            (S::Barred(classes(&[Class::Premium])), S::Barred(ClassSet::EMPTY)),
            (S::BarredCountries(countries("SO")), S::BarredCountries(Vec::new())),
            (S::BarredHours(hours("sat:0-24,sun:0-24")), S::BarredHours(hours("sun:0-24"))),
            (S::PriceCapNational(units(1)), S::PriceCapNational(units(2))),
            (S::PriceCapInternational(units(1)), S::PriceCapInternational(units(2))),
            (S::ConnectFeeCap(units(1)), S::ConnectFeeCap(units(2))),
            (S::CostlyCalls(1), S::CostlyCalls(2)),
            (S::Calls(1), S::Calls(2)),
            (S::WarningLevel(units(1)), S::WarningLevel(units(2))),
            (S::WarningLevel(units(2)), S::WarningLevel(units(0))),
            (S::StopLevel1h(some(1)), S::StopLevel1h(some(2))),
            (S::StopLevel1h(some(1)), S::StopLevel1h(None)),
            (S::StopLevel24h(units(1)), S::StopLevel24h(units(2))),
            (S::StopLevel7d(some(1)), S::StopLevel7d(None)),
            (S::StopLevelOffHours(some(1)), S::StopLevelOffHours(some(2))),
            (S::StopLevelOffHours(some(1)), S::StopLevelOffHours(None)),
            (S::StopLevelAll24h(units(1)), S::StopLevelAll24h(units(2))),
            (S::HotspotCalls(0), S::HotspotCalls(1)),
            (S::IpLock(nets(&["192.0.2.0/24"])), S::IpLock(Vec::new())),
            (S::IpLock(nets(&["192.0.2.0/25"])), S::IpLock(nets(&["192.0.2.0/24"]))),
            (
                S::IpLock(nets(&["192.0.2.0/24"])),
                S::IpLock(nets(&["192.0.2.0/24", "2001:db8::/32"])),
            ),
            (S::DeviceNotices(DeviceNotices::Both), S::DeviceNotices(DeviceNotices::AgentOnly)),
            (S::DeviceNotices(DeviceNotices::AgentOnly), S::DeviceNotices(DeviceNotices::Off)),
            (S::NewDeviceCap(some(1)), S::NewDeviceCap(None)),
            (S::NewDeviceCap(some(1)), S::NewDeviceCap(some(2))),
        ]
    }

    #[test]
    fn each_setting_goes_both_ways() {
        let mut covered = BTreeSet::new();
        for (safe, risky) in rows() {
            assert_eq!(risk(&safe, &risky), Risk::Riskier, "{} {safe} to {risky}", safe.name());
            assert_eq!(risk(&risky, &safe), Risk::Safer, "{} {risky} to {safe}", safe.name());
            assert_eq!(risk(&safe, &safe), Risk::Neutral, "{} {safe}", safe.name());
            covered.insert(safe.name());
        }
        let all = Setting::all(AccountStatus::Active, &Controls::residential());
        let names: BTreeSet<&str> = all.iter().map(Setting::name).collect();
        assert_eq!(covered, names, "a row for each setting");
    }

    #[test]
    fn what_allows_anything_new_is_riskier() {
        fn check(from: Setting, to: Setting, want: Risk) {
            assert_eq!(risk(&from, &to), want, "{from} to {to}");
        }
        let barred = |of: &[Class]| Setting::Barred(classes(of));
        check(barred(&[Class::Premium]), barred(&[Class::Pager]), Risk::Riskier);
        check(barred(&[Class::Premium]), barred(&[Class::Pager, Class::Premium]), Risk::Safer);
        let abroad = |codes: &str| Setting::BarredCountries(countries(codes));
        check(abroad("LV"), abroad("SO"), Risk::Riskier);
        check(abroad("LV SO"), abroad("SO LV"), Risk::Neutral);
        let lock = |of: &[&str]| Setting::IpLock(nets(of));
        check(lock(&["192.0.2.0/25"]), lock(&["192.0.2.128/25"]), Risk::Riskier);
        check(lock(&["192.0.2.0/25", "192.0.2.128/25"]), lock(&["192.0.2.0/24"]), Risk::Neutral);
        check(lock(&["192.0.2.0/24", "192.0.2.7/32"]), lock(&["192.0.2.0/24"]), Risk::Neutral);
        check(lock(&["192.0.2.0/24"]), lock(&["2001:db8::/32"]), Risk::Riskier);
        check(lock(&[]), lock(&["0.0.0.0/0"]), Risk::Safer);
        check(Setting::Calls(1), Setting::CostlyCalls(1), Risk::Riskier);
    }

    #[test]
    fn the_safer_of_two_allows_no_more_than_either() {
        fn check(kept: Setting, lowered: Setting, want: Setting) {
            assert_eq!(safer_of(&kept, &lowered), want, "{kept}, {lowered}");
        }
        for (safe, risky) in rows() {
            check(safe.clone(), risky.clone(), safe.clone());
            check(risky, safe.clone(), safe);
        }
        let barred = |of: &[Class]| Setting::Barred(classes(of));
        check(
            barred(&[Class::Premium]),
            barred(&[Class::Pager]),
            barred(&[Class::Pager, Class::Premium]),
        );
        let abroad = |codes: &str| Setting::BarredCountries(countries(codes));
        check(abroad("SO LV"), abroad("FR SO"), abroad("FR LV SO"));
        let lock = |of: &[&str]| Setting::IpLock(nets(of));
        check(
            lock(&["192.0.2.0/24", "2001:db8::/32"]),
            lock(&["192.0.2.7/32", "198.51.100.0/24"]),
            lock(&["192.0.2.7/32"]),
        );
        check(lock(&["192.0.2.0/24"]), lock(&["198.51.100.0/24"]), lock(&["198.51.100.0/24"]));
    }

    #[test]
    fn each_bound_of_a_line_goes_both_ways() {
        fn check(change: impl Fn(&mut LineSecurity), want: (&str, &str, &str)) {
            let open = LineSecurity {
                status: LineStatus::Active,
                tls_only: false,
                sha256_only: false,
                ip_lock: Vec::new(),
                stop_levels: types::StopLevels::NONE,
            };
            let mut tight = open.clone();
            change(&mut tight);
            let (name, from, to) = want;
            let row =
                |from: &str, to: &str, risk| vec![(name, from.to_owned(), to.to_owned(), risk)];
            assert_eq!(line_changes(&open, &tight), row(from, to, Risk::Safer).as_slice());
            assert_eq!(line_changes(&tight, &open), row(to, from, Risk::Riskier).as_slice());
            assert_eq!(line_changes(&tight, &tight), []);
        }
        check(|line| line.status = LineStatus::Disabled, ("status", "active", "disabled"));
        check(|line| line.tls_only = true, ("TLS only", "off", "on"));
        check(|line| line.sha256_only = true, ("SHA-256 only", "off", "on"));
        check(|line| line.ip_lock = nets(&["192.0.2.0/24"]), ("IP lock", "none", "192.0.2.0/24"));
        let two = Some(Money::from_units(2));
        check(|line| line.stop_levels.stop_level_1h = two, ("stop_level_1h", "none", "2.00"));
        check(|line| line.stop_levels.stop_level_24h = two, ("stop_level_24h", "none", "2.00"));
        check(|line| line.stop_levels.stop_level_7d = two, ("stop_level_7d", "none", "2.00"));
        check(
            |line| line.stop_levels.stop_level_all_24h = two,
            ("stop_level_all_24h", "none", "2.00"),
        );
    }
}
