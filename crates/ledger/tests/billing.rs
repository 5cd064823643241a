//! Bills and carriers' invoices from outside: what is on them, what is not, and how they add up.

use ::ledger::{
    BillBasis, BillError, CallText, Difference, InvoiceCall, LastBill, Tolerance, make_bill,
    reconcile,
};
use types::*;

const SECOND: i64 = 1_000_000;

fn money(micros: i64) -> Money {
    Money::from_micros(micros)
}

/// The n-th call, answered at `n` hundred seconds; `talk_s` long.
fn cdr(n: u64, number: &str, talk_s: u64, price: i64) -> Cdr {
    let started = UnixMicros(n as i64 * 100 * SECOND);
    let talk_ms = talk_s * 1_000;
    let sample = record_samples::call(AccountId(7), number, started, talk_ms, Rate::FREE);
    let (price, cost) = (money(price), money(price / 2));
    Cdr { decision: DecisionId(n), price, cost, ..sample }
}

fn describe(cdr: &Cdr) -> CallText {
    let name = if cdr.dialled.starts_with("+33") { "France" } else { "Cuba" };
    CallText { name: name.to_owned(), billed_s: cdr.duration_ms.div_ceil(60_000) * 60 }
}

fn posting(kind: TransferKind, amount: i64) -> Posting {
    let account = Some(AccountId(7));
    let (debit, credit) = kind.sides(account, None).expect("it is about a holder");
    let (decision, at) = (DecisionId(99), UnixMicros(0));
    let transfer = Transfer { decision, kind, debit, credit, amount: money(amount), at };
    Posting { transfer, account, reference: None, by: "ann".to_owned(), note: String::new() }
}

fn covers(mark: u64, until: i64) -> Coverage {
    Coverage { marks: Marks { calls: mark, postings: mark }, until: UnixMicros(until) }
}

fn basis(last: Option<LastBill>) -> BillBasis {
    let (account, made) = (AccountId(7), UnixMicros(5));
    BillBasis { account, run: 3, made, covers: covers(9, 90), last }
}

#[test]
fn a_bill_adds_up() {
    let free = Cdr { direction: Direction::Incoming, ..cdr(4, "+33123456789", 10, 0) };
    let unanswered = Cdr { answered: None, ..cdr(5, "+33123456789", 0, 0) };
    let onnet = Cdr { direction: Direction::OnNet, ..cdr(6, "+33123456789", 10, 0) };
    let calls = [
        cdr(1, "+33123456789", 61, 500),
        cdr(2, "+5371234567", 10, 9_000),
        cdr(3, "+33123456789", 60, 300),
        free,
        unanswered,
        onnet,
    ];
    let postings = [
        posting(TransferKind::CostPrice, 4_500),
        posting(TransferKind::Payment, 2_000),
        posting(TransferKind::PaymentReturned, 500),
        posting(TransferKind::Goodwill, 100),
        posting(TransferKind::Instalment, 700),
        posting(TransferKind::InstalmentDue, 350),
        posting(TransferKind::WriteOff, 50),
    ];
    let last = LastBill { run: 2, covers: covers(4, 80), due: money(2_700) };
    let bill = make_bill(&basis(Some(last)), &calls, &postings, describe).expect("it fits");
    let lines: Vec<(&str, u64, u64, i64)> = bill
        .lines
        .iter()
        .map(|line| (line.name.as_str(), line.calls, line.billed_s, line.amount.micros()))
        .collect();
    assert_eq!(lines, [("Cuba", 1, 60, 9_000), ("France", 3, 120 + 60 + 60, 800)]);
    let amounts =
        |list: &[BillPosting]| -> Vec<i64> { list.iter().map(|one| one.amount.micros()).collect() };
    assert_eq!(amounts(&bill.adjustments), [-4_500, -100]);
    assert_eq!(amounts(&bill.payments), [-2_000, 500, -700, 350, -50]);
    let sums = (bill.charges(), bill.brought_forward, bill.total, bill.due);
    let (total, paid) = (9_800 - 4_600, -1_900);
    assert_eq!(sums, (money(9_800), money(2_700), money(total), money(2_700 + paid + total)));
    assert_eq!((bill.previous, bill.before, bill.from()), (2, last.covers, Some(UnixMicros(80))));
}

#[test]
fn a_first_bill_has_nothing_before_it_and_time_goes_on() {
    let bill = make_bill(&basis(None), &[], &[], describe).expect("it fits");
    assert_eq!((bill.previous, bill.before, bill.from()), (0, Coverage::NOTHING, None));
    assert_eq!((bill.total, bill.due), (Money::ZERO, Money::ZERO));
    for later in [covers(10, 90), covers(9, 91)] {
        let last = LastBill { run: 2, covers: later, due: Money::ZERO };
        let backwards = Err(BillError::Backwards(AccountId(7)));
        assert_eq!(make_bill(&basis(Some(last)), &[], &[], describe), backwards);
    }
    let (most, one) = (cdr(1, "+331", 1, i64::MAX), cdr(2, "+331", 1, 1));
    let overflow = Err(BillError::Overflow(AccountId(7)));
    assert_eq!(make_bill(&basis(None), &[most, one], &[], describe), overflow);
}

/// A call of an invoice: seconds since the beginning, how long, price in millionths.
fn invoiced(line: u64, number: &str, at_s: i64, duration_s: u64, price: i64) -> InvoiceCall {
    let started = UnixMicros(at_s * SECOND);
    let number = number.to_owned();
    InvoiceCall { line, number, started, duration_s, price: Some(money(price)) }
}

#[test]
fn an_invoice_is_compared_call_by_call() {
    let tolerance = Tolerance { start_ms: 5_000, duration_s: 1, price: money(10) };
    let check = |invoice: &[InvoiceCall], ours: &[Cdr], matched: u64, want: &[&str]| {
        let found = reconcile(invoice, ours, tolerance).expect("the sums fit");
        let words = |difference: &Difference<'_>| match difference {
            Difference::MissingHere(call) => format!("missing here {}", call.line),
            Difference::MissingThere(cdr) => format!("missing there {}", cdr.decision.0),
            Difference::Duration(call, cdr) => format!("duration {} {}", call.line, cdr.decision.0),
            Difference::Price(call, cdr) => format!("price {} {}", call.line, cdr.decision.0),
        };
        let got: Vec<String> = found.differences.iter().map(words).collect();
        assert_eq!((found.matched, got), (matched, want.iter().map(|w| (*w).to_owned()).collect()));
    };
    let ours = || vec![cdr(1, "+33123456789", 61, 1_000)];
    let same = |at_s, duration_s, price| invoiced(2, "33123456789", at_s, duration_s, price);
    // Ours began at 100 s and was answered at 105 s; it cost 500.
    check(&[same(104, 61, 500)], &ours(), 1, &[]);
    check(&[same(100, 61, 500)], &ours(), 1, &[]);
    check(&[same(95, 61, 500)], &ours(), 1, &[]);
    check(&[same(110, 61, 500)], &ours(), 1, &[]);
    check(&[same(94, 61, 500)], &ours(), 0, &["missing here 2", "missing there 1"]);
    check(&[same(111, 61, 500)], &ours(), 0, &["missing here 2", "missing there 1"]);
    check(&[same(104, 62, 510)], &ours(), 1, &[]);
    check(&[same(104, 63, 510)], &ours(), 1, &["duration 2 1"]);
    check(&[same(104, 59, 511)], &ours(), 1, &["duration 2 1", "price 2 1"]);
    check(&[same(104, 61, 489)], &ours(), 1, &["price 2 1"]);
    let no_price = InvoiceCall { price: None, ..same(104, 61, 0) };
    check(&[no_price], &ours(), 1, &[]);
    let elsewhere = invoiced(2, "33123456780", 104, 61, 500);
    check(&[elsewhere], &ours(), 0, &["missing here 2", "missing there 1"]);
    check(&[], &ours(), 0, &["missing there 1"]);
    check(&[same(104, 61, 500)], &[], 0, &["missing here 2"]);
    // Billed twice: one of the two is ours.
    let twice = [same(104, 61, 500), InvoiceCall { line: 3, ..same(104, 61, 500) }];
    check(&twice, &ours(), 1, &["missing here 3"]);
    // Two calls in a row are not crossed, whatever the order of the lines.
    let mut next = cdr(1, "+33123456789", 3, 100);
    next.decision = DecisionId(5);
    (next.started, next.answered) = (UnixMicros(107 * SECOND), None);
    let both = [invoiced(2, "33123456789", 107, 3, 50), invoiced(3, "33123456789", 103, 61, 500)];
    check(&both, &[ours().remove(0), next], 2, &[]);
}
