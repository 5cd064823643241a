//! `request`. Lives here: what holders ask for above their ceiling, and what staff say to it. Never here: who may what.

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};
use store::Reader;
use types::{By, Changed, ControlRequest, RequestState};

use super::Context;
use super::lookup::find_account;
use super::office::change;
use super::output::{Table, printable};
use crate::change::{Change, Wish};
use crate::config::{Config, STAFF_VARIABLE};
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Requests that wait
    #[command(after_help = "Examples:
  ringfence request list
  ringfence request list --all --account alice")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
        /// Judged ones too
        #[arg(long)]
        all: bool,
    },
    /// One request: what is asked, what stood then, what stands now
    #[command(after_help = "Example:\n  ringfence request show 3")]
    Show {
        /// Its number
        request: u32,
    },
    /// Carry a request out at once
    #[command(after_help = "Example:
  ringfence request approve 3 --reason 'customer for years, trade fair' --until 2026-11-30T18:00:00Z")]
    Approve {
        /// Its number
        request: u32,
        /// Why, for the account's history
        #[arg(long)]
        reason: String,
        /// Only until then: 18:00 at the account's place, 2026-11-30T18:00:00Z, or so long: 30m, 2h, 7d
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// Refuse a request
    #[command(
        after_help = "Example:\n  ringfence request refuse 3 --reason 'could not be reached'"
    )]
    Refuse {
        /// Its number
        request: u32,
        /// Why, for the account's history
        #[arg(long)]
        reason: String,
    },
}

/// Whoever of staff types the command: `RINGFENCE_STAFF`, or his login at this machine.
pub fn staff() -> By {
    let names = [STAFF_VARIABLE, "SUDO_USER", "USER", "LOGNAME"];
    let name =
        names.iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let is_plain = |c: &char| !c.is_control();
    By::Staff { name: name.unwrap_or_default().chars().filter(is_plain).take(64).collect() }
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let judge = |request: u32, approve: bool, why: String, until: Option<String>| {
        let wish = Wish { by: staff(), why, until };
        let answer = change(&config, Change::JudgeRequest { request, approve, wish })?;
        context.output.done(&answer)
    };
    match command {
        Command::List { account, all } => list(account.as_deref(), all, &config, context),
        Command::Show { request } => show(request, &config, context),
        Command::Approve { request, reason, until } => judge(request, true, reason, until),
        Command::Refuse { request, reason } => judge(request, false, reason, None),
    }
}

fn list(
    account: Option<&str>,
    all: bool,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let mut requests = reader.control_requests(account.map(|account| account.id))?;
    requests.retain(|request| all || request.state == RequestState::Open);
    let mut table = Table::new(
        &[">request", "account", "state", "asked at", "asks for", "until", "note"],
        "no request waits",
    );
    for request in &requests {
        table.row(vec![
            request.id.to_string(),
            request.account.to_string(),
            request.state.code().to_owned(),
            request.at.to_string(),
            words(&request.asked),
            request.until.map_or_else(|| "for good".to_owned(), |until| until.to_string()),
            request.note.clone(),
        ]);
    }
    context.output.list(&table, requests.iter().map(view))
}

fn show(id: u32, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let request = reader.control_request(id)?;
    let request = request.with_context(|| {
        format!("there is no request {id}; `ringfence request list --all` shows those there are")
    })?;
    let account = reader.account(request.account)?;
    let name = account.as_ref().map_or("", |account| account.name.as_str());
    let until =
        request.until.map_or_else(|| "for good".to_owned(), |until| format!("until {until}"));
    let mut lines = vec![
        format!("request {id} of account {} ({name}): {}", request.account, request.state.code()),
        format!("  asked   {} by {}, {until}", request.at, request.by),
    ];
    if !request.note.is_empty() {
        lines.push(format!("  note    {}", request.note));
    }
    for asked in &request.asked {
        let now = account.as_ref().map(|now| asked.to.same_in(now.status, &now.controls));
        let now = now.map_or_else(String::new, |now| format!(", now {now}"));
        lines.push(format!("  {}: {} asked, was {}{now}", asked.to.name(), asked.to, asked.from));
    }
    match &request.state {
        RequestState::Open => {}
        RequestState::Approved { at, by, reason } | RequestState::Refused { at, by, reason } => {
            lines.push(format!("  {} {at} by {by}: {reason}", request.state.code()));
        }
    }
    let text = lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n");
    context.output.one(&text, &view(&request))
}

fn words(asked: &[Changed]) -> String {
    asked.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn view(request: &ControlRequest) -> Value {
    let asked = |one: &Changed| {
        json!({
            "setting": one.to.name(),
            "from": one.from.to_string(),
            "to": one.to.to_string(),
        })
    };
    let judged = match &request.state {
        RequestState::Open => Value::Null,
        RequestState::Approved { at, by, reason } | RequestState::Refused { at, by, reason } => {
            json!({ "at": at.to_string(), "by": by, "reason": reason })
        }
    };
    json!({
        "request": request.id,
        "account": request.account,
        "state": request.state.code(),
        "at": request.at.to_string(),
        "by": request.by,
        "asked": request.asked.iter().map(asked).collect::<Vec<_>>(),
        "until": request.until.map(|until| until.to_string()),
        "note": request.note,
        "judged": judged,
    })
}
