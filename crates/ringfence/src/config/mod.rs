//! What the operator decides. Lives here: the settings, where each came from, errors that name the
//! place. Never here: what settings do.
//!
//! A setting comes from the file, or from the environment (`RINGFENCE_SIP__LISTEN`), which wins, or
//! it has a default. Every key is one row of [`schema`].

mod access_keys;
mod alert_keys;
pub mod alerts;
pub mod controls;
pub mod levels;
mod load;
mod raw;
mod readers;
mod schema;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use engine::{AccessConfig, OffHours};
use ipnet::IpNet;
use rating::NumberingConfig;
use sip::flow::Transport;
use types::{Controls, Region, StopLevels};

pub use load::{Loaded, Origin, STAFF_VARIABLE, load};
pub use raw::Raw;
pub use schema::keys;

/// A socket to listen on: `udp:0.0.0.0:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// How.
    pub transport: Transport,
    /// Where; port 0 lets the system choose one.
    pub address: SocketAddr,
}

/// Where our certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and, after it, what it is signed by; PEM.
    pub certificate: PathBuf,
    /// Its key; PEM.
    pub key: PathBuf,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and journald.
    Text,
    /// One object a line.
    Json,
}

/// All settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Directory of database, journal, lock and control socket.
    pub data_dir: PathBuf,
    /// File of the keys that seal secrets; `None`: in the data directory.
    pub key_file: Option<PathBuf>,
    /// Where the pages are served; `None`: nowhere.
    pub web_listen: Option<SocketAddr>,
    /// The pages as people type their address; `None`: only on this machine.
    pub web_url: Option<String>,
    /// Proxies in front of the pages.
    pub web_proxies: Vec<IpNet>,
    /// May holders have addresses of private networks looked at from outside?
    pub web_look_at_private: bool,
    /// Requests a second that a token of a program may make.
    pub token_rate: u32,
    /// Realm of the digest: part of every verifier, so it never changes.
    pub realm: String,
    /// Hosts that are ours; empty: the realm and the listeners' addresses.
    pub domains: Vec<String>,
    /// Where SIP is served.
    pub listen: Vec<ListenAddress>,
    /// Address put into Via and Contact.
    pub advertise: Option<IpAddr>,
    /// Certificate and key of the sockets with TLS.
    pub tls_certificate: Option<PathBuf>,
    /// The key of the certificate.
    pub tls_key: Option<PathBuf>,
    /// Authorities that vouch for trunks, instead of the system's.
    pub tls_trunk_ca: Option<PathBuf>,
    /// Pages that may open a WebSocket; empty: all.
    pub wss_origins: Vec<String>,
    /// Is SHA-256 offered?
    pub digest_sha256: bool,
    /// Is MD5 offered?
    pub digest_md5: bool,
    /// Is it offered first, for phones that look at the first challenge only?
    pub digest_md5_first: bool,
    /// RFC 4028 session interval.
    pub session_expires_s: u32,
    /// No answer at all from a trunk for so long: the next one.
    pub trunk_silence_ms: u64,
    /// Longest time a phone rings.
    pub ring_s: u64,
    /// Home country.
    pub home: Region,
    /// Name of the one currency: shown, never converted.
    pub currency: String,
    /// Codes and hotspots.
    pub numbering: NumberingConfig,
    /// When nobody watches.
    pub off_hours: OffHours,
    /// What bounds the spending of all accounts together.
    pub platform: StopLevels,
    /// Limits of log-ins.
    pub log_ins: AccessConfig,
    /// Tables of countries by address.
    pub country_files: Vec<PathBuf>,
    /// Tables of network operators by address.
    pub network_files: Vec<PathBuf>,
    /// Talk time held before a call goes out.
    pub first_slice_s: u64,
    /// Talk time held by each renewal.
    pub slice_s: u64,
    /// How long before the end of a slice the next is asked for.
    pub extend_lead_s: u64,
    /// How far holders may raise their own controls.
    pub self_service: Controls,
    /// Controls of a new residential account.
    pub residential: Controls,
    /// Controls of a new account with a PBX.
    pub pbx: Controls,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged: `info`, or tracing directives.
    pub log_level: String,
    /// Bounds of what strangers can grow.
    pub limits: Limits,
    /// Who is heard, and how much.
    pub access: Access,
    /// How people are told.
    pub alerts: alerts::Alerts,
}

/// Who is heard, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Networks that are never banned, nor held to a rate.
    pub allow: Vec<IpNet>,
    /// Messages a second from a source where nobody has shown a secret.
    pub stranger_rate: u32,
    /// Messages at once from such a source.
    pub stranger_burst: u32,
}

/// Bounds of what strangers can grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once on this node.
    pub calls: usize,
    /// SIP transactions at once.
    pub transactions: usize,
    /// Stream connections at once.
    pub tcp_connections: usize,
    /// Stream connections at once from one address.
    pub tcp_connections_per_address: usize,
    /// Kernel buffer of received datagrams, in bytes.
    pub udp_receive_buffer: usize,
    /// How long a graceful stop waits for calls.
    pub stop_wait_s: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data_dir: PathBuf::from("/var/lib/ringfence"),
            key_file: None,
            web_listen: Some(([127, 0, 0, 1], 8080).into()),
            web_url: None,
            web_proxies: Vec::new(),
            web_look_at_private: false,
            token_rate: 10,
            realm: String::new(),
            domains: Vec::new(),
            listen: vec![
                ListenAddress { transport: Transport::Udp, address: ([0, 0, 0, 0], 5060).into() },
                ListenAddress { transport: Transport::Tcp, address: ([0, 0, 0, 0], 5060).into() },
            ],
            advertise: None,
            tls_certificate: None,
            tls_key: None,
            tls_trunk_ca: None,
            wss_origins: Vec::new(),
            digest_sha256: true,
            digest_md5: true,
            digest_md5_first: false,
            session_expires_s: 1_800,
            trunk_silence_ms: 4_000,
            ring_s: 180,
            home: Region::GB,
            currency: "GBP".to_owned(),
            numbering: NumberingConfig::default(),
            off_hours: OffHours::default(),
            platform: StopLevels::NONE,
            log_ins: AccessConfig::default(),
            country_files: Vec::new(),
            network_files: Vec::new(),
            first_slice_s: 30,
            slice_s: 30,
            extend_lead_s: 5,
            self_service: engine::default_ceiling(),
            residential: Controls::residential(),
            pbx: Controls::pbx(),
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
            limits: Limits::default(),
            access: Access::default(),
            alerts: alerts::Alerts::default(),
        }
    }
}

impl Default for Access {
    fn default() -> Access {
        let strangers = edge::ScreenConfig::default();
        Access {
            allow: Vec::new(),
            stranger_rate: strangers.stranger_rate,
            stranger_burst: strangers.stranger_burst,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            calls: 20_000,
            transactions: 200_000,
            tcp_connections: 20_000,
            tcp_connections_per_address: 200,
            udp_receive_buffer: 8 << 20,
            stop_wait_s: 20,
        }
    }
}

impl Config {
    /// The keys that seal secrets.
    pub fn key_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.data_dir.join("ringfence.key"))
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("ringfence.db")
    }

    /// Our certificate, if both files are named.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.tls_certificate.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { certificate, key })
    }

    /// The pages as people type their address.
    pub fn web_address(&self) -> Option<String> {
        let local = |socket: SocketAddr| match socket.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => {
                format!("http://localhost:{}", socket.port())
            }
            _ => format!("http://{socket}"),
        };
        self.web_url.clone().or_else(|| self.web_listen.map(local))
    }

    /// Records that wait for the database.
    pub fn journal(&self) -> PathBuf {
        self.data_dir.join("journal")
    }

    /// Held by the one program that writes.
    pub fn lock_file(&self) -> PathBuf {
        self.data_dir.join("ringfence.lock")
    }

    /// Where a running node takes commands.
    pub fn control_socket(&self) -> PathBuf {
        self.data_dir.join("control.sock")
    }
}
