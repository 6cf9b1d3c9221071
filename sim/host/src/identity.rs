//! Who a process is to the operating system, and whether another one runs: read from `/proc`.

use contract::Pid;
use contract::host::{Identity, Liveness};
use rustix::io::Errno;
use rustix::process::{Pid as OsPid, getpid, test_kill_process};
use std::fs;
use std::io;

/// The identity of this OS process. Fails where there is no `/proc`: identities would not be unique.
pub fn identity() -> io::Result<Identity> {
    let pid = Pid(getpid().as_raw_nonzero().get().unsigned_abs());
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(Identity { pid, started: started(pid)?, boot: fold_hex(&boot), host: host() })
}

/// What the process table says of `pid`.
pub fn liveness(pid: Pid) -> Liveness {
    let Some(target) = i32::try_from(pid.0).ok().and_then(OsPid::from_raw) else { return Liveness::Dead };
    match test_kill_process(target) {
        Ok(()) => match started(pid) {
            Ok(started) => Liveness::Alive { started },
            // It ended between the two look-ups; any other failure leaves it taken for alive.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Liveness::Dead,
            Err(_) => Liveness::NotPermitted,
        },
        Err(Errno::SRCH) => Liveness::Dead,
        Err(_) => Liveness::NotPermitted,
    }
}

/// When a process started, in nanoseconds of the boot clock: field 22 of `/proc/PID/stat`. A zombie is
/// "not found": it executes nothing any more.
fn started(pid: Pid) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.0))?;
    parse_started(&stat, rustix::param::clock_ticks_per_second())
}

fn parse_started(stat: &str, ticks_per_second: u64) -> io::Result<u64> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "no start time in /proc/PID/stat");
    // The second field is the program's name in parentheses and may hold spaces and parentheses itself.
    let (_, fields) = stat.rsplit_once(')').ok_or_else(malformed)?;
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "a zombie"));
    }
    let ticks: u64 = fields.nth(18).and_then(|field| field.parse().ok()).ok_or_else(malformed)?;
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_per_second.max(1));
    Ok(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The machine: its installation id, or its network name where there is none.
fn host() -> u64 {
    match fs::read_to_string("/etc/machine-id") {
        Ok(id) if !id.trim().is_empty() => fold_hex(&id),
        _ => fold_bytes(rustix::system::uname().nodename().to_bytes()),
    }
}

/// Folds the hexadecimal digits of an identifier into a number.
fn fold_hex(text: &str) -> u64 {
    let digits = text.chars().filter_map(|digit| digit.to_digit(16));
    digits.fold(0, |folded: u64, digit| folded.rotate_left(4) ^ u64::from(digit))
}

/// FNV-1a, for names.
fn fold_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_may_hold_anything() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 250 100 5";
        assert_eq!(parse_started(stat, 100).unwrap(), 2_500_000_000);
        assert!(parse_started("7 (short) S 1", 100).is_err());
    }

    #[test]
    fn this_process_is_alive_and_a_reaped_one_is_dead() {
        let me = identity().unwrap();
        assert_eq!(liveness(me.pid), Liveness::Alive { started: me.started });
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid(child.id());
        child.wait().unwrap();
        assert_eq!(liveness(pid), Liveness::Dead);
        assert_eq!(liveness(Pid(0)), Liveness::Dead);
        assert_eq!(liveness(Pid(u32::MAX)), Liveness::Dead);
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid(child.id());
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while liveness(pid) != Liveness::Dead {
            assert!(std::time::Instant::now() < limit, "the child never became a zombie");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
