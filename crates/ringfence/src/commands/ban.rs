//! `ban`. Lives here: its subcommands. Never here: who is banned by itself, what a firewall reads (export).

mod export;

use std::net::IpAddr;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use engine::BanOrder;
use ipnet::IpNet;
use serde_json::Value;

use super::Context;
use super::office::{change, look};
use super::output::{Output, Table, line};
use super::when::{span, span_ms};
use crate::change::{Change, Lift, read_source};
use crate::config::Config;
use crate::look::Question;
use crate::shell::clock::system_wall;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bans in force, for people, programs or a firewall
    #[command(after_help = "Examples:
  ringfence ban list
  ringfence ban list --format nft | nft -f -
  ringfence ban list --format ipset | ipset restore

For a firewall, what was banned before its source was spared (access.allow, trunks, customers' phones)
is left out; the others end there when they end here. Run it every minute, say from a systemd timer.")]
    List {
        /// How
        #[arg(long, default_value = "table", value_name = "FORMAT")]
        format: Format,
    },
    /// Read nothing from a source any more
    #[command(after_help = "Examples:
  ringfence ban add 192.0.2.7 --for 1h --note \"tries numbers\"
  ringfence ban add 2001:db8:7::/64 --forever")]
    Add {
        /// Address or network
        #[arg(value_parser = read_source)]
        source: IpNet,
        /// For so long: 90s, 30m, 2h, 7d
        #[arg(long = "for", value_name = "TIME", value_parser = span_ms, required_unless_present = "forever")]
        ms: Option<u64>,
        /// Until it is lifted
        #[arg(long, conflicts_with = "ms")]
        forever: bool,
        /// Why, in words
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        /// Also if customers' phones are known there
        #[arg(long)]
        even_if_known: bool,
    },
    /// Lift a ban, and forget that there was one
    #[command(after_help = "Examples:
  ringfence ban lift 192.0.2.7
  ringfence ban lift all")]
    Lift {
        /// Address, network, or all
        #[arg(value_parser = lift)]
        source: Lift,
    },
    /// Is an address banned, why, and until when?
    #[command(after_help = "Example:\n  ringfence ban show 192.0.2.7")]
    Show {
        /// Address
        address: IpAddr,
    },
}

/// How bans are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One object a line
    Json,
    /// One network a line
    Plain,
    /// Commands for nft -f: two sets in table inet ringfence
    Nft,
    /// Commands for ipset restore: two sets
    Ipset,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::List { format } => list(format, &config, context),
        Command::Add { source, ms, note, even_if_known, .. } => {
            let until = ms.map(|ms| system_wall().plus_ms(ms));
            let order = BanOrder { source, until, note, even_if_known };
            context.output.done(&change(&config, Change::Ban(Box::new(order)))?)
        }
        Command::Lift { source } => context.output.done(&change(&config, Change::LiftBan(source))?),
        Command::Show { address } => show(address, &config, context),
    }
}

fn lift(text: &str) -> Result<Lift, String> {
    if text == "all" { Ok(Lift::All) } else { read_source(text).map(Lift::One) }
}

/// What the running node says, or the database when none runs.
fn bans(config: &Config) -> anyhow::Result<Vec<Value>> {
    let view = look(config, Question::Bans)?;
    serde_json::from_value(view).context("bans are a list")
}

fn list(format: Format, config: &Config, context: &Context) -> anyhow::Result<()> {
    let bans = bans(config)?;
    match format {
        Format::Table | Format::Json => {
            let is_json = context.output.is_json() || format == Format::Json;
            Output::new(is_json).list(&table(&bans), bans.iter().cloned())
        }
        Format::Plain => export::plain(&bans).iter().try_for_each(|row| line(row)),
        Format::Nft => line(&export::nft(&bans)),
        Format::Ipset => line(&export::ipset(&bans)),
    }
}

fn table(bans: &[Value]) -> Table {
    let mut table = Table::new(
        &["source", "reason", "since", "left", ">times", "note"],
        "nobody is banned; `ringfence ban add NET --for 1h` bans somebody",
    );
    for ban in bans {
        let text = |name: &str| ban[name].as_str().unwrap_or("").to_owned();
        let note = match ban["spared"].as_str() {
            Some(why) => format!("{} (spared by the firewall: {why})", text("note")),
            None => text("note"),
        };
        table.row(vec![
            text("source"),
            text("reason"),
            text("since"),
            left(ban),
            ban["times"].to_string(),
            note.trim().to_owned(),
        ]);
    }
    table
}

fn left(ban: &Value) -> String {
    ban["left_s"].as_u64().map_or_else(|| "until lifted".to_owned(), |left| span(left * 1_000))
}

fn show(address: IpAddr, config: &Config, context: &Context) -> anyhow::Result<()> {
    let address = address.to_canonical();
    let holds = |ban: &&Value| network(ban).is_some_and(|net| net.contains(&address));
    let bans = bans(config)?;
    let found =
        bans.iter().filter(holds).max_by_key(|ban| network(ban).map(|net| net.prefix_len()));
    let Some(ban) = found else {
        let value = serde_json::json!({ "address": address, "banned": false });
        return context.output.one(&format!("{address} is not banned"), &value);
    };
    let text = |name: &str| ban[name].as_str().unwrap_or("");
    let until = match ban["until"].as_str() {
        Some(until) => format!("until {until}, {} more", left(ban)),
        None => "until it is lifted".to_owned(),
    };
    let note = match text("note") {
        "" => String::new(),
        note => format!(" ({note})"),
    };
    let words = format!(
        "{address} is banned {until}: {}{note}\nas {}, {}, since {}",
        text("reason"),
        text("source"),
        if ban["times"] == 1 {
            "once".to_owned()
        } else {
            format!("{} times in a row", ban["times"])
        },
        text("since"),
    );
    let mut value = ban.clone();
    value["address"] = address.to_string().into();
    value["banned"] = true.into();
    context.output.one(&super::output::printable_lines(&words), &value)
}

fn network(ban: &Value) -> Option<IpNet> {
    ban["source"].as_str()?.parse().ok()
}
