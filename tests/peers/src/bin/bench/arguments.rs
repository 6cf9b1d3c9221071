//! The command line of the bench.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: bench [--quick] [--rounds N] [--json FILE] [--stormproof PROGRAM] \
    [--contestant NAME=COMMAND]...";

const ROUNDS: u32 = 5;
const ROUNDS_QUICK: u32 = 2;

#[derive(Debug)]
pub struct Arguments {
    /// Less work in every section, for a first look.
    pub quick: bool,
    pub rounds: u32,
    pub json: Option<PathBuf>,
    /// Where Stormproof's `bench-kernel` is, if not where a release build puts it.
    pub stormproof: Option<PathBuf>,
    /// Further contestants, by name and command; they get the units of Stormproof.
    pub extra: Vec<(String, Vec<String>)>,
}

impl Arguments {
    pub fn from_env() -> Result<Self> {
        Self::parse(std::env::args().skip(1)).context(USAGE)
    }

    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut rounds = None;
        let mut arguments = Self { quick: false, rounds: 0, json: None, stormproof: None, extra: Vec::new() };
        while let Some(flag) = words.next() {
            if flag == "--quick" {
                arguments.quick = true;
                continue;
            }
            let value = words.next().with_context(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--rounds" => rounds = Some(value.parse().context("--rounds needs a number")?),
                "--json" => arguments.json = Some(value.into()),
                "--stormproof" => arguments.stormproof = Some(value.into()),
                "--contestant" => arguments.extra.push(parse_contestant(&value)?),
                _ => bail!("unknown flag {flag:?}"),
            }
        }
        arguments.rounds = rounds.unwrap_or(if arguments.quick { ROUNDS_QUICK } else { ROUNDS });
        if arguments.rounds == 0 {
            bail!("--rounds must be at least 1");
        }
        Ok(arguments)
    }
}

fn parse_contestant(value: &str) -> Result<(String, Vec<String>)> {
    let (name, command) = value.split_once('=').context("--contestant needs NAME=COMMAND")?;
    let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
    if name.is_empty() || words.is_empty() {
        bail!("--contestant needs NAME=COMMAND");
    }
    Ok((name.to_owned(), words))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, ROUNDS_QUICK};

    fn parse(line: &[&str]) -> anyhow::Result<Arguments> {
        Arguments::parse(line.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn contestants_are_names_and_commands() {
        let line = ["--quick", "--contestant", "untraced=bench-kernel --untraced"];
        let arguments = parse(&line).expect("a valid line");
        assert_eq!(arguments.rounds, ROUNDS_QUICK);
        let (name, command) = &arguments.extra[0];
        assert_eq!(name, "untraced");
        assert_eq!(command, &["bench-kernel", "--untraced"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [&["--rounds", "0"][..], &["--rounds"], &["--contestant", "nameless"], &["--colour", "3"]] {
            assert!(parse(line).is_err(), "{line:?} was accepted");
        }
    }
}
