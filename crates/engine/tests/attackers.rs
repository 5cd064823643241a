//! "The most you can lose" against attackers drawn at random: none gets more, and the best of them comes
//! within the half of it. Lives here: attackers who do nothing but spend. Never here: the bound itself.
//!
//! A debug build draws few, the release build of `cargo xtask test --tier release` some thousands, `cargo xtask soak`
//! a hundred thousand: as many as `RINGFENCE_ATTACKERS` says.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::net::{IpAddr, Ipv4Addr};

use engine::{
    Attempt, CallOrder, Caller, Command, Ended, Engine, EngineConfig, Extension, Horizon,
    MostAtRisk, Verdict,
};
use types::account::Ha1;
use types::cdr::{HangupCause, LegRecord};
use types::record::{Deck, Spending};
use types::{
    Account, AccountId, AccountStatus, ClassSet, Controls, DecisionId, DeckId, DialPlan, Dice,
    HangupSide, HashKey, Line, LineId, Money, Now, Rate, RateRow, Record, Snapshot, Tick, Trunk,
    TrunkId, TrunkNumberFormat, TrunkRoute, TrunkTransport, UnixMicros,
};

const ACCOUNT: AccountId = AccountId(1);
const LINE: LineId = LineId(1);
const DECK: DeckId = DeckId(1);
/// Cheap, and costly.
const NUMBERS: [&str; 2] = ["02079460123", "0033142345678"];
const ZONES: [&str; 4] =
    ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];
/// Seconds since 1970.
const BAD_MOMENTS: [i64; 8] = [
    1_792_890_000, // 2026-10-25 01:00: London falls back
    1_806_195_600, // 2027-03-28 01:00: London springs forward
    1_793_512_800, // 2026-11-01 06:00: New York falls back
    1_805_007_600, // 2027-03-14 07:00: New York springs forward
    1_798_761_600, // 2027-01-01 00:00
    1_796_083_200, // 2026-12-01 00:00
    1_803_859_200, // 2027-03-01 00:00
    1_796_410_800, // Friday 2026-12-04 19:00
];
const HOUR_MS: u64 = 3_600_000;

/// What an attacker does.
struct Habits {
    /// Which numbers he calls: cheap ones, costly ones, or both in turn.
    numbers: Vec<usize>,
    /// How long he talks; `None`: until he is cut.
    talk_ms: Option<u64>,
    /// How long he waits when he is refused.
    wait_ms: u64,
    /// How late the node wakes up, and hangs up.
    late_ms: u64,
}

/// A call in progress.
struct Live {
    decision: DecisionId,
    costly: bool,
    /// When he hangs up himself.
    until: Tick,
}

struct Attack {
    engine: Engine,
    now: Now,
    habits: Habits,
    turn: usize,
    live: Vec<Live>,
    lost_costly: Money,
    lost: Money,
}

impl Attack {
    /// A holder with controls, prices and a past of his own, and an attacker with habits.
    fn draw(seed: u64) -> Attack {
        let mut dice = Dice::simulated(seed, 7);
        let start = match dice.chance(500) {
            true => BAD_MOMENTS[dice.below(8) as usize] - dice.below(12 * 3_600) as i64 + 3_600,
            false => BAD_MOMENTS[0] + dice.below(180 * 86_400) as i64,
        };
        let wall = UnixMicros(start * 1_000_000 + dice.below(1_000_000) as i64);
        let now = Now { tick: Tick(1_000_000), wall };
        let controls = controls(&mut dice);
        let snapshot = Snapshot {
            spending: past(&mut dice, &controls, wall),
            decks: vec![deck(&mut dice, &controls)],
            accounts: vec![Account {
                id: ACCOUNT,
                name: "holder".into(),
                status: AccountStatus::Active,
                controls,
                dial_plan: DialPlan::default(),
                sell_deck: DECK,
                reseller: None,
                billing_day: 1,
                time_zone: ZONES[dice.below(4) as usize].into(),
            }],
            lines: vec![line()],
            trunks: vec![trunk()],
            newest: wall,
            ..Snapshot::default()
        };
        let habits = Habits {
            numbers: [vec![0], vec![1], vec![0, 1], vec![1]][dice.below(4) as usize].clone(),
            talk_ms: [Some(1), Some(1_000 + dice.below(600_000)), None, None]
                [dice.below(4) as usize],
            wait_ms: 60_000 + dice.below(HOUR_MS),
            late_ms: if dice.chance(500) { 0 } else { dice.below(1_000) },
        };
        let mut config = EngineConfig::new(HashKey(3, 5));
        // Longer slices let more attackers be drawn in the same time.
        config.slice_ms = if dice.chance(200) { 30_000 } else { 240_000 };
        let engine = Engine::new(config, &snapshot, now).unwrap();
        let nothing = Money::ZERO;
        Attack {
            engine,
            now,
            habits,
            turn: 0,
            live: Vec::new(),
            lost_costly: nothing,
            lost: nothing,
        }
    }

    fn bound(&self, horizon: Horizon) -> MostAtRisk {
        let all = self.engine.most_at_risk(self.now, ACCOUNT).unwrap();
        all.into_iter().find(|most| most.horizon == horizon).unwrap()
    }

    /// Places as many calls as are let through; all are answered at once.
    fn place_calls(&mut self) {
        loop {
            let number = self.habits.numbers[self.turn % self.habits.numbers.len()];
            self.turn += 1;
            let attempt = Attempt {
                from: Caller::Line(LINE),
                device: None,
                dialled: NUMBERS[number],
                claimed_caller: None,
                peer: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
            };
            let Verdict::Admit(admission) = self.engine.admit(self.now, attempt) else {
                if self.turn.is_multiple_of(self.habits.numbers.len()) {
                    return;
                }
                continue;
            };
            let decision = admission.decision();
            drop(admission.into_route());
            self.engine.answered(self.now, decision);
            let until = self.habits.talk_ms.map_or(Tick::NEVER, |ms| self.now.tick.plus_ms(ms));
            self.live.push(Live { decision, costly: number == 1, until });
        }
    }

    fn hang_up(&mut self, decision: DecisionId, cause: HangupCause) {
        let at = self.live.iter().position(|live| live.decision == decision).unwrap();
        let costly = self.live.swap_remove(at).costly;
        let ended = Ended {
            cause,
            status: 200,
            side: HangupSide::Caller,
            a_leg: LegRecord::default(),
            b_leg: LegRecord::default(),
            trunk: None,
            lost_after: None,
            finding: None,
        };
        let records = self.engine.end(self.now, decision, ended);
        let price = records.iter().find_map(|record| match record {
            Record::Cdr(cdr) => Some(cdr.price),
            _ => None,
        });
        let price = price.unwrap();
        self.lost = self.lost.checked_add(price).unwrap();
        if costly {
            self.lost_costly = self.lost_costly.checked_add(price).unwrap();
        }
    }

    fn pass_to(&mut self, tick: Tick) {
        let us = tick.0.saturating_sub(self.now.tick.0);
        let wall = UnixMicros(self.now.wall.0 + us as i64);
        self.now = Now { tick: Tick(self.now.tick.0 + us), wall };
    }

    /// What is due by now: slices, cuts, his own hang-ups.
    fn catch_up(&mut self) {
        for order in self.engine.handle_timeout(self.now) {
            match order {
                CallOrder::Extend(decision) => {
                    if self.engine.extend(self.now, decision) == Extension::Granted {
                        self.engine.extension_stored(self.now, decision);
                    }
                }
                CallOrder::Cut(decision, cause) => self.hang_up(decision, cause),
            }
        }
        let over = self.live.iter().filter(|live| live.until <= self.now.tick);
        let over: Vec<DecisionId> = over.map(|live| live.decision).collect();
        over.into_iter().for_each(|decision| self.hang_up(decision, HangupCause::Normal));
    }

    /// Spends until then; what calls have cost at that moment is lost too.
    fn spend_until(&mut self, until: UnixMicros) {
        let end = Tick(self.now.tick.0 + (until.0 - self.now.wall.0) as u64);
        let mut next_try = self.now.tick;
        while self.now.tick < end {
            if self.now.tick >= next_try {
                self.place_calls();
                next_try = self.now.tick.plus_ms(match self.live.is_empty() {
                    // Nobody is admitted: he comes back when something has left a window.
                    true => self.habits.wait_ms,
                    false => self.habits.talk_ms.unwrap_or(30_000).max(1_000),
                });
            }
            let own = self.live.iter().map(|live| live.until).min().unwrap_or(Tick::NEVER);
            let due = self.engine.next_timeout().unwrap_or(Tick::NEVER);
            let due = Tick(due.0.saturating_add(self.habits.late_ms * 1_000));
            self.pass_to(due.min(own).min(next_try).min(end).max(Tick(self.now.tick.0 + 1)));
            self.catch_up();
        }
        self.stop();
    }

    fn stop(&mut self) {
        let live: Vec<DecisionId> = self.live.iter().map(|live| live.decision).collect();
        live.into_iter().for_each(|decision| self.hang_up(decision, HangupCause::Cut));
    }
}

/// How many are drawn.
fn attackers() -> u64 {
    let usual = if cfg!(debug_assertions) { 200 } else { 10_000 };
    std::env::var("RINGFENCE_ATTACKERS").map_or(usual, |count| count.parse().unwrap())
}

fn money(dice: &mut Dice, from: i64, to: i64) -> Money {
    Money::from_cents(from + dice.below((to - from) as u64) as i64)
}

fn maybe(dice: &mut Dice, per_mille: u64, from: i64, to: i64) -> Option<Money> {
    dice.chance(per_mille).then(|| money(dice, from, to))
}

fn controls(dice: &mut Dice) -> Controls {
    let calls = 1 + dice.below(12) as u16;
    Controls {
        barred: ClassSet::EMPTY,
        price_cap_national: money(dice, 5, 40),
        price_cap_international: money(dice, 5, 100),
        connect_fee_cap: money(dice, 1, 30),
        costly_calls: 1 + dice.below(u64::from(calls)) as u16,
        calls,
        stop_level_1h: maybe(dice, 300, 200, 1_500),
        stop_level_24h: money(dice, 500, 5_000),
        stop_level_7d: maybe(dice, 300, 1_000, 20_000),
        stop_level_off_hours: maybe(dice, 600, 200, 2_000),
        stop_level_all_24h: money(dice, 500, 10_000),
        hotspot_calls: 1_000,
        ..Controls::residential()
    }
}

/// Prices at their caps or below, in the increments that carriers use.
fn deck(dice: &mut Dice, controls: &Controls) -> Deck {
    let share = |money: Money, dice: &mut Dice| {
        let part = if dice.chance(500) { 1_000 } else { 300 + dice.below(700) as i64 };
        Money::from_micros(money.micros() * part / 1_000)
    };
    let mut row = |prefix: &str, cap: Money| {
        let (first_increment_s, increment_s) =
            [(1, 1), (60, 60), (30, 6), (60, 1)][dice.below(4) as usize];
        RateRow {
            prefix: prefix.into(),
            name: prefix.into(),
            rate: Rate {
                connect_fee: if dice.chance(300) { controls.connect_fee_cap } else { Money::ZERO },
                per_minute: share(cap, dice),
                minimum_s: 0,
                first_increment_s,
                increment_s,
            },
            effective: UnixMicros(0),
        }
    };
    let rows =
        vec![row("44", controls.price_cap_national), row("33", controls.price_cap_international)];
    Deck { id: DECK, name: "deck".into(), rows }
}

/// What the holder has spent in the week before, as he likes.
fn past(dice: &mut Dice, controls: &Controls, wall: UnixMicros) -> Vec<Spending> {
    let levels = [controls.stop_level_24h, Money::from_cents(50)];
    let count = [0, 0, 3, 30][dice.below(4) as usize];
    let spending = (0..count).map(|_| {
        let most = levels[dice.below(2) as usize].micros() as u64;
        Spending {
            account: ACCOUNT,
            at: UnixMicros(wall.0 - dice.below(8 * 86_400_000_000) as i64),
            amount: Money::from_micros(dice.below(most) as i64),
            costly: dice.chance(500),
        }
    });
    spending.collect()
}

fn line() -> Line {
    let ha1 = Ha1 { md5: [1; 16], sha256: [2; 32] };
    Line::new(LINE, ACCOUNT, "stolen".into(), ha1, UnixMicros(0))
}

fn trunk() -> Trunk {
    Trunk {
        id: TrunkId(1),
        name: "carrier".into(),
        address: ([192, 0, 2, 1], 5060).into(),
        transport: TrunkTransport::Udp,
        host: "carrier.example".into(),
        auth: None,
        sources: Vec::new(),
        routes: vec![TrunkRoute { prefix: String::new(), priority: 10 }],
        cost_deck: None,
        number_format: TrunkNumberFormat::E164Plus,
        dial_plan: DialPlan::default(),
        emergency: false,
        enabled: true,
    }
}

/// How near to the bound the best came, in percent.
#[derive(Default)]
struct Best {
    costly: i64,
    all: i64,
}

impl Best {
    fn judge(&mut self, seed: u64, attack: &Attack, bound: &MostAtRisk) {
        let (costly, all) = (attack.lost_costly, attack.lost);
        assert!(
            costly <= bound.most.costly,
            "seed {seed}: {costly} lost by costly calls of {bound:?}"
        );
        assert!(all <= bound.most.all, "seed {seed}: {all} lost of {bound:?}");
        let share = |lost: Money, bound: Money| lost.micros() * 100 / bound.micros().max(1);
        self.costly = self.costly.max(share(costly, bound.most.costly));
        self.all = self.all.max(share(all, bound.most.all));
    }

    fn comes_near(&self, horizon: Horizon) {
        println!("{horizon:?}: {} % by costly calls, {} % by all", self.costly, self.all);
        assert!(
            self.costly >= 50 && self.all >= 50,
            "{horizon:?}: the bound is far from the worst"
        );
    }
}

#[test]
fn nobody_loses_more_until_then() {
    for (horizon, part) in [(Horizon::Tonight, 0), (Horizon::Weekend, 1)] {
        let mut best = Best::default();
        for seed in 0..attackers() {
            // Weekends are long: one in ten.
            if part == 1 && seed % 10 != 0 {
                continue;
            }
            let mut attack = Attack::draw(seed * 2 + part);
            let bound = attack.bound(horizon);
            attack.spend_until(bound.until);
            best.judge(seed, &attack, &bound);
        }
        best.comes_near(horizon);
    }
}

/// All in one moment, and the holder stops it in the same.
#[test]
fn nobody_loses_more_in_one_moment() {
    let mut best = Best::default();
    for seed in 0..attackers() {
        let mut attack = Attack::draw(seed * 2);
        let bound = attack.bound(Horizon::Now);
        attack.place_calls();
        let freeze = Command::SetStatus(ACCOUNT, AccountStatus::Frozen);
        let cut = attack.engine.command(attack.now, freeze).unwrap().cut;
        assert_eq!(cut.len(), attack.live.len(), "seed {seed}");
        attack.pass_to(attack.now.tick.plus_ms(attack.habits.late_ms));
        attack.stop();
        best.judge(seed, &attack, &bound);
    }
    // Who hangs up at once has mostly not used up what was held.
    println!("now: {} % by costly calls, {} % by all", best.costly, best.all);
    assert!(best.all >= 50, "the bound is far from the worst");
}
