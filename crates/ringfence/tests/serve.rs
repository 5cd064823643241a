//! The node as a process: real sockets, signals, the control socket, kill -9. Lives here: what the
//! shell does. Never here: what calls do (the peers' tests).

#[path = "common/client.rs"]
mod client;
mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use client::Way;
use common::{Node, SECRET, Sandbox};
use nix::sys::signal::Signal;
use serde_json::json;
use sip::message::Method;

const LOGIN: (&str, &str) = ("alice", SECRET);
const REGISTRAR: &str = "sip:example.com";

fn settled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    sandbox
}

#[test]
fn phones_register_over_udp_and_tcp_and_the_node_stops_in_good_order() {
    let sandbox = settled();
    let node = Node::start(&sandbox);
    assert_eq!(Way::udp(node.udp).ask(Method::Options, REGISTRAR, LOGIN), 200);
    assert_eq!(Way::udp(node.udp).ask(Method::Register, REGISTRAR, LOGIN), 200);
    let mut stream = Way::tcp(node.tcp);
    assert_eq!(stream.ask(Method::Register, REGISTRAR, LOGIN), 200);
    assert_ne!(Way::udp(node.udp).ask(Method::Register, REGISTRAR, ("alice", "wrong")), 200);
    let status = sandbox.ok("status --json").json().remove(0);
    assert_eq!(status["node"]["bindings"], 2);
    assert_eq!(status["tcp_connections"], 1);
    // A phone is answered before its binding is on disk.
    let phones = || sandbox.ok("line list --json").json()[0]["phones"].as_array().map(Vec::len);
    assert!((0..50).any(|_| phones() == Some(2)), "the bindings are written");
    node.signal(Signal::SIGTERM);
    let (code, log) = node.wait();
    assert_eq!(code, Some(0));
    // Behind its last words stands only how far the record reaches, those words included.
    let [.., stopped, anchor] = &log[..] else { panic!("{log:?}") };
    assert_eq!(stopped["message"], json!("stopped"));
    let reach = anchor["message"].as_str().expect("a message");
    assert!(reach.starts_with("the record reaches so far"), "{anchor}");
    assert!(!sandbox.path("data/control.sock").exists());
}

#[test]
fn commands_reach_a_running_node_at_once() {
    let sandbox = settled();
    let node = Node::start(&sandbox);
    let shown = |field: &str| sandbox.ok("account show alice --json").json()[0][field].clone();
    assert_eq!(shown("headroom"), "100.00");
    sandbox.ok("account set alice stop_level_all_24h=3");
    assert_eq!(shown("headroom"), "3.00");
    sandbox.ok("account freeze alice");
    assert_eq!(shown("status"), "frozen");
    // A change of a control does not undo the freeze.
    sandbox.ok("account set alice calls=4");
    assert_eq!(shown("status"), "frozen");
    // A new line can register without a restart; a disabled one no longer.
    let line = ["line", "add", "alice", "bob", "--secret-stdin"];
    assert_eq!(sandbox.run_with(&line, &format!("{SECRET}\n"), &[]).code, 0);
    assert_eq!(Way::udp(node.udp).ask(Method::Register, REGISTRAR, ("bob", SECRET)), 200);
    sandbox.ok("line disable bob");
    assert_ne!(Way::udp(node.udp).ask(Method::Register, REGISTRAR, ("bob", SECRET)), 200);
    // What makes no sense is refused by the node, and nothing changes.
    let wrong = sandbox.run("call cut 0D5KZQ4M2T8GR");
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("there is no call 0D5KZQ4M2T8GR in progress"), "{}", wrong.err);
    assert_eq!(sandbox.run("serve").code, 1, "a second node does not start");
}

#[test]
fn a_killed_node_comes_back_with_its_phones() {
    let sandbox = settled();
    let node = Node::start(&sandbox);
    assert_eq!(Way::udp(node.udp).ask(Method::Register, REGISTRAR, LOGIN), 200);
    // A phone is answered before its binding is on disk: wait for that.
    let is_kept = || sandbox.ok("line list --json").out.contains("\"transport\":\"udp\"");
    assert!((0..50).any(|_| is_kept()), "the binding is written");
    node.signal(Signal::SIGKILL);
    assert_eq!(node.wait().0, None);
    // Commands work on the files meanwhile.
    sandbox.ok("account set alice calls=3");
    let node = Node::start(&sandbox);
    let status = sandbox.ok("status --json").json().remove(0);
    assert_eq!(status["node"]["bindings"], 1, "bindings survive");
    assert_eq!(Way::udp(node.udp).ask(Method::Register, REGISTRAR, LOGIN), 200);
    assert_eq!(sandbox.ok("account show alice --json").json()[0]["controls"]["calls"], 3);
    assert_eq!(sandbox.run("doctor --offline").code, 0);
}

#[test]
fn streams_answer_pings_and_close_on_nonsense() {
    let sandbox = settled();
    let node = Node::start(&sandbox);
    let mut way = Way::tcp(node.tcp);
    // RFC 5626 §4.4.1.
    way.send(b"\r\n\r\n");
    assert_eq!(way.receive(), b"\r\n");
    assert_eq!(way.ask(Method::Options, REGISTRAR, LOGIN), 200);
    // Two requests in one write, the second in two.
    let request = |n: u32| {
        format!(
            "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: x{n}\r\nCSeq: {n} OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let both = request(7) + &request(8);
    let (first, second) = both.as_bytes().split_at(both.len() - 30);
    way.send(first);
    way.send(second);
    let mut answers = String::new();
    while !answers.contains("CSeq: 8 OPTIONS") {
        answers.push_str(&String::from_utf8_lossy(&way.receive()));
    }
    assert_eq!(answers.matches("SIP/2.0 200").count(), 2);
    // P2: two lengths are answered 400, and the connection ends.
    let twice = request(9).replace("Content-Length: 0", "Content-Length: 0\r\nContent-Length: 7");
    way.send(twice.as_bytes());
    assert!(way.receive().starts_with(b"SIP/2.0 400"), "the broken request is answered");
    assert_eq!(way.receive(), b"", "closed");
    // What cannot even be answered ends the connection as well.
    let mut other = Way::tcp(node.tcp);
    other.send(b"OPTIONS sip:example.com SIP/2.0\nVia: x\n\n");
    assert_eq!(other.receive(), b"", "closed");
}

#[test]
fn a_peer_that_never_finishes_is_closed() {
    let sandbox = settled();
    let node = Node::start(&sandbox);
    let mut slow = TcpStream::connect(node.tcp).expect("connected");
    slow.set_read_timeout(Some(Duration::from_secs(14))).expect("a timeout");
    slow.write_all(b"OPTIONS sip:example.com SIP/2.0\r\nVia: ").expect("sent");
    // D3: ten seconds to finish a header. Others are served meanwhile.
    assert_eq!(Way::tcp(node.tcp).ask(Method::Options, REGISTRAR, LOGIN), 200);
    assert_eq!(slow.read(&mut [0; 16]).expect("closed, not timed out"), 0);
}

#[test]
fn connections_of_one_address_are_bounded() {
    let sandbox = Sandbox::with("[limits]\ntcp_connections_per_address = 3\n");
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    let node = Node::start(&sandbox);
    let mut kept: Vec<_> = (0..3).map(|_| Way::tcp(node.tcp)).collect();
    let answers: Vec<u16> =
        kept.iter_mut().map(|way| way.ask(Method::Options, REGISTRAR, LOGIN)).collect();
    assert_eq!(answers, [200, 200, 200]);
    let mut fourth = TcpStream::connect(node.tcp).expect("the kernel connects");
    fourth.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    assert!(matches!(fourth.read(&mut [0; 16]), Ok(0) | Err(_)), "and is hung up on");
    assert_eq!(sandbox.ok("status --json").json()[0]["tcp_refused"], 1);
}

#[test]
fn the_service_manager_hears_of_it() {
    let sandbox = settled();
    let path = sandbox.path("notify.sock");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut child = sandbox
        .command(&["serve"])
        .env("NOTIFY_SOCKET", &path)
        .env("RINGFENCE_LOG__LEVEL", "error")
        .spawn()
        .expect("the program starts");
    let hear = || {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).expect("a word");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    nix::sys::signal::kill(pid, Signal::SIGINT).expect("the process is there");
    assert_eq!(hear(), "STOPPING=1");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Most memory that a process ever had, in bytes.
fn peak_memory(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells");
    let kib = line.split_whitespace().nth(1).expect("a figure");
    kib.parse::<u64>().expect("a figure") * 1_024
}

#[test]
fn many_connections_at_once_do_not_fill_the_memory_with_answers() {
    const CONNECTIONS: usize = 64;
    const EACH: usize = 96 * 1_024;
    let sandbox = Sandbox::with("[limits]\ntcp_connections_per_address = 100\n");
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    let node = Node::start(&sandbox);
    let request = "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let count = EACH / request.len();
    let mut ways: Vec<Way> = (0..CONNECTIONS).map(|_| Way::tcp(node.tcp)).collect();
    // Each is known before the rush, and has buffers as large as they get.
    for way in &mut ways {
        assert_eq!(way.ask(Method::Options, REGISTRAR, LOGIN), 200);
    }
    let before = peak_memory(node.pid());
    // While the node stands still everything arrives: then all of it is there in one turn.
    node.signal(Signal::SIGSTOP);
    let pipelined = request.repeat(count);
    ways.iter_mut().for_each(|way| way.send(pipelined.as_bytes()));
    node.signal(Signal::SIGCONT);
    for way in &mut ways {
        let mut answers = 0;
        while answers < count {
            let text = String::from_utf8_lossy(&way.receive()).into_owned();
            answers += text.matches("Content-Length: 0\r\n\r\n").count();
        }
    }
    let grown = peak_memory(node.pid()) - before;
    assert!(grown < 16 << 20, "{grown} bytes more for {CONNECTIONS} connections");
}
