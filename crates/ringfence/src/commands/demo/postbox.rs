//! A mail server for the demonstration: takes every mail, keeps it as a file, tells of it in one line. Lives here: as much SMTP as our
//! own mailer speaks (RFC 5321). Never here: sending on; nothing leaves this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::narrator::Teller;

/// Bytes of a mail at most.
const LARGEST: usize = 1 << 20;

/// Where mails go.
#[derive(Clone)]
struct Postbox {
    directory: PathBuf,
    count: Arc<AtomicUsize>,
    teller: Teller,
}

/// Opens a mail server on a port of its own; mails are kept in the directory as `0001.eml` and so on.
pub fn open(directory: &Path, teller: Teller) -> anyhow::Result<SocketAddr> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let listener = TcpListener::bind("127.0.0.1:0").context("no port for the mail server")?;
    let address = listener.local_addr()?;
    let count = Arc::new(AtomicUsize::new(0));
    let postbox = Postbox { directory: directory.to_owned(), count, teller };
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let postbox = postbox.clone();
            // A client who goes away in the middle sends it again.
            let serve = move || drop(postbox.serve(&stream));
            drop(std::thread::Builder::new().name("postbox".to_owned()).spawn(serve));
        }
    };
    std::thread::Builder::new().name("postbox".to_owned()).spawn(accept)?;
    Ok(address)
}

impl Postbox {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let say = |text: &str| (&*stream).write_all(format!("{text}\r\n").as_bytes());
        let mut lines = BufReader::new(stream);
        let mut to = Vec::new();
        say("220 demo.ringfence ESMTP")?;
        loop {
            let mut line = String::new();
            if (&mut lines).take(2_000).read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => say("250 demo.ringfence")?,
                "MAIL" | "RSET" => {
                    to.clear();
                    say("250 OK")?;
                }
                "RCPT" => {
                    to.push(between(line, '<', '>').to_owned());
                    say("250 OK")?;
                }
                "DATA" => {
                    say("354 go on")?;
                    let mail = read_mail(&mut lines)?;
                    self.keep(&to, &mail)?;
                    say("250 OK")?;
                }
                "NOOP" => say("250 OK")?,
                "QUIT" => return say("221 bye"),
                _ => say("502 not here")?,
            }
        }
    }

    fn keep(&self, to: &[String], mail: &str) -> std::io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        std::fs::write(self.directory.join(format!("{number:04}.eml")), mail)?;
        let text = format!("mail      to {}: {}", to.join(", "), subject(mail));
        self.teller.say("mail", &text);
        Ok(())
    }
}

/// Up to the line with a lone dot; doubled dots are one (RFC 5321 §4.5.2).
fn read_mail(lines: &mut impl BufRead) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = Vec::new();
        let read = lines.take(LARGEST as u64).read_until(b'\n', &mut line)?;
        if read == 0 || mail.len() + read > LARGEST {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let line = String::from_utf8_lossy(&line);
        if line.trim_end() == "." {
            return Ok(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// The subject, with lines that follow it (RFC 5322 §2.2.3).
fn subject(mail: &str) -> String {
    let mut lines = mail.lines().take_while(|line| !line.is_empty());
    let Some(first) = lines.find_map(|line| line.strip_prefix("Subject: ")) else {
        return String::new();
    };
    let more = lines.take_while(|line| line.starts_with([' ', '\t'])).map(str::trim);
    std::iter::once(first).chain(more).collect::<Vec<_>>().join(" ")
}

fn between(text: &str, from: char, to: char) -> &str {
    let rest = text.split_once(from).map_or("", |(_, rest)| rest);
    rest.split_once(to).map_or(rest, |(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_to_its_dot() {
        let mut text = &b"Subject: a long\r\n one\r\nTo: x\r\n\r\n..dots\r\n.\r\nQUIT\r\n"[..];
        let mail = read_mail(&mut text).expect("a mail");
        assert_eq!(mail, "Subject: a long\r\n one\r\nTo: x\r\n\r\n.dots\r\n");
        assert_eq!(subject(&mail), "a long one");
        assert_eq!(text, b"QUIT\r\n");
        assert!(read_mail(&mut &b"no end\r\n"[..]).is_err());
    }
}
