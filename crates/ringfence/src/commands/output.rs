//! What is printed. Lives here: tables for people, JSON for programs, errors. Never here: what to say.

use std::io::{ErrorKind, Write};

use serde_json::{Value, json};

/// Prints for people or for programs.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// For programs if `json`.
    pub fn new(json: bool) -> Output {
        Output { json }
    }

    /// Is it for programs?
    pub fn is_json(self) -> bool {
        self.json
    }

    /// One thing: a text for people, an object for programs.
    pub fn one(self, text: &str, value: &Value) -> anyhow::Result<()> {
        if self.json { line(&value.to_string()) } else { line(text) }
    }

    /// What a change answered: its message for people.
    pub fn done(self, answer: &Value) -> anyhow::Result<()> {
        let message = answer["message"].as_str().unwrap_or("done");
        self.one(&printable(message), answer)
    }

    /// Many things: a table for people, one object a line for programs.
    pub fn list(
        self,
        table: &Table,
        mut values: impl Iterator<Item = Value>,
    ) -> anyhow::Result<()> {
        if !self.json {
            return line(table.to_string().trim_end_matches('\n'));
        }
        values.try_for_each(|value| line(&value.to_string()))
    }

    /// A failure, on standard error.
    pub fn error(self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        if self.json {
            eprintln!("{}", json!({ "error": text }));
        } else {
            eprintln!("error: {text}");
        }
    }
}

/// Prints a line; a reader who went away is an error like any other.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(())
}

/// Did the reader of our output go away, as `head` does?
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
    };
    error.chain().any(is_pipe)
}

pub use types::cell::printable;

/// As [`printable`], but for line ends.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Rows in columns.
#[derive(Debug, Default)]
pub struct Table {
    headers: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    if_empty: &'static str,
}

impl Table {
    /// With these headers; a `>` before a header sets its column to the right.
    pub fn new(headers: &[&'static str], if_empty: &'static str) -> Table {
        Table { headers: headers.to_vec(), rows: Vec::new(), if_empty }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.headers.len());
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.rows.is_empty() {
            return writeln!(f, "{}", self.if_empty);
        }
        let titles: Vec<&str> =
            self.headers.iter().map(|header| header.trim_start_matches('>')).collect();
        let width = |at: usize| {
            let cells = self.rows.iter().map(|row| row[at].chars().count());
            cells.chain([titles[at].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..titles.len()).map(width).collect();
        let titles: Vec<String> = titles.into_iter().map(str::to_uppercase).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut text = String::new();
            for ((cell, width), header) in row.iter().zip(&widths).zip(&self.headers) {
                if header.starts_with('>') {
                    text.push_str(&format!("{cell:>width$}  "));
                } else {
                    text.push_str(&format!("{cell:<width$}  "));
                }
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_show_what_hides() {
        let mut table = Table::new(&["name", ">price"], "nothing");
        assert_eq!(table.to_string(), "nothing\n");
        table.row(vec!["a\u{1b}[31m".into(), "1.00".into()]);
        table.row(vec!["bc".into(), "12.00".into()]);
        assert_eq!(
            table.to_string(),
            "NAME         PRICE\na\\u{1b}[31m   1.00\nbc           12.00\n"
        );
    }
}
