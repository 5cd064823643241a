//! Who may come in. Lives here: a device, lock-outs, a ban. Never here: the rest of the directory.

use types::{AccountId, LineId, Money, UnixMicros};

pub fn device(id: u32, account: u32) -> types::Device {
    types::Device {
        id: types::DeviceId(id),
        account: AccountId(account),
        state: types::DeviceState::Seasoning {
            until: UnixMicros(9_000),
            spent: Money::from_micros(1),
        },
        agent: "Yealink SIP-T46S 66.86.0.15".to_owned(),
        instance: Some("<urn:uuid:00000000-0000-1000-8000-000A95A0E128>".to_owned()),
        contact: "192.168.1.20:5060".to_owned(),
        peer: "192.0.2.7:5060".parse().unwrap(),
        transport: "udp".to_owned(),
        place: types::Place { country: Some("GB".parse().unwrap()), asn: Some(64_496) },
        first_seen: UnixMicros(1_000),
        last_seen: UnixMicros(2_000),
        lines: vec![LineId(1)],
    }
}

pub fn lock_out(scope: types::LockScope, until: UnixMicros) -> types::LockOut {
    types::LockOut { scope, since: UnixMicros(1_000), until, level: 2, failures: 5 }
}

/// One of each kind.
pub fn lock_scopes() -> [types::LockScope; 4] {
    use types::LockScope::*;
    let user = || "alice".to_owned();
    let source = "192.0.2.7/32".parse().unwrap();
    [
        SourceUser { source, user: user() },
        Device { user: user(), by: "instance".to_owned(), key: u64::MAX },
        Source { source: "2001:db8::/64".parse().unwrap() },
        User { user: user() },
    ]
}

pub fn ban(source: &str, until: Option<UnixMicros>) -> types::Ban {
    types::Ban {
        source: source.parse().unwrap(),
        reason: types::BanReason::Scanner,
        note: "friendly-scanner".to_owned(),
        since: UnixMicros(1_000),
        until,
        level: 1,
    }
}
