//! One phone: registers, calls, answers, with its own digest.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::message::{Message, tag_of};
use super::sdp;
use super::wire::Wire;
use crate::digest::{Algorithm, Answer, Challenge};

/// How long a phone waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A phone with one line.
pub struct Phone {
    /// Its way to the server.
    pub wire: Wire,
    /// Its user name.
    pub user: String,
    /// Its secret.
    pub secret: String,
    /// Which hash it answers, when both are offered.
    pub algorithm: Algorithm,
    /// What it says in Via instead of its own address.
    pub claims: Option<SocketAddr>,
    /// What it says that it is.
    pub agent: String,
    counter: u32,
    register_cseq: u32,
}

/// An established call, or one being set up.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// Our own From or To value, with tag.
    pub ours: String,
    /// The peer's, with tag.
    pub theirs: String,
    /// Request-URI of requests within the dialog.
    pub target: String,
    /// Route set.
    pub routes: Vec<String>,
    /// Our last CSeq.
    pub cseq: u32,
}

/// What became of a request.
pub struct Answered {
    /// The final response.
    pub response: Message,
    /// The dialog, when it was a 2xx to an INVITE.
    pub dialog: Option<Dialog>,
}

impl Answered {
    /// Status of the final response.
    pub fn status(&self) -> u16 {
        self.response.status().unwrap_or(0)
    }
}

impl Phone {
    /// A phone on UDP at 127.0.0.1.
    pub fn udp(server: SocketAddr, user: &str, secret: &str) -> Result<Phone> {
        Phone::udp_from(Ipv4Addr::LOCALHOST.into(), server, user, secret)
    }

    /// A phone on UDP at an address of the loopback net.
    pub fn udp_from(from: IpAddr, server: SocketAddr, user: &str, secret: &str) -> Result<Phone> {
        Ok(Phone::on(Wire::udp(from, server)?, user, secret))
    }

    /// A phone on TCP.
    pub fn tcp(server: SocketAddr, user: &str, secret: &str) -> Result<Phone> {
        Ok(Phone::on(Wire::tcp(server)?, user, secret))
    }

    /// A phone on a wire.
    pub fn on(wire: Wire, user: &str, secret: &str) -> Phone {
        Phone {
            wire,
            user: user.to_owned(),
            secret: secret.to_owned(),
            algorithm: Algorithm::Md5,
            claims: None,
            agent: "Test Phone".to_owned(),
            counter: 0,
            register_cseq: 0,
        }
    }

    /// A text that was not used before on this wire.
    pub fn fresh(&mut self, what: &str) -> String {
        self.counter += 1;
        let local = self.wire.local();
        // Short requests get short answers, with one challenge only: no address makes ours short.
        format!(
            "{what}{}x{}x{:-<24}",
            self.counter,
            local.port(),
            local.ip().to_string().replace(['.', ':'], "-")
        )
    }

    /// Contact of this phone.
    pub fn contact(&self) -> String {
        let transport = match self.wire.transport() {
            // RFC 7118 §5.2: it is `ws` with TLS, too.
            "WSS" => "ws".to_owned(),
            other => other.to_lowercase(),
        };
        format!("<sip:{}@{};transport={transport}>", self.user, self.wire.local())
    }

    /// A request outside of a dialog. `extra`: whole header lines.
    pub fn request(
        &mut self,
        method: &str,
        uri: &str,
        cseq: u32,
        call_id: &str,
        extra: &str,
    ) -> String {
        let to = if method == "REGISTER" {
            format!("sip:{}@example.com", self.user)
        } else {
            uri.to_owned()
        };
        let from = format!("<sip:{}@example.com>;tag=f{call_id}", self.user);
        self.compose(method, uri, cseq, call_id, &from, &format!("<{to}>"), extra, "")
    }

    #[expect(clippy::too_many_arguments, reason = "a message has that many parts")]
    fn compose(
        &mut self,
        method: &str,
        uri: &str,
        cseq: u32,
        call_id: &str,
        from: &str,
        to: &str,
        extra: &str,
        body: &str,
    ) -> String {
        let branch = self.fresh("z9hG4bK");
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{} {};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: {}\r\nUser-Agent: {}\r\n{extra}{content}Content-Length: {}\r\n\r\n{body}",
            self.wire.transport(),
            self.claims.unwrap_or(self.wire.local()),
            self.contact(),
            self.agent,
            body.len()
        )
    }

    /// The header line that answers the challenge of `response` to `method` at `uri`.
    pub fn authorization(&self, response: &Message, method: &str, uri: &str) -> Result<String> {
        let (asked, answer) = match response.status() {
            Some(401) => ("WWW-Authenticate", "Authorization"),
            Some(407) => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => bail!("`{}` is not a challenge", response.start),
        };
        let challenge = response
            .all(asked)
            .filter_map(Challenge::parse)
            .find(|challenge| challenge.algorithm == self.algorithm)
            .with_context(|| format!("no {} challenge offered", self.algorithm.name()))?;
        let value =
            Answer { user: &self.user, secret: &self.secret, method, uri, nc: 1, cnonce: "c0ffee" }
                .to(&challenge);
        Ok(format!("{answer}: {value}\r\n"))
    }

    /// The final response to the request with this Call-ID and CSeq; other messages are answered or dropped.
    pub fn final_response(&mut self, call_id: &str, cseq: u32) -> Result<Message> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some(message) = self.wire.receive(left)? else {
                let way = self.wire.transport();
                bail!("no final response to {cseq} of {call_id} by {way} within {PATIENCE:?}");
            };
            match message.status() {
                Some(100..=199) => {}
                Some(_) if message.call_id() == call_id && message.cseq_number() == cseq => {
                    return Ok(message);
                }
                Some(_) => {}
                None => self.be_polite(&message)?,
            }
        }
    }

    /// Answers what the server asks meanwhile.
    fn be_polite(&mut self, request: &Message) -> Result<()> {
        if request.method() != "ACK" {
            let text = request.reply(200, "OK", "polite", "", "");
            self.wire.send(text.as_bytes())?;
        }
        Ok(())
    }

    /// REGISTER with digest, `expires` seconds.
    pub fn register(&mut self, expires: u32) -> Result<Message> {
        let call_id = format!("reg-{}-{}", self.user, self.wire.local().port());
        let extra = format!("Expires: {expires}\r\n");
        self.register_cseq += 1;
        let text =
            self.request("REGISTER", "sip:example.com", self.register_cseq, &call_id, &extra);
        self.wire.send(text.as_bytes())?;
        let response = self.final_response(&call_id, self.register_cseq)?;
        if response.status() != Some(401) {
            return Ok(response);
        }
        let line = self.authorization(&response, "REGISTER", "sip:example.com")?;
        self.register_cseq += 1;
        let extra = format!("{extra}{line}");
        let text =
            self.request("REGISTER", "sip:example.com", self.register_cseq, &call_id, &extra);
        self.wire.send(text.as_bytes())?;
        self.final_response(&call_id, self.register_cseq)
    }

    /// Calls `user` (a number or a name) at our domain and waits for the final response. ACK is sent.
    pub fn invite(&mut self, user: &str) -> Result<Answered> {
        self.invite_uri(&format!("sip:{user}@example.com"), "")
    }

    /// Calls a URI; `extra`: whole header lines.
    pub fn invite_uri(&mut self, uri: &str, extra: &str) -> Result<Answered> {
        let call_id = self.fresh("call");
        let from = format!("<sip:{}@example.com>;tag=f{call_id}", self.user);
        let to = format!("<{uri}>");
        self.invite_as(uri, &call_id, &from, &to, extra)
    }

    /// Calls with From and To as given.
    pub fn invite_as(
        &mut self,
        uri: &str,
        call_id: &str,
        from: &str,
        to: &str,
        extra: &str,
    ) -> Result<Answered> {
        let body = sdp(self.wire.local(), "sendrecv");
        let text = self.compose("INVITE", uri, 1, call_id, from, to, extra, &body);
        self.wire.send(text.as_bytes())?;
        let mut response = self.final_response(call_id, 1)?;
        self.ack_refusal(&text, &response)?;
        let mut cseq = 1;
        if response.status() == Some(407) {
            let line = self.authorization(&response, "INVITE", uri)?;
            cseq = 2;
            let text =
                self.compose("INVITE", uri, 2, call_id, from, to, &format!("{extra}{line}"), &body);
            self.wire.send(text.as_bytes())?;
            response = self.final_response(call_id, 2)?;
            self.ack_refusal(&text, &response)?;
        }
        let mut dialog = None;
        if matches!(response.status(), Some(200..=299)) {
            let mut made = Dialog {
                call_id: call_id.to_owned(),
                ours: from.to_owned(),
                theirs: response.header("To").to_owned(),
                target: response.contact_uri().to_owned(),
                routes: response.route_set(),
                cseq,
            };
            self.within(&mut made, "ACK", "", "")?;
            dialog = Some(made);
        }
        Ok(Answered { response, dialog })
    }

    /// ACK to a final response of 300 and above: on the INVITE's own branch.
    pub fn ack_refusal(&mut self, invite: &str, response: &Message) -> Result<()> {
        if response.status().is_none_or(|status| status < 300) {
            return Ok(());
        }
        let invite = Message::parse(invite.as_bytes()).context("our own INVITE")?;
        let text = format!(
            "ACK {} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {} ACK\r\nContent-Length: 0\r\n\r\n",
            invite.uri(),
            invite.header("Via"),
            invite.header("From"),
            response.header("To"),
            invite.call_id(),
            invite.cseq_number()
        );
        self.wire.send(text.as_bytes())
    }

    /// Sends a request within a dialog; returns what was sent.
    pub fn within(
        &mut self,
        dialog: &mut Dialog,
        method: &str,
        extra: &str,
        body: &str,
    ) -> Result<String> {
        if method != "ACK" {
            dialog.cseq += 1;
        }
        let routes: String =
            dialog.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let extra = format!("{routes}{extra}");
        let (ours, theirs) = (dialog.ours.clone(), dialog.theirs.clone());
        let text = self.compose(
            method,
            &dialog.target,
            dialog.cseq,
            &dialog.call_id,
            &ours,
            &theirs,
            &extra,
            body,
        );
        self.wire.send(text.as_bytes())?;
        Ok(text)
    }

    /// A request within a dialog and its final response, with credentials when asked for them.
    pub fn ask_within(
        &mut self,
        dialog: &mut Dialog,
        method: &str,
        extra: &str,
        body: &str,
    ) -> Result<Message> {
        let text = self.within(dialog, method, extra, body)?;
        let response = self.final_response(&dialog.call_id, dialog.cseq)?;
        if method == "INVITE" {
            self.ack_refusal(&text, &response)?;
        }
        if !matches!(response.status(), Some(401 | 407)) {
            return Ok(response);
        }
        let target = dialog.target.clone();
        let line = self.authorization(&response, method, &target)?;
        let text = self.within(dialog, method, &format!("{extra}{line}"), body)?;
        let response = self.final_response(&dialog.call_id, dialog.cseq)?;
        if method == "INVITE" {
            self.ack_refusal(&text, &response)?;
        }
        Ok(response)
    }

    /// BYE and its answer.
    pub fn bye(&mut self, dialog: &mut Dialog) -> Result<Message> {
        self.ask_within(dialog, "BYE", "", "")
    }

    /// Waits for a request with this method.
    pub fn expect(&mut self, method: &str, limit: Duration) -> Result<Message> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.wire.receive(left)? {
                Some(message) if message.method() == method => return Ok(message),
                Some(message) if message.status().is_none() => self.be_polite(&message)?,
                Some(_) => {}
                None => bail!("no {method} within {limit:?}"),
            }
        }
    }

    /// Answers a call that came with `invite`: 180, 200; waits for the ACK.
    pub fn pick_up(&mut self, invite: &Message) -> Result<Dialog> {
        let tag = self.fresh("t");
        let contact = format!("Contact: {}\r\n", self.contact());
        let ringing = invite.reply(180, "Ringing", &tag, &contact, "");
        self.wire.send(ringing.as_bytes())?;
        let body = sdp(self.wire.local(), "sendrecv");
        let answer = invite.reply(200, "OK", &tag, &contact, &body);
        self.wire.send(answer.as_bytes())?;
        self.expect("ACK", PATIENCE)?;
        debug_assert!(tag_of(invite.header("From")).len() > 1);
        Ok(Dialog {
            call_id: invite.call_id().to_owned(),
            ours: format!("{};tag={tag}", invite.header("To")),
            theirs: invite.header("From").to_owned(),
            target: invite.contact_uri().to_owned(),
            routes: invite.all("Record-Route").map(str::to_owned).collect(),
            cseq: 0,
        })
    }
}
