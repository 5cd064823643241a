//! A description in words.

use std::fmt;

use super::{
    BodyDescription, Description, ParamDescription, Part, StartDescription, UriDescription,
};

impl fmt::Display for Description<'_> {
    /// A line for the start line, one for each header and one for each of its values, one for the body. Control
    /// characters and what turns the direction of writing are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.start {
            StartDescription::Request { method, uri } => writeln!(f, "{method} request to {uri}")?,
            StartDescription::Response { status, reason } => {
                writeln!(f, "{status} response: {}", Safe(reason))?;
            }
        }
        for header in &self.headers {
            writeln!(f, "{}: {}", header.name, Safe(&header.value))?;
            for part in &header.parts {
                writeln!(f, "    {part}")?;
            }
        }
        write!(f, "{}", self.body)
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = "none";
        match self {
            Part::Address { display, uri, params } => {
                write!(f, "address: {uri}")?;
                if let Some(display) = display {
                    write!(f, ", called \"{}\"", Safe(display))?;
                }
                write_params(f, params)
            }
            Part::Star => f.write_str("all bindings"),
            Part::Via { transport, host, port, params } => {
                write!(f, "hop: {transport} {host}")?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                write_params(f, params)
            }
            Part::Number { number, method: Some(method) } => write!(f, "number: {number} {method}"),
            Part::Number { number, method: None } => write!(f, "number: {number}"),
            Part::Credentials { username, realm, uri, algorithm, qop, nc } => write!(
                f,
                "credentials: user {} realm {} uri {} algorithm {} qop {} nc {}",
                Safe(username),
                Safe(realm),
                Safe(uri),
                algorithm.unwrap_or("MD5"),
                qop.unwrap_or(none),
                nc.unwrap_or(none),
            ),
            Part::Challenge { realm, algorithm, qop, stale } => write!(
                f,
                "challenge: realm {} algorithm {} qop {} stale {stale}",
                Safe(realm),
                algorithm.unwrap_or("MD5"),
                qop.unwrap_or(none),
            ),
            Part::Word { word } => write!(f, "word: {}", Safe(word)),
            Part::Malformed { value, error } => write!(f, "malformed: {error}: {}", Safe(value)),
        }
    }
}

impl fmt::Display for UriDescription<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)?;
        if let Some(user) = &self.user
            && !self.text.contains(user.as_str())
        {
            write!(f, " (user {})", Safe(user))?;
        }
        match &self.error {
            Some(error) => write!(f, " (malformed: {error})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for BodyDescription<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "body: {} bytes", self.bytes)?;
        if let Some(content_type) = self.content_type {
            write!(f, " of {}", Safe(content_type))?;
        }
        if self.parts > 1 {
            write!(f, ", {} parts", self.parts)?;
        }
        if let Some(media) = self.media {
            write!(f, ", {media} media")?;
        }
        if self.is_hold == Some(true) {
            f.write_str(", on hold")?;
        }
        match &self.error {
            Some(error) => writeln!(f, ", malformed: {error}"),
            None => writeln!(f),
        }
    }
}

fn write_params(f: &mut fmt::Formatter<'_>, params: &[ParamDescription<'_>]) -> fmt::Result {
    for param in params {
        match param.value {
            Some(value) => write!(f, ", {}={}", param.name, Safe(value))?,
            None => write!(f, ", {}", param.name)?,
        }
    }
    Ok(())
}

/// Text that cannot move the cursor or turn the direction of writing.
struct Safe<'t>(&'t str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\u{061c}'
                | '\u{200e}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' => write!(f, "{}", c.escape_unicode())?,
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}
