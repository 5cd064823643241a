//! One end of a dialog: a script's side of a call. Lives here: its verbs, as caller, as callee, within
//! the dialog. Never here: what is expected of the node.

use crate::ua::{Request, Ua};
use crate::wire::{ANSWER, Got, Pattern, ending, tag_of};

/// One end of a dialog.
#[derive(Clone)]
pub struct Leg {
    pub ua: Ua,
    pub call_id: String,
    /// Our From value, with the tag.
    pub local: String,
    /// The other side's To value, with its tag once it is known.
    pub remote: String,
    pub target: String,
    pub cseq: u32,
    /// The INVITE as we sent it.
    pub request: Option<Request>,
    /// The INVITE as we got it.
    pub invite: Option<Got>,
}

impl Leg {
    /// The first message of this call in the inbox; it must be this. Learns tags and targets.
    pub fn expect(&mut self, what: impl Pattern) -> Got {
        let call_id = self.call_id.clone();
        let Some(got) = self.ua.world.take(&self.ua.flow, |got| got.call_id() == call_id) else {
            panic!("expected {} at {}, got nothing", what.name(), self.ua.flow.peer);
        };
        assert!(what.fits(&got), "expected {}, got:\n{}", what.name(), got.text());
        let makes_dialog = (101..300).contains(&got.status) && got.cseq_method() == "INVITE";
        if makes_dialog && self.request.is_some() && got.cseq() == self.invite_cseq() {
            self.remote = got.header("To").to_owned();
            self.target = got.contact().to_owned();
        }
        got
    }

    pub fn expect_nothing(&self) {
        let inbox = self.ua.world.inbox(&self.ua.flow);
        let ours = inbox.iter().filter(|got| got.call_id() == self.call_id);
        let texts: Vec<String> = ours.map(Got::text).collect();
        assert!(texts.is_empty(), "unexpected:\n{}", texts.join("\n"));
    }

    fn invite_cseq(&self) -> u32 {
        self.request.as_ref().map_or(0, |request| request.cseq)
    }

    // ---- as the caller

    /// The ACK of a 2xx.
    pub fn ack(&self) {
        self.ack_with(self.invite_cseq(), "");
    }

    pub fn ack_with(&self, cseq: u32, body: &str) {
        let branch = self.ua.branch();
        self.ua.send(&self.in_dialog("ACK", cseq, &branch, "", body));
    }

    pub fn cancel(&self) {
        let invite = self.request.as_ref().unwrap();
        let cancel = Request {
            method: "CANCEL".to_owned(),
            extra: String::new(),
            credentials: String::new(),
            body: String::new(),
            ..invite.clone()
        };
        self.ua.send_request(&cancel);
    }

    /// Gives up before anybody answered.
    pub fn give_up(&mut self) {
        self.cancel();
        self.expect((200, "CANCEL"));
        self.refused(487);
    }

    /// The call is refused like this; acknowledges it.
    pub fn refused(&mut self, status: u16) -> Got {
        let got = self.expect(status);
        self.ua.send(&self.ua.ack_of_refusal(self.request.as_ref().unwrap(), &got));
        got
    }

    /// The last request is refused like this; an INVITE's refusal is acknowledged.
    pub fn refused_or_answered(&mut self, status: u16) -> Got {
        let got = self.expect(status);
        if got.cseq_method() == "INVITE" {
            let branch = got.header("Via").split("branch=").nth(1).unwrap_or("");
            let branch = branch.split(';').next().unwrap_or("").to_owned();
            self.ua.send(&self.in_dialog("ACK", self.cseq, &branch, "", ""));
        }
        got
    }

    // ---- as the callee

    pub fn reply(&self, status: u16) {
        let body = if (200..300).contains(&status) { ANSWER } else { "" };
        self.reply_with(status, "", body);
    }

    pub fn reply_with(&self, status: u16, extra: &str, body: &str) {
        let contact = format!("Contact: <{}>\r\n", self.ua.contact());
        let extra = format!("{extra}{}", if status < 300 { &contact } else { "" });
        let invite = self.invite.as_ref().unwrap();
        let to = if status == 100 { invite.header("To") } else { &self.local };
        self.ua.send(&self.ua.response(invite, status, to, &extra, body));
    }

    /// Takes the call; the caller acknowledges.
    pub fn answer(&mut self, caller: &mut Leg) {
        self.reply(200);
        self.expect("ACK");
        caller.expect(200);
        caller.ack();
    }

    /// Is busy, and the caller hears it.
    pub fn decline(&mut self, caller: &mut Leg) {
        self.reply(486);
        self.expect("ACK");
        caller.refused(486);
    }

    // ---- in the dialog

    pub fn in_dialog(
        &self,
        method: &str,
        cseq: u32,
        branch: &str,
        extra: &str,
        body: &str,
    ) -> String {
        format!(
            "{method} {} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\nContact: <{}>\r\n{extra}{}",
            self.target,
            self.ua.via(branch),
            self.local,
            self.remote,
            self.call_id,
            self.ua.contact(),
            ending(body)
        )
    }

    /// Sends a request within the dialog and returns its text.
    pub fn send(&mut self, method: &str, extra: &str, body: &str) -> String {
        self.cseq += 1;
        let text = self.in_dialog(method, self.cseq, &self.ua.branch(), extra, body);
        self.ua.send(&text);
        text
    }

    /// Sends BYE and takes its 200.
    pub fn bye(&mut self) {
        self.send("BYE", "", "");
        self.expect((200, "BYE"));
    }

    /// Answers a request of the dialog.
    pub fn respond(&self, request: &Got, status: u16, extra: &str, body: &str) {
        let contact = format!("Contact: <{}>\r\n{extra}", self.ua.contact());
        let text = self.ua.response(request, status, request.header("To"), &contact, body);
        self.ua.send(&text);
    }

    /// Takes a BYE and answers it.
    pub fn take_bye(&mut self) -> Got {
        let bye = self.expect("BYE");
        self.respond(&bye, 200, "", "");
        bye
    }

    pub fn local_tag(&self) -> &str {
        tag_of(&self.local)
    }

    /// Sends BYE; what comes back is left in the inbox.
    pub fn bye_crossing(&mut self) {
        self.send("BYE", "", "");
    }
}
