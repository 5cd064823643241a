//! `trunk`. Lives here: its subcommands. Never here: choosing a trunk for a call.

use std::net::SocketAddr;

use anyhow::bail;
use clap::Subcommand;
use ipnet::IpNet;
use serde_json::{Value, json};
use store::Reader;
use types::{Trunk, TrunkAuth, TrunkId, TrunkNumberFormat, TrunkRoute, TrunkTransport};

use super::Context;
use super::dial_plan::DialPlanArgs;
use super::line::read_secret;
use super::office::change;
use super::output::Table;
use crate::change::{Change, read_number_format, read_route, read_transport};
use crate::config::{Config, Raw, controls};
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a trunk
    Add(Box<AddArgs>),
    /// List trunks
    #[command(after_help = "Example:\n  ringfence trunk list")]
    List,
    /// Change settings
    #[command(after_help = settings_help())]
    Set {
        /// Name or number
        trunk: String,
        /// What to change
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = super::account::setting)]
        settings: Vec<(String, String)>,
    },
    /// Take a trunk into use
    #[command(after_help = "Example:\n  ringfence trunk enable carrier")]
    Enable {
        /// Name or number
        trunk: String,
    },
    /// Send no more calls to a trunk, and take none from it
    #[command(after_help = "Example:\n  ringfence trunk disable carrier")]
    Disable {
        /// Name or number
        trunk: String,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence trunk add carrier 198.51.100.5:5060 --source 198.51.100.0/28 --emergency
  ringfence trunk add backup 203.0.113.9:5060 --transport tcp --route 44:20 --route 353:10
  echo SECRET | ringfence trunk add itsp 192.0.2.60:5060 --user acme --realm itsp.example --register --secret-stdin")]
pub struct AddArgs {
    /// What staff call it
    name: String,
    /// ADDRESS:PORT where requests go
    address: SocketAddr,
    /// udp, tcp or tls
    #[arg(long, default_value = "udp", value_parser = read_transport)]
    transport: TrunkTransport,
    /// Host part of addresses towards the carrier; with tls, its certificate is for this name [default: its
    /// address]
    #[arg(long)]
    host: Option<String>,
    /// User name that the carrier gave us
    #[arg(long, requires = "secret_stdin", requires = "realm")]
    user: Option<String>,
    /// Read the carrier's secret from the first line of standard input
    #[arg(long, requires = "user")]
    secret_stdin: bool,
    /// The carrier's realm: challenges of others are not answered
    #[arg(long, requires = "user")]
    realm: Option<String>,
    /// Register at the carrier
    #[arg(long, requires = "user")]
    register: bool,
    /// Network its calls to us come from [default: its address]
    #[arg(long = "source", value_name = "CIDR", value_parser = network)]
    sources: Vec<IpNet>,
    /// Numbers it takes: PREFIX:PRIORITY, lower is tried first [default: all:10]
    #[arg(long = "route", value_name = "PREFIX:PRIORITY", value_parser = read_route)]
    routes: Vec<TrunkRoute>,
    /// Rate deck that it charges by
    #[arg(long, value_name = "DECK")]
    cost_deck: Option<String>,
    /// It carries emergency calls
    #[arg(long)]
    emergency: bool,
    /// How it wants numbers: e164-plus, e164 or national
    #[arg(long, default_value = "e164-plus", value_parser = read_number_format)]
    format: TrunkNumberFormat,
    #[command(flatten)]
    dial_plan: DialPlanArgs,
    /// Add it, but do not use it yet
    #[arg(long)]
    disabled: bool,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let enabled = |trunk: String, value: &str| {
        let settings = vec![("enabled".to_owned(), value.to_owned())];
        context.output.done(&change(&config, Change::SetTrunk { trunk, settings })?)
    };
    match command {
        Command::Add(args) => {
            let cost_deck = args.cost_deck.clone();
            let trunk = Box::new(args.trunk(&config)?);
            context.output.done(&change(&config, Change::AddTrunk { trunk, cost_deck })?)
        }
        Command::List => list(&config, context),
        Command::Set { trunk, settings } => {
            context.output.done(&change(&config, Change::SetTrunk { trunk, settings })?)
        }
        Command::Enable { trunk } => enabled(trunk, "yes"),
        Command::Disable { trunk } => enabled(trunk, "no"),
    }
}

impl AddArgs {
    /// The trunk; its id and deck are found where the change is carried out.
    fn trunk(self, config: &Config) -> anyhow::Result<Trunk> {
        let dial_plan = self.dial_plan.plan(config);
        let ip = self.address.ip();
        if ip.is_unspecified() || self.address.port() == 0 {
            bail!("{} is no address that calls can be sent to", self.address);
        }
        let host = self.host.unwrap_or_else(|| match ip.is_ipv6() {
            true => format!("[{ip}]"),
            false => ip.to_string(),
        });
        let auth = match (self.user, self.realm) {
            (Some(user), Some(realm)) => {
                let secret = read_secret()?.to_string();
                Some(TrunkAuth { user, secret, realm, register: self.register })
            }
            _ => None,
        };
        let all = TrunkRoute { prefix: String::new(), priority: 10 };
        Ok(Trunk {
            id: TrunkId(0),
            name: self.name,
            address: self.address,
            transport: self.transport,
            host,
            auth,
            sources: if self.sources.is_empty() { vec![IpNet::from(ip)] } else { self.sources },
            routes: if self.routes.is_empty() { vec![all] } else { self.routes },
            cost_deck: None,
            number_format: self.format,
            dial_plan,
            emergency: self.emergency,
            enabled: !self.disabled,
        })
    }
}

fn list(config: &Config, context: &Context) -> anyhow::Result<()> {
    let trunks = open_to_read(config)?.trunks()?;
    let mut table = Table::new(
        &[">id", "name", "address", "routes", "sources", "login", "emergency", "state"],
        "no trunks yet; `ringfence trunk add NAME ADDRESS:PORT` adds one",
    );
    for trunk in &trunks {
        let login = trunk
            .auth
            .as_ref()
            .map_or("", |auth| if auth.register { "registers" } else { "digest" });
        table.row(vec![
            trunk.id.to_string(),
            trunk.name.clone(),
            format!("{}:{}", transport_name(trunk.transport), trunk.address),
            trunk.routes.iter().map(route_text).collect::<Vec<_>>().join(" "),
            trunk.sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            login.to_owned(),
            if trunk.emergency { "yes" } else { "no" }.to_owned(),
            if trunk.enabled { "enabled" } else { "disabled" }.to_owned(),
        ]);
    }
    context.output.list(&table, trunks.iter().map(view))
}

/// A trunk as JSON, without the secret.
fn view(trunk: &Trunk) -> Value {
    json!({
        "id": trunk.id,
        "name": trunk.name,
        "address": trunk.address,
        "transport": trunk.transport,
        "host": trunk.host,
        "user": trunk.auth.as_ref().map(|auth| &auth.user),
        "realm": trunk.auth.as_ref().map(|auth| &auth.realm),
        "register": trunk.auth.as_ref().is_some_and(|auth| auth.register),
        "sources": trunk.sources,
        "routes": trunk.routes.iter().map(route_text).collect::<Vec<_>>(),
        "cost_deck": trunk.cost_deck,
        "format": trunk.number_format,
        "home": trunk.dial_plan.home,
        "national_prefix": trunk.dial_plan.national_prefix,
        "international_prefix": trunk.dial_plan.international_prefix,
        "emergency": trunk.emergency,
        "enabled": trunk.enabled,
    })
}

fn route_text(route: &TrunkRoute) -> String {
    let prefix = if route.prefix.is_empty() { "all" } else { &route.prefix };
    format!("{prefix}:{}", route.priority)
}

fn transport_name(transport: TrunkTransport) -> &'static str {
    match transport {
        TrunkTransport::Udp => "udp",
        TrunkTransport::Tcp => "tcp",
        TrunkTransport::Tls => "tls",
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    controls::network(&Raw::Words(text.to_owned()))
}

fn settings_help() -> String {
    let mut help =
        "Example:\n  ringfence trunk set carrier routes=44:10,353:20 emergency=yes\n\nSettings:\n"
            .to_owned();
    for (name, what) in crate::change::TRUNK_SETTINGS {
        help.push_str(&format!("  {name:<20} {what}\n"));
    }
    help
}
