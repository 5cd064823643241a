//! The way of a registration. Lives here: challenges, IP lock, bindings, their records.
//! Never here: the rules of bindings (sip::registrar), log-ins (log_in).

use sip::digest::canonical_user;
use sip::flow::Flow;
use sip::message::{Message, Name, ReplyHead};
use sip::registrar::{Change, Registrar};
use types::{Fact, LineId, Record};

use crate::log_in::LogIn;
use crate::node::Node;
use crate::sip_reply;
use crate::store_path::Pending;

impl Node {
    /// REGISTER.
    pub(crate) fn register(&mut self, request: &Message<'_>, flow: &Flow) {
        if self.unsupported_option(request).is_some() {
            self.refuse_bad_extension(request, flow);
            return;
        }
        let LogIn::Line(line, _) = self.log_in(request, flow, Name::Authorization) else { return };
        if !self.engine.ip_allowed(line, flow.peer.ip()) {
            return self.refuse_locked(request, flow);
        }
        if !self.is_own_address(request, line) {
            return self.refuse_stateless(request, flow, 403);
        }
        match self.registrar.register(self.now, line, request, flow) {
            Ok(registered) => {
                self.stats.registered += 1;
                self.registered(request, flow, line, &registered.changes);
            }
            Err(error) => {
                let tag = self.tokens.tag();
                let reply = sip::b2bua::Reply {
                    min_expires: error.min_expires,
                    ..sip::b2bua::Reply::new(error.status, tag.as_str())
                };
                sip_reply::stateless(&mut self.out.sends, &self.settings, request, flow, &reply);
            }
        }
    }

    /// 401 or 407: nothing of the request stays behind. One that leaves no room for both challenges gets
    /// the first, one that leaves no room for any gets nothing (D1): a phone's own is long enough.
    pub(crate) fn challenge(
        &mut self,
        request: &Message<'_>,
        flow: &Flow,
        name: Name,
        stale: bool,
    ) {
        let (status, challenge) = match name {
            Name::Authorization => (401, Name::WwwAuthenticate),
            _ => (407, Name::ProxyAuthenticate),
        };
        let tag = self.tokens.tag();
        let head = ReplyHead::new(request, flow);
        let out = &mut self.out.sends;
        let start = out.begin();
        let phrase = sip::message::print::reason_phrase(status);
        head.begin(&mut out.arena, status, phrase, tag.as_str());
        let used = out.arena.len() - start + sip::message::print::EMPTY_END.len();
        let room = sip_reply::most_answer(flow, request.length, true).saturating_sub(used);
        let (arena, now) = (&mut out.arena, self.now);
        match self.authenticator.challenge(arena, challenge, now, flow, stale, room) {
            0 => out.abandon(start),
            _ => {
                sip::message::print::finish(&mut out.arena, None, b"");
                out.finish(start, *flow);
                self.stats.challenged += 1;
            }
        }
    }

    /// The To of a REGISTER must be the line's own address (RFC 3261 §10.3 step 5).
    fn is_own_address(&self, request: &Message<'_>, line: LineId) -> bool {
        let Ok(uri) = request.to().parse_uri() else { return false };
        let user = uri.user.and_then(canonical_user);
        self.engine
            .line(line)
            .is_some_and(|line| user.is_some_and(|user| user.as_str() == line.user))
    }

    /// The 200 with all bindings of the line, when what changed is durable: a phone that was told 200 is called also
    /// after a crash. A mere refresh is answered at once: lost, it costs one period at most. So is everything
    /// while the store is down, or fails: phones that cannot register help nobody.
    fn registered(&mut self, request: &Message<'_>, flow: &Flow, line: LineId, changes: &[Change]) {
        let (head, tag) = (ReplyHead::new(request, flow), self.tokens.tag());
        let (registrar, now) = (&self.registrar, self.now);
        let write = |out: &mut Vec<u8>| {
            head.begin(out, 200, "OK", tag.as_str());
            registrar.write_contacts(line, now, out);
            Registrar::write_path(request, out);
            Registrar::write_outbound(request, flow, out);
            sip::message::print::finish(out, None, b"");
        };
        let is_refresh = changes.iter().all(|change| matches!(change, Change::Persist(_)));
        if is_refresh || !self.store_up {
            let out = &mut self.out.sends;
            let start = out.begin();
            write(&mut out.arena);
            out.finish(start, *flow);
            return self.keep_bindings(line, changes, flow, Pending::Loose);
        }
        let mut answer = Vec::with_capacity(512);
        write(&mut answer);
        self.keep_bindings(line, changes, flow, Pending::Registered(*flow, answer));
    }

    /// Writes down what changed among the bindings; refreshes only now and then.
    fn keep_bindings(&mut self, line: LineId, changes: &[Change], flow: &Flow, pending: Pending) {
        let mut records = Vec::new();
        for change in changes {
            match change {
                Change::Added(binding) => {
                    if let Some(account) = self.engine.line(line).map(|line| line.account) {
                        let fact = Fact::Registered {
                            account,
                            line,
                            peer: flow.peer,
                            user_agent: binding.user_agent.clone(),
                        };
                        records.push(Record::Fact(self.now.wall, fact));
                    }
                    records.push(Record::Binding(binding.clone()));
                }
                Change::Changed(binding) | Change::Persist(binding) => {
                    records.push(Record::Binding(binding.clone()));
                }
                Change::Removed { contact } => {
                    records.push(Record::BindingGone(line, contact.clone()));
                }
            }
        }
        if !records.is_empty() {
            self.store(records, pending);
        }
    }

    /// Bindings whose time is over.
    pub(crate) fn registrar_timeout(&mut self) {
        let gone = self.registrar.handle_timeout(self.now);
        let records: Vec<Record> =
            gone.into_iter().map(|(line, contact)| Record::BindingGone(line, contact)).collect();
        if !records.is_empty() {
            self.store(records, Pending::Loose);
        }
    }

    /// The first option in Require that we do not know (RFC 3261 §8.2.2.3).
    pub(crate) fn unsupported_option<'m>(&self, request: &Message<'m>) -> Option<&'m str> {
        let known = ["timer", "100rel", "path", "outbound"];
        request
            .values(Name::Require)
            .map(str::trim)
            .find(|option| !known.iter().any(|known| known.eq_ignore_ascii_case(option)))
    }

    /// 420, naming the option.
    pub(crate) fn refuse_bad_extension(&mut self, request: &Message<'_>, flow: &Flow) {
        let option = self.unsupported_option(request).unwrap_or("");
        let tag = self.tokens.tag();
        let reply = sip::b2bua::Reply {
            unsupported: Some(option),
            ..sip::b2bua::Reply::new(420, tag.as_str())
        };
        self.answer(request, flow, &reply);
    }
}
