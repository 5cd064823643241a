//! Devices and lock-outs. Lives here: which lock-outs are meant. Never here: what lifting does.

use std::net::IpAddr;

use anyhow::bail;
use engine::{Command, Engine};
use serde_json::json;
use types::{DeviceId, LockScope};

use super::{Answer, Plan};

pub fn judge(device: DeviceId, is_mine: bool) -> Plan {
    let command =
        if is_mine { Command::DeviceMine(device) } else { Command::DeviceNotMine(device) };
    Plan::one(command, json!({ "device": device, "mine": is_mine }))
}

/// The lock-out that is called so; or all of a user name, or of an address.
pub fn lift(what: &str, engine: &Engine) -> anyhow::Result<Plan> {
    let scopes: Vec<LockScope> = engine
        .access()
        .lock_outs()
        .map(|lock| &lock.scope)
        .filter(|scope| is_meant(what, scope))
        .cloned()
        .collect();
    if scopes.is_empty() {
        bail!("nobody is locked out as `{what}`; `ringfence access locks` lists who is");
    }
    let names: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let message = format!("{} may log in again", names.join(", "));
    let answer = json!({ "lifted": names, "message": message });
    let commands = scopes.into_iter().map(Command::LiftLockOut).collect();
    Ok(Plan { commands, answer: Answer(answer) })
}

fn is_meant(what: &str, scope: &LockScope) -> bool {
    let user = sip::digest::canonical_user(what);
    let is_user = |name: &str| user.is_some_and(|user| user.as_str() == name);
    let address: Option<IpAddr> = what.parse().ok();
    let is_at = |source: &ipnet::IpNet| {
        address.is_some_and(|address| source.contains(&address.to_canonical()))
    };
    scope.to_string() == what
        || match scope {
            LockScope::SourceUser { source, user } => is_user(user) || is_at(source),
            LockScope::Device { user, .. } | LockScope::User { user } => is_user(user),
            LockScope::Source { source } => is_at(source),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_outs_are_meant_by_their_name_their_user_or_their_address() {
        let source: ipnet::IpNet = "192.0.2.7/32".parse().expect("a network");
        let user = "alice".to_owned();
        let pair = LockScope::SourceUser { source, user: user.clone() };
        let device = LockScope::Device { user: user.clone(), by: "look".into(), key: 7 };
        let one = LockScope::Source { source };
        let all = LockScope::User { user };
        let check = |what: &str, want: [bool; 4]| {
            let got = [&pair, &device, &one, &all].map(|scope| is_meant(what, scope));
            assert_eq!(got, want, "{what}");
        };
        check("alice", [true, true, false, true]);
        check("ALICE", [true, true, false, true]);
        check("192.0.2.7", [true, false, true, false]);
        check("::ffff:192.0.2.7", [true, false, true, false]);
        check("alice@192.0.2.7", [true, false, false, false]);
        check("alice#look-0000000000000007", [false, true, false, false]);
        check("bob", [false; 4]);
        check("192.0.2.8", [false; 4]);
    }
}
