//! How our messages look. Lives here: requests and responses from typed fields.
//! Never here: when they are sent.

use crate::dialog::{Dialog, is_sips};
use crate::message::{Message, Method, Name, ReplyHead, print};
use crate::session_timer::{self, Granted, LEAST_MIN_SE_S};

use super::{Body, Leg, Settings};

/// A method without a borrowed name: the ones that are relayed within dialogs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedMethod {
    /// re-INVITE.
    Invite,
    /// RFC 3311.
    Update,
    /// RFC 6086.
    Info,
    /// RFC 3262.
    Prack,
    /// Is the peer still there?
    Options,
    /// End.
    Bye,
}

impl OwnedMethod {
    /// The method on the wire.
    pub const fn method(self) -> Method<'static> {
        match self {
            OwnedMethod::Invite => Method::Invite,
            OwnedMethod::Update => Method::Update,
            OwnedMethod::Info => Method::Info,
            OwnedMethod::Prack => Method::Prack,
            OwnedMethod::Options => Method::Options,
            OwnedMethod::Bye => Method::Bye,
        }
    }

    /// Does it refresh target and session timer (RFC 3311 §5.1, RFC 4028 §7.4)?
    pub const fn refreshes_session(self) -> bool {
        matches!(self, OwnedMethod::Invite | OwnedMethod::Update)
    }
}

/// Methods that we understand.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO";

/// A response to be written on a [`ReplyHead`].
pub struct Reply<'a> {
    /// Status code.
    pub status: u16,
    /// Reason phrase; `None`: the usual one.
    pub phrase: Option<&'a str>,
    /// Our tag, unless the request had one.
    pub to_tag: &'a str,
    /// The dialog within which we say where we can be reached.
    pub contact: Option<&'a Dialog>,
    /// Does it set up or refresh a dialog or session (Allow, Supported)?
    pub for_session: bool,
    /// Say which methods we know?
    pub allow: bool,
    /// Shortest registration we take, in seconds (423).
    pub min_expires: Option<u32>,
    /// The option that we do not know (420).
    pub unsupported: Option<&'a str>,
    /// Session timer that we grant.
    pub session: Option<Granted>,
    /// Sequence number of a reliable provisional response.
    pub rseq: Option<u32>,
    /// Value of the Reason header.
    pub reason: Option<&'a str>,
    /// Text of a Warning.
    pub warning: Option<&'a str>,
    /// Code of the Warning (RFC 3261 §20.43): 399 unless one says more.
    pub warn_code: u16,
    /// Seconds in Retry-After.
    pub retry_after_s: Option<u32>,
    /// Body, passed on untouched.
    pub body: Option<(&'a str, &'a [u8])>,
}

impl<'a> Reply<'a> {
    /// A plain response.
    pub fn new(status: u16, to_tag: &'a str) -> Reply<'a> {
        Reply {
            status,
            phrase: None,
            to_tag,
            allow: false,
            min_expires: None,
            unsupported: None,
            contact: None,
            for_session: false,
            session: None,
            rseq: None,
            reason: None,
            warning: None,
            warn_code: 399,
            retry_after_s: None,
            body: None,
        }
    }

    /// Writes the whole response.
    pub fn write(&self, head: &ReplyHead, settings: &Settings, out: &mut Vec<u8>) {
        let phrase = self.phrase.unwrap_or_else(|| print::reason_phrase(self.status));
        head.begin(out, self.status, phrase, self.to_tag);
        if self.for_session {
            head.write_record_route(out);
        }
        if let Some(dialog) = self.contact {
            print::header(out, Name::Contact, settings.contact(&dialog.flow, dialog.is_sips()));
        }
        if self.for_session {
            print::header(out, Name::Allow, ALLOW);
            print::header(out, Name::Supported, "timer, 100rel");
        }
        if self.allow || self.status == 405 {
            print::header(out, Name::Allow, ALLOW);
        }
        if self.status == 415 {
            // RFC 3261 §8.2.3: say what would have been taken.
            print::header(out, Name::Accept, "application/sdp, multipart/mixed");
            print::header(out, Name::AcceptEncoding, "identity");
        }
        if let Some(seconds) = self.min_expires {
            print::header(out, Name::MinExpires, seconds);
        }
        if let Some(option) = self.unsupported {
            print::header(out, Name::Unsupported, option);
        }
        if let Some(granted) = &self.session {
            session_timer::write_granted(out, granted);
        }
        if self.status == 422 {
            print::header(out, Name::MinSe, settings.session.min_se_s.max(LEAST_MIN_SE_S));
        }
        if let Some(rseq) = self.rseq {
            print::header(out, Name::Require, "100rel");
            print::header(out, Name::RSeq, rseq);
        }
        if let Some(reason) = self.reason {
            print::header(out, Name::Reason, reason);
        }
        if let Some(warning) = self.warning {
            let code = self.warn_code;
            print::header(out, Name::Warning, format_args!("{code} ringfence \"{warning}\""));
        }
        if let Some(seconds) = self.retry_after_s {
            print::header(out, Name::RetryAfter, seconds);
        }
        match self.body {
            Some((content_type, bytes)) => print::finish(out, Some(content_type), bytes),
            None => print::finish(out, None, b""),
        }
    }
}

/// What the INVITE of a leg takes from the caller's.
pub struct InviteFields<'a> {
    /// Max-Forwards for the leg.
    pub max_forwards: u8,
    /// Did the caller offer reliable provisional responses?
    pub reliable_provisionals: bool,
    /// The offer.
    pub offer: Option<&'a Body>,
    /// Answer to the carrier's challenge: a whole header line.
    pub credentials: Option<&'a [u8]>,
}

/// Writes the INVITE of a leg.
pub fn invite(
    out: &mut Vec<u8>,
    leg: &Leg,
    branch: &str,
    settings: &Settings,
    fields: &InviteFields<'_>,
) {
    let plan = &leg.plan;
    print::request_line(out, &Method::Invite, &plan.request_uri);
    let sent_by = settings.sent_by(&plan.flow);
    print::header(out, Name::Via, format_args!("{sent_by};branch={branch};rport"));
    for route in &plan.routes {
        print::header(out, Name::Route, route);
    }
    print::header(out, Name::MaxForwards, fields.max_forwards);
    match &plan.display {
        Some(display) => print::header(
            out,
            Name::From,
            format_args!("\"{}\" <{}>;tag={}", quotable(display), plan.from_uri, leg.local_tag),
        ),
        None => {
            print::header(
                out,
                Name::From,
                format_args!("<{}>;tag={}", plan.from_uri, leg.local_tag),
            );
        }
    }
    print::header(out, Name::To, format_args!("<{}>", plan.to_uri));
    print::header(out, Name::CallId, &leg.call_id);
    print::header(out, Name::CSeq, format_args!("{} INVITE", leg.cseq));
    print::header(out, Name::Contact, settings.contact(&plan.flow, is_sips(&plan.request_uri)));
    print::header(out, Name::Allow, ALLOW);
    let supported = if fields.reliable_provisionals { "timer, 100rel" } else { "timer" };
    print::header(out, Name::Supported, supported);
    session_timer::write_offered(out, &leg.session);
    if let Some(identity) = &plan.identity {
        print::header(out, Name::PAssertedIdentity, format_args!("<{identity}>"));
    }
    if plan.private {
        print::header(out, Name::Privacy, "id");
    }
    if let Some(line) = fields.credentials {
        out.extend_from_slice(line);
    }
    print::header(out, Name::UserAgent, &settings.product);
    finish(out, fields.offer);
}

/// Content-Type, Content-Length, empty line and body.
pub fn finish(out: &mut Vec<u8>, body: Option<&Body>) {
    match body {
        Some(body) => print::finish(out, Some(&body.content_type), &body.bytes),
        None => print::finish(out, None, b""),
    }
}

/// Begins a request within a dialog; the caller writes further headers and finishes it.
pub fn in_dialog(
    out: &mut Vec<u8>,
    dialog: &Dialog,
    method: Method<'_>,
    cseq: u32,
    branch: &str,
    settings: &Settings,
) {
    let sent_by = settings.sent_by(&dialog.flow);
    dialog.request(out, method, cseq, format_args!("{sent_by};branch={branch};rport"));
    if !matches!(method, Method::Bye | Method::Ack | Method::Prack) {
        print::header(out, Name::Contact, settings.contact(&dialog.flow, dialog.is_sips()));
    }
}

/// The User-Agent or Server of a peer, cut at 128 bytes.
pub fn user_agent(message: &Message<'_>) -> String {
    let value =
        message.header(Name::UserAgent).or_else(|| message.header(Name::Server)).unwrap_or("");
    value.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// A display name that may stand between quotes.
fn quotable(display: &str) -> String {
    display.chars().filter(|c| !c.is_control() && *c != '"' && *c != '\\').take(64).collect()
}
