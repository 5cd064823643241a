//! How controls change, and what stood when. Lives here: one control with its value, who changed it, what is kept of it.
//! Never here: which way a change goes and who may make it (engine).

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::account::{AccountStatus, Controls, Line, LineStatus};
use crate::destination::ClassSet;
use crate::device::DeviceNotices;
use crate::hours::HourSet;
use crate::ids::{AccountId, DeckId, LineId, ResellerId, TrunkId};
use crate::money::Money;
use crate::number::Region;
use crate::stop_level::StopLevels;
use crate::time::UnixMicros;

/// How well a holder has shown that it is he who asks. The caller gives it: the engine asks nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// He logged in some time ago: enough for what is safer.
    LoggedIn,
    /// He has just shown again who he is.
    Fresh,
}

/// Who changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "who")]
pub enum By {
    /// The holder.
    Holder {
        /// How well he has shown that.
        proof: Proof,
    },
    /// Somebody of staff; empty where no name was given.
    Staff {
        /// Who.
        name: String,
    },
    /// Ringfence itself.
    System {
        /// Why.
        reason: String,
    },
}

impl By {
    /// Staff, no name given.
    pub const STAFF: By = By::Staff { name: String::new() };

    /// Somebody of staff.
    pub fn staff(name: &str) -> By {
        By::Staff { name: name.to_owned() }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Holder { .. } => f.write_str("the holder"),
            By::Staff { name } if name.is_empty() => f.write_str("staff"),
            By::Staff { name } => write!(f, "{name} of staff"),
            By::System { reason } => write!(f, "Ringfence, {reason}"),
        }
    }
}

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nothing is allowed that was not before.
    Safer,
    /// It allows the same as before.
    Neutral,
    /// It allows something that was not allowed before.
    Riskier,
}

impl Risk {
    /// Stable name in commands, records and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Risk::Safer => "safer",
            Risk::Neutral => "neutral",
            Risk::Riskier => "riskier",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

macro_rules! settings {
    ($($field:ident: $variant:ident($kind:ty) = $name:literal;)*) => {
        /// One control, or the status, with a value. A field of `Controls` that is missing here does not compile.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "setting", content = "value")]
        pub enum Setting {
            /// What the account may do at all.
            #[serde(rename = "status")]
            Status(AccountStatus),
            $(
                #[doc = concat!("See `Controls::", $name, "`.")]
                #[serde(rename = $name)]
                $variant($kind),
            )*
        }

        impl Setting {
            /// Every setting of an account, in the order of the fields; its status first.
            pub fn all(status: AccountStatus, controls: &Controls) -> Vec<Setting> {
                let Controls { $($field),* } = controls;
                vec![Setting::Status(status), $(Setting::$variant($field.clone())),*]
            }

            /// Its name, as in the configuration and on the command line.
            pub const fn name(&self) -> &'static str {
                match self {
                    Setting::Status(_) => "status",
                    $(Setting::$variant(_) => $name,)*
                }
            }

            /// Sets it.
            pub fn put(&self, status: &mut AccountStatus, controls: &mut Controls) {
                match self {
                    Setting::Status(value) => *status = *value,
                    $(Setting::$variant(value) => controls.$field.clone_from(value),)*
                }
            }
        }
    };
}

settings! {
    barred: Barred(ClassSet) = "barred";
    barred_countries: BarredCountries(Vec<Region>) = "barred_countries";
    barred_hours: BarredHours(HourSet) = "barred_hours";
    price_cap_national: PriceCapNational(Money) = "price_cap_national";
    price_cap_international: PriceCapInternational(Money) = "price_cap_international";
    connect_fee_cap: ConnectFeeCap(Money) = "connect_fee_cap";
    costly_calls: CostlyCalls(u16) = "costly_calls";
    calls: Calls(u16) = "calls";
    warning_level: WarningLevel(Money) = "warning_level";
    stop_level_1h: StopLevel1h(Option<Money>) = "stop_level_1h";
    stop_level_24h: StopLevel24h(Money) = "stop_level_24h";
    stop_level_7d: StopLevel7d(Option<Money>) = "stop_level_7d";
    stop_level_off_hours: StopLevelOffHours(Option<Money>) = "stop_level_off_hours";
    stop_level_all_24h: StopLevelAll24h(Money) = "stop_level_all_24h";
    hotspot_calls: HotspotCalls(u16) = "hotspot_calls";
    ip_lock: IpLock(Vec<IpNet>) = "ip_lock";
    device_notices: DeviceNotices(DeviceNotices) = "device_notices";
    new_device_cap: NewDeviceCap(Option<Money>) = "new_device_cap";
}

impl Setting {
    /// The value of the same setting in these controls.
    pub fn same_in(&self, status: AccountStatus, controls: &Controls) -> Setting {
        let all = Setting::all(status, controls);
        all.into_iter().find(|one| one.name() == self.name()).expect("all of them are there")
    }
}

impl fmt::Display for Setting {
    /// The value alone, as it is written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Setting as S;
        match self {
            S::Status(status) => f.pad(status.code()),
            S::Barred(classes) => listed(f, classes.iter()),
            S::BarredCountries(countries) => listed(f, countries.iter()),
            S::BarredHours(hours) => write!(f, "{hours}"),
            S::IpLock(networks) => listed(f, networks.iter()),
            S::DeviceNotices(notices) => f.pad(notices.code()),
            S::CostlyCalls(count) | S::Calls(count) | S::HotspotCalls(count) => {
                write!(f, "{count}")
            }
            S::StopLevel1h(None)
            | S::StopLevel7d(None)
            | S::StopLevelOffHours(None)
            | S::NewDeviceCap(None) => f.pad("none"),
            S::PriceCapNational(amount)
            | S::PriceCapInternational(amount)
            | S::ConnectFeeCap(amount)
            | S::WarningLevel(amount)
            | S::StopLevel24h(amount)
            | S::StopLevelAll24h(amount)
            | S::StopLevel1h(Some(amount))
            | S::StopLevel7d(Some(amount))
            | S::StopLevelOffHours(Some(amount))
            | S::NewDeviceCap(Some(amount)) => write!(f, "{amount}"),
        }
    }
}

fn listed<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
) -> fmt::Result {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    f.write_str(if items.is_empty() { "none" } else { "" })?;
    f.write_str(&items.join(","))
}

/// A setting that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// What stood.
    pub from: Setting,
    /// What stands.
    pub to: Setting,
    /// Which way that goes.
    pub risk: Risk,
}

impl Changed {
    /// Name and values, as `calls 10 to 12`. Of a long list only what differs is told: `barred_countries +LV +SO`.
    pub fn words(&self) -> String {
        let name = self.from.name();
        let (Setting::BarredCountries(from), Setting::BarredCountries(to)) = (&self.from, &self.to)
        else {
            return format!("{name} {} to {}", self.from, self.to);
        };
        let less = |one: &[Region], other: &[Region], sign: &str| -> Vec<String> {
            let only = one.iter().filter(|region| !other.contains(region));
            only.map(|region| format!("{sign}{region}")).collect()
        };
        let (more, fewer) = (less(to, from, "+"), less(from, to, "-"));
        let short = |list: Vec<String>, sign: &str| match list.len() {
            0 => String::new(),
            1..=MOST_NAMED => format!(" {}", list.join(" ")),
            count => format!(" {sign}{count} countries"),
        };
        format!("{name}{}{}", short(more, "+"), short(fewer, "-"))
    }
}

/// So many items of a list are named where something is said of it.
const MOST_NAMED: usize = 12;

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.words(), self.risk)
    }
}

/// What stood for an account from a moment on, until its next. Appended, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whose.
    pub account: AccountId,
    /// From when on. Times of changes and of decisions are minted from one row: none is there twice.
    pub at: UnixMicros,
    /// What the account might do at all.
    pub status: AccountStatus,
    /// What bounded its loss.
    pub controls: Controls,
    /// The deck its calls were priced by.
    pub sell_deck: DeckId,
    /// Who sold to it in our place.
    pub reseller: Option<ResellerId>,
    /// Where it was, for off hours.
    pub time_zone: String,
    /// Who made it so.
    pub by: By,
    /// Why, in words; may be empty.
    pub why: String,
}

/// What of a line bounds its use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSecurity {
    /// Might it be used?
    pub status: LineStatus,
    /// By TLS and WSS only?
    pub tls_only: bool,
    /// Was MD5 refused?
    pub sha256_only: bool,
    /// Networks from which it might be used; empty: as the account.
    pub ip_lock: Vec<IpNet>,
    /// What bounded its own spending.
    pub stop_levels: StopLevels,
}

impl LineSecurity {
    /// That of a line.
    pub fn of(line: &Line) -> LineSecurity {
        LineSecurity {
            status: line.status,
            tls_only: line.tls_only,
            sha256_only: line.sha256_only,
            ip_lock: line.ip_lock.clone(),
            stop_levels: line.stop_levels.as_deref().copied().unwrap_or_default(),
        }
    }
}

/// What stood for a line from a moment on, until its next. Appended, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStanding {
    /// Which.
    pub line: LineId,
    /// Whose.
    pub account: AccountId,
    /// From when on.
    pub at: UnixMicros,
    /// What bounded its use.
    pub security: LineSecurity,
    /// Who made it so.
    pub by: By,
    /// Why, in words; may be empty.
    pub why: String,
}

/// What stood for a trunk from a moment on, until its next: what its calls cost us. Appended, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkStanding {
    /// Which.
    pub trunk: TrunkId,
    /// From when on.
    pub at: UnixMicros,
    /// What it charged us; `None`: unknown, recorded as zero.
    pub cost_deck: Option<DeckId>,
}

/// A setting that is raised until a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// To what; lowered since, it is what it was lowered to.
    pub to: Setting,
    /// Until when.
    pub until: UnixMicros,
}

/// What is beneath the controls in force of an account, where something is that does not last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRaises {
    /// Whose.
    pub account: AccountId,
    /// What stands when the last raise of a setting has ended; one for each setting that is raised.
    pub beneath: Vec<Setting>,
    /// Raises in force, in the order in which they were made: of each setting the last holds.
    pub raises: Vec<Raise>,
    /// Of a frozen account: its status before, beyond which its holder cannot thaw it.
    pub frozen_from: Option<AccountStatus>,
    /// An IP lock on trial.
    #[serde(default)]
    pub trial: Option<LockTrial>,
}

/// An IP lock that goes away by itself unless somebody behind it says that it works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockTrial {
    /// The lock that stood before, and stands again afterwards; empty: none.
    pub before: Vec<IpNet>,
    /// Until when it is on trial.
    pub until: UnixMicros,
}

impl AccountRaises {
    /// Nothing of an account's.
    pub const fn none(account: AccountId) -> AccountRaises {
        AccountRaises {
            account,
            beneath: Vec::new(),
            raises: Vec::new(),
            frozen_from: None,
            trial: None,
        }
    }

    /// Is there nothing to remember?
    pub fn is_empty(&self) -> bool {
        let lasts = self.frozen_from.is_none() && self.trial.is_none();
        self.beneath.is_empty() && self.raises.is_empty() && lasts
    }
}

/// Where a request has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum RequestState {
    /// Nobody has looked at it.
    Open,
    /// It was carried out.
    Approved {
        /// When.
        at: UnixMicros,
        /// By whom.
        by: By,
        /// Why.
        reason: String,
    },
    /// It was not.
    Refused {
        /// When.
        at: UnixMicros,
        /// By whom.
        by: By,
        /// Why.
        reason: String,
    },
}

impl RequestState {
    /// Stable name in commands, records and JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            RequestState::Open => "open",
            RequestState::Approved { .. } => "approved",
            RequestState::Refused { .. } => "refused",
        }
    }
}

/// A holder's wish for more than he may give himself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRequest {
    /// Its number: 1 for the first.
    pub id: u32,
    /// Whose.
    pub account: AccountId,
    /// What is asked for, and what stood when it was.
    pub asked: Vec<Changed>,
    /// Until when it is wanted; `None`: for good.
    pub until: Option<UnixMicros>,
    /// Who asks.
    pub by: By,
    /// When.
    pub at: UnixMicros,
    /// What he says about it; may be empty.
    pub note: String,
    /// Where it has come to.
    pub state: RequestState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_like_the_fields_and_put_back_what_they_took() {
        let mut pbx = Controls::pbx();
        pbx.ip_lock = vec!["192.0.2.0/24".parse().expect("a network")];
        let (mut status, mut copy) = (AccountStatus::Active, Controls::residential());
        for setting in Setting::all(AccountStatus::Limited, &pbx) {
            assert_eq!(setting.same_in(AccountStatus::Limited, &pbx), setting);
            setting.put(&mut status, &mut copy);
        }
        assert_eq!((status, copy), (AccountStatus::Limited, pbx));
    }

    #[test]
    fn values_read_as_they_are_typed() {
        fn check(setting: Setting, want: &str) {
            assert_eq!(setting.to_string(), want, "{}", setting.name());
        }
        check(Setting::Barred(ClassSet::EMPTY), "none");
        let barred = ClassSet::EMPTY.with(crate::DestinationClass::Premium);
        check(Setting::Barred(barred.with(crate::DestinationClass::Pager)), "pager,premium");
        let countries = |codes: &[&str]| {
            Setting::BarredCountries(
                codes.iter().map(|code| code.parse().expect("a code")).collect(),
            )
        };
        check(countries(&["LV", "SO"]), "LV,SO");
        check(countries(&[]), "none");
        let words = |from: &[&str], to: &[&str]| {
            let (from, to) = (countries(from), countries(to));
            Changed { from, to, risk: Risk::Safer }.to_string()
        };
        assert_eq!(words(&["FR"], &["LV", "SO"]), "barred_countries +LV +SO -FR (safer)");
        let many: Vec<String> = ('A'..='Z').map(|c| format!("{c}A")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(words(&[], &many), "barred_countries +26 countries (safer)");
        check(Setting::StopLevel24h(Money::from_units(5)), "5.00");
        check(Setting::StopLevel1h(None), "none");
        check(Setting::NewDeviceCap(Some(Money::from_cents(250))), "2.50");
        check(Setting::Calls(7), "7");
        check(Setting::DeviceNotices(DeviceNotices::AgentOnly), "agent-only");
        check(Setting::IpLock(vec!["192.0.2.0/24".parse().expect("a network")]), "192.0.2.0/24");
        check(Setting::Status(AccountStatus::Frozen), "frozen");
    }
}
