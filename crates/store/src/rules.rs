//! What every backend agrees on. Lives here: which records are refused, what a CDR adds to the
//! sums. Never here: where the sums are kept.

use types::cdr::Direction;
use types::decision::Outcome;
use types::record::Spending;
use types::{
    AccountId, Cdr, DecisionId, DestinationClass, Fact, HoldState, Money, Record, Region, Transfer,
    UnixMicros,
};

use crate::billing;
use crate::verification::Problem;

/// Spending is summed up by stretches of this length.
pub const STRETCH_US: i64 = 300 * 1_000_000;

/// The most that one call may be charged or cost: a billion units. Sums of any number of calls that
/// a database can hold then fit.
pub const MOST: Money = Money::from_units(1_000_000_000);

/// The start of the five-minute stretch of a time.
pub fn stretch(at: UnixMicros) -> UnixMicros {
    UnixMicros(at.0.saturating_sub(at.0.rem_euclid(STRETCH_US)))
}

/// Why a record is refused, if it is: what no backend can keep.
pub fn refusal(record: &Record) -> Option<String> {
    let too_long = |what: &str, ms: u64| {
        i64::try_from(ms).is_err().then(|| format!("{what} of {ms} ms is too long"))
    };
    let bad_id = |id: DecisionId| {
        i64::try_from(id.0).is_err().then(|| format!("decision {id} is beyond any clock"))
    };
    let bad_sum = |what: &str, id: DecisionId, amount: Money| {
        (amount.is_negative() || amount > MOST).then(|| format!("call {id}: {what} of {amount}"))
    };
    match record {
        Record::Hold(hold) => bad_id(hold.decision)
            .or_else(|| too_long("hold", hold.covered_ms))
            .or_else(|| bad_sum("hold", hold.decision, hold.amount)),
        Record::Cdr(cdr) => bad_id(cdr.decision)
            .or_else(|| too_long("call", cdr.duration_ms))
            .or_else(|| bad_sum("price", cdr.decision, cdr.price))
            .or_else(|| bad_sum("cost", cdr.decision, cdr.cost)),
        Record::Transfer(transfer) => bad_id(transfer.decision)
            .or_else(|| bad_sum("transfer", transfer.decision, transfer.amount)),
        Record::Posting(posting) => {
            let Transfer { decision, amount, .. } = posting.transfer;
            let fault = || posting.fault().map(|why| format!("decision {decision}: {why}"));
            bad_id(decision).or_else(|| bad_sum("posting", decision, amount)).or_else(fault)
        }
        Record::Bill(bill) => billing::bill_fault(bill),
        Record::Instalments(plan) => {
            let decisions = plan.instalments.iter().map(|one| one.decision);
            decisions.chain([plan.id]).find_map(bad_id)
        }
        Record::HoldClosed(id) => bad_id(*id),
        // A bill is chained by run and account in one number of the database.
        Record::BillRun(run) => i32::try_from(run.run)
            .is_err()
            .then(|| format!("bill run {} is beyond any calendar", run.run)),
        Record::BillRunDone(_)
        | Record::Binding(_)
        | Record::BindingGone(..)
        | Record::Device(_)
        | Record::DeviceGone(_)
        | Record::LockOut(_)
        | Record::LockOutGone(_)
        | Record::Ban(_)
        | Record::BanGone(_)
        | Record::Fact(..)
        | Record::Alive(_)
        | Record::Account(_)
        | Record::Reseller(_)
        | Record::Standing(_)
        | Record::LineStanding(_)
        | Record::TrunkStanding(_)
        | Record::Audited(_)
        | Record::Raises(_)
        | Record::ControlRequest(_)
        | Record::Line(_)
        | Record::Number(_)
        | Record::NumberGone(_)
        | Record::Trunk(_)
        | Record::WebUser(_)
        | Record::Deck(..)
        | Record::Contact(_)
        | Record::Alert(_)
        | Record::AlertMark(_)
        | Record::KeptAnswer(_)
        | Record::KeptAnswersGone(_) => None,
    }
}

/// Does the record hold something that must not lie on a disk in clear?
pub fn holds_secret(record: &Record) -> bool {
    match record {
        Record::Line(_) => true,
        Record::Trunk(trunk) => trunk.auth.is_some(),
        Record::WebUser(user) => user.totp.is_some(),
        _ => false,
    }
}

/// What a CDR adds to its account's spending, if anything.
pub fn spending(cdr: &Cdr) -> Option<Spending> {
    (!cdr.price.is_zero()).then(|| Spending {
        account: cdr.account,
        at: stretch(cdr.ended),
        amount: cdr.price,
        costly: cdr.destination.class.is_costly(),
    })
}

/// The first decision whose call may end at this time or later: no call lasts longer than a day.
pub fn first_decision_that_may_end_after(at: UnixMicros) -> DecisionId {
    const LONGEST_CALL_US: i64 = 86_400_000_000;
    let started = UnixMicros(at.0.saturating_sub(LONGEST_CALL_US).max(0));
    DecisionId::next(DecisionId(0), started, 0)
}

/// Does the CDR count against the hotspot limit?
pub fn is_hotspot_call(cdr: &Cdr) -> bool {
    cdr.destination.hotspot
        && cdr.direction == Direction::Outgoing
        && cdr.explanation.outcome == Outcome::Admitted
}

/// The country that the account has now called, if the CDR shows an answered international call.
pub fn country_called(cdr: &Cdr) -> Option<(AccountId, Region)> {
    let abroad = cdr.destination.class == DestinationClass::International
        && cdr.direction == Direction::Outgoing
        && cdr.answered.is_some();
    cdr.destination.region.filter(|_| abroad).map(|region| (cdr.account, region))
}

/// The newest decision and time that a record tells of.
pub fn newest(record: &Record) -> (DecisionId, UnixMicros) {
    let none = (DecisionId(0), UnixMicros(i64::MIN));
    match record {
        Record::Hold(hold) => match hold.state {
            HoldState::Pending => (hold.decision, hold.started),
            // The clock must not start before an answer that is on record: talk would be unpaid.
            HoldState::Answered(at) => (hold.decision, hold.started.max(at)),
        },
        Record::HoldClosed(id) => (*id, none.1),
        Record::Cdr(cdr) => (cdr.decision, cdr.ended),
        Record::Transfer(transfer) => (transfer.decision, transfer.at),
        Record::Posting(posting) => (posting.transfer.decision, posting.transfer.at),
        Record::BillRun(run) => (none.0, run.at),
        Record::Instalments(plan) => {
            let decisions = plan.instalments.iter().map(|one| one.decision);
            (decisions.fold(plan.id, DecisionId::max), plan.at)
        }
        Record::Fact(at, _) | Record::Alive(at) => (none.0, *at),
        Record::Standing(standing) => (none.0, standing.at),
        Record::LineStanding(standing) => (none.0, standing.at),
        Record::TrunkStanding(standing) => (none.0, standing.at),
        Record::Deck(at, _) => (none.0, *at),
        Record::Contact(contact) => (none.0, contact.at),
        _ => none,
    }
}

/// Whom a fact is about, if an account.
pub fn account_of(fact: &Fact) -> Option<AccountId> {
    match fact {
        Fact::WarningLevel { account, .. }
        | Fact::MoneyEnded { account, .. }
        | Fact::Registered { account, .. }
        | Fact::AccountChanged { account, .. }
        | Fact::LineChanged { account, .. }
        | Fact::Raised { account, .. }
        | Fact::Lowered { account, .. }
        | Fact::RaiseEnded { account, .. }
        | Fact::RequestMade { account, .. }
        | Fact::RequestApproved { account, .. }
        | Fact::RequestRefused { account, .. }
        | Fact::NumberChanged { account, .. }
        | Fact::NewDevice { account, .. }
        | Fact::DeviceMoved { account, .. }
        | Fact::DeviceChanged { account, .. }
        | Fact::BannedDeviceTried { account, .. }
        | Fact::PbxRecognised { account, .. }
        | Fact::StaleSecrets { account, .. }
        | Fact::OldSecretLeaked { account, .. }
        | Fact::OutsideLock { account, .. }
        | Fact::Overrun { account, .. }
        | Fact::AuditMismatch { account, .. }
        | Fact::MismatchSeen { account, .. }
        | Fact::CallReported { account, .. }
        | Fact::RecoveryStarted { account, .. }
        | Fact::RecoveryStepSaid { account, .. }
        | Fact::RecoveryReported { account, .. }
        | Fact::RecoveryEnded { account, .. }
        | Fact::CheckUpSaid { account, .. }
        | Fact::PortsChecked { account, .. }
        | Fact::TokenChanged { account, .. }
        | Fact::SecretAge { account, .. } => Some(*account),
        Fact::StopLevelNear(notice) | Fact::StopLevelReached(notice) => {
            notice.scope.is_holders().then_some(notice.account)
        }
        Fact::LockedOut { account, .. }
        | Fact::LockLifted { account, .. }
        | Fact::ContactChanged { account, .. }
        | Fact::AlertTested { account, .. }
        | Fact::AlertGivenUp { account, .. } => *account,
        Fact::ResellerChanged { .. }
        | Fact::Banned { .. }
        | Fact::BanLifted { .. }
        | Fact::Started { .. }
        | Fact::Stopped
        | Fact::TrunkReachable { .. }
        | Fact::TrunkChanged { .. }
        | Fact::DeckImported { .. } => None,
    }
}

/// The `fact` tag of a fact written as JSON.
pub fn kind_of(body: &str) -> &str {
    body.strip_prefix(r#"{"fact":""#).and_then(|rest| rest.split('"').next()).unwrap_or("")
}

/// How many sums [`compare`] takes.
pub const SUMS: usize = 6;

/// What does not come out for an account: sums of its CDRs, charges, un-billed total, spending, of what
/// was given back of its usage, of its bills' totals.
pub fn compare(
    account: AccountId,
    [cdrs, charges, kept, spending, given_back, billed]: [Money; SUMS],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let left = cdrs.saturating_sub(given_back).saturating_sub(billed);
    if kept != left {
        problems.push(Problem::Unbilled { account, kept, cdrs: left });
    }
    if charges != cdrs {
        problems.push(Problem::Charges { account, charges, cdrs });
    }
    if spending != cdrs {
        problems.push(Problem::Spending { account, spending, cdrs });
    }
    problems
}
