//! Webhooks. Lives here: the body, its signature, calling only what may be called. Never here: when to try again.
//!
//! ```text
//! Ringfence-Signature: t=SECONDS,v1=HEX     HEX = HMAC-SHA-256(secret, SECONDS "." body)
//! Idempotency-Key: the message's id         the same however often it is sent
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use types::UnixMicros;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::address;
use crate::plan::Outcome;

/// How webhooks are called.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// May addresses of private networks be called, and of this machine?
    pub allow_private: bool,
    /// How long a try may take.
    pub timeout: Duration,
}

/// Calls webhooks. Connections are not kept: each address is looked up, judged and called by itself.
#[derive(Debug)]
pub struct Caller {
    agent: Agent,
}

/// A body with its signature.
pub struct Signed<'a> {
    /// Where to.
    pub url: &'a str,
    /// What.
    pub body: &'a str,
    /// With which secret it is signed.
    pub secret: &'a str,
    /// When.
    pub now: UnixMicros,
    /// Name of the message.
    pub id: &'a str,
    /// The alert, as `812-7`.
    pub alert: &'a str,
    /// What stands in `Authorization`, for a gateway that wants it.
    pub authorization: Option<&'a str>,
}

/// The signature of a body at a time.
pub fn signature(secret: &str, now: UnixMicros, body: &str) -> String {
    let seconds = now.seconds().to_string();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    let hex: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

impl Caller {
    /// With the system's authorities.
    pub fn new(config: &WebhookConfig) -> Caller {
        let roots: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|one| Certificate::from_der(one).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::from(roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let settings = Config::builder()
            .tls_config(tls)
            // A proxy would look addresses up itself.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .max_response_header_size(16 << 10)
            .timeout_global(Some(config.timeout))
            .user_agent("Ringfence")
            .build();
        let guard =
            Guard { allow_private: config.allow_private, inner: DefaultResolver::default() };
        Caller { agent: Agent::with_parts(settings, DefaultConnector::new(), guard) }
    }

    /// Sends one body.
    pub fn send(&self, signed: &Signed<'_>) -> Outcome {
        if let Err(error) = address::url(signed.url) {
            return Outcome::Refused(error.to_string());
        }
        let mut request = self
            .agent
            .post(signed.url)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", signed.id)
            .header("Ringfence-Alert", signed.alert)
            .header("Ringfence-Signature", signature(signed.secret, signed.now, signed.body));
        if let Some(value) = signed.authorization {
            request = request.header("Authorization", value);
        }
        match request.send(signed.body) {
            Ok(response) => judge(response.status().as_u16()),
            Err(error) => Outcome::Failed(why(&error)),
        }
    }
}

/// What an answer means: 2xx is good, 410 says never again, and a redirect is not followed.
fn judge(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Delivered,
        300..=399 => Outcome::Failed(format!("it answered {status}: redirects are not followed")),
        410 => Outcome::Refused("it answered 410: it is gone".to_owned()),
        _ => Outcome::Failed(format!("it answered {status}")),
    }
}

/// Without the URL, which may hold a secret of the contact's.
fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "its URL cannot be called".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Looks names up, and lets only addresses pass that may be called: what is judged is what is connected to.
struct Guard {
    allow_private: bool,
    inner: DefaultResolver,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allow_private", &self.allow_private).finish()
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        if self.allow_private || found.iter().all(|one| address::is_public(one.ip())) {
            return Ok(found);
        }
        // One private address among others is enough: who set it up so means no good.
        Err(ureq::Error::Io(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            "its address is private, which webhook.allow_private does not allow",
        )))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn caller(allow_private: bool) -> Caller {
        Caller::new(&WebhookConfig { allow_private, timeout: Duration::from_secs(5) })
    }

    fn post(caller: &Caller, url: &str) -> Outcome {
        let now = UnixMicros::from_seconds(1_795_313_640);
        caller.send(&Signed {
            url,
            body: "{}",
            secret: "whsec_test",
            now,
            id: "1-2.3@example.com",
            alert: "1-2",
            authorization: None,
        })
    }

    /// A server that answers once; what it was sent.
    fn answer_once(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let serve = move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            let mut buffer = [0; 4_096];
            while !text.ends_with(b"{}") {
                let read = stream.read(&mut buffer).unwrap();
                text.extend_from_slice(&buffer[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(text).unwrap()
        };
        (url, std::thread::spawn(serve))
    }

    #[test]
    fn a_body_is_signed_with_its_time() {
        let now = UnixMicros::from_seconds(1_795_313_640);
        // Computed with `printf 1795313640.{} | openssl dgst -sha256 -hmac whsec_test`.
        assert_eq!(
            signature("whsec_test", now, "{}"),
            "t=1795313640,v1=a53dd6fe56f683afb1839867e86827ecd28dbc08c8ce64431535cceb0a41dddf"
        );
    }

    #[test]
    fn answers_are_judged() {
        fn check(answer: &'static str, want: &Outcome) {
            let (url, served) = answer_once(answer);
            let got = post(&caller(true), &url);
            assert_eq!(&got, want, "{answer}");
            let sent = served.join().unwrap().to_ascii_lowercase();
            for header in
                ["idempotency-key: 1-2.3@example.com", "ringfence-signature: t=1795313640,v1="]
            {
                assert!(sent.contains(header), "{sent}");
            }
        }
        let failed = |why: &str| Outcome::Failed(why.to_owned());
        check("HTTP/1.1 204 No Content\r\n\r\n", &Outcome::Delivered);
        check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &Outcome::Delivered);
        check(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            &failed("it answered 302: redirects are not followed"),
        );
        check("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", &failed("it answered 429"));
        check("HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n", &failed("it answered 503"));
        check(
            "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
            &Outcome::Refused("it answered 410: it is gone".to_owned()),
        );
    }

    /// W5: nothing is sent to a private address, in whatever way it is written, by name or number.
    #[test]
    fn private_addresses_are_not_called() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let caller = caller(false);
        let hosts = [
            "127.0.0.1",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "0.0.0.0",
            "[::]",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "[fe80::1]",
            "[fd00::1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
        ];
        for scheme in ["http", "https"] {
            for host in hosts {
                let url = format!("{scheme}://{host}:{port}/");
                let Outcome::Failed(why) = post(&caller, &url) else { panic!("{url} was called") };
                let is_refused = why.contains("private") || why.contains("not found");
                let is_unknown = why.contains("lookup") || why.contains("resolve");
                assert!(is_refused || is_unknown, "{url}: {why}");
            }
        }
        assert!(listener.accept().is_err(), "somebody connected");
    }
}
