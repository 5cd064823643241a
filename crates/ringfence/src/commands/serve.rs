//! `serve` and `status`. Lives here: putting the node together. Never here: the loop (shell::driver).

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::Context as _;
use edge::{Node, NodeConfig};
use engine::EngineConfig;
use serde_json::json;
use sip::b2bua::Listener;
use sip::flow::Transport;
use store::{AlertReader, Backend, SnapshotWindow};

use super::Context;
use super::office::{ask, engine_config};
use crate::audit::calendar;
use crate::config::Config;
use crate::pages::{self, NodeUsers};
use crate::shell::alerts::{self, Alerts, ContactDesk};
use crate::shell::anchor::Anchors;
use crate::shell::atlas;
use crate::shell::auditor::Auditor;
use crate::shell::certificate::{Renewal, TrunkRoots};
use crate::shell::clock::{Clock, system_wall};
use crate::shell::control::{self, Request};
use crate::shell::driver::{Driver, FIRST_CONNECTION, listener_token, poll};
use crate::shell::keys::KeyRing;
use crate::shell::lock::{Lock, lock};
use crate::shell::log;
use crate::shell::memory;
use crate::shell::open::{make_data_dir, open_to_read, open_to_write};
use crate::shell::secrets::node_secrets;
use crate::shell::signals::Signals;
use crate::shell::store_link::StoreLink;
use crate::shell::streams::{StreamLimits, Streams};
use crate::shell::udp::Datagrams;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence serve -c /etc/ringfence/ringfence.toml
  RINGFENCE_NODE__REALM=example.com RINGFENCE_NODE__DATA_DIR=./data ringfence serve

SIGTERM or SIGINT: no new calls, wait for those in progress (limits.stop_wait_s), stop.
Again: stop at once; calls in progress are taken up at the next start.
SIGHUP: the certificate of [tls] is read again, as it is when its files change. Nothing else is:
commands take effect at once, the configuration file at a restart.")]
pub struct Args {}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ringfence status --json")]
pub struct StatusArgs {}

pub fn run(_args: Args, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    log::start(&config);
    make_data_dir(&config)?;
    let lock = lock(&config.lock_file())?;
    let (driver, sockets) = assemble(&config, &lock)?;
    for socket in &sockets {
        tracing::info!(
            transport = socket.transport.name(),
            local = %socket.local,
            advertised = %socket.advertised,
            "listening"
        );
    }
    let anchors = Anchors::start(config.database())?;
    let outcome = driver.run();
    drop(anchors);
    drop(std::fs::remove_file(config.control_socket()));
    drop(lock);
    outcome
}

/// Puts everything together; the sockets are open when it returns.
pub fn assemble(config: &Config, lock: &Lock) -> anyhow::Result<(Driver, Vec<Listener>)> {
    raise_file_limit();
    // Before any other thread: they inherit the mask.
    let signals = Signals::new()?;
    let keys = KeyRing::to_write(config)?;
    let store = open_to_write(config, &keys, lock)?;
    let snapshot = store.snapshot(SnapshotWindow::at(system_wall()))?;
    let mut clock = Clock::new(snapshot.newest);
    let (poll, waker) = poll()?;
    let mut datagrams = Datagrams::new();
    let limits = StreamLimits {
        connections: config.limits.tcp_connections,
        per_address: config.limits.tcp_connections_per_address,
    };
    let registry = poll.registry().try_clone().context("cannot share the poll")?;
    let roots = TrunkRoots::new(config.tls_trunk_ca.clone());
    let origins = config.wss_origins.clone();
    let mut streams = Streams::new(registry, FIRST_CONNECTION, limits, roots, origins);
    let renewal = match config.tls_files() {
        Some(files) => {
            let (renewal, tls) = Renewal::begin(files)?;
            streams.show(tls);
            Some(renewal)
        }
        None => None,
    };
    let listeners = open_sockets(config, &mut datagrams, &mut streams)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data_dir = %config.data_dir.display(),
        accounts = snapshot.accounts.len(),
        lines = snapshot.lines.len(),
        trunks = snapshot.trunks.len(),
        calls_recovered = snapshot.holds.len(),
        "starting"
    );
    let node_config = node_config(config, listeners.clone())?;
    let started = clock.now();
    let node = Node::new(node_config, snapshot, started).context("the node cannot start")?;
    memory::trim();
    // Whatever was written may be a fact that somebody is to be told.
    let (bell, rung) = alerts::bell();
    let wake = {
        let waker = waker.clone();
        move || {
            bell.ring();
            drop(waker.wake());
        }
    };
    let store = StoreLink::start(store, (config.journal(), Some(keys.sealer())), wake)?;
    let (handle, jobs) = control::channel(waker);
    let desk = ContactDesk::open(config)?;
    let alerts = Alerts::start(config, handle.clone(), rung)?;
    let calendar = calendar(config, started.wall);
    let auditor = Auditor::start(config.database(), handle.clone(), calendar)?;
    let users = Arc::new(NodeUsers::new(config, handle.clone(), &keys, desk.clone())?);
    let pages = pages::serve(config, Arc::clone(&users))?;
    if let Some(address) = pages {
        tracing::info!(%address, url = config.web_address(), "pages are served");
    }
    control::serve(
        &config.control_socket(),
        handle,
        keys,
        control::Staff { users, contacts: desk },
    )?;
    let driver = Driver {
        clock,
        node,
        datagrams,
        streams,
        renewal,
        store,
        signals,
        alerts,
        jobs,
        auditor,
        stop_wait_ms: config.limits.stop_wait_s * 1_000,
        poll,
    };
    Ok((driver, listeners))
}

fn open_sockets(
    config: &Config,
    datagrams: &mut Datagrams,
    streams: &mut Streams,
) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for wanted in &config.listen {
        let local = match wanted.transport {
            Transport::Udp => datagrams.open(wanted.address, config.limits.udp_receive_buffer)?,
            Transport::Tcp | Transport::Tls | Transport::Wss => {
                let token = listener_token(streams.listeners());
                streams.open(wanted.transport, wanted.address, token)?
            }
        };
        let advertised = SocketAddr::new(advertised_ip(config, local), local.port());
        listeners.push(Listener { transport: wanted.transport, local, advertised });
    }
    Ok(listeners)
}

/// What goes into Via and Contact: as told, or the socket's own address, or for a socket on all
/// addresses the one this machine would use towards the world.
fn advertised_ip(config: &Config, local: SocketAddr) -> IpAddr {
    match config.advertise {
        Some(told) if told.is_ipv4() == local.is_ipv4() => told,
        _ if !local.ip().is_unspecified() => local.ip(),
        _ => outward_ip(local.is_ipv4()).unwrap_or_else(|| local.ip()),
    }
}

/// Asks the routing table; nothing is sent. The addresses are those of documentation (RFC 5737, RFC 3849).
fn outward_ip(v4: bool) -> Option<IpAddr> {
    let (from, to) = if v4 { ("0.0.0.0:0", "192.0.2.1:9") } else { ("[::]:0", "[2001:db8::1]:9") };
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn node_config(config: &Config, listeners: Vec<Listener>) -> anyhow::Result<NodeConfig> {
    let secrets = node_secrets()?;
    let engine = engine_config(config, EngineConfig::new(secrets.hash));
    let engine = EngineConfig { atlas: Arc::new(atlas::read(config)?), ..engine };
    Ok(NodeConfig {
        realm: config.realm.clone(),
        domains: domains(config, &listeners),
        listeners,
        secrets,
        limits: edge::Limits {
            calls: config.limits.calls,
            transactions: config.limits.transactions,
            digest: sip::digest::Limits {
                sha256: config.digest_sha256,
                md5: config.digest_md5,
                md5_first: config.digest_md5_first,
                ..sip::digest::Limits::default()
            },
            ..edge::Limits::default()
        },
        timers: edge::Timers {
            ring_ms: config.ring_s * 1_000,
            trunk_silence_ms: config.trunk_silence_ms,
            session_expires_s: config.session_expires_s,
            ..edge::Timers::default()
        },
        screen: edge::ScreenConfig {
            stranger_rate: config.access.stranger_rate,
            stranger_burst: config.access.stranger_burst,
        },
        engine,
    })
}

fn domains(config: &Config, listeners: &[Listener]) -> Vec<String> {
    if !config.domains.is_empty() {
        return config.domains.clone();
    }
    let addresses = listeners.iter().flat_map(|one| [one.local.ip(), one.advertised.ip()]);
    let mut domains: Vec<String> = addresses
        .filter(|ip| !ip.is_unspecified())
        .map(|ip| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() })
        .collect();
    domains.push(config.realm.to_ascii_lowercase());
    domains.sort();
    domains.dedup();
    domains
}

/// Every connection needs a descriptor.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

pub fn status(_args: StatusArgs, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let Some(status) = ask(&config, &Request::Status)? else {
        anyhow::bail!("no node is running on {}", config.data_dir.display());
    };
    let mut status = status;
    let counts = open_to_read(&config)?.alert_counts()?;
    status["alerts"] = json!({
        "due": counts.due,
        "in_trouble": counts.in_trouble,
        "given_up": counts.given_up,
    });
    let text = serde_json::to_string_pretty(&status)?;
    context.output.one(&text, &status)
}
