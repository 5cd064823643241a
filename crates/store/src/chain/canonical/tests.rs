//! The form of what is hashed.

use super::*;

impl Content {
    fn of(record: &impl Serialize) -> Content {
        let mut content = Content::default();
        content.add(record);
        content
    }
}

#[derive(Serialize, Default)]
struct Inner {
    text: String,
    more: Option<u32>,
}

#[derive(Serialize)]
enum Choice {
    Plain,
    Of(u8),
    Both(u8, u8),
    Named { x: u8 },
}

#[derive(Serialize)]
struct Sample {
    amount: i64,
    first: Option<String>,
    second: Option<String>,
    list: Vec<Inner>,
    choice: Choice,
    flag: bool,
}

fn sample() -> Sample {
    Sample {
        amount: 12_500,
        first: None,
        second: None,
        list: Vec::new(),
        choice: Choice::Plain,
        flag: false,
    }
}

fn texts(words: &[&str]) -> Vec<Inner> {
    words.iter().map(|word| Inner { text: (*word).to_owned(), more: None }).collect()
}

/// Each row differs from all the others, and says in which field it differs from the first.
#[test]
fn what_differs_has_other_bytes_and_is_named() {
    let some = || Some("x".to_owned());
    let rows: [(Sample, &[&str]); 13] = [
        (sample(), &[]),
        (Sample { amount: 12_501, ..sample() }, &["amount"]),
        (Sample { amount: -12_500, ..sample() }, &["amount"]),
        (Sample { first: some(), ..sample() }, &["first"]),
        (Sample { second: some(), ..sample() }, &["second"]),
        (Sample { first: Some(String::new()), ..sample() }, &["first"]),
        (Sample { list: texts(&["a", "b"]), ..sample() }, &["list"]),
        (Sample { list: texts(&["ab"]), ..sample() }, &["list"]),
        (Sample { choice: Choice::Of(1), ..sample() }, &["choice"]),
        (Sample { choice: Choice::Both(1, 0), ..sample() }, &["choice"]),
        (Sample { choice: Choice::Named { x: 1 }, ..sample() }, &["choice"]),
        (Sample { flag: true, ..sample() }, &["flag"]),
        (Sample { flag: true, first: some(), ..sample() }, &["first", "flag"]),
    ];
    let first = Content::of(&rows[0].0);
    for (at, (row, want)) in rows.iter().enumerate() {
        let content = Content::of(row);
        assert_eq!(content.fields_unlike(first.marks()), *want, "row {at}");
        for (other, (others, _)) in rows[..at].iter().enumerate() {
            assert_ne!(content.bytes(), Content::of(others).bytes(), "rows {other} and {at}");
        }
    }
}

/// A field added by a later version, which old records do not have, changes nothing.
#[test]
fn a_field_that_is_none_leaves_no_trace() {
    #[derive(Serialize)]
    struct Older {
        text: String,
    }
    let (text, more) = ("a".to_owned(), None);
    let older = Content::of(&Older { text: text.clone() });
    assert_eq!(Content::of(&Inner { text, more }).bytes(), older.bytes());
}

/// The bytes themselves, so that nobody changes them unawares: every chain ever written would break.
#[test]
fn the_form_is_what_it_was() {
    let mut content = Content::of(&Sample {
        amount: -1,
        second: Some("é".to_owned()),
        list: texts(&["a"]),
        choice: Choice::Of(2),
        ..sample()
    });
    content.field("sealed", &[1_u8, 2]);
    let hex: String = content.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let text = |text: &str| {
        let bytes: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{:02x}000000{bytes}", text.len())
    };
    let want = [
        text("amount") + "04ffffffffffffffff",
        text("second") + "05" + &text("é"),
        text("list") + "07" + "08" + &text("text") + "05" + &text("a") + "ff" + "ff",
        text("choice") + "09" + &text("Of") + "030200000000000000",
        text("flag") + "01",
        text("sealed") + "07" + "030100000000000000" + "030200000000000000" + "ff",
    ];
    assert_eq!(hex, want.concat());
    assert_eq!(content.marks().len(), 7);
}
