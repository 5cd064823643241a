//! Decks from CSV: what is read, what is refused and where, and what would change.

use proptest::prelude::*;
use rating::{ImportDefaults, Numbering, NumberingConfig, RateDeck, RowError, diff, import};
use rlibphonenumber::PHONE_NUMBER_UTIL;
use types::{DeckId, DestinationClass, DialPlan, E164, Money, Rate, RateRow, Region, UnixMicros};

const DEMO: &[u8] = include_bytes!("../../data/demo_deck.csv");
/// An excerpt of a real retail deck of 2018 in US dollars, published by CaribbeanO under the MIT licence.
const RETAIL: &[u8] = include_bytes!("caribbeano_2018_excerpt.csv");

fn read(file: &str) -> Vec<RateRow> {
    import(file.as_bytes(), &ImportDefaults::default()).unwrap().rows
}

/// The errors of a file as `line column: message`.
#[track_caller]
fn refuse(file: impl AsRef<[u8]>) -> Vec<String> {
    let error = import(file.as_ref(), &ImportDefaults::default()).unwrap_err();
    let shown = |RowError { row, column, message }: &RowError| format!("{row} {column}: {message}");
    error.errors.iter().map(shown).collect()
}

fn rate(connect_fee: i64, per_minute: i64, minimum_s: u32, first: u32, further: u32) -> Rate {
    Rate {
        connect_fee: Money::from_micros(connect_fee),
        per_minute: Money::from_micros(per_minute),
        minimum_s,
        first_increment_s: first,
        increment_s: further,
    }
}

#[test]
fn reads_every_column() {
    let rows = read(
        "prefix,name,per_minute,connect_fee,minimum,first_increment,increment,effective\n\
         44,United Kingdom,0.0125,0.05,10,30,6,2026-11-22\n\
         +33,\"France, mobile\",1,0,0,60,60,2026-11-22T08:41:03.25+01:00\n",
    );
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].prefix.as_str(), &*rows[0].name), ("44", "United Kingdom"));
    assert_eq!(rows[0].rate, rate(50_000, 12_500, 10, 30, 6));
    assert_eq!(rows[0].effective.to_string(), "2026-11-22T00:00:00.000Z");
    assert_eq!((rows[1].prefix.as_str(), &*rows[1].name), ("33", "France, mobile"));
    assert_eq!(rows[1].rate, rate(0, 1_000_000, 0, 60, 60));
    assert_eq!(rows[1].effective.to_string(), "2026-11-22T07:41:03.250Z");
}

#[test]
fn fills_in_what_is_missing() {
    let defaults = ImportDefaults {
        connect_fee: Money::from_cents(1),
        minimum_s: 5,
        first_increment_s: 30,
        increment_s: 6,
        effective: UnixMicros::from_seconds(99),
    };
    let only = |file: &str| import(file.as_bytes(), &defaults).unwrap().rows.remove(0);
    let row = only("prefix,per_minute\n44,0.01\n");
    assert_eq!(&*row.name, "44");
    assert_eq!(row.rate, rate(10_000, 10_000, 5, 30, 6));
    assert_eq!(row.effective, UnixMicros::from_seconds(99));
    // Empty cells and short rows are missing too.
    let header = "prefix,per_minute,name,connect_fee,minimum,first_increment,increment,effective\n";
    assert_eq!(only(&format!("{header}44,0.01,,,,,,\n")), row);
    assert_eq!(only(&format!("{header}44,0.01\n")), row);
    // A lone increment is the first one as well.
    let increments = |file: &str| {
        let Rate { first_increment_s, increment_s, .. } = only(file).rate;
        (first_increment_s, increment_s)
    };
    assert_eq!(increments("prefix,per_minute,increment\n44,1,60\n"), (60, 60));
    assert_eq!(increments("prefix,per_minute,increment\n44,1,60/1\n"), (60, 1));
    assert_eq!(increments("prefix,per_minute,increments\n44,1,60/60\n"), (60, 60));
    assert_eq!(increments("prefix,per_minute,Billing Increment\n44,1,30 / 6\n"), (30, 6));
    assert_eq!(increments("prefix,per_minute,first_increment\n44,1,60\n"), (60, 6));
    assert_eq!(increments("prefix,per_minute,increment,first increment\n44,1,6,18\n"), (18, 6));
}

#[test]
fn reads_every_kind_of_file() {
    let want = read("prefix,name,per_minute\n44,\"UK, all\",0.01\n33,France,0.02\n");
    let check = |file: &str| assert_eq!(read(file), want, "{file:?}");
    check("\u{feff}prefix,name,per_minute\n44,\"UK, all\",0.01\n33,France,0.02\n");
    check("prefix,name,per_minute\r\n44,\"UK, all\",0.01\r\n33,France,0.02\r\n");
    check("prefix;name;per_minute\n44;UK, all;0.01\n33;France;0.02");
    check("prefix\tname\tper_minute\n44\tUK, all\t0.01\n33\tFrance\t0.02\n");
    check("\n\nprefix,name,per_minute\n\n44,\"UK, all\",0.01\n,,\n   \n33,France,0.02\n\n");
    check(
        "\"prefix\",\"name\",\"per_minute\"\n\"44\",\"UK, all\",\"0.01\"\n\"33\",\"France\",\"0.02\"\n",
    );
    check(
        " Prefix , NAME , Per Minute \n 44 , \"UK, all\" , 0.01 \n 33 , France , .020 \n"
            .replace(", \"UK, all\" ", ",\"UK, all\"")
            .as_str(),
    );
    check("Dial-Code,Destination,Rate\n+44,\"UK, all\",0.01\n+33,France,0.02\n");
    check("name,price,code\n\"UK, all\",0.01,44\nFrance,0.02,33\n");
    check("destination,rate_per_min_gbp,prefix\n\"UK, all\",0.01,44\nFrance,0.02,33\n");
}

#[test]
fn says_what_it_left_out() {
    let check = |file: &str, want: &[&str]| {
        let imported = import(file.as_bytes(), &ImportDefaults::default()).unwrap();
        assert_eq!(imported.ignored_columns, want, "{file}");
    };
    check("prefix,per_minute\n44,1\n", &[]);
    check("prefix,per_minute,Zone,comment\n44,1,a,b\n", &["Zone", "comment"]);
    check("prefix,name,country,per_minute,\n44,UK,GB,1,\n", &["country"]);
}

#[test]
fn names_line_and_column_of_every_error() {
    let got = refuse(
        "prefix,name,per_minute,connect_fee,minimum,increments,effective\n\
         44,fine,0.01,,,,\n\
         0x1,bad prefix,0.01,,,,\n\
         \n\
         46,\"two\nlines\",0.01,,,,\n\
         47,,\"1,5\",-1,,,\n\
         48,,,,1.5,0/60,tomorrow\n\
         44,again,0.02,,,,\n\
         49,,0.0000001,20000,86401,60/,2026-02-30\n\
         50,a,1,,,,,extra\n",
    );
    let want = [
        "3 prefix: `0x1` is not a prefix: expected 1 to 15 digits, the first not 0",
        "5 name: `two\\nlines` has control characters; is a quote missing?",
        "7 per_minute: `1,5` is not an amount: expected digits with at most one point, like 0.0125",
        "7 connect_fee: `-1` is negative",
        "8 per_minute: the cell is empty",
        "8 minimum: `1.5` is not a whole number of seconds up to 86400",
        "8 increments: an increment must be at least 1 second",
        "8 effective: `tomorrow` is not a time: expected a date like 2026-11-22 or a time like 2026-11-22T08:41:03Z",
        "9 prefix: 44 effective 1970-01-01T00:00:00.000Z stands on line 2 already",
        "10 per_minute: `0.0000001` has more than six decimal places; the smallest amount is 0.000001",
        "10 connect_fee: `20000` is more than 10000.00; is it in the right unit?",
        "10 minimum: `86401` is not a whole number of seconds up to 86400",
        "10 increments: `` is not a whole number of seconds up to 86400",
        "10 effective: `2026-02-30` is not a time: expected a date like 2026-11-22 or a time like 2026-11-22T08:41:03Z",
        "11 8: 8 cells, but the header has 7 columns",
    ];
    assert_eq!(got, want);
}

#[test]
fn counts_lines_like_an_editor() {
    let check = |file: &str| assert_eq!(refuse(file), ["6 prefix: the cell is empty"], "{file:?}");
    check("prefix,per_minute\n44,1\n\n\n33,2\n,3\n");
    check("prefix,per_minute\r\n44,1\r\n\r\n\r\n33,2\r\n,3\r\n");
    check("prefix,per_minute\r44,1\r\r\r33,2\r,3");
    check("\u{feff}\n\nprefix,per_minute\n44,1\n33,2\n,3");
    check("prefix,per_minute,name\n44,1,\"a\"\n,,\n   \n33,2,b\n,3,c");
}

#[test]
fn refuses_files_that_are_no_decks() {
    fn check(file: &str, want: &[&str]) {
        assert_eq!(refuse(file), want, "{file:?}");
    }
    check("", &["1 prefix: the file has no rows"]);
    check("\u{feff}\r\n", &["1 prefix: the file has no rows"]);
    check("prefix,per_minute\n", &["1 prefix: the file has no rows"]);
    check(
        "\nfoo,bar\n1,2\n",
        &[
            "2 prefix: this column is missing; the header has `foo`, `bar`",
            "2 per_minute: this column is missing; the header has `foo`, `bar`",
        ],
    );
    check(
        "prefix,rate,price\n44,1,2\n",
        &["1 price: means the same as column `rate`; remove or rename one of them"],
    );
    // A quote that is never closed swallows the rest, and says so.
    check(
        "prefix,name,per_minute\n44,\"UK,1\n33,France,2\n",
        &[
            "2 per_minute: the cell is empty",
            "2 name: `UK,1\\n33,France,2` has control characters; is a quote missing?",
        ],
    );
    assert_eq!(
        refuse(b"prefix,name,per_minute\n44,\xff\xfe,1\n".as_slice()),
        ["2 name: the cell is not UTF-8 text"]
    );
    let long = format!("prefix,name,per_minute\n44,{},1\n", "x".repeat(201));
    assert_eq!(refuse(&long), [format!("2 name: `{}…` is longer than 200 bytes", "x".repeat(40))]);
}

#[test]
fn prices_that_hold_from_different_times_are_not_duplicates() {
    let rows = read("prefix,per_minute,effective\n44,1,2026-01-01\n44,2,2026-02-01\n");
    assert_eq!(rows.len(), 2);
    let twice = "prefix,per_minute,effective\n44,1,2026-01-01\n44,2,2026-01-01T00:00:00Z\n";
    assert_eq!(
        refuse(twice),
        ["3 prefix: 44 effective 2026-01-01T00:00:00.000Z stands on line 2 already"]
    );
}

#[test]
fn reads_a_real_retail_deck() {
    let imported = import(RETAIL, &ImportDefaults::default()).unwrap();
    assert_eq!(imported.rows.len(), 18);
    assert_eq!(imported.ignored_columns, ["increment_rate", "period"]);
    let find = |prefix: &str| imported.rows.iter().find(|row| row.prefix == prefix).unwrap();
    assert_eq!(find("93").rate, rate(0, 450_000, 0, 1, 1));
    assert_eq!(&*find("50322010").name, "El Salvador,Cte");
    assert_eq!(find("259").rate.per_minute, Money::from_cents(116));
    assert!(RateDeck::from_rows(DeckId(1), imported.rows).is_ok());
}

fn demo_deck() -> RateDeck {
    let imported = import(DEMO, &ImportDefaults::default()).unwrap();
    assert!(imported.ignored_columns.is_empty());
    RateDeck::from_rows(DeckId(1), imported.rows).unwrap()
}

#[test]
fn the_demo_deck_prices_the_world() {
    let deck = demo_deck();
    assert!(deck.len() >= 300);
    for code in PHONE_NUMBER_UTIL.get_supported_calling_codes() {
        if code == 888 {
            continue; // Withdrawn, class `Invalid`.
        }
        let number = E164::from_digits(&format!("{code}2345678")).unwrap();
        assert!(deck.lookup(number, UnixMicros(0)).is_some(), "no price for +{code}");
    }
}

#[test]
fn the_demo_deck_prices_each_class_like_its_class() {
    let deck = demo_deck();
    let numbering = Numbering::new(&NumberingConfig::default()).unwrap();
    let check = |dialled: &str, class: DestinationClass, want_micros: i64, name: &str| {
        let called = numbering.classify(&DialPlan::default(), dialled);
        assert_eq!(called.destination.class, class, "{dialled}");
        let (rate, row) = deck.rate_for(&called, UnixMicros(0)).unwrap();
        assert_eq!(rate.per_minute, Money::from_micros(want_micros), "{dialled}");
        assert_eq!(row.map_or("", |row| &row.name), name, "{dialled}");
    };
    check("999", DestinationClass::Emergency, 0, "");
    check("08001111111", DestinationClass::Freephone, 0, "United Kingdom freephone");
    check("02079460000", DestinationClass::NationalFixed, 10_000, "United Kingdom");
    check("07400123456", DestinationClass::NationalMobile, 30_000, "United Kingdom mobile");
    check("07624123456", DestinationClass::International, 120_000, "Isle of Man mobile");
    check("07797712345", DestinationClass::International, 140_000, "Jersey mobile");
    check("07911123456", DestinationClass::International, 140_000, "Guernsey mobile");
    check("08701234567", DestinationClass::NationalService, 80_000, "United Kingdom service 0870");
    check("07012345678", DestinationClass::Personal, 120_000, "United Kingdom personal");
    check("07640123456", DestinationClass::Pager, 350_000, "United Kingdom pager");
    check("09098790000", DestinationClass::Premium, 1_530_000, "United Kingdom premium rate");
    check("+12025550143", DestinationClass::International, 11_000, "United States and Canada");
    check("+18764521234", DestinationClass::International, 250_000, "Jamaica");
    check("+37125123456", DestinationClass::International, 75_000, "Latvia mobile");
    check("+37190012345", DestinationClass::InternationalPremium, 2_200_000, "Latvia premium rate");
    check("+881612345678", DestinationClass::Satellite, 3_600_000, "Iridium");
    check(
        "+979123456789",
        DestinationClass::InternationalPremium,
        3_500_000,
        "International premium rate",
    );
}

/// No mobile of Jersey, Guernsey or Man may be sold at the price of a British one.
#[test]
fn the_demo_deck_knows_the_islands() {
    let deck = demo_deck();
    let numbering = Numbering::new(&NumberingConfig::default()).unwrap();
    let mut islands = 0;
    for block in 70_000..80_000_u64 {
        let number = E164::try_from(440_000_000_000 + block * 100_000 + 23_456).unwrap();
        let destination = numbering.classify_e164(Region::GB, number);
        if destination.class == DestinationClass::International {
            islands += 1;
            let row = deck.lookup(number, UnixMicros(0)).unwrap();
            assert!(row.rate.per_minute >= Money::from_cents(12), "{number} as {}", row.name);
        }
    }
    assert!(islands > 50, "{islands}");
}

#[test]
fn shows_what_an_import_would_change() {
    let old = read(
        "prefix,name,per_minute,connect_fee,increment,effective\n\
         1,same,1,0,1,2026-01-01\n2,dearer,1,0,1,2026-01-01\n3,cheaper,1,0,1,2026-01-01\n\
         4,dearer fee,1,0,1,2026-01-01\n5,cheaper fee,1,2,1,2026-01-01\n6,mixed,1,1,1,2026-01-01\n\
         7,by minute,1,0,1,2026-01-01\n8,old name,1,0,1,2026-01-01\n9,gone,1,0,1,2026-01-01\n\
         2,was older,9,0,1,2025-01-01\n",
    );
    let new = read(
        "prefix,name,per_minute,connect_fee,increment,effective\n\
         1,same,1,0,1,2026-02-01\n2,dearer,2,0,1,2026-02-01\n3,cheaper,0.5,0,1,2026-02-01\n\
         4,dearer fee,1,1,1,2026-02-01\n5,cheaper fee,1,1,1,2026-02-01\n6,mixed,2,0,1,2026-02-01\n\
         7,by minute,1,0,60,2026-02-01\n8,new name,1,0,1,2026-02-01\n10,came,1,0,1,2026-02-01\n",
    );
    let report = diff(&old, &new);
    let prefixes = |changes: &[rating::DeckChange]| {
        changes.iter().map(|change| change.prefix.clone()).collect::<Vec<_>>()
    };
    assert_eq!(prefixes(&report.added), ["10"]);
    assert_eq!(prefixes(&report.removed), ["9"]);
    assert_eq!(prefixes(&report.dearer), ["2", "4"]);
    assert_eq!(prefixes(&report.cheaper), ["3", "5"]);
    assert_eq!(prefixes(&report.changed), ["6", "7", "8"]);
    assert_eq!(report.unchanged, 1);
    let dearer = &report.dearer[0];
    let per_minute = |row: &Option<RateRow>| row.as_ref().map(|row| row.rate.per_minute);
    assert_eq!(per_minute(&dearer.old), Some(Money::from_units(1)));
    assert_eq!(per_minute(&dearer.new), Some(Money::from_units(2)));
    assert_eq!((&report.added[0].old, &report.removed[0].new), (&None, &None));
    assert_eq!(diff(&old, &old).unchanged, 9);
    assert_eq!(diff(&[], &old).added.len(), 9);
}

proptest! {
    /// Whatever a file holds, it is a deck or a list of errors that stand within the file.
    #[test]
    fn a_file_is_a_deck_or_errors(
        file in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "(prefix|rate|name|increment|effective|x|\"|,|;|\t|\n|\r|[0-9]|/|\u{e9}){0,60}"
                .prop_map(String::into_bytes),
            "prefix,rate,increments,effective,name\n([+0-9]{0,4},[0-9.-]{0,5},[0-9/]{0,4},(2026-01-0[0-9])?,[a\"\n]{0,3}\r?\n){0,8}"
                .prop_map(String::into_bytes),
        ],
    ) {
        let lines = file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64 + 1;
        match import(&file, &ImportDefaults::default()) {
            Ok(imported) => {
                prop_assert!(!imported.rows.is_empty());
                prop_assert!(RateDeck::from_rows(DeckId(1), imported.rows).is_ok());
            }
            Err(error) => {
                prop_assert!(!error.errors.is_empty());
                let mut last = 0;
                for RowError { row, .. } in &error.errors {
                    prop_assert!(*row >= last.max(1) && *row <= lines, "line {} of {}", row, lines);
                    last = *row;
                }
            }
        }
    }
}
