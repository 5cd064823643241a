//! The way of a log-in, step 6. Lives here: credentials against the brain and the verifiers, what the
//! sender is told. Never here: who is locked out, which device it is (engine), digest (sip::digest).

use engine::{Claim, Door, Entry, Proof};
use sip::digest::{Algorithm, FORMER, Presented, Proven, Secrets, Unread};
use sip::flow::Flow;
use sip::message::{Contacts, Message, Method, Name};
use types::{DeviceId, Finding, Line, LineId};

use crate::node::Node;
use crate::sip_reply;

/// Who sent a request.
pub enum LogIn {
    /// This line, beyond doubt, and the device that used it; none from outside of its IP lock.
    Line(LineId, Option<DeviceId>),
    /// Nobody yet, or nobody we know; the request has been answered.
    Answered,
}

impl Node {
    /// Verifies credentials; answers with a challenge or a refusal when they do not hold.
    pub(crate) fn log_in(&mut self, request: &Message<'_>, flow: &Flow, name: Name) -> LogIn {
        let presented = match self.authenticator.read(self.now, request, flow, name) {
            Ok(presented) => presented,
            Err(Unread::Absent) => {
                self.challenge(request, flow, name, false);
                return LogIn::Answered;
            }
            Err(Unread::Stale { .. }) => {
                self.challenge(request, flow, name, true);
                return LogIn::Answered;
            }
            Err(Unread::Malformed { why }) => {
                self.refuse_unread(request, flow, why);
                return LogIn::Answered;
            }
        };
        let user = presented.user;
        let claim = claim(request, flow, &user);
        // A8: a door that is shut is not tried, whatever secret is shown.
        let Door::Open(way) = self.engine.may_log_in(self.now, &claim) else {
            self.stats.log_ins_locked += 1;
            self.refuse_stateless(request, flow, 403);
            return LogIn::Answered;
        };
        // Nobody's line is looked for as well (A7).
        let line = self.engine.line(way.line.unwrap_or(LineId::NOBODY));
        let proven = self.authenticator.prove(self.now, &presented, line.map(secrets));
        let Some(proof) = proof(proven, &presented) else {
            self.challenge(request, flow, name, true);
            return LogIn::Answered;
        };
        match self.engine.logged_in(self.now, &claim, way, proof) {
            Entry::In { line, device } => {
                self.screen.proved(self.now.tick, flow);
                LogIn::Line(line, device)
            }
            Entry::Wrong => {
                self.stats.log_ins_refused += 1;
                self.refuse_stateless(request, flow, 403);
                LogIn::Answered
            }
            Entry::Refused(finding) => {
                self.stats.log_ins_refused += 1;
                self.refuse_log_in(request, flow, &finding);
                LogIn::Answered
            }
        }
    }

    /// 403 with words, for those who have shown that they know a secret of the line.
    pub(crate) fn refuse_log_in(&mut self, request: &Message<'_>, flow: &Flow, finding: &Finding) {
        let told = sip_reply::told_of_log_in(finding);
        let tag = self.tokens.tag();
        let reply = sip::b2bua::Reply {
            phrase: Some(&told.phrase),
            reason: Some(&told.reason),
            ..sip::b2bua::Reply::new(told.status, tag.as_str())
        };
        sip_reply::stateless(&mut self.out.sends, &self.settings, request, flow, &reply);
    }

    /// 403, saying that the IP lock keeps this address out: whoever hears it knows the secret.
    pub(crate) fn refuse_locked(&mut self, request: &Message<'_>, flow: &Flow) {
        let finding = Finding::IpLock { peer: flow.peer.ip().to_canonical() };
        self.refuse_log_in(request, flow, &finding);
    }

    /// 400, saying what is wrong with the credentials.
    fn refuse_unread(&mut self, request: &Message<'_>, flow: &Flow, why: &str) {
        let tag = self.tokens.tag();
        let reply =
            sip::b2bua::Reply { warning: Some(why), ..sip::b2bua::Reply::new(400, tag.as_str()) };
        self.answer(request, flow, &reply);
    }
}

/// What a request shows of its sender.
pub fn claim<'a>(request: &Message<'a>, flow: &Flow, user: &'a str) -> Claim<'a> {
    let contact = match request.contacts() {
        Ok(Contacts::List(list)) => list.into_iter().next(),
        _ => None,
    };
    let is_register = request.method() == Some(Method::Register);
    Claim {
        user,
        peer: flow.peer,
        transport: flow.transport.uri_param(),
        is_secure: flow.transport.is_secure(),
        agent: request.header(Name::UserAgent).unwrap_or("").trim(),
        instance: contact.as_ref().and_then(|contact| contact.params.value("+sip.instance")),
        contact: contact.as_ref().map_or("", |contact| host_and_port(contact.uri)),
        // Only registrations keep theirs.
        call_id: if is_register { request.call_id() } else { "" },
    }
}

/// `host:port` of a URI, as it is written.
fn host_and_port(uri: &str) -> &str {
    let after_scheme = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let after_user = after_scheme.rsplit_once('@').map_or(after_scheme, |(_, host)| host);
    after_user.split([';', '?', '>']).next().unwrap_or("")
}

fn secrets(line: &Line) -> Secrets<'_> {
    let former: [Option<&types::account::Ha1>; FORMER] =
        std::array::from_fn(|nth| line.former.get(nth).map(|former| &former.ha1));
    Secrets { current: &line.ha1, former }
}

/// In the brain's words; `None`: right, but used before.
fn proof(proven: Proven, presented: &Presented<'_>) -> Option<Proof> {
    let md5 = presented.algorithm == Algorithm::Md5;
    match proven {
        Proven::Right => Some(Proof::Right { md5 }),
        Proven::Former(nth) => Some(Proof::Former { nth, md5 }),
        Proven::Wrong => Some(Proof::Wrong),
        Proven::Replay => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_contacts() {
        fn check(uri: &str, want: &str) {
            assert_eq!(host_and_port(uri), want, "{uri}");
        }
        check("sip:alice@10.0.0.7:5062;transport=tcp", "10.0.0.7:5062");
        check("sip:10.0.0.7", "10.0.0.7");
        check("sips:a@[2001:db8::7]:5061?x=y", "[2001:db8::7]:5061");
        check("sip:a@b@host;x", "host");
        check("nonsense", "nonsense");
        check("", "");
    }
}
