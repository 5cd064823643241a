//! TLS on one connection. Lives here: the session between socket and SIP, whichever side began it.
//! Never here: certificates (shell::certificate), what is said within.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

/// Bytes of SIP that wait enciphered for a slow reader; the rest waits in the connection's own queue.
const BUFFER: usize = 64 * 1024;

/// A TLS session.
pub struct Secure(Connection);

impl Secure {
    /// Somebody connected to us.
    pub fn accept(config: Arc<ServerConfig>) -> Result<Secure, rustls::Error> {
        ServerConnection::new(config).map(|session| Secure::of(session.into()))
    }

    /// We connect to somebody, who has to prove that he has this name.
    pub fn connect(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Secure, rustls::Error> {
        ClientConnection::new(config, name).map(|session| Secure::of(session.into()))
    }

    fn of(mut session: Connection) -> Secure {
        session.set_buffer_limit(Some(BUFFER));
        Secure(session)
    }

    /// Is the peer not yet known to speak for himself? Handshakes are what costs time.
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Has the peer's first word been understood?
    #[cfg(test)]
    pub fn has_begun(&self) -> bool {
        self.0.protocol_version().is_some()
    }

    /// Is there something to be written that the peer does not have?
    pub fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    /// Reads plain text, as from a socket: 0 is the end. What the session itself wants to say waits for
    /// [`Secure::write`].
    pub fn read(&mut self, stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The peer hung up without a word within TLS: for a message that was begun it is as bad.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
            if self.0.read_tls(stream)? == 0 {
                return Ok(0);
            }
            self.0.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// Enciphers what is queued and writes as much as the socket takes; returns how much of the queue
    /// was taken. An error is the socket's, or `WouldBlock` when it is full.
    pub fn write(&mut self, stream: &mut impl Write, queue: &[u8]) -> io::Result<usize> {
        let taken = self.0.writer().write(queue)?;
        while self.0.wants_write() {
            match self.0.write_tls(stream) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Tells the peer that nothing more comes, or why; as far as he listens.
    pub fn say_goodbye(&mut self, stream: &mut impl Write) {
        self.0.send_close_notify();
        while self.0.wants_write() && self.0.write_tls(stream).is_ok_and(|count| count > 0) {}
    }
}
