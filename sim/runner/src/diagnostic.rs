//! Errors in scenario files: each names the file, the line and the column, shows the place and says the remedy.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::cell::RefCell;
use std::ops::Range;

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, as a headline.
    pub message: String,
    /// Where: bytes of the source.
    pub span: Range<usize>,
    /// Short, beside the caret.
    pub label: String,
    /// How to put it right.
    pub help: Option<String>,
}

/// Everything that is wrong with one file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileErrors {
    /// As given on the command line.
    pub path: String,
    /// The whole text.
    pub source: String,
    /// At least one.
    pub errors: Vec<Diagnostic>,
}

/// Where a parser puts what it finds; it goes on after an error, so that several are reported at once.
#[derive(Debug, Default)]
pub struct Sink(RefCell<Vec<Diagnostic>>);

impl Sink {
    /// Adds an error.
    pub fn push(&self, error: Diagnostic) {
        self.0.borrow_mut().push(error);
    }

    /// Everything so far, in the order of the file.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut errors = self.0.into_inner();
        errors.sort_by(|a, b| (a.span.start, a.span.end, &a.message).cmp(&(b.span.start, b.span.end, &b.message)));
        errors.dedup();
        errors
    }
}

impl FileErrors {
    /// For people, in the manner of rustc.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for error in &self.errors {
            let span = self.clamp(&error.span);
            let place = AnnotationKind::Primary.span(span).label(&*error.label);
            let snippet = Snippet::source(&self.source).path(&*self.path).annotation(place);
            let mut group = Level::ERROR.primary_title(&*error.message).element(snippet);
            if let Some(help) = &error.help {
                group = group.element(Level::HELP.message(&**help));
            }
            text.push_str(&renderer.render(&[group]));
            text.push_str("\n\n");
        }
        text
    }

    /// A span that lies in the source whatever a parser said.
    fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = (0..=span.start.min(self.source.len())).rev().find(|&at| self.source.is_char_boundary(at));
        let end = (span.end.min(self.source.len())..=self.source.len()).find(|&at| self.source.is_char_boundary(at));
        let (start, end) = (start.unwrap_or(0), end.unwrap_or(self.source.len()));
        start..end.max(start)
    }
}

/// The name of `known` that `wrong` was probably meant to be.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let scored = known.into_iter().map(|name| (strsim::damerau_levenshtein(&wrong, name), name));
    let (distance, name) = scored.min()?;
    (distance <= (name.len() / 3).max(1)).then_some(name)
}

/// Names as a sentence shows them: `` `a`, `b`, `c` ``.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

/// The error for a name that nobody knows: suggests the nearest and lists all.
pub fn unknown(what: &str, name: &str, span: Range<usize>, known: &[&str]) -> Diagnostic {
    let label = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("not a known {what}"),
    };
    let help = format!("known: {}", listed(known.iter().copied()));
    Diagnostic { message: format!("unknown {what} `{name}`"), span, label, help: Some(help) }
}
