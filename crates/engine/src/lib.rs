//! The decision. Lives here: who may call whom, at which price, with which money held, and until when.
//! Never here: SIP, sockets, files, the clock, dice, SQL, pages.
//!
//! A call's way: [`Engine::admit`] → [`Engine::answered`] → [`Engine::extend`] … → [`Engine::end`].
//! Everything the engine wants written it hands back as records; it reads nothing but its arguments.

mod access;
mod admission;
mod caller_id;
mod case;
mod config;
mod control;
mod dial_cache;
mod dial_string;
mod directory;
mod ending;
mod engine;
mod intern;
mod levels;
mod live_call;
mod metering;
mod most_at_risk;
mod off_hours;
mod place;
mod recovery;
mod routing;
mod rules;
mod usage;
mod verdict;
mod warning;

pub use access::age::days_old;
pub use access::secret::{MadeSecret, SecretForm};
pub use access::{
    Access, AccessConfig, Agent, Atlas, Bans, Budget, Claim, DeviceAt, Door, Entry, ForeignLogIn,
    Likeness, Proof, RangeError, Ranges, Spared, Way,
};
pub use config::{EngineConfig, EngineError, OffHours};
pub use control::{
    AuditReport, BanOrder, CallFacts, CallReport, Command, CommandError, ControlChange, Done,
    Judgement, LineChange, LockOrder, Misfit, Overlap, PlanOrder, PostOrder, PostWhat, Seen,
    TrialEnd, Weighed, changes, default_ceiling, next_time_of_day, risk,
};
pub use dial_string::dial_string;
pub use directory::AccountEntry;
pub use engine::Engine;
pub use intern::Shared;
pub use jiff::civil::Date;
pub use ledger::{Exposed, GreatestLoss};
pub use live_call::{CallOrder, Deadlines, Extension};
pub use most_at_risk::{Horizon, MostAtRisk};
pub use rating::Called;
pub use usage::{LiveCall, Usage};
pub use verdict::{Admission, Attempt, Caller, Ended, Refusal, Route, Target, Verdict};
