//! The check-up: what a holder can do so that nothing happens. Lives here: its points, what he says of one, what was found at
//! the address of his phones. Never here: how a point stands (web), looking (ringfence).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A point of the check-up. The first ten are sipgate's "review of your local home network security", in its order; the
/// others are what we see of the account ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckPoint {
    /// The router has an administrator's password of its own.
    RouterPassword,
    /// The router's firmware is new, its firewall as it should be.
    RouterFirmware,
    /// Phones have administrators' passwords of their own.
    PhonePassword,
    /// Nothing can be administered from outside.
    RemoteAccess,
    /// No phone stands outside of the firewall.
    Dmz,
    /// Phones have new software.
    PhoneSoftware,
    /// Computers are looked through for malware.
    Malware,
    /// Passwords lie nowhere around.
    LeftAround,
    /// Browsers keep no passwords.
    Browsers,
    /// Passwords are not older than 90 days.
    Rotation,
    /// Each phone has the password that its line has now.
    StalePhones,
    /// Only phones that are known are registered.
    NewPhones,
    /// The account is locked to its addresses.
    IpLock,
    /// Limits are not far above what was ever used.
    Limits,
    /// Somebody is told, and is reached.
    Contacts,
    /// A password alone does not open the pages.
    Authenticator,
    /// Lines that nobody uses are off.
    UnusedLines,
}

impl CheckPoint {
    /// All of them, in order.
    pub const ALL: [CheckPoint; 17] = [
        CheckPoint::RouterPassword,
        CheckPoint::RouterFirmware,
        CheckPoint::PhonePassword,
        CheckPoint::RemoteAccess,
        CheckPoint::Dmz,
        CheckPoint::PhoneSoftware,
        CheckPoint::Malware,
        CheckPoint::LeftAround,
        CheckPoint::Browsers,
        CheckPoint::Rotation,
        CheckPoint::StalePhones,
        CheckPoint::NewPhones,
        CheckPoint::IpLock,
        CheckPoint::Limits,
        CheckPoint::Contacts,
        CheckPoint::Authenticator,
        CheckPoint::UnusedLines,
    ];

    /// Those of the network at home: so many at the front of all.
    pub const AT_HOME: usize = 10;

    /// Stable name in addresses, records and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            CheckPoint::RouterPassword => "router-password",
            CheckPoint::RouterFirmware => "router-firmware",
            CheckPoint::PhonePassword => "phone-password",
            CheckPoint::RemoteAccess => "remote-access",
            CheckPoint::Dmz => "dmz",
            CheckPoint::PhoneSoftware => "phone-software",
            CheckPoint::Malware => "malware",
            CheckPoint::LeftAround => "left-around",
            CheckPoint::Browsers => "browsers",
            CheckPoint::Rotation => "rotation",
            CheckPoint::StalePhones => "stale-phones",
            CheckPoint::NewPhones => "new-phones",
            CheckPoint::IpLock => "ip-lock",
            CheckPoint::Limits => "limits",
            CheckPoint::Contacts => "contacts",
            CheckPoint::Authenticator => "authenticator",
            CheckPoint::UnusedLines => "unused-lines",
        }
    }

    /// Is it about the network at home?
    pub fn is_at_home(self) -> bool {
        CheckPoint::ALL[..CheckPoint::AT_HOME].contains(&self)
    }
}

impl fmt::Display for CheckPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for CheckPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<CheckPoint, String> {
        let found = CheckPoint::ALL.into_iter().find(|point| point.code() == text);
        found.ok_or_else(|| format!("`{}` is no point of the check-up", text.escape_debug()))
    }
}

/// Something that answers at the address of a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPort {
    /// By UDP? Otherwise by TCP.
    pub is_udp: bool,
    /// Its number.
    pub port: u16,
    /// What it says that it is: of HTTP the server and the realm, of SIP the agent. May be empty.
    pub says: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_as_printed() {
        for point in CheckPoint::ALL {
            assert_eq!(point.code().parse(), Ok(point));
            assert_eq!(serde_json::to_value(point).expect("it is JSON"), point.code());
        }
        assert!("ports".parse::<CheckPoint>().is_err());
        assert!(CheckPoint::Rotation.is_at_home() && !CheckPoint::StalePhones.is_at_home());
    }
}
