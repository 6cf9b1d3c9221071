//! The speed that Stormproof must have, as ratios within one interleaved run.

use crate::plan::{A, A_DENSE, B, MADSIM, SCALING_LARGE, SCALING_SMALL, STORMPROOF, TURMOIL};
use crate::report::{Bound, Floor, Report, Spread, Verdict};
use crate::{MISSED, NOT_JUDGED};

/// A peer must take at least this many times Stormproof's time.
const PEERS: [(&str, &str, &str, f64); 4] = [
    ("A, over madsim", A, MADSIM, 10.0),
    ("A dense, over turmoil", A_DENSE, TURMOIL, 4.0),
    ("B, over madsim, whose disk takes no time", B, MADSIM, 4.5),
    ("B, over turmoil with its disk", B, TURMOIL, 11.0),
];

/// A message among 4,096 nodes may cost at most this many times one among 64.
const SCALING_MAX: f64 = 2.0;

pub fn judge(report: &Report) -> Vec<Floor> {
    let mut floors: Vec<_> = PEERS
        .iter()
        .map(|&(name, section, peer, required)| {
            let ratios = report.row(section, peer).map(|row| row.times_stormproof.as_slice());
            floor(name, Bound::AtLeast, required, ratios.unwrap_or_default())
        })
        .collect();
    let nanos = |section| report.row(section, STORMPROOF).map(|row| row.nanos.as_slice()).unwrap_or_default();
    let growth: Vec<_> =
        nanos(SCALING_LARGE).iter().zip(nanos(SCALING_SMALL)).map(|(large, small)| large / small).collect();
    floors.push(floor("A, from 64 to 4,096 nodes", Bound::AtMost, SCALING_MAX, &growth));
    floors
}

fn floor(name: &'static str, bound: Bound, required: f64, ratios: &[f64]) -> Floor {
    let measured = Spread::of(ratios);
    let verdict = match measured {
        None => Verdict::NotMeasured,
        Some(spread) => {
            let met = match bound {
                Bound::AtLeast => required <= spread.median,
                Bound::AtMost => spread.median <= required,
            };
            if met { Verdict::Met } else { Verdict::Missed }
        }
    };
    Floor { name, required, bound, measured, verdict }
}

pub fn exit_code(floors: &[Floor]) -> u8 {
    let any = |verdict| floors.iter().any(|floor| floor.verdict == verdict);
    if any(Verdict::Missed) {
        MISSED
    } else if any(Verdict::NotMeasured) {
        NOT_JUDGED
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Measured, Row};

    fn measured(id: &'static str, rows: &[(&str, f64, f64)]) -> Measured {
        let rows = rows.iter().map(|&(contestant, nanos, ratio)| Row {
            contestant: contestant.to_owned(),
            units: 1,
            nanos: vec![nanos],
            times_stormproof: vec![ratio],
            checksum: serde_json::Value::Null,
            repeats: true,
        });
        Measured { id, title: "", unit: "", rows: rows.collect() }
    }

    fn report(madsim_on_a: f64) -> Report {
        Report {
            quick: false,
            skipped: Vec::new(),
            sections: vec![
                measured(A, &[(MADSIM, 0.0, madsim_on_a)]),
                measured(A_DENSE, &[(TURMOIL, 0.0, 4.0)]),
                measured(B, &[(MADSIM, 0.0, 4.5), (TURMOIL, 0.0, 11.0)]),
                measured(SCALING_SMALL, &[(STORMPROOF, 50.0, 1.0)]),
                measured(SCALING_LARGE, &[(STORMPROOF, 100.0, 1.0)]),
            ],
            floors: Vec::new(),
        }
    }

    #[test]
    fn what_just_reaches_a_floor_meets_it() {
        assert_eq!(exit_code(&judge(&report(10.0))), 0);
    }

    #[test]
    fn one_missed_floor_decides() {
        let mut report = report(9.9);
        assert_eq!(exit_code(&judge(&report)), MISSED);
        report.sections.truncate(1);
        assert_eq!(exit_code(&judge(&report)), MISSED);
    }

    #[test]
    fn a_floor_without_measurement_is_not_met() {
        let mut report = report(10.0);
        report.sections.pop();
        assert_eq!(exit_code(&judge(&report)), NOT_JUDGED);
    }
}
