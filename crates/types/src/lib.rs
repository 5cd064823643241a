//! Words that every room shares. Lives here: money, time, numbers, ids, reasons, accounts, records.
//! Never here: SIP, SQL, HTML, a clock, dice that roll themselves, decisions.

pub mod access;
pub mod account;
pub mod cdr;
pub mod controls;
pub mod decision;
pub mod destination;
pub mod device;
pub mod dice;
pub mod ids;
pub mod ledger;
pub mod map;
pub mod money;
pub mod number;
pub mod rate;
pub mod reason;
pub mod record;
pub mod time;
pub mod trunk;

pub use access::{Ban, BanReason, LockOut, LockScope};
pub use account::{
    Account, AccountStatus, Controls, DialPlan, FormerSecret, Line, LineKind, LineStatus, Number,
};
pub use cdr::{Cdr, Direction, HangupSide};
pub use controls::{
    AccountRaises, By, Changed, ControlRequest, LineSecurity, LineStanding, Proof, Raise,
    RequestState, Risk, Setting, Standing,
};
pub use destination::{ClassSet, DestinationClass, InternationalTier};
pub use device::{Device, DeviceNotices, DeviceState, Place};
pub use dice::Dice;
pub use ids::{AccountId, DecisionId, DeckId, DeviceId, LineId, TrunkId};
pub use ledger::{LedgerAccount, Transfer, TransferKind};
pub use map::{HashKey, Map, Set};
pub use money::{Money, MoneyError};
pub use number::{E164, E164Error, Region};
pub use rate::{Rate, RateRow};
pub use reason::{Finding, Reason};
pub use record::{BindingRecord, Fact, Hold, HoldState, Record, Snapshot};
pub use time::{Millis, Now, Tick, UnixMicros};
pub use trunk::{Trunk, TrunkAuth, TrunkNumberFormat, TrunkRoute, TrunkTransport};
