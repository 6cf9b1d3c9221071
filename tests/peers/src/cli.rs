//! The command line that every contestant understands, Stormproof's `bench-kernel` included.

use anyhow::{Context, Result, bail};

/// Shown when the command line does not parse.
pub const USAGE: &str = "usage: CONTESTANT pingpong|quorum-log|short \
    [--nodes N] [--outstanding K] [--deliveries N] [--appends N] [--runs N] [--seed S] [--no-disk]";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Nodes ask random nodes and wait for the reply (A, A dense, the scaling series).
    Pingpong,
    /// A replicated log with crashes of a follower (B).
    QuorumLog,
    /// Whole pingpong runs of a few messages, one after the other, each with a seed of its own.
    Short,
}

impl Workload {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pingpong => "pingpong",
            Self::QuorumLog => "quorum-log",
            Self::Short => "short",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        [Self::Pingpong, Self::QuorumLog, Self::Short]
            .into_iter()
            .find(|workload| workload.name() == word)
            .with_context(|| format!("unknown workload {word:?}"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub workload: Workload,
    pub nodes: usize,
    /// Requests that each node keeps under way.
    pub outstanding: usize,
    /// Messages to hand to their receivers, in each run.
    pub deliveries: u64,
    pub appends: u64,
    /// How often the `short` workload repeats.
    pub runs: u64,
    pub seed: u64,
    /// Whether replicas write and sync their records.
    pub disk: bool,
}

impl Options {
    /// Reads the arguments of this process.
    pub fn from_env() -> Result<Self> {
        Self::parse(std::env::args().skip(1)).context(USAGE)
    }

    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut words = arguments.into_iter();
        let workload = Workload::parse(&words.next().context("no workload given")?)?;
        let mut options = Self::defaults(workload);
        while let Some(flag) = words.next() {
            if flag == "--no-disk" {
                options.disk = false;
                continue;
            }
            let value = words.next().with_context(|| format!("{flag} needs a value"))?;
            let number = value.parse::<u64>().with_context(|| format!("{flag} needs a number, not {value:?}"))?;
            match flag.as_str() {
                "--nodes" => options.nodes = usize::try_from(number)?,
                "--outstanding" => options.outstanding = usize::try_from(number)?,
                "--deliveries" => options.deliveries = number,
                "--appends" => options.appends = number,
                "--runs" => options.runs = number,
                "--seed" => options.seed = number,
                _ => bail!("unknown flag {flag:?}"),
            }
        }
        options.check()?;
        Ok(options)
    }

    fn defaults(workload: Workload) -> Self {
        Self {
            workload,
            nodes: 64,
            outstanding: 1,
            deliveries: if workload == Workload::Short { 1_000 } else { 1_000_000 },
            appends: 100_000,
            runs: 100,
            seed: 1,
            disk: true,
        }
    }

    fn check(&self) -> Result<()> {
        if self.nodes < 2 {
            bail!("a node needs another one to talk to: --nodes must be at least 2");
        }
        if self.outstanding == 0 || self.deliveries == 0 || self.appends == 0 || self.runs == 0 {
            bail!("--outstanding, --deliveries, --appends and --runs must be at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Workload};

    fn parse(line: &str) -> anyhow::Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_override_the_defaults_of_the_workload() {
        let options = parse("short --nodes 8 --runs 3 --no-disk").expect("a valid line");
        assert_eq!(options.workload, Workload::Short);
        assert_eq!((options.nodes, options.runs), (8, 3));
        assert_eq!(options.deliveries, 1_000);
        assert!(!options.disk);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["", "tennis", "pingpong --nodes", "pingpong --nodes x", "pingpong --nodes 1", "pingpong --colour 3"]
        {
            assert!(parse(line).is_err(), "{line:?} was accepted");
        }
    }
}
