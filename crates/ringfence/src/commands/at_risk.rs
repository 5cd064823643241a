//! `account risk` and `account suggest`. Lives here: "the most you can lose", and levels from one's own past,
//! for people to read. Never here: how either is found.

use serde_json::{Value, json};
use store::Reader;
use types::record::Spending;
use types::{Money, UnixMicros};

use super::Context;
use super::lookup::find_account;
use super::office::look;
use super::output::Table;
use crate::config::Config;
use crate::look::Question;
use crate::shell::clock::system_wall;
use crate::shell::open::open_to_read;

pub const RISK_HELP: &str = "Example:
  ringfence account risk alice

The most that an attacker with every password of the account can cost it by what stands now: its stop
levels, what is spent and what calls in progress hold. Calls that are hung up a moment late can add one
increment each; that is in it.";

pub const SUGGEST_HELP: &str = "Example:
  ringfence account suggest alice

1.2 times the most that the account has spent in such a window within the last month, in whole units. What
is suggested changes nothing; `ringfence account set` does.";

/// Days of the past that levels are suggested from.
const MONTH_DAYS: i64 = 31;
const HOUR_US: i64 = 3_600 * 1_000_000;
const DAY_US: i64 = 24 * HOUR_US;

pub fn risk(account: &str, config: &Config, context: &Context) -> anyhow::Result<()> {
    let value = look(config, Question::MostAtRisk { account: account.to_owned() })?;
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut table = Table::new(&["", "until", ">costly calls", ">all calls"], "");
    for row in value["most"].as_array().into_iter().flatten() {
        let until = text(&row["until"]);
        let until = until.get(..16).unwrap_or("").replace('T', " ");
        let horizon = text(&row["horizon"]);
        let until = if horizon == "now" { String::new() } else { until };
        table.row(vec![horizon, until, text(&row["costly"]), text(&row["all"])]);
    }
    let words = format!(
        "the most that account {} can lose, in {}:\n{}{} held by calls in progress; un-billed so far {}",
        text(&value["name"]),
        config.currency,
        table,
        text(&value["held"]),
        text(&value["unbilled"]),
    );
    context.output.one(&words, &value)
}

pub fn suggest(text: &str, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = find_account(&reader, text)?;
    let since = UnixMicros(system_wall().0 - MONTH_DAYS * DAY_US);
    let spent = reader.spending(account.id, since)?;
    let controls = &account.controls;
    let costly: Vec<Spending> = spent.iter().filter(|one| one.costly).copied().collect();
    let rows = [
        ("warning_level", Some(controls.warning_level), sum(&spent)),
        ("stop_level_1h", controls.stop_level_1h, greatest(&costly, HOUR_US)),
        ("stop_level_24h", Some(controls.stop_level_24h), greatest(&costly, DAY_US)),
        ("stop_level_7d", controls.stop_level_7d, greatest(&costly, 7 * DAY_US)),
        ("stop_level_all_24h", Some(controls.stop_level_all_24h), greatest(&spent, DAY_US)),
    ];
    let mut table = Table::new(&["setting", ">now", ">most in a month", ">suggested"], "");
    let mut values = Vec::new();
    for (name, level, most) in rows {
        let now = level.map_or_else(|| "none".to_owned(), |level| level.to_string());
        let suggested = suggestion(most);
        let shown = suggested.map_or_else(|| "nothing spent".to_owned(), |level| level.to_string());
        table.row(vec![name.to_owned(), now, most.to_string(), shown]);
        values.push(json!({
            "setting": name,
            "now": level.map(|level| level.to_string()),
            "most": most.to_string(),
            "suggested": suggested.map(|level| level.to_string()),
        }));
    }
    context.output.list(&table, values.into_iter())
}

/// 1.2 times so much, up to whole units; nothing from nothing.
fn suggestion(most: Money) -> Option<Money> {
    let micros = most.micros().checked_mul(12)? / 10;
    let units = micros.checked_add(999_999)? / 1_000_000;
    (most > Money::ZERO).then(|| Money::from_units(units))
}

fn sum(spent: &[Spending]) -> Money {
    spent.iter().fold(Money::ZERO, |sum, one| sum.saturating_add(one.amount))
}

/// The most that was spent on costly calls in any 24 hours; spending comes oldest first.
pub fn greatest_of_a_day(spent: &[Spending]) -> Money {
    let costly: Vec<Spending> = spent.iter().filter(|one| one.costly).copied().collect();
    greatest(&costly, DAY_US)
}

/// The most that was spent in any window of this length; spending comes oldest first.
fn greatest(spent: &[Spending], window_us: i64) -> Money {
    let (mut first, mut within, mut most) = (0, Money::ZERO, Money::ZERO);
    for one in spent {
        within = within.saturating_add(one.amount);
        while spent[first].at.0 <= one.at.0 - window_us {
            within = within.saturating_sub(spent[first].amount);
            first += 1;
        }
        most = most.max(within);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::AccountId;

    #[test]
    fn the_greatest_window_of_the_past_is_found() {
        fn check(spent: &[(i64, i64)], hours: i64, want: i64) {
            let spent: Vec<Spending> = spent
                .iter()
                .map(|&(at, cents)| Spending {
                    account: AccountId(1),
                    at: UnixMicros(at * HOUR_US),
                    amount: Money::from_cents(cents),
                    costly: true,
                })
                .collect();
            assert_eq!(greatest(&spent, hours * HOUR_US), Money::from_cents(want), "{spent:?}");
        }
        check(&[], 24, 0);
        check(&[(0, 5)], 24, 5);
        check(&[(0, 5), (23, 6), (24, 7), (60, 12)], 24, 13);
        check(&[(0, 5), (23, 6), (24, 7), (60, 20)], 24, 20);
        check(&[(0, 5), (1, 6), (2, 7)], 1, 7);
    }

    #[test]
    fn suggestions_are_a_fifth_above_in_whole_units() {
        let check = |cents: i64, want: Option<i64>| {
            assert_eq!(
                suggestion(Money::from_cents(cents)),
                want.map(Money::from_units),
                "{cents}"
            );
        };
        check(0, None);
        check(1, Some(1));
        check(1_000, Some(12));
        check(1_001, Some(13));
    }
}
