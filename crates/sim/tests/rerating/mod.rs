//! Every call rated again from the record alone: CDRs page by page, and decks as they stood. Lives here: a slow rating
//! with a memory of bounded size. Never here: `rating`, what customers noted.

use std::collections::{BTreeMap, BTreeSet};

use sim::auditor::prices;
use store::{CallFilter, Reader};
use types::*;

/// CDRs read in one go.
const PAGE: u32 = 10_000;
/// Rows of numbers that are remembered; then it begins anew.
const REMEMBERED: usize = 20_000;

/// What all calls come to.
#[derive(Debug, Default)]
pub struct Rerated {
    /// Prices together, in millionths.
    pub price: i64,
    /// Costs together, in millionths.
    pub cost: i64,
    /// States of decks that priced a call.
    pub states: usize,
}

/// Rows by deck, state and number.
type Remembered = BTreeMap<(DeckId, UnixMicros, u64), Vec<RateRow>>;

struct Rerater<'s> {
    store: &'s dyn Reader,
    /// When each deck was put, the newest first.
    puts: BTreeMap<DeckId, Vec<UnixMicros>>,
    rows: Remembered,
    used: BTreeSet<(DeckId, UnixMicros)>,
}

impl Rerater<'_> {
    /// What a deck as it stood when the call was admitted makes of it. The price at the start holds to the end.
    fn amount(&mut self, deck: DeckId, cdr: &Cdr) -> i64 {
        let admitted = cdr.decision.time();
        let states = || self.store.deck_states(deck).unwrap();
        let puts = self
            .puts
            .entry(deck)
            .or_insert_with(|| states().iter().map(|state| state.at).collect());
        let put = *puts.iter().find(|put| **put <= admitted).unwrap();
        self.used.insert((deck, put));
        let number = cdr.destination.e164.unwrap();
        let digits = number.digits();
        if self.rows.len() >= REMEMBERED {
            self.rows.clear();
        }
        let rows = self
            .rows
            .entry((deck, put, number.value()))
            .or_insert_with(|| self.store.deck_rows_at(deck, &digits, put).unwrap());
        let in_force = rows.iter().filter(|row| row.effective <= cdr.started);
        let row = in_force.max_by_key(|row| (row.prefix.len(), row.effective)).unwrap();
        prices::cost(&row.rate, cdr.duration_ms)
    }
}

/// Rates every CDR again, and finds each at the price and cost that it has.
pub fn run(
    store: &dyn Reader,
    sold_by: impl Fn(&Cdr) -> DeckId,
    bought_by: impl Fn(&Cdr) -> Option<DeckId>,
) -> Rerated {
    let mut rerater =
        Rerater { store, puts: BTreeMap::new(), rows: Remembered::new(), used: BTreeSet::new() };
    let (mut sums, mut until, mut calls) = (Rerated::default(), None, 0);
    let (before, mut most) = (resident_kib(), 0);
    let begun = cpu_ms();
    loop {
        // No two calls begin at the same moment, so that pages do not overlap.
        let filter = CallFilter { until, limit: PAGE, ..CallFilter::default() };
        let page = store.calls(&filter).unwrap();
        let Some(oldest) = page.last() else { break };
        until = Some(oldest.started);
        calls += page.len();
        for cdr in &page {
            let (price, cost) = match cdr.answered {
                None => (0, 0),
                Some(_) => {
                    let cost = bought_by(cdr).map_or(0, |deck| rerater.amount(deck, cdr));
                    (rerater.amount(sold_by(cdr), cdr), cost)
                }
            };
            assert_eq!((cdr.price.micros(), cdr.cost.micros()), (price, cost), "{cdr:?}");
            (sums.price, sums.cost) = (sums.price + price, sums.cost + cost);
        }
        most = most.max(resident_kib().saturating_sub(before));
    }
    sums.states = rerater.used.len();
    println!(
        "{calls} CDRs rated again: {:.1} s of CPU, {:.1} MiB more of memory, {} states of decks",
        (cpu_ms() - begun) as f64 / 1_000.0,
        most as f64 / 1_024.0,
        sums.states
    );
    sums
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Time that this thread was on a processor.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<u64>().unwrap() / 1_000_000
}
