//! Tokens: making one needs proof, it is shown once, guesses are counted, a revoked one is worth nothing.

use types::TokenScope;
use web::{Settings, TOKEN_BURST_S};

use crate::world::{Answer, FAILURES, PASSWORD, World};

const WANTED: &str = "name=backup&scope-read=yes&scope-stop=yes&days=30";

fn look(world: &World, token: &str) -> Answer {
    world.api("GET /api/v1/token", token, &[], "")
}

fn shown(page: &str) -> String {
    let code = page.split("<code class=\"shown\">").nth(1).and_then(|rest| rest.split('<').next());
    code.unwrap_or_else(|| panic!("no token: {page}")).to_owned()
}

#[test]
fn making_one_needs_proof_and_is_told_and_it_is_shown_once() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    let post = |path: &str, body: &str| world.post(path, Some(&cookie), body);
    let wrong = post("/tokens", "name=%3Cb%3E&days=3");
    assert_eq!(wrong.status, 422);
    for part in ["value=\"&#60;b&#62;\"", "id=\"scope-read-wrong\"", "id=\"days-wrong\""] {
        assert!(wrong.body.contains(part), "{part}: {}", wrong.body);
    }
    assert!(post("/tokens", "scope-read=yes&days=30").body.contains("id=\"name-wrong\""));
    assert_eq!(post("/tokens", WANTED).header("location"), Some("/confirm"));
    assert!(world.desk.state().users[0].tokens.is_empty(), "not before proof");
    let page = post("/confirm", &format!("password={PASSWORD}")).body;
    let token = shown(&page);
    let state = world.desk.state();
    let kept = &state.users[0].tokens[0];
    assert_eq!((kept.name.as_str(), kept.number, &kept.hash), ("backup", 1, &web::hash(&token)));
    assert_eq!(kept.scopes, [TokenScope::Read, TokenScope::Stop]);
    assert!(!format!("{:?}", state.users[0].tokens).contains(&token), "it is kept nowhere");
    assert_eq!(state.token_words.len(), 1);
    assert!(state.token_words[0].contains("“backup” made, good for read, stop, until "));
    assert!(!state.token_words[0].contains(&token));
    drop(state);
    assert!(!world.get("/tokens", Some(&cookie)).body.contains(&token), "it is shown once");
    let found = look(&world, &token).json();
    assert_eq!(
        (&found["name"], &found["scopes"]),
        (&"backup".into(), &serde_json::json!(["read", "stop"]))
    );
    let page = world.get("/tokens", Some(&cookie)).body;
    assert!(page.contains("Last used") && page.contains("from 127.0.0.1"), "{page}");

    assert_eq!(post("/tokens/2/revoke", "").status, 404);
    assert_eq!(post("/tokens/1/revoke", "").header("location"), Some("/tokens"));
    let gone = look(&world, &token);
    assert_eq!((gone.status, gone.problem()), (401, "bad-token".to_owned()));
    assert!(world.desk.state().token_words[1].contains("revoked by its user"));
    // Its number is not given again.
    let second = shown(&post("/tokens", WANTED).body);
    assert!(second.starts_with("rft_1_2_"), "{second}");
}

#[test]
fn there_are_so_many_and_those_whose_time_is_over_make_room() {
    let world = World::new();
    let cookie = world.come_in();
    let make = || world.post("/tokens", Some(&cookie), WANTED);
    for _ in 0..10 {
        assert_eq!(make().status, 200);
    }
    assert_eq!(make().header("location"), Some("/tokens"));
    assert!(world.get("/tokens", Some(&cookie)).body.contains("there are 10 tokens already"));
    world.desk.state().users[0].tokens[0].until = types::UnixMicros(0);
    assert_eq!(make().status, 200);
    assert_eq!(world.desk.state().users[0].tokens.len(), 10);
}

#[test]
fn only_the_whole_token_in_its_time_lets_in() {
    let world = World::new();
    let token = world.token(&TokenScope::ALL);
    assert_eq!(look(&world, &token).status, 200);
    let check = |shown: &str, want: &str| {
        world.desk.state().failures.clear();
        let answer = world.send("GET /api/v1/token", &[("Authorization", shown)], "");
        assert_eq!((answer.status, answer.problem().as_str()), (401, want), "{shown}");
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer realm=\"ringfence\""), "{challenge}");
        assert_eq!(challenge.contains("error=\"invalid_token\""), want == "bad-token");
    };
    check("", "no-token");
    check("Bearer", "no-token");
    check("Bearer  ", "no-token");
    check(&format!("Basic {token}"), "no-token");
    let cut = &token[..token.len() - 1];
    for wrong in [
        cut,
        &format!("{token}a"),
        &token.replace("rft_1_1_", "rft_1_2_"),
        &token.replace("rft_1_1_", "rft_2_1_"),
        "rft_1_1_",
        "rft_1_1_%00",
        &"x".repeat(5_000),
        // What is kept is not what is shown.
        &web::hash(&token),
    ] {
        check(&format!("Bearer {wrong}"), "bad-token");
    }
    assert_eq!(world.send("GET /api/v1/token", &[], "").problem(), "no-token");
    assert_eq!(look(&world, &token).status, 200);
    world.desk.state().users[0].tokens[0].until = types::UnixMicros(1_795_390_800_000_000);
    assert_eq!(look(&world, &token).problem(), "bad-token", "its time is over");
    world.desk.state().users[0].tokens[0].until = types::UnixMicros(1_795_390_800_000_001);
    assert_eq!(look(&world, &token).status, 200);
    world.desk.state().users[0].is_removed = true;
    assert_eq!(look(&world, &token).problem(), "bad-token", "its user was removed");
}

/// A8: during a lock-out the right token does not pass; whoever guesses elsewhere locks no program out that was here before.
#[test]
fn guesses_are_counted_and_lock_nobody_else_out() {
    let settings = || Settings {
        proxies: vec!["127.0.0.1/32".parse().expect("a network")],
        ..Settings::default()
    };
    let world = World::with(settings());
    let token = world.token(&TokenScope::ALL);
    let from = |address: &str, token: &str| {
        world.api("GET /api/v1/token", token, &[("X-Forwarded-For", address)], "").status
    };
    for _ in 0..FAILURES {
        assert_eq!(from("192.0.2.9", "rft_1_1_guess"), 401);
    }
    assert_eq!(from("192.0.2.9", &token), 401, "it is not looked at");
    assert_eq!(from("192.0.2.10", &token), 200, "elsewhere it is");
    let counted = |world: &World| world.desk.state().failures.clone();
    let before = counted(&world);
    assert_eq!(before.values().sum::<usize>(), FAILURES, "{before:?}");
    assert!(before.keys().all(|(name, _)| name == "token-1"), "{before:?}");
    assert_eq!(from("192.0.2.9", "rft_1_1_more"), 401);
    assert_eq!(counted(&world), before, "and not counted either");
    // Where the program is, guesses under its name go by a lane of their own: they are counted there.
    assert_eq!(from("192.0.2.10", "rft_1_1_guess"), 401);
    let lane = counted(&world).into_keys().find(|(name, _)| name.starts_with("token-1#"));
    assert!(lane.is_some(), "{:?}", counted(&world));
    assert_eq!(from("192.0.2.10", &token), 200);
}

#[test]
fn a_token_that_asks_too_often_waits_and_others_do_not() {
    let world = World::new();
    let (token, other) = (world.token(&TokenScope::ALL), world.token(&TokenScope::ALL));
    for _ in 0..TOKEN_BURST_S * 10 {
        assert_eq!(look(&world, &token).status, 200);
    }
    let full = look(&world, &token);
    assert_eq!((full.status, full.problem()), (429, "too-fast".to_owned()));
    assert_eq!(full.header("retry-after"), Some("1"));
    assert_eq!(look(&world, &other).status, 200);
}

/// A program gives its token back; its stream ends with it.
#[test]
fn a_stream_ends_when_its_token_is_revoked() {
    use std::io::{BufRead, BufReader, Write};
    let world = World::new();
    let token = world.token(&[TokenScope::Read]);
    let stream = std::net::TcpStream::connect(world.address).expect("connected");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("set");
    let head = format!(
        "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n",
        world.address
    );
    (&stream).write_all(head.as_bytes()).expect("sent");
    let mut lines = BufReader::new(stream).lines();
    let mut until =
        |words: &str| lines.by_ref().map_while(Result::ok).find(|line| line.contains(words));
    assert!(until("event: state").is_some());
    let told = until("data: ").expect("told");
    let told: serde_json::Value = serde_json::from_str(&told["data: ".len()..]).expect("JSON");
    assert_eq!(told["account"]["unbilled"], "3.12");
    assert_eq!(told["live"]["calls"][0]["cost"], "0.92");
    assert_eq!(world.api("DELETE /api/v1/token", &token, &[], "").status, 200);
    assert!(until("event: over").is_some());
    assert!(world.desk.state().token_words[0].contains("revoked by the program itself"));
}
