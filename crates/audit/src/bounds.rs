//! What was called. Lives here: barred classes, caps of prices and connection fees. Never here: who called (who).

use types::{Controls, DestinationClass, Direction, Rate, Region, Standing};

use crate::case::Case;
use crate::verdict::{Change, Mismatch};

/// The class was not barred. Whatever cannot be a number cannot be called at all.
pub(crate) fn barred(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let Some(stood) = &case.stood else { return };
    let destination = &case.cdr.destination;
    let is_nothing = destination.class == DestinationClass::Invalid && destination.e164.is_none();
    let asked = case.cdr.direction != Direction::Incoming && !case.exempt;
    if asked && (is_nothing || stood.controls.barred.contains(destination.class)) {
        found.push(Mismatch::Barred { class: destination.class });
    }
}

/// The country was not barred.
pub(crate) fn barred_country(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let Some(stood) = case.stood.as_ref().filter(|_| !case.exempt) else { return };
    found.extend(closed_country(case, stood).map(|region| Mismatch::BarredCountry { region }));
}

/// The country of a call abroad that a standing does not let out.
pub(crate) fn closed_country(case: &Case<'_>, stood: &Standing) -> Option<Region> {
    use DestinationClass as Class;
    let abroad = [Class::International, Class::Satellite, Class::InternationalPremium];
    let cdr = case.cdr;
    let leaves = cdr.direction == Direction::Outgoing && abroad.contains(&cdr.destination.class);
    let mut barred = stood.controls.barred_countries.iter().copied();
    barred.find(|region| leaves && cdr.destination.region == Some(*region))
}

/// The hour was not barred when it began. What is in progress goes on.
pub(crate) fn barred_hour(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let Some(stood) = case.stood.as_ref().filter(|_| case.is_charged()) else { return };
    let at = case.calendar.week_hour(&stood.time_zone, case.cdr.started);
    let at = at.filter(|at| stood.controls.barred_hours.contains(*at));
    found.extend(at.map(|at| Mismatch::BarredHour { at }));
}

/// Price and connection fee were within the caps.
pub(crate) fn caps(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let rate = case.cdr.explanation.rate.filter(|_| case.is_paid());
    let Some((stood, rate)) = case.stood.as_ref().zip(rate) else { return };
    for above in above_caps(&stood.controls, case.cdr.destination.class, &rate) {
        found.push(match above {
            Change::ConnectFeeCap { cap } => Mismatch::ConnectFeeCap { fee: rate.connect_fee, cap },
            Change::PriceCap { cap } => Mismatch::PriceCap { per_minute: rate.per_minute, cap },
            _ => continue,
        });
    }
}

/// Which caps a rate is above.
pub(crate) fn above_caps(
    controls: &Controls,
    class: DestinationClass,
    rate: &Rate,
) -> impl Iterator<Item = Change> {
    use DestinationClass as Class;
    let is_abroad = matches!(
        class,
        Class::International | Class::Satellite | Class::InternationalPremium | Class::Invalid
    );
    let cap =
        if is_abroad { controls.price_cap_international } else { controls.price_cap_national };
    let fee_cap = controls.connect_fee_cap;
    let dear = (rate.per_minute.micros() > cap.micros()).then_some(Change::PriceCap { cap });
    let fee = (rate.connect_fee.micros() > fee_cap.micros())
        .then_some(Change::ConnectFeeCap { cap: fee_cap });
    dear.into_iter().chain(fee)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;
    use types::Money;

    #[test]
    fn classes_are_barred_or_not() {
        fn check(class: DestinationClass, direction: Direction, want: bool) {
            let mut sample = Sample::new();
            sample.class(class);
            sample.cdr.direction = direction;
            let bad = Mismatch::Barred { class }.to_string();
            assert_eq!(sample.found(barred), if want { String::new() } else { bad }, "{class}");
        }
        use DestinationClass as Class;
        let out = Direction::Outgoing;
        check(Class::International, out, true);
        check(Class::Premium, out, false);
        check(Class::Satellite, out, false);
        check(Class::Invalid, out, false);
        check(Class::Emergency, out, true);
        check(Class::OnNet, Direction::OnNet, true);
        check(Class::Premium, Direction::Incoming, true);
    }

    #[test]
    fn countries_are_barred_or_not() {
        fn check(class: DestinationClass, direction: Direction, barred: &[&str], want: &str) {
            let mut sample = Sample::new();
            sample.class(class);
            sample.cdr.direction = direction;
            sample.cdr.destination.region = "SO".parse().ok();
            let barred = barred.iter().map(|code| code.parse().expect("a code")).collect();
            sample.stood.as_mut().expect("it stands").controls.barred_countries = barred;
            assert_eq!(sample.found(barred_country), want, "{class}");
        }
        use DestinationClass as Class;
        let bad = "a call to Somalia was let out, which was barred";
        check(Class::International, Direction::Outgoing, &["LV", "SO"], bad);
        check(Class::InternationalPremium, Direction::Outgoing, &["SO"], bad);
        check(Class::International, Direction::Outgoing, &["LV"], "");
        check(Class::International, Direction::Outgoing, &[], "");
        check(Class::International, Direction::Incoming, &["SO"], "");
        check(Class::NationalFixed, Direction::Outgoing, &["SO"], "");
    }

    #[test]
    fn hours_are_barred_or_not() {
        fn check(hours: &str, zone: &str, bend: impl Fn(&mut Sample), want: &str) {
            let mut sample = Sample::new();
            let stood = sample.stood.as_mut().expect("it stands");
            stood.controls.barred_hours = hours.parse().expect("hours");
            stood.time_zone = zone.to_owned();
            bend(&mut sample);
            let found = sample.found(barred_hour);
            assert_eq!(found.split(" on ").next(), Some(want), "{hours} {zone}");
        }
        let bad = "a call was let out";
        let as_it_is = |_: &mut Sample| {};
        check("mon-sun:0-24", "Europe/London", as_it_is, bad);
        check("mon-sun:0-24", "Asia/Tokyo", as_it_is, bad);
        check("none", "Europe/London", as_it_is, "");
        check("mon-sun:0-24", "Europe/Atlantis", as_it_is, "");
        check("mon-sun:0-24", "Europe/London", |s| s.cdr.direction = Direction::Incoming, "");
        check("mon-sun:0-24", "Europe/London", |s| s.class(DestinationClass::Emergency), "");
        let free = |s: &mut Sample| s.cdr.explanation.rate = Some(Rate::FREE);
        check("mon-sun:0-24", "Europe/London", free, "");
        // The hour is that of the account's place.
        let midnight = |s: &mut Sample| {
            // 2026-11-24T23:30:00Z, a Tuesday.
            s.cdr.started = types::UnixMicros::from_seconds(1_795_563_000);
        };
        check("tue:23-24", "Europe/London", midnight, bad);
        check("tue:23-24", "Asia/Tokyo", midnight, "");
        check("wed:8-9", "Asia/Tokyo", midnight, bad);
    }

    #[test]
    fn caps_hold_to_the_millionth() {
        fn check(class: DestinationClass, minute: i64, fee: i64, want: &str) {
            let mut sample = Sample::new();
            sample.class(class);
            let mut rate = Sample::rate(minute);
            rate.connect_fee = Money::from_micros(fee);
            sample.cdr.explanation.rate = Some(rate);
            assert_eq!(sample.found(caps), want, "{class}");
        }
        use DestinationClass as Class;
        check(Class::NationalMobile, 200_000, 100_000, "");
        let dear = "a call at 0.200001 a minute was let out, the cap was 0.20";
        check(Class::NationalMobile, 200_001, 0, dear);
        check(Class::International, 50_000, 0, "");
        let abroad = "a call at 0.050001 a minute was let out, the cap was 0.05";
        check(Class::International, 50_001, 0, abroad);
        check(Class::Satellite, 50_001, 0, abroad);
        check(Class::InternationalPremium, 50_001, 0, abroad);
        let fee = "a call with a connection fee of 0.100001 was let out, the cap was 0.10";
        check(Class::NationalFixed, 0, 100_001, fee);
        check(Class::Support, 900_000, 900_000, "");
    }
}
