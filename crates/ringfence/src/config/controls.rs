//! The controls of an account by name, for the configuration file and for `account set`.
//! Lives here: one row per control. Never here: what a control does.

use ipnet::IpNet;
use types::{ClassSet, Controls, DestinationClass, DeviceNotices, HourSet, Money, Region};

use super::raw::Raw;

/// One control: its name, what it is, how it is set and shown.
pub struct ControlKey {
    /// As in the file and on the command line.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Reads the value into the controls.
    pub set: fn(&mut Controls, &Raw) -> Result<(), String>,
    /// The value in force.
    pub show: fn(&Controls) -> Raw,
}

/// Sets the control called `name`; `None`: there is none of this name.
pub fn set(controls: &mut Controls, name: &str, raw: &Raw) -> Option<Result<(), String>> {
    let key = CONTROL_KEYS.iter().find(|key| key.name == name)?;
    Some((key.set)(controls, raw))
}

/// An amount that is not negative.
pub fn amount(raw: &Raw) -> Result<Money, String> {
    let money: Money = raw.plain()?;
    if money.is_negative() {
        return Err(format!("{money} is less than nothing"));
    }
    Ok(money)
}

/// A network, or an address as the network of this one host.
pub fn network(raw: &Raw) -> Result<IpNet, String> {
    let text = raw.text()?.trim();
    let parsed = match text.parse::<std::net::IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>().ok().map(|net| net.trunc()),
    };
    parsed.ok_or_else(|| {
        format!("`{text}` is not a network: expected something like 192.0.2.0/24 or 2001:db8::1")
    })
}

fn class(raw: &Raw) -> Result<DestinationClass, String> {
    raw.parse()
}

fn barred(controls: &mut Controls, raw: &Raw) -> Result<(), String> {
    let classes = raw.list(class)?;
    let allowed_always = [DestinationClass::Emergency, DestinationClass::Support];
    if let Some(class) = classes.iter().find(|class| allowed_always.contains(class)) {
        return Err(format!("calls of class {class} are never barred"));
    }
    controls.barred = ClassSet::from(classes);
    Ok(())
}

fn barred_countries(controls: &mut Controls, raw: &Raw) -> Result<(), String> {
    let mut countries: Vec<Region> = raw.list(Raw::parse)?;
    countries.sort_unstable();
    countries.dedup();
    controls.barred_countries = countries;
    Ok(())
}

fn barred_hours(controls: &mut Controls, raw: &Raw) -> Result<(), String> {
    let parts: Vec<HourSet> = raw.list(Raw::parse)?;
    controls.barred_hours = parts.into_iter().fold(HourSet::EMPTY, HourSet::union);
    Ok(())
}

fn count(raw: &Raw) -> Result<u16, String> {
    raw.number(0, 65_535).map(|value| value as u16)
}

fn device_notices(raw: &Raw) -> Result<DeviceNotices, String> {
    let all = [DeviceNotices::Both, DeviceNotices::AgentOnly, DeviceNotices::Off];
    let text = raw.text()?.trim();
    let found = all.into_iter().find(|notices| notices.code() == text);
    found
        .ok_or_else(|| format!("expected both, agent-only or off, found `{}`", text.escape_debug()))
}

macro_rules! amount_key {
    ($name:ident, $help:literal) => {
        ControlKey {
            name: stringify!($name),
            help: $help,
            set: |controls, raw| amount(raw).map(|money| controls.$name = money),
            show: |controls| Raw::of(controls.$name),
        }
    };
}

macro_rules! level_key {
    ($name:ident, $help:literal) => {
        ControlKey {
            name: stringify!($name),
            help: $help,
            set: |controls, raw| raw.optional(amount).map(|level| controls.$name = level),
            show: |controls| Raw::maybe(controls.$name),
        }
    };
}

macro_rules! count_key {
    ($name:ident, $help:literal) => {
        ControlKey {
            name: stringify!($name),
            help: $help,
            set: |controls, raw| count(raw).map(|value| controls.$name = value),
            show: |controls| Raw::bare(controls.$name),
        }
    };
}

/// Every control, in the order people read them.
pub const CONTROL_KEYS: &[ControlKey] = &[
    ControlKey {
        name: "barred",
        help: "classes of destinations that are refused",
        set: barred,
        show: |controls| Raw::words(controls.barred.iter()),
    },
    ControlKey {
        name: "barred_countries",
        help: "countries abroad that are refused, by code: LV, SO; empty: none",
        set: barred_countries,
        show: |controls| Raw::words(&controls.barred_countries),
    },
    ControlKey {
        name: "barred_hours",
        help: "hours in which calls that cost money are refused: mon-fri:0-8, mon-fri:18-24, sat-sun:0-24; empty: none",
        set: barred_hours,
        show: |controls| Raw::words(controls.barred_hours.parts()),
    },
    amount_key!(price_cap_national, "dearest national price a minute"),
    amount_key!(price_cap_international, "dearest international price a minute"),
    amount_key!(connect_fee_cap, "dearest connection fee"),
    count_key!(costly_calls, "costly calls at once"),
    count_key!(calls, "all calls at once"),
    amount_key!(warning_level, "un-billed usage at which the holder is told"),
    level_key!(stop_level_1h, "costly spending in any hour at which calls end, or none"),
    amount_key!(stop_level_24h, "costly spending in any 24 hours at which calls end"),
    level_key!(stop_level_7d, "costly spending in any seven days at which calls end, or none"),
    level_key!(stop_level_off_hours, "stop level of 24 hours while it is off hours, or none"),
    amount_key!(stop_level_all_24h, "spending of every kind in any 24 hours at which calls end"),
    count_key!(hotspot_calls, "calls to fraud hotspots in any 12 hours"),
    ControlKey {
        name: "ip_lock",
        help: "networks from which the account may be used; empty: from everywhere",
        set: |controls, raw| raw.list(network).map(|nets| controls.ip_lock = nets),
        show: |controls| Raw::words(&controls.ip_lock),
    },
    ControlKey {
        name: "device_notices",
        help: "new devices the holder is told of: both (new agents and addresses), agent-only, off",
        set: |controls, raw| device_notices(raw).map(|notices| controls.device_notices = notices),
        show: |controls| Raw::of(controls.device_notices),
    },
    level_key!(new_device_cap, "costly spending of a new device in its first 24 hours, or none"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_reads_what_it_shows() {
        let mut controls = Controls::pbx();
        controls.device_notices = DeviceNotices::AgentOnly;
        controls.new_device_cap = None;
        controls.stop_level_1h = Some(Money::from_units(3));
        controls.ip_lock = vec!["192.0.2.0/24".parse().expect("a network")];
        controls.barred_countries =
            vec!["LV".parse().expect("a code"), "SO".parse().expect("a code")];
        controls.barred_hours = "mon-fri:0-8,mon-fri:18-24,sat-sun:0-24".parse().expect("hours");
        let mut copy = Controls::residential();
        for key in CONTROL_KEYS {
            (key.set)(&mut copy, &(key.show)(&controls)).expect(key.name);
        }
        assert_eq!(copy, controls);
        let fields = serde_json::to_value(&controls).expect("controls are JSON");
        assert_eq!(fields.as_object().map(serde_json::Map::len), Some(CONTROL_KEYS.len()));
    }

    #[test]
    fn values_are_judged() {
        fn check(name: &str, value: &str, want: Result<(), &str>) {
            let raw = Raw::Words(value.to_owned());
            let got = set(&mut Controls::residential(), name, &raw).expect("a control");
            assert_eq!(got.as_ref().map_err(String::as_str).map(|_| ()), want, "{name}={value}");
        }
        check("stop_level_24h", "5", Ok(()));
        check("stop_level_24h", "-5", Err("-5.00 is less than nothing"));
        check("stop_level_1h", "none", Ok(()));
        check("barred", "premium,satellite", Ok(()));
        check("barred_countries", "SO,LV", Ok(()));
        check("barred_hours", "mon-fri:0-8,mon-fri:18-24,sat-sun:0-24", Ok(()));
        check(
            "barred_hours",
            "mon-fri:0-8,mon-fri:18-24,sunny:0-24",
            Err(
                "expected days and hours within a day like mon-fri:18-24 or sat:0-24, found `sunny:0-24`",
            ),
        );
        check(
            "barred_countries",
            "Somalia",
            Err("`Somalia` is not a country code: expected two capital letters like GB"),
        );
        check("barred", "emergency", Err("calls of class emergency are never barred"));
        check("ip_lock", "192.0.2.7,2001:db8::/32", Ok(()));
        check(
            "ip_lock",
            "nowhere",
            Err("`nowhere` is not a network: expected something like 192.0.2.0/24 or 2001:db8::1"),
        );
        check("device_notices", "agent-only", Ok(()));
        check("device_notices", "loud", Err("expected both, agent-only or off, found `loud`"));
        check("new_device_cap", "none", Ok(()));
        check("new_device_cap", "2.50", Ok(()));
        check("new_device_cap", "-1", Err("-1.00 is less than nothing"));
        check("calls", "70000", Err("70000 is out of bounds: expected 0 to 65535"));
        assert!(set(&mut Controls::residential(), "wishes", &Raw::Unset).is_none());
    }
}
