//! The control socket: commands to a running node. Lives here: the socket, its lines, the questions
//! the node's thread answers. Never here: what changes mean (`change`), what is allowed (the engine).
//!
//! One JSON object a line, each way. The socket is as open as its file: mode 0600.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, bail};
use engine::{Engine, Spared};
use mio::Waker;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use types::{AccountId, AlertId, Ban, By, Now, Record, UnixMicros};

use super::alerts::{ContactDesk, ContactWish};
use super::keys::KeyRing;
use crate::change::Change;
use crate::look::Question;
use crate::pages::{NodeUsers, UserAsk};

/// Bytes of one request: a rate deck of 500,000 rows fits.
const LONGEST: u64 = 256 << 20;
/// Connections served at once; more wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Something is to be changed.
    Change(Box<Change>),
    /// What an account has used.
    Usage(AccountId),
    /// Calls in progress.
    Live,
    /// Something else that only the engine knows.
    Look(Question),
    /// How the node does.
    Status,
    /// End in good order, as on a signal.
    Stop,
    /// Read the key file again: its newest key seals from now on.
    Keys,
    /// About web users.
    User(UserAsk),
    /// Who is told is to be changed.
    Contact(Box<ContactWish>),
    /// Somebody knows.
    Acknowledge(AlertId, By),
}

/// What the node's thread is asked.
pub enum Ask {
    /// Something is to be changed: all of it, or nothing.
    Change(Box<Change>),
    /// What an account has used.
    Usage(AccountId),
    /// Calls in progress.
    Live,
    /// Something else that only the engine knows.
    Look(Question),
    /// How the node does.
    Status,
    /// End in good order.
    Stop,
    /// What time it is.
    Now,
    /// Records of alerts and contacts are to be written, in one transaction: only while the database takes them, as
    /// what follows is read from there.
    Write(Vec<Record>),
}

/// The answer to a job.
pub type JobReply = Result<Value, String>;

/// A question and where its answer goes.
pub struct Job {
    /// The question.
    pub ask: Ask,
    /// The answer.
    pub reply: SyncSender<JobReply>,
}

/// Speaks with the node's thread.
#[derive(Clone)]
pub struct NodeHandle {
    jobs: SyncSender<Job>,
    waker: Arc<Waker>,
}

/// Both ends between control socket and node.
pub fn channel(waker: Arc<Waker>) -> (NodeHandle, Receiver<Job>) {
    let (jobs, inbox) = sync_channel(1_024);
    (NodeHandle { jobs, waker }, inbox)
}

impl NodeHandle {
    /// Asks; the answer comes later.
    fn ask(&self, ask: Ask) -> anyhow::Result<Receiver<JobReply>> {
        let (reply, answer) = sync_channel(1);
        self.jobs.send(Job { ask, reply }).ok().context("the node is stopping")?;
        self.waker.wake().context("cannot wake the node")?;
        Ok(answer)
    }

    /// Asks and waits; an error is that the node did not answer.
    pub fn reply(&self, ask: Ask) -> anyhow::Result<JobReply> {
        self.ask(ask)?.recv_timeout(PATIENCE).context("the node did not answer")
    }

    /// Lets the node look around.
    pub fn wake(&self) {
        // A node that cannot be woken is ending.
        drop(self.waker.wake());
    }

    /// Asks and waits.
    pub fn answer(&self, ask: Ask) -> anyhow::Result<Value> {
        self.reply(ask)?.map_err(anyhow::Error::msg)
    }
}

/// Who carries out what the node's thread has no part in.
#[derive(Clone)]
pub struct Staff {
    /// Web users.
    pub users: Arc<NodeUsers>,
    /// Who is told, and who knows.
    pub contacts: ContactDesk,
}

/// Serves the socket on threads of their own until the process ends.
pub fn serve(path: &Path, node: NodeHandle, keys: KeyRing, staff: Staff) -> anyhow::Result<()> {
    let listener = bind(path)?;
    let serve_one = move |stream: UnixStream| {
        let (node, keys, staff) = (node.clone(), keys.clone(), staff.clone());
        let serve = move || {
            if let Err(error) = converse(&stream, &node, &keys, &staff) {
                tracing::debug!(%error, "a control connection ended");
            }
        };
        std::thread::Builder::new().name("control".to_owned()).spawn(serve)
    };
    let accept = move || {
        for stream in listener.incoming() {
            match stream.map(&serve_one) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) | Err(error) => {
                    tracing::warn!(%error, "a control connection failed")
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(accept)
        .context("cannot start the control thread")?;
    Ok(())
}

fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    let named = || format!("cannot listen on {}", path.display());
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(named),
    }
    let listener = UnixListener::bind(path).with_context(named)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).with_context(named)?;
    Ok(listener)
}

fn converse(
    stream: &UnixStream,
    node: &NodeHandle,
    keys: &KeyRing,
    staff: &Staff,
) -> anyhow::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        (&mut lines).take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => answer(request, node, keys, staff),
            Err(error) => Err(anyhow::anyhow!("not a request: {error}")),
        };
        let answer = match answer {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        let mut writer = stream;
        writer.write_all(&text)?;
    }
}

fn answer(
    request: Request,
    node: &NodeHandle,
    keys: &KeyRing,
    staff: &Staff,
) -> anyhow::Result<Value> {
    node.answer(match request {
        // The node's thread has no part in it.
        Request::Keys => return Ok(json!({ "newest": keys.reload()?.to_string() })),
        Request::User(ask) => return staff.users.carry_out(ask),
        Request::Contact(wish) => return staff.contacts.change(*wish, node),
        Request::Acknowledge(alert, by) => return staff.contacts.acknowledge(alert, &by, node),
        Request::Change(change) => Ask::Change(change),
        Request::Usage(account) => Ask::Usage(account),
        Request::Live => Ask::Live,
        Request::Look(question) => Ask::Look(question),
        Request::Status => Ask::Status,
        Request::Stop => Ask::Stop,
    })
}

/// The client's side of the socket.
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to a running node; `None` if nobody listens.
    pub fn connect(path: &Path) -> anyhow::Result<Option<Client>> {
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Some(Client { stream: BufReader::new(stream) })),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => {
                Err(error).with_context(|| format!("cannot connect to {}", path.display()))
            }
        }
    }

    /// Asks and waits for the answer.
    pub fn ask(&mut self, request: &Request) -> anyhow::Result<Value> {
        let mut text = serde_json::to_vec(request)?;
        text.push(b'\n');
        self.stream.get_mut().write_all(&text).context("the running node hung up")?;
        let mut line = String::new();
        self.stream.read_line(&mut line).context("the running node hung up")?;
        let mut answer: Value =
            serde_json::from_str(&line).context("the running node gave no answer")?;
        if let Some(error) = answer.get("error") {
            bail!("{}", error.as_str().unwrap_or("unknown error"));
        }
        Ok(answer["ok"].take())
    }
}

/// Figures about a running node.
pub struct NodeStatus {
    /// The node's own.
    pub stats: edge::Stats,
    /// Since the start.
    pub uptime_ms: u64,
    /// The disciplined wall clock.
    pub wall: UnixMicros,
    /// How far the system's clock is ahead of it.
    pub clock_lag_us: i64,
    /// Until when the certificate of TLS is good.
    pub certificate_until: Option<UnixMicros>,
    /// Stream connections.
    pub connections: usize,
    /// Stream connections refused because of a limit.
    pub connections_refused: u64,
    /// Datagrams the kernel did not take.
    pub datagrams_lost: u64,
    /// Datagrams that the kernel threw away because we did not read them in time.
    pub datagrams_unread: u64,
    /// Is money held at the moment?
    pub store_up: bool,
    /// The store's writer.
    pub store: store::Health,
    /// The auditor, as it tells it.
    pub audit: Value,
}

impl NodeStatus {
    /// As JSON.
    pub fn view(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_ms": self.uptime_ms,
            "wall": self.wall.to_string(),
            "clock_lag_us": self.clock_lag_us,
            "node": self.stats,
            "certificate_until": self.certificate_until.map(|until| until.to_string()),
            "tcp_connections": self.connections,
            "tcp_refused": self.connections_refused,
            "datagrams_lost": self.datagrams_lost,
            "datagrams_unread": self.datagrams_unread,
            "store": {
                "up": self.store_up,
                "queued": self.store.queued,
                "written": self.store.written,
                "groups": self.store.groups,
                "failed": self.store.failed,
                "refused": self.store.refused,
                "last_error": self.store.last_error,
            },
            "audit": self.audit,
        })
    }
}

/// What an account has used, as JSON; null if the node does not know it.
pub fn usage_view(engine: &Engine, now: Now, account: AccountId) -> Value {
    let Some(usage) = engine.usage(now, account) else { return Value::Null };
    json!({
        "unbilled": usage.unbilled.to_string(),
        "running": usage.running.to_string(),
        "held": usage.held.to_string(),
        "held_costly": usage.held_costly.to_string(),
        "spent_1h": usage.spent_1h.to_string(),
        "spent_24h": usage.spent_24h.to_string(),
        "spent_7d": usage.spent_7d.to_string(),
        "spent_all_24h": usage.spent_all_24h.to_string(),
        "live_calls": usage.calls,
        "costly_calls": usage.costly_calls,
        "off_hours": usage.off_hours,
        "headroom_costly": usage.headroom_costly.to_string(),
        "headroom": usage.headroom.to_string(),
    })
}

/// Bans in force, as JSON.
pub fn bans_view<'a>(bans: impl Iterator<Item = (&'a Ban, Option<Spared>)>, now: Now) -> Value {
    let one = |(ban, spared): (&Ban, Option<Spared>)| {
        let left = |until: UnixMicros| until.ms_since(now.wall).div_ceil(1_000);
        json!({
            "source": ban.source,
            "reason": ban.reason,
            "note": ban.note,
            "since": ban.since.to_string(),
            "until": ban.until.map(|until| until.to_string()),
            "left_s": ban.until.map(left),
            "times": u32::from(ban.level) + 1,
            "spared": spared.map(|spared| spared.to_string()),
        })
    };
    bans.map(one).collect()
}

/// Calls in progress, as JSON.
pub fn live_view(engine: &Engine, now: Now) -> Value {
    let one = |call: engine::LiveCall<'_>| {
        json!({
            "decision": call.decision.to_string(),
            "account": call.account,
            "line": call.line,
            "direction": call.direction,
            "state": if call.answered.is_some() { "answered" } else { "pending" },
            "caller": call.caller,
            "dialled": call.dialled,
            "trunk": call.trunk,
            "started": call.started.to_string(),
            "answered": call.answered.map(|at| at.to_string()),
            "talk_ms": call.answered.map(|at| now.wall.ms_since(at)),
            "held": call.held.to_string(),
            "covered_ms": call.covered_ms,
            "costly": call.costly,
            "chargeable": call.chargeable,
        })
    };
    engine.live().map(one).collect()
}
