//! How people write durations, spans, sizes, rates and chances in scenario files, and how they are shown.
//!
//! Whatever is shown can be written back into a file and means the same.

use contract::time::{Duration, nanos};
use kernel::Span;

/// A number that each seed draws, both ends included; equal ends leave nothing to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest.
    pub least: u64,
    /// The largest.
    pub most: u64,
}

impl Bounds {
    /// Always `number`.
    pub const fn exactly(number: u64) -> Bounds {
        Bounds { least: number, most: number }
    }
}

/// Time units, longest first, in nanoseconds.
const TIMES: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Size units, largest first, in bytes.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A duration such as `120s`, `250ms` or `1.5m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    quantity(text, &TIMES).map(Duration::from_nanos).ok_or_else(|| {
        format!("`{text}` is not a duration: write a number and one of ns, us, ms, s, m, h, as in \"250ms\"")
    })
}

/// A span such as `5s..20s`, both ends included, or one duration for a span without width.
pub fn span(text: &str) -> Result<Span, String> {
    ends(text, duration).map(|(least, most)| Span { least, most })
}

/// Bounds of a size such as `1MiB..64MiB`, both ends included, or one size for both.
pub fn sizes(text: &str) -> Result<Bounds, String> {
    ends(text, bytes).map(|(least, most)| Bounds { least, most })
}

/// Bounds of a number such as `100..5000`, both ends included, or one number for both.
pub fn numbers(text: &str) -> Result<Bounds, String> {
    let number = |text: &str| {
        let bad = |_| format!("`{text}` is not a whole number: write one, or two as in \"100..5000\"");
        text.parse::<u64>().map_err(bad)
    };
    ends(text, number).map(|(least, most)| Bounds { least, most })
}

/// Both ends of a span, or the same end twice.
fn ends<T: Copy + PartialOrd>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<(T, T), String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (least, most) = (parse(first.trim())?, parse(last.trim())?);
    if least <= most {
        Ok((least, most))
    } else {
        Err(format!("the span `{text}` ends before it begins: write \"{}..{}\"", last.trim(), first.trim()))
    }
}

/// A size such as `4KiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    quantity(text, &SIZES)
        .ok_or_else(|| format!("`{text}` is not a size: write a number and one of B, KiB, MiB, GiB, as in \"64KiB\""))
}

/// Seeds such as `0..1000`, the end left out.
pub fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let bad = || format!("`{text}` is not a range of seeds: write its first and the one after its last, as in 0..1000");
    let (first, end) = text.split_once("..").ok_or_else(bad)?;
    let range = first.trim().parse().map_err(|_| bad())?..end.trim().parse().map_err(|_| bad())?;
    if range.start < range.end {
        Ok(range)
    } else {
        Err(format!("the range of seeds `{text}` is empty: its end is left out, so 0..1 is the seed 0"))
    }
}

/// A duration as it would be written, exact.
pub fn show_nanos(nanos: u64) -> String {
    show(nanos, &TIMES)
}

/// A span as it would be written.
pub fn show_span(span: Span) -> String {
    let (least, most) = (show_nanos(nanos(span.least)), show_nanos(nanos(span.most)));
    if least == most { least } else { format!("{least}..{most}") }
}

/// Bounds as they would be written, by how one end is.
pub fn show_bounds(bounds: Bounds, show: fn(u64) -> String) -> String {
    let (least, most) = (show(bounds.least), show(bounds.most));
    if least == most { least } else { format!("{least}..{most}") }
}

/// A size as it would be written, exact.
pub fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZES)
}

/// Parts per million as a fraction, exact.
pub fn show_ppm(ppm: u64) -> String {
    let (whole, rest) = (ppm / 1_000_000, ppm % 1_000_000);
    if rest == 0 {
        return format!("{whole}.0");
    }
    let digits = format!("{rest:06}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// The value and the unit that are exact with at most three decimals, the largest unit first.
fn show(value: u64, units: &[(&str, u64)]) -> String {
    for &(name, size) in units {
        if value >= size && value.is_multiple_of(size) {
            return format!("{}{name}", value / size);
        }
        let thousandths = u128::from(value) * 1_000 / u128::from(size);
        if value >= size && thousandths * u128::from(size) == u128::from(value) * 1_000 {
            let fraction = format!("{:03}", thousandths % 1_000);
            return format!("{}.{}{name}", thousandths / 1_000, fraction.trim_end_matches('0'));
        }
    }
    format!("{value}{}", units[units.len() - 1].0)
}

/// A decimal number with a unit, exact to one millionth; `None` if it is neither or overflows.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = (text[..split].trim_end(), &text[split..]);
    let &(_, size) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let only_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !only_digits(whole) || !only_digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let number = whole.parse::<u64>().ok()?;
    let total = u128::from(number) * scale + u128::from(fraction.parse::<u64>().ok()?);
    u64::try_from(total * u128::from(size) / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back_the_same() {
        for nanos in
            [0, 1, 999, 1_000, 1_500_000, 250_000_000, 1_250_000_000, 90_000_000_000, 3_600_000_000_000, 1_234_567_891]
        {
            assert_eq!(duration(&show_nanos(nanos)), Ok(Duration::from_nanos(nanos)), "{}", show_nanos(nanos));
        }
        for size in [0, 1, 1023, 4096, 1536, 5 << 20, 3 << 30] {
            assert_eq!(bytes(&show_bytes(size)), Ok(size), "{}", show_bytes(size));
        }
        assert_eq!([show_nanos(1_500_000), show_nanos(90_000_000_000), show_nanos(0)], ["1.5ms", "1.5m", "0ns"]);
        assert_eq!([show_ppm(50_000), show_ppm(1_000_000), show_ppm(12_500_000)], ["0.05", "1.0", "12.5"]);
    }

    #[test]
    fn nonsense_is_refused_with_the_form_that_is_expected() {
        for bad in ["", "s", "5", "-5s", "5 parsecs", "1.2.3s", "1e9s", "99999999999999999999h", ".5s", "5.s"] {
            assert!(duration(bad).unwrap_err().contains("250ms"), "{bad:?} was taken for a duration");
        }
        assert!(span("20s..5s").unwrap_err().contains("\"5s..20s\""));
        assert!(seeds("5..5").is_err() && seeds("5").is_err() && seeds("a..b").is_err());
        assert_eq!(seeds("0..1000"), Ok(0..1000));
        assert!(sizes("64MiB..1MiB").unwrap_err().contains("\"1MiB..64MiB\""));
        assert!(numbers("8..4").is_err() && numbers("-8").is_err() && numbers("8..").is_err());
    }

    #[test]
    fn one_end_stands_for_both_and_bounds_read_back_the_same() {
        assert_eq!(numbers("8"), Ok(Bounds::exactly(8)));
        for bounds in [Bounds { least: 1 << 20, most: 3 << 25 }, Bounds::exactly(512)] {
            assert_eq!(sizes(&show_bounds(bounds, show_bytes)), Ok(bounds));
            assert_eq!(numbers(&show_bounds(bounds, |number| number.to_string())), Ok(bounds));
        }
    }
}
