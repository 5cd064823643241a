//! From what the store holds to a running engine. Lives here: the start. Never here: SQL, files.

use ledger::Ask;
use rating::RateDeck;
use types::{DecisionId, Hold, HoldState, Money, Now, Snapshot};

use crate::config::EngineError;
use crate::engine::Engine;
use crate::live_call::{Call, Phase};
use crate::metering::set_deadlines;
use crate::rules::hotspot_limit;
use crate::warning::last_multiple;

impl Engine {
    /// Takes over a snapshot. The exposure is the same as before the stop, or more.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot, now: Now) -> Result<(), EngineError> {
        self.restore_directory(snapshot)?;
        self.access.restore(now, snapshot, &self.directory);
        for deck in &snapshot.decks {
            let table = RateDeck::from_rows(deck.id, deck.rows.clone())
                .map_err(|error| EngineError::Deck(deck.id, error))?;
            self.decks.insert(deck.id, table);
            self.deck_names.insert(deck.id, deck.name.clone());
        }
        for spending in &snapshot.spending {
            let (payer, amount) = (self.payer(spending.account, None), spending.amount);
            self.ledger.restore_spending(payer, spending.at, amount, spending.costly)?;
        }
        for (line, spending) in &snapshot.line_spending {
            self.ledger.restore_line(*line, spending.at, spending.amount, spending.costly)?;
        }
        for &(account, unbilled) in &snapshot.unbilled {
            self.ledger.restore_unbilled(account, unbilled);
            let level = self.directory.account(account).map(|known| known.controls.warning_level);
            let told = level.map_or(Money::ZERO, |level| last_multiple(unbilled, level));
            if !told.is_zero() {
                self.calls.activity_mut(account).warned = told;
            }
        }
        self.billed.last_run = snapshot.last_bill_run;
        self.billed.last_bills.extend(snapshot.last_bills.iter().copied());
        for &(account, at) in &snapshot.hotspot_calls {
            if hotspot_limit::is_recent(at, now.wall) {
                self.calls.activity_mut(account).hotspots.push(at);
            }
        }
        self.access.bans.restore(&snapshot.bans, now);
        for hold in &snapshot.holds {
            self.adopt(hold, now)?;
        }
        self.last_decision = self.first_decision(snapshot);
        self.raises.restore(now, &snapshot.raises);
        let requests = snapshot.requests.iter().map(|request| (request.id, request.clone()));
        self.raises.requests = requests.collect();
        self.raises.last_request = snapshot.last_request;
        self.end_raises(now);
        Ok(())
    }

    fn restore_directory(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        for account in &snapshot.accounts {
            self.directory
                .put_account(account)
                .map_err(|_| EngineError::TimeZone(account.id, account.time_zone.clone()))?;
        }
        for line in &snapshot.lines {
            self.directory.put_line(line);
        }
        for number in &snapshot.numbers {
            self.directory.put_number(number);
        }
        for trunk in &snapshot.trunks {
            self.directory.put_trunk(trunk);
        }
        for reseller in &snapshot.resellers {
            self.directory.put_reseller(reseller.clone());
        }
        self.directory.shrink();
        Ok(())
    }

    /// Opens a call again that was open before the stop.
    fn adopt(&mut self, hold: &Hold, now: Now) -> Result<(), EngineError> {
        let mut call = Call::new(Hold { legs: Vec::new(), ..hold.clone() });
        call.recovered = true;
        if let HoldState::Answered(at) = hold.state {
            let before_us = now.wall.0.saturating_sub(at.0).max(0).cast_unsigned();
            call.phase = Phase::Answered { at: now.tick, before_us };
        }
        if call.chargeable() {
            self.ledger.adopt(Ask {
                decision: hold.decision,
                payer: self.payer(hold.account, hold.line),
                amount: hold.amount,
                costly: call.costly,
            })?;
        }
        let status = self.directory.account(hold.account).map(|account| account.status);
        set_deadlines(&mut call, status, &self.config);
        self.calls.insert(call);
        Ok(())
    }

    /// The highest id given out, with this shard below: other shards' ids do not change ours.
    fn first_decision(&self, snapshot: &Snapshot) -> DecisionId {
        let held = snapshot.holds.iter().map(|hold| hold.decision).max();
        let highest = held.unwrap_or_default().max(snapshot.last_decision);
        // Times of changes were minted from the same row.
        let highest = highest.max(DecisionId::at(snapshot.newest));
        DecisionId(highest.0 & !255 | u64::from(self.config.shard))
    }
}
