//! `demo`. Lives here: a node, phones, a carrier and a thief, all real SIP on loopback, and the sum
//! at the end. Never here: anything the real node does not do.

mod agent;
mod cast;
mod narrator;
mod postbox;
mod script;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, bail};
use notify::mail::MailTls;
use serde_json::json;
use sip::flow::Transport;
use store::{CallFilter, Reader};
use types::{Cdr, Money};

use self::agent::Login;
use self::narrator::{Narrator, Teller};
use self::script::{Actors, Tally};
use super::Context;
use super::office::Direct;
use super::output::line;
use super::serve::assemble;
use crate::config::alerts::Alerts;
use crate::config::{Config, ListenAddress};
use crate::shell::control::{Client, Request};
use crate::shell::keys::KeyRing;
use crate::shell::lock::lock;
use crate::shell::open::{make_data_dir, open_to_read, open_to_write};
use crate::shell::secrets::random;

const REALM: &str = "demo.ringfence";
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence demo
  ringfence demo --seconds 30
  ringfence demo --port 5080 --json

Nothing leaves this machine: everything is on 127.0.0.1 and 127.0.0.2. Point a softphone at the account
that is printed, and call 02079460100 (Alice), any number of the world, 999, or a premium number.")]
pub struct Args {
    /// Stop after so long [default: at Ctrl-C]
    #[arg(long)]
    seconds: Option<u64>,
    /// Port of the node [default: 5060 or the next that is free]
    #[arg(long)]
    port: Option<u16>,
    /// Tell only the beginning and the end
    #[arg(long)]
    quiet: bool,
    /// Keep the database here, instead of in a directory that is removed
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let teller = Teller { json: context.output.is_json(), quiet: args.quiet };
    let dir = Directory::new(args.data_dir)?;
    let server = SocketAddr::from(([127, 0, 0, 1], free_port(args.port)?));
    let carrier = UdpSocket::bind("127.0.0.2:0").context("cannot use 127.0.0.2")?.local_addr()?;
    let pages = SocketAddr::from(([127, 0, 0, 1], free_web_port()?));
    let mut config = configuration(&dir.path, server, pages);
    make_data_dir(&config)?;
    if config.database().exists() {
        bail!("{} exists: the demo wants a directory of its own", config.database().display());
    }
    let lock = lock(&config.lock_file())?;
    let (logins, link) = {
        let store = open_to_write(&config, &KeyRing::to_write(&config)?, &lock)?;
        let mut direct = Direct::open(&config, store)?;
        let logins = cast::settle(&config, &mut direct, carrier)?;
        (logins, cast::link(&config, &mut direct)?)
    };
    cast::add_contacts(&config, &mut open_to_write(&config, &KeyRing::to_write(&config)?, &lock)?)?;
    let postbox = postbox::open(&dir.path.join("mails"), teller)?;
    config.alerts.mail_server = Some(postbox.ip().to_string());
    config.alerts.mail_port = postbox.port().into();
    config.alerts.portal_url = config.web_address();
    let (driver, _) = assemble(&config, &lock)?;
    introduce(server, &logins[3], &link, context)?;
    let tally = Arc::new(Tally::default());
    let actors = Actors::new(server, carrier, &logins)?;
    let end_ms = args.seconds.map(|seconds| (seconds * 1_000).saturating_sub(1_000));
    let narration = start(&config, actors, end_ms, tally.clone(), teller)?;
    driver.run()?;
    tally.over.store(true, Ordering::Release);
    // A panic of the thread was printed by it.
    drop(narration.join());
    summary(&config, &tally, context)
}

fn configuration(dir: &Path, server: SocketAddr, pages: SocketAddr) -> Config {
    let defaults = Config::default();
    let listen = |transport| ListenAddress { transport, address: server };
    Config {
        data_dir: dir.to_owned(),
        realm: REALM.to_owned(),
        web_listen: Some(pages),
        listen: vec![listen(Transport::Udp), listen(Transport::Tcp)],
        // Some phones stop at a challenge they do not know, even beside one they do; here any must do.
        digest_sha256: false,
        first_slice_s: 10,
        slice_s: 10,
        extend_lead_s: 3,
        limits: crate::config::Limits { stop_wait_s: 1, ..defaults.limits.clone() },
        alerts: Alerts {
            platform: "Ringfence demo".to_owned(),
            mail_tls: MailTls::None,
            ..Alerts::default()
        },
        ..defaults
    }
}

/// 5060 or the next that is free for both transports.
fn free_port(wanted: Option<u16>) -> anyhow::Result<u16> {
    let is_free = |port: &u16| {
        UdpSocket::bind(("127.0.0.1", *port)).is_ok()
            && TcpListener::bind(("127.0.0.1", *port)).is_ok()
    };
    match wanted {
        Some(port) if is_free(&port) => Ok(port),
        Some(port) => {
            bail!("port {port} of 127.0.0.1 is in use; leave --port out to take one that is free")
        }
        None => {
            (5_060..5_200).find(is_free).context("no port from 5060 to 5199 of 127.0.0.1 is free")
        }
    }
}

/// 8080 or the next that is free.
fn free_web_port() -> anyhow::Result<u16> {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (8_080..8_280).find(is_free).context("no port from 8080 to 8279 of 127.0.0.1 is free")
}

fn introduce(
    server: SocketAddr,
    guest: &Login,
    link: &str,
    context: &Context,
) -> anyhow::Result<()> {
    let (user, secret) = (&guest.user, &guest.secret);
    let text = format!(
        "Ringfence serves SIP on {server}, UDP and TCP. Everything stays on this machine.

Your own phone can take part (any softphone on this machine):
  user    {user}
  secret  {secret}
  server  {server}
Mails to the holders come to a mail server of the demo's own, and are told here.
Call 02079460100 (Alice answers), 02079460018 (the world answers), 999, or 09098790879 (refused).

See the stolen account in a browser on this machine, live (the link works once; choose any password of 12 letters or more):
  {link}
"
    );
    let value = json!({ "event": "start", "server": server, "user": user, "secret": secret, "realm": REALM, "portal": link });
    context.output.one(&text, &value)
}

/// The threads beside the node: actors, and who tells what happens.
fn start(
    config: &Config,
    actors: Actors,
    end_ms: Option<u64>,
    tally: Arc<Tally>,
    teller: Teller,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let connect = || -> anyhow::Result<Client> {
        Client::connect(&config.control_socket())?.context("the node takes no commands")
    };
    let (mut stopper, node) = (connect()?, connect()?);
    let mut narrator = Narrator::new(teller, open_to_read(config)?, node);
    let play = {
        let tally = tally.clone();
        move || {
            script::play(actors, end_ms, &tally, &teller);
            // If it is stopping already, that is as good.
            drop(stopper.ask(&Request::Stop));
        }
    };
    std::thread::Builder::new().name("actors".to_owned()).spawn(play)?;
    let narrate = move || {
        while !tally.over.load(Ordering::Acquire) {
            if narrator.look().is_err() {
                return;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    };
    Ok(std::thread::Builder::new().name("narrator".to_owned()).spawn(narrate)?)
}

/// What it came to, from the records alone.
fn summary(config: &Config, tally: &Tally, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let calls = reader.calls(&CallFilter { limit: u32::MAX, ..CallFilter::default() })?;
    let verified = reader.verify()?;
    let victim =
        cast::PEOPLE.iter().position(|(name, ..)| *name == cast::VICTIM).unwrap_or(0) as u32 + 1;
    let sum = |of: &dyn Fn(&&Cdr) -> bool| {
        calls.iter().filter(of).fold(Money::ZERO, |sum, call| sum.saturating_add(call.price))
    };
    let lost = sum(&|call| call.account.0 == victim);
    let others = sum(&|call| call.account.0 != victim);
    let rate = calls
        .iter()
        .filter(|call| {
            call.account.0 == victim
                && call.answered.is_some()
                && call.destination.class.is_costly()
        })
        .filter_map(|call| call.explanation.rate)
        .fold(Money::ZERO, |sum, rate| sum.saturating_add(rate.per_minute));
    let hourly = rate.checked_mul(60).unwrap_or(Money::MAX);
    let (tried, answered) =
        (tally.tried.load(Ordering::Relaxed), tally.answered.load(Ordering::Relaxed));
    let is_bounded = lost <= cast::STOP_LEVEL && verified.problems.is_empty();
    let value = json!({
        "event": "summary", "calls": calls.len(), "honest": others.to_string(), "lost": lost.to_string(),
        "stop_level": cast::STOP_LEVEL.to_string(), "bounded": is_bounded, "thief_tried": tried,
        "thief_answered": answered, "unbounded_per_hour": hourly.to_string(), "books_balance": verified.problems.is_empty(),
    });
    let text = format!(
        "\nLoss bounded at £{}: the stolen account lost £{lost}. The thief tried {tried} calls, {answered} were answered;\n\
         left alone, they would have cost £{hourly} an hour. Everybody else talked for £{others}.\n\
         {} records, charges and ledger {}.",
        cast::STOP_LEVEL,
        calls.len(),
        if verified.problems.is_empty() { "agree" } else { "DISAGREE" },
    );
    context.output.one(&text, &value)?;
    if !is_bounded {
        line("")?;
        bail!("the loss was not bounded: this is a bug in Ringfence");
    }
    Ok(())
}

/// The demo's directory; its own is removed at the end.
struct Directory {
    path: PathBuf,
    is_ours: bool,
}

impl Directory {
    fn new(told: Option<PathBuf>) -> anyhow::Result<Directory> {
        if let Some(path) = told {
            return Ok(Directory { path, is_ours: false });
        }
        let unique = u64::from_le_bytes(random()?);
        let path = std::env::temp_dir().join(format!("ringfence-demo-{unique:016x}"));
        Ok(Directory { path, is_ours: true })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_ours {
            // What is left in a temporary directory is the system's to remove.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}
