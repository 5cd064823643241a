//! Session timers of a call's two sides (RFC 4028). Lives here: what is granted, agreed and asked for,
//! refreshing. Never here: the timer itself (session_timer), what happens when it runs out.

use types::Tick;

use crate::message::{Message, Method, Name, Refresher, print};
use crate::session_timer::{self, Granted, Offered, SessionTimer, TimerError};
use crate::transaction::ServerTx;

use super::compose::{self, OwnedMethod};
use super::{Call, Purpose, Session, Settings, Side, User, Wire, index_of};

impl Call {
    pub(super) fn start_sessions(&mut self, wire: &Wire<'_>, response: &Message<'_>) {
        let now = wire.now.tick;
        let granted = self.caller.session;
        let we_refresh = granted.refresher == Refresher::Uas;
        let timer = SessionTimer::new(now, granted.seconds, we_refresh);
        self.sessions[0] = Some(Session { timer, peer_knows: granted.require });
        self.sessions[1] = Some(match session_timer::agreed(response) {
            Some(Ok(agreed)) => {
                let we_refresh = agreed.refresher == Some(Refresher::Uac);
                let timer = SessionTimer::new(now, agreed.seconds, we_refresh);
                Session { timer, peer_knows: true }
            }
            _ => Session::asked_by_us(now, wire),
        });
    }

    /// What a request that refreshes the session is granted; `None`: it asks for what cannot be, and
    /// has been refused (RFC 4028 §9).
    pub(super) fn granted_to(
        &self,
        wire: &mut Wire<'_>,
        request: &Message<'_>,
        method: OwnedMethod,
        tx: ServerTx,
    ) -> Option<Option<Granted>> {
        if !method.refreshes_session() {
            return Some(None);
        }
        match session_timer::grant(&wire.settings.session, request) {
            Ok(granted) => return Some(Some(granted)),
            Err(TimerError::TooSmall(_)) => self.refuse(wire, tx, 422),
            Err(TimerError::Header(_)) => self.refuse(wire, tx, 400),
        }
        None
    }

    /// A side sent a request or answered one: its session goes on.
    pub(super) fn show_life(&mut self, side: Side, now: Tick) {
        if let Some(session) = &mut self.sessions[index_of(side)] {
            session.timer.refreshed(now);
        }
    }

    /// A side refreshed its session and was granted this; one that knows no timers keeps the old one.
    pub(super) fn session_granted(&mut self, side: Side, now: Tick, granted: Option<Granted>) {
        let Some(granted) = granted.filter(|granted| granted.require) else { return };
        if let Some(session) = &mut self.sessions[index_of(side)] {
            let we_refresh = granted.refresher == Refresher::Uas;
            session.timer = SessionTimer::new(now, granted.seconds, we_refresh);
            session.peer_knows = true;
        }
    }

    /// What a refresh towards a side asks for: the interval that was agreed before (RFC 4028 §7.4).
    pub(super) fn session_offered(
        &self,
        settings: &Settings,
        side: Side,
        refresher: Refresher,
    ) -> Offered {
        let offered = session_timer::offer(&settings.session, Some(refresher));
        match self.sessions[index_of(side)].filter(|session| session.peer_knows) {
            Some(session) => Offered { seconds: session.timer.seconds(), ..offered },
            None => offered,
        }
    }

    /// A side agreed to the session timer that a request of ours asked for.
    pub(super) fn session_agreed(&mut self, side: Side, now: Tick, response: &Message<'_>) {
        let Some(Ok(agreed)) = session_timer::agreed(response) else { return };
        if let Some(session) = &mut self.sessions[index_of(side)] {
            let we_refresh = agreed.refresher == Some(Refresher::Uac);
            session.timer = SessionTimer::new(now, agreed.seconds, we_refresh);
            session.peer_knows = true;
        }
    }

    /// Refreshes the session of a side with UPDATE, or asks one without timers whether it is there.
    pub(super) fn refresh_session(&mut self, wire: &mut Wire<'_>, side: Side) {
        let Some(winner) = self.winner else { return };
        let peer_knows = self.sessions[index_of(side)].is_some_and(|s| s.peer_knows);
        let method = if peer_knows { Method::Update } else { Method::Options };
        let user = User { call: self.key, purpose: Purpose::Relay(side, u8::MAX) }.pack();
        let Ok(tx) = wire.transactions.new_client(user) else { return };
        let branch = wire.transactions.branch(tx).to_string();
        let settings = wire.settings;
        let offered = self.session_offered(settings, side, Refresher::Uac);
        let dialog = self.dialog_mut(side, winner);
        let cseq = dialog.next_cseq();
        let dialog = &*dialog;
        wire.transactions.send(wire.now.tick, tx, dialog.flow, method, wire.out, |out| {
            compose::in_dialog(out, dialog, method, cseq, &branch, settings);
            if peer_knows {
                print::header(out, Name::Supported, "timer");
                session_timer::write_offered(out, &offered);
            }
            compose::finish(out, None);
        });
    }
}

impl Session {
    /// The peer knows no session timer: we ask whether it is still there.
    pub(super) fn asked_by_us(now: Tick, wire: &Wire<'_>) -> Session {
        let seconds = wire.settings.session.session_expires_s;
        Session { timer: SessionTimer::new(now, seconds, true), peer_knows: false }
    }
}
