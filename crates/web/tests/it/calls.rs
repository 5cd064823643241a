//! The pages about calls: the list and its filter, pages of it, CSV, one call, what its holder says about it.

use types::{Cdr, DecisionId, Money, Proof};

use crate::world::{NAME, PASSWORD, World, answered_call, stopped_call};

/// Ids of a second each, within November 2026.
fn decision(n: u64) -> DecisionId {
    DecisionId((1_795_313_640_000_000 + n * 1_000_000) << 8)
}

fn world(calls: Vec<Cdr>) -> (World, String) {
    let world = World::new();
    let cookie = world.come_in();
    world.desk.state().calls = calls;
    (world, cookie)
}

#[test]
fn the_list_says_what_became_of_calls() {
    let (world, cookie) = world(vec![answered_call(decision(2)), stopped_call(decision(1))]);
    let body = world.get("/calls", Some(&cookie)).body;
    for part in [
        "To +252611234567",
        "Somalia · desk",
        "Stopped by us",
        "We stopped a call to Somalia at 02:14: 92p a minute is above your 5p limit. Nothing was charged.",
        "1:01 <strong class=\"cost\">£0.92</strong>",
        &format!("href=\"/calls/{}\"", decision(1)),
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let stopped = world.get("/calls?outcome=stopped", Some(&cookie)).body;
    assert!(stopped.contains("Stopped by us") && !stopped.contains("£0.92"), "{stopped}");
    assert!(stopped.contains("<option value=\"stopped\" selected>"), "the filter is kept");
}

#[test]
fn pages_go_on_where_the_one_before_ended() {
    let calls = (1..=120).rev().map(|n| answered_call(decision(n))).collect();
    let (world, cookie) = world(calls);
    let (mut at, mut seen) = ("/calls?charged=yes".to_owned(), 0);
    for page in 1.. {
        let body = world.get(&at, Some(&cookie)).body;
        seen += body.matches("To +252611234567").count();
        let next = body.split("<a class=\"button\" href=\"").nth(1);
        match next.and_then(|rest| rest.split('"').next()) {
            Some(next) => at = next.replace("&#38;", "&"),
            None => {
                assert_eq!(page, 3);
                assert!(body.contains("Back to the newest"));
                break;
            }
        }
        assert!(at.contains("charged=yes"), "{at}");
    }
    assert_eq!(seen, 120);
}

#[test]
fn a_filter_that_cannot_be_read_is_said_beside_its_field_and_kept() {
    let (world, cookie) = world(vec![stopped_call(decision(1))]);
    let answer = world.get("/calls?since=yesterday&number=%2B44&until=2026-11-22", Some(&cookie));
    assert_eq!(answer.status, 422);
    for part in ["id=\"since-wrong\"", "value=\"yesterday\"", "value=\"+44\"", "href=\"#since\""] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert_eq!(world.get("/calls.csv?since=yesterday", Some(&cookie)).status, 422);
}

/// All pages of it, in one file, and no cell is a formula (W2).
#[test]
fn the_download_has_all_that_is_filtered_and_no_formula() {
    let calls = (1..=2_500).rev().map(|n| stopped_call(decision(n))).collect();
    let (world, cookie) = world(calls);
    let answer = world.get("/calls.csv", Some(&cookie));
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let rows = answer.body.lines().filter(|line| line.contains("Somalia")).count();
    assert_eq!(rows, 2_500);
    assert!(
        answer.body.contains("call,started,direction,caller,called,"),
        "{}",
        &answer.body[..300]
    );
    assert!(
        answer
            .body
            .contains(",'=HYPERLINK(1),'+252611234567,Somalia,international,desk,0,0.00,GBP,")
    );
    assert!(answer.body.contains("92p a minute is above your 5p limit"));
    for cell in answer.body.lines().flat_map(|line| line.split(',')) {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
    }
}

#[test]
fn one_call_is_shown_and_another_s_is_not_there() {
    let (world, cookie) = world(vec![stopped_call(decision(1))]);
    let show = |id: &str| world.get(&format!("/calls/{id}"), Some(&cookie));
    let body = show(&decision(1).to_string()).body;
    for part in [
        "We stopped a call to Somalia at 02:14",
        "&#60;script&#62;alert(2)&#60;/script&#62;, at 192.0.2.7",
        "I did not make this call",
        "Highest price a minute, abroad: 92p, it is 5p now.",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("<script>alert"));
    assert_eq!(show(&decision(9).to_string()).status, 404);
    assert_eq!(show("nonsense").status, 404);
    for path in ["not-mine", "allow"] {
        let path = format!("/calls/{}/{path}", decision(9));
        assert_eq!(world.post(&path, Some(&cookie), "lasts=1h").status, 404);
    }
    assert!(world.desk.state().reported.is_empty() && world.desk.state().proofs.is_empty());
}

#[test]
fn a_call_that_was_not_the_holder_s_is_kept_once() {
    let (world, cookie) = world(vec![answered_call(decision(1))]);
    let path = format!("/calls/{}", decision(1));
    let report = |words: &str| {
        world.post(&format!("{path}/not-mine"), Some(&cookie), &format!("words={words}"))
    };
    let long = report(&"x".repeat(501));
    assert!(long.status == 422 && long.body.contains("id=\"words-wrong\""));
    assert!(long.body.contains(&"x".repeat(501)), "what was typed is kept");
    assert!(world.desk.state().reported.is_empty());

    assert_eq!(report("nobody%0D%0Awas+in").header("location"), Some(path.as_str()));
    {
        let state = world.desk.state();
        let one = &state.reported[0];
        assert_eq!((one.decision, one.by.as_str()), (decision(1), NAME));
        assert_eq!(one.words, "nobody was in", "on one line");
    }
    let body = world.get(&path, Some(&cookie)).body;
    assert!(body.contains("It is on record that you did not make this call"), "{body}");
    assert!(body.contains("by alice@example.com: “nobody was in”"), "{body}");
    assert!(!body.contains("I did not make this call</button>"));
    report("again");
    assert_eq!(world.desk.state().reported.len(), 1);
}

#[test]
fn what_stopped_a_call_goes_up_only_after_proof_and_for_a_time() {
    let (world, cookie) = world(vec![stopped_call(decision(1))]);
    let path = format!("/calls/{}", decision(1));
    let allow = |lasts: &str| {
        world.post(&format!("{path}/allow"), Some(&cookie), &format!("lasts={lasts}"))
    };
    world.grow_old(&cookie);
    assert_eq!(allow("forever").status, 422);
    assert_eq!(allow("24h").header("location"), Some("/confirm"));
    assert_eq!(world.desk.state().controls, None);
    let shown = world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert_eq!(shown.header("location"), Some(path.as_str()));
    {
        let state = world.desk.state();
        let cap = state.controls.as_ref().map(|controls| controls.price_cap_international);
        assert_eq!(cap, Some(Money::from_cents(92)));
        assert_eq!(
            (&state.proofs[..], &state.asked_until[..]),
            (&[Proof::Fresh][..], &["24h".to_owned()][..])
        );
    }
    assert!(
        world.get(&path, Some(&cookie)).body.contains("Done: such a call is allowed for a day")
    );
    allow("1h");
    assert!(
        world.get(&path, Some(&cookie)).body.contains("your limits allow such a call as they are")
    );
}
