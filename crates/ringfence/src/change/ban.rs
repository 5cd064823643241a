//! Bans. Lives here: which ones are meant. Never here: whether they may be made.

use std::net::IpAddr;

use anyhow::bail;
use engine::{Command, Engine};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use types::Source;

use super::{Answer, Plan};

/// Which bans are to be lifted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lift {
    /// All, those that have ended and are remembered included.
    All,
    /// That of a network, or the one that is made of an address.
    One(IpNet),
}

/// Reads a network, or an address, which stands for itself.
pub fn read(text: &str) -> Result<IpNet, String> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address.to_canonical())),
        Err(_) => text.parse().map_err(|_| {
            format!(
                "`{}` is not a network: expected ADDRESS or ADDRESS/LENGTH, like 192.0.2.7 or 2001:db8::/64",
                text.escape_debug()
            )
        }),
    }
}

pub fn lift(lift: &Lift, engine: &Engine) -> anyhow::Result<Plan> {
    let known = engine.access().bans();
    let sources: Vec<IpNet> = match lift {
        Lift::All => known.sources().collect(),
        // What is banned of an IPv6 address is its /64.
        Lift::One(source) => {
            let of_address = [*source, Source::of(source.addr()).network()];
            let meant = of_address.into_iter().find(|net| known.ban(*net).is_some());
            vec![meant.unwrap_or(*source)]
        }
    };
    if sources.is_empty() {
        bail!("nothing is banned");
    }
    let mut answer = json!({ "sources": sources });
    if let Lift::All = lift {
        let count = sources.len();
        let bans = if count == 1 { "ban is" } else { "bans are" };
        answer["message"] = format!("{count} {bans} lifted").into();
    }
    let commands = sources.into_iter().map(Command::Unban).collect();
    Ok(Plan { commands, answer: Answer(answer) })
}
