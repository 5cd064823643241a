//! Telling people, on threads of their own. Lives here: one thread that plans, some that send, how they stop. Never here: who is
//! told what (notify), the node's thread: a mail server that hangs delays nobody's call.
//!
//! ```text
//! store's writer ── bell ──► planner ── jobs ──► senders (mail, webhooks)
//!                              │  ▲                  │
//!                   Ask::Write ▼  └──── outcomes ────┘
//!                          node's thread ──► store
//! ```

mod desk;
mod key;
mod planner;
mod sender;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context;
use notify::Outcome;
use types::{AlertId, Channel};

use super::control::NodeHandle;
use crate::config::Config;

pub use desk::{ContactDesk, ContactWish, Direct, contact_view, directly};
pub use key::codes;
pub use sender::templates;

/// What the planner hears.
enum Event {
    /// Something was written.
    Rung,
    /// A try has ended.
    Ended(AlertId, Channel, Outcome),
    /// The node is stopping.
    Stop,
}

/// Tells the planner that something was written; never waits.
#[derive(Clone)]
pub struct Bell {
    events: Sender<Event>,
    is_rung: Arc<AtomicBool>,
}

/// The planner's end.
pub struct Rung {
    sender: Sender<Event>,
    events: Receiver<Event>,
    is_rung: Arc<AtomicBool>,
}

/// A bell and who hears it.
pub fn bell() -> (Bell, Rung) {
    let (sender, events) = channel();
    let is_rung = Arc::new(AtomicBool::new(false));
    let bell = Bell { events: sender.clone(), is_rung: is_rung.clone() };
    (bell, Rung { sender, events, is_rung })
}

impl Bell {
    /// Rings, unless it was and nobody has looked since.
    pub fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // The planner may have ended.
            drop(self.events.send(Event::Rung));
        }
    }
}

/// The threads, as the node's thread sees them.
pub struct Alerts {
    events: Sender<Event>,
    is_quiet: Arc<AtomicBool>,
}

impl Alerts {
    /// Starts them.
    pub fn start(config: &Config, node: NodeHandle, rung: Rung) -> anyhow::Result<Alerts> {
        let events = rung.sender.clone();
        let is_quiet = Arc::new(AtomicBool::new(false));
        let planner = planner::Planner::new(config, node, rung, is_quiet.clone())?;
        let run = move || planner.run();
        std::thread::Builder::new()
            .name("alerts".to_owned())
            .spawn(run)
            .context("cannot start the thread of alerts")?;
        Ok(Alerts { events, is_quiet })
    }

    /// Nothing new is sent; what is under way has two seconds to end.
    pub fn stop(&self) {
        // The planner may have ended.
        drop(self.events.send(Event::Stop));
    }

    /// After [`Alerts::stop`]: is everything written that is known of what was sent?
    pub fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Acquire)
    }
}
