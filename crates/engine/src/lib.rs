//! The decision. Lives here: who may call whom, at which price, with which money held, and until when.
//! Never here: SIP, sockets, files, the clock, dice, SQL, pages.
//!
//! A call's way: [`Engine::admit`] → [`Engine::answered`] → [`Engine::extend`] … → [`Engine::end`].
//! Everything the engine wants written it hands back as records; it reads nothing but its arguments.

mod config;
mod control;
mod directory;
mod engine;
mod live_call;
mod usage;
mod verdict;

pub use config::{EngineConfig, EngineError, OffHours};
pub use control::{Command, CommandError, Done};
pub use directory::AccountEntry;
pub use engine::Engine;
pub use jiff::civil::Date;
pub use live_call::{CallOrder, Deadlines, Extension};
pub use rating::Called;
pub use usage::{LiveCall, Usage};
pub use verdict::{Admission, Attempt, Caller, Ended, Refusal, Route, Target, Verdict};
