//! Whose stop levels a call is asked by. Lives here: from an account and a line to the levels of line,
//! account, reseller and platform, and what is told when one comes near. Never here: judging (ledger), the
//! account's own levels (stop_level).

use ledger::{Bounds, Levels, News, Payer};
use types::{AccountId, Fact, Line, LineId, Now, Record};

use crate::engine::Engine;

impl Engine {
    /// Whose spending a call is. A line is counted on its own only if it has levels of its own.
    pub(crate) fn payer(&self, account: AccountId, line: Option<LineId>) -> Payer {
        let counted = |line: &LineId| {
            self.directory.line(*line).is_some_and(|known| known.stop_levels.is_some())
        };
        let known = self.directory.account(account);
        Payer {
            account,
            line: line.filter(counted),
            reseller: known.and_then(|known| known.reseller),
        }
    }

    /// The levels that a payer is held to at this moment, with these of the account.
    pub(crate) fn bounds(&self, payer: Payer, account: Levels) -> Bounds {
        let line = payer.line.and_then(|line| self.directory.line(line));
        let line = line.and_then(|line| line.stop_levels.as_deref());
        let reseller = payer.reseller.and_then(|reseller| self.directory.reseller(reseller));
        Bounds {
            line: line.map_or_else(Levels::default, |levels| Levels::from(*levels)),
            account,
            reseller: reseller
                .map_or_else(Levels::default, |reseller| Levels::from(reseller.stop_levels)),
            platform: Levels::from(self.config.platform),
        }
    }

    /// Notes which levels are news.
    pub(crate) fn tell_levels(&mut self, now: Now) {
        let told = self.ledger.take_notices().into_iter().map(|(news, notice)| match news {
            News::Near => Fact::StopLevelNear(notice),
            News::Reached => Fact::StopLevelReached(notice),
        });
        self.facts.extend(told.map(|fact| Record::Fact(now.wall, fact)));
    }

    /// A line has got levels of its own, or lost them: from now on it is counted on its own, or not.
    pub(crate) fn follow_line_levels(&mut self, line: &Line) {
        let own = self.calls.of_account(line.account);
        let own = own.filter(|call| call.hold.line == Some(line.id) && call.chargeable());
        let open: Vec<_> = own.map(|call| call.hold.decision).collect();
        match line.stop_levels {
            Some(_) => self.ledger.count_line(line.id, line.account, open),
            None => self.ledger.forget_line(line.id, open),
        }
    }
}
