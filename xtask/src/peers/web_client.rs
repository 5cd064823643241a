//! A holder's browser as plain HTTP. Lives here: cookies, forms, signing in. Never here: how pages look (portal).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// What everybody chooses.
pub const PASSWORD: &str = "velvet.harbour.mosaic.tundra";

/// A browser without a screen: cookies, and nothing else.
pub struct Browser {
    port: u16,
    /// Names and values.
    pub cookies: Vec<(String, String)>,
}

/// What came back.
pub struct Page {
    /// Of HTTP.
    pub status: u16,
    /// Where it leads.
    pub location: String,
    /// Text.
    pub body: String,
}

impl Browser {
    /// Nobody is signed in.
    pub fn new(port: u16) -> Browser {
        Browser { port, cookies: Vec::new() }
    }

    /// Sends a request; headers and body are still to be read.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<BufReader<TcpStream>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let host = format!("localhost:{}", self.port);
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nOrigin: http://{host}\r\n\
             Accept: text/html,text/event-stream\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            cookies.join("; "),
            body.len()
        )?;
        Ok(BufReader::new(stream))
    }

    /// Any request, and what came of it.
    pub fn page(&mut self, method: &str, path: &str, body: &str) -> Result<Page> {
        let mut reader = self.ask(method, path, body)?;
        let mut page = Page { status: 0, location: String::new(), body: String::new() };
        let mut line = String::new();
        reader.read_line(&mut line)?;
        page.status = line.split(' ').nth(1).context("a status")?.parse()?;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "location" => value.clone_into(&mut page.location),
                "set-cookie" => self.keep(value),
                _ => {}
            }
        }
        reader.read_to_string(&mut page.body)?;
        Ok(page)
    }

    fn keep(&mut self, set: &str) {
        let pair = set.split(';').next().and_then(|pair| pair.split_once('='));
        if let Some((name, value)) = pair {
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// A page.
    pub fn get(&mut self, path: &str) -> Result<Page> {
        self.page("GET", path, "")
    }

    /// A form; where it leads. An error when it is refused.
    pub fn post(&mut self, path: &str, body: &str) -> Result<Page> {
        let page = self.page("POST", path, body)?;
        ensure!(page.status < 400, "{path}: {}: {}", page.status, page.body);
        Ok(page)
    }

    /// Signs in for the first time.
    pub fn welcome(port: u16, link: &str) -> Result<Browser> {
        let mut browser = Browser::new(port);
        let path = link.find("/welcome/").map(|at| &link[at..]).context("a link")?;
        browser.post(path, &format!("password={PASSWORD}&again={PASSWORD}"))?;
        Ok(browser)
    }
}
