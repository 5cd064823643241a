//! What there is: accounts, lines, numbers, trunks, prices, and those who move in. Never here: what happens.

use types::{Controls, Money, Record, TrunkRoute, TrunkTransport, UnixMicros};

use super::words::{count, duration, e164, money};
use super::{Plan, PlannedLine};
use crate::actor::Actor;
use crate::seeds;
use crate::town;
use crate::world::World;

impl Plan {
    /// One line before the first `at`.
    pub(super) fn add(&mut self, at: usize, words: &[&str]) -> Result<(), String> {
        match words {
            ["start", day, time] => self.start(day, time),
            ["session-timer", time] => {
                self.session_expires_s = (duration(time)? / 1_000_000) as u32;
                Ok(())
            }
            ["account", name, rest @ ..] => self.add_account(name, rest),
            ["line", user, "of", account, rest @ ..] => self.add_line(user, account, rest),
            ["number", number, "of", account, rest @ ..] => {
                let account = self.account(account)?;
                let line = match rest {
                    [] => None,
                    ["for", user] => Some(self.line(user)?),
                    _ => return Err("expected: number +… of ACCOUNT [for USER]".to_owned()),
                };
                let digits = e164(number)?.digits();
                self.numbers.push(town::number(&digits, account, line));
                Ok(())
            }
            ["trunk", id, rest @ ..] => self.add_trunk(id, rest),
            ["price", prefix, rest @ ..] => self.add_price(prefix, rest, UnixMicros(0)),
            ["thief", "with", user, "calls", number, times, "times", "after", when] => {
                let thief =
                    ((*user).to_owned(), (*number).to_owned(), count(times)?, duration(when)?);
                self.thieves.push(thief);
                Ok(())
            }
            _ => {
                self.manners.push((at, words.iter().map(|word| (*word).to_owned()).collect()));
                Ok(())
            }
        }
    }

    fn start(&mut self, day: &str, time: &str) -> Result<(), String> {
        if let Ok(at) = format!("{day}T{time}:00Z").parse::<jiff::Timestamp>() {
            self.start = UnixMicros(at.as_microsecond());
            return Ok(());
        }
        let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let day = days.iter().position(|name| *name == day).ok_or(format!("`{day}` is no day"))?;
        let (hours, minutes) = time.split_once(':').ok_or(format!("`{time}` is no time of day"))?;
        let minutes = count::<i64>(hours)? * 60 + count::<i64>(minutes)?;
        // 2026-03-02 is a Monday.
        self.start = UnixMicros::from_seconds(1_772_409_600 + day as i64 * 86_400 + minutes * 60);
        Ok(())
    }

    fn add_account(&mut self, name: &str, rest: &[&str]) -> Result<(), String> {
        let (mut controls, mut zone) = (Controls::residential(), None);
        for pair in rest.chunks(2) {
            let [what, value] = pair else { return Err(format!("`{}` needs a value", pair[0])) };
            match *what {
                "time-zone" => zone = Some((*value).to_owned()),
                what => set_control(&mut controls, what, value)?,
            }
        }
        let id = self.accounts.len() as u32 + 1;
        let mut account = town::account(id, name, controls);
        account.time_zone = zone.unwrap_or(account.time_zone);
        self.accounts.push(account);
        Ok(())
    }

    fn add_line(&mut self, user: &str, account: &str, rest: &[&str]) -> Result<(), String> {
        let mut line = PlannedLine {
            user: user.to_owned(),
            account: self.account(account)?,
            tcp: false,
            caller_id: None,
            phone: true,
        };
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match *word {
                "tcp" => line.tcp = true,
                "without-phone" => line.phone = false,
                "shows" => line.caller_id = Some(e164(rest.next().ok_or("shows what?")?)?),
                other => return Err(format!("`{other}`: expected tcp, without-phone or shows +…")),
            }
        }
        self.lines.push(line);
        Ok(())
    }

    fn add_trunk(&mut self, id: &str, rest: &[&str]) -> Result<(), String> {
        let id: u32 = count(id)?;
        let mut trunk = town::trunk(id, id as u16, TrunkTransport::Udp);
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match *word {
                "tcp" => trunk.transport = TrunkTransport::Tcp,
                "without-emergency" => trunk.emergency = false,
                "only" => {
                    let prefix = (*rest.next().ok_or("only which prefix?")?).to_owned();
                    trunk.routes = vec![TrunkRoute { prefix, priority: id as u16 }];
                }
                other => {
                    return Err(format!(
                        "`{other}`: expected tcp, without-emergency or only PREFIX"
                    ));
                }
            }
        }
        self.trunks.push((id, trunk.transport));
        self.records.push(Record::Trunk(Box::new(trunk)));
        Ok(())
    }

    /// Changes the sell deck before the world begins.
    fn add_price(
        &mut self,
        prefix: &str,
        rest: &[&str],
        effective: UnixMicros,
    ) -> Result<(), String> {
        let price = match rest {
            ["sold", price] => Some(money(price)?),
            ["unknown"] => None,
            _ => {
                return Err(
                    "expected: price PREFIX sold AMOUNT, or price PREFIX unknown".to_owned()
                );
            }
        };
        self.decks[0] = super::steps::repriced(&self.decks[0], prefix, price, effective);
        Ok(())
    }
}

pub(super) fn set_control(controls: &mut Controls, what: &str, value: &str) -> Result<(), String> {
    match what {
        "stop-level" => {
            controls.stop_level_24h = money(value)?;
            controls.stop_level_off_hours = None;
        }
        "stop-level-1h" => controls.stop_level_1h = Some(money(value)?),
        "stop-level-7d" => controls.stop_level_7d = Some(money(value)?),
        "stop-level-off-hours" => controls.stop_level_off_hours = Some(money(value)?),
        "stop-level-all" => controls.stop_level_all_24h = money(value)?,
        "warning-level" => controls.warning_level = money(value)?,
        "price-cap-international" => controls.price_cap_international = money(value)?,
        "price-cap-national" => controls.price_cap_national = money(value)?,
        "connect-fee-cap" => controls.connect_fee_cap = money(value)?,
        "costly-calls" => controls.costly_calls = count(value)?,
        "calls" => controls.calls = count(value)?,
        "hotspot-calls" => controls.hotspot_calls = count(value)?,
        "ip-lock" => {
            controls.ip_lock.push(value.parse().map_err(|error| format!("`{value}`: {error}"))?);
        }
        "allow" => {
            controls.barred =
                controls.barred.without(value.parse().map_err(|error| format!("{error}"))?);
        }
        "bar" => {
            controls.barred =
                controls.barred.with(value.parse().map_err(|error| format!("{error}"))?)
        }
        "bar-hours" => {
            controls.barred_hours = value.parse().map_err(|error| format!("{error}"))?;
        }
        "bar-country" => controls
            .barred_countries
            .push(value.parse().map_err(|error| format!("`{value}`: {error}"))?),
        other => return Err(format!("`{other}` is no control of an account")),
    }
    if controls.stop_level_24h > Money::from_units(1_000_000) {
        return Err("no account spends that much".to_owned());
    }
    Ok(())
}

/// Phones, carriers and thieves take their places.
pub(super) fn move_in(world: &mut World, plan: &Plan) {
    for (id, transport) in &plan.trunks {
        seeds::add_carrier(world, *id, *transport, None);
    }
    for (at, line) in plan.lines.iter().enumerate() {
        let transport =
            if line.tcp { sip::flow::Transport::Tcp } else { sip::flow::Transport::Udp };
        let id = at as u32 + 1;
        let start = if line.phone { u64::from(id) * 100_000 } else { u64::MAX };
        let mut phone = seeds::new_phone(world, id, &line.user, transport, start);
        phone.manner = Some(crate::customers::Manner::Ignore);
        world.add(Actor::Phone(Box::new(phone)));
    }
    for (user, number, times, when) in &plan.thieves {
        seeds::add_racer(world, user, &[number], *times, *when);
    }
}
