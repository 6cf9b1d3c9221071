//! A sweep as JUnit XML: one test case a scenario file, as CI systems render it. Elements and attributes are those
//! of `junit-10.xsd` of Jenkins' xUnit plugin, the narrowest schema in use.

use crate::exit::Exit;
use crate::sweep::tally::Tally;
use std::fmt::Write;

/// The document.
pub fn document(tallies: &[Tally]) -> String {
    let failed = tallies.iter().filter(|tally| tally.outcome().0 != Exit::Passed).count();
    let seconds: f64 = tallies.iter().map(|tally| tally.wall.as_secs_f64()).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{seconds:.3}\"", tallies.len());
    // Writing to a string cannot fail.
    let _ = writeln!(xml, "<testsuites {counts}>\n  <testsuite name=\"stormproof\" {counts}>");
    for tally in tallies {
        test_case(&mut xml, tally);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn test_case(xml: &mut String, tally: &Tally) {
    let (exit, why) = tally.outcome();
    let (folder, file) = tally.path.rsplit_once('/').unwrap_or(("", &tally.path));
    let class = if folder.is_empty() { "stormproof".to_owned() } else { folder.replace('/', ".") };
    let name = file.trim_end_matches(".toml");
    let seconds = tally.wall.as_secs_f64();
    let _ = writeln!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\">",
        escape(&class),
        escape(name)
    );
    if exit != Exit::Passed {
        let failures = tally.failures();
        let headline = failures.first().map_or_else(|| why.join("; "), |(signature, _)| (*signature).to_owned());
        let _ = writeln!(xml, "      <failure type=\"{}\" message=\"{}\">", exit.word(), escape(&headline));
        xml.push_str(&escape(&details(tally, &why)));
        xml.push_str("      </failure>\n");
    }
    let warnings = tally.warnings().map_or(String::new(), |warnings| format!("\n{warnings}"));
    let _ = writeln!(xml, "      <system-out>{}{}</system-out>", escape(&summary(tally)), escape(&warnings));
    xml.push_str("    </testcase>\n");
}

fn details(tally: &Tally, why: &[String]) -> String {
    let mut text: String = why.iter().map(|line| format!("{line}\n")).collect();
    for (signature, group) in tally.failures() {
        let _ = writeln!(text, "{signature}\n  {} runs, first seed {}", group.count, group.first.seed);
        for fact in &group.first.facts {
            let _ = writeln!(text, "  {fact}");
        }
        let _ = writeln!(text, "  {}", group.first.replay());
    }
    text
}

/// One line: how much was run.
pub fn summary(tally: &Tally) -> String {
    let seconds = tally.virtual_time / 1_000_000_000;
    format!(
        "{}: {} runs, {} vacuous, {} events, {seconds} s of virtual time",
        tally.title, tally.runs, tally.vacuous, tally.events
    )
}

/// Text as XML holds it; characters that XML 1.0 forbids become `?`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_the_document() {
        assert_eq!(escape("a<b>&\"c\"\u{1}\nd"), "a&lt;b&gt;&amp;&quot;c&quot;?\nd");
    }
}
