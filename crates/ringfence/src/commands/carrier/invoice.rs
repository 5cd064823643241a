//! The file of a carrier's invoice. Lives here: its columns and cells. Never here: comparing.

use std::path::Path;

use anyhow::{Context, bail};
use csv::StringRecord;
use jiff::Timestamp;
use jiff::civil::DateTime;
use ledger::InvoiceCall;
use types::{Money, UnixMicros};

/// What a column can mean, with the names that carriers give it.
const MEANINGS: [(&str, &[&str]); 4] = [
    ("number", &["number", "called", "called_number", "destination", "b_number", "to", "dialled"]),
    ("start", &["start", "started", "start_time", "date", "datetime", "time", "call_date"]),
    ("duration", &["duration", "duration_s", "seconds", "billed_seconds", "billsec", "secs"]),
    ("price", &["price", "amount", "charge", "cost", "total"]),
];

/// Errors that are listed at most.
const MOST_ERRORS: usize = 20;

/// Reads the calls of an invoice. `map` names columns, as `number=B-Number,price=Charge`.
pub fn read(path: &Path, map: &str) -> anyhow::Result<Vec<InvoiceCall>> {
    let file = path.display().to_string();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_path(path)
        .with_context(|| format!("cannot read {file}"))?;
    let headers = reader.headers().with_context(|| format!("cannot read {file}"))?.clone();
    let columns = columns(&headers, map).with_context(|| format!("{file}:1"))?;
    let (mut calls, mut errors) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.with_context(|| format!("cannot read {file}"))?;
        let line = record.position().map_or(0, csv::Position::line);
        match call(&record, columns, line) {
            Ok(call) => calls.push(call),
            Err(problem) => errors.push(format!("{file}:{line}: {problem}")),
        }
    }
    if !errors.is_empty() {
        let more = errors.len().saturating_sub(MOST_ERRORS);
        errors.truncate(MOST_ERRORS);
        if more > 0 {
            errors.push(format!("and {more} more"));
        }
        bail!("nothing was compared:\n{}", errors.join("\n"));
    }
    Ok(calls)
}

/// Where number, start, duration and price stand; a price need not be there.
fn columns(headers: &StringRecord, map: &str) -> anyhow::Result<[Option<usize>; 4]> {
    let mut named: [Option<&str>; 4] = [None; 4];
    for pair in map.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (meaning, column) = pair.split_once('=').unwrap_or((pair, ""));
        let at = MEANINGS.iter().position(|(name, _)| *name == meaning.trim());
        let Some(at) = at.filter(|_| !column.trim().is_empty()) else {
            bail!(
                "--map {}: expected number=, start=, duration= or price= and a column",
                pair.escape_debug()
            );
        };
        named[at] = Some(column.trim());
    }
    let mut found = [None; 4];
    for (at, (meaning, synonyms)) in MEANINGS.iter().enumerate() {
        found[at] = match named[at] {
            Some(name) => {
                let is_it = |header: &str| header.eq_ignore_ascii_case(name);
                let column = headers.iter().position(is_it);
                Some(column.with_context(|| format!("there is no column `{name}`"))?)
            }
            None => headers.iter().position(|header| synonyms.contains(&plain(header).as_str())),
        };
        if found[at].is_none() && *meaning != "price" {
            bail!("no column is the {meaning}: name it with --map {meaning}=COLUMN");
        }
    }
    Ok(found)
}

/// A header in lower case, with `_` for everything between words.
fn plain(header: &str) -> String {
    let word = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    header.trim().chars().map(word).collect()
}

fn call(
    record: &StringRecord,
    columns: [Option<usize>; 4],
    line: u64,
) -> Result<InvoiceCall, String> {
    let cell = |at: usize| columns[at].and_then(|column| record.get(column)).unwrap_or("");
    let price = match cell(3) {
        "" => None,
        text => Some(text.parse::<Money>().map_err(|error| format!("price: {error}"))?),
    };
    if price.is_some_and(Money::is_negative) {
        return Err(format!("price: `{}` is less than nothing", cell(3).escape_debug()));
    }
    Ok(InvoiceCall {
        line,
        number: number(cell(0))?,
        started: start(cell(1))?,
        duration_s: duration(cell(2))?,
        price,
    })
}

/// Digits with country code: `+44 20 7946 0000`, `00442079460000`, `442079460000`.
fn number(text: &str) -> Result<String, String> {
    let wrong = || format!("number: `{}` is not a number with country code", text.escape_debug());
    let has_plus = text.trim_start().starts_with('+');
    let is_part = |c: char| c.is_ascii_digit() || " +-.()/".contains(c);
    if !text.chars().all(is_part) {
        return Err(wrong());
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.strip_prefix("00").filter(|_| !has_plus) {
        Some(rest) => rest.to_owned(),
        None => digits,
    };
    if digits.is_empty() { Err(wrong()) } else { Ok(digits) }
}

/// `2026-11-22T08:41:03Z`, with any zone; `2026-11-22 08:41:03` is UTC.
fn start(text: &str) -> Result<UnixMicros, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(UnixMicros(at.as_microsecond()));
    }
    let local = text.replace('/', "-").parse::<DateTime>().ok();
    let at = local.and_then(|local| local.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let at = at.filter(|_| text.len() > 10).ok_or_else(|| {
        format!(
            "start: `{}` is not a time: expected 2026-11-22 08:41:03 or 2026-11-22T08:41:03Z",
            text.escape_debug()
        )
    })?;
    Ok(UnixMicros(at.timestamp().as_microsecond()))
}

/// Seconds, a started one counting as one: `61`, `60.2`; `1:01`, `0:01:01`.
fn duration(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!("duration: `{}` is neither seconds nor hours:minutes:seconds", text.escape_debug())
    };
    if let Ok(seconds) = text.parse::<Money>() {
        let micros = u64::try_from(seconds.micros()).map_err(|_| wrong())?;
        return Ok(micros.div_ceil(1_000_000));
    }
    let parts: Vec<u64> =
        text.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let add = |sum: u64, part: &u64| sum.checked_mul(60)?.checked_add(*part);
    match parts.len() {
        2 | 3 if parts[1..].iter().all(|part| *part < 60) => {
            parts.iter().try_fold(0, add).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read() {
        for (text, want) in [
            ("+44 (20) 7946-0000", Some("442079460000")),
            ("00442079460000", Some("442079460000")),
            ("442079460000", Some("442079460000")),
            ("alice", None),
            ("", None),
        ] {
            assert_eq!(number(text).ok().as_deref(), want, "{text}");
        }
        for (text, want) in [
            ("61", Some(61)),
            ("60.2", Some(61)),
            ("1:01", Some(61)),
            ("01:00:01", Some(3_601)),
            ("1:60", None),
            ("-1", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(duration(text).ok(), want, "{text}");
        }
        let eight = "2026-11-22T08:41:03.000Z";
        for (text, want) in [
            ("2026-11-22T08:41:03Z", Some(eight)),
            ("2026-11-22T09:41:03+01:00", Some(eight)),
            ("2026-11-22 08:41:03", Some(eight)),
            ("2026/11/22 08:41:03", Some(eight)),
            ("2026-11-22", None),
            ("", None),
        ] {
            assert_eq!(start(text).ok().map(|at| at.to_string()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn columns_are_found_or_named() {
        let headers = StringRecord::from(vec!["Call Date", "B-Number", "Secs", "Charge", "Note"]);
        let check = |map: &str, want: Result<[Option<usize>; 4], &str>| {
            let got = columns(&headers, map).map_err(|error| error.to_string());
            assert_eq!(got, want.map_err(str::to_owned), "{map}");
        };
        check("", Ok([Some(1), Some(0), Some(2), Some(3)]));
        check("number=note, price=secs", Ok([Some(4), Some(0), Some(2), Some(2)]));
        check("number=Nothing", Err("there is no column `Nothing`"));
        let expected = "expected number=, start=, duration= or price= and a column";
        check("colour=red", Err(&format!("--map colour=red: {expected}")));
        let few = StringRecord::from(vec!["number", "start"]);
        let missing = columns(&few, "").map_err(|error| error.to_string());
        let want = "no column is the duration: name it with --map duration=COLUMN";
        assert_eq!(missing, Err(want.to_owned()));
    }
}
