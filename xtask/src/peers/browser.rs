//! Phones in a real browser: JsSIP in Chromium. Lives here: serving their page, starting the browser, pressing
//! their buttons. Never here: what is expected.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use super::driven::Ear;
use crate::process::Guard;
use crate::shell_out::root;

/// How long the page waits for a command before it asks again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Chromium with a page that holds any number of phones.
pub struct Browser {
    // Ended before its directory is removed.
    _guard: Guard,
    _dir: TempDir,
    press: Sender<String>,
    ear: Ear,
}

impl Browser {
    /// Starts one and waits until its page is there.
    pub fn start() -> Result<Browser> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (press, pressed) = channel();
        let (tell, told) = channel();
        let page = Page {
            html: std::fs::read(root().join("peers/jssip_phones.html"))?,
            script: std::fs::read(crate::setup::jssip()).context("JsSIP is not installed")?,
            pressed: Arc::new(Mutex::new(pressed)),
            tell,
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let page = page.clone();
                std::thread::spawn(move || page.serve(stream));
            }
        });
        let dir = tempfile::tempdir()?;
        let mut command = Command::new("chromium");
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-dev-shm-usage", "--mute-audio", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--disable-default-apps"])
            // Nothing leaves this machine.
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
            // The authority of the tests is known to nobody.
            .args(["--ignore-certificate-errors", "--disable-features=WebRtcHideLocalIpsWithMdns"])
            .arg(format!("--user-data-dir={}", dir.path().display()))
            .arg(format!("http://{address}/"));
        let guard = Guard::start("chromium", &mut command, &dir.path().join("log"))?;
        let mut browser = Browser { _guard: guard, _dir: dir, press, ear: Ear::new("JsSIP", told) };
        browser.ear.expect("ready", &[])?;
        Ok(browser)
    }

    /// Presses a button: `USER WORD …`.
    pub fn press(&self, line: &str) -> Result<()> {
        self.press.send(line.to_owned()).context("the page is gone")
    }

    /// Waits for an event of a user; what came before it is passed over.
    pub fn expect(&mut self, user: &str, event: &str, fields: &[(&str, &str)]) -> Result<Value> {
        self.ear.expect(event, &[&[("user", user)], fields].concat())
    }

    /// Everything that was heard of one kind from one user so far.
    pub fn heard(&self, user: &str, event: &str) -> Vec<Value> {
        self.ear.heard(event).into_iter().filter(|value| value["user"] == user).collect()
    }
}

#[derive(Clone)]
struct Page {
    html: Vec<u8>,
    script: Vec<u8>,
    pressed: Arc<Mutex<Receiver<String>>>,
    tell: Sender<Value>,
}

impl Page {
    /// One request of the page; errors are the browser's going away.
    fn serve(&self, stream: TcpStream) {
        let _ = self.answer(stream);
    }

    fn answer(&self, mut stream: TcpStream) -> Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let path = first.split(' ').nth(1).unwrap_or("/");
        let (status, kind, body) = match path {
            "/" => ("200 OK", "text/html", self.html.clone()),
            "/jssip.js" => ("200 OK", "text/javascript", self.script.clone()),
            "/said" => {
                let _ = self.tell.send(serde_json::from_slice(&body)?);
                ("204 No Content", "text/plain", Vec::new())
            }
            "/next" => {
                let pressed = self.pressed.lock().unwrap_or_else(PoisonError::into_inner);
                match pressed.recv_timeout(ASK_AGAIN) {
                    Ok(line) => ("200 OK", "text/plain", line.into_bytes()),
                    Err(_) => ("204 No Content", "text/plain", Vec::new()),
                }
            }
            _ => ("404 Not Found", "text/plain", Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
        Ok(())
    }
}
