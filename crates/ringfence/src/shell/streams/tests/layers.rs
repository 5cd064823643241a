//! TLS and WebSocket over real connections, in time that the test says.

use std::io::{Read, Write};
use std::net::TcpStream as Client;
use std::time::Duration;

use mio::{Events, Poll};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::super::*;

type Tls = StreamOwned<ClientConnection, Client>;

const FIRST: usize = 10_000;

/// Stream sockets without a node.
struct Shell {
    poll: Poll,
    streams: Streams,
    places: Vec<SocketAddr>,
    client: Arc<ClientConfig>,
    now: Tick,
}

impl Shell {
    fn new() -> Shell {
        let poll = Poll::new().expect("a poll");
        let registry = poll.registry().try_clone().expect("shared");
        let limits = StreamLimits { connections: 1_000, per_address: 1_000 };
        let mut streams = Streams::new(registry, FIRST, limits, TrunkRoots::new(None), Vec::new());
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        let made = params.self_signed(&key).expect("signed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![made.der().clone()], key)
            })
            .expect("a good certificate");
        streams.show(Arc::new(server));
        let mut roots = RootCertStore::empty();
        roots.add(made.der().clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut places = Vec::new();
        for (at, transport) in [Transport::Tcp, Transport::Tls, Transport::Wss].iter().enumerate() {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            places.push(streams.open(*transport, any, Token(at)).expect("a socket"));
        }
        Shell { poll, streams, places, client: Arc::new(client), now: Tick(1_000_000) }
    }

    /// One turn of the loop; what it took.
    fn turn(&mut self) -> Vec<(Transport, String)> {
        let mut events = Events::with_capacity(1_024);
        let timeout = if self.streams.is_any_ready() { 0 } else { 5 };
        self.poll.poll(&mut events, Some(Duration::from_millis(timeout))).expect("polled");
        self.streams.begin_turn();
        let mut got = Vec::new();
        let mut take = |input: Input<'_>| {
            if let Input::Received { flow, bytes } = input {
                got.push((flow.transport, String::from_utf8_lossy(bytes).into_owned()));
            }
        };
        for event in &events {
            match event.token() {
                Token(at) if at < FIRST => while self.streams.accept(at, self.now) {},
                token => self.streams.event(
                    token,
                    event.is_readable() || event.is_read_closed(),
                    event.is_writable(),
                    self.now,
                    &mut take,
                ),
            }
        }
        for id in self.streams.take_ready() {
            self.streams.read(id, self.now, &mut take);
        }
        self.streams.flush();
        got
    }

    /// Turns until something was taken.
    fn until_taken(&mut self) -> Vec<(Transport, String)> {
        self.until(|shell| Some(shell.turn()).filter(|got| !got.is_empty()))
    }

    fn until<T>(&mut self, mut found: impl FnMut(&mut Shell) -> Option<T>) -> T {
        for _ in 0..2_000 {
            if let Some(thing) = found(self) {
                return thing;
            }
        }
        panic!("it does not come")
    }

    fn connect(&mut self, transport: Transport) -> Client {
        let at = [Transport::Tcp, Transport::Tls, Transport::Wss]
            .iter()
            .position(|one| *one == transport)
            .expect("it is served");
        let before = self.streams.len();
        let client = Client::connect(self.places[at]).expect("connected");
        client.set_nonblocking(true).expect("it can");
        self.until(|shell| {
            shell.turn();
            (shell.streams.len() > before).then_some(())
        });
        client
    }

    fn connect_tls(&mut self, transport: Transport) -> Tls {
        let client = self.connect(transport);
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let session = ClientConnection::new(self.client.clone(), name).expect("a session");
        let mut tls = StreamOwned::new(session, client);
        self.until(|shell| {
            // It would block, or goes on.
            drop(tls.conn.complete_io(&mut tls.sock));
            shell.turn();
            (!tls.conn.is_handshaking()).then_some(())
        });
        tls
    }

    /// Reads what came, at least these bytes' length.
    fn read(&mut self, from: &mut impl Read, length: usize) -> String {
        let mut bytes = Vec::new();
        self.until(|shell| {
            shell.turn();
            let mut buffer = [0; 4_096];
            if let Ok(count) = from.read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..count]);
            }
            (bytes.len() >= length).then_some(())
        });
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn advance(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.streams.sweep(self.now);
    }
}

const OPTIONS: &str = "OPTIONS sip:h SIP/2.0\r\nContent-Length: 0\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: sip\r\n\r\n";

/// A text frame of a client, masked with zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, 0x80 | u8::try_from(text.len()).expect("short"), 0, 0, 0, 0];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[test]
fn messages_go_through_all_layers_both_ways() {
    let mut shell = Shell::new();
    let mut tls = shell.connect_tls(Transport::Tls);
    tls.write_all(OPTIONS.as_bytes()).expect("written");
    assert_eq!(shell.until_taken(), [(Transport::Tls, OPTIONS.to_owned())]);

    let mut wss = shell.connect_tls(Transport::Wss);
    wss.write_all(UPGRADE.as_bytes()).expect("written");
    assert!(shell.read(&mut wss, 80).starts_with("HTTP/1.1 101 "));
    wss.write_all(&frame(OPTIONS)).expect("written");
    assert_eq!(shell.until_taken(), [(Transport::Wss, OPTIONS.to_owned())]);

    let flows: Vec<Flow> = shell.streams.connections.values().map(|one| one.flow).collect();
    for flow in flows {
        shell.streams.send(&flow, b"SIP/2.0 200 OK\r\n\r\n", shell.now, || None);
    }
    assert_eq!(shell.read(&mut tls, 18), "SIP/2.0 200 OK\r\n\r\n");
    assert_eq!(shell.read(&mut wss, 20), "\u{fffd}\u{12}SIP/2.0 200 OK\r\n\r\n");
}

/// D3: each of the steps, and all of them together, have ten seconds.
#[test]
fn who_does_not_finish_what_he_began_is_hung_up_on() {
    type Begin = fn(&mut Shell) -> (Client, Option<Tls>);
    let steps: [(&str, Begin); 7] = [
        ("TCP and nothing", |shell| (shell.connect(Transport::Tcp), None)),
        ("nothing instead of TLS", |shell| (shell.connect(Transport::Tls), None)),
        ("half a ClientHello", |shell| {
            let mut client = shell.connect(Transport::Wss);
            client.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).expect("written");
            (client, None)
        }),
        ("TLS and nothing", |shell| {
            let tls = shell.connect_tls(Transport::Tls);
            (tls.sock.try_clone().expect("cloned"), Some(tls))
        }),
        ("half a message", |shell| {
            let mut tls = shell.connect_tls(Transport::Tls);
            tls.write_all(b"OPTIONS").expect("written");
            (tls.sock.try_clone().expect("cloned"), Some(tls))
        }),
        ("half an upgrade", |shell| {
            let mut tls = shell.connect_tls(Transport::Wss);
            tls.write_all(b"GET / HTTP/1.1\r\n").expect("written");
            (tls.sock.try_clone().expect("cloned"), Some(tls))
        }),
        ("WebSocket and nothing", |shell| {
            let mut tls = shell.connect_tls(Transport::Wss);
            tls.write_all(UPGRADE.as_bytes()).expect("written");
            shell.read(&mut tls, 80);
            (tls.sock.try_clone().expect("cloned"), Some(tls))
        }),
    ];
    for (step, begin) in steps {
        let mut shell = Shell::new();
        let _stranger = begin(&mut shell);
        shell.turn();
        shell.advance(9_900);
        assert_eq!(shell.streams.len(), 1, "{step}, after 9.9 s");
        shell.advance(100);
        assert_eq!(shell.streams.len(), 0, "{step}, after 10 s");
        assert_eq!(shell.streams.take_closed().len(), 1);
    }
}

#[test]
fn who_has_said_something_may_be_quiet() {
    let mut shell = Shell::new();
    let mut tls = shell.connect_tls(Transport::Tls);
    tls.write_all(OPTIONS.as_bytes()).expect("written");
    shell.until_taken();
    shell.advance(3_600_000);
    assert_eq!(shell.streams.len(), 1);
    // Half a message, and then nothing.
    tls.write_all(b"OPTIONS").expect("written");
    shell.until(|shell| {
        shell.turn();
        shell.streams.connections.values().any(|one| one.finish_by.is_some()).then_some(())
    });
    shell.advance(10_000);
    assert_eq!(shell.streams.len(), 0);
}

#[test]
fn a_browser_that_does_not_answer_is_gone() {
    let mut shell = Shell::new();
    let mut tls = shell.connect_tls(Transport::Wss);
    tls.write_all(UPGRADE.as_bytes()).expect("written");
    shell.read(&mut tls, 80);
    tls.write_all(&frame(OPTIONS)).expect("written");
    shell.until_taken();
    for _ in 0..3 {
        shell.advance(PING_AFTER_MS + 1);
        assert_eq!(shell.streams.len(), 1, "it has answered");
        assert_eq!(shell.read(&mut tls, 2), "\u{fffd}\0", "an empty ping");
        tls.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).expect("a pong");
        let now = shell.now;
        shell.until(|shell| {
            shell.turn();
            shell.streams.connections.values().any(|one| one.heard == now).then_some(())
        });
    }
    shell.advance(PING_AFTER_MS + 1);
    shell.read(&mut tls, 2);
    shell.advance(PING_AFTER_MS + 1);
    assert_eq!(shell.streams.len(), 0, "it has not");
}

#[test]
fn handshakes_leave_room_for_others() {
    const MANY: usize = 3 * HANDSHAKES as usize;
    let mut shell = Shell::new();
    let mut clients = Vec::new();
    for _ in 0..MANY {
        let client = shell.connect(Transport::Tls);
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let session = ClientConnection::new(shell.client.clone(), name).expect("a session");
        let tls = StreamOwned::new(session, client);
        clients.push(tls);
    }
    for tls in &mut clients {
        tls.conn.write_tls(&mut tls.sock).expect("a ClientHello");
    }
    // All of them have come; a turn does no more than its share, the next ones go on.
    let mut begun = 0;
    let mut turns = 0;
    while begun < MANY {
        shell.turn();
        turns += 1;
        let sessions = shell.streams.connections.values();
        let now_begun = sessions.filter(|one| one.secure.as_ref().is_some_and(|s| s.has_begun()));
        let now_begun = now_begun.count();
        assert!(now_begun - begun <= HANDSHAKES as usize, "{} in one turn", now_begun - begun);
        begun = now_begun;
        assert!(turns < 1_000, "{begun} of {MANY} after {turns} turns");
    }
    assert!(turns >= 3);
}
