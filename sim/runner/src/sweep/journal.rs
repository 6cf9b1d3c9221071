//! The folder of a sweep, and how a sweep goes on after it was killed.
//!
//! `results.jsonl` is the only record: one line a run, in the one order that a sweep has. Going on means reading
//! the lines, as if the runs had just ended, and running what comes after the last. A line that a kill tore is cut
//! off; its run is run again. `sweep.json` says what was asked for, so that nothing else is continued.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the folder belongs to whoever starts the sweep"
)]

use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::sweep::{Options, record};
use crate::verdict::{Verdict, hex};
use contract::time::nanos;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const RESULTS: &str = "results.jsonl";
const HEADER: &str = "sweep.json";
/// Below it, a folder for each signature.
pub const FAILURES: &str = "failures";

/// What decides which runs a sweep does and in which order. Whatever else is asked for may change on the way.
pub fn header(scenarios: &[Scenario], options: &Options) -> Value {
    let scenarios: Vec<Value> =
        scenarios.iter().map(|scenario| json!({ "path": scenario.path, "hash": hex(scenario.hash) })).collect();
    json!({
        "format": 1,
        "build": build(),
        "scenarios": scenarios,
        "seeds": options.seeds.as_ref().map(|seeds| format!("{}..{}", seeds.start, seeds.end)),
        "shard": format!("{}/{}", options.shard.index + 1, options.shard.count),
        "by_time": options.time.is_some(),
        "chunk": options.chunk,
        "strategy": options.strategy.name(),
        "recheck": options.recheck,
        "stop_after_failures": options.stop_after,
        "until_quiet": options.quiet_below,
        "run_limit_nanos": options.run_limit.map(nanos),
    })
}

/// Of the program's own bytes: another build may run the same seeds differently.
pub fn build() -> Option<String> {
    let bytes = std::fs::read(std::env::current_exe().ok()?).ok()?;
    Some(hex(xxhash_rust::xxh3::xxh3_64(&bytes)))
}

/// The results of an earlier part of the sweep, read in their order.
pub struct Past {
    lines: BufReader<File>,
    path: PathBuf,
    number: u64,
    buffer: Vec<u8>,
}

impl Past {
    /// The next run, which must be this one; `None` after the last.
    pub fn next(&mut self, scenario: &Scenario, seed: u64, registry: &Registry) -> Result<Option<Verdict>, String> {
        self.buffer.clear();
        let path = self.path.display();
        let length = self.lines.read_until(b'\n', &mut self.buffer);
        if length.map_err(|error| format!("cannot read {path}: {error}"))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        record::read(&self.buffer, scenario, seed, registry).map(Some).map_err(|why| {
            let number = self.number;
            format!("{path}:{number}: {why}; cut the file before that line, or leave out --resume to begin anew")
        })
    }
}

/// A new sweep in the folder; what an older one left there is gone.
pub fn begin(folder: &Path, header: &Value) -> Result<BufWriter<File>, String> {
    let start = || -> io::Result<File> {
        std::fs::create_dir_all(folder)?;
        absent(std::fs::remove_file(folder.join(RESULTS)))?;
        absent(std::fs::remove_dir_all(folder.join(FAILURES)))?;
        let temporary = folder.join("sweep.json.new");
        std::fs::write(&temporary, format!("{header:#}\n"))?;
        std::fs::rename(&temporary, folder.join(HEADER))?;
        OpenOptions::new().write(true).create(true).truncate(true).open(folder.join(RESULTS))
    };
    start().map(BufWriter::new).map_err(|error| format!("cannot write results to {}: {error}", folder.display()))
}

/// Goes on with the sweep in the folder, or begins it: its results so far, and where the next ones go.
pub fn resume(folder: &Path, header: &Value) -> Result<(Option<Past>, BufWriter<File>), String> {
    let said = match std::fs::read_to_string(folder.join(HEADER)) {
        Ok(said) => said,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return begin(folder, header).map(|out| (None, out)),
        Err(error) => return Err(format!("cannot read {}: {error}", folder.join(HEADER).display())),
    };
    check(folder, &said, header)?;
    let path = folder.join(RESULTS);
    let open = || -> io::Result<(File, File)> {
        let mut out = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let complete = complete_lines(&mut out)?;
        out.set_len(complete)?;
        out.seek(SeekFrom::End(0))?;
        Ok((File::open(&path)?, out))
    };
    let (lines, out) = open().map_err(|error| format!("cannot go on with {}: {error}", path.display()))?;
    // The reader ends where the writer begins: everything is read before the first new line is written.
    let past = Past { lines: BufReader::new(lines), path, number: 0, buffer: Vec::new() };
    Ok((Some(past), BufWriter::new(out)))
}

/// Only the same sweep goes on.
fn check(folder: &Path, said: &str, header: &Value) -> Result<(), String> {
    let path = folder.join(HEADER);
    let remedy = "leave out --resume to begin anew, or name another folder with --out";
    let old: Value =
        serde_json::from_str(said).map_err(|error| format!("{} is damaged: {error}; {remedy}", path.display()))?;
    let keys = header.as_object().into_iter().flatten();
    for (key, now) in keys {
        let then = &old[key.as_str()];
        if then != now {
            return Err(format!(
                "{}: the sweep in this folder had `{key}` {then}, this one has {now}: go on with what it had, {remedy}",
                path.display()
            ));
        }
    }
    Ok(())
}

/// The length of the lines that end.
fn complete_lines(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 64 * 1024;
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        io::Read::read_exact(file, &mut block)?;
        if let Some(last) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// What is not there need not be removed.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
