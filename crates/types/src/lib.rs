//! Words that every room shares. Lives here: money, time, numbers, ids, reasons, accounts, records.
//! Never here: SIP, SQL, HTML, a clock, dice that roll themselves, decisions.

pub mod access;
pub mod account;
pub mod bill;
pub mod catalogue;
pub mod cdr;
pub mod cell;
pub mod check_up;
pub mod chunks;
pub mod contact;
pub mod controls;
pub mod country;
pub mod decision;
pub mod destination;
pub mod device;
pub mod dice;
pub mod fact;
pub mod fact_samples;
pub mod fact_text;
pub mod hours;
pub mod ids;
pub mod ledger;
pub mod map;
pub mod money;
pub mod number;
pub mod prints;
pub mod rate;
pub mod reason;
pub mod record;
pub mod record_samples;
pub mod recovery;
pub mod shared_texts;
pub mod source;
pub mod stop_level;
pub mod time;
pub mod trunk;
pub mod web_user;

pub use access::{Ban, BanReason, LockOut, LockScope};
pub use account::{
    Account, AccountStatus, Controls, DialPlan, FormerSecret, Line, LineKind, LineStatus, Number,
};
pub use bill::{
    Bill, BillId, BillLine, BillPosting, BillRun, Coverage, Instalment, InstalmentPlan, KnownRun,
    Marks, StoredPosting,
};
pub use catalogue::{Audience, Entry, EventClass, Severity};
pub use cdr::{Cdr, Direction, HangupSide};
pub use check_up::{CheckPoint, OpenPort};
pub use chunks::Chunks;
pub use contact::{Alert, AlertId, AlertState, Channel, Contact, QuietHours};
pub use controls::{
    AccountRaises, By, Changed, ControlRequest, LineSecurity, LineStanding, LockTrial, Proof,
    Raise, RequestState, Risk, Setting, Standing, TrunkStanding,
};
pub use destination::{ClassSet, DestinationClass, InternationalTier};
pub use device::{Device, DeviceNotices, DeviceState, Place};
pub use dice::Dice;
pub use fact::{Fact, StalePhone};
pub use fact_text::{fact_text, fact_text_with};
pub use hours::{HourSet, HoursError, WeekHour};
pub use ids::{
    AccountId, ContactId, DecisionId, DeckId, DeviceId, LineId, ResellerId, TrunkId, WebUserId,
};
pub use ledger::{LedgerAccount, Posting, Transfer, TransferKind};
pub use map::{HashKey, Map, Set};
pub use money::{Money, MoneyError};
pub use number::{E164, E164Error, Region};
pub use prints::Prints;
pub use rate::{Rate, RateRow};
pub use reason::{Finding, Reason};
pub use record::{BindingRecord, Hold, HoldState, Record, Snapshot};
pub use recovery::{RecoveryReport, RecoveryStep, StepOutcome, StepWord};
pub use shared_texts::{SharedTexts, TextId};
pub use source::Source;
pub use stop_level::{LevelNotice, LevelScope, Reseller, StopLevels};
pub use time::{Millis, Now, Tick, UnixMicros};
pub use trunk::{Trunk, TrunkAuth, TrunkNumberFormat, TrunkRoute, TrunkTransport};
pub use web_user::{KeptSession, KnownBrowser, OneTimeLink, TotpSecret, WebUser};
