//! Bytes of a file. Lives here: its lines as an editor counts them, its separator, its text.
//! Never here: what a cell means.

/// Counts lines up to the rows, which begin further and further down. The CSV reader's own count
/// stays on empty lines before a row.
pub(super) struct Lines<'a> {
    file: &'a [u8],
    offset: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &'a [u8]) -> Lines<'a> {
        Lines { file, offset: 0, line: 1 }
    }

    /// The line of the row that begins at `start` or after line ends there.
    pub(super) fn line_at(&mut self, start: usize) -> u64 {
        let is_line_end = |byte: &&u8| matches!(**byte, b'\n' | b'\r');
        let start = start.min(self.file.len());
        let begins = start + self.file[start..].iter().take_while(is_line_end).count();
        for position in self.offset..begins {
            let next = self.file.get(position + 1);
            // CRLF counts once, by its second half.
            let ends = match self.file[position] {
                b'\n' => true,
                b'\r' => next != Some(&b'\n'),
                _ => false,
            };
            self.line += u64::from(ends);
        }
        self.offset = self.offset.max(begins);
        self.line
    }
}

/// The separator that the header has most of.
pub(super) fn delimiter(file: &[u8]) -> u8 {
    let header = file
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .find(|line| !line.trim_ascii().is_empty())
        .unwrap_or_default();
    let count = |separator: u8| {
        let mut quoted = false;
        let is_separator = |byte: &&u8| {
            quoted ^= **byte == b'"';
            !quoted && **byte == separator
        };
        header.iter().filter(is_separator).count()
    };
    // Of equals the last wins, so the comma stands last.
    [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

/// The cells as trimmed text, or the position of the one that is not text.
pub(super) fn text_cells(record: &csv::ByteRecord) -> Result<Vec<&str>, usize> {
    let text = |(position, cell)| std::str::from_utf8(cell).map(str::trim).map_err(|_| position);
    record.iter().enumerate().map(text).collect()
}
