//! Why a call was refused or ended: one catalogue for SIP, pages, mails and records.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::AccountStatus;
use crate::destination::DestinationClass;
use crate::hours::WeekHour;
use crate::money::Money;
use crate::number::Region;
use crate::stop_level::LevelScope;

/// Stable code of a reason. The text comes from `Finding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The number cannot be one.
    InvalidNumber,
    /// The account's status bars the call.
    AccountStatus,
    /// The address is outside the IP lock.
    IpLock,
    /// The class is barred.
    BarredClass,
    /// The country is barred.
    BarredCountry,
    /// Calls that cost money are barred at this hour.
    BarredHour,
    /// The deck has no price for the number.
    NoRate,
    /// The price per minute is above the cap.
    PriceCap,
    /// The connection fee is above the cap.
    ConnectFeeCap,
    /// Too many calls at once.
    CallLimit,
    /// Too many costly calls at once.
    CostlyCallLimit,
    /// A stop level would be crossed.
    StopLevel,
    /// Too many calls to hotspot destinations.
    HotspotLimit,
    /// No trunk takes the number.
    NoTrunk,
    /// The store cannot hold the money now.
    StoreDown,
    /// The node is shedding load.
    Overload,
    /// The called line has no phone registered.
    NotRegistered,
    /// It was to stay within TLS, and nobody called can be reached that way.
    NotSecure,
    /// The number is not in service with us.
    UnknownNumber,
    /// Transfers and forwards are refused until they go through the gate.
    TransferRefused,
    /// The INVITE makes no dialog: its Contact or Record-Route cannot be used.
    BadContact,
    /// A new device has spent what new devices may.
    NewDeviceCap,
    /// The line may be used by TLS and WSS only.
    TlsOnly,
    /// The line refuses MD5.
    Sha256Only,
    /// The phone uses a secret that was changed.
    OldSecret,
}

impl Reason {
    /// Stable code, as in the SIP Reason header and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Reason::InvalidNumber => "invalid-number",
            Reason::AccountStatus => "account-status",
            Reason::IpLock => "ip-lock",
            Reason::BarredClass => "barred-class",
            Reason::BarredCountry => "barred-country",
            Reason::BarredHour => "barred-hour",
            Reason::NoRate => "no-rate",
            Reason::PriceCap => "price-cap",
            Reason::ConnectFeeCap => "connect-fee-cap",
            Reason::CallLimit => "call-limit",
            Reason::CostlyCallLimit => "costly-call-limit",
            Reason::StopLevel => "stop-level",
            Reason::HotspotLimit => "hotspot-limit",
            Reason::NoTrunk => "no-trunk",
            Reason::StoreDown => "store-down",
            Reason::Overload => "overload",
            Reason::NotRegistered => "not-registered",
            Reason::NotSecure => "not-secure",
            Reason::UnknownNumber => "unknown-number",
            Reason::TransferRefused => "transfer-refused",
            Reason::BadContact => "bad-contact",
            Reason::NewDeviceCap => "new-device-cap",
            Reason::TlsOnly => "tls-only",
            Reason::Sha256Only => "sha256-only",
            Reason::OldSecret => "old-secret",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Which money window a stop level looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// Costly spending of the last hour.
    Hour,
    /// Costly spending of the last 24 hours.
    Day,
    /// Costly spending of the last 24 hours, while it is off hours.
    OffHours,
    /// Costly spending of the last seven days.
    Week,
    /// All spending of the last 24 hours.
    AllDay,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Window::Hour => "1 hour",
            Window::Day => "24 hours",
            Window::OffHours => "24 hours, off hours",
            Window::Week => "7 days",
            Window::AllDay => "24 hours, all calls",
        })
    }
}

/// One thing that speaks against a call, with the figures that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Finding {
    /// The number cannot be one.
    InvalidNumber {
        /// What was dialled.
        dialled: String,
    },
    /// The account's status bars the call.
    AccountStatus {
        /// The status.
        status: AccountStatus,
    },
    /// The address is outside the IP lock.
    IpLock {
        /// The peer's address.
        peer: std::net::IpAddr,
    },
    /// The class is barred.
    BarredClass {
        /// The class.
        class: DestinationClass,
    },
    /// The country is barred.
    BarredCountry {
        /// The country.
        region: Region,
    },
    /// The hour is barred.
    BarredHour {
        /// The hour, at the account's place.
        at: WeekHour,
    },
    /// The deck has no price for the number.
    NoRate,
    /// The price per minute is above the cap.
    PriceCap {
        /// Price of a minute.
        per_minute: Money,
        /// The cap.
        cap: Money,
    },
    /// The connection fee is above the cap.
    ConnectFeeCap {
        /// The fee.
        fee: Money,
        /// The cap.
        cap: Money,
    },
    /// Too many calls at once.
    CallLimit {
        /// Calls now.
        now: u16,
        /// The limit.
        limit: u16,
    },
    /// Too many costly calls at once.
    CostlyCallLimit {
        /// Costly calls now.
        now: u16,
        /// The limit.
        limit: u16,
    },
    /// A stop level would be crossed.
    StopLevel {
        /// Whose.
        #[serde(default)]
        scope: LevelScope,
        /// Which.
        window: Window,
        /// Spent in the window.
        spent: Money,
        /// Held by open calls.
        held: Money,
        /// What the call asked for.
        asked: Money,
        /// The level.
        level: Money,
    },
    /// Too many calls to hotspot destinations.
    HotspotLimit {
        /// Calls within twelve hours.
        now: u16,
        /// The limit.
        limit: u16,
    },
    /// No trunk takes the number.
    NoTrunk,
    /// The store cannot hold the money now.
    StoreDown,
    /// The node is shedding load.
    Overload,
    /// The called line has no phone registered.
    NotRegistered,
    /// It was to stay within TLS, and nobody called can be reached that way.
    NotSecure,
    /// The number is not in service with us.
    UnknownNumber,
    /// Transfers and forwards are refused until they go through the gate.
    TransferRefused,
    /// The INVITE makes no dialog: its Contact or Record-Route cannot be used.
    BadContact,
    /// A new device has spent what new devices may.
    NewDeviceCap {
        /// Spent by the device.
        spent: Money,
        /// Held by its open calls.
        held: Money,
        /// What the call asked for.
        asked: Money,
        /// The cap.
        cap: Money,
    },
    /// The line may be used by TLS and WSS only.
    TlsOnly,
    /// The line refuses MD5.
    Sha256Only,
    /// The phone uses a secret that was changed.
    OldSecret,
}

impl Finding {
    /// The stable code.
    pub const fn reason(&self) -> Reason {
        match self {
            Finding::InvalidNumber { .. } => Reason::InvalidNumber,
            Finding::AccountStatus { .. } => Reason::AccountStatus,
            Finding::IpLock { .. } => Reason::IpLock,
            Finding::BarredClass { .. } => Reason::BarredClass,
            Finding::BarredCountry { .. } => Reason::BarredCountry,
            Finding::BarredHour { .. } => Reason::BarredHour,
            Finding::NoRate => Reason::NoRate,
            Finding::PriceCap { .. } => Reason::PriceCap,
            Finding::ConnectFeeCap { .. } => Reason::ConnectFeeCap,
            Finding::CallLimit { .. } => Reason::CallLimit,
            Finding::CostlyCallLimit { .. } => Reason::CostlyCallLimit,
            Finding::StopLevel { .. } => Reason::StopLevel,
            Finding::HotspotLimit { .. } => Reason::HotspotLimit,
            Finding::NoTrunk => Reason::NoTrunk,
            Finding::StoreDown => Reason::StoreDown,
            Finding::Overload => Reason::Overload,
            Finding::NotRegistered => Reason::NotRegistered,
            Finding::NotSecure => Reason::NotSecure,
            Finding::UnknownNumber => Reason::UnknownNumber,
            Finding::TransferRefused => Reason::TransferRefused,
            Finding::BadContact => Reason::BadContact,
            Finding::NewDeviceCap { .. } => Reason::NewDeviceCap,
            Finding::TlsOnly => Reason::TlsOnly,
            Finding::Sha256Only => Reason::Sha256Only,
            Finding::OldSecret => Reason::OldSecret,
        }
    }
}

impl fmt::Display for Finding {
    /// One sentence for a person, without the full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::InvalidNumber { dialled } => {
                write!(f, "{} is not a number that can be called", printable(dialled))
            }
            Finding::AccountStatus { status } => write!(f, "the account is {status}"),
            Finding::IpLock { peer } => {
                write!(f, "the account is locked to other addresses than {peer}")
            }
            Finding::BarredClass { class } => write!(f, "calls of class {class} are barred"),
            Finding::BarredCountry { region } => {
                write!(f, "calls to {} are barred", region.name())
            }
            Finding::BarredHour { at } => {
                write!(f, "calls that cost money are barred on {at}")
            }
            Finding::NoRate => write!(f, "there is no price for this number"),
            Finding::PriceCap { per_minute, cap } => {
                write!(f, "{per_minute} a minute is above the cap of {cap}")
            }
            Finding::ConnectFeeCap { fee, cap } => {
                write!(f, "a connection fee of {fee} is above the cap of {cap}")
            }
            Finding::CallLimit { now, limit } => {
                write!(f, "{now} calls are in progress, {limit} are allowed")
            }
            Finding::CostlyCallLimit { now, limit } => {
                write!(f, "{now} costly calls are in progress, {limit} are allowed")
            }
            Finding::StopLevel { scope, window, spent, held, asked, level } => match scope {
                LevelScope::Account => write!(
                    f,
                    "{spent} spent and {held} held in {window}; {asked} more would pass the stop level of {level}"
                ),
                LevelScope::Line => write!(
                    f,
                    "{spent} spent and {held} held by the line in {window}; {asked} more would pass its stop level of {level}"
                ),
                // What others spend is not the holder's to know: the figures are in the record for staff.
                LevelScope::Reseller => {
                    write!(f, "the reseller's stop level for {window} would be passed")
                }
                LevelScope::Platform => {
                    write!(f, "the provider's stop level for {window} would be passed")
                }
            },
            Finding::HotspotLimit { now, limit } => {
                write!(f, "{now} calls to fraud hotspots within 12 hours, {limit} are allowed")
            }
            Finding::NoTrunk => write!(f, "no carrier takes this number"),
            Finding::StoreDown => write!(f, "the money for this call cannot be held at the moment"),
            Finding::Overload => write!(f, "too many calls at the moment"),
            Finding::NotRegistered => write!(f, "no phone is registered on the called line"),
            Finding::NotSecure => {
                write!(f, "nobody called can be reached over TLS, as a sips address asks for")
            }
            Finding::UnknownNumber => write!(f, "the number is not in service here"),
            Finding::TransferRefused => write!(f, "transfers are not allowed"),
            Finding::BadContact => write!(f, "bad Contact or Record-Route"),
            Finding::NewDeviceCap { spent, held, asked, cap } => write!(
                f,
                "a new phone may spend {cap}; it spent {spent}, holds {held}, and {asked} more was asked for"
            ),
            Finding::TlsOnly => write!(f, "this line may be used by TLS only"),
            Finding::Sha256Only => write!(f, "this line may not log in with MD5"),
            Finding::OldSecret => write!(f, "this phone still uses a password that was changed"),
        }
    }
}

/// A stranger's text with control characters made visible.
fn printable(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).take(64).collect()
}
