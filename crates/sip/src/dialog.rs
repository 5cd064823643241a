//! Dialogs (RFC 3261 §12). Lives here: tags, route set, target, sequence numbers, the first lines of
//! a request within the dialog. Never here: sessions, calls, where a request is sent: that is the flow.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::flow::Flow;
use crate::message::{Contacts, Message, Method, Name, NameAddr, print};

/// Most Record-Route values that a dialog takes in.
pub const MAX_ROUTES: usize = 32;

/// Most bytes of a remote target.
pub const MAX_TARGET: usize = 1_024;

/// Most bytes of all routes together.
pub const MAX_ROUTE_BYTES: usize = 4_096;

/// Why a message makes no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// A request without a Contact that can be read, or a response whose Contact cannot be read.
    #[error("no usable Contact")]
    Contact,
    /// A provisional response without a To tag makes none.
    #[error("no To tag")]
    Tag,
    /// Record-Route that cannot be read, or is too long.
    #[error("no usable Record-Route")]
    RecordRoute,
    /// It is a request where a response was expected, or the other way round.
    #[error("wrong kind of message")]
    Kind,
}

/// A dialog from our side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag; empty when it has none (RFC 2543).
    pub remote_tag: String,
    /// Our URI, as in From of our requests.
    pub local_uri: String,
    /// The peer's URI, as in To of our requests.
    pub remote_uri: String,
    /// The peer's Contact.
    pub remote_target: String,
    /// Route values of our requests, in order.
    pub route_set: Vec<String>,
    /// CSeq of our last request; 0 before the first.
    pub local_cseq: u32,
    /// CSeq of the peer's last request.
    pub remote_cseq: Option<u32>,
    /// The way to the peer. It decides where requests go; target and routes are only written.
    pub flow: Flow,
}

/// Does a URI have the scheme sips?
pub fn is_sips(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

impl Dialog {
    /// The dialog that a request of the peer makes with our answer (RFC 3261 §12.1.1).
    pub fn uas(request: &Message<'_>, flow: &Flow, local_tag: &str) -> Result<Dialog, DialogError> {
        if !request.is_request() {
            return Err(DialogError::Kind);
        }
        Ok(Dialog {
            call_id: request.call_id().to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: request.from().tag().unwrap_or("").to_owned(),
            local_uri: request.to().uri.to_owned(),
            remote_uri: request.from().uri.to_owned(),
            remote_target: contact(request)?.ok_or(DialogError::Contact)?.to_owned(),
            route_set: record_routes(request)?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq().number),
            flow: *flow,
        })
    }

    /// The dialog that a response of the peer makes with our request (RFC 3261 §12.1.2): early with a
    /// provisional one, confirmed with a 2xx.
    ///
    /// A response must have a Contact. Some provisional ones have none, and a 2xx without one still
    /// has to be acknowledged and hung up: then the peer's To stands in.
    pub fn uac(response: &Message<'_>, flow: &Flow) -> Result<Dialog, DialogError> {
        if response.is_request() {
            return Err(DialogError::Kind);
        }
        let mut route_set = record_routes(response)?;
        route_set.reverse();
        let target = contact(response)?.unwrap_or_else(|| target_of_to(response));
        Dialog::of_response(response, flow, target, route_set)
    }

    /// As [`Dialog::uac`], for a 2xx that is refused: it is acknowledged and hung up even if its
    /// Contact or Record-Route cannot be used. Then the peer's To stands in, and no route.
    pub fn uac_refused(response: &Message<'_>, flow: &Flow) -> Result<Dialog, DialogError> {
        match Dialog::uac(response, flow) {
            Err(DialogError::Contact | DialogError::RecordRoute) => {
                Dialog::of_response(response, flow, target_of_to(response), Vec::new())
            }
            made => made,
        }
    }

    fn of_response(
        response: &Message<'_>,
        flow: &Flow,
        target: &str,
        route_set: Vec<String>,
    ) -> Result<Dialog, DialogError> {
        let status = response.status().ok_or(DialogError::Kind)?;
        let remote_tag = response.to().tag();
        if status < 200 && remote_tag.is_none() {
            return Err(DialogError::Tag);
        }
        Ok(Dialog {
            call_id: response.call_id().to_owned(),
            local_tag: response.from().tag().unwrap_or("").to_owned(),
            remote_tag: remote_tag.unwrap_or("").to_owned(),
            local_uri: response.from().uri.to_owned(),
            remote_uri: response.to().uri.to_owned(),
            remote_target: target.to_owned(),
            route_set,
            local_cseq: response.cseq().number,
            remote_cseq: None,
            flow: *flow,
        })
    }

    /// Is it sips: nobody on the way may listen (RFC 3261 §12.1)? The peer's Contact says so.
    pub fn is_sips(&self) -> bool {
        is_sips(&self.remote_target)
    }

    /// Is a message part of this dialog, by Call-ID and tags: a request of the peer, or a response to
    /// a request of ours?
    pub fn matches(&self, message: &Message<'_>) -> bool {
        let (ours, theirs) = match message.is_request() {
            true => (message.to().tag(), message.from().tag()),
            false => (message.from().tag(), message.to().tag()),
        };
        message.call_id() == self.call_id
            && ours.unwrap_or("") == self.local_tag
            && theirs.unwrap_or("") == self.remote_tag
    }

    /// Did a message come the way this dialog goes (F6)? Same transport and peer socket, and the same
    /// connection, if both are known.
    pub fn matches_flow(&self, flow: &Flow) -> bool {
        let any = [self.flow.connection, flow.connection].contains(&Flow::ANY_CONNECTION);
        self.flow.transport == flow.transport
            && self.flow.peer == flow.peer
            && (any || self.flow.connection == flow.connection)
    }

    /// Takes in the CSeq of a request of the peer. False when it is not higher than the last: to be
    /// refused with 500 (RFC 3261 §12.2.2). ACK and CANCEL repeat a number and are not asked about.
    pub fn accepts_cseq(&mut self, number: u32) -> bool {
        let accepted = self.remote_cseq.is_none_or(|last| number > last);
        if accepted {
            self.remote_cseq = Some(number);
        }
        accepted
    }

    /// The CSeq for our next request.
    pub fn next_cseq(&mut self) -> u32 {
        // RFC 3261 §8.1.1.5 allows up to 2³¹ − 1; no dialog lives that long.
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.local_cseq
    }

    /// Takes in the Contact of a target refresh: a re-INVITE or UPDATE of the peer, or a 2xx to one
    /// of ours (RFC 3261 §12.2). Returns whether the target changed; one that cannot be read stays.
    pub fn refresh_target(&mut self, message: &Message<'_>) -> bool {
        match contact(message) {
            Ok(Some(target)) if target != self.remote_target => {
                self.remote_target = target.to_owned();
                true
            }
            _ => false,
        }
    }

    /// Writes request line, Via, Route, Max-Forwards, From, To, Call-ID and CSeq of a request within
    /// the dialog (RFC 3261 §12.2.1.1). `via` is the whole value, with its branch. An ACK takes the
    /// number of its INVITE, other requests [`Dialog::next_cseq`].
    pub fn request(&self, out: &mut Vec<u8>, method: Method<'_>, cseq: u32, via: impl Display) {
        let strict = self.route_set.first().and_then(|route| strict_router(route));
        print::request_line(out, &method, strict.unwrap_or(&self.remote_target));
        print::header(out, Name::Via, via);
        // A strict router takes its own URI from the request line, and finds the target at the end.
        let routes = self.route_set.iter().skip(usize::from(strict.is_some()));
        routes.for_each(|route| print::header(out, Name::Route, route));
        if strict.is_some() {
            print::header(out, Name::Route, format_args!("<{}>", self.remote_target));
        }
        print::header(out, Name::MaxForwards, 70);
        address(out, Name::From, &self.local_uri, &self.local_tag);
        address(out, Name::To, &self.remote_uri, &self.remote_tag);
        print::header(out, Name::CallId, &self.call_id);
        print::header(out, Name::CSeq, format_args!("{cseq} {}", method.as_str()));
    }
}

fn address(out: &mut Vec<u8>, name: Name, uri: &str, tag: &str) {
    match tag {
        "" => print::header(out, name, format_args!("<{uri}>")),
        tag => print::header(out, name, format_args!("<{uri}>;tag={tag}")),
    }
}

/// The URI of a router without `lr`, as it stands in a request line: without what may not stand there.
fn strict_router(route: &str) -> Option<&str> {
    let route = NameAddr::parse(route).ok()?;
    let uri = route.parse_uri().ok()?;
    (!uri.is_loose()).then(|| uri.without_headers())
}

/// The one Contact of a message, if there is any, as it may stand in a request line (RFC 3261
/// §12.2.1.1).
fn contact<'a>(message: &Message<'a>) -> Result<Option<&'a str>, DialogError> {
    let Ok(Contacts::List(contacts)) = message.contacts() else {
        return Err(DialogError::Contact);
    };
    let Some(contact) = contacts.first() else { return Ok(None) };
    match contact.parse_uri() {
        Ok(uri) if !uri.host.is_empty() && uri.raw.len() <= MAX_TARGET => {
            Ok(Some(uri.without_headers()))
        }
        _ => Err(DialogError::Contact),
    }
}

fn target_of_to<'a>(response: &Message<'a>) -> &'a str {
    let to = response.to();
    to.parse_uri().map_or(to.uri, |uri| uri.without_headers())
}

/// The Record-Route values as they came, in order.
fn record_routes(message: &Message<'_>) -> Result<Vec<String>, DialogError> {
    let mut routes = Vec::new();
    let mut bytes = 0;
    for value in message.values(Name::RecordRoute) {
        let route = NameAddr::parse(value).map_err(|_| DialogError::RecordRoute)?;
        let uri = route.parse_uri().map_err(|_| DialogError::RecordRoute)?;
        bytes += value.len();
        if routes.len() == MAX_ROUTES || bytes > MAX_ROUTE_BYTES || uri.host.is_empty() {
            return Err(DialogError::RecordRoute);
        }
        routes.push(value.to_owned());
    }
    Ok(routes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::message::Origin;

    fn flow() -> Flow {
        Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap())
    }

    /// An INVITE of the peer, or its response to one of ours, with the given first line and extra lines.
    fn text(first: &str, to: &str, extra: &str) -> String {
        format!(
            "{first}\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\r\n{extra}\
             From: \"A\" <sip:alice@example.com>;tag=fa\r\nTo: {to}\r\nCall-ID: c1@x\r\n\
             CSeq: 7 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn with<T>(text: &str, check: impl FnOnce(&Message<'_>) -> T) -> T {
        let mut bytes = text.as_bytes().to_vec();
        check(&Message::parse(&mut bytes, Origin::Datagram).expect(text))
    }

    const REQUEST: &str = "INVITE sip:bob@example.com SIP/2.0";
    const BOB: &str = "Bob <sip:bob@example.com>";
    const CONTACT: &str = "Contact: <sip:peer@198.51.100.7:5061;ob>\r\n";

    fn uas(extra: &str) -> Result<Dialog, DialogError> {
        with(&text(REQUEST, BOB, extra), |invite| Dialog::uas(invite, &flow(), "tl"))
    }

    fn uac(status: &str, to: &str, extra: &str) -> Result<Dialog, DialogError> {
        let first = format!("SIP/2.0 {status}");
        with(&text(&first, to, extra), |response| Dialog::uac(response, &flow()))
    }

    #[test]
    fn as_uas_the_sides_are_swapped() {
        let dialog = uas(CONTACT).unwrap();
        assert_eq!(
            dialog,
            Dialog {
                call_id: "c1@x".into(),
                local_tag: "tl".into(),
                remote_tag: "fa".into(),
                local_uri: "sip:bob@example.com".into(),
                remote_uri: "sip:alice@example.com".into(),
                remote_target: "sip:peer@198.51.100.7:5061;ob".into(),
                route_set: vec![],
                local_cseq: 0,
                remote_cseq: Some(7),
                flow: flow(),
            }
        );
    }

    #[test]
    fn as_uac_the_sides_stay() {
        let dialog = uac("200 OK", &format!("{BOB};tag=tb"), CONTACT).unwrap();
        assert_eq!((dialog.local_tag.as_str(), dialog.remote_tag.as_str()), ("fa", "tb"));
        assert_eq!(dialog.local_uri, "sip:alice@example.com");
        assert_eq!(dialog.remote_uri, "sip:bob@example.com");
        assert_eq!((dialog.local_cseq, dialog.remote_cseq), (7, None));
    }

    #[test]
    fn what_makes_no_dialog() {
        assert_eq!(uas(""), Err(DialogError::Contact));
        assert_eq!(uas("Contact: *\r\n"), Err(DialogError::Contact));
        assert_eq!(uas("Contact: <tel:+4420>\r\n"), Err(DialogError::Contact));
        let long = format!("Contact: <sip:{}@x>\r\n", "a".repeat(MAX_TARGET));
        assert_eq!(uas(&long), Err(DialogError::Contact));
        let many = "Record-Route: <sip:p;lr>\r\n".repeat(MAX_ROUTES + 1) + CONTACT;
        assert_eq!(uas(&many), Err(DialogError::RecordRoute));
        let enough = "Record-Route: <sip:p;lr>\r\n".repeat(MAX_ROUTES) + CONTACT;
        assert_eq!(uas(&enough).unwrap().route_set.len(), MAX_ROUTES);
        let tel = format!("Record-Route: <tel:+4420>\r\n{CONTACT}");
        assert_eq!(uas(&tel), Err(DialogError::RecordRoute));
        assert_eq!(uac("180 Ringing", BOB, CONTACT), Err(DialogError::Tag));
        with(&text(REQUEST, BOB, CONTACT), |invite| {
            assert_eq!(Dialog::uac(invite, &flow()), Err(DialogError::Kind));
        });
        with(&text("SIP/2.0 200 OK", BOB, CONTACT), |response| {
            assert_eq!(Dialog::uas(response, &flow(), "t"), Err(DialogError::Kind));
        });
    }

    #[test]
    fn a_peer_without_tag_or_contact_can_still_be_hung_up() {
        let dialog = uac("200 OK", BOB, "").unwrap();
        assert_eq!(dialog.remote_tag, "");
        assert_eq!(dialog.remote_target, "sip:bob@example.com");
        let mut out = Vec::new();
        dialog.request(&mut out, Method::Bye, 8, "SIP/2.0/UDP x;branch=z9hG4bKb");
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("\r\nTo: <sip:bob@example.com>\r\n"), "{out}");
    }

    #[test]
    fn routes_of_our_requests() {
        fn check(dialog: &Dialog, uri: &str, routes: &[&str]) {
            let mut out = Vec::new();
            dialog.request(&mut out, Method::Bye, 9, "SIP/2.0/UDP x;branch=z9hG4bKb");
            print::finish(&mut out, None, b"");
            let text = String::from_utf8(out).unwrap();
            with(&text, |bye| {
                assert_eq!(bye.request_uri(), Some(uri), "{text}");
                assert_eq!(bye.values(Name::Route).collect::<Vec<_>>(), routes, "{text}");
                assert_eq!(bye.cseq().number, 9);
                assert_eq!(bye.from().tag(), Some(dialog.local_tag.as_str()));
                assert_eq!(bye.to().tag(), Some(dialog.remote_tag.as_str()));
                assert_eq!(bye.call_id(), "c1@x");
            });
        }
        let target = "sip:peer@198.51.100.7:5061;ob";
        check(&uas(CONTACT).unwrap(), target, &[]);
        let loose = "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>;x=y\r\n";
        let loose = format!("{loose}{CONTACT}");
        // In the order of the request for us as UAS, in reverse for us as UAC.
        check(&uas(&loose).unwrap(), target, &["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>;x=y"]);
        let tagged = format!("{BOB};tag=tb");
        check(
            &uac("200 OK", &tagged, &loose).unwrap(),
            target,
            &["<sip:p3;lr>;x=y", "<sip:p2;lr>", "<sip:p1;lr>"],
        );
        let strict = format!("Record-Route: <sip:r?s@p1;x=1?a=b>, <sip:p2;lr>\r\n{CONTACT}");
        let strict = uas(&strict).unwrap();
        check(&strict, "sip:r?s@p1;x=1", &["<sip:p2;lr>", "<sip:peer@198.51.100.7:5061;ob>"]);
        // Strict only counts for the first.
        let later = format!("Record-Route: <sip:p1;lr>, <sip:p2>\r\n{CONTACT}");
        check(&uas(&later).unwrap(), target, &["<sip:p1;lr>", "<sip:p2>"]);
    }

    #[test]
    fn sequence_numbers_go_up() {
        let mut dialog = uas(CONTACT).unwrap();
        for (number, want) in
            [(7, false), (6, false), (8, true), (8, false), (100, true), (9, false)]
        {
            assert_eq!(dialog.accepts_cseq(number), want, "{number}");
        }
        assert_eq!((dialog.next_cseq(), dialog.next_cseq()), (1, 2));
        let mut dialog = uac("200 OK", &format!("{BOB};tag=tb"), CONTACT).unwrap();
        assert_eq!(dialog.next_cseq(), 8);
        assert!(dialog.accepts_cseq(0), "the peer's first number is free");
        assert!(!dialog.accepts_cseq(0));
    }

    #[test]
    fn targets_are_refreshed() {
        let mut dialog = uas(CONTACT).unwrap();
        let mut check = |extra: &str, changed: bool, target: &str| {
            with(&text(REQUEST, BOB, extra), |refresh| {
                assert_eq!(dialog.refresh_target(refresh), changed, "{extra}");
            });
            assert_eq!(dialog.remote_target, target);
        };
        let first = "sip:peer@198.51.100.7:5061;ob";
        check("", false, first);
        check("Contact: *\r\n", false, first);
        check("Contact: <tel:+1>\r\n", false, first);
        check(CONTACT, false, first);
        check("Contact: sip:new@198.51.100.9\r\n", true, "sip:new@198.51.100.9");
        // What may not stand in a request line is left out; a question mark of the user is its own.
        let odd = "Contact: <sip:a?b@h;x?Subject=s&Replaces=r>\r\n";
        check(odd, true, "sip:a?b@h;x");
    }

    #[test]
    fn whose_message() {
        let mut dialog = uas(CONTACT).unwrap();
        let check = |dialog: &Dialog, first: &str, to: &str, want: bool| {
            with(&text(first, to, ""), |message| assert_eq!(dialog.matches(message), want, "{to}"));
        };
        check(&dialog, REQUEST, "<sip:bob@example.com>;tag=tl", true);
        check(&dialog, REQUEST, "<sip:bob@example.com>;tag=other", false);
        check(&dialog, REQUEST, BOB, false);
        check(&dialog, "SIP/2.0 200 OK", "<sip:bob@example.com>;tag=tl", false);
        (dialog.local_tag, dialog.remote_tag) = ("fa".into(), "tl".into());
        check(&dialog, "SIP/2.0 200 OK", "<sip:bob@example.com>;tag=tl", true);
        dialog.call_id = "c2".into();
        check(&dialog, "SIP/2.0 200 OK", "<sip:bob@example.com>;tag=tl", false);
    }

    #[test]
    fn which_way() {
        let (local, peer) =
            ("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap());
        let mut dialog = uas(CONTACT).unwrap();
        assert!(dialog.matches_flow(&flow()));
        assert!(!dialog.matches_flow(&Flow::udp(local, "198.51.100.7:5061".parse().unwrap())));
        assert!(!dialog.matches_flow(&Flow::udp(local, "198.51.100.8:5060".parse().unwrap())));
        assert!(!dialog.matches_flow(&Flow::tcp(local, peer, 0)));
        dialog.flow = Flow::tcp(local, peer, 3);
        assert!(dialog.matches_flow(&Flow::tcp(local, peer, 3)));
        assert!(!dialog.matches_flow(&Flow::tcp(local, peer, 4)));
        dialog.flow = Flow::tcp(local, peer, Flow::ANY_CONNECTION);
        assert!(dialog.matches_flow(&Flow::tcp(local, peer, 4)));
    }
}
