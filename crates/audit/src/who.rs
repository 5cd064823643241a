//! Who called, from where. Lives here: status of account and line, who pays, IP locks, at the moment of the decision.
//! Never here: what was called (bounds), later changes (followed).

use std::net::IpAddr;

use ipnet::IpNet;
use types::{AccountStatus, Direction, LineStatus};

use crate::case::Case;
use crate::verdict::Mismatch;

/// The line's calls are charged to the account that it belongs to.
pub(crate) fn payer(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let (charged, outgoing) = (case.cdr.account, case.cdr.direction != Direction::Incoming);
    if let Some(line) = case.line_stood.as_ref().filter(|line| outgoing && line.account != charged)
    {
        found.push(Mismatch::Payer { charged, owner: line.account });
    }
}

/// The account's status admits the call: in the words of the mission, emergency, support and inbound calls in every
/// state but closed; nothing else while it is frozen or suspended; nothing costly while it is limited.
pub(crate) fn status(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let Some(stood) = &case.stood else { return };
    let (status, class) = (stood.status, case.cdr.destination.class);
    let may = match status {
        AccountStatus::Active | AccountStatus::Watched => true,
        AccountStatus::Limited => case.exempt || !class.is_costly(),
        AccountStatus::Frozen | AccountStatus::Suspended => case.exempt,
        AccountStatus::Closed => false,
    };
    // A call that comes in is let in to whoever answers for the number.
    if !may && case.cdr.direction != Direction::Incoming {
        found.push(Mismatch::AccountStatus { status, class });
    }
}

/// The line was in use.
pub(crate) fn line(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let disabled = |stood: &types::LineStanding| stood.security.status == LineStatus::Disabled;
    let calls = case.cdr.direction != Direction::Incoming && !case.exempt;
    if calls && case.line_stood.as_ref().is_some_and(disabled) {
        found.push(Mismatch::LineDisabled);
    }
}

/// Both locks let the socket's peer in (I1).
pub(crate) fn ip_lock(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    if case.cdr.direction == Direction::Incoming || case.exempt {
        return;
    }
    let peer = case.cdr.a_leg.peer.map(|peer| peer.ip());
    let account = case.stood.as_ref().map_or(&[][..], |stood| &stood.controls.ip_lock);
    let line = case.line_stood.as_ref().map_or(&[][..], |stood| &stood.security.ip_lock);
    for (lock, of_line) in [(account, false), (line, true)] {
        if !lets_in(lock, peer) {
            found.push(Mismatch::IpLock { peer, of_line });
        }
    }
}

/// An empty lock lets everybody in. An IPv4 address in IPv6 clothes is the IPv4 address.
fn lets_in(lock: &[IpNet], peer: Option<IpAddr>) -> bool {
    let Some(peer) = peer else { return lock.is_empty() };
    let bare = match peer {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(peer, IpAddr::V4),
        v4 => v4,
    };
    lock.is_empty() || lock.iter().any(|net| net.contains(&bare))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;
    use types::{AccountId, DestinationClass};

    #[test]
    fn statuses_admit_what_they_should() {
        fn check(status: AccountStatus, class: DestinationClass, direction: Direction, want: bool) {
            let mut sample = Sample::new();
            sample.stood.as_mut().expect("it stands").status = status;
            sample.class(class);
            sample.cdr.direction = direction;
            let bad = Mismatch::AccountStatus { status, class };
            let want = if want { String::new() } else { bad.to_string() };
            assert_eq!(sample.found(super::status), want);
        }
        use AccountStatus as Status;
        use DestinationClass as Class;
        let out = Direction::Outgoing;
        for status in [Status::Active, Status::Watched] {
            check(status, Class::International, out, true);
        }
        check(Status::Limited, Class::International, out, false);
        check(Status::Limited, Class::NationalMobile, out, true);
        check(Status::Limited, Class::NationalService, out, false);
        check(Status::Frozen, Class::NationalFixed, out, false);
        check(Status::Frozen, Class::Freephone, out, false);
        check(Status::Frozen, Class::Emergency, out, true);
        check(Status::Frozen, Class::OnNet, Direction::OnNet, false);
        check(Status::Frozen, Class::OnNet, Direction::Incoming, true);
        check(Status::Suspended, Class::Support, out, true);
        check(Status::Suspended, Class::NationalFixed, out, false);
        check(Status::Closed, Class::Emergency, out, false);
    }

    #[test]
    fn lines_and_locks() {
        fn check(change: impl FnOnce(&mut Sample), want: [&str; 3]) {
            let mut sample = Sample::new();
            change(&mut sample);
            assert_eq!([sample.found(payer), sample.found(line), sample.found(ip_lock)], want);
        }
        fn lock(sample: &mut Sample, account: &str, line: &str) {
            let read = |text: &str| -> Vec<IpNet> {
                text.split_whitespace().map(|net| net.parse().expect("a network")).collect()
            };
            sample.stood.as_mut().expect("it stands").controls.ip_lock = read(account);
            sample.line_stood.as_mut().expect("it stands").security.ip_lock = read(line);
        }
        let outside = |whose| format!("it came from 192.0.2.7, outside the IP lock of its {whose}");
        check(|_| (), ["", "", ""]);
        check(
            |s| s.line_stood.as_mut().expect("it stands").account = AccountId(9),
            ["charged to account 7, its line belongs to account 9", "", ""],
        );
        check(
            |s| {
                s.line_stood.as_mut().expect("it stands").security.status = LineStatus::Disabled;
            },
            ["", "a call was let out by a line that was disabled", ""],
        );
        check(|s| lock(s, "192.0.2.0/24", "192.0.2.7/32"), ["", "", ""]);
        check(|s| lock(s, "198.51.100.0/24 192.0.2.7/32", ""), ["", "", ""]);
        check(|s| lock(s, "198.51.100.0/24", ""), ["", "", &outside("account")]);
        check(|s| lock(s, "192.0.2.0/24", "192.0.2.8/32"), ["", "", &outside("line")]);
        check(|s| lock(s, "::/0", ""), ["", "", &outside("account")]);
        check(
            |s| {
                lock(s, "198.51.100.0/24", "");
                s.class(DestinationClass::Emergency);
            },
            ["", "", ""],
        );
        check(
            |s| {
                lock(s, "198.51.100.0/24", "");
                s.cdr.direction = Direction::Incoming;
            },
            ["", "", ""],
        );
        check(
            |s| {
                lock(s, "192.0.2.0/24", "");
                s.cdr.a_leg.peer = Some("[::ffff:192.0.2.7]:5060".parse().expect("a socket"));
            },
            ["", "", ""],
        );
        check(
            |s| {
                lock(s, "192.0.2.0/24", "");
                s.cdr.a_leg.peer = None;
            },
            ["", "", "it came from nowhere that is on record, its account has an IP lock"],
        );
    }
}
