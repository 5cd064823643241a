//! Many calls at once over one wire: each is invited, answers its challenge, talks until somebody hangs up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::message::Message;
use super::phone::{Dialog, Phone};
use super::sdp;

/// One call to be placed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number dialled.
    pub number: String,
    /// Hang up so long after the answer; `None`: leave it to the other side.
    pub talk: Option<Duration>,
}

/// How far a call has come, and how it went.
#[derive(Clone, Debug)]
pub struct Fate {
    /// The final status of the INVITE, once there is one.
    pub status: Option<u16>,
    /// The final response.
    pub response: Option<Message>,
    /// When the 200 came.
    pub answered: Option<Instant>,
    /// When it was over: our BYE agreed to, or the server's BYE.
    pub ended: Option<Instant>,
    /// Did the server hang up?
    pub cut: bool,
    /// How many BYEs the server sent (retransmissions included).
    pub byes: u32,
    /// Anything that should not have come.
    pub unexpected: Vec<String>,
}

struct Call {
    plan: Plan,
    fate: Fate,
    uri: String,
    from: String,
    challenged: bool,
    invite: String,
    dialog: Option<Dialog>,
    hang_up: Option<Instant>,
    hanging_up: bool,
    /// The request that waits for an answer, and when it is sent again.
    open: Option<(String, Instant)>,
}

/// A request without any answer is sent again after this time.
const REPEAT: Duration = Duration::from_millis(800);

/// How often a crowd looks at all its calls.
const GLANCE: Duration = Duration::from_millis(4);

/// The calls of one phone.
pub struct Crowd {
    phone: Phone,
    calls: BTreeMap<String, Call>,
}

impl Crowd {
    /// Sends all INVITEs, one right after the other.
    pub fn start(mut phone: Phone, plans: &[Plan]) -> Result<Crowd> {
        let mut calls = BTreeMap::new();
        for plan in plans {
            let call_id = phone.fresh("crowd");
            let uri = format!("sip:{}@example.com", plan.number);
            let from = format!("<sip:{}@example.com>;tag=f{call_id}", phone.user);
            let fate = Fate {
                status: None,
                response: None,
                answered: None,
                ended: None,
                cut: false,
                byes: 0,
                unexpected: Vec::new(),
            };
            let call = Call {
                plan: plan.clone(),
                fate,
                uri,
                from,
                challenged: false,
                invite: String::new(),
                dialog: None,
                hang_up: None,
                hanging_up: false,
                open: None,
            };
            calls.insert(call_id, call);
        }
        let mut crowd = Crowd { phone, calls };
        let all: Vec<String> = crowd.calls.keys().cloned().collect();
        for call_id in all {
            crowd.invite(&call_id, 1, "")?;
        }
        Ok(crowd)
    }

    fn invite(&mut self, call_id: &str, cseq: u32, extra: &str) -> Result<()> {
        let Some(call) = self.calls.get_mut(call_id) else { return Ok(()) };
        let body = sdp(self.phone.wire.local(), "sendrecv");
        let (uri, from) = (call.uri.clone(), call.from.clone());
        let contact = self.phone.contact();
        let branch = self.phone.fresh("z9hG4bK");
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/{} {};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: <{uri}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} INVITE\r\n\
             Contact: {contact}\r\nUser-Agent: Test Phone\r\n{extra}Content-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.phone.wire.transport(),
            self.phone.wire.local(),
            body.len()
        );
        self.phone.wire.send(text.as_bytes())?;
        call.open = Some((text.clone(), Instant::now() + REPEAT));
        call.invite = text;
        Ok(())
    }

    /// Handles what comes, for at most `limit`, or until `done` says so of all calls.
    pub fn run(&mut self, limit: Duration, done: impl Fn(&Fate) -> bool) -> Result<bool> {
        let end = Instant::now() + limit;
        let mut look_at = Instant::now();
        loop {
            let now = Instant::now();
            // Not after every message: there may be thousands of calls.
            if now >= look_at {
                look_at = now + GLANCE;
                self.hang_up_due()?;
                if self.calls.values().all(|call| done(&call.fate)) {
                    return Ok(true);
                }
            }
            if now >= end {
                return Ok(false);
            }
            if let Some(message) = self.phone.wire.receive(GLANCE)? {
                self.handle(&message)?;
            }
        }
    }

    fn handle(&mut self, message: &Message) -> Result<()> {
        let call_id = message.call_id().to_owned();
        let Some(status) = message.status() else { return self.asked(&call_id, message) };
        let Some(call) = self.calls.get_mut(&call_id) else { return Ok(()) };
        let is_answer = |(text, _): &mut (String, Instant)| {
            text.contains(&format!("\r\nCSeq: {}\r\n", message.header("CSeq")))
        };
        call.open.take_if(is_answer);
        match (message.cseq_method(), status) {
            (_, 100..=199) => {}
            ("INVITE", 407) if !call.challenged => {
                call.challenged = true;
                let (uri, invite) = (call.uri.clone(), call.invite.clone());
                self.phone.ack_refusal(&invite, message)?;
                let line = self.phone.authorization(message, "INVITE", &uri)?;
                self.invite(&call_id, 2, &line)?;
            }
            ("INVITE", 200) => {
                let now = Instant::now();
                if call.dialog.is_none() {
                    call.fate.status = Some(200);
                    call.fate.answered = Some(now);
                    call.hang_up = call.plan.talk.map(|talk| now + talk);
                    call.dialog = Some(Dialog {
                        call_id: call_id.clone(),
                        ours: call.from.clone(),
                        theirs: message.header("To").to_owned(),
                        target: message.contact_uri().to_owned(),
                        routes: message.route_set(),
                        cseq: 2,
                    });
                }
                if let Some(dialog) = &mut call.dialog {
                    self.phone.within(dialog, "ACK", "", "")?;
                }
            }
            ("INVITE", _) => {
                let invite = call.invite.clone();
                if message.cseq_number() == 1 && call.challenged {
                    return self
                        .phone
                        .ack_refusal(&invite.replace("CSeq: 2 ", "CSeq: 1 "), message);
                }
                call.fate.status.get_or_insert(status);
                call.fate.response.get_or_insert_with(|| message.clone());
                self.phone.ack_refusal(&invite, message)?;
            }
            ("BYE", 200..=299) => {
                call.fate.ended.get_or_insert_with(Instant::now);
            }
            (method, status) => {
                call.fate.ended.get_or_insert_with(Instant::now);
                call.fate.unexpected.push(format!("{status} to {method}"));
            }
        }
        Ok(())
    }

    /// A request from the server.
    fn asked(&mut self, call_id: &str, request: &Message) -> Result<()> {
        if request.method() == "ACK" {
            return Ok(());
        }
        // RFC 3261 §12.2.2: a call that has ended is no dialog any more; BYEs that cross are answered.
        let is_bye = request.method() == "BYE";
        let known = self
            .calls
            .get(call_id)
            .is_some_and(|call| call.dialog.is_some() && (is_bye || call.fate.ended.is_none()));
        let text = match known {
            true => request.reply(200, "OK", "", "", ""),
            false => request.reply(481, "No Such Call", "none", "", ""),
        };
        self.phone.wire.send(text.as_bytes())?;
        if let Some(call) = self.calls.get_mut(call_id)
            && known
            && is_bye
        {
            call.fate.byes += 1;
            if !call.hanging_up {
                call.fate.cut = true;
            }
            call.fate.ended.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    fn hang_up_due(&mut self) -> Result<()> {
        let now = Instant::now();
        for call in self.calls.values_mut() {
            let due = call.hang_up.is_some_and(|due| due <= now);
            if due && !call.hanging_up && call.fate.ended.is_none() {
                call.hanging_up = true;
                if let Some(dialog) = &mut call.dialog {
                    let text = self.phone.within(dialog, "BYE", "", "")?;
                    call.open = Some((text, now + REPEAT));
                }
            }
            if let Some((text, at)) = &mut call.open
                && *at <= now
            {
                *at = now + REPEAT;
                // While the server is down the system may refuse to send.
                let _ = self.phone.wire.send(text.as_bytes());
            }
        }
        Ok(())
    }

    /// How each call went, by its Call-ID.
    pub fn by_call_id(&self) -> BTreeMap<&str, &Fate> {
        self.calls.iter().map(|(call_id, call)| (call_id.as_str(), &call.fate)).collect()
    }

    /// How each call went.
    pub fn fates(&self) -> Vec<&Fate> {
        self.calls.values().map(|call| &call.fate).collect()
    }
}
