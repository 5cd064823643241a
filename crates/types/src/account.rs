//! Who pays, with which credentials, and under which controls.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::destination::ClassSet;
use crate::device::DeviceNotices;
use crate::hours::HourSet;
use crate::ids::{AccountId, DeckId, DeviceId, LineId, ResellerId};
use crate::money::Money;
use crate::number::{E164, Region};
use crate::stop_level::StopLevels;
use crate::time::UnixMicros;

/// What an account may do at all. Emergency, support and inbound calls work in every state but `Closed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountStatus {
    /// Everything its controls allow.
    #[default]
    Active,
    /// One costly call at a time, ten minutes each.
    Watched,
    /// The holder stopped outgoing calls.
    Frozen,
    /// Costly classes barred until staff recorded a contact.
    Limited,
    /// Staff barred all outgoing calls.
    Suspended,
    /// Gone.
    Closed,
}

impl AccountStatus {
    /// Stable name in commands, records and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            AccountStatus::Active => "active",
            AccountStatus::Watched => "watched",
            AccountStatus::Frozen => "frozen",
            AccountStatus::Limited => "limited",
            AccountStatus::Suspended => "suspended",
            AccountStatus::Closed => "closed",
        }
    }
}

impl fmt::Display for AccountStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// What bounds the loss of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    /// Classes that are refused.
    pub barred: ClassSet,
    /// Countries abroad that are refused.
    #[serde(default)]
    pub barred_countries: Vec<Region>,
    /// Hours of the week, at the account's place, in which calls that cost money are refused.
    #[serde(default)]
    pub barred_hours: HourSet,
    /// Dearest national price per minute.
    pub price_cap_national: Money,
    /// Dearest international price per minute.
    pub price_cap_international: Money,
    /// Dearest connection fee (set-up cap).
    pub connect_fee_cap: Money,
    /// Costly calls at once.
    pub costly_calls: u16,
    /// All calls at once, emergency and support not counted.
    pub calls: u16,
    /// Un-billed usage at which the holder is told.
    pub warning_level: Money,
    /// Costly spending per rolling hour at which calls end; `None`: no level.
    pub stop_level_1h: Option<Money>,
    /// Costly spending per rolling 24 hours at which calls end.
    pub stop_level_24h: Money,
    /// Costly spending per rolling seven days at which calls end; `None`: no level.
    pub stop_level_7d: Option<Money>,
    /// Stop level per rolling 24 hours while it is off hours at the account's place; `None`: as by day.
    pub stop_level_off_hours: Option<Money>,
    /// All spending (costly or not) per rolling 24 hours at which calls end: bounds national floods too.
    pub stop_level_all_24h: Money,
    /// Calls to hotspot destinations per rolling 12 hours.
    pub hotspot_calls: u16,
    /// Networks from which the account may be used; empty: from everywhere.
    pub ip_lock: Vec<IpNet>,
    /// Which new devices the holder is told of.
    #[serde(default)]
    pub device_notices: DeviceNotices,
    /// Costly spending of a new device in its first 24 hours, or until the holder says that it is his;
    /// `None`: no cap of its own.
    #[serde(default = "Controls::default_new_device_cap")]
    pub new_device_cap: Option<Money>,
}

impl Controls {
    /// The defaults of a residential account (pounds; home country GB).
    pub const fn residential() -> Controls {
        Controls {
            barred: ClassSet::barred_by_default(),
            barred_countries: Vec::new(),
            barred_hours: HourSet::EMPTY,
            price_cap_national: Money::from_cents(20),
            price_cap_international: Money::from_cents(5),
            connect_fee_cap: Money::from_cents(10),
            costly_calls: 2,
            calls: 10,
            warning_level: Money::from_units(10),
            stop_level_1h: None,
            stop_level_24h: Money::from_units(20),
            stop_level_7d: None,
            stop_level_off_hours: Some(Money::from_units(5)),
            stop_level_all_24h: Money::from_units(100),
            hotspot_calls: 1,
            ip_lock: Vec::new(),
            device_notices: DeviceNotices::Both,
            new_device_cap: Controls::default_new_device_cap(),
        }
    }

    const fn default_new_device_cap() -> Option<Money> {
        Some(Money::from_units(2))
    }

    /// The defaults of an account with a PBX.
    pub fn pbx() -> Controls {
        Controls { costly_calls: 4, calls: 30, ..Controls::residential() }
    }
}

/// How the people of an account dial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialPlan {
    /// Country whose national numbers are dialled without a country code.
    pub home: Region,
    /// Prefix before a national number (GB: `0`); empty where there is none.
    pub national_prefix: String,
    /// Prefix before a country code (GB: `00`).
    pub international_prefix: String,
    /// Digit for an outside line, dropped when it stands before a dialled number; emergency numbers work with and without.
    pub outside_line: Option<char>,
    /// Area code put before a local number that does not begin with the national prefix, if any.
    pub area_code: Option<String>,
}

impl Default for DialPlan {
    fn default() -> DialPlan {
        DialPlan {
            home: Region::GB,
            national_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
            outside_line: None,
            area_code: None,
        }
    }
}

/// Who pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// What it may do at all.
    pub status: AccountStatus,
    /// What bounds its loss.
    pub controls: Controls,
    /// How its people dial.
    pub dial_plan: DialPlan,
    /// The deck its calls are priced by.
    pub sell_deck: DeckId,
    /// Who sells to it in our place, if anybody.
    pub reseller: Option<ResellerId>,
    /// IANA name of its time zone, for off hours and bills.
    pub time_zone: String,
    /// Day of the month on which its billing months begin, 1 to 31; the last day of shorter months.
    #[serde(default = "Account::default_billing_day")]
    pub billing_day: u8,
}

impl Account {
    /// Bills begin with the first of the month, where nothing else was said.
    pub const fn default_billing_day() -> u8 {
        1
    }
}

/// May a line be used?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineStatus {
    /// It may.
    #[default]
    Active,
    /// It is refused like an unknown user.
    Disabled,
}

/// Verifiers of a SIP secret: H(user:realm:secret), RFC 7616 §3.4.2. No `Debug`: these are secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// With MD5.
    pub md5: [u8; 16],
    /// With SHA-256 (RFC 8760).
    pub sha256: [u8; 32],
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(..)")
    }
}

/// What sits at the end of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// A phone, or a program that is one.
    #[default]
    Phone,
    /// A switch with phones behind it.
    Pbx,
    /// A mobile network that registers in the holder's name (the named exception to "never disclose
    /// the secret"): its calls are charged to the account that consents.
    Sip2sim,
}

impl LineKind {
    /// Stable name in commands, records and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            LineKind::Phone => "phone",
            LineKind::Pbx => "pbx",
            LineKind::Sip2sim => "sip2sim",
        }
    }
}

impl fmt::Display for LineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A secret that was changed: kept to recognise phones that still use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerSecret {
    /// Its verifiers.
    pub ha1: Ha1,
    /// When it was changed.
    pub replaced: UnixMicros,
    /// Until when it still works for the devices below.
    pub grace_until: Option<UnixMicros>,
    /// The devices that it still works for.
    pub grace_devices: Vec<DeviceId>,
}

/// Former secrets kept of a line.
pub const FORMER_SECRETS: usize = 3;

/// One set of SIP credentials of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number.
    pub id: LineId,
    /// Who pays.
    pub account: AccountId,
    /// SIP user name, canonical: lower case, `a-z 0-9 . _ -`.
    pub user: String,
    /// What sits at its end.
    pub kind: LineKind,
    /// Verifiers of its secret.
    pub ha1: Ha1,
    /// When that secret was set.
    pub secret_set: UnixMicros,
    /// The last secrets before it, the newest first; at most [`FORMER_SECRETS`].
    pub former: Vec<FormerSecret>,
    /// Days of age of the secret that the holder was last reminded at: 0, 80 or 90.
    pub reminded_days: u8,
    /// Its secret may be in strange hands: only known devices may use it until it is changed.
    pub wants_new_secret: bool,
    /// May it be used by TLS and WSS only?
    pub tls_only: bool,
    /// Is MD5 refused?
    pub sha256_only: bool,
    /// May it be used?
    pub status: LineStatus,
    /// Number shown when the phone names none of the account's own.
    pub caller_id: Option<E164>,
    /// Networks from which the line may be used, besides the account's; empty: as the account.
    pub ip_lock: Vec<IpNet>,
    /// What bounds the spending of this line alone, besides the account's levels; `None`: nothing.
    pub stop_levels: Option<Box<StopLevels>>,
}

impl Line {
    /// A phone's line in use, with the secret of these verifiers, set at this time; nothing else about it.
    pub fn new(id: LineId, account: AccountId, user: String, ha1: Ha1, set: UnixMicros) -> Line {
        Line {
            id,
            account,
            user,
            kind: LineKind::Phone,
            ha1,
            secret_set: set,
            former: Vec::new(),
            reminded_days: 0,
            wants_new_secret: false,
            tls_only: false,
            sha256_only: false,
            status: LineStatus::Active,
            caller_id: None,
            ip_lock: Vec::new(),
            stop_levels: None,
        }
    }
}

/// A number of ours and where calls to it go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// The number.
    pub number: E164,
    /// Whose it is.
    pub account: AccountId,
    /// The line that rings; `None`: all lines of the account.
    pub line: Option<LineId>,
}
