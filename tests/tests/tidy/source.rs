//! A reader of Rust text, good enough for lints: comments and strings told from code, test code told from
//! the rest, functions with their lengths.

/// A source file taken apart. Each of the texts has the line breaks of the original.
pub struct Source {
    /// The code; comments and the insides of strings are blanks.
    pub code: Vec<String>,
    /// The comments alone.
    pub comments: Vec<String>,
    /// Which lines belong to an item under `#[cfg(test)]` or `#[test]`.
    pub test: Vec<bool>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first line, from 1.
    pub line: usize,
    /// Lines from `fn` to the closing brace.
    pub lines: usize,
}

impl Source {
    /// Takes a file's text apart.
    pub fn read(text: &str) -> Source {
        let (code, comments) = split(text);
        let lines = |text: &str| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
        let test = test_lines(&code);
        Source { code: lines(&code), comments: lines(&comments), test }
    }

    /// Lines that are neither blank nor only comment, outside tests.
    pub fn code_lines(&self) -> usize {
        self.code.iter().zip(&self.test).filter(|(line, test)| !**test && !line.trim().is_empty()).count()
    }

    /// Every function with a body, in order.
    pub fn functions(&self) -> Vec<Function> {
        let code: Vec<char> = self.code.join("\n").chars().collect();
        let starts = (0..code.len()).filter(|&at| word_at(&code, at, "fn"));
        starts.filter_map(|at| function(&code, at)).collect()
    }
}

/// Whether `word` stands at `at`, with no identifier running into it on either side.
pub fn word_at(code: &[char], at: usize, word: &str) -> bool {
    let starts_inside = word.starts_with(is_word) && at > 0 && is_word(code[at - 1]);
    let len = word.chars().count();
    let fits = code.len() >= at + len && code[at..at + len].iter().copied().eq(word.chars());
    let ends_inside = word.ends_with(is_word) && code.get(at + len).is_some_and(|&next| is_word(next));
    fits && !starts_inside && !ends_inside
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn function(code: &[char], at: usize) -> Option<Function> {
    let name: String = code[at + 2..].iter().skip_while(|c| c.is_whitespace()).take_while(|c| is_word(**c)).collect();
    let end = item_end(code, at)?;
    if name.is_empty() || code[end] == ';' {
        return None;
    }
    let breaks = |range: &[char]| range.iter().filter(|c| **c == '\n').count();
    Some(Function { name, line: breaks(&code[..at]) + 1, lines: breaks(&code[at..=end]) + 1 })
}

/// Where the item that starts at `at` ends: its closing brace, or its semicolon.
fn item_end(code: &[char], at: usize) -> Option<usize> {
    let (mut round, mut braces) = (0_i32, 0_i32);
    for (offset, character) in code[at..].iter().enumerate() {
        match character {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if round == 0 && braces == 0 => return Some(at + offset),
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => continue,
        }
        if *character == '}' && braces == 0 && round == 0 {
            return Some(at + offset);
        }
    }
    None
}

fn test_lines(code: &str) -> Vec<bool> {
    let characters: Vec<char> = code.chars().collect();
    let mut test = vec![false; code.split('\n').count()];
    for attribute in ["#[cfg(test)]", "#[test]"] {
        for (start, _) in code.match_indices(attribute) {
            let start = code[..start].chars().count();
            let after = start + attribute.chars().count();
            let end = item_end(&characters, after).unwrap_or(characters.len() - 1);
            let line = |at: usize| characters[..at].iter().filter(|c| **c == '\n').count();
            test[line(start)..=line(end)].fill(true);
        }
    }
    test
}

/// Code and comments, apart; what belongs to the other is blank.
fn split(text: &str) -> (String, String) {
    let characters: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut at = 0;
    while at < characters.len() {
        let (end, kind) = piece(&characters, at);
        for (index, &character) in characters[at..end].iter().enumerate() {
            let edge = kind == Kind::Literal && (index == 0 || at + index + 1 == end);
            let blank = if character == '\n' { '\n' } else { ' ' };
            code.push(if kind == Kind::Code || edge { character } else { blank });
            comments.push(if kind == Kind::Comment { character } else { blank });
        }
        at = end;
    }
    (code, comments)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The end and the kind of the piece of text that starts at `at`.
fn piece(text: &[char], at: usize) -> (usize, Kind) {
    let next = text.get(at + 1).copied();
    match text[at] {
        '/' if next == Some('/') => (find(text, at, |c| c == '\n'), Kind::Comment),
        '/' if next == Some('*') => (block_comment_end(text, at), Kind::Comment),
        '"' => (quoted_end(text, at, '"'), Kind::Literal),
        '\'' if next == Some('\\') || text.get(at + 2) == Some(&'\'') => (quoted_end(text, at, '\''), Kind::Literal),
        'r' if at == 0 || !is_word(text[at - 1]) || text[at - 1] == 'b' || text[at - 1] == 'c' => {
            raw_string_end(text, at).map_or((at + 1, Kind::Code), |end| (end, Kind::Literal))
        }
        _ => (at + 1, Kind::Code),
    }
}

fn find(text: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    text[from..].iter().position(|&c| wanted(c)).map_or(text.len(), |offset| from + offset)
}

fn quoted_end(text: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while end < text.len() && text[end] != quote {
        end += if text[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(text.len())
}

fn block_comment_end(text: &[char], at: usize) -> usize {
    let (mut end, mut depth) = (at, 0);
    while end < text.len() {
        match (text[end], text.get(end + 1)) {
            ('/', Some('*')) => (depth, end) = (depth + 1, end + 1),
            ('*', Some('/')) => (depth, end) = (depth - 1, end + 1),
            _ => {}
        }
        end += 1;
        if depth == 0 {
            break;
        }
    }
    end.min(text.len())
}

fn raw_string_end(text: &[char], at: usize) -> Option<usize> {
    let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
    if text.get(at + 1 + hashes) != Some(&'"') {
        return None;
    }
    let closes = |end: &usize| text[*end] == '"' && text[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let end = (at + 2 + hashes..text.len()).find(closes)?;
    Some(end + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = "let a = \"fn x() { // no\"; // say { \"why\" }\nlet b = r#\"}\"#; /* a /* b */ c */ let c = '{';";
        let source = Source::read(text);
        assert_eq!(source.code[0].trim_end(), "let a = \"              \";");
        assert!(source.code[1].contains("let c") && !source.code[1].contains('}') && !source.code[1].contains('{'));
        assert_eq!(source.comments[0].trim(), "// say { \"why\" }");
        assert_eq!(source.comments[1].trim(), "/* a /* b */ c */");
    }

    #[test]
    fn a_lifetime_opens_no_character() {
        let source = Source::read("fn f<'a>(x: &'a str) -> &'a str { x }\nfn g() {}\n");
        let names: Vec<_> = source.functions().into_iter().map(|function| function.name).collect();
        assert_eq!(names, ["f", "g"]);
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "trait T {\n    fn no_body(&self) -> [u8; 4];\n    fn one(&self) { 1; }\n}\nfn outer()\nwhere\n    T: X,\n{\n    fn inner() {\n    }\n}\ntype P = fn(u8) -> u8;\n";
        let found = Source::read(text).functions();
        let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(found, [("one", 3, 1), ("outer", 5, 7), ("inner", 9, 2)]);
    }

    #[test]
    fn test_code_is_told_from_the_rest() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
        let test = Source::read(text).test;
        assert_eq!(test, [false, true, true, true, true, false, true, true, false, false]);
        assert_eq!(Source::read(text).code_lines(), 3);
    }
}
