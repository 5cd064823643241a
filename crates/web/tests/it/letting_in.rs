//! Who is let in, and who is not (S2, W4, W6, A7, A8).

use axum::http::Method;
use types::TokenScope;
use web::{Settings, Who, routes};

use crate::world::{Answer, FAILURES, LINK, NAME, PASSWORD, World, own_call};

/// Path of a route with its holes filled.
fn filled(path: &str) -> String {
    let path = path.replace("{link}", LINK).replace("{decision}", "0000000000ZZZ");
    let path = path.replace("{device}", "4").replace("{line}", "1");
    let path = path.replace("{step}", "mail").replace("{number}", "1");
    let path = path.replace("{point}", "malware");
    let path = path.replace("{alert}", "812-7").replace("{contact}", "1");
    let path = path.replace("{phone}", "4").replace("{token}", "1");
    path.replace("{call}", &own_call().to_string())
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitor {
    Nobody,
    Browser(Who),
    Program(TokenScope),
    /// A token that was revoked.
    OldProgram,
}

impl Visitor {
    fn all() -> Vec<Visitor> {
        let browsers = [Who::HalfWay, Who::Holder].map(Visitor::Browser);
        let programs = TokenScope::ALL.map(Visitor::Program);
        let others = [Visitor::Nobody, Visitor::OldProgram];
        others.into_iter().chain(browsers).chain(programs).collect()
    }

    /// May he, by the row of a route?
    fn may(self, who: Who) -> bool {
        match who {
            Who::Anybody => true,
            Who::HalfWay | Who::Holder => self == Visitor::Browser(who),
            Who::Token(scope) => self == Visitor::Program(scope),
            Who::AnyToken => matches!(self, Visitor::Program(_)),
        }
    }
}

/// Every route, page or not, with every visitor: nobody, somebody half way, a holder, a program with each scope, one whose token was
/// revoked. Made from the table of routes. On the API a cookie counts for nothing, and a token counts for nothing on pages.
#[test]
fn every_route_lets_in_whom_its_row_says() {
    // Passwords take their time: where no cookie counts, the same browsers knock at every door.
    let shared = [Who::HalfWay, Who::Holder].map(|who| {
        let world = World::new();
        let cookie = cookie_of(&world, who);
        (Visitor::Browser(who), world, cookie)
    });
    for route in routes() {
        for visitor in Visitor::all() {
            let known = shared.iter().find(|(who, ..)| *who == visitor);
            let known = known.filter(|_| route.path.starts_with("/api/"));
            let answer = match known {
                Some((_, world, cookie)) => {
                    world.form(route.method.as_str(), &filled(route.path), Some(cookie), "")
                }
                None => ask(&World::new(), &route.method, &filled(route.path), visitor),
            };
            let is_missing = answer.status == 403 && answer.body.contains(":missing-scope");
            let is_turned_away = answer.status == 401
                || is_missing
                || (answer.status == 303
                    && answer.header("location").is_some_and(|to| to.starts_with("/sign-in"))
                    && route.path != "/sign-out");
            let about = format!("{} {} {visitor:?}: {}", route.method, route.path, answer.status);
            assert_eq!(!is_turned_away, visitor.may(route.who), "{about}");
            if is_missing || (answer.status == 401 && route.path.starts_with("/api/")) {
                assert!(answer.header("www-authenticate").is_some(), "{about}");
            }
        }
    }
}

fn ask(world: &World, method: &Method, path: &str, visitor: Visitor) -> Answer {
    match visitor {
        Visitor::Nobody | Visitor::Browser(_) => {
            let cookie = match visitor {
                Visitor::Browser(who) => Some(cookie_of(world, who)),
                _ => None,
            };
            match method.as_str() {
                "GET" => world.get(path, cookie.as_deref()),
                method => world.form(method, path, cookie.as_deref(), ""),
            }
        }
        Visitor::Program(scope) => {
            let token = world.token(&[scope]);
            let own = format!("http://{}", world.address);
            world.api(&format!("{method} {path}"), &token, &[("Origin", &own)], "")
        }
        Visitor::OldProgram => {
            let token = world.token(&TokenScope::ALL);
            world.desk.state().users[0].tokens.clear();
            let own = format!("http://{}", world.address);
            world.api(&format!("{method} {path}"), &token, &[("Origin", &own)], "")
        }
    }
}

fn cookie_of(world: &World, who: Who) -> String {
    let cookie = world.come_in();
    if who == Who::HalfWay {
        world.desk.state().users[0].totp = Some(types::TotpSecret(vec![7; 20]));
        let answer = world.sign_in(NAME, PASSWORD);
        assert_eq!(answer.header("location"), Some("/sign-in/code"));
        return answer.cookie().expect("a cookie");
    }
    // So that links and forms work in both cases.
    let link =
        types::OneTimeLink { hash: web::hash("let-me-in"), until: types::UnixMicros(i64::MAX) };
    world.desk.state().users[0].link = Some(link);
    cookie
}

#[test]
fn a_form_of_another_site_changes_nothing() {
    let world = World::new();
    let cookie = world.come_in();
    let own = format!("http://{}", world.address);
    let check = |headers: &[(&str, &str)], want: u16| {
        world.desk.state().status = None;
        let with = [&[("Cookie", cookie.as_str())], headers].concat();
        let answer = world.send("POST /stop", &with, "");
        let is_stopped = world.desk.state().status.is_some();
        assert_eq!((answer.status, is_stopped), (want, want == 303), "{headers:?}");
    };
    check(&[("Origin", &own), ("Sec-Fetch-Site", "same-origin")], 303);
    check(&[("Origin", &own)], 303);
    check(&[("Sec-Fetch-Site", "same-origin")], 303);
    check(&[], 403);
    check(&[("Origin", "http://evil.example")], 403);
    check(&[("Origin", "null")], 403);
    check(&[("Origin", &own), ("Sec-Fetch-Site", "cross-site")], 403);
    check(&[("Origin", &own), ("Sec-Fetch-Site", "same-site")], 403);
    check(&[("Origin", "http://evil.example"), ("Sec-Fetch-Site", "same-origin")], 403);
    check(&[("Origin", &own), ("Sec-Fetch-Site", "none")], 403);
}

#[test]
fn a_name_that_is_not_ours_is_turned_away() {
    fn check(settings: Settings, host: &str, want: u16) {
        let answer = World::with(settings).send("GET /sign-in", &[("Host", host)], "");
        assert_eq!(answer.status, want, "{host}");
    }
    let local = Settings::default;
    check(local(), "localhost:8080", 200);
    check(local(), "127.0.0.1", 200);
    check(local(), "[::1]:8080", 200);
    check(local(), "evil.example", 421);
    let named = || Settings { url: Some("https://portal.example.com".to_owned()), ..local() };
    check(named(), "portal.example.com", 200);
    check(named(), "localhost", 421);
}

#[test]
fn a_link_lets_in_once_and_not_after_its_time() {
    let world = World::new();
    let path = format!("/welcome/{LINK}");
    let body = |password: &str| format!("password={password}&again={password}");
    assert_eq!(world.get(&path, None).status, 200, "looking uses nothing up");
    assert_eq!(world.post(&path, None, &body("short")).status, 422);
    let other = world.post(&path, None, &format!("password={PASSWORD}&again=other"));
    assert_eq!(other.status, 422);
    assert_eq!(world.post("/welcome/1-guess", None, &body(PASSWORD)).status, 404);
    assert_eq!(world.post("/welcome/2-let-me-in", None, &body(PASSWORD)).status, 404);
    world.come_in();
    assert_eq!(world.post(&path, None, &body(PASSWORD)).status, 404);
    assert_eq!(world.get(&path, None).status, 404);

    let late = World::new();
    late.desk.state().users[0].link.as_mut().expect("a link").until = types::UnixMicros(0);
    assert_eq!(late.post(&path, None, &body(PASSWORD)).status, 404);
    assert_eq!(late.desk.state().users[0].password, None);
}

#[test]
fn the_cookie_is_a_host_s_own_and_new_at_each_log_in() {
    let world = World::new();
    let first = world.come_in();
    let answer = world.sign_in(NAME, PASSWORD);
    let set = answer.header("set-cookie").expect("a cookie");
    assert!(set.starts_with("__Host-ringfence="), "{set}");
    for word in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(set.split("; ").any(|part| part == word), "{set} lacks {word}");
    }
    assert!(!set.contains("Domain"), "{set}");
    assert_ne!(answer.cookie(), Some(first.clone()));
    let token = first.split_once('=').expect("a cookie").1;
    assert!(!format!("{:?}", world.sessions.list(None, types::UnixMicros(0))).contains(token));
}

#[test]
fn signing_in_ends_the_session_that_was_there() {
    let world = World::new();
    let before = world.come_in();
    let origin = format!("http://{}", world.address);
    let headers = [("Origin", origin.as_str()), ("Cookie", before.as_str())];
    let body = format!("name=alice%40example.com&password={PASSWORD}");
    assert_eq!(world.send("POST /sign-in", &headers, &body).status, 303);
    assert_eq!(world.get("/", Some(&before)).status, 303);
}

#[test]
fn signed_out_is_out() {
    let world = World::new();
    let cookie = world.come_in();
    assert_eq!(world.get("/", Some(&cookie)).status, 200);
    assert_eq!(world.post("/sign-out", Some(&cookie), "").header("location"), Some("/sign-in"));
    assert_eq!(world.get("/", Some(&cookie)).status, 303);
}

/// Same bytes for a wrong password, for nobody's name, and during a lock-out; the right password does not pass it.
#[test]
fn unknown_is_known_and_a_lock_out_holds_against_the_right_password() {
    let world = World::new();
    world.come_in();
    let other = "nobody@example.com";
    let shown = |name: &str, password: &str| {
        let answer = world.sign_in(name, password);
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| name != "date" && name != "content-length");
        (answer.status, headers, answer.body.replace(name, "NAME"))
    };
    let wrong = shown(NAME, "wrong");
    assert_eq!(wrong.0, 422);
    assert_eq!(shown(other, "wrong"), wrong);
    for _ in 1..FAILURES {
        assert_eq!(shown(NAME, "wrong"), wrong);
    }
    assert_eq!(shown(NAME, PASSWORD), wrong, "the right password passed a lock-out");
    world.desk.state().failures.clear();
    assert_eq!(world.sign_in(NAME, PASSWORD).status, 303);
}

/// A hundred wrong passwords by a stranger do not lock out the browser that its holder has signed in with, wherever the
/// stranger sits; and what that browser itself gets wrong is counted.
#[test]
fn a_known_browser_has_a_lane_of_its_own() {
    let world = World::new();
    world.come_in();
    let first = world.sign_in(NAME, PASSWORD);
    let set = first.headers.iter().filter(|(name, _)| name == "set-cookie");
    let cookies: Vec<&str> = set.map(|(_, value)| value.as_str()).collect();
    let browser = cookies.iter().find(|set| set.starts_with("__Host-ringfence-browser="));
    let browser = browser.and_then(|set| set.split(';').next()).expect("it is known");
    for word in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookies.iter().all(|set| set.split("; ").any(|part| part == word)), "{cookies:?}");
    }
    for _ in 0..100 {
        world.sign_in(NAME, "wrong");
    }
    assert_eq!(world.sign_in(NAME, PASSWORD).status, 422, "a stranger is locked out");
    let origin = format!("http://{}", world.address);
    let by = |cookie: &str, password: &str| {
        let headers = [("Origin", origin.as_str()), ("Cookie", cookie)];
        let body = format!("name=alice%40example.com&password={password}");
        world.send("POST /sign-in", &headers, &body).status
    };
    assert_eq!(by("__Host-ringfence-browser=guess", PASSWORD), 422, "no token of ours");
    assert_eq!(by(browser, PASSWORD), 303, "the holder's own browser");
    for _ in 0..FAILURES {
        assert_eq!(by(browser, "wrong"), 422);
    }
    assert_eq!(by(browser, PASSWORD), 422, "its own failures are counted");
    let users = world.desk.state().users.clone();
    let token = browser.split_once('=').expect("a cookie").1;
    assert!(users[0].browsers.iter().all(|known| known.hash != token), "the token is kept nowhere");
    assert!(users[0].browsers.iter().any(|known| known.hash == web::hash(token)));
}

/// The program starts again: who was signed in is, and who signed out is not.
#[test]
fn a_restart_signs_nobody_out() {
    let world = World::new();
    let (stays, goes) =
        (world.come_in(), world.sign_in(NAME, PASSWORD).cookie().expect("a cookie"));
    world.post("/sign-out", Some(&goes), "");
    let users = world.desk.state().users.clone();
    let again = World::new();
    assert_eq!(again.get("/", Some(&stays)).status, 303);
    again.desk.state().users.clone_from(&users);
    again.sessions.restore(&users, users[0].created);
    assert_eq!(again.get("/", Some(&stays)).status, 200);
    assert_eq!(again.get("/", Some(&goes)).status, 303);
    assert_eq!(again.post("/start-again", Some(&stays), "").header("location"), Some("/confirm"));
    again.post("/log-in/sign-out-everywhere", Some(&stays), "");
    assert_eq!(again.desk.state().users[0].sessions.len(), 1);
}

/// Many at once get no more tries than the limit: the next is looked at when the one before is counted.
#[test]
fn guesses_at_once_are_counted_one_by_one() {
    let world = World::new();
    world.come_in();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| world.sign_in(NAME, "wrong"));
        }
    });
    let failures: usize = world.desk.state().failures.values().sum();
    assert_eq!(failures, FAILURES);
}

/// How long a name takes is no news: argon2 runs for nobody, too. A tenth of the work would be seen.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is looked at")]
fn nobody_takes_as_long_as_somebody() {
    let world = World::new();
    world.come_in();
    let time = |name: &str| {
        let one = || {
            world.desk.state().failures.clear();
            let start = std::time::Instant::now();
            world.sign_in(name, "wrong");
            start.elapsed()
        };
        (0..9).map(|_| one()).min().expect("nine")
    };
    let (known, unknown) = (time(NAME), time("nobody@example.com"));
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "known {known:?}, unknown {unknown:?}");
}

#[test]
fn where_a_request_came_from_is_the_socket_s_peer_unless_a_proxy_of_ours_says_otherwise() {
    fn check(proxies: &[&str], forwarded: &str, want: &str) {
        let proxies = proxies.iter().map(|net| net.parse().expect("a network")).collect();
        let world = World::with(Settings { proxies, ..Settings::default() });
        let origin = format!("http://{}", world.address);
        let headers = [("Origin", origin.as_str()), ("X-Forwarded-For", forwarded)];
        world.send("POST /sign-in", &headers, "name=alice%40example.com&password=wrong");
        let state = world.desk.state();
        let sources: Vec<String> =
            state.failures.keys().map(|(_, source)| source.to_string()).collect();
        assert_eq!(sources, [want], "{forwarded}");
    }
    check(&[], "203.0.113.9", "127.0.0.1");
    check(&["127.0.0.0/8"], "203.0.113.9", "203.0.113.9");
    check(&["127.0.0.0/8"], "198.51.100.1, 203.0.113.9", "203.0.113.9");
    check(&["127.0.0.0/8"], "nonsense", "127.0.0.1");
    check(&["192.0.2.0/24"], "203.0.113.9", "127.0.0.1");
}
