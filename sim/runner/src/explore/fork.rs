//! A fork: from a moment on, all choices of a run descend from another seed.
//!
//! The path of a run is its seed and its forks. They are written as `MOMENT.SEED`, the moment in nanoseconds,
//! and joined by `+`.

use contract::Time;

/// No path is longer: what lies deeper was hardly reached by chance.
pub const FORKS_MAX: usize = 64;

/// One fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fork {
    /// When, in true virtual time: after the last event up to that moment.
    pub at: Time,
    /// The seed from there on.
    pub seed: u64,
}

/// Reads a path; an error says what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Fork>, String> {
    let bad = |fork: &str| format!("`{fork}` is not a fork: write MOMENT.SEED, the moment in nanoseconds");
    let fork = |fork: &str| {
        let (at, seed) = fork.split_once('.').ok_or_else(|| bad(fork))?;
        Ok(Fork { at: Time(at.parse().map_err(|_| bad(fork))?), seed: seed.parse().map_err(|_| bad(fork))? })
    };
    let forks: Vec<Fork> = text.split('+').map(fork).collect::<Result<_, String>>()?;
    if forks.len() > FORKS_MAX {
        return Err(format!("{} forks are more than {FORKS_MAX}", forks.len()));
    }
    match forks.windows(2).find(|pair| pair[0].at > pair[1].at) {
        Some(pair) => Err(format!("fork {} comes after fork {}: write them in the order of time", pair[0], pair[1])),
        None => Ok(forks),
    }
}

/// Writes a path.
pub fn show(forks: &[Fork]) -> String {
    forks.iter().map(Fork::to_string).collect::<Vec<_>>().join("+")
}

impl std::fmt::Display for Fork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at.0, self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back() {
        let forks = vec![Fork { at: Time(0), seed: u64::MAX }, Fork { at: Time(u64::MAX), seed: 3 }];
        assert_eq!(parse(&show(&forks)), Ok(forks));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let long = vec!["1.1"; FORKS_MAX + 1].join("+");
        for (text, why) in
            [("", "not a fork"), ("7", "not a fork"), ("1.x", "`1.x`"), ("2.1+1.1", "order"), (&long, "more than")]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
