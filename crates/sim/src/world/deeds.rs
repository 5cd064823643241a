//! What the world itself does to the node. Lives here: deeds, death and coming back. Never here: what follows from it.

use edge::{Input, Node};
use store::SnapshotWindow;
use types::{HashKey, Millis, Now, Tick};

use super::{Event, World};
use crate::disk::DiskEvent;
use crate::office::Errand;

/// Something that the world itself does.
#[derive(Clone, Debug)]
pub enum Deed {
    /// The node dies and comes back after so long; meanwhile the machine's clock jumps by so many microseconds.
    Crash {
        /// How long it is down.
        back_after_ms: Millis,
        /// By how much the machine's clock is wrong afterwards.
        clock_jump_us: i64,
    },
    /// The node comes back.
    Restart,
    /// Staff want something.
    Command(Box<engine::Command>),
    /// The office wants something, and looks into the store first.
    Errand(Box<Errand>),
    /// What the store is writing now will be lost in a crash.
    LoseWrite,
    /// The store hangs.
    Stall(Millis),
    /// The disk is full.
    Full(Millis),
    /// Everybody ends what he does; faults are over.
    Rest,
    /// The node is to stop in good order.
    Shutdown,
}

impl World {
    pub(super) fn deed(&mut self, deed: Deed) {
        match deed {
            Deed::Crash { back_after_ms, clock_jump_us } => {
                self.crash(back_after_ms, clock_jump_us)
            }
            Deed::Restart => self.restart(),
            Deed::Command(command) => {
                self.feed(Input::Command { id: self.steps, commands: vec![*command] })
            }
            Deed::Errand(errand) => self.errand(*errand),
            Deed::LoseWrite => self.disk.lose_what_is_written(),
            Deed::Stall(ms) => self.disk.trouble(self.now, ms, false),
            Deed::Full(ms) => self.disk.trouble(self.now, ms, true),
            Deed::Rest => self.rest(),
            Deed::Shutdown => {
                let now = self.node_now();
                if let Some(node) = &mut self.node {
                    node.begin_shutdown(now);
                }
            }
        }
    }

    /// Looks into the store and orders what follows; what has further steps comes again until they are done.
    fn errand(&mut self, errand: Errand) {
        if self.is_resting {
            return;
        }
        let wall = self.node_now().wall;
        let command = errand.command(self.disk.store(), wall, self.planted);
        let again = errand.again_us().filter(|_| command.is_some());
        if let Some(command) = command {
            self.deed(Deed::Command(Box::new(command)));
        }
        if let Some(after_us) = again {
            self.at(self.now + after_us, Deed::Errand(Box::new(errand)));
        }
    }

    fn rest(&mut self) {
        self.is_resting = true;
        self.network.heal();
        self.disk.heal();
        for at in 0..self.actors.len() {
            let Self { actors, story, .. } = self;
            actors[at].rest(self.now, story);
            self.collect(at);
        }
    }

    fn crash(&mut self, back_after_ms: Millis, clock_jump_us: i64) {
        if self.node.take().is_none() {
            return;
        }
        self.story.tell(self.now, || "the node crashes".to_owned());
        for event in self.disk.crash() {
            if let DiskEvent::Durable(records) = event {
                self.auditor.durable(&records);
            }
        }
        self.auditor.crashed(self.now, self.disk.newest());
        self.connections.clear();
        self.clock.jump(clock_jump_us);
        self.push(self.now + back_after_ms * 1_000, Event::Deed(Deed::Restart));
    }

    pub(super) fn restart(&mut self) {
        if self.node.is_some() {
            return;
        }
        // The window of the snapshot begins at the disciplined clock, which needs the newest time first.
        self.clock.restart(self.now, self.disk.newest());
        let wall = self.clock.wall(self.now);
        self.auditor.drift(self.clock.drift_us(self.now));
        let snapshot = self.disk.snapshot(SnapshotWindow::at(wall));
        self.secrets.fill(&mut self.config.secrets.nonce);
        self.secrets.fill(&mut self.config.secrets.tokens);
        self.config.secrets.hash = HashKey(self.secrets.bits(), self.secrets.bits());
        self.config.engine.hash = self.config.secrets.hash;
        self.epoch = self.now;
        self.starts += 1;
        let holds = snapshot.holds.len();
        let now = Now { tick: Tick(0), wall };
        match Node::new(self.config.clone(), snapshot, now) {
            Ok(node) => {
                if self.starts > 1 {
                    self.story.tell(self.now, || {
                        format!("the node is back with {holds} calls from before")
                    });
                }
                self.auditor.restarted(self.now, now, &node, self.disk.store());
                self.node = Some(node);
                self.drain();
            }
            Err(error) => self.auditor.blame(self.now, format!("the node does not start: {error}")),
        }
    }

    /// The node has done something more; was it the last thing?
    pub(super) fn dies_now(&mut self) -> bool {
        if self.node.is_none() {
            return true;
        }
        self.things_done += 1;
        let dies = self.dies_after == Some(self.things_done);
        if dies {
            self.crash(500, 0);
        }
        dies
    }
}
