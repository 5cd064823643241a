//! Hours of a week. Lives here: the set, how people write it. Never here: what is open or closed then, time zones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const NAMES: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const HOURS: u8 = 24;

/// One hour of a week: a day, Monday first, and an hour of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WeekHour {
    /// 0 for Monday to 6 for Sunday.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
}

impl fmt::Display for WeekHour {
    /// `Saturday between 3:00 and 4:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = NAMES.get(usize::from(self.day)).copied().unwrap_or("no day");
        write!(f, "{day} between {}:00 and {}:00", self.hour, self.hour + 1)
    }
}

/// Hours of a week, at the account's place. Written as `mon-fri:0-8,mon-fri:18-24,sat-sun:0-24`: from the first hour named
/// until the second, within a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HourSet([u32; 7]);

impl HourSet {
    /// No hour.
    pub const EMPTY: HourSet = HourSet([0; 7]);

    /// Is this hour in it? One that no week has is not.
    pub fn contains(&self, at: WeekHour) -> bool {
        let day = self.0.get(usize::from(at.day)).copied().unwrap_or(0);
        at.hour < HOURS && day & (1 << at.hour) != 0
    }

    /// With another hour; one that no week has changes nothing.
    #[must_use]
    pub fn with(mut self, at: WeekHour) -> HourSet {
        if let Some(day) = self.0.get_mut(usize::from(at.day)).filter(|_| at.hour < HOURS) {
            *day |= 1 << at.hour;
        }
        self
    }

    /// The hours of both.
    #[must_use]
    pub fn union(self, other: HourSet) -> HourSet {
        self.zip(other, |one, other| one | other)
    }

    /// Without the hours of another.
    #[must_use]
    pub fn less(self, other: HourSet) -> HourSet {
        self.zip(other, |one, other| one & !other)
    }

    /// Is each of its hours in the other?
    pub fn is_within(self, other: HourSet) -> bool {
        self.less(other).is_empty()
    }

    /// Is no hour in it?
    pub fn is_empty(self) -> bool {
        self == HourSet::EMPTY
    }

    /// The stretches of a day (0 for Monday), each from its first hour to the first one after it.
    pub fn of_day(&self, day: u8) -> Vec<(u8, u8)> {
        let bits = self.0.get(usize::from(day)).copied().unwrap_or(0);
        let mut found: Vec<(u8, u8)> = Vec::new();
        for hour in (0..HOURS).filter(|hour| bits & (1 << hour) != 0) {
            match found.last_mut() {
                Some((_, to)) if *to == hour => *to = hour + 1,
                _ => found.push((hour, hour + 1)),
            }
        }
        found
    }

    fn zip(self, other: HourSet, with: impl Fn(u32, u32) -> u32) -> HourSet {
        let mut days = self.0;
        days.iter_mut().zip(other.0).for_each(|(day, other)| *day = with(*day, other));
        HourSet(days)
    }

    /// As people write it, piece by piece: days that follow one another with the same hours together.
    pub fn parts(&self) -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        let mut first = 0;
        while let Some(bits) = self.0.get(first) {
            let same = self.0.iter().skip(first).take_while(|day| *day == bits).count();
            let (from, to) = (DAYS.get(first), DAYS.get(first + same - 1));
            let days = match (from, to) {
                (Some(from), Some(to)) if same > 1 => format!("{from}-{to}"),
                (Some(from), _) => (*from).to_owned(),
                _ => break,
            };
            let stretches = self.of_day(u8::try_from(first).unwrap_or(u8::MAX));
            parts.extend(stretches.iter().map(|(from, to)| format!("{days}:{from}-{to}")));
            first += same;
        }
        parts
    }
}

impl fmt::Display for HourSet {
    /// `mon-fri:0-8,mon-fri:18-24,sat:0-24`; `none` for no hour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts();
        f.pad(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(","))
    }
}

/// How hours are written, for people who wrote it otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected days and hours within a day like mon-fri:18-24 or sat:0-24, found `{}`", .0.escape_debug())]
pub struct HoursError(String);

impl FromStr for HourSet {
    type Err = HoursError;

    /// Reads what [`HourSet`] writes; `none` or nothing: no hour.
    fn from_str(text: &str) -> Result<HourSet, HoursError> {
        let text = text.trim();
        if text.is_empty() || text.eq_ignore_ascii_case("none") {
            return Ok(HourSet::EMPTY);
        }
        text.split(',').try_fold(HourSet::EMPTY, |all, part| {
            let read = one(part.trim()).ok_or_else(|| HoursError(part.trim().to_owned()))?;
            Ok(all.union(read))
        })
    }
}

/// `mon-fri:18-8`
fn one(text: &str) -> Option<HourSet> {
    let (days, hours) = text.split_once(':')?;
    let day = |name: &str| DAYS.iter().position(|day| name.eq_ignore_ascii_case(day));
    let (first, last) = match days.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(days)?, day(days)?),
    };
    let hour = |digits: &str| {
        let is_number =
            (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u8>().ok().filter(|hour| is_number && *hour <= HOURS)
    };
    let (from, to) = hours.split_once('-')?;
    let (from, to) = (hour(from)?, hour(to)?);
    if from >= to {
        return None;
    }
    let until = |hour: u8| (1_u32 << hour) - 1;
    let mut set = HourSet::EMPTY;
    let count = (7 + last - first) % 7;
    for day in (first..=first + count).map(|day| day % 7) {
        if let Some(bits) = set.0.get_mut(day) {
            *bits |= until(to) & !until(from);
        }
    }
    Some(set)
}

impl Serialize for HourSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HourSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HourSet, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_and_written() {
        fn check(text: &str, want: Result<&str, &str>) {
            let got = text.parse::<HourSet>();
            let written = got.as_ref().map(ToString::to_string).map_err(|error| error.0.clone());
            assert_eq!(written.as_deref().map_err(|part| part.as_str()), want, "{text}");
            if let Ok(set) = got {
                assert_eq!(set.to_string().parse(), Ok(set));
            }
        }
        check("none", Ok("none"));
        check("", Ok("none"));
        check("sat:0-24", Ok("sat:0-24"));
        check("mon-sun:0-24", Ok("mon-sun:0-24"));
        check(
            "sat-sun:0-24, Mon-Fri:18-24,mon-fri:0-08",
            Ok("mon-fri:0-8,mon-fri:18-24,sat-sun:0-24"),
        );
        // Over midnight both days are named: else half a night is easily forgotten.
        check("fri:22-6", Err("fri:22-6"));
        check("sat-mon:1-2", Ok("mon:1-2,sat-sun:1-2"));
        check("mon:0-24,tue:0-24", Ok("mon-tue:0-24"));
        check("mon:0-3,mon:2-5", Ok("mon:0-5"));
        check("mon", Err("mon"));
        check("mon:8", Err("mon:8"));
        check("mon:8-8", Err("mon:8-8"));
        check("mon:24-3", Err("mon:24-3"));
        check("mon:8-25", Err("mon:8-25"));
        check("mon:+8-9", Err("mon:+8-9"));
        check("moon:8-9", Err("moon:8-9"));
        check("tue:1-2,holidays:8-9", Err("holidays:8-9"));
    }

    #[test]
    fn an_hour_is_in_it_or_not() {
        let set: HourSet = "mon-fri:0-8,mon-fri:18-24,sat-sun:0-24".parse().expect("hours");
        let at = |day, hour| set.contains(WeekHour { day, hour });
        assert!(at(0, 18) && at(0, 7) && at(1, 7) && at(5, 12) && at(6, 0) && at(5, 3));
        assert!(!at(0, 8) && !at(0, 17) && !at(1, 8) && !at(4, 17));
        assert!(!at(7, 0) && !at(5, 24));
        assert_eq!(WeekHour { day: 5, hour: 3 }.to_string(), "Saturday between 3:00 and 4:00");
    }

    #[test]
    fn sets_are_sets() {
        let mut dice = crate::Dice::simulated(168, 1);
        for _ in 0..500 {
            let mut any = || HourSet([(); 7].map(|()| dice.below(1 << HOURS) as u32));
            let (one, other) = (any(), any());
            assert_eq!(one.to_string().parse(), Ok(one));
            assert!(one.is_within(one.union(other)) && one.less(other).is_within(one));
            assert_eq!(one.less(other).union(other), one.union(other));
            assert_eq!(one.is_within(other), one.union(other) == other);
        }
    }
}
