//! The report as text.

use std::fmt::Write;

use crate::plan::SHORT;
use crate::report::{Bound, Floor, Measured, Report, Row, Spread, Verdict};

/// A contestant whose slowest round took so many times its fastest did not have the machine to itself.
const UNREST: f64 = 1.5;

pub fn render(report: &Report) -> String {
    let mut text = String::new();
    for section in &report.sections {
        render_section(&mut text, section);
    }
    for skipped in &report.skipped {
        line(
            &mut text,
            format_args!("skipped: {} is not built; build it with: {}", skipped.contestant, skipped.how_to_build),
        );
    }
    render_floors(&mut text, &report.floors);
    let unrest = report.sections.iter().flat_map(|section| &section.rows);
    let unrest = unrest.filter_map(|row| Spread::of(&row.nanos)).map(|spread| spread.max / spread.min);
    let unrest = unrest.fold(1.0, f64::max);
    if UNREST < unrest {
        line(
            &mut text,
            format_args!(
                "the machine was busy: one contestant's rounds differ by a factor of {}; repeat this on a quiet one",
                number(unrest)
            ),
        );
    }
    if report.quick {
        line(&mut text, format_args!("quick: short runs and few rounds; only a full run counts"));
    }
    text
}

fn render_section(text: &mut String, section: &Measured) {
    line(text, format_args!("{}", section.title));
    let per_second = if section.id == SHORT { "seeds/s" } else { "" };
    line(
        text,
        format_args!(
            "  {:<18}{:>12}{:>8}{:>14}  {:<25}{:>12}  {:<20}{per_second:>10}",
            "contestant",
            format!("{}s", plural_stem(section.unit)),
            "rounds",
            format!("ns/{}", section.unit),
            "(min .. max)",
            "x stormproof",
            "(min .. max)",
        ),
    );
    for row in &section.rows {
        render_row(text, row, section.id == SHORT);
    }
    text.push('\n');
}

/// "delivery" becomes "deliverie", for "deliveries".
fn plural_stem(unit: &str) -> String {
    match unit.strip_suffix('y') {
        Some(stem) => format!("{stem}ie"),
        None => unit.to_owned(),
    }
}

fn render_row(text: &mut String, row: &Row, per_second: bool) {
    let Some(nanos) = Spread::of(&row.nanos) else {
        return;
    };
    let (times, times_range) = match Spread::of(&row.times_stormproof) {
        Some(times) => (number(times.median), range(times)),
        None => ("-".to_owned(), String::new()),
    };
    let seeds = if per_second { number(1e9 / nanos.median) } else { String::new() };
    let note = if row.repeats { "" } else { "  NOT DETERMINISTIC: the digest differed between rounds" };
    line(
        text,
        format_args!(
            "  {:<18}{:>12}{:>8}{:>14}  {:<25}{times:>12}  {times_range:<20}{seeds:>10}{note}",
            row.contestant,
            row.units,
            row.nanos.len(),
            number(nanos.median),
            range(nanos),
        ),
    );
}

fn render_floors(text: &mut String, floors: &[Floor]) {
    line(text, format_args!("Required"));
    for floor in floors {
        let bound = match floor.bound {
            Bound::AtLeast => ">=",
            Bound::AtMost => "<=",
        };
        let verdict = match floor.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "NOT MET",
            Verdict::NotMeasured => "not measured",
        };
        let measured =
            floor.measured.map_or(String::new(), |spread| format!("{} {}", number(spread.median), range(spread)));
        line(text, format_args!("  {:<42}{bound} {:>4} x   {measured:<28}{verdict}", floor.name, floor.required));
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let from = text.len();
    text.write_fmt(arguments).expect("a string takes everything that is written to it");
    let length = text[from..].trim_end().len();
    text.truncate(from + length);
    text.push('\n');
}

fn range(spread: Spread) -> String {
    format!("({} .. {})", number(spread.min), number(spread.max))
}

/// Three digits that count, or all digits of a large number.
fn number(value: f64) -> String {
    let decimals = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::{number, plural_stem};

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(number(1.2345), "1.23");
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(12_345.6), "12346");
    }

    #[test]
    fn units_have_plurals() {
        assert_eq!(plural_stem("delivery") + "s", "deliveries");
        assert_eq!(plural_stem("run") + "s", "runs");
    }
}
