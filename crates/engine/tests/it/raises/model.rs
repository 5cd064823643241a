//! Random changes, raises, ends and restarts against a model that is told by what each moment means. Lives here: the model
//! and those lives. Never here: rules one by one (the parent).

use types::{By, Controls, Dice, Record, Setting, UnixMicros};

use super::{LOGGED_IN, Store, change, level, units};
use crate::world::*;

/// What was allowed by one act, until when, and what was lowered since: the meaning of it all, without its machinery.
#[derive(Clone, Copy, Debug)]
struct Grant {
    value: i64,
    made: i64,
    until: i64,
    /// A later grant for good did away with it then.
    gone: i64,
}

/// One setting. No level is the highest.
#[derive(Debug)]
struct Model {
    grants: Vec<Grant>,
    lowered: Vec<(i64, i64)>,
}

impl Model {
    fn of(value: i64) -> Model {
        let first = Grant { value, made: i64::MIN, until: i64::MAX, gone: i64::MAX };
        Model { grants: vec![first], lowered: Vec::new() }
    }

    fn at(&self, at: i64) -> i64 {
        let holds = |one: &&Grant| one.made <= at && at < one.until && at < one.gone;
        let last = self.grants.iter().rfind(holds).expect("the first has no end");
        let lowered = self.lowered.iter().filter(|(then, _)| *then > last.made && *then <= at);
        lowered.fold(last.value, |value, (_, to)| value.min(*to))
    }

    fn set(&mut self, now: i64, value: i64, until: Option<i64>) {
        if value < self.at(now) {
            self.lowered.push((now, value));
            return;
        }
        if until.is_none() {
            self.grants
                .iter_mut()
                .filter(|one| one.gone == i64::MAX)
                .for_each(|one| one.gone = now);
        }
        let until = until.unwrap_or(i64::MAX);
        self.grants.push(Grant { value, made: now, until, gone: i64::MAX });
    }
}

const NO_LEVEL: i64 = i64::MAX / 2;

fn settings([day, hour]: [i64; 2]) -> [Setting; 2] {
    let hour = (hour != NO_LEVEL).then(|| units(hour));
    [level(day), Setting::StopLevel1h(hour)]
}

fn values(controls: &Controls) -> [i64; 2] {
    let hour = controls.stop_level_1h.map_or(NO_LEVEL, |level| level.micros() / 1_000_000);
    [controls.stop_level_24h.micros() / 1_000_000, hour]
}

fn live(seed: u64) -> usize {
    let mut dice = Dice::simulated(seed, 7);
    let (mut world, mut store) = (World::new(), Store::default());
    let mut models = values(&world.controls()).map(Model::of);
    let mut ends = 0;
    for step in 0..60 {
        let told = format!("seed {seed}, step {step}");
        world.pass_ms(1_000 * (1 + dice.below(300)));
        match dice.below(8) {
            // Down over it, perhaps.
            0 => world = World::from(&store.snapshot(), world.now.wall),
            1 => drop(world.codes(LONDON)),
            2 => {}
            _ => {
                let now = world.now.wall.0;
                let which = dice.below(2) as usize;
                let before = models[which].at(now);
                let value = if which == 1 && dice.below(4) == 0 {
                    NO_LEVEL
                } else {
                    dice.below(100) as i64
                };
                let until = (value > before && dice.below(3) > 0)
                    .then(|| now + 500_000 + 1_000_000 * dice.below(900) as i64);
                let mut wished = models.each_ref().map(|model| model.at(now));
                wished[which] = value;
                let setting = settings(wished)[which].clone();
                let by = if value <= before { LOGGED_IN } else { By::STAFF };
                let done = world.ordered(change(vec![setting], by, until.map(UnixMicros)));
                store.write(done.expect(&told).records);
                if value != before {
                    models[which].set(now, value, until);
                }
            }
        }
        let done = world.timers();
        ends += done.records.iter().filter(|one| matches!(one, Record::Fact(..))).count();
        store.write(done.records);
        let now = world.now.wall.0;
        let want = models.each_ref().map(|model| model.at(now));
        assert_eq!(values(&world.controls()), want, "{told}: {models:?}");
        assert_eq!(
            store.accounts.get(&ALICE).map_or(want, |known| values(&known.controls)),
            want,
            "{told}"
        );
    }
    let first = models.each_ref().map(|model| model.at(i64::MIN));
    let span = world.now.wall.0 - NOON.0;
    for _ in 0..300 {
        let at = NOON.0 + dice.below(span.cast_unsigned()) as i64;
        let got = store.at(UnixMicros(at)).map_or(first, |stood| values(&stood.controls));
        assert_eq!(got, models.each_ref().map(|model| model.at(at)), "seed {seed} at {at}");
    }
    // To the microsecond, too.
    let moments = models
        .iter()
        .flat_map(|model| &model.grants)
        .flat_map(|one| [one.made, one.until, one.gone]);
    for at in
        moments.filter(|at| *at > NOON.0 && *at < world.now.wall.0).flat_map(|at| [at - 1, at])
    {
        let got = store.at(UnixMicros(at)).map_or(first, |stood| values(&stood.controls));
        assert_eq!(got, models.each_ref().map(|model| model.at(at)), "seed {seed} at {at}");
    }
    ends
}

#[test]
fn random_changes_raises_ends_and_restarts_mean_what_the_model_says() {
    let ends: usize = (0..400).map(live).sum();
    assert!(ends > 1_000, "{ends} raises ended");
}
