//! P3: one INVITE, many spellings. Lives here: an INVITE with good credentials is spelled in other ways or spoiled;
//! either the carrier gets the very INVITE of the plain spelling, or the caller gets 400 and the carrier nothing.
//! Never here: what the parser makes of single messages (the SIP crate's own tests).

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use sip::stream::{Frame, Framer};

use crate::calls::{HOME, carrier};
use crate::town::*;
use crate::ua::Ua;
use crate::wire::Got;
use crate::world::World;

/// What an attacker would like to be read by one side only.
const EVIL: &str = "sip:+449098790000@ringfence.test";

/// Other ways to say the same (RFC 3261 §7.3.1, §7.3.3, §25.1). Numbers choose lines and places.
#[derive(Clone, Debug)]
enum Spelling {
    OddCase(usize),
    Compact(usize),
    BlankBeforeColon(usize, String),
    BlankAfterColon(usize, String),
    BlankAtEnd(usize, String),
    /// Where linear white space may stand, a folded line does.
    Fold(usize, usize, String),
    Unknown(usize, String, String),
}

/// What no two readers agree on: it must be refused.
#[derive(Clone, Debug)]
enum Fault {
    /// A header that there may be one of stands there twice, perhaps with another value, perhaps compact.
    Twice(usize, bool, bool),
    TwoLengths(u32),
    Nul(usize, usize),
    NulInName(usize, usize),
    LineFeed(usize, usize),
    CarriageReturn(usize, usize),
    FoldBeforeColon(usize),
    NoColon(usize),
    BlankInName(usize, usize),
    LengthBeyond(u32),
    LengthOdd(&'static str),
}

/// Headers of which there may be one, with another value for each.
const SINGLE: &[(&str, &str)] = &[
    ("From", "<sip:bob1@ringfence.test>;tag=evil"),
    ("To", "<sip:+449098790000@ringfence.test>"),
    ("Call-ID", "evil@evil"),
    ("CSeq", "77 INVITE"),
    ("Max-Forwards", "3"),
    ("Content-Type", "text/plain"),
    ("Content-Length", "4"),
];

const COMPACT: &[(&str, &str)] = &[
    ("Via", "v"),
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("Contact", "m"),
    ("Content-Type", "c"),
    ("Content-Length", "l"),
];

fn compact(name: &str) -> Option<&'static str> {
    COMPACT.iter().find(|(long, _)| *long == name).map(|(_, short)| *short)
}

/// A message taken apart, so that it can be spelled otherwise.
#[derive(Clone)]
struct Spelled {
    start: String,
    lines: Vec<Line>,
    body: String,
}

#[derive(Clone)]
struct Line {
    /// As it is known, whatever is written.
    known: String,
    name: String,
    colon: String,
    value: String,
}

impl Spelled {
    fn of(text: &str) -> Spelled {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap().to_owned();
        let line = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            let (known, name) = (name.to_owned(), name.to_owned());
            Line { known, name, colon: ": ".to_owned(), value: value.to_owned() }
        };
        Spelled { start, lines: lines.map(line).collect(), body: body.to_owned() }
    }

    fn text(&self) -> String {
        let line = |line: &Line| format!("{}{}{}\r\n", line.name, line.colon, line.value);
        let lines: String = self.lines.iter().map(line).collect();
        format!("{}\r\n{lines}\r\n{}", self.start, self.body)
    }

    fn line(&mut self, at: usize) -> &mut Line {
        let count = self.lines.len();
        &mut self.lines[at % count]
    }

    fn named(&mut self, name: &str) -> usize {
        self.lines.iter().position(|line| line.known == name).unwrap()
    }

    fn spell(&mut self, spelling: &Spelling) {
        match spelling {
            Spelling::OddCase(at) => {
                let name = &mut self.line(*at).name;
                let odd = name.char_indices().map(|(at, c)| match at % 2 {
                    0 => c.to_ascii_lowercase(),
                    _ => c.to_ascii_uppercase(),
                });
                *name = odd.collect();
            }
            Spelling::Compact(at) => {
                let line = self.line(*at);
                line.name = compact(&line.known).map_or(line.name.clone(), str::to_owned);
            }
            Spelling::BlankBeforeColon(at, blank) => {
                let colon = &mut self.line(*at).colon;
                colon.insert_str(0, blank);
            }
            Spelling::BlankAfterColon(at, blank) => self.line(*at).colon.push_str(blank),
            Spelling::BlankAtEnd(at, blank) => self.line(*at).value.push_str(blank),
            Spelling::Fold(at, place, fold) => {
                let line = self.line(*at);
                let places = foldable(line);
                if let Some(place) = (!places.is_empty()).then(|| places[place % places.len()]) {
                    line.value.insert_str(place, fold);
                }
            }
            Spelling::Unknown(at, name, value) => {
                let name = format!("X-{name}");
                let line =
                    Line { known: name.clone(), name, colon: ": ".into(), value: value.into() };
                let at = at % (self.lines.len() + 1);
                self.lines.insert(at, line);
            }
        }
    }

    fn spoil(&mut self, fault: &Fault) {
        match fault {
            Fault::Twice(which, other, short) => {
                let (name, value) = SINGLE[which % SINGLE.len()];
                let at = self.named(name);
                let mut line = self.lines[at].clone();
                if *other {
                    value.clone_into(&mut line.value);
                }
                if *short {
                    line.name = compact(name).unwrap_or(name).to_owned();
                }
                self.lines.insert(at + usize::from(which % 2 == 0), line);
            }
            Fault::TwoLengths(length) => {
                let at = self.named("Content-Length");
                let line = Line { value: length.to_string(), ..self.lines[at].clone() };
                self.lines.insert(at, line);
            }
            Fault::Nul(at, place) => insert(&mut self.line(*at).value, *place, "\0"),
            Fault::NulInName(at, place) => insert(&mut self.line(*at).name, *place, "\0"),
            Fault::LineFeed(at, place) => {
                let evil = format!("\nTo: <{EVIL}>\nX: ");
                insert(&mut self.line(*at).value, *place, &evil);
            }
            Fault::CarriageReturn(at, place) => {
                insert(&mut self.line(*at).value, *place, "\rTo: x")
            }
            Fault::FoldBeforeColon(at) => self.line(*at).colon = "\r\n : ".to_owned(),
            Fault::NoColon(at) => self.line(*at).colon = " ".to_owned(),
            Fault::BlankInName(at, place) => {
                let name = &mut self.line(*at).name;
                name.push('x');
                let place = 1 + place % (name.len() - 1);
                name.insert(place, ' ');
            }
            Fault::LengthBeyond(more) => {
                let length = self.body.len() as u32 + 1 + more;
                let at = self.named("Content-Length");
                self.lines[at].value = length.to_string();
            }
            Fault::LengthOdd(odd) => {
                let at = self.named("Content-Length");
                (*odd).clone_into(&mut self.lines[at].value);
            }
        }
    }
}

/// Places of a value where white space may stand: where some does, and around the separators of parameters.
fn foldable(line: &Line) -> Vec<usize> {
    let mut places = Vec::new();
    let (mut quoted, mut inside) = (false, false);
    let has_parameters = ["Via", "From", "To", "Contact", "Proxy-Authorization"];
    for (at, c) in line.value.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => inside = true,
            '>' if !quoted => inside = false,
            // Another fold right behind a fold would be the empty line that ends the header.
            ' ' if !quoted && !inside && !line.value[..at].ends_with('\n') => places.push(at),
            ';' | ',' | '=' if !quoted && !inside && has_parameters.contains(&&*line.known) => {
                places.extend([at, at + 1]);
            }
            _ => {}
        }
    }
    places
}

fn insert(text: &mut String, place: usize, what: &str) {
    let place = place % (text.len() + 1);
    let place = text.floor_char_boundary(place);
    text.insert_str(place, what);
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof!["[ \t]{1,4}", Just("\r\n ".to_owned()), Just(" \r\n\t".to_owned())]
}

fn spelling() -> impl Strategy<Value = Spelling> {
    let at = || 0_usize..64;
    let fold = prop_oneof![Just("\r\n "), Just("\r\n\t"), Just(" \r\n  "), Just("  ")];
    prop_oneof![
        at().prop_map(Spelling::OddCase),
        at().prop_map(Spelling::Compact),
        (at(), "[ \t]{1,3}").prop_map(|(at, blank)| Spelling::BlankBeforeColon(at, blank)),
        (at(), blank()).prop_map(|(at, blank)| Spelling::BlankAfterColon(at, blank)),
        (at(), "[ \t]{1,3}").prop_map(|(at, blank)| Spelling::BlankAtEnd(at, blank)),
        (at(), at(), fold).prop_map(|(at, place, f)| Spelling::Fold(at, place, f.to_owned())),
        (at(), "[A-Za-z][A-Za-z0-9-]{0,9}", "[ -\\[\\]-~é]{0,20}(\r\n [!-~]{1,9}: [!-~]{1,9})?")
            .prop_map(|(at, name, value)| Spelling::Unknown(at, name, value)),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let at = || 0_usize..64;
    prop_oneof![
        (at(), any::<bool>(), any::<bool>()).prop_map(|(at, o, s)| Fault::Twice(at, o, s)),
        (0_u32..400).prop_map(Fault::TwoLengths),
        (at(), at()).prop_map(|(at, place)| Fault::Nul(at, place)),
        (at(), at()).prop_map(|(at, place)| Fault::NulInName(at, place)),
        (at(), at()).prop_map(|(at, place)| Fault::LineFeed(at, place)),
        (at(), at()).prop_map(|(at, place)| Fault::CarriageReturn(at, place)),
        at().prop_map(Fault::FoldBeforeColon),
        at().prop_map(Fault::NoColon),
        (at(), at()).prop_map(|(at, place)| Fault::BlankInName(at, place)),
        (0_u32..400).prop_map(Fault::LengthBeyond),
        prop_oneof![
            Just("-1"),
            Just("0x10"),
            Just("4294967297"),
            Just(""),
            Just("10 10"),
            Just("+5")
        ]
        .prop_map(Fault::LengthOdd),
    ]
}

/// What came of an INVITE.
struct Outcome {
    told: Vec<Got>,
    carried: Vec<Got>,
    /// The connection could not be read on: the shell answers and closes.
    broken: bool,
}

/// Alice's INVITE with good credentials, spelled anew by `spell`, over UDP or in pieces over TCP.
fn place(tcp: bool, pieces: usize, spell: impl FnOnce(&mut Spelled)) -> Outcome {
    let world = World::new();
    let phone = if tcp { world.tcp_ua(HOME, ALICE) } else { world.ua(HOME, ALICE) };
    let mut request = phone.invite_request(FIXED);
    phone.send_request(&request);
    let challenge = phone.expect(407);
    phone.send(&phone.ack_of_refusal(&request, &challenge));
    request.credentials = phone.credentials(&challenge, "INVITE", &request.uri, 1);
    request.cseq += 1;
    request.branch = phone.branch();
    let mut spelled = Spelled::of(&phone.text(&request));
    spell(&mut spelled);
    let text = spelled.text();
    let broken =
        if tcp { !stream(&phone, text.as_bytes(), pieces) } else { datagram(&phone, &text) };
    Outcome { told: world.inbox(&phone.flow), carried: world.inbox(&carrier(&world).flow), broken }
}

fn datagram(phone: &Ua, text: &str) -> bool {
    phone.send(text);
    false
}

/// Sends bytes as they come out of a connection; can it be read on?
fn stream(phone: &Ua, bytes: &[u8], pieces: usize) -> bool {
    let mut framer = Framer::new();
    for piece in bytes.chunks(pieces) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(message))) => phone.world.receive(phone.flow, message),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return false,
            }
        }
    }
    true
}

fn texts(got: &[Got]) -> Vec<String> {
    got.iter().map(Got::text).collect()
}

/// Said otherwise, it is the same call, to the byte.
fn is_the_same(tcp: bool, pieces: usize, spellings: &[Spelling]) -> TestCaseResult {
    let plain = place(tcp, 70_000, |_| {});
    prop_assert_eq!(plain.carried.len(), 1, "{:?}", texts(&plain.told));
    let other = place(tcp, pieces, |text| spellings.iter().for_each(|s| text.spell(s)));
    prop_assert_eq!(texts(&other.carried), texts(&plain.carried), "{:?}", texts(&other.told));
    prop_assert!(!other.broken);
    for (other, plain) in other.told.iter().zip(&plain.told) {
        prop_assert_eq!(other.status, plain.status);
        for name in ["From", "To", "Call-ID", "CSeq"] {
            let squeezed = |got: &Got| got.header(name).replace(['\r', '\n', '\t', ' '], "");
            prop_assert_eq!(squeezed(other), squeezed(plain));
        }
    }
    Ok(())
}

/// Spoiled, it is nobody's call.
fn is_refused(tcp: bool, pieces: usize, spellings: &[Spelling], fault: &Fault) -> TestCaseResult {
    let mut spelled = String::new();
    let outcome = place(tcp, pieces, |text| {
        spellings.iter().for_each(|spelling| text.spell(spelling));
        text.spoil(fault);
        spelled = text.text().replace('\t', " ");
    });
    prop_assert_eq!(texts(&outcome.carried), Vec::<String>::new());
    let statuses: Vec<u16> = outcome.told.iter().map(|got| got.status).collect();
    // What hurts the very lines that an answer is made of, or folds them, is dropped; on a stream the
    // shell answers, or more bytes have to come.
    let can_answer = matches!(
        fault,
        Fault::Twice(..) | Fault::TwoLengths(_) | Fault::LengthBeyond(_) | Fault::LengthOdd(_)
    );
    let may_be_silent = statuses.is_empty() && (tcp || !can_answer || spelled.contains("\r\n "));
    prop_assert!(may_be_silent || outcome.broken || statuses == [400], "{:?}", statuses);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn other_spellings_are_the_same_call(
        spellings in proptest::collection::vec(spelling(), 1..8),
        pieces in prop_oneof![1_usize..40, 500_usize..2_000],
    ) {
        is_the_same(false, pieces, &spellings)?;
        is_the_same(true, pieces, &spellings)?;
    }

    #[test]
    fn spoiled_ones_are_nobodys_call(
        spellings in proptest::collection::vec(spelling(), 0..4),
        fault in fault(),
        pieces in prop_oneof![1_usize..40, 500_usize..2_000],
    ) {
        is_refused(false, pieces, &spellings, &fault)?;
        is_refused(true, pieces, &spellings, &fault)?;
    }
}
