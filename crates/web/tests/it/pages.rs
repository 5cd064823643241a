//! What pages say and do once somebody is in: headers, escaping, changes, proof.

use types::{AccountStatus, Money, Proof};
use web::routes;

use crate::world::{NAME, PASSWORD, World, own_call};

#[test]
fn every_answer_tells_browsers_what_they_must_not_do() {
    let world = World::new();
    let cookie = world.come_in();
    for path in ["/", "/limits", "/stop", "/nothing", "/sign-in", "/static/style.css"] {
        let answer = world.get(path, Some(&cookie));
        let check = |name: &str, want: &str| {
            let found = answer.header(name).unwrap_or("nothing");
            assert!(found.contains(want), "{path}: {name}: {found}");
        };
        check("content-security-policy", "default-src 'none'");
        check("content-security-policy", "script-src 'self'");
        check("content-security-policy", "frame-ancestors 'none'");
        check("x-frame-options", "DENY");
        check("x-content-type-options", "nosniff");
        check("referrer-policy", "same-origin");
        let cache = if path.starts_with("/static/") { "max-age=300" } else { "no-store" };
        check("cache-control", cache);
        let csp = answer.header("content-security-policy").unwrap_or_default();
        assert!(!csp.contains("unsafe"), "{csp}");
    }
}

/// W2: what strangers made up is shown, and nothing of it is markup. Nor has a page script or style of its own.
#[test]
fn what_strangers_say_is_text() {
    let world = World::new();
    let cookie = world.come_in();
    for path in ["/", "/live"] {
        let body = world.get(path, Some(&cookie)).body;
        assert!(body.contains("00252&#60;script&#62;"), "{path}: {body}");
        assert!(!body.contains("<script>alert") && !body.contains("<img src=x"), "{path}");
    }
    for route in routes().iter().filter(|route| route.method == "GET" && !route.path.contains('{'))
    {
        let answer = world.get(route.path, Some(&cookie));
        if !answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            continue;
        }
        let body = answer.body;
        for inline in [" style=\"", " onclick", "<style", "<script>"] {
            assert!(!body.contains(inline), "{}: {inline}", route.path);
        }
    }
}

/// Every page says the same however often it is opened, and the desk is told nothing.
#[test]
fn looking_changes_nothing() {
    let world = World::new();
    let cookie = world.come_in();
    let kept = |world: &World| {
        let state = world.desk.state();
        let told = (state.mending.begun, state.mending.points.len(), state.mending.looked_at.len());
        (state.users.clone(), state.status, state.controls.clone(), state.cut.len(), told)
    };
    let before = kept(&world);
    for route in routes().iter().filter(|route| route.method == "GET" && !route.path.contains('{'))
    {
        world.get(route.path, Some(&cookie));
    }
    assert_eq!(kept(&world), before);
}

#[test]
fn stopping_is_one_click_and_starting_again_needs_proof() {
    let world = World::new();
    let cookie = world.come_in();
    assert!(world.get("/stop", Some(&cookie)).body.contains("Stop outgoing calls?"));
    assert_eq!(world.desk.state().status, None);
    world.grow_old(&cookie);
    assert_eq!(world.post("/stop", Some(&cookie), "").header("location"), Some("/"));
    assert_eq!(world.desk.state().status, Some(AccountStatus::Frozen));
    assert!(
        world.get("/", Some(&cookie)).body.contains("Outgoing calls are stopped, as you asked")
    );

    let asked = world.post("/start-again", Some(&cookie), "");
    assert_eq!(asked.header("location"), Some("/confirm"));
    assert_eq!(world.desk.state().status, Some(AccountStatus::Frozen));
    assert_eq!(world.post("/confirm", Some(&cookie), "password=wrong").status, 422);
    assert_eq!(world.desk.state().status, Some(AccountStatus::Frozen));
    let shown = world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert_eq!(shown.header("location"), Some("/"));
    assert_eq!(world.desk.state().status, Some(AccountStatus::Active));
    assert_eq!(world.desk.state().proofs, [Proof::LoggedIn, Proof::Fresh]);
}

#[test]
fn less_is_done_at_once_and_more_goes_on_after_proof_with_what_was_typed() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    let level = || world.desk.state().controls.as_ref().map(|controls| controls.stop_level_24h);
    let save = |body: &str| world.post("/limits", Some(&cookie), body);
    assert_eq!(save("stop_level_24h=15").header("location"), Some("/limits"));
    assert_eq!(level(), Some(Money::from_units(15)));
    let page = world.get("/limits", Some(&cookie)).body;
    assert!(page.contains("stop level for 24 hours is £15.00 now, it was £20.00"), "{page}");
    assert!(!world.get("/limits", Some(&cookie)).body.contains("it was £20.00"), "it is said once");

    assert_eq!(save("stop_level_24h=18").header("location"), Some("/confirm"));
    assert_eq!(level(), Some(Money::from_units(15)));
    let shown = world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert_eq!(shown.header("location"), Some("/limits"));
    assert_eq!(level(), Some(Money::from_units(18)));
}

#[test]
fn what_was_typed_is_kept_beside_what_is_wrong_with_it() {
    let world = World::new();
    let cookie = world.come_in();
    let body = "stop_level_24h=15&warning_level=lots&until=";
    let answer = world.post("/limits", Some(&cookie), body);
    assert_eq!(answer.status, 422);
    for part in
        ["value=\"15\"", "value=\"lots\"", "id=\"warning_level-wrong\"", "href=\"#warning_level\""]
    {
        assert!(answer.body.contains(part), "{part}");
    }
    assert_eq!(world.desk.state().controls, None, "nothing of it was done");
    let answer = world.post("/limits", Some(&cookie), "stop_level_24h=15&until=never");
    assert!(answer.status == 422 && answer.body.contains("id=\"until-wrong\""));
}

#[test]
fn another_s_call_is_not_there() {
    let world = World::new();
    let cookie = world.come_in();
    let cut = |id: &str| world.post(&format!("/calls/{id}/cut"), Some(&cookie), "").status;
    assert_eq!(cut("0000000000ZZZ"), 404);
    assert_eq!(cut("nonsense"), 404);
    assert_eq!(world.desk.state().cut, []);
    assert_eq!(cut(&own_call().to_string()), 303);
    assert_eq!(world.desk.state().cut, [own_call()]);
}

#[test]
fn live_parts_come_as_events_and_end_with_the_session() {
    let world = World::new();
    let cookie = world.come_in();
    let answer = world.get("/live", Some(&cookie));
    // After the length of the chunk.
    assert!(answer.body.contains("\nevent: state\ndata: "), "{}", answer.body);
    assert!(answer.body.contains("£0.92"), "{}", answer.body);
    assert_eq!(world.send("GET /live", &[("Accept", "text/event-stream")], "").status, 401);
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let world = World::new();
    let cookie = world.come_in();
    let body = format!("until={}", "x".repeat(100_000));
    assert_eq!(world.post("/limits", Some(&cookie), &body).status, 413);
}

/// The code is asked for after the password, taken once, and a recovery code stands in for it, once.
#[test]
fn an_authenticator_is_asked_for() {
    let world = World::new();
    let cookie = world.come_in();
    let page = world.get("/log-in/authenticator", Some(&cookie)).body;
    let secret =
        page.split("name=\"secret\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let secret = secret.expect("a secret");
    let wrong =
        world.post("/log-in/authenticator", Some(&cookie), &format!("secret={secret}&code=1"));
    assert_eq!(wrong.status, 422);
    assert_eq!(world.desk.state().users[0].totp, None, "it is kept only after its code was shown");
    // As after it was added: the code itself is computed by authenticators, not by this test.
    {
        let mut state = world.desk.state();
        state.users[0].totp = Some(types::TotpSecret(vec![7; 20]));
        state.users[0].recovery = vec![web::hash("abcdefghij")];
    }
    let half = world.sign_in(NAME, PASSWORD);
    assert_eq!(half.header("location"), Some("/sign-in/code"));
    let half = half.cookie().expect("a cookie");
    assert_eq!(world.get("/", Some(&half)).status, 303, "half way is not in");
    let code = |code: &str| world.post("/sign-in/code", Some(&half), &format!("code={code}"));
    assert_eq!(code("000000").status, 422);
    let in_now = code("ABCDE-fghij");
    assert_eq!(in_now.header("location"), Some("/"));
    assert_ne!(in_now.cookie(), Some(half));
    assert!(world.desk.state().users[0].recovery.is_empty(), "it is used up");
}
