//! The earlier commits: a worktree in the target folder, builds that share one target folder, and the failures that they find.

use runner::Registry;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Seeds that are tried for failing ones.
const SEEDS: u64 = 100;
/// How long an earlier build may shrink one failure.
const SHRINK_TIME: &str = "10s";

/// A commit to be measured.
pub struct Commit {
    /// Its short name.
    pub name: String,
    /// The first line of its message.
    pub subject: String,
}

/// Where earlier commits are checked out and built.
pub struct Past {
    folder: PathBuf,
}

/// A commit's build, in its worktree.
pub struct Build<'a> {
    program: PathBuf,
    past: &'a Past,
}

/// A failure that an earlier build found.
pub struct Failure {
    /// Which defect was planted.
    pub defect: &'static str,
    /// The scenario's path.
    pub path: String,
    /// The scenario's text.
    pub text: String,
    /// The seed.
    pub seed: u64,
    /// What failed.
    pub signature: String,
    /// Over all events.
    pub fingerprint: String,
    /// The recording, where the build can write one.
    pub recording: Option<Vec<u8>>,
    /// The shrunk scenario, where the build can shrink.
    pub shrunk: Option<String>,
}

impl Past {
    /// Makes the worktree, at this commit.
    pub fn new() -> Result<Past, String> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let target = std::path::absolute(target).map_err(|error| error.to_string())?;
        let past = Past { folder: target.join("survival") };
        std::fs::create_dir_all(&past.folder).map_err(|error| format!("{}: {error}", past.folder.display()))?;
        past.remove();
        let tree = past.tree();
        let tree = tree.to_str().ok_or("the target folder's path is no text")?;
        git(Path::new("."), &["worktree", "add", "--quiet", "--force", "--detach", tree, "HEAD"])?;
        Ok(past)
    }

    /// The last commits, the newest first.
    pub fn commits(&self, count: u64) -> Result<Vec<Commit>, String> {
        let listed = git(Path::new("."), &["log", "--first-parent", "--format=%h %s", "-n", &count.to_string()])?;
        let commit = |line: &str| line.split_once(' ').map(|(name, subject)| (name.to_owned(), subject.to_owned()));
        Ok(listed.lines().filter_map(commit).map(|(name, subject)| Commit { name, subject }).collect())
    }

    /// Checks a commit out and builds it.
    pub fn build(&self, commit: &Commit) -> Result<Build<'_>, String> {
        git(&self.tree(), &["checkout", "--quiet", "--force", "--detach", &commit.name])?;
        let target = self.folder.join("build");
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--quiet", "--locked", "-p", "stormproof-scenarios", "--bin", "stormproof"]);
        // A few runs do not repay optimisation; that of dependencies is done once for all commits.
        cargo.envs([("CARGO_PROFILE_DEV_DEBUG", "0"), ("CARGO_PROFILE_DEV_OPT_LEVEL", "0")]);
        cargo.env("CARGO_TARGET_DIR", &target).current_dir(self.tree());
        let output = cargo.output().map_err(|error| format!("cargo does not start: {error}"))?;
        if !output.status.success() {
            return Err(format!("it does not build: {}", first_error(&output)));
        }
        Ok(Build { program: target.join("debug").join("stormproof"), past: self })
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    fn remove(&self) {
        // Whatever an earlier measurement left; where there is nothing, nothing is to be done.
        let _ = std::fs::remove_dir_all(self.tree());
        let _ = git(Path::new("."), &["worktree", "prune"]);
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Build<'_> {
    /// The first failures of each planted defect; an error says why this build cannot be measured.
    pub fn failures(&self, registry: &Registry, wanted: usize) -> Result<Vec<Failure>, String> {
        let mut failures = Vec::new();
        let mut planted = 0;
        for defect in &registry.defects {
            let Ok(text) = std::fs::read_to_string(self.past.tree().join(defect.scenario)) else { continue };
            planted += 1;
            let mut found = 0;
            for seed in 0..SEEDS {
                if let Some(failure) = self.failure(defect.id, defect.scenario, &text, seed)? {
                    failures.push(failure);
                    found += 1;
                }
                if found == wanted {
                    break;
                }
            }
        }
        match planted {
            0 => Err("it has none of today's negative scenarios".to_owned()),
            _ if failures.is_empty() => Err(format!("its first {SEEDS} seeds find no planted defect")),
            _ => Ok(failures),
        }
    }

    /// Runs one seed; if it fails, records and shrinks it.
    fn failure(&self, defect: &'static str, path: &str, text: &str, seed: u64) -> Result<Option<Failure>, String> {
        let run = self.run(&["run", path, "--seed", &seed.to_string(), "--json"])?;
        let printed = String::from_utf8_lossy(&run.stdout);
        let object: Value = serde_json::from_str(printed.trim())
            .map_err(|_| format!("its `run --json` prints no object: {}", first_error(&run)))?;
        let word = |key: &str| object[key].as_str().map(str::to_owned);
        let (Some(signature), Some(fingerprint)) = (word("signature"), word("fingerprint")) else { return Ok(None) };
        let failure = Failure {
            defect,
            path: path.to_owned(),
            text: text.to_owned(),
            seed,
            signature,
            fingerprint,
            recording: self.written(&["run", path, "--json", "--seed", &seed.to_string(), "--record"])?,
            shrunk: self
                .written(&["shrink", path, "--time", SHRINK_TIME, "--seed", &seed.to_string(), "--out"])?
                .and_then(|bytes| String::from_utf8(bytes).ok()),
        };
        Ok(Some(failure))
    }

    /// The file that a command writes; `None` where this build knows no such command or flag.
    fn written(&self, args: &[&str]) -> Result<Option<Vec<u8>>, String> {
        let file = self.past.folder.join("written");
        let _ = std::fs::remove_file(&file);
        let name = file.to_str().ok_or("the target folder's path is no text")?;
        self.run(&[args, &[name]].concat())?;
        Ok(std::fs::read(&file).ok())
    }

    fn run(&self, args: &[&str]) -> Result<Output, String> {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.past.tree()).env_remove("STORMPROOF_SEED");
        command.output().map_err(|error| format!("its program does not start: {error}"))
    }
}

/// Runs git; an error is what it says.
fn git(folder: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(args).current_dir(folder).output();
    let output = output.map_err(|error| format!("git does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("git {}: {}", args.join(" "), first_error(&output)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The line of what a program complains about that says most.
fn first_error(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().find(|line| line.contains("error")).or_else(|| said.lines().next());
    line.unwrap_or("it says nothing").trim().to_owned()
}
