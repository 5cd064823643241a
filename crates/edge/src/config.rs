//! What a node is told at its start. Lives here: settings and their defaults.
//! Never here: files, the environment.

use engine::EngineConfig;
use sip::b2bua::{Listener, Settings};
use types::{HashKey, Millis};

/// Secrets drawn by the shell at each start.
#[derive(Clone)]
pub struct Secrets {
    /// Key of the nonces' MAC.
    pub nonce: [u8; 32],
    /// Key of tags, branches and Call-IDs.
    pub tokens: [u8; 16],
    /// Key of hash maps.
    pub hash: HashKey,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// How much a node takes on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls at once, ended ones that are still being tidied included.
    pub calls: usize,
    /// SIP transactions at once.
    pub transactions: usize,
    /// Bindings of one line.
    pub bindings_per_line: usize,
    /// Transactions of the store that may wait for their answer, or to be asked for again; from half
    /// of that on CDRs of refused calls are not kept, beyond it nothing that costs nothing.
    pub backlog: usize,
    /// What digest offers and remembers.
    pub digest: sip::digest::Limits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            calls: 50_000,
            transactions: 400_000,
            bindings_per_line: 10,
            backlog: 20_000,
            digest: sip::digest::Limits::default(),
        }
    }
}

/// How much strangers are heard: everybody but those on the allow list, trunks, and sockets that have
/// shown a secret.
#[derive(Clone, Copy, Debug)]
pub struct ScreenConfig {
    /// Messages a second from one source.
    pub stranger_rate: u32,
    /// Messages at once from one source.
    pub stranger_burst: u32,
}

impl Default for ScreenConfig {
    fn default() -> ScreenConfig {
        ScreenConfig { stranger_rate: 20, stranger_burst: 100 }
    }
}

/// How long a node waits.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// RFC 3261 §17.1.1.1.
    pub sip: sip::transaction::Timers,
    /// Longest time from INVITE to answer.
    pub ring_ms: Millis,
    /// A trunk that says nothing for so long is passed over.
    pub trunk_silence_ms: Millis,
    /// A trunk that said nothing is tried last for so long.
    pub trunk_rest_ms: Millis,
    /// Session timer (RFC 4028) that we ask for, in seconds.
    pub session_expires_s: u32,
    /// Shortest session timer that we accept, in seconds.
    pub min_se_s: u32,
    /// Records that could not be written are asked for again after so long.
    pub store_retry_ms: Millis,
    /// How often the store learns that we live, while calls are metered.
    pub mark_every_ms: Millis,
    /// Calls found unanswered at a restart are watched for a late answer for so long.
    pub orphan_ms: Millis,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            sip: sip::transaction::Timers::default(),
            ring_ms: 180_000,
            trunk_silence_ms: 4_000,
            trunk_rest_ms: 30_000,
            session_expires_s: 1_800,
            min_se_s: 90,
            store_retry_ms: 1_000,
            mark_every_ms: 1_000,
            orphan_ms: 40_000,
        }
    }
}

/// What a node is told at its start.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Realm of digest and host of our lines' addresses.
    pub realm: String,
    /// Hosts that are ours, lower case, besides the listeners' addresses.
    pub domains: Vec<String>,
    /// Our sockets; at least one.
    pub listeners: Vec<Listener>,
    /// Secrets.
    pub secrets: Secrets,
    /// Bounds.
    pub limits: Limits,
    /// Waits.
    pub timers: Timers,
    /// What strangers may do.
    pub screen: ScreenConfig,
    /// The engine's part.
    pub engine: EngineConfig,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// No listener.
    #[error("a node needs at least one address to listen on")]
    NoListener,
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
}

impl NodeConfig {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            listeners: self.listeners.clone(),
            realm: self.realm.clone(),
            product: concat!("Ringfence/", env!("CARGO_PKG_VERSION")).to_owned(),
            ring_ms: self.timers.ring_ms,
            session: sip::session_timer::Policy {
                session_expires_s: self.timers.session_expires_s,
                min_se_s: self.timers.min_se_s,
            },
            t1_ms: self.timers.sip.t1_ms,
            t2_ms: self.timers.sip.t2_ms,
        }
    }
}
