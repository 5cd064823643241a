//! Which carriers take a call, in order of trying. Never here: prices, whether the call is allowed.

use std::cmp::Reverse;

use types::{E164, Trunk, TrunkId};

/// The enabled trunks that take a number: lower priority first, then the longer prefix, then the
/// lower id. A trunk is judged by its best route.
pub(crate) fn for_number<'a>(
    trunks: impl Iterator<Item = &'a Trunk>,
    number: E164,
) -> Vec<TrunkId> {
    let digits = Digits::of(number);
    ordered(trunks, |prefix| digits.as_str().starts_with(prefix))
}

/// The enabled trunks that take everything, for short codes that are no E.164 numbers.
pub(crate) fn for_short_code<'a>(trunks: impl Iterator<Item = &'a Trunk>) -> Vec<TrunkId> {
    ordered(trunks, str::is_empty)
}

/// The enabled trunks that carry emergency calls; where there is none, every enabled trunk: a
/// carrier that refuses is no worse than one that is not asked.
pub(crate) fn for_emergency<'a>(trunks: impl Iterator<Item = &'a Trunk> + Clone) -> Vec<TrunkId> {
    let best = |trunk: &Trunk| trunk.routes.iter().map(|route| route.priority).min();
    let enabled = trunks.filter(|trunk| trunk.enabled);
    let rank = |trunk: &Trunk| (best(trunk).unwrap_or(u16::MAX), trunk.id);
    let mut chosen: Vec<(u16, TrunkId)> =
        enabled.clone().filter(|trunk| trunk.emergency).map(rank).collect();
    if chosen.is_empty() {
        chosen = enabled.map(rank).collect();
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|(_, id)| id).collect()
}

fn ordered<'a>(
    trunks: impl Iterator<Item = &'a Trunk>,
    takes: impl Fn(&str) -> bool,
) -> Vec<TrunkId> {
    let best_route = |trunk: &'a Trunk| {
        let taking = trunk.routes.iter().filter(|route| takes(&route.prefix));
        let best = taking.map(|route| (route.priority, Reverse(route.prefix.len()))).min()?;
        Some((best, trunk.id))
    };
    let mut found: Vec<_> = trunks.filter(|trunk| trunk.enabled).filter_map(best_route).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, id)| id).collect()
}

/// Decimal digits of a number without an allocation.
struct Digits {
    text: [u8; 15],
    start: usize,
}

impl Digits {
    fn of(number: E164) -> Digits {
        let (mut rest, mut digits) = (number.value(), Digits { text: [0; 15], start: 15 });
        while rest > 0 {
            digits.start -= 1;
            digits.text[digits.start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.start..]).expect("digits are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{TrunkNumberFormat, TrunkRoute, TrunkTransport};

    fn trunk(id: u32, emergency: bool, routes: &[(&str, u16)]) -> Trunk {
        let route =
            |&(prefix, priority): &(&str, u16)| TrunkRoute { prefix: prefix.into(), priority };
        Trunk {
            id: TrunkId(id),
            name: format!("trunk {id}"),
            address: ([192, 0, 2, 1], 5060).into(),
            transport: TrunkTransport::Udp,
            host: "carrier.example".into(),
            auth: None,
            sources: Vec::new(),
            routes: routes.iter().map(route).collect(),
            cost_deck: None,
            number_format: TrunkNumberFormat::E164Plus,
            dial_plan: types::DialPlan::default(),
            emergency,
            enabled: true,
        }
    }

    fn ids(trunks: Vec<TrunkId>) -> Vec<u32> {
        trunks.into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn orders_by_priority_then_prefix_then_id() {
        let off = Trunk { enabled: false, ..trunk(9, true, &[("", 0)]) };
        let all = [
            trunk(1, false, &[("", 20)]),
            trunk(2, false, &[("44", 10), ("", 30)]),
            trunk(3, false, &[("4420", 10)]),
            trunk(4, false, &[("4420", 10)]),
            trunk(5, false, &[("33", 1)]),
            off,
        ];
        let check = |number: &str, want: &[u32]| {
            let number = number.parse().expect("a number");
            assert_eq!(ids(for_number(all.iter(), number)), want, "{number}");
        };
        check("+442079460000", &[3, 4, 2, 1]);
        check("+447700900123", &[2, 1]);
        check("+33123456789", &[5, 1, 2]);
        check("+3", &[1, 2]);
        check("+123456789012345", &[1, 2]);
        assert_eq!(ids(for_short_code(all.iter())), [1, 2]);
    }

    #[test]
    fn emergency_calls_go_to_emergency_trunks_or_to_any() {
        fn check(trunks: &[Trunk], want: &[u32]) {
            assert_eq!(ids(for_emergency(trunks.iter())), want);
        }
        let plain = trunk(1, false, &[("", 1)]);
        let (second, first) = (trunk(2, true, &[("44", 9)]), trunk(3, true, &[("", 2)]));
        check(&[plain.clone(), second.clone(), first], &[3, 2]);
        check(&[plain.clone(), Trunk { enabled: false, ..second.clone() }], &[1]);
        check(&[Trunk { enabled: false, ..second }], &[]);
        check(&[trunk(7, true, &[]), plain], &[7]);
    }
}
