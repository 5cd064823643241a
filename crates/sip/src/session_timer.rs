//! Session timers (RFC 4028). Lives here: what is asked, what is granted, who refreshes, and when a
//! session is refreshed or given up. Never here: dialogs, the clock, the re-INVITE itself.

use types::{Millis, Tick};

use crate::message::{HeaderError, Message, Name, Refresher, SessionExpires, print};

/// What we ask for and what we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Length of a session that we ask for or grant, in seconds.
    pub session_expires_s: u32,
    /// The shortest that we accept, in seconds; never below [`LEAST_MIN_SE_S`].
    pub min_se_s: u32,
}

/// RFC 4028 §4: nobody may ask for less.
pub const LEAST_MIN_SE_S: u32 = 90;

/// The longest session that a 422 can talk us into.
pub const MOST_SESSION_EXPIRES_S: u32 = 7_200;

impl Default for Policy {
    fn default() -> Policy {
        Policy { session_expires_s: 1_800, min_se_s: LEAST_MIN_SE_S }
    }
}

impl Policy {
    fn least_s(&self) -> u32 {
        self.min_se_s.max(LEAST_MIN_SE_S)
    }
}

/// What our answer to a session's request says about its timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Length of the session, in seconds.
    pub seconds: u32,
    /// Who refreshes.
    pub refresher: Refresher,
    /// Must the peer know session timers to understand the answer? Then it says `Require: timer`.
    pub require: bool,
}

/// The session is too short for us: 422 with this Min-SE (RFC 4028 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is shorter than {min_se_s} seconds")]
pub struct TooSmall {
    /// What we accept, in seconds.
    pub min_se_s: u32,
}

/// Why a request for a session is refused on account of its timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimerError {
    /// 422.
    #[error(transparent)]
    TooSmall(#[from] TooSmall),
    /// 400.
    #[error("Session-Expires or Min-SE {0}")]
    Header(#[from] HeaderError),
}

/// Answers the timer of an INVITE or UPDATE (RFC 4028 §9). With a peer that does not know timers the
/// refreshing falls to us.
pub fn grant(policy: &Policy, request: &Message<'_>) -> Result<Granted, TimerError> {
    let is_supported = request.has_option(Name::Supported, "timer");
    let asked = request.session_expires().transpose()?;
    let peer_min_s = request.min_se().transpose()?.unwrap_or(0).max(LEAST_MIN_SE_S);
    let seconds = match asked {
        Some(asked) if asked.seconds < policy.least_s() && is_supported => {
            return Err(TooSmall { min_se_s: policy.least_s() }.into());
        }
        // It may be made shorter, down to the peer's Min-SE.
        Some(asked) => asked.seconds.min(policy.session_expires_s.max(peer_min_s)),
        None => policy.session_expires_s.max(peer_min_s),
    };
    let refresher = match (is_supported, asked.and_then(|asked| asked.refresher)) {
        (true, Some(refresher)) => refresher,
        // Phones that register for themselves are better kept by themselves.
        (true, None) => Refresher::Uac,
        (false, _) => Refresher::Uas,
    };
    Ok(Granted { seconds: seconds.max(policy.least_s()), refresher, require: is_supported })
}

/// Writes the header lines of a 2xx.
pub fn write_granted(out: &mut Vec<u8>, granted: &Granted) {
    write_session_expires(out, granted.seconds, Some(granted.refresher));
    if granted.require {
        print::header(out, Name::Require, "timer");
    }
}

/// What a request of ours asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Length of the session, in seconds.
    pub seconds: u32,
    /// The shortest that may be made of it, in seconds.
    pub min_se_s: u32,
    /// Who shall refresh; `None`: the peer chooses.
    pub refresher: Option<Refresher>,
}

/// What the first request of a session asks for.
pub fn offer(policy: &Policy, refresher: Option<Refresher>) -> Offered {
    let min_se_s = policy.least_s();
    Offered { seconds: policy.session_expires_s.max(min_se_s), min_se_s, refresher }
}

/// What to ask for after a 422 (RFC 4028 §7.3); `None` when it asks for no more than we offered, or
/// for more than [`MOST_SESSION_EXPIRES_S`]: then the request has failed.
pub fn offer_again(offered: &Offered, refusal: &Message<'_>) -> Option<Offered> {
    let min_se_s = refusal.min_se()?.ok()?;
    let is_more = min_se_s > offered.min_se_s.min(offered.seconds);
    let can_be = is_more && min_se_s <= MOST_SESSION_EXPIRES_S;
    can_be.then(|| Offered { seconds: offered.seconds.max(min_se_s), min_se_s, ..*offered })
}

/// Writes the header lines of a request: Supported is the caller's.
pub fn write_offered(out: &mut Vec<u8>, offered: &Offered) {
    write_session_expires(out, offered.seconds, offered.refresher);
    // RFC 4028 §5: the default needs not be said.
    if offered.min_se_s > LEAST_MIN_SE_S {
        print::header(out, Name::MinSe, offered.min_se_s);
    }
}

/// What a 2xx made of our offer (RFC 4028 §7.2); `None`: the peer keeps no timer.
pub fn agreed(response: &Message<'_>) -> Option<Result<SessionExpires, HeaderError>> {
    let agreed = response.session_expires()?;
    Some(agreed.map(|agreed| SessionExpires {
        seconds: agreed.seconds.max(LEAST_MIN_SE_S),
        // One that is not named is us: then the session cannot die of a misunderstanding.
        refresher: Some(agreed.refresher.unwrap_or(Refresher::Uac)),
    }))
}

fn write_session_expires(out: &mut Vec<u8>, seconds: u32, refresher: Option<Refresher>) {
    match refresher {
        None => print::header(out, Name::SessionExpires, seconds),
        Some(Refresher::Uac) => {
            print::header(out, Name::SessionExpires, format_args!("{seconds};refresher=uac"));
        }
        Some(Refresher::Uas) => {
            print::header(out, Name::SessionExpires, format_args!("{seconds};refresher=uas"));
        }
    }
}

/// The timer of a running session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    interval_ms: Millis,
    we_refresh: bool,
    /// Not asked for yet in this interval.
    refresh_at: Tick,
    end_at: Tick,
}

/// What a session timer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing yet.
    Nothing,
    /// Refresh the session now.
    Refresh,
    /// Nobody refreshed it in time: BYE.
    Bye,
}

impl SessionTimer {
    /// A session that begins, or was refreshed, now.
    pub fn new(now: Tick, seconds: u32, we_refresh: bool) -> SessionTimer {
        let mut timer = SessionTimer {
            interval_ms: u64::from(seconds.max(LEAST_MIN_SE_S)) * 1_000,
            we_refresh,
            refresh_at: Tick::NEVER,
            end_at: Tick::NEVER,
        };
        timer.refreshed(now);
        timer
    }

    /// Length of the session in seconds.
    pub fn seconds(&self) -> u32 {
        u32::try_from(self.interval_ms / 1_000).unwrap_or(u32::MAX)
    }

    /// The session was refreshed: a refresh request was answered with 2xx, either way.
    pub fn refreshed(&mut self, now: Tick) {
        // RFC 4028 §10: refreshed after half of the time; given up shortly before its end.
        let early_ms = (self.interval_ms / 3).min(32_000);
        self.end_at = now.plus_ms(self.interval_ms - early_ms);
        self.refresh_at = match self.we_refresh {
            true => now.plus_ms(self.interval_ms / 2),
            false => Tick::NEVER,
        };
    }

    /// When [`SessionTimer::due`] is to be asked.
    pub fn next_timeout(&self) -> Tick {
        self.refresh_at.min(self.end_at)
    }

    /// What is to be done at `now`; each thing is said once.
    pub fn due(&mut self, now: Tick) -> Wanted {
        if now >= self.end_at {
            (self.refresh_at, self.end_at) = (Tick::NEVER, Tick::NEVER);
            return Wanted::Bye;
        }
        if now >= self.refresh_at {
            self.refresh_at = Tick::NEVER;
            return Wanted::Refresh;
        }
        Wanted::Nothing
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::message::Origin;

    fn with<T>(first: &str, extra: &str, check: impl FnOnce(&Message<'_>) -> T) -> T {
        let mut bytes = format!(
            "{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{extra}\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes();
        check(&Message::parse(&mut bytes, Origin::Datagram).expect(extra))
    }

    #[test]
    fn what_is_granted() {
        use Refresher::{Uac, Uas};
        fn check(extra: &str, want: Result<(u32, Refresher, bool), u32>) {
            let got =
                with("INVITE sip:b@h SIP/2.0", extra, |invite| grant(&Policy::default(), invite));
            let got = match got {
                Ok(granted) => Ok((granted.seconds, granted.refresher, granted.require)),
                Err(TimerError::TooSmall(too_small)) => Err(too_small.min_se_s),
                Err(TimerError::Header(_)) => Err(0),
            };
            assert_eq!(got, want, "{extra}");
        }
        let timer = |rest: &str| format!("Supported: timer\r\n{rest}");
        check("", Ok((1_800, Uas, false)));
        check("Session-Expires: 600\r\n", Ok((600, Uas, false)));
        check("Session-Expires: 30\r\n", Ok((90, Uas, false))); // It could not be told with 422.
        check(&timer(""), Ok((1_800, Uac, true)));
        check(&timer("Session-Expires: 600\r\n"), Ok((600, Uac, true)));
        check(&timer("x: 600;refresher=uas\r\n"), Ok((600, Uas, true)));
        check(&timer("Session-Expires: 600;refresher=uac\r\n"), Ok((600, Uac, true)));
        check(&timer("Session-Expires: 90\r\n"), Ok((90, Uac, true)));
        check(&timer("Session-Expires: 89\r\n"), Err(90));
        check(&timer("Session-Expires: 5000\r\n"), Ok((1_800, Uac, true)));
        check(&timer("Session-Expires: 5000\r\nMin-SE: 3000\r\n"), Ok((3_000, Uac, true)));
        check(&timer("Min-SE: 3000\r\n"), Ok((3_000, Uac, true)));
        check(&timer("Session-Expires: soon\r\n"), Err(0));
        check(&timer("Session-Expires: 600\r\nMin-SE: x\r\n"), Err(0));
    }

    #[test]
    fn what_is_asked_after_422() {
        fn check(offered: Offered, extra: &str, want: Option<(u32, u32)>) {
            with("SIP/2.0 422 Session Interval Too Small", extra, |refusal| {
                let got = offer_again(&offered, refusal);
                assert_eq!(got.map(|again| (again.seconds, again.min_se_s)), want, "{extra}");
            });
        }
        let first = offer(&Policy { session_expires_s: 600, min_se_s: 60 }, None);
        assert_eq!((first.seconds, first.min_se_s), (600, 90), "never less than 90");
        check(first, "Min-SE: 1200\r\n", Some((1_200, 1_200)));
        check(first, "Min-SE: 300\r\n", Some((600, 300)));
        check(first, "Min-SE: 90\r\n", None);
        check(first, "Min-SE: 7200\r\n", Some((7_200, 7_200)));
        check(first, "Min-SE: 7201\r\n", None);
        check(first, "Min-SE: x\r\n", None);
        check(first, "", None);
        let again = Offered { seconds: 1_200, min_se_s: 1_200, refresher: None };
        check(again, "Min-SE: 1200\r\n", None); // No round without end.
    }

    #[test]
    fn what_is_agreed() {
        fn check(extra: &str, want: Option<(u32, Refresher)>) {
            with("SIP/2.0 200 OK", extra, |response| {
                let got = agreed(response).and_then(Result::ok);
                assert_eq!(got.map(|got| (got.seconds, got.refresher.unwrap())), want, "{extra}");
            });
        }
        check("", None);
        check("Session-Expires: 1800;refresher=uas\r\n", Some((1_800, Refresher::Uas)));
        check("Session-Expires: 1800;refresher=uac\r\n", Some((1_800, Refresher::Uac)));
        check("Session-Expires: 1800\r\n", Some((1_800, Refresher::Uac)));
        check("Session-Expires: 1\r\n", Some((90, Refresher::Uac)));
        check("Session-Expires: x\r\n", None);
    }

    #[test]
    fn lines_read_back() {
        let mut out = Vec::new();
        write_granted(
            &mut out,
            &Granted { seconds: 600, refresher: Refresher::Uas, require: true },
        );
        let lines = String::from_utf8(out).unwrap();
        with("SIP/2.0 200 OK", &lines, |response| {
            let agreed = agreed(response).unwrap().unwrap();
            assert_eq!((agreed.seconds, agreed.refresher), (600, Some(Refresher::Uas)));
            assert!(response.has_option(Name::Require, "timer"));
        });
        let mut out = Vec::new();
        write_offered(&mut out, &Offered { seconds: 600, min_se_s: 300, refresher: None });
        let lines = String::from_utf8(out).unwrap();
        with("INVITE sip:b@h SIP/2.0", &lines, |invite| {
            let asked = invite.session_expires().unwrap().unwrap();
            assert_eq!((asked.seconds, asked.refresher), (600, None));
            assert_eq!(invite.min_se(), Some(Ok(300)));
        });
    }

    #[test]
    fn when_it_wants_what() {
        fn check(seconds: u32, we_refresh: bool, steps: &[(u64, Wanted)]) {
            let mut timer = SessionTimer::new(Tick(0), seconds, we_refresh);
            for (at_s, want) in steps {
                assert_eq!(
                    timer.due(Tick(at_s * 1_000_000)),
                    *want,
                    "{seconds} {we_refresh} {at_s}"
                );
            }
        }
        use Wanted::{Bye, Nothing, Refresh};
        check(
            1_800,
            true,
            &[(899, Nothing), (900, Refresh), (901, Nothing), (1_768, Bye), (9_999, Nothing)],
        );
        check(1_800, false, &[(900, Nothing), (1_767, Nothing), (1_768, Bye)]);
        check(90, false, &[(59, Nothing), (60, Bye)]);
        check(90, true, &[(45, Refresh), (60, Bye)]);
        check(0, false, &[(59, Nothing), (60, Bye)]);
        let mut timer = SessionTimer::new(Tick(0), 90, true);
        assert_eq!(timer.next_timeout(), Tick(45_000_000));
        assert_eq!(timer.due(Tick(45_000_000)), Refresh);
        timer.refreshed(Tick(46_000_000));
        assert_eq!(timer.next_timeout(), Tick(91_000_000));
        assert_eq!(timer.due(Tick(60_000_000)), Nothing);
    }
}
