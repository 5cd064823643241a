//! Looking at an address from outside, as its holder asked. Lives here: a short list of ports, TCP connects with short
//! timeouts, what is written on the door. Never here: whether an address may be looked at (`check_up`).
//!
//! It knocks and reads what anybody reads who knocks: no password is tried, no path but `/` asked for, no body kept.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use types::{OpenPort, UnixMicros};

use crate::shell::clock::Clock;

/// Ports that are tried by TCP; SIP is tried by UDP besides.
pub const USUAL: [u16; 13] = [21, 22, 23, 80, 443, 5001, 5038, 5060, 5061, 7547, 8080, 8088, 8443];
/// So long a connection may take.
const CONNECT: Duration = Duration::from_millis(1_200);
/// So long all that is said may take.
const LISTEN: Duration = Duration::from_millis(1_000);
/// Ports that are tried at once.
const AT_ONCE: usize = 4;
/// No more than this is read.
const MOST_BYTES: usize = 4_096;
/// No more than this is kept of what is said, in characters.
const MOST_SAID: usize = 100;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many ports were tried.
    pub tried: u32,
    /// Those that answered, by number.
    pub open: Vec<OpenPort>,
}

/// Looks at these ports of an address, and at SIP by UDP. Takes some seconds.
pub fn look(address: IpAddr, ports: &[u16]) -> Found {
    let (next, open) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(&port) = ports.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(found) = knock(address, port)
                && let Ok(mut open) = open.lock()
            {
                open.push(found);
            }
        }
    };
    let by_udp = thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
        options(SocketAddr::new(address, 5060))
    });
    let mut open = open.into_inner().unwrap_or_default();
    open.extend(by_udp);
    open.sort_by_key(|port| (port.port, port.is_udp));
    Found { tried: u32::try_from(ports.len() + 1).unwrap_or(u32::MAX), open }
}

fn knock(address: IpAddr, port: u16) -> Option<OpenPort> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), CONNECT).ok()?;
    let head = match port {
        // Behind these is TLS, or something that does not speak first: that it is open is all there is to know.
        443 | 5001 | 5060 | 5061 | 8443 => String::new(),
        21..=23 | 5038 => read(&mut stream, false),
        _ => get(&mut stream, address).unwrap_or_default(),
    };
    let says = match head.starts_with("HTTP/") {
        true => of_http(&head),
        false => head.lines().next().unwrap_or_default().to_owned(),
    };
    Some(OpenPort { is_udp: false, port, says: kept(&says) })
}

fn get(stream: &mut TcpStream, address: IpAddr) -> Option<String> {
    stream.set_write_timeout(Some(LISTEN)).ok()?;
    let host = host(address);
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ringfence-check-up\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    Some(read(stream, true))
}

/// What is said within a second: up to the end of a head, or of a line.
fn read(stream: &mut TcpStream, is_head: bool) -> String {
    let mut clock = Clock::new(UnixMicros(0));
    let mut said = Vec::new();
    let mut piece = [0; 512];
    while said.len() < MOST_BYTES {
        let left = LISTEN.saturating_sub(Duration::from_micros(clock.now().tick.0));
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            break;
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => said.extend_from_slice(&piece[..count]),
        }
        let is_over = match is_head {
            true => said.windows(4).any(|end| end == b"\r\n\r\n"),
            false => said.contains(&b'\n'),
        };
        if is_over {
            break;
        }
    }
    let end = said.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(said.len());
    String::from_utf8_lossy(&said[..end]).into_owned()
}

/// Server and realm of an answer.
fn of_http(head: &str) -> String {
    let field = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let mut same = fields.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
        same.next().map(|(_, value)| value.trim())
    };
    let realm = field("www-authenticate").and_then(|value| {
        let (_, rest) = value.split_once("realm=\"")?;
        rest.split('"').next()
    });
    let said: Vec<&str> = [field("server"), realm].into_iter().flatten().collect();
    said.join(", ")
}

/// Asks a phone or switch what it can do (RFC 3261 §11): any answer is one too many.
fn options(peer: SocketAddr) -> Option<OpenPort> {
    let any: IpAddr = if peer.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // Connected: what comes from elsewhere is not heard.
    socket.connect(peer).ok()?;
    let local = socket.local_addr().ok()?;
    let (ours, theirs) = (host(local.ip()), host(peer.ip()));
    let tag = local.port();
    let request = format!(
        "OPTIONS sip:{theirs} SIP/2.0\r\nVia: SIP/2.0/UDP {ours}:{tag};branch=z9hG4bK-check-up-{tag};rport\r\n\
         Max-Forwards: 1\r\nFrom: <sip:check-up@{ours}>;tag={tag}\r\nTo: <sip:{theirs}>\r\n\
         Call-ID: check-up-{tag}@{ours}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    socket.set_read_timeout(Some(LISTEN)).ok()?;
    socket.send(request.as_bytes()).ok()?;
    let mut answer = [0; MOST_BYTES];
    let length = socket.recv(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer[..length]);
    let is_answer = text.starts_with("SIP/2.0 ");
    let agent = text.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| {
        name.trim().eq_ignore_ascii_case("server") || name.trim().eq_ignore_ascii_case("user-agent")
    });
    let says = kept(agent.map_or("", |(_, value)| value));
    is_answer.then_some(OpenPort { is_udp: true, port: peer.port(), says })
}

fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// What may be kept and shown.
fn kept(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control() && *c != '\u{fffd}');
    plain.take(MOST_SAID).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Somebody who answers with this, once; his port.
    fn door(answer: Vec<u8>) -> u16 {
        let listener = TcpListener::bind((HERE, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody knocks");
            let mut asked = [0; 1_024];
            let count = stream.read(&mut asked).unwrap_or(0);
            assert!(asked[..count].starts_with(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"));
            // Who knocks goes when he has read enough.
            drop(stream.write_all(&answer));
        });
        port
    }

    #[test]
    fn what_is_open_is_told_with_what_it_says() {
        fn check(answer: impl Into<Vec<u8>>, want: &str) {
            let port = door(answer.into());
            let found = look(HERE, &[port]);
            let want = OpenPort { is_udp: false, port, says: want.to_owned() };
            assert_eq!((found.tried, found.open.first()), (2, Some(&want)));
        }
        check(
            "HTTP/1.1 401 No\r\nServer: Yealink Embedded\r\nWWW-Authenticate: Basic realm=\"Phone \x1b[31mT46S\"\r\n\r\nsecret body",
            "Yealink Embedded, Phone [31mT46S",
        );
        check("HTTP/1.0 200 OK\r\nX: y\r\n\r\n", "");
        check("HTTP/1.0 200 OK\nServer: a\n", "a");
        check(vec![0xff; 100], "");
        // Whoever never ends is not heard to the end.
        check(
            format!("HTTP/1.0 200 OK\r\nServer: {}", "x".repeat(1 << 20)),
            &"x".repeat(MOST_SAID),
        );
    }

    #[test]
    fn what_is_closed_or_silent_is_not_waited_for() {
        let silent = TcpListener::bind((HERE, 0)).expect("a port");
        let closed = {
            let free = TcpListener::bind((HERE, 0)).expect("a port");
            free.local_addr().expect("an address").port()
        };
        let silent_port = silent.local_addr().expect("an address").port();
        let mut clock = Clock::new(UnixMicros(0));
        let found = look(HERE, &[closed, silent_port]);
        let took = Duration::from_micros(clock.now().tick.0);
        assert!(took < Duration::from_secs(5), "{took:?}");
        let want = OpenPort { is_udp: false, port: silent_port, says: String::new() };
        assert_eq!(found.open.iter().filter(|port| !port.is_udp).collect::<Vec<_>>(), [&want]);
    }

    #[test]
    fn a_phone_that_answers_strangers_is_heard() {
        let phone = UdpSocket::bind((HERE, 0)).expect("a port");
        let peer = phone.local_addr().expect("an address");
        let answering = thread::spawn(move || {
            let mut asked = [0; 2_048];
            let (count, from) = phone.recv_from(&mut asked).expect("somebody asks");
            let asked = String::from_utf8_lossy(&asked[..count]).into_owned();
            let answer = "SIP/2.0 200 OK\r\nServer: Asterisk PBX 11.1\r\n\r\n";
            phone.send_to(answer.as_bytes(), from).expect("sent");
            asked
        });
        let says = "Asterisk PBX 11.1".to_owned();
        assert_eq!(options(peer), Some(OpenPort { is_udp: true, port: peer.port(), says }));
        let asked = answering.join().expect("it was asked");
        assert!(asked.starts_with("OPTIONS sip:127.0.0.1 SIP/2.0\r\n"), "{asked}");
    }
}
