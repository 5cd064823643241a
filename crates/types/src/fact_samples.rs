//! One fact of each kind, for previews, documents and tests of words. Never here: what they mean.

use std::net::SocketAddr;

use crate::access::{Ban, BanReason, LockOut, LockScope};
use crate::check_up::{CheckPoint, OpenPort};
use crate::controls::{By, Changed, Proof, Risk, Setting};
use crate::fact::{Fact, StalePhone};
use crate::ids::{AccountId, ContactId, DecisionId, DeckId, DeviceId, LineId, ResellerId, TrunkId};
use crate::money::Money;
use crate::number::E164;
use crate::reason::Window;
use crate::recovery::{self, RecoveryStep, StepWord};
use crate::stop_level::{LevelNotice, LevelScope};
use crate::time::UnixMicros;

const ACCOUNT: AccountId = AccountId(1);
const LINE: LineId = LineId(1);
const DEVICE: DeviceId = DeviceId(7);
/// 2026-11-22T02:14:00Z.
const AT: UnixMicros = UnixMicros::from_seconds(1_795_313_640);

fn peer() -> SocketAddr {
    ([203, 0, 113, 9], 5060).into()
}

fn agent() -> String {
    "Yealink SIP-T46S 66.86.0.15".to_owned()
}

fn changes() -> Vec<Changed> {
    let level = |units| Setting::StopLevel24h(Money::from_units(units));
    vec![Changed { from: level(20), to: level(50), risk: Risk::Riskier }]
}

fn notice() -> LevelNotice {
    LevelNotice {
        scope: LevelScope::Account,
        account: ACCOUNT,
        line: None,
        reseller: None,
        window: Window::Day,
        usage: Money::from_cents(1_990),
        level: Money::from_units(20),
    }
}

fn staff() -> By {
    By::staff("eve")
}

/// One of each kind.
pub fn all() -> Vec<Fact> {
    let mut all = vec![Fact::Started { recovered: 2 }];
    while let Some(next) = all.last().and_then(after) {
        all.push(next);
    }
    all
}

/// A new kind of fact does not compile until it has its place here.
fn after(fact: &Fact) -> Option<Fact> {
    let (account, line, device, peer) = (ACCOUNT, LINE, DEVICE, peer());
    let words = || "changed: name".to_owned();
    Some(match fact {
        Fact::Started { .. } => Fact::Stopped,
        Fact::Stopped => Fact::WarningLevel {
            account,
            level: Money::from_units(10),
            usage: Money::from_cents(1_042),
        },
        Fact::WarningLevel { .. } => Fact::StopLevelNear(notice()),
        Fact::StopLevelNear(_) => Fact::StopLevelReached(notice()),
        Fact::StopLevelReached(_) => {
            Fact::MoneyEnded { account, decision: DecisionId((AT.0 as u64) << 8) }
        }
        Fact::MoneyEnded { .. } => Fact::Registered { account, line, peer, user_agent: agent() },
        Fact::Registered { .. } => Fact::NewDevice {
            account,
            line,
            device,
            peer,
            agent: agent(),
            new_agent: true,
            new_address: true,
            tell: true,
        },
        Fact::NewDevice { .. } => Fact::DeviceMoved {
            account,
            device,
            peer,
            agent: agent(),
            new_agent: false,
            new_address: true,
            tell: true,
        },
        Fact::DeviceMoved { .. } => {
            Fact::DeviceChanged { account, device, change: "not mine".to_owned() }
        }
        Fact::DeviceChanged { .. } => Fact::BannedDeviceTried { account, line, device, peer },
        Fact::BannedDeviceTried { .. } => {
            Fact::PbxRecognised { account, line, family: "Asterisk".to_owned() }
        }
        Fact::PbxRecognised { .. } => {
            let user = "alice-desk".to_owned();
            let phone = StalePhone { line, user, agent: agent(), peer, changed: AT };
            Fact::StaleSecrets { account, phones: vec![phone] }
        }
        Fact::StaleSecrets { .. } => {
            let agent = "friendly-scanner".to_owned();
            Fact::OldSecretLeaked { account, line, peer, agent, changed: AT }
        }
        Fact::OldSecretLeaked { .. } => Fact::OutsideLock { account, line, peer },
        Fact::OutsideLock { .. } => Fact::LockedOut {
            account: Some(account),
            lock: LockOut {
                scope: LockScope::User { user: "alice-desk".to_owned() },
                since: AT,
                until: AT.plus_ms(900_000),
                level: 0,
                failures: 100,
            },
        },
        Fact::LockedOut { .. } => {
            let scope = LockScope::User { user: "alice-desk".to_owned() };
            Fact::LockLifted { account: Some(account), scope }
        }
        Fact::LockLifted { .. } => Fact::SecretAge { account, line, days: 80 },
        Fact::SecretAge { .. } => Fact::Banned {
            ban: Ban {
                source: peer.ip().into(),
                reason: BanReason::Scanner,
                note: String::new(),
                since: AT,
                until: Some(AT.plus_ms(3_600_000)),
                level: 0,
            },
        },
        Fact::Banned { .. } => Fact::BanLifted { source: peer.ip().into() },
        Fact::BanLifted { .. } => Fact::TrunkReachable { trunk: TrunkId(1), reachable: false },
        Fact::TrunkReachable { .. } => Fact::AccountChanged { account, change: words() },
        Fact::AccountChanged { .. } => Fact::Raised {
            account,
            changes: changes(),
            until: Some(AT.plus_ms(86_400_000)),
            by: By::Holder { proof: Proof::Fresh },
            why: "trade fair".to_owned(),
        },
        Fact::Raised { .. } => {
            Fact::Lowered { account, changes: changes(), by: staff(), why: String::new() }
        }
        Fact::Lowered { .. } => Fact::RaiseEnded { account, changes: changes() },
        Fact::RaiseEnded { .. } => Fact::RequestMade { account, request: 3, asked: changes() },
        Fact::RequestMade { .. } => {
            let reason = "known for years".to_owned();
            Fact::RequestApproved { account, request: 3, by: staff(), reason }
        }
        Fact::RequestApproved { .. } => {
            let reason = "could not be reached".to_owned();
            Fact::RequestRefused { account, request: 3, by: staff(), reason }
        }
        Fact::RequestRefused { .. } => {
            Fact::LineChanged { account, line, change: "a new secret was set".to_owned() }
        }
        Fact::LineChanged { .. } => {
            Fact::ResellerChanged { reseller: ResellerId(1), change: words() }
        }
        Fact::ResellerChanged { .. } => {
            let number = E164::from_digits("442079460100").ok()?;
            Fact::NumberChanged { account, number, change: "assigned".to_owned() }
        }
        Fact::NumberChanged { .. } => Fact::TrunkChanged { trunk: TrunkId(1), change: words() },
        Fact::TrunkChanged { .. } => {
            Fact::DeckImported { deck: DeckId(1), change: "12 rows added".to_owned() }
        }
        Fact::DeckImported { .. } => Fact::ContactChanged {
            account: Some(account),
            contact: ContactId(1),
            change: "mail alice@example.com to alice@example.net".to_owned(),
            by: By::Holder { proof: Proof::Fresh },
            why: String::new(),
        },
        Fact::ContactChanged { .. } => {
            Fact::AlertTested { account: Some(account), contact: ContactId(1), by: staff() }
        }
        Fact::AlertTested { .. } => Fact::AlertGivenUp {
            account: Some(account),
            contact: ContactId(1),
            alert: "812-7".to_owned(),
            channel: "alice@example.com".to_owned(),
            why: "550 no such mailbox".to_owned(),
        },
        Fact::AlertGivenUp { .. } => Fact::Overrun {
            account,
            decision: DecisionId((AT.0 as u64) << 8),
            amount: Money::from_micros(1_250),
        },
        Fact::Overrun { .. } => Fact::AuditMismatch {
            account,
            decision: DecisionId((AT.0 as u64) << 8),
            what: vec!["class premium was barred".to_owned()],
            price: Money::from_cents(120),
            freed: true,
        },
        Fact::AuditMismatch { .. } => Fact::MismatchSeen {
            account,
            decision: DecisionId((AT.0 as u64) << 8),
            by: "eve".to_owned(),
            note: "a rule was wrong".to_owned(),
        },
        Fact::MismatchSeen { .. } => Fact::CallReported {
            account,
            decision: DecisionId((AT.0 as u64) << 8),
            by: "alice@example.com".to_owned(),
            words: "nobody was in the office".to_owned(),
        },
        Fact::CallReported { .. } => Fact::TokenChanged {
            account,
            user: "alice@example.com".to_owned(),
            change: "token 3 “backup” made, good for read, stop, until 2027-02-20T02:14:00.000Z"
                .to_owned(),
        },
        Fact::TokenChanged { .. } => {
            Fact::RecoveryStarted { account, recovery: 1, by: "alice@example.com".to_owned() }
        }
        Fact::RecoveryStarted { .. } => Fact::RecoveryStepSaid {
            account,
            recovery: 1,
            step: RecoveryStep::Authenticator,
            word: StepWord::Skipped,
            by: "alice@example.com".to_owned(),
            words: "my other phone is at work".to_owned(),
        },
        Fact::RecoveryStepSaid { .. } => {
            Fact::RecoveryReported { account, report: Box::new(recovery::sample(account, AT)) }
        }
        Fact::RecoveryReported { .. } => Fact::RecoveryEnded {
            account,
            recovery: 1,
            by: "alice@example.com".to_owned(),
            why: "it was my son".to_owned(),
        },
        Fact::RecoveryEnded { .. } => Fact::CheckUpSaid {
            account,
            point: CheckPoint::RouterFirmware,
            is_done: true,
            by: "alice@example.com".to_owned(),
        },
        Fact::CheckUpSaid { .. } => {
            let says = "Yealink SIP-T46S".to_owned();
            let open = vec![OpenPort { is_udp: false, port: 80, says }];
            let by = "alice@example.com".to_owned();
            Fact::PortsChecked { account, address: peer.ip(), by, tried: 14, open }
        }
        Fact::PortsChecked { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalogue;

    #[test]
    fn each_kind_is_there_once_and_has_words() {
        let all = all();
        let codes: BTreeSet<&str> = all.iter().map(|fact| catalogue::of(fact).code).collect();
        assert_eq!(codes.len(), all.len());
        for fact in &all {
            let json = serde_json::to_value(fact).expect("facts are JSON");
            let entry = catalogue::of(fact);
            assert_eq!(json["fact"], entry.code);
            let text = crate::fact_text(fact, "GBP");
            assert!(!text.contains("no words yet") && !entry.title.is_empty(), "{text}");
        }
    }
}
