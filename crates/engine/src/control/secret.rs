//! A line's secret, and what is kept about it. Lives here: changing it, with overlap or without.
//! Never here: making or judging one, whom an old one lets in.

use types::account::{FORMER_SECRETS, FormerSecret, Ha1};
use types::{Fact, Line, LineId, Now, Record, TrunkId};

use super::{Done, Overlap};
use crate::engine::Engine;

/// A line that is put keeps its secret and what is known of it; a new line's secret is new.
pub(super) fn keep(known: Option<&Line>, line: &mut Line, now: Now) {
    match known {
        Some(known) => {
            line.secret_set = known.secret_set;
            line.former.clone_from(&known.former);
            line.reminded_days = known.reminded_days;
            line.wants_new_secret = known.wants_new_secret;
        }
        None => line.secret_set = now.wall,
    }
}

impl Engine {
    pub(super) fn set_secret(
        &mut self,
        now: Now,
        id: LineId,
        ha1: Ha1,
        overlap: Option<Overlap>,
    ) -> Done {
        let mut line = self.directory.line(id).expect("it was looked up").clone();
        // Whoever used one of those before has had his time.
        for former in &mut line.former {
            (former.grace_until, former.grace_devices) = (None, Vec::new());
        }
        let replaced = FormerSecret {
            ha1: std::mem::replace(&mut line.ha1, ha1),
            replaced: now.wall,
            grace_until: overlap.as_ref().map(|overlap| overlap.until),
            grace_devices: overlap.as_ref().map_or_else(Vec::new, |o| o.devices.clone()),
        };
        line.former.insert(0, replaced);
        line.former.truncate(FORMER_SECRETS);
        (line.secret_set, line.reminded_days, line.wants_new_secret) = (now.wall, 0, false);
        self.directory.put_line(&line);
        self.access.secret_changed(id);
        self.ages.begin(now.tick);
        let change = change(overlap.as_ref());
        let account = line.account;
        let message = format!("line {id} of account {account}: {change}");
        let fact = Fact::LineChanged { account, line: id, change };
        let records = vec![Record::Line(Box::new(line)), Record::Fact(now.wall, fact)];
        let (mut unbound, mut overlapping) = (Vec::new(), Vec::new());
        match overlap {
            None => unbound.push(id),
            Some(overlap) => overlapping.push((id, overlap.devices)),
        }
        Done { records, unbound, overlapping, message, ..Done::default() }
    }

    /// Words of staff, kept.
    pub(super) fn note_line(&mut self, now: Now, id: LineId, words: String) -> Done {
        let account = self.directory.line(id).expect("it was looked up").account;
        let fact = Fact::LineChanged { account, line: id, change: words };
        Done { records: vec![Record::Fact(now.wall, fact)], ..Done::default() }
    }

    /// The same records again: the store seals whatever it writes with its newest key.
    pub(super) fn reseal(&self, lines: &[LineId], trunks: &[TrunkId]) -> Done {
        let lines = lines.iter().filter_map(|id| self.directory.line(*id));
        let trunks = trunks.iter().filter_map(|id| self.directory.trunk(*id));
        let records: Vec<Record> = lines
            .map(|line| Record::Line(Box::new(line.clone())))
            .chain(trunks.map(|trunk| Record::Trunk(Box::new(trunk.clone()))))
            .collect();
        let message = format!("{} secrets sealed anew", records.len());
        Done { records, message, ..Done::default() }
    }
}

fn change(overlap: Option<&Overlap>) -> String {
    match overlap {
        None => "secret changed".to_owned(),
        Some(Overlap { until, devices }) => {
            let names: Vec<String> = devices.iter().map(ToString::to_string).collect();
            let noun = if names.len() == 1 { "device" } else { "devices" };
            let names = names.join(", ");
            format!("secret changed; the one before works until {until} for {noun} {names}")
        }
    }
}
