//! The one layer that lets requests in (W4). Lives here: who may open which route, from where a form may come, the
//! cookie, the headers of every answer. Never here: what a page does.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{FromRequestParts, OptionalFromRequestParts, Request, State};
use axum::http::header::{
    self, ACCEPT, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE, USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use types::TokenScope;

use crate::api::bearer;
use crate::app::Shared;
use crate::page::Problem;
use crate::sessions::{Session, Stage};

/// The session's cookie: this prefix makes a browser refuse it from anybody but this very host (RFC 6265bis §4.1.3.2).
pub const SESSION_COOKIE: &str = "__Host-ringfence";

/// What a browser is known by once somebody has signed in with it.
pub const BROWSER_COOKIE: &str = "__Host-ringfence-browser";
/// It is known for half a year.
const BROWSER_S: u64 = 180 * 86_400;

/// Who may open a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anybody,
    /// Who has shown his password, and not yet his code.
    HalfWay,
    /// A holder who is signed in.
    Holder,
    /// A program with a token that is good for this.
    Token(TokenScope),
    /// A program with a token.
    AnyToken,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who asks. Put beside the request by [`admit`]; a page that takes it has somebody signed in.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// His session.
    pub session: Session,
    /// Its token.
    pub token: String,
}

/// From where a request came, and with what.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address.
    pub source: IpAddr,
    /// What the browser calls itself.
    pub agent: String,
    /// The token that it may be known by.
    pub browser: Option<String>,
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Visitor, Problem> {
        parts.extensions.get::<Visitor>().cloned().ok_or_else(Problem::signed_out)
    }
}

impl OptionalFromRequestParts<Shared> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Shared,
    ) -> Result<Option<Visitor>, Infallible> {
        Ok(parts.extensions.get::<Visitor>().cloned())
    }
}

impl FromRequestParts<Shared> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Client, Problem> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let forwarded = text(&parts.headers, &HeaderName::from_static("x-forwarded-for"));
        let agent = text(&parts.headers, &USER_AGENT).unwrap_or_default();
        let browser = cookie(&parts.headers, BROWSER_COOKIE);
        Ok(Client { source: app.source(peer, forwarded), agent: agent.to_owned(), browser })
    }
}

/// Lets a request to a route in, or not.
pub async fn admit(
    State((app, who)): State<(Shared, Who)>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Who::Token(_) | Who::AnyToken = who {
        // No cookie counts there, so no other site's form can use one.
        return bearer::admit(app, who, request, next).await;
    }
    let path = request.uri().path().to_owned();
    if !matches!(*request.method(), Method::GET | Method::HEAD)
        && !is_own_form(&app, request.headers())
    {
        return Problem::foreign_form().at(&path).into_response();
    }
    // A stream that is merely open does not keep anybody signed in.
    let touch = !path.ends_with("/live");
    let token = cookie(request.headers(), SESSION_COOKIE);
    let found = token.and_then(|token| {
        let session = app.sessions.find(&token, app.now(), touch)?;
        Some(Visitor { session, token })
    });
    if let Some(found) = &found
        && touch
        && app.sessions.is_to_keep(&found.token, app.now())
    {
        let (app, user) = (app.clone(), found.session.user);
        // Nobody waits for it: what is lost is that it was in use lately.
        tokio::spawn(async move { drop(app.keep_sessions(user).await) });
    }
    let is_in = match (who, found.as_ref().map(|found| found.session.stage)) {
        (Who::Anybody, _)
        | (Who::Holder, Some(Stage::In))
        | (Who::HalfWay, Some(Stage::HalfWay)) => true,
        (Who::Holder | Who::HalfWay | Who::Token(_) | Who::AnyToken, _) => false,
    };
    if !is_in {
        let wants_page =
            text(request.headers(), &ACCEPT).is_none_or(|accept| accept.contains("html"));
        let is_page = request.method() == Method::GET && wants_page && !path.starts_with("/api/");
        return match is_page {
            true => Redirect::to(&sign_in_for(&path)).into_response(),
            false => Problem::signed_out().at(&path).into_response(),
        };
    }
    if let Some(found) = found {
        request.extensions_mut().insert(found);
    }
    next.run(request).await
}

/// The page to sign in on, which leads back to where somebody wanted to go.
fn sign_in_for(path: &str) -> String {
    match own_path(path).filter(|path| *path != "/") {
        Some(path) => format!("/sign-in?then={path}"),
        None => "/sign-in".to_owned(),
    }
}

/// A path of ours, if it is a plain one: nothing that a browser could take for another site's address.
pub fn own_path(path: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    let is_ours = path.starts_with('/') && !path.starts_with("//") && path.len() <= 100;
    // Who is signed in is sent on from there: it would go round in a circle.
    let is_ours = is_ours && !path.starts_with("/sign-in");
    (is_ours && path.chars().all(is_plain)).then_some(path)
}

/// Did a form come from a page of ours? Browsers say so in Sec-Fetch-Site, older ones in Origin; who says nothing is
/// not let in.
fn is_own_form(app: &Shared, headers: &HeaderMap) -> bool {
    let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
    let origin = text(headers, &ORIGIN);
    let host = text(headers, &HOST).unwrap_or_default();
    let own_origin = |origin: &str| match &app.settings.url {
        Some(url) => origin == url,
        None => origin.strip_prefix("http://") == Some(host),
    };
    match (site, origin) {
        (Some(site), Some(origin)) => site == "same-origin" && own_origin(origin),
        (Some(site), None) => site == "same-origin",
        (None, Some(origin)) => own_origin(origin),
        (None, None) => false,
    }
}

/// Is the request for us? A name that somebody else's DNS leads to this machine is not (DNS rebinding).
fn is_our_host(app: &Shared, headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, &HOST) else { return false };
    match &app.settings.url {
        Some(url) => url.split_once("://").is_some_and(|(_, ours)| ours == host),
        None => {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        }
    }
}

/// Puts on every answer what browsers have to know, and turns away who asks for another host.
pub async fn wrap(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match is_our_host(&app, request.headers()) {
        true => next.run(request).await,
        false => Problem::new(StatusCode::MISDIRECTED_REQUEST, "This address is not ours")
            .help("Use the address that your provider gave you.")
            .at(&path)
            .into_response(),
    };
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    put(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Not `no-referrer`: with it browsers send their forms with `Origin: null`.
    put(header::REFERRER_POLICY, "same-origin");
    put(header::CACHE_CONTROL, "no-store");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    put(HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()");
    if app.is_secure() {
        put(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
}

/// Gives a browser its session.
pub fn signed_in(response: impl IntoResponse, token: &str) -> Response {
    with_cookie(
        response,
        &format!("{SESSION_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"),
    )
}

/// Gives a browser what it is known by.
pub fn known(response: impl IntoResponse, token: &str) -> Response {
    with_cookie(
        response,
        &format!(
            "{BROWSER_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={BROWSER_S}"
        ),
    )
}

/// Takes a browser's session away.
pub fn signed_out(response: impl IntoResponse) -> Response {
    let gone = format!("{SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    with_cookie(response, &gone)
}

fn with_cookie(response: impl IntoResponse, cookie: &str) -> Response {
    let mut response = response.into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}
