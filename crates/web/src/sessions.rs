//! Who is signed in. Lives here: sessions, by the hash of their token; which of them are kept over a restart. Never here:
//! cookies (`guard`), passwords, writing them down (`app`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use types::{
    AccountId, DeviceId, DeviceNotices, KeptSession, LineId, UnixMicros, WebUser, WebUserId,
};

use crate::desk::{ContactAsk, SecretShape};
use crate::secrets::{NoDice, hash, token};

/// A session ends when nothing was asked in it for so long (S2).
const IDLE_MS: u64 = 30 * 60_000;
/// And at the latest after so long (S2).
const LONGEST_MS: u64 = 12 * 3_600_000;
/// So long a session goes on before it is written again that it does.
const KEEP_MS: u64 = 10 * 60_000;
/// Between password and code.
const HALF_WAY_MS: u64 = 5 * 60_000;
/// So long a password that was shown again is fresh.
const FRESH_MS: u64 = 5 * 60_000;
/// Sessions of one user; the one that was idle for longest gives way.
const MOST_OF_USER: usize = 20;
/// All sessions; beyond, the one that was idle for longest gives way.
const MOST: usize = 100_000;

/// How far a log-in has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The password was right; the code is still to come.
    HalfWay,
    /// He is in.
    In,
}

/// What a form asked for before its holder had shown that it is he.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// The fields of the money limits, as they were typed.
    Limits(Vec<(String, String)>),
    /// Let calls like this one out.
    Allow {
        /// Which.
        decision: String,
        /// For how long, as it was typed.
        lasts: String,
    },
    /// Turn countries or kinds of numbers on: the fields, as they were typed.
    TurnOn(Vec<(String, String)>),
    /// Lock the account to networks: the fields, as they were typed.
    Lock(Vec<(String, String)>),
    /// No lock any more.
    Unlock,
    /// When calls may be made: the fields, as they were chosen.
    Hours(Vec<(String, String)>),
    /// Let calls out again.
    Thaw,
    /// Add an authenticator.
    Totp,
    /// No authenticator any more.
    NoTotp,
    /// A phone is his.
    Mine(DeviceId),
    /// A new password for a line, and how many milliseconds the one before goes on.
    Secret(LineId, SecretShape, Option<u64>),
    /// A change of who is told.
    Contact(ContactAsk),
    /// Which new phones are told.
    Notices(DeviceNotices),
}

/// One sign-in of one user in one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Names it among a user's sessions, for people.
    pub number: u64,
    /// Whose.
    pub user: WebUserId,
    /// His name.
    pub name: String,
    /// Whose pages.
    pub account: AccountId,
    /// How far he has come.
    pub stage: Stage,
    /// Since when.
    pub since: UnixMicros,
    /// The last time he asked for something.
    pub seen: UnixMicros,
    /// When it was last written that he is in.
    pub kept: UnixMicros,
    /// Until when what he showed counts as fresh.
    pub fresh_until: UnixMicros,
    /// From where.
    pub source: IpAddr,
    /// With what.
    pub agent: String,
    /// Said at the top of the next page, once.
    pub flash: Option<String>,
    /// Waits for fresh proof.
    pub pending: Option<Pending>,
    /// He is on his way through the steps of a recovery: each page leads back to them.
    pub recovering: bool,
    /// The page that was asked for before he signed in.
    pub then: Option<String>,
}

impl Session {
    /// Of a user who showed his password, or a link, just now.
    pub fn of(
        user: &WebUser,
        stage: Stage,
        (source, agent): (IpAddr, &str),
        now: UnixMicros,
    ) -> Session {
        Session {
            number: 0,
            user: user.id,
            name: user.name.clone(),
            account: user.account,
            stage,
            since: now,
            seen: now,
            kept: now,
            fresh_until: now.plus_ms(FRESH_MS),
            source,
            agent: agent.chars().filter(|c| !c.is_control()).take(200).collect(),
            flash: None,
            pending: None,
            recovering: false,
            then: None,
        }
    }

    /// Was it shown just now that it is he?
    pub fn is_fresh(&self, now: UnixMicros) -> bool {
        self.stage == Stage::In && now < self.fresh_until
    }

    fn is_over(&self, now: UnixMicros) -> bool {
        let idle = match self.stage {
            Stage::HalfWay => HALF_WAY_MS,
            Stage::In => IDLE_MS,
        };
        now >= self.seen.plus_ms(idle) || now >= self.since.plus_ms(LONGEST_MS)
    }
}

#[derive(Default)]
struct Table {
    by_hash: BTreeMap<String, Session>,
    last: u64,
}

/// All sessions.
#[derive(Default)]
pub struct Sessions(Mutex<Table>);

impl Sessions {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; its token is given here and kept nowhere.
    pub fn begin(&self, mut session: Session) -> Result<String, NoDice> {
        let made = token()?;
        let mut table = self.table();
        let now = session.seen;
        table.by_hash.retain(|_, known| !known.is_over(now));
        let of_user = |known: &Session| known.user == session.user;
        let count = table.by_hash.values().filter(|known| of_user(known)).count();
        if count >= MOST_OF_USER {
            drop_idlest(&mut table, of_user);
        }
        if table.by_hash.len() >= MOST {
            drop_idlest(&mut table, |_| true);
        }
        table.last += 1;
        session.number = table.last;
        table.by_hash.insert(hash(&made), session);
        Ok(made)
    }

    /// The session of a token, if it has not ended. `touch`: somebody asked for something just now.
    pub fn find(&self, token: &str, now: UnixMicros, touch: bool) -> Option<Session> {
        let (mut table, key) = (self.table(), hash(token));
        let session = table.by_hash.get_mut(&key)?;
        if session.is_over(now) {
            table.by_hash.remove(&key);
            return None;
        }
        if touch {
            session.seen = session.seen.max(now);
        }
        Some(session.clone())
    }

    /// Is it to be written that a session goes on? Says so once in a while.
    pub fn is_to_keep(&self, token: &str, now: UnixMicros) -> bool {
        let (mut table, key) = (self.table(), hash(token));
        let Some(session) = table.by_hash.get_mut(&key) else { return false };
        let is_due = session.stage == Stage::In && now >= session.kept.plus_ms(KEEP_MS);
        if is_due {
            session.kept = now;
        }
        is_due
    }

    /// The sessions of a user as they are kept.
    pub fn kept_of(&self, user: WebUserId, now: UnixMicros) -> Vec<KeptSession> {
        let table = self.table();
        let of_user = table.by_hash.iter().filter(|(_, known)| {
            known.user == user && known.stage == Stage::In && !known.is_over(now)
        });
        of_user
            .map(|(hash, known)| KeptSession {
                hash: hash.clone(),
                since: known.since,
                seen: known.seen,
                source: known.source,
                agent: known.agent.clone(),
            })
            .collect()
    }

    /// Sessions that were kept go on, unless they are over. What was shown in them is not fresh.
    pub fn restore(&self, users: &[WebUser], now: UnixMicros) {
        let mut table = self.table();
        for user in users.iter().filter(|user| !user.is_removed) {
            for kept in &user.sessions {
                let from = (kept.source, kept.agent.as_str());
                let session = Session {
                    number: table.last + 1,
                    seen: kept.seen,
                    fresh_until: UnixMicros(0),
                    ..Session::of(user, Stage::In, from, kept.since)
                };
                if !session.is_over(now) && !table.by_hash.contains_key(&kept.hash) {
                    table.last += 1;
                    table.by_hash.insert(kept.hash.clone(), session);
                }
            }
        }
    }

    /// Changes a session, if it is still there.
    pub fn amend(&self, token: &str, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.table().by_hash.get_mut(&hash(token)) {
            change(session);
        }
    }

    /// He has just shown again that it is he.
    pub fn freshen(&self, token: &str, now: UnixMicros) {
        self.amend(token, |session| session.fresh_until = now.plus_ms(FRESH_MS));
    }

    /// Takes what is said once.
    pub fn take_flash(&self, token: &str) -> Option<String> {
        let mut flash = None;
        self.amend(token, |session| flash = session.flash.take());
        flash
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        self.table().by_hash.remove(&hash(token));
    }

    /// Ends all sessions of a user but that of `spared`; how many.
    pub fn end_all(&self, user: WebUserId, spared: Option<&str>) -> usize {
        let mut table = self.table();
        let (before, spared) = (table.by_hash.len(), spared.map(hash));
        table.by_hash.retain(|key, known| known.user != user || Some(key) == spared.as_ref());
        before - table.by_hash.len()
    }

    /// Sessions of a user, or of all; the newest first.
    pub fn list(&self, user: Option<WebUserId>, now: UnixMicros) -> Vec<Session> {
        let table = self.table();
        let wanted = |known: &&Session| {
            user.is_none_or(|user| known.user == user)
                && known.stage == Stage::In
                && !known.is_over(now)
        };
        let mut found: Vec<Session> = table.by_hash.values().filter(wanted).cloned().collect();
        found.sort_by_key(|session| std::cmp::Reverse(session.number));
        found
    }
}

fn drop_idlest(table: &mut Table, of: impl Fn(&Session) -> bool) {
    let among = table.by_hash.iter().filter(|(_, known)| of(known));
    let idlest = among.min_by_key(|(_, known)| known.seen).map(|(key, _)| key.clone());
    if let Some(key) = idlest {
        table.by_hash.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn at(minute: u64) -> UnixMicros {
        UnixMicros(0).plus_ms(minute * MINUTE)
    }

    fn session(user: u32, stage: Stage, since: UnixMicros) -> Session {
        Session {
            number: 0,
            user: WebUserId(user),
            name: "alice@example.com".to_owned(),
            account: AccountId(1),
            stage,
            since,
            seen: since,
            kept: since,
            fresh_until: since.plus_ms(FRESH_MS),
            source: IpAddr::from([192, 0, 2, 1]),
            agent: String::new(),
            flash: None,
            pending: None,
            recovering: false,
            then: None,
        }
    }

    /// Asked for at these minutes: is it there at the last of them?
    #[test]
    fn sessions_end_when_idle_and_in_any_case() {
        fn check(stage: Stage, asked: &[u64], want: bool) {
            let sessions = Sessions::default();
            let token = sessions.begin(session(1, stage, at(0))).expect("dice");
            let mut there = true;
            for minute in asked {
                there = sessions.find(&token, at(*minute), true).is_some();
            }
            assert_eq!(there, want, "{stage:?} {asked:?}");
        }
        check(Stage::In, &[29], true);
        check(Stage::In, &[30], false);
        check(Stage::In, &[29, 58], true);
        check(Stage::In, &[29, 59], false);
        let all_day: Vec<u64> = (1..=36).map(|times| times * 20).collect();
        check(Stage::In, &all_day[..35], true);
        check(Stage::In, &all_day, false);
        check(Stage::HalfWay, &[4], true);
        check(Stage::HalfWay, &[5], false);
    }

    #[test]
    fn a_look_that_does_not_count_keeps_nothing_alive() {
        let sessions = Sessions::default();
        let token = sessions.begin(session(1, Stage::In, at(0))).expect("dice");
        assert!(sessions.find(&token, at(29), false).is_some());
        assert!(sessions.find(&token, at(31), false).is_none());
    }

    #[test]
    fn proof_is_fresh_for_five_minutes() {
        let one = session(1, Stage::In, at(0));
        assert!(one.is_fresh(at(4)) && !one.is_fresh(at(5)));
        assert!(!session(1, Stage::HalfWay, at(0)).is_fresh(at(1)));
    }

    #[test]
    fn signing_out_everywhere_spares_nobody_else() {
        let sessions = Sessions::default();
        let begin = |user| sessions.begin(session(user, Stage::In, at(0))).expect("dice");
        let (here, there, other) = (begin(1), begin(1), begin(2));
        assert_eq!(sessions.end_all(WebUserId(1), Some(&here)), 1);
        let is_in = |token: &str| sessions.find(token, at(1), true).is_some();
        assert_eq!([is_in(&here), is_in(&there), is_in(&other)], [true, false, true]);
        assert_eq!(sessions.end_all(WebUserId(1), None), 1);
        assert_eq!([is_in(&here), is_in(&other)], [false, true]);
    }

    #[test]
    fn a_user_has_a_bounded_number_of_sessions() {
        let sessions = Sessions::default();
        let begin = |minute| sessions.begin(session(1, Stage::In, at(minute))).expect("dice");
        let first = begin(0);
        for _ in 0..MOST_OF_USER {
            begin(1);
        }
        assert!(sessions.find(&first, at(2), true).is_none());
        assert_eq!(sessions.list(Some(WebUserId(1)), at(2)).len(), MOST_OF_USER);
    }

    /// Written at one minute, the program starts again at another: is he in?
    #[test]
    fn sessions_outlive_the_program_and_end_as_they_would_have() {
        fn check(asked: &[u64], again: u64, want: bool) {
            let before = Sessions::default();
            let token = before.begin(session(1, Stage::In, at(0))).expect("dice");
            let half = before.begin(session(1, Stage::HalfWay, at(0))).expect("dice");
            let last = asked.iter().fold(0, |_, minute| {
                before.find(&token, at(*minute), true);
                *minute
            });
            let mut user = user();
            user.sessions = before.kept_of(WebUserId(1), at(last));
            let after = Sessions::default();
            after.restore(&[user.clone()], at(again));
            let found = after.find(&token, at(again), true);
            assert_eq!(found.is_some(), want, "{asked:?} {again}");
            assert!(found.is_none_or(|found| !found.is_fresh(at(again))));
            assert!(after.find(&half, at(again), true).is_none(), "half way is not kept");
            let none = Sessions::default();
            none.restore(&[WebUser { is_removed: true, ..user }], at(again));
            assert!(none.find(&token, at(again), true).is_none());
        }
        check(&[], 29, true);
        check(&[], 30, false);
        check(&[25], 54, true);
        check(&[25], 55, false);
        let all_day: Vec<u64> = (1..36).map(|times| times * 20).collect();
        check(&all_day, 719, true);
        check(&all_day, 720, false);
    }

    #[test]
    fn that_a_session_goes_on_is_written_now_and_then() {
        let sessions = Sessions::default();
        let token = sessions.begin(session(1, Stage::In, at(0))).expect("dice");
        let due = [0, 9, 10, 11, 19, 20].map(|minute| sessions.is_to_keep(&token, at(minute)));
        assert_eq!(due, [false, false, true, false, false, true]);
    }

    fn user() -> WebUser {
        WebUser {
            id: WebUserId(1),
            account: AccountId(1),
            name: "alice@example.com".to_owned(),
            password: None,
            password_since: None,
            link: None,
            totp: None,
            totp_step: 0,
            recovery: Vec::new(),
            created: at(0),
            last_seen: None,
            sessions: Vec::new(),
            browsers: Vec::new(),
            is_removed: false,
        }
    }
}
