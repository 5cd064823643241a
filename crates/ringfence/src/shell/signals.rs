//! Signals as something to read. Lives here: the signal descriptor. Never here: what a signal does.

use std::os::fd::{AsRawFd, RawFd};

use anyhow::Context;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What the operator wants by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// End in good order; a second time: now.
    Stop,
    /// Read again what can be: the certificate.
    Reload,
    /// Nothing that we do.
    Nothing,
}

/// The signals of this process, blocked everywhere else.
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals in this thread and those it starts later.
    pub fn new() -> anyhow::Result<Signals> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block().context("cannot block signals")?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        SignalFd::with_flags(&set, flags).map(Signals).context("cannot listen to signals")
    }

    /// For the poll.
    pub fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// The next signal that came.
    pub fn next(&mut self) -> Option<Wish> {
        let info = self.0.read_signal().ok().flatten()?;
        match Signal::try_from(info.ssi_signo as i32) {
            Ok(Signal::SIGTERM | Signal::SIGINT) => Some(Wish::Stop),
            Ok(Signal::SIGHUP) => Some(Wish::Reload),
            _ => Some(Wish::Nothing),
        }
    }
}
