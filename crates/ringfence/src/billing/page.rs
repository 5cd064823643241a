//! A bill as a page to read and to print. Lives here: its markup and style. Never here: sums, and nothing
//! of a stranger that was not escaped (W2). The page loads nothing.

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use types::{Account, Bill, BillPosting, Cdr, Money, TransferKind, UnixMicros};

use super::{Names, zone};
use crate::commands::printable;

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .4rem}\
header{display:flex;justify-content:space-between;gap:2rem;border-bottom:2px solid #1a1a1a;padding-bottom:1rem}\
dl{display:grid;grid-template-columns:auto auto;gap:.1rem 1rem;margin:0}dt{color:#555}dd{margin:0;text-align:right}\
table{border-collapse:collapse;width:100%}th,td{padding:.25rem .5rem;text-align:left;border-bottom:1px solid #ddd}\
th{border-bottom:1px solid #1a1a1a}.n{text-align:right;font-variant-numeric:tabular-nums}\
.sum td{font-weight:600;border-bottom:0}thead{display:table-header-group}tr{break-inside:avoid}\
@media print{@page{margin:18mm}body{font-size:10pt;max-width:none;margin:0;padding:0}.calls{break-before:page}}";

/// The page of a bill.
pub fn page(
    bill: &Bill,
    account: &Account,
    calls: &[Cdr],
    names: &Names,
    (provider, currency): (&str, &str),
) -> anyhow::Result<String> {
    let zone = zone(account)?;
    let id = bill.id();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Bill {id}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    );
    page.push_str(&head(bill, account, provider, &zone)?);
    page.push_str(&sums(bill, currency));
    page.push_str(&usage(bill, currency));
    page.push_str(&postings("Given back", &bill.adjustments, currency, &zone)?);
    page.push_str(&postings("Payments", &bill.payments, currency, &zone)?);
    page.push_str(&itemised(calls, names, currency, &zone)?);
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

fn head(bill: &Bill, account: &Account, provider: &str, zone: &TimeZone) -> anyhow::Result<String> {
    let until = last_day(bill.covers.until, zone)?;
    let from = bill.from().map(|from| day(from, zone)).transpose()?;
    let period = match from {
        Some(from) => format!("{from} to {until}"),
        None => format!("up to {until}"),
    };
    Ok(format!(
        "<header>\n<div><h1>Bill {}</h1><p>{}<br>account {}</p></div>\n\
         <dl><dt>From</dt><dd>{}</dd><dt>Period</dt><dd>{period}</dd><dt>Made on</dt><dd>{}</dd></dl>\n\
         </header>\n",
        bill.id(),
        escape(&account.name),
        account.id,
        escape(provider),
        day(bill.made, zone)?
    ))
}

fn sums(bill: &Bill, currency: &str) -> String {
    let paid = sum(&bill.payments);
    let given = sum(&bill.adjustments);
    let rows = [
        ("Brought forward", bill.brought_forward, false),
        ("Payments and instalments", paid, bill.payments.is_empty()),
        ("Calls", bill.charges(), false),
        ("Given back", given, bill.adjustments.is_empty()),
    ];
    let mut text = "<h2>Summary</h2>\n<table>\n<tbody>\n".to_owned();
    for (name, amount, _) in rows.into_iter().filter(|(_, _, leave_out)| !leave_out) {
        text.push_str(&format!("<tr><td>{name}</td><td class=\"n\">{amount}</td></tr>\n"));
    }
    let (name, due) = match bill.due.is_negative() {
        true => ("In your favour", Money::ZERO.saturating_sub(bill.due)),
        false => ("To be paid", bill.due),
    };
    text.push_str(&format!(
        "<tr class=\"sum\"><td>{name}</td><td class=\"n\">{due} {}</td></tr>\n</tbody>\n</table>\n",
        escape(currency)
    ));
    text
}

fn usage(bill: &Bill, currency: &str) -> String {
    if bill.lines.is_empty() {
        return "<h2>Calls</h2>\n<p>No calls.</p>\n".to_owned();
    }
    let mut text = table("Calls", "", &["To", "Class", ">Calls", ">Billed", ">Amount"], currency);
    for line in &bill.lines {
        text.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            escape(&line.name),
            line.class,
            line.calls,
            clock(line.billed_s),
            line.amount
        ));
    }
    text.push_str("</tbody>\n</table>\n");
    text
}

fn postings(
    title: &str,
    postings: &[BillPosting],
    currency: &str,
    zone: &TimeZone,
) -> anyhow::Result<String> {
    if postings.is_empty() {
        return Ok(String::new());
    }
    let mut text = table(title, "", &["Date", "What", "Reference", ">Amount"], currency);
    for posting in postings {
        let call = posting.decision.to_string();
        let reference = match &posting.reference {
            Some(reference) => reference.as_str(),
            None if posting.kind.adjusts_call() => call.as_str(),
            None => "",
        };
        text.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>\n",
            day(posting.at, zone)?,
            what(posting.kind),
            escape(reference),
            posting.amount
        ));
    }
    text.push_str("</tbody>\n</table>\n");
    Ok(text)
}

/// What a holder calls a posting.
fn what(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::Charge => "Call",
        TransferKind::Cost | TransferKind::CarrierCredit => "Carrier",
        TransferKind::ZeroRating => "Call given back",
        TransferKind::CostPrice => "Call at cost price",
        TransferKind::Goodwill => "Goodwill",
        TransferKind::Payment => "Payment, thank you",
        TransferKind::PaymentReturned => "Payment returned",
        TransferKind::Instalment => "To be paid by instalments",
        TransferKind::InstalmentDue => "Instalment",
        TransferKind::WriteOff => "Written off",
    }
}

fn itemised(
    calls: &[Cdr],
    names: &Names,
    currency: &str,
    zone: &TimeZone,
) -> anyhow::Result<String> {
    if !calls.iter().any(ledger::is_shown) {
        return Ok(String::new());
    }
    let columns = ["When", "From", "Number", "To", ">Talk", ">Billed", ">Amount"];
    let mut text = table("Each call", " class=\"calls\"", &columns, currency);
    for cdr in calls.iter().filter(|cdr| ledger::is_shown(cdr)) {
        let shown = names.describe(cdr);
        let number = match cdr.destination.e164 {
            Some(number) => number.to_string(),
            None => cdr.dialled.clone(),
        };
        text.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            minute(cdr.started, zone)?,
            escape(&cdr.caller),
            escape(&number),
            escape(&shown.name),
            clock(cdr.duration_ms.div_ceil(1_000)),
            clock(shown.billed_s),
            cdr.price
        ));
    }
    text.push_str("</tbody>\n</table>\n");
    Ok(text)
}

/// The beginning of a table; `>` before a column sets it to the right.
fn table(title: &str, class: &str, columns: &[&str], currency: &str) -> String {
    let mut text = format!("<h2{class}>{title}</h2>\n<table>\n<thead><tr>");
    for column in columns {
        let (class, name) = match column.strip_prefix('>') {
            Some(name) => (" class=\"n\"", name),
            None => ("", *column),
        };
        let unit = if name == "Amount" { format!(" {}", escape(currency)) } else { String::new() };
        text.push_str(&format!("<th scope=\"col\"{class}>{name}{unit}</th>"));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    text
}

fn sum(postings: &[BillPosting]) -> Money {
    postings.iter().fold(Money::ZERO, |sum, one| sum.saturating_add(one.amount))
}

fn local(at: UnixMicros, zone: &TimeZone) -> anyhow::Result<jiff::civil::DateTime> {
    let at = Timestamp::from_microsecond(at.0).context("a time beyond any calendar")?;
    Ok(zone.to_datetime(at))
}

fn day(at: UnixMicros, zone: &TimeZone) -> anyhow::Result<String> {
    Ok(local(at, zone)?.date().to_string())
}

/// The last day of a period that ends at this moment.
fn last_day(until: UnixMicros, zone: &TimeZone) -> anyhow::Result<String> {
    day(UnixMicros(until.0.saturating_sub(1)), zone)
}

fn minute(at: UnixMicros, zone: &TimeZone) -> anyhow::Result<String> {
    let local = local(at, zone)?;
    Ok(format!("{} {:02}:{:02}", local.date(), local.hour(), local.minute()))
}

/// Seconds as hours, minutes, seconds.
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Text of a stranger in a page: markup and hidden characters made visible.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        let text = "<script>alert(\"1\")</script>&'\u{202e}\n";
        let want = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\\u{202e}\\u{a}";
        assert_eq!(escape(text), want);
    }

    #[test]
    fn lengths_are_readable() {
        for (seconds, want) in [(0, "0:00"), (59, "0:59"), (61, "1:01"), (3_661, "1:01:01")] {
            assert_eq!(clock(seconds), want);
        }
    }
}
