//! What happened, told for people. Lives here: lines with their instant. Never here: checks.

use std::fmt::Write as _;

/// The transcript of a world.
#[derive(Debug, Default)]
pub struct Story {
    told: bool,
    lines: Vec<(u64, String)>,
}

impl Story {
    /// A story that is kept, or one that nobody listens to.
    pub fn new(told: bool) -> Story {
        Story { told, lines: Vec::new() }
    }

    /// Tells one thing; the words are made only when somebody listens.
    pub fn tell(&mut self, now: u64, words: impl FnOnce() -> String) {
        if self.told {
            self.lines.push((now, words()));
        }
    }

    /// All lines, `mm:ss.mmm` in front.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (at, line) in &self.lines {
            writeln!(text, "{} {line}", clock(*at)).expect("writing to a String cannot fail");
        }
        text
    }

    /// The last lines that mention nothing in particular: for reports of failing seeds.
    pub fn tail(&self, count: usize) -> String {
        let from = self.lines.len().saturating_sub(count);
        Story { told: true, lines: self.lines[from..].to_vec() }.text()
    }
}

/// `mm:ss.mmm` of world time in microseconds.
pub fn clock(at: u64) -> String {
    let ms = at / 1_000;
    format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1_000 % 60, ms % 1_000)
}
