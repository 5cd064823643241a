//! The questions of people. Lives here: which rows are asked for. Never here: writes, how a row is read.

use rusqlite::{Connection, OptionalExtension, Row};
use types::record::{Deck, Spending};
use types::{
    Account, AccountId, AccountRaises, Ban, Bill, BindingRecord, Cdr, ControlRequest, Coverage,
    DecisionId, DeckId, Device, Hold, InstalmentPlan, KeptAnswer, KnownRun, Line, LineId,
    LineStanding, LockOut, Money, Number, RateRow, Reseller, Standing, StoredPosting, Transfer,
    Trunk, TrunkId, TrunkStanding, UnixMicros, WebUser, WebUserId,
};

use super::calls::{Conditions, call_page, calls, last_used};
use super::chain::{self, Tables};
use super::columns::{self, Json};
use super::connect::Doing;
use super::rows::{self, Rows, all, read};
use super::{SqliteStore, answers, billing, decks, history, sealed, snapshot, verify, web_users};
use crate::billing::{BillFilter, BillItems, PostingFilter};
use crate::chain::{Anchor, ChainQuestion, ChainReport, walk};
use crate::deck_states::DeckState;
use crate::error::StoreError;
use crate::queries::{
    Balance, CallFilter, CallPage, CallsOnLinks, Decided, DeckSummary, FactFilter, LastUsed,
    Reader, StoredFact,
};
use crate::verification::{Sealing, Verification};

fn facts(conn: &Connection, filter: &FactFilter) -> Rows<StoredFact> {
    let mut query = Conditions::of("SELECT seq, at, body FROM fact");
    query.and("account = $", filter.account.map(|id| id.0));
    query.and("at >= $", filter.since.map(|at| at.0));
    query.and("at < $", filter.until.map(|at| at.0));
    query.and("kind = $", filter.kind.clone());
    let (sql, values) = query.newest("seq DESC", filter.limit);
    all(conn, &sql, rusqlite::params_from_iter(values), |row| {
        let fact = row.get::<_, Json<_>>(2)?.0;
        Ok(StoredFact { seq: read(row, 0)?, at: read(row, 1)?, fact })
    })
}

fn decision(conn: &Connection, id: DecisionId) -> rusqlite::Result<Option<Decided>> {
    let id = columns::decision(id);
    let ended = conn
        .prepare_cached(&format!("{} WHERE decision = $1", rows::CDR))?
        .query_row([id], rows::cdr)
        .optional()?;
    if let Some(cdr) = ended {
        return Ok(Some(Decided::Ended(Box::new(cdr))));
    }
    let open = conn
        .prepare_cached(&format!("{} WHERE decision = $1", rows::HOLD))?
        .query_row([id], rows::hold)
        .optional()?;
    Ok(open.map(|hold| Decided::Open(Box::new(hold))))
}

/// A transfer, of any table that is joined by none.
pub const TRANSFER: &str =
    "SELECT decision, kind, debit, debit_id, credit, credit_id, amount, at FROM transfer";

pub fn transfer(row: &Row<'_>) -> rusqlite::Result<Transfer> {
    Ok(Transfer {
        decision: read(row, 0)?,
        kind: columns::read_transfer_kind(row.get(1)?)?,
        debit: columns::read_ledger_account(row.get(2)?, row.get(3)?)?,
        credit: columns::read_ledger_account(row.get(4)?, row.get(5)?)?,
        amount: read(row, 6)?,
        at: read(row, 7)?,
    })
}

fn balances(conn: &Connection) -> Rows<Balance> {
    let sql = "SELECT kind, id, SUM(debits), SUM(credits) FROM (\
               SELECT debit AS kind, debit_id AS id, SUM(amount) AS debits, 0 AS credits \
               FROM transfer GROUP BY debit, debit_id UNION ALL \
               SELECT credit, credit_id, 0, SUM(amount) FROM transfer \
               GROUP BY credit, credit_id) AS sides GROUP BY kind, id ORDER BY kind, id";
    all(conn, sql, [], |row| {
        Ok(Balance {
            account: columns::read_ledger_account(row.get(0)?, row.get(1)?)?,
            debits: read(row, 2)?,
            credits: read(row, 3)?,
        })
    })
}

/// All rows, or those of one account.
fn of_account<T>(
    conn: &Connection,
    (select, condition, order): (&str, &str, &str),
    account: Option<AccountId>,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Rows<T> {
    match account {
        None => all(conn, &format!("{select} ORDER BY {order}"), [], read),
        Some(id) => {
            all(conn, &format!("{select} WHERE {condition} ORDER BY {order}"), [id.0], read)
        }
    }
}

impl Reader for SqliteStore {
    fn calls(&self, filter: &CallFilter) -> Result<Vec<Cdr>, StoreError> {
        calls(self.conn()?, filter).doing(&self.file, "list calls")
    }

    fn call_page(&self, filter: &CallFilter, look: u32) -> Result<CallPage, StoreError> {
        let found = match filter.account {
            Some(account) => call_page(self.conn()?, account, filter, look),
            None => calls(self.conn()?, filter).map(|calls| CallPage::of(calls, filter)),
        };
        found.doing(&self.file, "list calls")
    }

    fn last_used(&self, account: AccountId, look: u32) -> Result<LastUsed, StoreError> {
        last_used(self.conn()?, account, look).doing(&self.file, "ask where an account calls")
    }

    fn decision(&self, id: DecisionId) -> Result<Option<Decided>, StoreError> {
        decision(self.conn()?, id).doing(&self.file, "look a decision up")
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        all(self.conn()?, &format!("{} ORDER BY id", rows::ACCOUNT), [], rows::account)
            .doing(&self.file, "list accounts")
    }

    fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let found =
            all(self.conn()?, &format!("{} WHERE id = $1", rows::ACCOUNT), [id.0], rows::account);
        found.map(|mut found| found.pop()).doing(&self.file, "look an account up")
    }

    fn controls_at(&self, id: AccountId, at: UnixMicros) -> Result<Option<Standing>, StoreError> {
        history::at(self.conn()?, id, at).doing(&self.file, "ask what stood for an account")
    }

    fn account_history(&self, id: AccountId, limit: u32) -> Result<Vec<Standing>, StoreError> {
        history::of(self.conn()?, id, limit).doing(&self.file, "list what stood for an account")
    }

    fn line_at(&self, id: LineId, at: UnixMicros) -> Result<Option<LineStanding>, StoreError> {
        history::line_at(self.conn()?, id, at).doing(&self.file, "ask what stood for a line")
    }

    fn line_history(&self, id: LineId) -> Result<Vec<LineStanding>, StoreError> {
        history::of_line(self.conn()?, id).doing(&self.file, "list what stood for a line")
    }

    fn raises(&self, account: AccountId) -> Result<Option<AccountRaises>, StoreError> {
        history::raises(self.conn()?, account).doing(&self.file, "look raises up")
    }

    fn control_requests(
        &self,
        account: Option<AccountId>,
    ) -> Result<Vec<ControlRequest>, StoreError> {
        let select = ("SELECT detail FROM control_request", "account = $1", "id");
        of_account(self.conn()?, select, account, rows::whole).doing(&self.file, "list requests")
    }

    fn web_users(&self, account: Option<AccountId>) -> Result<Vec<WebUser>, StoreError> {
        let opener = self.opener();
        let select = (web_users::USER, "account = $1", "id");
        let read = |row: &rusqlite::Row<'_>| web_users::read(row, &opener);
        of_account(self.conn()?, select, account, read).doing(&self.file, "list web users")
    }

    fn web_user_of_id(&self, id: WebUserId) -> Result<Option<WebUser>, StoreError> {
        let found = web_users::of_id(self.conn()?, id, &self.opener());
        found.doing(&self.file, "look a web user up")
    }

    fn web_user(&self, name: &str) -> Result<Option<WebUser>, StoreError> {
        let found = web_users::named(self.conn()?, name, &self.opener());
        found.doing(&self.file, "look a web user up")
    }

    fn kept_answer(
        &self,
        user: WebUserId,
        token: u32,
        key: &str,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        let found = answers::of_key(self.conn()?, user, token, key);
        found.doing(&self.file, "look a kept answer up")
    }

    fn kept_answers(&self, account: AccountId, since: UnixMicros) -> Result<u64, StoreError> {
        answers::count(self.conn()?, account, since).doing(&self.file, "count kept answers")
    }

    fn control_request(&self, id: u32) -> Result<Option<ControlRequest>, StoreError> {
        history::request(self.conn()?, id).doing(&self.file, "look a request up")
    }

    fn lines(&self, account: Option<AccountId>) -> Result<Vec<Line>, StoreError> {
        let opener = self.opener();
        let read = |row: &Row<'_>| rows::line(row, &opener);
        of_account(self.conn()?, (rows::LINE, "account = $1", "id"), account, read)
            .doing(&self.file, "list lines")
    }

    fn resellers(&self) -> Result<Vec<Reseller>, StoreError> {
        all(self.conn()?, rows::RESELLER, [], rows::reseller).doing(&self.file, "list resellers")
    }

    fn spending(&self, account: AccountId, since: UnixMicros) -> Result<Vec<Spending>, StoreError> {
        snapshot::spending_of(self.conn()?, account, since).doing(&self.file, "list spending")
    }

    fn numbers(&self, account: Option<AccountId>) -> Result<Vec<Number>, StoreError> {
        of_account(self.conn()?, (rows::NUMBER, "account = $1", "e164"), account, rows::number)
            .doing(&self.file, "list numbers")
    }

    fn trunks(&self) -> Result<Vec<Trunk>, StoreError> {
        rows::trunks(self.conn()?, &self.opener()).doing(&self.file, "list trunks")
    }

    fn decks(&self) -> Result<Vec<DeckSummary>, StoreError> {
        decks::summaries(self.conn()?).doing(&self.file, "list decks")
    }

    fn deck_at(&self, id: DeckId, at: UnixMicros) -> Result<Option<Deck>, StoreError> {
        decks::at(self.conn()?, id, at).doing(&self.file, "read a deck")
    }

    fn deck_rows_at(
        &self,
        deck: DeckId,
        digits: &str,
        at: UnixMicros,
    ) -> Result<Vec<RateRow>, StoreError> {
        decks::rows_at(self.conn()?, deck, digits, at).doing(&self.file, "look up rates")
    }

    fn deck_states(&self, id: DeckId) -> Result<Vec<DeckState>, StoreError> {
        decks::states(self.conn()?, id).doing(&self.file, "read the history of a deck")
    }

    fn bindings(&self, account: Option<AccountId>) -> Result<Vec<BindingRecord>, StoreError> {
        let mine = "line IN (SELECT id FROM line WHERE account = $1)";
        of_account(self.conn()?, (rows::BINDING, mine, "line, contact"), account, rows::binding)
            .doing(&self.file, "list bindings")
    }

    fn holds(&self, account: Option<AccountId>) -> Result<Vec<Hold>, StoreError> {
        of_account(self.conn()?, (rows::HOLD, "account = $1", "decision"), account, rows::hold)
            .doing(&self.file, "list holds")
    }

    fn unbilled(&self, account: AccountId) -> Result<Money, StoreError> {
        let sql = "SELECT (SELECT COALESCE(SUM(unbilled), 0) FROM account_total WHERE account = $1) \
                   + (SELECT COALESCE(SUM(price), 0) FROM recent WHERE account = $1)";
        let sum = all(self.conn()?, sql, [account.0], |row| read(row, 0));
        sum.map(|sum| sum.first().copied().unwrap_or_default())
            .doing(&self.file, "ask for un-billed usage")
    }

    fn transfers(&self, decision: DecisionId) -> Result<Vec<Transfer>, StoreError> {
        billing::transfers(self.conn()?, decision).doing(&self.file, "list transfers")
    }

    fn balances(&self) -> Result<Vec<Balance>, StoreError> {
        balances(self.conn()?).doing(&self.file, "sum up the ledger")
    }

    fn postings(&self, filter: &PostingFilter) -> Result<Vec<StoredPosting>, StoreError> {
        billing::postings(self.conn()?, filter).doing(&self.file, "list postings")
    }

    fn bill_runs(&self) -> Result<Vec<KnownRun>, StoreError> {
        billing::runs(self.conn()?).doing(&self.file, "list bill runs")
    }

    fn bills(&self, filter: &BillFilter) -> Result<Vec<Bill>, StoreError> {
        billing::bills(self.conn()?, filter).doing(&self.file, "list bills")
    }

    fn last_bills(&self, first: AccountId, last: AccountId) -> Result<Vec<Bill>, StoreError> {
        billing::last_bills(self.conn()?, (first, last)).doing(&self.file, "list last bills")
    }

    fn bill_items(
        &self,
        account: AccountId,
        before: &Coverage,
        covers: &Coverage,
    ) -> Result<BillItems, StoreError> {
        billing::items(self.conn()?, account, before, covers)
            .doing(&self.file, "list what is on a bill")
    }

    fn instalments(&self, account: Option<AccountId>) -> Result<Vec<InstalmentPlan>, StoreError> {
        billing::plans(self.conn()?, account).doing(&self.file, "list instalments")
    }

    fn facts(&self, filter: &FactFilter) -> Result<Vec<StoredFact>, StoreError> {
        facts(self.conn()?, filter).doing(&self.file, "list facts")
    }

    fn devices(&self, account: Option<AccountId>) -> Result<Vec<Device>, StoreError> {
        of_account(self.conn()?, (rows::DEVICE, "account = $1", "id"), account, rows::whole)
            .doing(&self.file, "list devices")
    }

    fn lock_outs(&self) -> Result<Vec<LockOut>, StoreError> {
        rows::lock_outs(self.conn()?, UnixMicros(i64::MIN)).doing(&self.file, "list lock-outs")
    }

    fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        rows::bans(self.conn()?, UnixMicros(i64::MIN)).doing(&self.file, "list bans")
    }

    fn sealing(&self) -> Result<Sealing, StoreError> {
        let no_key = || StoreError::NoKey { file: self.file.clone() };
        let sealer = self.sealer().ok_or_else(no_key)?;
        sealed::survey(self.conn()?, sealer).doing(&self.file, "open its secrets")
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        verify::run(self.conn()?, self.sealer()).doing(&self.file, "verify its sums")
    }

    fn verify_chain(
        &self,
        question: &ChainQuestion,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<ChainReport, StoreError> {
        let conn = self.conn()?;
        let walk = || {
            // Only reads: the transaction is there so that they all see the same moment.
            let tx = conn.unchecked_transaction()?;
            let report = walk(&Tables(&tx), self.sealer(), question, progress)?;
            tx.finish()?;
            Ok(report)
        };
        let mut walk = walk;
        walk().doing(&self.file, "walk along the chain")
    }

    fn anchor(&self) -> Result<Option<Anchor>, StoreError> {
        chain::anchor(self.conn()?).doing(&self.file, "ask for the last link")
    }

    fn standings_within(
        &self,
        id: AccountId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<Standing>, StoreError> {
        let found = history::within(self.conn()?, id, (after.0, until.0));
        found.doing(&self.file, "ask what came to stand for an account")
    }

    fn lines_within(
        &self,
        id: LineId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<LineStanding>, StoreError> {
        let found = history::line_within(self.conn()?, id, (after.0, until.0));
        found.doing(&self.file, "ask what came to stand for a line")
    }

    fn trunk_at(&self, id: TrunkId, at: UnixMicros) -> Result<Option<TrunkStanding>, StoreError> {
        history::trunk_at(self.conn()?, id, at).doing(&self.file, "ask what stood for a trunk")
    }

    fn calls_after(&self, link: u64, most: u32) -> Result<CallsOnLinks, StoreError> {
        let conn = self.conn()?;
        let read = || {
            let head = chain::head(conn)?.map_or(0, |(seq, _)| seq);
            let upto = link.saturating_add(most.into()).min(head);
            let calls = history::calls_on(conn, (link, upto))?;
            Ok(CallsOnLinks { calls, upto, head })
        };
        read().doing(&self.file, "follow the calls of the record")
    }

    fn audited(&self) -> Result<u64, StoreError> {
        history::mark(self.conn()?).doing(&self.file, "ask how far calls were audited")
    }
}
