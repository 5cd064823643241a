//! The page about where one can call: what it shows, turning off at once, turning on with proof, what was never called.

use types::{ClassSet, DestinationClass, Proof, UnixMicros};
use web::TurnedOff;

use crate::world::{PASSWORD, World, region};

fn barred(world: &World) -> (Vec<String>, Vec<DestinationClass>) {
    let state = world.desk.state();
    let Some(controls) = &state.controls else { return Default::default() };
    let countries = controls.barred_countries.iter().map(ToString::to_string).collect();
    (countries, controls.barred.iter().collect())
}

#[test]
fn places_are_shown_with_price_use_and_risk() {
    let world = World::new();
    let cookie = world.come_in();
    let body = world.get("/where", Some(&cookie)).body;
    for part in [
        "Calls to all 3 countries with a price are on. You have called 1 of them.",
        "Countries that you have called (1)",
        "<strong>France</strong>",
        "1p a minute · last called",
        "Countries that are on, and were never called (2)",
        "<strong>Somalia</strong>",
        "1p to 92p a minute",
        "some numbers are above your price limit",
        "thieves are paid for calls to some numbers there",
        "Premium rate numbers (09)",
        "href=\"/where/on?class=premium\"",
        "name=\"country\" value=\"SO\"",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let found = world.get("/where?q=soma", Some(&cookie)).body;
    assert!(
        found.contains("<strong>Somalia</strong>") && !found.contains("<strong>France</strong>")
    );
    let nothing = world.get("/where?q=%3Cb%3E", Some(&cookie)).body;
    assert!(nothing.contains("No country with a price is called like that"), "{nothing}");
    assert!(nothing.contains("value=\"&#60;b&#62;\""), "{nothing}");
}

#[test]
fn off_is_at_once_and_on_needs_proof() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    let off = world.post("/where/off", Some(&cookie), "country=SO");
    assert_eq!(off.header("location"), Some("/where"));
    assert_eq!(barred(&world).0, ["SO"]);
    let body = world.get("/where", Some(&cookie)).body;
    assert!(
        body.contains("Turned off: Somalia.") && body.contains("Countries that are off (1)"),
        "{body}"
    );
    assert!(body.contains("href=\"/where/on?country=SO\""), "{body}");
    let again = world.post("/where/off", Some(&cookie), "country=SO");
    assert_eq!(again.header("location"), Some("/where"));
    assert_eq!(world.desk.state().proofs.len(), 1, "it was off");

    let asked = world.get("/where/on?country=SO", Some(&cookie)).body;
    assert!(asked.contains("Turn on Somalia?") && asked.contains("1p to 92p a minute"), "{asked}");
    let on = |lasts: &str| {
        world.post("/where/on", Some(&cookie), &format!("country=SO&class=premium&lasts={lasts}"))
    };
    assert_eq!(on("ever").status, 422);
    assert_eq!(on("7d").header("location"), Some("/confirm"));
    assert_eq!(barred(&world).0, ["SO"]);
    let shown = world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert_eq!(shown.header("location"), Some("/where"));
    let (countries, classes) = barred(&world);
    assert!(countries.is_empty() && !classes.contains(&DestinationClass::Premium));
    let body = world.get("/where", Some(&cookie)).body;
    assert!(
        body.contains("Turned on for a week: premium rate numbers (09) and Somalia."),
        "{body}"
    );
    let state = world.desk.state();
    assert_eq!(state.proofs, [Proof::LoggedIn, Proof::Fresh]);
    assert_eq!(state.asked_until.last().map(String::as_str), Some("7d"));
}

/// Nobody turns off emergency calls, or home, by a form of his own making; nor on what cannot be.
#[test]
fn only_what_the_page_offers_is_turned() {
    let world = World::new();
    let cookie = world.come_in();
    for body in ["class=emergency", "class=support", "class=on-net", "country=somalia", "x=y", ""] {
        world.post("/where/off", Some(&cookie), body);
    }
    assert_eq!(world.desk.state().controls, None);
}

#[test]
fn what_was_never_called_goes_off_together_and_comes_back_by_undoing() {
    let world = World::new();
    let cookie = world.come_in();
    let asked = world.get("/where/never", Some(&cookie)).body;
    for part in
        ["service numbers (084, 087, 118)", "2 countries", "Latvia, Somalia", "Turn these off"]
    {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert!(!asked.contains("France"));
    assert_eq!(world.desk.state().controls, None, "it was only asked");
    world.post("/where/never", Some(&cookie), "");
    let (countries, classes) = barred(&world);
    assert_eq!(countries, ["LV", "SO"]);
    assert!(classes.contains(&DestinationClass::NationalService));
    assert!(
        !classes.contains(&DestinationClass::NationalFixed)
            && !classes.contains(&DestinationClass::NationalMobile)
    );

    let nothing = world.get("/where/undo", Some(&cookie));
    assert_eq!(nothing.header("location"), Some("/where"));
    world.desk.state().turned_off = Some(TurnedOff {
        at: UnixMicros(0),
        countries: vec![region("LV"), region("SO")],
        classes: ClassSet::EMPTY.with(DestinationClass::NationalService),
    });
    // What is on again since is not asked for.
    world.post("/where/on", Some(&cookie), "country=LV&lasts=");
    let undo = world.get("/where/undo", Some(&cookie)).body;
    assert!(undo.contains("Turn on service numbers (084, 087, 118) and Somalia?"), "{undo}");
    assert!(undo.contains("name=\"country\" value=\"SO\"") && !undo.contains("value=\"LV\""));
    world.post("/where/on", Some(&cookie), "country=SO&class=national-service&lasts=");
    let (countries, classes) = barred(&world);
    assert!(countries.is_empty() && !classes.contains(&DestinationClass::NationalService));
}
