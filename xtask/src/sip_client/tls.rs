//! Certificates for tests, and TLS from the client's side. Lives here: an authority of our own, what clients
//! believe. Never here: a line of the program's own TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// TLS on a connection.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Vouches for the names of the tests.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, which nobody believes yet.
    pub fn new() -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
        Ok(Authority(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Its own certificate in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes a new certificate for these names, and its key.
    pub fn issue(&self, names: &[&str], certificate: &Path, key: &Path) -> Result<()> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "Server of the tests");
        let made = params.signed_by(&pair, &self.0)?;
        // The key first: a certificate whose key is not there yet is not taken.
        std::fs::write(key, pair.serialize_pem())?;
        std::fs::write(certificate, made.pem())?;
        Ok(())
    }

    /// For clients that believe this authority alone.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// Shakes hands with the server of that address, which has to have a certificate for it.
pub fn shake_hands(stream: TcpStream, config: &Arc<ClientConfig>) -> Result<TlsStream> {
    let name = ServerName::from(stream.peer_addr()?.ip());
    let session = ClientConnection::new(config.clone(), name)?;
    let mut tls = StreamOwned::new(session, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock).context("the TLS handshake")?;
    }
    Ok(tls)
}

/// Asks for a WebSocket as RFC 7118 §4.1 has it.
pub fn upgrade(stream: &mut (impl Read + Write)) -> Result<()> {
    let answer = ask_for_upgrade(stream, "sip", "https://phone.example.com")?;
    ensure!(answer.starts_with("HTTP/1.1 101 "), "no WebSocket: {answer}");
    ensure!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the key is not taken: {answer}");
    Ok(())
}

/// Asks for a WebSocket; the head of the answer.
pub fn ask_for_upgrade(
    stream: &mut (impl Read + Write),
    protocol: &str,
    origin: &str,
) -> Result<String> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\nOrigin: {origin}\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    read_head(stream)
}

/// Reads up to an empty line, or the end.
pub fn read_head(stream: &mut impl Read) -> Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
