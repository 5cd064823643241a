//! A carrier's invoice beside our own records. Lives here: which of its calls is which of ours, and how
//! they differ. Never here: files, columns, what a call should cost.

use std::collections::{BTreeMap, BTreeSet};

use types::{Cdr, Millis, Money, UnixMicros};

/// A call as the carrier bills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceCall {
    /// Where it stands: the line of a file.
    pub line: u64,
    /// Digits of the called number, with country code.
    pub number: String,
    /// When it began.
    pub started: UnixMicros,
    /// Seconds that were talked, or are billed.
    pub duration_s: u64,
    /// Its price, where the carrier says.
    pub price: Option<Money>,
}

/// How far two records of a call may lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Between the beginnings.
    pub start_ms: Millis,
    /// Between the durations.
    pub duration_s: u64,
    /// Between the prices.
    pub price: Money,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference<'a> {
    /// The carrier bills a call that we do not know.
    MissingHere(&'a InvoiceCall),
    /// We have a call that the carrier does not bill.
    MissingThere(&'a Cdr),
    /// Both have it, with other durations.
    Duration(&'a InvoiceCall, &'a Cdr),
    /// Both have it, with other prices.
    Price(&'a InvoiceCall, &'a Cdr),
}

/// What comparing found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled<'a> {
    /// Calls that both have, differing ones included.
    pub matched: u64,
    /// What the carrier asks for in all, where it says.
    pub invoiced: Money,
    /// What our records say that the carrier charges.
    pub expected: Money,
    /// Every difference: those of the invoice in its order, then the calls it leaves out, by start.
    pub differences: Vec<Difference<'a>>,
}

/// Compares an invoice with the answered calls that went out by its carrier. A call of the invoice is that
/// of ours to the same number whose beginning (the request, or the answer) is nearest, and within the
/// tolerance; each of ours is matched once. `None` if a sum does not fit.
pub fn reconcile<'a>(
    invoice: &'a [InvoiceCall],
    ours: &'a [Cdr],
    tolerance: Tolerance,
) -> Option<Reconciled<'a>> {
    let mates = mates(invoice, ours, tolerance);
    let taken: BTreeSet<usize> = mates.values().copied().collect();
    let mut found = Reconciled { matched: taken.len() as u64, ..Reconciled::default() };
    for (index, call) in invoice.iter().enumerate() {
        found.invoiced = found.invoiced.checked_add(call.price.unwrap_or_default())?;
        match mates.get(&index) {
            None => found.differences.push(Difference::MissingHere(call)),
            Some(&mate) => found.differences.extend(differences(call, &ours[mate], tolerance)),
        }
    }
    let mut left: Vec<&Cdr> = Vec::new();
    for (index, cdr) in ours.iter().enumerate() {
        found.expected = found.expected.checked_add(cdr.cost)?;
        if !taken.contains(&index) {
            left.push(cdr);
        }
    }
    left.sort_by_key(|cdr| (cdr.started, cdr.decision));
    found.differences.extend(left.into_iter().map(Difference::MissingThere));
    Some(found)
}

/// Which of ours is which of the invoice's: the nearest pairs first, so that two calls in a row to one
/// number are not crossed.
fn mates(invoice: &[InvoiceCall], ours: &[Cdr], tolerance: Tolerance) -> BTreeMap<usize, usize> {
    // Many calls may go to one number: only those of about the time are looked at.
    let mut begun: BTreeMap<String, BTreeSet<(UnixMicros, usize)>> = BTreeMap::new();
    for (index, cdr) in ours.iter().enumerate() {
        let of_number = begun.entry(number_of(cdr)).or_default();
        of_number
            .extend([Some(cdr.started), cdr.answered].into_iter().flatten().map(|at| (at, index)));
    }
    let mut pairs: BTreeSet<(u64, u64, usize, usize)> = BTreeSet::new();
    for (index, call) in invoice.iter().enumerate() {
        let Some(of_number) = begun.get(&call.number) else { continue };
        let within_us = tolerance.start_ms.saturating_mul(1_000);
        let from = UnixMicros(call.started.0.saturating_sub_unsigned(within_us));
        let to = UnixMicros(call.started.0.saturating_add_unsigned(within_us));
        for &(_, mate) in of_number.range((from, 0)..=(to, usize::MAX)) {
            let (apart, longer) =
                (start_apart(call, &ours[mate]), duration_apart(call, &ours[mate]));
            pairs.insert((apart, longer, index, mate));
        }
    }
    let (mut mates, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for (_, _, index, mate) in pairs {
        if !mates.contains_key(&index) && taken.insert(mate) {
            mates.insert(index, mate);
        }
    }
    mates
}

fn differences<'a>(
    call: &'a InvoiceCall,
    cdr: &'a Cdr,
    tolerance: Tolerance,
) -> impl Iterator<Item = Difference<'a>> {
    let longer = duration_apart(call, cdr) > tolerance.duration_s;
    let apart = call.price.map(|price| price.micros().abs_diff(cdr.cost.micros()));
    let dearer = apart.is_some_and(|apart| apart > tolerance.price.micros().unsigned_abs());
    let duration = longer.then_some(Difference::Duration(call, cdr));
    duration.into_iter().chain(dearer.then_some(Difference::Price(call, cdr)))
}

/// Digits of the number that a call of ours went to.
pub fn number_of(cdr: &Cdr) -> String {
    match cdr.destination.e164 {
        Some(number) => number.digits(),
        None => cdr.dialled.chars().filter(char::is_ascii_digit).collect(),
    }
}

fn start_apart(call: &InvoiceCall, cdr: &Cdr) -> u64 {
    let apart = |at: UnixMicros| call.started.0.abs_diff(at.0);
    apart(cdr.started).min(cdr.answered.map_or(u64::MAX, apart))
}

/// Whole seconds: a started second of ours counts as one.
fn duration_apart(call: &InvoiceCall, cdr: &Cdr) -> u64 {
    call.duration_s.abs_diff(cdr.duration_ms.div_ceil(1_000))
}
