//! The one line that brings a failure back: `SP1:PATH:hash=H:seed=N:sig=S:fp=F`. A run that was explored has
//! `by=STRATEGY` and `forks=PATH` between seed and signature, where they are not the usual.

use crate::explore::{Fork, Strategy, fork};
use std::fmt;

/// Names one run and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The scenario's path.
    pub path: String,
    /// Of the scenario's text.
    pub hash: u32,
    /// The seed.
    pub seed: u64,
    /// The strategy that planned the run.
    pub strategy: Strategy,
    /// Where other seeds take over.
    pub forks: Vec<Fork>,
    /// Of the failure's signature; `None` for a run that passed.
    pub signature: Option<u32>,
    /// The run's fingerprint.
    pub fingerprint: u64,
}

const PREFIX: &str = "SP1:";

impl Token {
    /// A short name for a signature.
    pub fn digest(signature: &str) -> u32 {
        xxhash_rust::xxh3::xxh3_64(signature.as_bytes()) as u32
    }

    /// Whether that looks like a token rather than a file.
    pub fn is_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Reads a token; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Token, String> {
        let fields = text.trim().strip_prefix(PREFIX).ok_or_else(|| format!("a replay token begins with {PREFIX}"))?;
        let mut rest = fields;
        let mut last = |key: &str| -> Result<String, String> {
            let (before, field) =
                rest.rsplit_once(':').ok_or_else(|| format!("the token lacks `{key}`: was it cut?"))?;
            let value = field.strip_prefix(key).and_then(|field| field.strip_prefix('='));
            let value = value.ok_or_else(|| format!("the token has `{field}` where `{key}=` belongs"))?;
            rest = before;
            Ok(value.to_owned())
        };
        let (fingerprint, signature) = (last("fp")?, last("sig")?);
        let (forks, by) = (last("forks").ok(), last("by").ok());
        let (seed, hash) = (last("seed")?, last("hash")?);
        let bad = |what: &str, value: &str| format!("the token's {what} `{value}` is not a number");
        Ok(Token {
            path: rest.to_owned(),
            hash: u32::from_str_radix(&hash, 16).map_err(|_| bad("hash", &hash))?,
            seed: seed.parse().map_err(|_| bad("seed", &seed))?,
            strategy: by.map_or(Ok(Strategy::default()), |name| {
                Strategy::from_name(&name).ok_or_else(|| format!("the token's strategy `{name}` is not known"))
            })?,
            forks: forks.map_or(Ok(Vec::new()), |path| fork::parse(&path))?,
            signature: match &*signature {
                "passed" => None,
                digest => Some(u32::from_str_radix(digest, 16).map_err(|_| bad("sig", digest))?),
            },
            fingerprint: u64::from_str_radix(&fingerprint, 16).map_err(|_| bad("fp", &fingerprint))?,
        })
    }

    /// As it is pasted into a shell.
    pub fn quoted(&self) -> String {
        quoted_for_shell(&self.to_string())
    }
}

/// A word as it is pasted into a shell.
pub fn quoted_for_shell(word: &str) -> String {
    if !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b":=/._-+".contains(&b)) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = self.signature.map_or("passed".to_owned(), |digest| format!("{digest:08x}"));
        let Token { path, hash, seed, fingerprint, .. } = self;
        write!(f, "{PREFIX}{path}:hash={hash:08x}:seed={seed}")?;
        if self.strategy != Strategy::default() {
            write!(f, ":by={}", self.strategy.name())?;
        }
        if !self.forks.is_empty() {
            write!(f, ":forks={}", fork::show(&self.forks))?;
        }
        write!(f, ":sig={signature}:fp={fingerprint:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Time;

    #[test]
    fn a_token_reads_back_even_when_its_path_has_colons() {
        for (path, signature) in [("scenarios/fast/a.toml", Some(0xab12)), ("C:/odd dir/it's.toml", None)] {
            for (strategy, forks) in [
                (Strategy::Uniform, Vec::new()),
                (Strategy::Pct, Vec::new()),
                (Strategy::Biased, vec![Fork { at: Time(12), seed: 3 }, Fork { at: Time(13), seed: u64::MAX }]),
            ] {
                let (path, hash, seed, fingerprint) = (path.to_owned(), 7, u64::MAX, 0xfeed);
                let token = Token { path, hash, seed, strategy, forks, signature, fingerprint };
                assert_eq!(Token::parse(&token.to_string()), Ok(token));
            }
        }
    }

    #[test]
    fn a_damaged_token_is_refused_with_what_is_wrong() {
        for (text, why) in [
            ("scenarios/a.toml", "begins with SP1:"),
            ("SP1:a.toml:hash=0:seed=1:sig=passed", "where `fp=` belongs"),
            ("SP1:a.toml:hash=0:seed=x:sig=passed:fp=0", "seed `x` is not a number"),
            ("SP1:a.toml:hash=0:seed=1:by=luck:sig=passed:fp=0", "strategy `luck`"),
            ("SP1:a.toml:hash=0:seed=1:forks=7:sig=passed:fp=0", "`7` is not a fork"),
            ("SP1:fp=0", "was it cut?"),
        ] {
            let error = Token::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_path_with_blanks_is_quoted_for_the_shell() {
        let text = "SP1:a b's.toml:hash=00000000:seed=1:sig=passed:fp=0000000000000000";
        let token = Token::parse(text).unwrap();
        assert!(token.quoted().starts_with(r"'SP1:a b'\''s.toml:"), "{}", token.quoted());
    }
}
