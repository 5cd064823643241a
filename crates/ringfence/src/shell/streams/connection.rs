//! One connection. Lives here: its layers (TLS, WebSocket or the framing of a stream), its queue, its pace.
//! Never here: other connections, limits, what messages say.
//!
//! ```text
//! tcp:   socket ─────────► framer ────► messages
//! tls:   socket ─► TLS ──► framer ────► messages
//! wss:   socket ─► TLS ──► WebSocket ─► messages
//! ```

use std::io::{self, Read, Write};

use edge::Input;
use mio::net::TcpStream;
use sip::flow::Flow;
use sip::stream::{Frame, Framer};
use types::Tick;

use super::secure::Secure;
use super::websocket::{Incoming, WebSocket};
use super::{FINISH_MS, LINGER_MS, PING_AFTER_MS, READ, WRITE_QUEUE};

/// How messages are told apart.
pub enum Framing {
    /// By their Content-Length.
    Stream(Framer),
    /// One a frame.
    Web(Box<WebSocket>),
}

/// One connection.
pub struct Connection {
    pub stream: TcpStream,
    pub flow: Flow,
    pub secure: Option<Box<Secure>>,
    pub framing: Framing,
    pub queue: Vec<u8>,
    pub written: usize,
    pub is_open: bool,
    /// We asked for it by peer, not by id: both names of the flow end with it.
    pub was_opened: bool,
    /// Nothing more is read.
    pub is_last: bool,
    /// Close when the queue is empty.
    pub is_ending: bool,
    /// Messages that came and may want an answer: more came than were sent.
    pub owed: u32,
    /// When it must have become whole what was begun.
    pub finish_by: Option<Tick>,
    /// When the last message came or went.
    pub used: Tick,
    /// When anything came.
    pub heard: Tick,
    /// When the peer was last asked whether it is there.
    pub asked: Tick,
}

impl Connection {
    /// Is its TLS handshake still going on?
    pub fn is_handshaking(&self) -> bool {
        self.secure.as_ref().is_some_and(|secure| secure.is_handshaking())
    }

    /// Reads what the peer meant to say; 0 is the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.secure {
            Some(secure) => secure.read(&mut self.stream, buffer),
            None => self.stream.read(buffer),
        }
    }

    /// Is there something to write?
    pub fn is_unsent(&self) -> bool {
        self.written < self.queue.len()
            || self.secure.as_ref().is_some_and(|secure| secure.wants_write())
    }

    /// Bytes that wait for the peer to read.
    pub fn waiting(&self) -> usize {
        self.queue.len() - self.written
    }

    /// Queues a message.
    pub fn send(&mut self, message: &[u8], now: Tick) {
        match &mut self.framing {
            Framing::Stream(_) => self.queue.extend_from_slice(message),
            Framing::Web(web) => web.send(message, &mut self.queue),
        }
        self.used = now;
        self.owed = self.owed.saturating_sub(1);
        self.is_ending |= self.is_last && self.owed == 0;
    }

    /// Asks a quiet WebSocket whether its peer is there, which also keeps it known to what stands between;
    /// false: it has not answered the last time.
    pub fn check_life(&mut self, now: Tick) -> bool {
        let Framing::Web(web) = &mut self.framing else { return true };
        let quiet_since = self.used.max(self.heard).max(self.asked);
        if now.ms_since(quiet_since) <= PING_AFTER_MS || web.is_upgrading() {
            return true;
        }
        if self.asked > self.heard {
            return false;
        }
        web.ping(&mut self.queue);
        self.asked = now;
        true
    }

    /// Takes what was read, hands over every whole message; true: there is something to write.
    pub fn take(&mut self, bytes: &[u8], now: Tick, take: &mut dyn FnMut(Input<'_>)) -> bool {
        // Nobody knows where the next message would begin: what still comes is read and forgotten.
        if self.is_last {
            return false;
        }
        self.heard = now;
        match &mut self.framing {
            Framing::Stream(framer) => {
                framer.push(bytes);
                self.take_frames(now, take)
            }
            Framing::Web(web) => {
                web.push(bytes);
                self.take_web(now, take)
            }
        }
    }

    fn take_frames(&mut self, now: Tick, take: &mut dyn FnMut(Input<'_>)) -> bool {
        let Framing::Stream(framer) = &mut self.framing else { return false };
        let before = self.queue.len();
        let mut got_message = false;
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => {
                    got_message = true;
                    self.owed = self.owed.saturating_add(1);
                    take(Input::Received { flow: self.flow, bytes });
                }
                // RFC 5626 §4.4.1: a ping is answered with one line end.
                Ok(Some(Frame::KeepAlivePing)) => {
                    got_message = true;
                    if self.queue.len() < WRITE_QUEUE {
                        self.queue.extend_from_slice(b"\r\n");
                    }
                }
                Ok(Some(Frame::Pong)) => {}
                Ok(None) => break,
                Err(_) => {
                    // The parser refuses it for the same reason and answers it, if it can.
                    let mut broken = framer.broken_head().to_vec();
                    take(Input::Received { flow: self.flow, bytes: &mut broken });
                    self.end(now);
                    return true;
                }
            }
        }
        let is_inside = framer.is_inside();
        self.watch_pace(got_message, is_inside, now);
        self.queue.len() > before
    }

    fn take_web(&mut self, now: Tick, take: &mut dyn FnMut(Input<'_>)) -> bool {
        let Framing::Web(web) = &mut self.framing else { return false };
        let before = self.queue.len();
        let (mut got_message, mut got_any) = (false, false);
        loop {
            match web.next(&mut self.queue) {
                Ok(Some(Incoming::Message(mut bytes))) => {
                    got_message = true;
                    self.owed = self.owed.saturating_add(1);
                    take(Input::Received { flow: self.flow, bytes: &mut bytes });
                }
                Ok(Some(Incoming::Ping)) => {
                    got_message = true;
                    if self.queue.len() < WRITE_QUEUE {
                        web.send(b"\r\n", &mut self.queue);
                    }
                }
                Ok(Some(Incoming::Pong)) => got_any = true,
                Ok(None) => break,
                Err(_) => {
                    self.end(now);
                    return true;
                }
            }
        }
        self.watch_pace(got_message, !got_message && !got_any, now);
        self.queue.len() > before
    }

    /// Nothing more is read; what came before is answered.
    fn end(&mut self, now: Tick) {
        self.is_last = true;
        self.is_ending = self.owed == 0;
        let wait_ms = if self.is_ending { FINISH_MS } else { LINGER_MS };
        self.finish_by = Some(now.plus_ms(wait_ms));
    }

    /// A message begun must end; the first message must come.
    fn watch_pace(&mut self, got_message: bool, is_inside: bool, now: Tick) {
        if got_message {
            self.used = now;
            self.finish_by = None;
        }
        if is_inside && self.finish_by.is_none() {
            self.finish_by = Some(now.plus_ms(FINISH_MS));
        }
    }

    /// A handshake that we began has ended: nothing need come before we ask something.
    pub fn note_handshake(&mut self) {
        if self.was_opened && self.secure.is_some() && !self.is_handshaking() {
            self.finish_by = None;
        }
    }

    /// Writes as much as the peer takes.
    pub fn write(&mut self) -> io::Result<()> {
        while self.is_unsent() {
            let rest = &self.queue[self.written..];
            let wrote = match &mut self.secure {
                Some(secure) => secure.write(&mut self.stream, rest),
                None => self.stream.write(rest),
            };
            match wrote {
                Ok(0) if self.secure.is_none() => return Err(io::ErrorKind::WriteZero.into()),
                // The session took nothing more: the socket is full.
                Ok(0) => break,
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.written < self.queue.len() {
            return Ok(());
        }
        self.written = 0;
        if self.queue.capacity() > READ {
            self.queue = Vec::new();
        }
        self.queue.clear();
        Ok(())
    }
}
