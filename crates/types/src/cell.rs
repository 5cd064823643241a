//! What strangers say, where people see it. Lives here: control characters made visible, cells of tables that are opened
//! in a spreadsheet. Never here: tables, HTML.

/// A stranger's text with control characters made visible, those that turn the direction of text too (W3).
pub fn printable(text: &str) -> String {
    let show = |c: char| {
        let hides = c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hides { c.escape_unicode().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(show).collect()
}

/// W2: a spreadsheet takes cells that begin so for formulas, after blanks as well.
pub fn safe_cell(cell: &str) -> String {
    let cell = printable(cell);
    let is_formula = cell.trim_start().starts_with(['=', '+', '-', '@']);
    if is_formula { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_no_formulas() {
        fn check(cell: &str, want: &str) {
            assert_eq!(safe_cell(cell), want);
        }
        check("=1+1", "'=1+1");
        check("+44", "'+44");
        check("@x", "'@x");
        check("-1", "'-1");
        check(" =1", "' =1");
        check("44", "44");
        check("a\nb", "a\\u{a}b");
    }
}
