//! Changes by staff and operator. Lives here: from what was asked (names, single settings) to the
//! engine's commands (ids, whole records). Never here: how a change travels, what the engine allows.
//!
//! A change is planned and carried out in one go in the thread that has the engine: the node's, when
//! one runs, and the command's own, when none does.

mod access;
mod account;
mod ban;
mod controls;
mod deck;
mod line;
mod number;
mod trunk;

use anyhow::{Context, bail};
use engine::{AccountEntry, BanOrder, Command, Engine, ForeignLogIn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use types::account::Ha1;
use types::{
    AccountId, AccountStatus, By, Controls, DecisionId, DeckId, DeviceId, DialPlan, E164, Line,
    LineId, LineKind, LineStatus, RateRow, Trunk, TrunkId, UnixMicros,
};

pub use account::SETTINGS as ACCOUNT_SETTINGS;
pub use ban::{Lift, read as read_source};
pub use trunk::{
    SETTINGS as TRUNK_SETTINGS, format as read_number_format, route as read_route,
    transport as read_transport,
};

/// A change, as asked. Things are named as people name them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A new account.
    AddAccount(Box<NewAccount>),
    /// Some settings of an account.
    SetAccount {
        /// Id or name.
        account: String,
        /// Names and values.
        settings: Vec<(String, String)>,
        /// Who wants it so.
        wish: Wish,
    },
    /// Controls back to what they were.
    SetControls {
        /// Id or name.
        account: String,
        /// What they shall be.
        settings: Vec<types::Setting>,
        /// Who wants it so.
        wish: Wish,
    },
    /// What staff say to a request.
    JudgeRequest {
        /// Its number.
        request: u32,
        /// Is it to be carried out?
        approve: bool,
        /// Who says so, why, and until when.
        wish: Wish,
    },
    /// What an account may do at all.
    SetStatus {
        /// Id or name.
        account: String,
        /// The status.
        status: AccountStatus,
        /// Who wants it so, and why.
        wish: Wish,
    },
    /// New lines; accounts that are missing are made from the template, if there is one.
    AddLines {
        /// The lines.
        lines: Vec<NewLine>,
        /// For accounts that are missing.
        template: Option<Box<NewAccount>>,
    },
    /// Some things about a line.
    SetLine {
        /// User name.
        user: String,
        /// What.
        settings: Vec<LineSetting>,
        /// For a line that becomes SIP2SIM: who consented to its secret being given away, and how.
        consent: Option<String>,
        /// Who wants it so.
        by: By,
    },
    /// A new secret of a line.
    SetSecret {
        /// User name.
        user: String,
        /// Its verifiers.
        ha1: Ha1,
        /// For whom the one before keeps working.
        overlap: Option<OverlapFor>,
    },
    /// Secrets are written again, so that they are sealed with the newest key.
    Reseal {
        /// Of these lines.
        lines: Vec<LineId>,
        /// Of these trunks.
        trunks: Vec<TrunkId>,
    },
    /// A number of ours.
    AddNumber {
        /// The number.
        number: E164,
        /// Id or name.
        account: String,
        /// User name of the line that rings; none: all lines.
        line: Option<String>,
    },
    /// A number that is no longer ours.
    RemoveNumber(E164),
    /// A new trunk; its id is chosen here.
    AddTrunk {
        /// The trunk, but for id and deck.
        trunk: Box<Trunk>,
        /// Name or id of the deck that it charges by.
        cost_deck: Option<String>,
    },
    /// Some settings of a trunk.
    SetTrunk {
        /// Id or name.
        trunk: String,
        /// Names and values.
        settings: Vec<(String, String)>,
    },
    /// All rows of a deck.
    ImportDeck {
        /// Its name; a new one is made.
        name: String,
        /// The rows.
        rows: Vec<RateRow>,
    },
    /// Hang up.
    Cut(DecisionId),
    /// Whose a device is.
    JudgeDevice {
        /// Which.
        device: DeviceId,
        /// Is it the holder's?
        is_mine: bool,
    },
    /// Lock-outs that end before their time.
    LiftLockOuts {
        /// As `access locks` shows one; or a user name, or an address: all of it.
        what: String,
    },
    /// Log-ins that failed elsewhere.
    NoteLogIns(Vec<ForeignLogIn>),
    /// Read nothing from a source.
    Ban(Box<BanOrder>),
    /// Lift a ban.
    LiftBan(Lift),
}

/// Who wants controls to be otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wish {
    /// Who.
    pub by: By,
    /// Why, for the account's history; may be empty.
    pub why: String,
    /// Until when, as it was typed: see `until`.
    pub until: Option<String>,
}

/// A new account, before it has an id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewAccount {
    /// What people call it.
    pub name: String,
    /// What bounds its loss.
    pub controls: Controls,
    /// How its people dial.
    pub dial_plan: DialPlan,
    /// Name or id of the deck it is charged by; none: the only one there is.
    pub deck: Option<String>,
    /// IANA name.
    pub time_zone: String,
}

/// A new line, before it has an id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewLine {
    /// Id or name of its account.
    pub account: String,
    /// User name, canonical.
    pub user: String,
    /// Verifiers of its secret.
    pub ha1: Ha1,
    /// Number shown.
    pub caller_id: Option<E164>,
    /// What sits at its end.
    pub kind: LineKind,
    /// Networks from which it may be used.
    pub ip_lock: Vec<ipnet::IpNet>,
    /// For a SIP2SIM line: who consented to its secret being given away, and how.
    pub consent: Option<String>,
    /// What is kept in its history: an exception.
    pub note: Option<String>,
}

impl NewLine {
    /// A phone's line with nothing special about it.
    pub fn phone(account: String, user: String, ha1: Ha1) -> NewLine {
        let (kind, ip_lock) = (LineKind::Phone, Vec::new());
        NewLine { account, user, ha1, caller_id: None, kind, ip_lock, consent: None, note: None }
    }
}

/// How long phones may go on with the secret before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OverlapFor {
    /// From now on.
    pub ms: u64,
    /// Which devices.
    pub devices: Vec<DeviceId>,
}

/// One thing about a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineSetting {
    /// May it be used?
    Status(LineStatus),
    /// What sits at its end.
    Kind(LineKind),
    /// May it be used by TLS and WSS only?
    TlsOnly(bool),
    /// Is MD5 refused?
    Sha256Only(bool),
    /// Number shown.
    CallerId(Option<E164>),
    /// Networks from which it may be used.
    IpLock(Vec<ipnet::IpNet>),
}

/// What is to be done for a change: all of it, or nothing.
pub struct Plan {
    /// In order; one transaction.
    pub commands: Vec<Command>,
    /// Said when it is done.
    pub answer: Answer,
}

/// What is said of a change that was carried out.
pub struct Answer(Value);

impl Answer {
    /// The answer in full: in `message` what was done, where the plan has no words of its own.
    pub fn with(mut self, message: String) -> Value {
        if let Some(object) = self.0.as_object_mut() {
            object.entry("message").or_insert(Value::String(message));
        }
        self.0
    }
}

impl Plan {
    fn one(command: Command, answer: Value) -> Plan {
        Plan { commands: vec![command], answer: Answer(answer) }
    }
}

/// From what was asked to what is to be done. The engine's own records are changed, not the
/// database's: while the store is down the database does not know of the last changes.
pub fn plan(change: Change, now: UnixMicros, engine: &Engine) -> anyhow::Result<Plan> {
    match change {
        Change::AddAccount(new) => account::add(*new, engine),
        Change::SetAccount { account, settings, wish } => {
            account::set(&account, &settings, wish, now, engine)
        }
        Change::SetControls { account, settings, wish } => {
            controls::set(find_account(engine, &account)?, settings, wish, now, engine)
        }
        Change::JudgeRequest { request, approve, wish } => {
            controls::judge(request, approve, wish, now, engine)
        }
        Change::SetStatus { account, status, wish } => {
            let account = find_account(engine, &account)?;
            let settings = vec![types::Setting::Status(status)];
            let mut plan = controls::set(account, settings, wish, now, engine)?;
            plan.answer.0["status"] = json!(status);
            Ok(plan)
        }
        Change::AddLines { lines, template } => line::add(lines, template, engine),
        Change::SetLine { user, settings, consent, by } => {
            line::set(&user, settings, consent, by, engine)
        }
        Change::SetSecret { user, ha1, overlap } => {
            line::set_secret(&user, ha1, overlap, now, engine)
        }
        Change::Reseal { lines, trunks } => {
            Ok(Plan::one(Command::Reseal(lines, trunks), json!({})))
        }
        Change::AddNumber { number, account, line } => {
            number::add(number, &account, line.as_deref(), engine)
        }
        Change::RemoveNumber(number) => {
            let answer = json!({ "number": number.to_string() });
            Ok(Plan::one(Command::RemoveNumber(number), answer))
        }
        Change::AddTrunk { trunk, cost_deck } => trunk::add(*trunk, cost_deck, engine),
        Change::SetTrunk { trunk, settings } => trunk::set(&trunk, &settings, engine),
        Change::ImportDeck { name, rows } => deck::import(name, rows, engine),
        Change::JudgeDevice { device, is_mine } => Ok(access::judge(device, is_mine)),
        Change::LiftLockOuts { what } => access::lift(&what, engine),
        Change::NoteLogIns(tries) => Ok(Plan::one(Command::NoteLogIns(tries), json!({}))),
        Change::Ban(order) => {
            let answer = json!({ "source": order.source, "until": order.until });
            Ok(Plan::one(Command::Ban(order), answer))
        }
        Change::LiftBan(lift) => ban::lift(&lift, engine),
        Change::Cut(decision) => {
            let answer = json!({ "decision": decision.to_string() });
            Ok(Plan::one(Command::Cut(decision), answer))
        }
    }
}

/// The account of this id or name.
pub fn find_account<'e>(engine: &'e Engine, text: &str) -> anyhow::Result<&'e AccountEntry> {
    let by_id = text.parse().ok().and_then(|id| engine.account(AccountId(id)));
    by_id.or_else(|| engine.account_by_name(text)).with_context(|| no_account(text))
}

/// What is said when there is no such account.
pub fn no_account(text: &str) -> String {
    format!("there is no account `{text}`; `ringfence account list` shows all")
}

/// The line of this user name.
pub fn find_line<'e>(engine: &'e Engine, text: &str) -> anyhow::Result<&'e Line> {
    let user = canonical_user(text)?;
    let found = engine.any_line_by_user(&user);
    found.with_context(|| format!("there is no line `{text}`; `ringfence line list` shows all"))
}

/// The trunk of this id or name.
fn find_trunk<'e>(engine: &'e Engine, text: &str) -> anyhow::Result<&'e Trunk> {
    let by_name = engine.trunks().find(|trunk| trunk.name == text);
    let by_id = || engine.trunks().find(|trunk| trunk.id.to_string() == text);
    let found = by_name.or_else(by_id);
    found.with_context(|| format!("there is no trunk `{text}`; `ringfence trunk list` shows all"))
}

/// The deck of this name or id.
pub fn pick_deck<'a>(
    decks: impl Iterator<Item = (DeckId, &'a str)> + Clone,
    text: &str,
) -> anyhow::Result<DeckId> {
    let by_name = decks.clone().find(|(_, name)| *name == text);
    let found = by_name.or_else(|| decks.clone().find(|(id, _)| id.to_string() == text));
    found.map(|(id, _)| id).with_context(|| {
        format!(
            "there is no rate deck `{text}`; `ringfence rates import FILE --deck {text}` makes it"
        )
    })
}

/// The deck of this name, or the only one.
pub fn pick_deck_or_only<'a>(
    mut decks: impl Iterator<Item = (DeckId, &'a str)> + Clone,
    text: Option<&str>,
) -> anyhow::Result<DeckId> {
    if let Some(text) = text {
        return pick_deck(decks, text);
    }
    let names: Vec<&str> = decks.clone().map(|(_, name)| name).collect();
    match (decks.next(), names.len()) {
        (Some((only, _)), 1) => Ok(only),
        (None, _) => {
            bail!("there is no rate deck yet; `ringfence rates import FILE --deck NAME` makes one")
        }
        _ => bail!("there are several rate decks; say which with --deck: {}", names.join(", ")),
    }
}

/// A user name in its one form, or what is wrong with it.
pub fn canonical_user(text: &str) -> anyhow::Result<String> {
    let user = sip::digest::canonical_user(text).with_context(|| {
        format!(
            "`{}` is not a SIP user name: expected 1 to 64 of a-z 0-9 . _ -",
            text.escape_debug()
        )
    })?;
    Ok(user.as_str().to_owned())
}

/// A name of an account, a trunk or a deck that people can tell from an id and print.
pub fn check_name(kind: &str, name: &str) -> anyhow::Result<()> {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        bail!(
            "`{}` cannot be the name of {kind}: expected 1 to 100 characters",
            name.escape_debug()
        );
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("`{name}` cannot be the name of {kind}: it would be mistaken for a number");
    }
    Ok(())
}

/// The id after the highest.
fn next_id(ids: impl Iterator<Item = u32>) -> u32 {
    ids.max().unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use engine::EngineConfig;
    use types::account::Ha1;
    use types::record::Deck;
    use types::{HashKey, Line, Money, Now, Snapshot, Tick};

    use super::*;

    const NOW: Now = Now { tick: Tick(0), wall: UnixMicros(1_795_435_200_000_000) };

    /// An engine that nobody writes for: what a node is while its store is down.
    fn engine() -> Engine {
        let account = types::Account {
            id: AccountId(1),
            name: "alice".to_owned(),
            status: AccountStatus::Active,
            controls: Controls::residential(),
            dial_plan: DialPlan::default(),
            sell_deck: DeckId(1),
            time_zone: "Europe/London".to_owned(),
        };
        let closed = types::Account {
            id: AccountId(7),
            status: AccountStatus::Closed,
            name: "gone".to_owned(),
            ..account.clone()
        };
        let line = Line::new(LineId(4), AccountId(1), "desk".to_owned(), ha1(), UnixMicros(0));
        let snapshot = Snapshot {
            accounts: vec![account, closed],
            lines: vec![line],
            decks: vec![Deck { id: DeckId(1), name: "retail".to_owned(), rows: Vec::new() }],
            ..Snapshot::default()
        };
        Engine::new(EngineConfig::new(HashKey(1, 2)), &snapshot, NOW).expect("a good snapshot")
    }

    fn ha1() -> Ha1 {
        sip::digest::ha1("desk", "example.com", "sesame")
    }

    fn carry_out(engine: &mut Engine, change: Change) -> Value {
        let plan = plan(change, NOW.wall, engine).expect("a good change");
        let done = engine.commands(NOW, plan.commands).expect("good commands");
        plan.answer.with(done.message)
    }

    fn wish() -> Wish {
        Wish { by: By::STAFF, why: String::new(), until: None }
    }

    fn set(name: &str, value: &str) -> Change {
        let settings = vec![(name.to_owned(), value.to_owned())];
        Change::SetAccount { account: "alice".to_owned(), settings, wish: wish() }
    }

    fn set_line(setting: LineSetting) -> Change {
        Change::SetLine {
            user: "desk".to_owned(),
            settings: vec![setting],
            consent: None,
            by: By::STAFF,
        }
    }

    fn new_account(name: &str) -> NewAccount {
        NewAccount {
            name: name.to_owned(),
            controls: Controls::residential(),
            dial_plan: DialPlan::default(),
            deck: Some("retail".to_owned()),
            time_zone: "Europe/London".to_owned(),
        }
    }

    fn new_line(account: &str, user: &str) -> NewLine {
        NewLine::phone(account.to_owned(), user.to_owned(), ha1())
    }

    #[test]
    fn a_change_does_not_undo_the_one_before_it() {
        let mut engine = engine();
        carry_out(&mut engine, set("stop_level_24h", "5"));
        let status = AccountStatus::Frozen;
        carry_out(&mut engine, Change::SetStatus { account: "1".to_owned(), status, wish: wish() });
        carry_out(&mut engine, set("calls", "4"));
        let account = engine.account(AccountId(1)).expect("it is there");
        assert_eq!(account.controls.stop_level_24h, Money::from_units(5));
        assert_eq!((account.controls.calls, account.status), (4, AccountStatus::Frozen));
        carry_out(&mut engine, set_line(LineSetting::Status(LineStatus::Disabled)));
        carry_out(&mut engine, set_line(LineSetting::CallerId(None)));
        assert_eq!(engine.line(LineId(4)).map(|line| line.status), Some(LineStatus::Disabled));
    }

    #[test]
    fn a_holder_who_asks_for_much_makes_a_request_that_staff_judge() {
        let mut engine = engine();
        let holder = Wish { by: By::Holder { proof: types::Proof::Fresh }, ..wish() };
        let settings = |value: &str| vec![("stop_level_24h".to_owned(), value.to_owned())];
        let ask = |value: &str, wish: Wish| {
            let settings = settings(value);
            Change::SetAccount { account: "alice".to_owned(), settings, wish }
        };
        let answer =
            carry_out(&mut engine, ask("40", Wish { until: Some("2h".into()), ..holder.clone() }));
        assert_eq!(answer["changes"][0]["risk"], "riskier");
        assert_eq!(answer["changes"][0]["outcome"], "done");
        assert_eq!(answer["until"], "2026-11-23T14:00:00.000Z");
        let answer = carry_out(&mut engine, ask("500", holder.clone()));
        assert_eq!(answer["changes"][0]["outcome"], "asked");
        assert_eq!(
            answer["message"],
            "account 1: asked of staff in request 1: stop_level_24h 40.00 to 500.00 (riskier)"
        );
        let judge = |request, wish| Change::JudgeRequest { request, approve: true, wish };
        let why = Wish { why: "known for years".to_owned(), ..wish() };
        let error = plan(judge(7, why.clone()), NOW.wall, &engine).err().expect("there is none");
        assert_eq!(
            error.to_string(),
            "there is no request 7 that waits; `ringfence request list` shows those there are"
        );
        let answer = carry_out(&mut engine, judge(1, why));
        assert_eq!(
            answer["message"],
            "account 1: request 1 approved: stop_level_24h 40.00 to 500.00 (riskier)"
        );
        let level = engine.account(AccountId(1)).map(|account| account.controls.stop_level_24h);
        assert_eq!(level, Some(Money::from_units(500)));
        let other = Change::SetAccount {
            account: "alice".to_owned(),
            settings: vec![("name".to_owned(), "al".to_owned())],
            wish: holder,
        };
        let error = plan(other, NOW.wall, &engine).err().expect("staff's business");
        assert_eq!(
            error.to_string(),
            "a holder changes controls only; name, deck, dial plan and time zone are the business of staff"
        );
    }

    #[test]
    fn no_two_things_get_one_id() {
        let mut engine = engine();
        let add = |name: &str| Change::AddAccount(Box::new(new_account(name)));
        // Not that of a closed account, either.
        assert_eq!(carry_out(&mut engine, add("bob"))["id"], 8);
        assert_eq!(carry_out(&mut engine, add("carol"))["id"], 9);
        for (user, id) in [("one", 5), ("two", 6)] {
            let lines = vec![new_line("bob", user)];
            let answer = carry_out(&mut engine, Change::AddLines { lines, template: None });
            assert_eq!(answer["lines"][0]["id"], id);
        }
        for (name, id) in [("a", 2), ("b", 3)] {
            let import = Change::ImportDeck { name: name.to_owned(), rows: Vec::new() };
            assert_eq!(carry_out(&mut engine, import)["id"], id);
        }
        let taken =
            plan(add("gone"), NOW.wall, &engine).err().expect("the name is taken").to_string();
        assert_eq!(taken, "account 7 has the name `gone` already");
    }

    #[test]
    fn lines_are_added_together_or_not_at_all() {
        fn check(lines: &[(&str, &str)], want: Result<&str, &str>) {
            let mut engine = engine();
            let before = (engine.accounts().count(), engine.lines().count());
            let lines: Vec<_> =
                lines.iter().map(|(account, user)| new_line(account, user)).collect();
            let template = Some(Box::new(new_account("as")));
            let planned = plan(Change::AddLines { lines, template }, NOW.wall, &engine);
            let done = planned.and_then(|plan| {
                let done = engine.commands(NOW, plan.commands)?;
                Ok(plan.answer.with(done.message))
            });
            match (done, want) {
                (Ok(answer), Ok(want)) => assert_eq!(answer["message"], want),
                (Err(error), Err(want)) => {
                    assert_eq!(error.to_string(), want);
                    assert_eq!((engine.accounts().count(), engine.lines().count()), before);
                }
                (got, want) => panic!("{:?}, not {want:?}", got.map_err(|error| error.to_string())),
            }
        }
        check(&[("alice", "a"), ("bob", "b"), ("bob", "c")], Ok("3 lines added, 1 accounts made"));
        check(&[("bob", "b"), ("bob", "b")], Err("there is a line `b` already"));
        check(&[("bob", "b"), ("alice", "desk")], Err("there is a line `desk` already"));
        // What only the engine knows to be wrong undoes what went before it, too.
        check(&[("bob", "b"), ("carol", "C")], Err("user: `C`: expected 1 to 64 of a-z 0-9 . _ -"));
    }
}
