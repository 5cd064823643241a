//! `account`. Lives here: its subcommands. Never here: what settings do.

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use store::{FactFilter, Reader};
use types::{
    Account, AccountRaises, AccountStatus, By, Controls, DialPlan, Proof, Raise, Setting, fact_text,
};

use super::dial_plan::DialPlanArgs;
use super::lookup::find_account;
use super::office::{ask, change};
use super::output::Table;
use super::request::staff;
use super::standing;
use super::when::moment;
use super::{Context, at_risk};
use crate::change::{Change, NewAccount, Wish};
use crate::config::{Config, controls};
use crate::shell::clock::system_wall;
use crate::shell::control::Request;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add an account
    Add(AddArgs),
    /// List accounts
    #[command(after_help = "Example:\n  ringfence account list --json")]
    List,
    /// One account: its settings and what it has used
    #[command(after_help = "Example:\n  ringfence account show alice")]
    Show {
        /// Name or number
        account: String,
        /// The controls that stood then: 2026-11-22T08:00:00Z, or ago: 30m, 2h, 7d
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// The most that it can lose: now, tonight, this weekend
    #[command(after_help = at_risk::RISK_HELP)]
    Risk {
        /// Name or number
        account: String,
    },
    /// Levels that fit what it has spent in the last month
    #[command(after_help = at_risk::SUGGEST_HELP)]
    Suggest {
        /// Name or number
        account: String,
    },
    /// What was changed and noticed, newest first
    #[command(after_help = "Examples:
  ringfence account history alice --limit 5
  ringfence account history alice --controls     every set of controls that stood, since when, by whom")]
    History {
        /// Name or number
        account: String,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Each status and set of controls that stood, and of its lines what bounds their use
        #[arg(long)]
        controls: bool,
    },
    /// Change settings
    #[command(after_help = settings_help())]
    Set {
        /// Name or number
        account: String,
        /// What to change
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
        #[command(flatten)]
        wish: WishArgs,
    },
    /// Set the controls back to what stood before the last change
    #[command(after_help = "Example:\n  ringfence account undo alice --why 'wrong account'")]
    Undo {
        /// Name or number
        account: String,
        #[command(flatten)]
        wish: WishArgs,
    },
    /// Lift every restriction
    #[command(after_help = status_help("activate 7 --reason 'spoke to the holder, new password set'"))]
    Activate(StatusArgs),
    /// One costly call at a time, ten minutes each
    #[command(after_help = status_help("watch alice --reason 'two calls to Latvia at night'"))]
    Watch(StatusArgs),
    /// Stop outgoing calls, as the holder asked
    #[command(after_help = status_help("freeze alice"))]
    Freeze(StatusArgs),
    /// Bar costly classes and cut costly calls until staff recorded a contact
    #[command(after_help = status_help("limit alice --reason 'stop level reached'"))]
    Limit(StatusArgs),
    /// Bar all outgoing calls and cut them
    #[command(after_help = status_help("suspend 'Bakery Ltd' --reason 'PBX is hacked'"))]
    Suspend(StatusArgs),
    /// End the account
    #[command(after_help = status_help("close alice --reason 'moved to another provider'"))]
    Close(StatusArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence account add alice --deck retail
  ringfence account add 'Bakery Ltd' --kind pbx --home DE --time-zone Europe/Berlin --outside-line 0")]
pub struct AddArgs {
    /// What people call it
    name: String,
    #[command(flatten)]
    form: AccountForm,
}

/// What a new account is like.
#[derive(Clone, Debug, clap::Args)]
pub struct AccountForm {
    /// Which defaults
    #[arg(long, value_enum, default_value_t = Kind::Residential)]
    kind: Kind,
    /// Rate deck it is charged by; not needed while there is only one
    #[arg(long)]
    deck: Option<String>,
    /// Its time zone, for off hours
    #[arg(long, default_value = "Europe/London", value_name = "ZONE")]
    time_zone: String,
    #[command(flatten)]
    dial_plan: DialPlanArgs,
    /// Digit for an outside line
    #[arg(long, value_name = "DIGIT", value_parser = one_digit)]
    outside_line: Option<char>,
    /// Area code put before local numbers
    #[arg(long, value_name = "DIGITS")]
    area_code: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A household
    Residential,
    /// A local PBX: more calls at once
    Pbx,
}

fn status_help(example: &str) -> String {
    format!(
        "Example:\n  ringfence account {example}\n\n\
         Emergency calls, calls to support and incoming calls work in every state but closed.\n\
         While the node runs it holds at once: calls that the state bars are cut."
    )
}

/// Who wants it, why, and for how long.
#[derive(Debug, clap::Args)]
pub struct WishArgs {
    /// The holder wants it and has shown who he is: above his ceiling it becomes a request
    #[arg(long)]
    by_holder: bool,
    /// End of a raise: 18:00 at the account's place, 2026-11-30T18:00:00Z, or so long: 30m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why, for the account's history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    why: String,
}

impl WishArgs {
    fn wish(self) -> Wish {
        let holder = By::Holder { proof: Proof::Fresh };
        let by = if self.by_holder { holder } else { staff() };
        Wish { by, why: self.why, until: self.until }
    }
}

#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Name or number
    account: String,
    /// Why, for the account's history
    #[arg(long)]
    reason: Option<String>,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let status = |args: StatusArgs, status: AccountStatus| {
        let answer = change(
            &config,
            Change::SetStatus {
                account: args.account,
                status,
                wish: Wish { by: staff(), why: args.reason.unwrap_or_default(), until: None },
            },
        )?;
        context.output.done(&answer)
    };
    match command {
        Command::Add(args) => {
            let new = args.form.account(args.name, &config);
            let answer = change(&config, Change::AddAccount(Box::new(new)))?;
            context.output.done(&answer)
        }
        Command::List => list(&config, context),
        Command::Show { account, at: Some(at) } => show_at(&account, &at, &config, context),
        Command::Show { account, at: None } => show(&account, &config, context),
        Command::Risk { account } => at_risk::risk(&account, &config, context),
        Command::Suggest { account } => at_risk::suggest(&account, &config, context),
        Command::History { account, limit, controls: true } => {
            standing::history(&account, limit, &config, context)
        }
        Command::History { account, limit, .. } => history(&account, limit, &config, context),
        Command::Set { account, settings, wish } => {
            let wish = wish.wish();
            let answer = change(&config, Change::SetAccount { account, settings, wish })?;
            context.output.done(&answer)
        }
        Command::Undo { account, wish } => undo(account, wish.wish(), &config, context),
        Command::Activate(args) => status(args, AccountStatus::Active),
        Command::Watch(args) => status(args, AccountStatus::Watched),
        Command::Freeze(args) => status(args, AccountStatus::Frozen),
        Command::Limit(args) => status(args, AccountStatus::Limited),
        Command::Suspend(args) => status(args, AccountStatus::Suspended),
        Command::Close(args) => status(args, AccountStatus::Closed),
    }
}

impl AccountForm {
    /// The new account as this form says.
    pub fn account(&self, name: String, config: &Config) -> NewAccount {
        NewAccount {
            name,
            controls: match self.kind {
                Kind::Residential => config.residential.clone(),
                Kind::Pbx => config.pbx.clone(),
            },
            dial_plan: DialPlan {
                outside_line: self.outside_line,
                area_code: self.area_code.clone(),
                ..self.dial_plan.plan(config)
            },
            deck: self.deck.clone(),
            time_zone: self.time_zone.clone(),
        }
    }
}

fn list(config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let accounts = reader.accounts()?;
    let decks = reader.decks()?;
    let mut table = Table::new(
        &[">id", "name", "status", "home", "deck", ">stop 24h", ">off hours", ">calls", ">costly"],
        "no accounts yet; `ringfence account add NAME` adds one",
    );
    for account in &accounts {
        let deck = decks.iter().find(|deck| deck.id == account.sell_deck);
        let off_hours = account.controls.stop_level_off_hours;
        table.row(vec![
            account.id.to_string(),
            account.name.clone(),
            account.status.to_string(),
            account.dial_plan.home.to_string(),
            deck.map_or_else(|| account.sell_deck.to_string(), |deck| deck.name.clone()),
            account.controls.stop_level_24h.to_string(),
            off_hours.map_or_else(|| "none".to_owned(), |level| level.to_string()),
            account.controls.calls.to_string(),
            account.controls.costly_calls.to_string(),
        ]);
    }
    context.output.list(&table, accounts.iter().map(view))
}

/// An account as JSON: amounts as decimal texts.
fn view(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "status": account.status,
        "controls": controls_view(&account.controls),
        "dial_plan": account.dial_plan,
        "deck": account.sell_deck,
        "reseller": account.reseller,
        "time_zone": account.time_zone,
        "billing_day": account.billing_day,
    })
}

pub fn controls_view(controls: &Controls) -> Value {
    let one = |key: &controls::ControlKey| (key.name.to_owned(), (key.show)(controls).to_json());
    Value::Object(controls::CONTROL_KEYS.iter().map(one).collect())
}

fn show(text: &str, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = find_account(&reader, text)?;
    let lines = reader.lines(Some(account.id))?;
    let numbers = reader.numbers(Some(account.id))?;
    let usage = ask(config, &Request::Usage(account.id))?.filter(|usage| !usage.is_null());
    let mut value = view(&account);
    value["raises"] = reader.raises(account.id)?.map_or_else(|| json!([]), |one| raises_view(&one));
    value["unbilled"] = reader.unbilled(account.id)?.to_string().into();
    value["lines"] = lines.iter().map(|line| line.user.clone()).collect();
    value["numbers"] = numbers.iter().map(|number| number.number.to_string()).collect();
    if let Some(Value::Object(usage)) = usage {
        value.as_object_mut().context("an account is an object")?.extend(usage);
    }
    context.output.one(&sheet(&value, &config.currency), &value)
}

/// Each setting that is raised until a time, and what stands again when its last raise is over.
fn raises_view(state: &AccountRaises) -> Value {
    let after = |setting: &Setting| {
        state.beneath.iter().find(|one| one.name() == setting.name()).map(ToString::to_string)
    };
    let one = |raise: &Raise| {
        json!({
            "setting": raise.to.name(),
            "to": raise.to.to_string(),
            "until": raise.until.to_string(),
            "then": after(&raise.to),
        })
    };
    state.raises.iter().map(one).collect()
}

/// What stood for an account at a time.
fn show_at(text: &str, at: &str, config: &Config, context: &Context) -> anyhow::Result<()> {
    let at = moment(at, system_wall()).map_err(anyhow::Error::msg)?;
    let reader = open_to_read(config)?;
    let account = find_account(&reader, text)?;
    let stood = reader.controls_at(account.id, at)?;
    let stood = stood.with_context(|| format!("nothing is known of account {text} at {at}"))?;
    let told = standing::sheet(&account.name, &stood).join("\n");
    context.output.one(&super::output::printable_lines(&told), &standing::view(&stood))
}

/// Sets the controls back to the newest set that is another than now.
fn undo(text: String, wish: Wish, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = find_account(&reader, &text)?;
    let history = reader.account_history(account.id, u32::MAX)?;
    let before = history.iter().find(|stood| stood.controls != account.controls);
    let before =
        before.with_context(|| format!("the controls of account {text} were never changed"))?;
    let changes =
        engine::changes((account.status, &account.controls), (account.status, &before.controls));
    drop(reader);
    let settings = changes.into_iter().map(|change| change.to).collect();
    let answer = change(config, Change::SetControls { account: text, settings, wish })?;
    context.output.done(&answer)
}

/// An account as people read it.
fn sheet(value: &Value, currency: &str) -> String {
    let text = |name: &str| plain(&value[name]);
    let mut lines = vec![
        format!("account {}: {}, {}", value["id"], text("name"), text("status")),
        format!("  un-billed      {} {currency}", text("unbilled")),
    ];
    if value.get("held").is_some() {
        let costly = &value["costly_calls"];
        lines.push(format!("  running        {} {currency}", text("running")));
        lines.push(format!("  held           {} {currency}", text("held")));
        lines.push(format!(
            "  costly spent   {} in 1 h, {} in 24 h, {} in 7 days",
            text("spent_1h"),
            text("spent_24h"),
            text("spent_7d")
        ));
        lines.push(format!("  calls now      {}, costly {costly}", value["live_calls"]));
        lines.push(format!(
            "  still possible {} costly, {} in all",
            text("headroom_costly"),
            text("headroom")
        ));
    } else {
        lines.push("  the node is not running: live usage is not known".to_owned());
    }
    lines.push(format!("  lines          {}", text("lines")));
    lines.push(format!("  numbers        {}", text("numbers")));
    lines.push(format!("  time zone      {}", text("time_zone")));
    lines.push(format!("  billing day    {}", text("billing_day")));
    lines.push("controls".to_owned());
    for key in controls::CONTROL_KEYS {
        let shown = plain(&value["controls"][key.name]);
        lines.push(format!("  {:<24} {:<28} {}", key.name, shown, key.help));
    }
    let raises = value["raises"].as_array().map_or(&[][..], Vec::as_slice);
    lines.extend((!raises.is_empty()).then(|| "raised for a time".to_owned()));
    for raise in raises {
        let [name, to, until, then] =
            ["setting", "to", "until", "then"].map(|key| plain(&raise[key]));
        lines.push(format!("  {name:<24} {to} until {until}, then {then}"));
    }
    lines.iter().map(|line| super::output::printable(line)).collect::<Vec<_>>().join("\n")
}

fn history(text: &str, limit: u32, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = find_account(&reader, text)?;
    let filter = FactFilter { account: Some(account.id), limit, ..FactFilter::default() };
    let facts = reader.facts(&filter)?;
    let mut table = Table::new(&["at", "what"], "nothing yet");
    for fact in &facts {
        table.row(vec![fact.at.to_string(), fact_text(&fact.fact, &config.currency)]);
    }
    let values = facts.iter().map(|fact| {
        let mut value = json!(fact.fact);
        value["seq"] = fact.seq.into();
        value["at"] = fact.at.to_string().into();
        value
    });
    context.output.list(&table, values)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

fn settings_help() -> String {
    let mut help = "Examples:
  ringfence account set alice stop_level_24h=5 ip_lock=192.0.2.0/24,2001:db8::/32
  ringfence account set 7 stop_level_off_hours=none barred=premium,satellite
  ringfence account set alice stop_level_24h=40 --until 18:00 --why 'conference day'
  ringfence account set alice price_cap_international=0.30 --by-holder

What is safer holds at once, for live calls too. A raise may have an end; then what stood before stands again.

Settings:\n"
        .to_owned();
    let controls = controls::CONTROL_KEYS.iter().map(|key| (key.name, key.help));
    for (name, what) in crate::change::ACCOUNT_SETTINGS.iter().copied().chain(controls) {
        help.push_str(&format!("  {name:<24} {what}\n"));
    }
    help
}

/// Reads `NAME=VALUE`.
pub fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "expected SETTING=VALUE, like stop_level_24h=5".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn one_digit(text: &str) -> Result<char, String> {
    match text.as_bytes() {
        [digit] if digit.is_ascii_digit() => Ok(char::from(*digit)),
        _ => Err("expected one digit".to_owned()),
    }
}
