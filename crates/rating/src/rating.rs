//! What a call costs and how much to hold for it. Lives here: increments, minimum, the one rounding.
//! Never here: which rate applies (rate_deck), whether it may be spent (ledger).

use types::{InternationalTier, Millis, Money, Rate};

/// Why a rate gives no cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// An increment of no length: no number of them covers a call.
    #[error("an increment of 0 seconds cannot be charged; the shortest is 1")]
    ZeroIncrement,
    /// A price below nothing would pay people for calling.
    #[error("a negative price cannot be charged")]
    NegativePrice,
    /// More than 64 bits of millionths hold.
    #[error("the cost of the call is too large to be held")]
    TooLarge,
}

/// Talk time that is paid for, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Milliseconds since the answer that `amount` covers: no call up to this length costs more.
    pub talk_ms: Millis,
    /// Cost of a call of exactly `talk_ms`.
    pub amount: Money,
}

/// What an answered call of this length is charged.
pub fn cost(rate: &Rate, duration_ms: Millis) -> Result<Money, CostError> {
    price_rounded_up(rate, billed_s(rate, duration_ms)?)
}

/// What to hold so that a call of exactly `talk_ms` is paid for.
pub fn hold_for(rate: &Rate, talk_ms: Millis) -> Result<Money, CostError> {
    cost(rate, talk_ms)
}

/// The first hold of a call: `default_ms`, or the first increment or the minimum if that is longer,
/// up to the end of the increment.
pub fn first_slice(rate: &Rate, default_ms: Millis) -> Result<Slice, CostError> {
    slice_covering(rate, default_ms)
}

/// The hold after `covered_ms` ran out: at least `quantum_ms` longer, up to the end of the
/// increment. Both fields are totals since the answer, not what is added.
pub fn next_slice(rate: &Rate, covered_ms: Millis, quantum_ms: Millis) -> Result<Slice, CostError> {
    slice_covering(rate, covered_ms.saturating_add(quantum_ms.max(1)))
}

/// The international tier of a rate, by its price per minute.
pub fn tier(rate: &Rate) -> InternationalTier {
    if rate.per_minute <= Money::from_cents(2) {
        InternationalTier::Low
    } else if rate.per_minute <= Money::from_cents(20) {
        InternationalTier::Mid
    } else {
        InternationalTier::High
    }
}

/// Seconds that are charged for an answered call: begun seconds count whole, then the first
/// increment whole, then whole further increments; never fewer than the minimum.
///
/// The minimum is a floor under the outcome and is not itself rounded to an increment.
pub fn billed_s(rate: &Rate, duration_ms: Millis) -> Result<u64, CostError> {
    if rate.first_increment_s == 0 || rate.increment_s == 0 {
        return Err(CostError::ZeroIncrement);
    }
    let (first, increment) = (u64::from(rate.first_increment_s), u64::from(rate.increment_s));
    let talked = duration_ms.div_ceil(1_000);
    let further = talked.saturating_sub(first).div_ceil(increment) * increment;
    Ok((first + further).max(u64::from(rate.minimum_s)))
}

/// The longest talk time that is charged the same as `talk_ms`, and its cost.
fn slice_covering(rate: &Rate, talk_ms: Millis) -> Result<Slice, CostError> {
    let billed = billed_s(rate, talk_ms)?;
    // The minimum may end within an increment; then the talk time ends where that increment began,
    // because one second more would be charged the whole increment.
    let (first, increment) = (u64::from(rate.first_increment_s), u64::from(rate.increment_s));
    let whole_s = first + (billed - first) / increment * increment;
    let covered_ms = whole_s.checked_mul(1_000).ok_or(CostError::TooLarge)?;
    Ok(Slice { talk_ms: covered_ms, amount: price_rounded_up(rate, billed)? })
}

/// The one place where money is rounded: up, to a whole millionth.
fn price_rounded_up(rate: &Rate, billed_s: u64) -> Result<Money, CostError> {
    if rate.per_minute.is_negative() || rate.connect_fee.is_negative() {
        return Err(CostError::NegativePrice);
    }
    // 63 bits times 64 bits fit into 127.
    let minute_shares = i128::from(rate.per_minute.micros()) * i128::from(billed_s);
    let talk = minute_shares / 60 + i128::from(minute_shares % 60 != 0);
    let micros = talk + i128::from(rate.connect_fee.micros());
    i64::try_from(micros).map(Money::from_micros).map_err(|_| CostError::TooLarge)
}
