//! What of a record is hashed. Lives here: everything but secrets. Never here: the form of the bytes (`canonical`).

use serde::Serialize;
use types::account::Ha1;
use types::{AccountId, DecisionId, KnownRun, Line, Posting, Record, TransferKind, Trunk};

use super::{Content, Hash};
use crate::deck_states::in_order;

/// Writes what is hashed of a record. Verifiers and secrets are left out: a hash of them would let
/// passwords be tried. In their place stands a digest of what they are sealed as, if they are.
pub fn write(content: &mut Content, record: &Record, sealed: Option<&Hash>) {
    match record {
        Record::Cdr(cdr) => content.add(&**cdr),
        Record::Transfer(transfer) => content.add(transfer),
        Record::Fact(at, fact) => {
            content.field("at", at);
            content.field("fact", fact);
        }
        Record::Account(account) => content.add(&**account),
        Record::Line(line) => content.add(&without_verifiers(line)),
        Record::Number(number) => content.add(number),
        Record::Trunk(trunk) => content.add(&without_secret(trunk)),
        Record::Deck(at, deck) => {
            content.field("at", at);
            content.add(&in_order(deck));
        }
        Record::Posting(posting) => content.add(&Ordered::of(posting)),
        Record::Bill(bill) => content.add(&**bill),
        Record::Instalments(plan) => content.add(&**plan),
        Record::Reseller(reseller) => content.add(&**reseller),
        Record::Standing(standing) => content.add(&**standing),
        Record::LineStanding(standing) => content.add(&**standing),
        Record::TrunkStanding(standing) => content.add(standing),
        Record::Raises(raises) if raises.is_empty() => {}
        Record::Raises(raises) => content.add(&**raises),
        Record::ControlRequest(request) => content.add(&**request),
        Record::WebUser(user) => content.add(&user.without_secret()),
        Record::Contact(contact) => content.add(&**contact),
        // See `write_run`: the order alone does not tell the marks.
        Record::BillRun(_) | Record::BillRunDone(_) => {}
        Record::NumberGone(_)
        | Record::Hold(_)
        | Record::HoldClosed(_)
        | Record::Binding(_)
        | Record::BindingGone(..)
        | Record::Device(_)
        | Record::DeviceGone(_)
        | Record::LockOut(_)
        | Record::LockOutGone(_)
        | Record::Ban(_)
        | Record::BanGone(_)
        | Record::Alert(_)
        | Record::AlertMark(_)
        | Record::KeptAnswer(_)
        | Record::KeptAnswersGone(_)
        | Record::Audited(_)
        | Record::Alive(_) => {}
    }
    if let Some(sealed) = sealed {
        content.field("secret", sealed);
    }
}

/// Writes what is hashed of a bill run: its marks are the store's own, and not the same in every backend.
pub fn write_run(content: &mut Content, known: &KnownRun) {
    content.add(&known.run);
    content.field("marks", &known.marks);
    content.field("done", &known.done);
}

/// A posting without what moved: that is a transfer with a link of its own.
#[derive(Serialize)]
pub struct Ordered<'p> {
    pub decision: DecisionId,
    pub kind: TransferKind,
    pub account: Option<AccountId>,
    pub reference: Option<&'p str>,
    pub by: &'p str,
    pub note: &'p str,
}

impl<'p> Ordered<'p> {
    fn of(posting: &'p Posting) -> Ordered<'p> {
        let Posting { transfer, account, reference, by, note } = posting;
        let (decision, kind) = (transfer.decision, transfer.kind);
        Ordered { decision, kind, account: *account, reference: reference.as_deref(), by, note }
    }
}

fn without_verifiers(line: &Line) -> Line {
    let none = || Ha1 { md5: [0; 16], sha256: [0; 32] };
    let mut line = Line { ha1: none(), ..line.clone() };
    line.former.iter_mut().for_each(|former| former.ha1 = none());
    line
}

fn without_secret(trunk: &Trunk) -> Trunk {
    let mut trunk = trunk.clone();
    if let Some(auth) = &mut trunk.auth {
        auth.secret.clear();
    }
    trunk
}
