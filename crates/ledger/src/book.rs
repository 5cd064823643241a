//! Double entry. Lives here: the transfers of a call, those that people order, and the running balances.
//! Never here: holds (they are not spent), what a call costs, bills.

use std::collections::{BTreeMap, VecDeque};

use types::{
    AccountId, DecisionId, HashKey, LedgerAccount, Map, Money, Posting, Transfer, TransferKind,
    TrunkId, UnixMicros,
};

/// What became of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is in the book now.
    New,
    /// It was there already; nothing changed (M3).
    Again,
}

/// Why a transfer is not posted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// Below nothing.
    #[error("a transfer of call {0} is negative")]
    Negative(DecisionId),
    /// Same decision and kind, but another amount.
    #[error("call {decision} was posted with {posted} before, now with {amount}")]
    Differs {
        /// Which call.
        decision: DecisionId,
        /// The amount in the book.
        posted: Money,
        /// The amount now.
        amount: Money,
    },
    /// Both sides are the same account.
    #[error("a transfer of call {0} has one account on both sides")]
    OneSided(DecisionId),
    /// The reference of a posting stands for another one of its kind.
    #[error("`{0}` is the reference of another posting of this kind")]
    ReferenceTaken(String),
}

/// Running balances of the double-entry ledger since the start: debits positive, credits negative.
///
/// Holders' accounts are kept as one sum: each holder's own is his un-billed usage.
pub struct Book {
    receivable: i128,
    revenue: i128,
    carrier_cost: i128,
    carrier_payable: BTreeMap<TrunkId, i128>,
    cash: i128,
    goodwill: i128,
    written_off: i128,
    instalments: i128,
    posted: Map<(DecisionId, TransferKind), Money>,
    /// Of calls, which come in thousands; of people, who would otherwise be forgotten among them.
    order: [VecDeque<(DecisionId, TransferKind)>; 2],
    references: Map<(TransferKind, String), DecisionId>,
    named: VecDeque<(TransferKind, String)>,
    memory: usize,
}

impl Book {
    /// An empty book that knows the last `memory` postings again. The store knows all of them.
    pub fn new(hash: HashKey, memory: usize) -> Book {
        Book {
            receivable: 0,
            revenue: 0,
            carrier_cost: 0,
            carrier_payable: BTreeMap::new(),
            cash: 0,
            goodwill: 0,
            written_off: 0,
            instalments: 0,
            posted: Map::with_hasher(hash),
            order: [VecDeque::new(), VecDeque::new()],
            references: Map::with_hasher(hash),
            named: VecDeque::new(),
            memory,
        }
    }

    /// Posts a transfer once.
    pub fn post(&mut self, transfer: &Transfer) -> Result<Posted, BookError> {
        let Transfer { decision, kind, debit, credit, amount, .. } = *transfer;
        if amount.is_negative() {
            return Err(BookError::Negative(decision));
        }
        if debit == credit {
            return Err(BookError::OneSided(decision));
        }
        match self.posted.get(&(decision, kind)) {
            Some(&posted) if posted == amount => return Ok(Posted::Again),
            Some(&posted) => {
                return Err(BookError::Differs { decision, posted, amount });
            }
            None => {}
        }
        // After this point it must succeed.
        let amount_micros = i128::from(amount.micros());
        *self.balance_of(debit) += amount_micros;
        *self.balance_of(credit) -= amount_micros;
        self.remember((decision, kind), amount);
        assert_eq!(self.difference(), 0, "debits equal credits after each posting");
        Ok(Posted::New)
    }

    /// Posts what people ordered, once. A reference that was used for the same kind of posting lately
    /// stands for the same amount: it is told again, whatever decision it was given now.
    pub fn post_ordered(&mut self, posting: &Posting) -> Result<Posted, BookError> {
        let transfer = &posting.transfer;
        let name = posting.reference.clone().map(|reference| (transfer.kind, reference));
        if let Some(name) = &name
            && let Some(&decision) = self.references.get(name)
            && decision != transfer.decision
        {
            let same = self.posted(decision, transfer.kind) == Some(transfer.amount);
            return match same {
                true => Ok(Posted::Again),
                false => Err(BookError::ReferenceTaken(name.1.clone())),
            };
        }
        let posted = self.post(transfer)?;
        if let (Some(name), Posted::New) = (name, posted) {
            self.references.insert(name.clone(), transfer.decision);
            self.named.push_back(name);
            if self.named.len() > self.memory
                && let Some(oldest) = self.named.pop_front()
            {
                self.references.remove(&oldest);
            }
        }
        Ok(posted)
    }

    /// The amount posted of a kind for a decision, if it was lately.
    pub fn posted(&self, decision: DecisionId, kind: TransferKind) -> Option<Money> {
        self.posted.get(&(decision, kind)).copied()
    }

    /// Balance in millionths: debits less credits. `Receivable` and `Instalments` of any holder give all
    /// holders' sum.
    pub fn balance(&self, account: LedgerAccount) -> i128 {
        match account {
            LedgerAccount::Receivable(_) => self.receivable,
            LedgerAccount::Revenue => self.revenue,
            LedgerAccount::CarrierCost => self.carrier_cost,
            LedgerAccount::CarrierPayable(trunk) => {
                self.carrier_payable.get(&trunk).copied().unwrap_or(0)
            }
            LedgerAccount::Cash => self.cash,
            LedgerAccount::Goodwill => self.goodwill,
            LedgerAccount::WrittenOff => self.written_off,
            LedgerAccount::Instalments(_) => self.instalments,
        }
    }

    /// Debits less credits over the whole book: nothing, always.
    pub fn difference(&self) -> i128 {
        let payable: i128 = self.carrier_payable.values().sum();
        let calls = self.receivable + self.revenue + self.carrier_cost + payable;
        calls + self.cash + self.goodwill + self.written_off + self.instalments
    }

    fn balance_of(&mut self, account: LedgerAccount) -> &mut i128 {
        match account {
            LedgerAccount::Receivable(_) => &mut self.receivable,
            LedgerAccount::Revenue => &mut self.revenue,
            LedgerAccount::CarrierCost => &mut self.carrier_cost,
            LedgerAccount::CarrierPayable(trunk) => self.carrier_payable.entry(trunk).or_default(),
            LedgerAccount::Cash => &mut self.cash,
            LedgerAccount::Goodwill => &mut self.goodwill,
            LedgerAccount::WrittenOff => &mut self.written_off,
            LedgerAccount::Instalments(_) => &mut self.instalments,
        }
    }

    fn remember(&mut self, key: (DecisionId, TransferKind), amount: Money) {
        self.posted.insert(key, amount);
        let of_call = matches!(key.1, TransferKind::Charge | TransferKind::Cost);
        let order = &mut self.order[usize::from(!of_call)];
        order.push_back(key);
        if order.len() > self.memory
            && let Some(oldest) = order.pop_front()
        {
            self.posted.remove(&oldest);
        }
    }
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Book({} recent postings)", self.posted.len())
    }
}

/// The transfers of an ended call: its price, and its cost if a trunk carried it. Nothing is posted for nothing.
pub fn call_transfers(
    decision: DecisionId,
    account: AccountId,
    price: Money,
    carried: Option<(TrunkId, Money)>,
    at: UnixMicros,
) -> impl Iterator<Item = Transfer> {
    let charge = Transfer {
        decision,
        kind: TransferKind::Charge,
        debit: LedgerAccount::Receivable(account),
        credit: LedgerAccount::Revenue,
        amount: price,
        at,
    };
    let cost = carried.map(|(trunk, cost)| Transfer {
        decision,
        kind: TransferKind::Cost,
        debit: LedgerAccount::CarrierCost,
        credit: LedgerAccount::CarrierPayable(trunk),
        amount: cost,
        at,
    });
    std::iter::once(charge).chain(cost).filter(|transfer| !transfer.amount.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Book {
        Book::new(HashKey(1, 2), 3)
    }

    fn charge(decision: u64, amount: i64) -> Transfer {
        call_transfers(
            DecisionId(decision),
            AccountId(7),
            Money::from_micros(amount),
            None,
            UnixMicros(0),
        )
        .next()
        .expect("an amount was given")
    }

    #[test]
    fn posts_once_however_often_it_is_delivered() {
        let mut book = book();
        assert_eq!(book.post(&charge(1, 500)), Ok(Posted::New));
        for _ in 0..9 {
            assert_eq!(book.post(&charge(1, 500)), Ok(Posted::Again));
        }
        assert_eq!(book.balance(LedgerAccount::Receivable(AccountId(7))), 500);
        assert_eq!(book.balance(LedgerAccount::Revenue), -500);
        assert_eq!(book.difference(), 0);
    }

    #[test]
    fn refuses_what_cannot_be() {
        let mut book = book();
        book.post(&charge(1, 500)).expect("a plain charge");
        let mut check = |transfer: Transfer, want: BookError| {
            assert_eq!(book.post(&transfer), Err(want));
        };
        let (posted, amount) = (Money::from_micros(500), Money::from_micros(501));
        check(charge(1, 501), BookError::Differs { decision: DecisionId(1), posted, amount });
        check(charge(2, -1), BookError::Negative(DecisionId(2)));
        let one_sided = Transfer { debit: LedgerAccount::Revenue, ..charge(3, 1) };
        check(one_sided, BookError::OneSided(DecisionId(3)));
    }

    #[test]
    fn remembers_a_bounded_number_of_postings() {
        let mut book = book();
        for decision in 1..=100 {
            book.post(&charge(decision, 1)).expect("a plain charge");
        }
        assert_eq!((book.posted.len(), book.order[0].len()), (3, 3));
        assert_eq!(book.post(&charge(100, 1)), Ok(Posted::Again));
    }

    fn ordered(decision: u64, kind: TransferKind, amount: i64, reference: &str) -> Posting {
        let (account, trunk) = match kind {
            TransferKind::CarrierCredit => (None, Some(TrunkId(3))),
            _ => (Some(AccountId(7)), None),
        };
        let (debit, credit) = kind.sides(account, trunk).expect("a kind that people order");
        let amount = Money::from_micros(amount);
        let (decision, at) = (DecisionId(decision), UnixMicros(0));
        let transfer = Transfer { decision, kind, debit, credit, amount, at };
        let reference = (!reference.is_empty()).then(|| reference.to_owned());
        Posting { transfer, account, reference, by: "ann".to_owned(), note: String::new() }
    }

    #[test]
    fn every_kind_of_posting_balances() {
        let mut book = book();
        book.post(&charge(1, 500)).expect("a plain charge");
        let kinds = TransferKind::ALL.into_iter().filter(|kind| *kind as u8 > 2);
        for (index, kind) in kinds.enumerate() {
            let posting = ordered(10 + index as u64, kind, 1 << index, "");
            assert_eq!(book.post_ordered(&posting), Ok(Posted::New), "{kind}");
            assert_eq!(book.post_ordered(&posting), Ok(Posted::Again), "{kind}");
        }
        let balance = |account| book.balance(account);
        let owed = 500 - 1 - 2 - 4 - 8 + 16 - 64 + 128 - 256;
        assert_eq!(balance(LedgerAccount::Receivable(AccountId(7))), owed);
        assert_eq!(balance(LedgerAccount::Revenue), -500 + 1 + 2);
        assert_eq!(balance(LedgerAccount::Goodwill), 4);
        assert_eq!(balance(LedgerAccount::Cash), 8 - 16);
        assert_eq!(balance(LedgerAccount::CarrierCost), -32);
        assert_eq!(balance(LedgerAccount::CarrierPayable(TrunkId(3))), 32);
        assert_eq!(balance(LedgerAccount::Instalments(AccountId(7))), 64 - 128);
        assert_eq!(balance(LedgerAccount::WrittenOff), 256);
        assert_eq!(book.difference(), 0);
    }

    #[test]
    fn a_reference_is_one_posting_of_its_kind() {
        let mut book = book();
        let payment = |decision, amount| ordered(decision, TransferKind::Payment, amount, "FT1");
        assert_eq!(book.post_ordered(&payment(1, 5)), Ok(Posted::New));
        // Told again with another decision, and among a thousand calls.
        (100..1_100).for_each(|call| drop(book.post(&charge(call, 1))));
        for again in 1..=10 {
            assert_eq!(book.post_ordered(&payment(again, 5)), Ok(Posted::Again));
        }
        let taken = BookError::ReferenceTaken("FT1".to_owned());
        assert_eq!(book.post_ordered(&payment(11, 6)), Err(taken));
        let returned = ordered(12, TransferKind::PaymentReturned, 5, "FT1");
        assert_eq!(book.post_ordered(&returned), Ok(Posted::New));
        assert_eq!(book.balance(LedgerAccount::Cash), 0);
        for other in 0..100 {
            let payment = ordered(20 + other, TransferKind::Payment, 1, &format!("P{other}"));
            assert_eq!(book.post_ordered(&payment), Ok(Posted::New));
        }
        assert_eq!((book.references.len(), book.named.len(), book.order[1].len()), (3, 3, 3));
    }

    #[test]
    fn a_call_posts_its_price_and_its_cost() {
        fn check(price: i64, cost: Option<i64>, want: &[TransferKind]) {
            let carried = cost.map(|cost| (TrunkId(3), Money::from_micros(cost)));
            let price = Money::from_micros(price);
            let kinds: Vec<TransferKind> =
                call_transfers(DecisionId(1), AccountId(7), price, carried, UnixMicros(0))
                    .map(|transfer| transfer.kind)
                    .collect();
            assert_eq!(kinds, want);
        }
        check(5, Some(3), &[TransferKind::Charge, TransferKind::Cost]);
        check(5, None, &[TransferKind::Charge]);
        check(5, Some(0), &[TransferKind::Charge]);
        check(0, Some(3), &[TransferKind::Cost]);
        check(0, None, &[]);
    }
}
