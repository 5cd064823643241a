//! What all pages share. Lives here: the desk off the pages' thread, sessions, what is bounded. Never here: a page.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::Semaphore;
use types::{AccountId, KnownBrowser, UnixMicros, WebUserId};

use crate::api::bearer::Paces;
use crate::api::keys::UnderWay;
use crate::desk::{Desk, DeskError, Overview};
use crate::seats::Seats;
use crate::sessions::Sessions;

/// Live streams at once.
pub const MOST_STREAMS: usize = 1_000;
/// Live streams of one account at once.
const MOST_STREAMS_EACH: usize = 25;
/// Log-ins that wait for one another; more are sent away.
const MOST_WAITING: usize = 32;
/// Browsers of a user that are known; the one that he signed in with longest ago gives way.
const MOST_BROWSERS: usize = 10;
/// An account's money is not looked at more often for live streams.
const LOOK_EVERY_MS: u64 = 900;

/// How the pages are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// As people type it, without a path: `https://portal.example.com`. `None`: only loopback names are known.
    pub url: Option<String>,
    /// Proxies in front, whose word on where a request came from is taken.
    pub proxies: Vec<IpNet>,
    /// Requests a second that a token may make.
    pub token_rate: u32,
}

impl Default for Settings {
    /// On this machine only, without a proxy.
    fn default() -> Settings {
        Settings { url: None, proxies: Vec::new(), token_rate: 10 }
    }
}

type Looked = BTreeMap<AccountId, (UnixMicros, Arc<Overview>)>;

/// What all pages share.
pub struct App {
    desk: Arc<dyn Desk>,
    /// Who is signed in.
    pub sessions: Arc<Sessions>,
    /// How the pages are reached.
    pub settings: Settings,
    /// One password is looked at at a time: it costs 19 MiB, and nobody may try two before the first is counted.
    pub log_ins: Semaphore,
    /// Log-ins that may wait.
    pub waiting: Semaphore,
    /// Live streams.
    pub streams: Arc<Seats<AccountId>>,
    looked: Mutex<Looked>,
    /// How tokens were used lately.
    pub paces: Paces,
    /// Changes of programs that are being carried out.
    pub under_way: UnderWay,
}

/// Shared by all requests.
pub type Shared = Arc<App>;

impl App {
    /// Pages over this desk.
    pub fn new(desk: Arc<dyn Desk>, sessions: Arc<Sessions>, settings: Settings) -> Shared {
        Arc::new(App {
            desk,
            sessions,
            settings,
            log_ins: Semaphore::new(1),
            waiting: Semaphore::new(MOST_WAITING),
            streams: Seats::new(MOST_STREAMS, MOST_STREAMS_EACH),
            looked: Mutex::default(),
            paces: Paces::default(),
            under_way: UnderWay::default(),
        })
    }

    /// Asks the desk, on a thread that may wait.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Desk) -> Result<T, DeskError> + Send + 'static,
    ) -> Result<T, DeskError> {
        let desk = Arc::clone(&self.desk);
        let answer = tokio::task::spawn_blocking(move || question(&*desk)).await;
        answer.unwrap_or_else(|error| Err(DeskError::Down(error.to_string())))
    }

    /// Writes who is signed in as a user, so that a restart does not sign him out; and, of a browser that is to be known
    /// from now on, the hash of its token.
    pub async fn keep(&self, user: WebUserId, browser: Option<String>) -> Result<(), DeskError> {
        let sessions = Arc::clone(&self.sessions);
        self.ask(move |desk| {
            let now = desk.now();
            desk.amend(user, &mut |user| {
                user.sessions = sessions.kept_of(user.id, now);
                if let Some(hash) = &browser {
                    user.browsers.retain(|known| known.hash != *hash);
                    user.browsers.push(KnownBrowser { hash: hash.clone(), seen: now });
                    let over = user.browsers.len().saturating_sub(MOST_BROWSERS);
                    user.browsers.drain(..over);
                }
                Ok(String::new())
            })
        })
        .await
        .map(drop)
    }

    /// Writes who is signed in as a user.
    pub async fn keep_sessions(&self, user: WebUserId) -> Result<(), DeskError> {
        self.keep(user, None).await
    }

    /// Works on a thread that may take long.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, DeskError> {
        tokio::task::spawn_blocking(work).await.map_err(|error| DeskError::Down(error.to_string()))
    }

    /// The time.
    pub fn now(&self) -> UnixMicros {
        self.desk.now()
    }

    /// An account's money now. Live streams know it from then on: none shows what was before a change.
    pub async fn overview(&self, account: AccountId) -> Result<Overview, DeskError> {
        let found = self.ask(move |desk| desk.overview(account)).await?;
        let found = found.ok_or_else(|| DeskError::Refused("this account is closed".to_owned()))?;
        self.remember(&found);
        Ok(found)
    }

    /// An account's money, not older than a second: all streams of an account share one look.
    pub async fn looked(&self, account: AccountId) -> Result<Arc<Overview>, DeskError> {
        if let Some(known) = self.looked_lately(account) {
            return Ok(known);
        }
        self.overview(account).await.map(Arc::new)
    }

    fn remember(&self, found: &Overview) {
        let now = self.now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|_, (at, _)| now.ms_since(*at) < LOOK_EVERY_MS);
        // Two looks may come back in another order than they were made.
        if looked.get(&found.account).is_none_or(|(_, known)| known.at <= found.at) {
            looked.insert(found.account, (now, Arc::new(found.clone())));
        }
    }

    fn looked_lately(&self, account: AccountId) -> Option<Arc<Overview>> {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = looked.get(&account)?;
        (self.now().ms_since(*at) < LOOK_EVERY_MS).then(|| Arc::clone(found))
    }

    /// Where a request came from: the socket's peer, unless that is a proxy of ours: then what it says last.
    pub fn source(&self, peer: IpAddr, forwarded: Option<&str>) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.is_proxy(peer) {
            return peer;
        }
        let last = forwarded.and_then(|list| list.rsplit(',').next());
        let told = last.and_then(|text| text.trim().parse::<IpAddr>().ok());
        told.map_or(peer, |told| told.to_canonical())
    }

    /// Is this address, made canonical, a proxy of ours?
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.settings.proxies.iter().any(|proxy| proxy.contains(&peer))
    }

    /// Are the pages reached by https?
    pub fn is_secure(&self) -> bool {
        self.settings.url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}
