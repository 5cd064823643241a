//! The API over real HTTP: its description, what is refused and how, what a token never does.

use serde_json::{Value, json};
use types::{AccountStatus, DecisionId, Money, Proof, TokenScope};
use web::routes;

use crate::wood::{CODE, alert_id};
use crate::world::{Answer, World, answered_call, own_call, stopped_call};

/// What lies in `docs`.
const COMMITTED: &str = include_str!("../../../../docs/api/openapi.json");

/// `UPDATE_API=1 cargo test -p web --test it description` writes it anew.
#[test]
fn the_description_in_the_documentation_is_the_one_that_is_served() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api/openapi.json");
    if std::env::var_os("UPDATE_API").is_some() {
        std::fs::write(place, web::api_text()).expect("written");
        return;
    }
    let world = World::new();
    let served = world.get("/api/v1/openapi.json", None);
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert!(served.body == COMMITTED, "docs/api/openapi.json is out of date: see this test");
    assert!(served.body == web::api_text());
}

/// Every operation of the table is in the description, with its scope, and nothing else is.
#[test]
fn the_description_has_the_routes_of_the_table_and_no_others() {
    let document = web::api_document();
    let mut described: Vec<(String, String, String)> = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let scope = operation["security"][0]["token"][0].as_str().unwrap_or("none");
            described.push((method.to_uppercase(), path.clone(), scope.to_owned()));
        }
    }
    let table = routes().into_iter().filter(|route| route.path.starts_with("/api/"));
    let mut table: Vec<(String, String, String)> = table
        .map(|route| {
            let scope = match route.who {
                web::Who::Token(scope) => scope.code(),
                _ => "none",
            };
            (route.method.to_string(), route.path.to_owned(), scope.to_owned())
        })
        .collect();
    described.sort();
    table.sort();
    assert_eq!(described, table);
    assert!(table.len() > 40, "{}", table.len());
}

fn world() -> (World, String) {
    let world = World::new();
    world.desk.state().calls =
        vec![answered_call(DecisionId(768_000)), stopped_call(DecisionId(512_000))];
    let token = world.token(&TokenScope::ALL);
    (world, token)
}

/// Is a value as the description says?
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    let name = schema["$ref"].as_str().and_then(|place| place.rsplit('/').next());
    let schema = name.map_or(schema, |name| &document["components"]["schemas"][name]);
    if let Some(any) = schema["oneOf"].as_array() {
        let other = any.iter().find(|one| one["type"] != "null").expect("something");
        if !value.is_null() {
            fits(document, other, value, at);
        }
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = schema["type"].to_string();
    assert!(types.contains(kind), "{at}: {value} is not {types}");
    if let Some(items) = value.as_array() {
        items.iter().for_each(|item| fits(document, &schema["items"], item, &format!("{at}/0")));
    }
    if let Some(fields) = value.as_object() {
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            assert!(fields.contains_key(name), "{at}: no {name}");
        }
        for (name, value) in fields {
            let property = &schema["properties"][name];
            assert!(!property.is_null(), "{at}/{name} is not described");
            fits(document, property, value, &format!("{at}/{name}"));
        }
    }
}

/// Path of an operation with its holes filled by what is there.
fn filled(path: &str) -> String {
    let call = if path.contains("live-calls") { own_call() } else { DecisionId(512_000) };
    let path = path.replace("{call}", &call.to_string()).replace("{phone}", "4");
    let path = path.replace("{line}", "1").replace("{contact}", "1");
    let path = path.replace("{point}", "malware");
    path.replace("{alert}", &alert_id().to_string())
}

#[test]
fn every_answer_is_as_the_description_says() {
    let document = web::api_document();
    let (mut looked, mut said) = (0, 0);
    for route in routes().iter().filter(|route| route.path.starts_with("/api/")) {
        if matches!(route.path, "/api/v1/events" | "/api/v1/openapi.json") {
            continue;
        }
        let (world, token) = world();
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        let body = match route.path {
            "/api/v1/limits" if route.method == "PATCH" => r#"{ "stop_level_24h": "15" }"#,
            "/api/v1/places/off" | "/api/v1/places/on" => r#"{ "countries": ["SO"] }"#,
            "/api/v1/lock/trial" if route.method == "POST" => r#"{ "networks": ["192.0.2.0/24"] }"#,
            "/api/v1/contacts" if route.method == "POST" => {
                r#"{ "channel": "mail", "to": "a@example.com" }"#
            }
            "/api/v1/contacts/{contact}" if route.method == "PATCH" => {
                r#"{ "quiet": "22:00-07:00" }"#
            }
            "/api/v1/calls/{call}/allow" => r#"{ "lasts": "24h" }"#,
            "/api/v1/contacts/{contact}/confirm" => &json!({ "code": CODE }).to_string(),
            "/api/v1/hours" if route.method == "PUT" => r#"{ "barred": ["sat-sun:0-24"] }"#,
            "/api/v1/check-up/{point}" => r#"{ "is_done": true }"#,
            "/api/v1/check-up/outside" => r#"{ "address": "192.0.2.7" }"#,
            "/api/v1/alerts/new-phones" => r#"{ "new_phones": "agent-only" }"#,
            _ => "",
        };
        let request = format!("{} {}", route.method, filled(route.path));
        let answer = world.api(&request, &token, &[], body);
        let mut described = &operation["responses"][answer.status.to_string()];
        assert!(described.is_object(), "{request}: {} is not described", answer.status);
        if let Some(place) = described["$ref"].as_str() {
            let name = place.rsplit('/').next().expect("a name");
            described = &document["components"]["responses"][name];
        }
        let kind = answer.header("content-type").expect("a type");
        let schema = &described["content"][kind]["schema"];
        assert!(schema.is_object(), "{request}: {kind} is not described");
        fits(&document, schema, &answer.json(), &request);
        looked += usize::from(answer.status == 200);
        said += usize::from(answer.status != 200);
    }
    assert!(looked >= 30 && said >= 5, "{looked} {said}");
}

#[test]
fn problems_are_told_as_rfc_9457_says() {
    let (world, token) = world();
    let check = |request: &str, more: &[(&str, &str)], body: &str, want: (u16, &str)| -> Answer {
        let answer = world.api(request, &token, more, body);
        assert_eq!((answer.status, answer.problem().as_str()), want, "{request} {body}");
        let json = answer.json();
        let path = request.split([' ', '?']).nth(1).expect("a path");
        assert_eq!(json["instance"], path, "{json}");
        for field in ["title", "detail"] {
            assert!(json[field].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        }
        answer
    };
    check("GET /api/v1/nothing", &[], "", (404, "not-found"));
    check("GET /api/", &[], "", (404, "not-found"));
    let wrong = check("POST /api/v1/account", &[], "", (405, "wrong-method"));
    assert_eq!(wrong.header("allow"), Some("GET, HEAD"));
    let wrong = check("PUT /api/v1/contacts/1", &[], "", (405, "wrong-method"));
    assert_eq!(wrong.header("allow"), Some("DELETE, GET, HEAD, PATCH"));
    let kind = [("Content-Type", "text/plain")];
    check("PATCH /api/v1/limits", &kind, "{}", (415, "not-json"));
    check("PATCH /api/v1/limits", &[], "{", (400, "unreadable"));
    check("PATCH /api/v1/limits", &[], "\"\u{1}\"", (400, "unreadable"));
    let long = format!("{{ \"stop_level_24h\": \"{}\" }}", "1".repeat(70_000));
    check("PATCH /api/v1/limits", &[], &long, (413, "too-large"));
    let wrong = check("GET /api/v1/alerts/new-phones", &[], "", (405, "wrong-method"));
    assert_eq!(wrong.header("allow"), Some("PUT"), "not those of one alert");
    check("POST /api/v1/thaw", &[], "", (409, "refused"));
    check("DELETE /api/v1/lock/trial", &[], "", (404, "not-found"));
    check("POST /api/v1/freeze", &[], "{\"now\": true}", (422, "invalid"));
    check("GET /api/v1/account?a=1", &[], "", (422, "invalid"));
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    check("PATCH /api/v1/limits", &[], &deep, (400, "unreadable"));
    let elsewhere = world.send(
        "GET /api/v1/account",
        &[("Host", "evil.example"), ("Authorization", &format!("Bearer {token}"))],
        "",
    );
    assert_eq!((elsewhere.status, elsewhere.problem().as_str()), (421, "wrong-host"));
    let missing = world.token(&[TokenScope::Contacts]);
    let answer = world.api("POST /api/v1/freeze", &missing, &[], "");
    assert_eq!(answer.problem(), "missing-scope");
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("insufficient_scope") && challenge.contains("scope=\"stop\""));
}

#[test]
fn each_wrong_field_is_named() {
    let (world, token) = world();
    let check = |request: &str, body: &str, want: &[&str]| {
        let answer = world.api(request, &token, &[], body);
        assert_eq!((answer.status, answer.problem().as_str()), (422, "invalid"), "{}", answer.body);
        let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
        let name = |error: &Value| {
            let name = error["pointer"].as_str().or_else(|| error["parameter"].as_str());
            name.expect("a name").to_owned()
        };
        assert_eq!(errors.iter().map(name).collect::<Vec<_>>(), want, "{request} {body}");
    };
    let limits = "PATCH /api/v1/limits";
    check(limits, "{}", &[""]);
    check(limits, "[]", &[""]);
    check(
        limits,
        r#"{"stop_level_24h": "lots", "warning_level": "-1"}"#,
        &["/stop_level_24h", "/warning_level"],
    );
    check(
        limits,
        r#"{"calls": "3", "status": "active", "stop_level_24h": null}"#,
        &["/calls", "/status", "/stop_level_24h"],
    );
    check(limits, r#"{"calls": 65536}"#, &["/calls"]);
    check(limits, r#"{"calls": 1.5}"#, &["/calls"]);
    check("POST /api/v1/contacts", "{}", &["/channel", "/to"]);
    check("POST /api/v1/contacts", r#"{"channel": "pigeon", "to": ""}"#, &["/channel", "/to"]);
    check("PATCH /api/v1/contacts/1", r#"{"classes": ["money", "cats"]}"#, &["/classes/1"]);
    check("PATCH /api/v1/contacts/1", r#"{"quiet": "never"}"#, &["/quiet"]);
    check("POST /api/v1/contacts/1/confirm", r#"{"code": "WRONG"}"#, &["/code"]);
    check(
        "POST /api/v1/places/off",
        r#"{"countries": ["SO", "so"], "kinds": ["emergency"]}"#,
        &["/countries/1", "/kinds/0"],
    );
    check("POST /api/v1/places/off", "{}", &[""]);
    check("POST /api/v1/lock/trial", r#"{"networks": ["192.0.2.7", "home"]}"#, &["/networks/1"]);
    check("POST /api/v1/lock/trial", r#"{"networks": ["198.51.100.1"]}"#, &["/shut_out"]);
    check(
        "GET /api/v1/calls?since=1+July&limit=0&direction=up",
        "",
        &["direction", "limit", "since"],
    );
    check("GET /api/v1/calls?since=2026-02-30&line=nobody", "", &["since", "line"]);
    check("GET /api/v1/calls?line=&before=x", "", &["before", "line"]);
    check("GET /api/v1/calls?limit=1&limit=2&all=1", "", &["limit", "all"]);
    assert_eq!(world.desk.state().controls, None, "nothing of it was done");
}

/// Where a token is not enough: nothing changes, and the problem says where the holder does it.
#[test]
fn what_allows_more_or_tells_less_is_the_holder_s_own_business() {
    fn check(before: &[(&str, &str)], request: &str, body: &str, page: &str) {
        let (world, token) = world();
        for (request, body) in before {
            assert_eq!(world.api(request, &token, &[], body).status, 200, "{request}");
        }
        let stood = world.desk.state().controls.clone();
        let answer = world.api(request, &token, &[], body);
        assert_eq!((answer.status, answer.problem().as_str()), (403, "needs-holder"), "{request}");
        assert_eq!(answer.json()["page"], page, "{request}");
        let state = world.desk.state();
        assert_eq!(state.controls, stood, "{request}");
        assert!(state.proofs.iter().all(|proof| *proof == Proof::Token), "{:?}", state.proofs);
        assert!(state.told.judged.is_empty() && state.told.made.is_empty(), "{request}");
        assert!(state.told.changed.is_empty(), "{request}");
    }
    check(&[("POST /api/v1/freeze", "")], "POST /api/v1/thaw", "", "/stop");
    check(&[], "PATCH /api/v1/limits", r#"{"stop_level_24h": "500"}"#, "/limits");
    // One that goes up takes those that go down with it.
    let mixed = r#"{"stop_level_24h": "500", "warning_level": "1"}"#;
    check(&[], "PATCH /api/v1/limits", mixed, "/limits");
    check(&[], "POST /api/v1/calls/000000000FM00/allow", r#"{"lasts": "24h"}"#, "/calls");
    let off = ("POST /api/v1/places/off", r#"{"countries": ["SO"]}"#);
    check(&[off], "POST /api/v1/places/on", r#"{"countries": ["SO"]}"#, "/where");
    let lock = ("POST /api/v1/lock/trial", r#"{"networks": ["192.0.2.0/24"]}"#);
    check(&[lock], "DELETE /api/v1/lock", "", "/from-where");
    check(&[], "POST /api/v1/phones/4/mine", "", "/phones");
    check(&[], "POST /api/v1/lines/1/password", "", "/passwords");
    check(&[], "PATCH /api/v1/contacts/1", r#"{"is_on": false}"#, "/alerts");
    check(&[], "DELETE /api/v1/contacts/1", "", "/alerts");
}

#[test]
fn what_is_safer_is_done_at_once() {
    let (world, token) = world();
    let ok = |request: &str, body: &str| {
        let answer = world.api(request, &token, &[], body);
        assert_eq!(answer.status, 200, "{request}: {}", answer.body);
        answer.json()
    };
    assert_eq!(ok("POST /api/v1/freeze", "")["status"], "frozen");
    assert_eq!(world.desk.state().status, Some(AccountStatus::Frozen));
    let after = ok(
        "PATCH /api/v1/limits",
        r#"{"stop_level_24h": "15.5", "calls": 3, "stop_level_1h": "4"}"#,
    );
    let find = |name: &str| {
        let limits = after["limits"].as_array().expect("limits");
        limits.iter().find(|limit| limit["name"] == name).expect("it is there")["value"].clone()
    };
    assert_eq!(
        [find("stop_level_24h"), find("calls"), find("stop_level_1h")],
        ["15.50", "3", "4.00"]
    );
    let controls = world.desk.state().controls.clone().expect("changed");
    assert_eq!(controls.stop_level_24h, Money::from_cents(1_550));
    let places =
        ok("POST /api/v1/places/off", r#"{"countries": ["LV"], "kinds": ["national-service"]}"#);
    let latvia = places["countries"]
        .as_array()
        .expect("countries")
        .iter()
        .find(|one| one["country"] == "LV");
    assert_eq!(latvia.expect("Latvia")["is_on"], false);
    let lock = ok("POST /api/v1/lock/trial", r#"{"networks": ["127.0.0.1", "192.0.2.0/24"]}"#);
    assert_eq!(lock["networks"], json!(["127.0.0.1", "192.0.2.0/24"]));
    assert_eq!(lock["your_address"], "127.0.0.1");
    assert_eq!(ok("POST /api/v1/lock/trial/confirm", "")["trial"], Value::Null);
    ok("POST /api/v1/phones/4/not-mine", "");
    ok(&format!("POST /api/v1/live-calls/{}/cut", own_call()), "");
    ok("POST /api/v1/calls/000000000FM00/not-mine", r#"{"words": "nobody was in"}"#);
    ok("POST /api/v1/alerts/812-7/acknowledge", "");
    ok("POST /api/v1/contacts/1/confirm", &json!({ "code": CODE }).to_string());
    let state = world.desk.state();
    assert_eq!(state.told.judged, [(types::DeviceId(4), false)]);
    assert_eq!(state.cut, [own_call()]);
    let by = "alice@example.com (token 1 “backup”)";
    assert_eq!(
        (state.reported[0].by.as_str(), state.reported[0].words.as_str()),
        (by, "nobody was in")
    );
    assert!(state.told.confirmed && state.told.acknowledged == [alert_id()]);
    assert!(state.proofs.iter().all(|proof| *proof == Proof::Token), "{:?}", state.proofs);
}

/// W6: what is not this account's is not there, whatever the name.
#[test]
fn another_s_are_not_there() {
    let (world, token) = world();
    let mut looked = 0;
    for route in routes().iter().filter(|route| route.path.starts_with("/api/")) {
        let Some((before, after)) = route.path.split_once('{') else { continue };
        let after = after.split_once('}').map_or("", |(_, after)| after);
        for id in
            ["9", "0", "-1", "4294967296", "812-8", "0000000000ZZZ", "%27", "x%2Fy", "%00", "🦊"]
        {
            let body = match route.path {
                path if path.ends_with("/confirm") => r#"{"code": "x"}"#,
                path if path.ends_with("/allow") => r#"{"lasts": "7d"}"#,
                path if path.starts_with("/api/v1/check-up/") => r#"{"is_done": true}"#,
                _ => "",
            };
            let request = format!("{} {before}{id}{after}", route.method);
            let answer = world.api(&request, &world.token(&TokenScope::ALL), &[], body);
            world.desk.state().users[0].tokens.retain(|known| known.number == 1);
            assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{request}");
            looked += 1;
        }
    }
    assert!(looked >= 140, "{looked}");
    drop(token);
    let state = world.desk.state();
    assert!(state.cut.is_empty() && state.reported.is_empty() && state.told.judged.is_empty());
}

/// W1, W2: what people who want to break in write, in every field and parameter: refused or taken as text, never a fault, and what comes
/// back is JSON that no browser takes for a page.
#[test]
fn nasty_texts_are_texts_in_every_field() {
    let corpus = [
        "' OR '1'='1",
        "'; DROP TABLE account; --",
        "\") UNION SELECT 1 --",
        "%27%3B",
        "\\",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "a\r\nSet-Cookie: x=1",
        "\u{0}",
        "\u{202e}abc",
        "../../etc/passwd",
        "=HYPERLINK(1)",
        "🦊",
        "",
    ];
    let document = web::api_document();
    let mut sent = 0;
    for route in routes().iter().filter(|route| route.path.starts_with("/api/")) {
        if route.path == "/api/v1/events" {
            continue;
        }
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let name = body.as_str().and_then(|place| place.rsplit('/').next()).unwrap_or_default();
        let fields = &document["components"]["schemas"][name]["properties"];
        let fields = fields.as_object().into_iter().flatten().map(|(name, _)| (true, name.clone()));
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.filter(|one| one["in"] == "query");
        let parameters =
            parameters.map(|one| (false, one["name"].as_str().unwrap_or_default().to_owned()));
        for (is_body, field) in fields.chain(parameters) {
            let (world, _) = world();
            for text in corpus {
                let path = filled(route.path);
                for value in [json!(text), json!([text])] {
                    let token = world.token(&TokenScope::ALL);
                    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
                    let answer = match is_body {
                        true => {
                            let body = json!({ field.clone(): value }).to_string();
                            world.api(&format!("{} {path}", route.method), &token, &[], &body)
                        }
                        false => {
                            let request = format!("GET {path}?{field}={escaped}");
                            world.api(&request, &token, &[], "")
                        }
                    };
                    let about = format!("{} {path} {field}={text:?}: {answer:?}", route.method);
                    assert!(answer.status < 500, "{about}");
                    let kind = answer.header("content-type").unwrap_or_default();
                    assert!(kind.ends_with("json"), "{about}");
                    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
                    assert!(answer.header("set-cookie").is_none(), "{about}");
                    answer.json();
                    world.desk.state().users[0].tokens.clear();
                    sent += 1;
                }
            }
        }
    }
    assert!(sent > 1_000, "{sent}");
}

#[test]
fn calls_are_listed_page_by_page() {
    let (world, token) = world();
    let get = |path: &str| world.api(&format!("GET {path}"), &token, &[], "").json();
    let first = get("/api/v1/calls?limit=1");
    assert_eq!(first["calls"][0]["price"], "0.92");
    let next = first["next"].as_str().expect("there is more");
    let second = get(&format!("/api/v1/calls?limit=1&before={next}"));
    assert_eq!((&second["calls"][0]["is_stopped"], &second["next"]), (&true.into(), &Value::Null));
    assert_eq!(second["calls"][0]["reasons"], json!(["price-cap"]));
    let stopped = get("/api/v1/calls?outcome=stopped");
    assert_eq!(stopped["calls"].as_array().map(Vec::len), Some(1));
    let call = stopped["calls"][0]["call"].as_str().expect("a name");
    assert_eq!(get(&format!("/api/v1/calls/{call}")), stopped["calls"][0]);
}

#[test]
fn what_is_known_already_is_not_sent_again() {
    let (world, token) = world();
    let get = |more: &[(&str, &str)]| world.api("GET /api/v1/limits", &token, more, "");
    let first = get(&[]);
    let tag = first.header("etag").expect("a tag").to_owned();
    let known = get(&[("If-None-Match", &tag)]);
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    assert_eq!(get(&[("If-None-Match", &format!("\"x\", W/{tag}"))]).status, 304);
    assert_eq!(get(&[("If-None-Match", "\"x\"")]).status, 200);
    world.api("PATCH /api/v1/limits", &token, &[], r#"{"calls": 2}"#);
    assert_eq!(get(&[("If-None-Match", &tag)]).status, 200);
    let head = world.api("HEAD /api/v1/limits", &token, &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn a_program_bars_hours_and_does_not_open_them() {
    let (world, token) = world();
    let put = |body: &str| world.api("PUT /api/v1/hours", &token, &[], body);
    let barred = || world.desk.state().controls.as_ref().map(|of| of.barred_hours.to_string());
    let done = put(r#"{ "barred": ["mon-fri:0-8", "sat:0-24", "sun:0-24"] }"#);
    assert_eq!(
        (done.status, &done.json()["barred"]),
        (200, &json!(["mon-fri:0-8", "sat-sun:0-24"]))
    );
    assert_eq!(barred().as_deref(), Some("mon-fri:0-8,sat-sun:0-24"));
    let wrong = put(r#"{ "barred": ["sat:0-24", "night"] }"#);
    assert_eq!((wrong.status, wrong.problem().as_str()), (422, "invalid"));
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/barred/1", "{}", wrong.body);
    let more = put(r#"{ "barred": ["mon-fri:0-8"] }"#);
    assert_eq!((more.status, more.problem().as_str()), (403, "needs-holder"));
    assert_eq!(barred().as_deref(), Some("mon-fri:0-8,sat-sun:0-24"));
}

#[test]
fn a_program_sees_the_check_up_and_begins_a_recovery() {
    let (world, token) = world();
    let ask = |request: &str, body: &str| world.api(request, &token, &[], body);
    let all = ask("GET /api/v1/check-up", "").json();
    assert_eq!(all["points"].as_array().map(Vec::len), Some(17), "{all}");
    let said = ask("PUT /api/v1/check-up/malware", r#"{ "is_done": true }"#).json();
    let point =
        said["points"].as_array().expect("points").iter().find(|one| one["point"] == "malware");
    assert_eq!(point.map(|one| &one["state"]), Some(&json!("said")), "{said}");
    let seen = ask("PUT /api/v1/check-up/contacts", r#"{ "is_done": true }"#);
    assert_eq!((seen.status, seen.problem().as_str()), (409, "refused"), "{}", seen.body);
    assert_eq!(ask("PUT /api/v1/check-up/nothing", r#"{ "is_done": true }"#).status, 404);
    for address in ["nowhere", "203.0.113.200"] {
        let body = json!({ "address": address }).to_string();
        let wrong = ask("POST /api/v1/check-up/outside", &body);
        assert_eq!((wrong.status, wrong.problem().as_str()), (422, "invalid"), "{address}");
    }
    assert_eq!(ask("GET /api/v1/recovery", "").json()["open"], json!(null));
    let begun = ask("POST /api/v1/recovery", "");
    assert_eq!((begun.status, &begun.json()["open"]["number"]), (200, &json!(1)), "{}", begun.body);
    assert!(
        begun.json()["open"]["by"].as_str().is_some_and(|by| by.contains("token")),
        "{}",
        begun.body
    );
    assert_eq!(ask("GET /api/v1/recovery", "").json()["open"]["number"], 1);
    assert_eq!(ask("GET /api/v1/reports", "").json()["reports"], json!([]));
}
