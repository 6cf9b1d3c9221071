//! Outside services in place of a role's own processes: `--engine ROLE=URL` of real runs.
//!
//! | role | URL | what its processes become |
//! |---|---|---|
//! | `rcs` | `etcd://HOST:PORT[,HOST:PORT...][/NAME]` | `member`: a gateway that serves the same wire from etcd; `log`: idle |
//!
//! The scenario, its clients and its judges stay as they are. NAME keeps the keys of several users of one etcd
//! apart; it is `stormproof` if left out.

#[cfg(feature = "etcd")]
pub mod etcd;

use contract::ProcessId;
use contract::cell::Blueprint;
use host::Door;
use runner::{Engine, RealJob};
use std::sync::Arc;

/// Where etcd listens, and under which name its keys stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// Each `HOST:PORT`.
    pub addresses: Vec<String>,
    /// The first part of every key.
    pub name: String,
}

/// What a process does in place of its own part of the plan, and the door for its threads.
pub struct StandIn {
    pub blueprint: Arc<dyn Blueprint>,
    pub door: Door,
}

/// What stands in for a process of the plan in this run; nothing if its role has no engine.
pub fn stand_in(job: &RealJob<'_>, process: ProcessId) -> Result<Option<StandIn>, String> {
    let plan = &job.drawn.plan;
    let seat = &plan.processes[process.0 as usize];
    let node = &plan.nodes[seat.node.0 as usize];
    let Some(engine) = job.engines.iter().find(|engine| engine.role == node.role) else { return Ok(None) };
    let index = plan.nodes[..seat.node.0 as usize].iter().filter(|other| other.role == node.role).count();
    let door = Door::default();
    let name = seat.name.rsplit('/').next().unwrap_or_default();
    Ok(Some(StandIn { blueprint: blueprint(&servers(engine)?, name, index, &door)?, door }))
}

/// Whether every engine can be used, before anything is started.
pub fn check(engines: &[Engine]) -> Result<(), String> {
    engines.iter().try_for_each(|engine| reach(&servers(engine)?))
}

/// Reads an engine's URL.
fn servers(engine: &Engine) -> Result<Servers, String> {
    if engine.role != "rcs" {
        return Err(format!("--engine {engine}: no service can stand in for role `{}`; only for rcs", engine.role));
    }
    let wrong = || format!("--engine {engine}: write rcs=etcd://HOST:PORT,HOST:PORT or rcs=etcd://HOST:PORT/NAME");
    let rest = engine.url.strip_prefix("etcd://").ok_or_else(wrong)?;
    let (addresses, name) = rest.split_once('/').unwrap_or((rest, "stormproof"));
    let addresses: Vec<String> = addresses.split(',').map(str::to_owned).collect();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let dialled = |address: &String| {
        address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if !plain || !addresses.iter().all(dialled) {
        return Err(wrong());
    }
    Ok(Servers { addresses, name: name.to_owned() })
}

#[cfg(feature = "etcd")]
fn blueprint(servers: &Servers, process: &str, index: usize, door: &Door) -> Result<Arc<dyn Blueprint>, String> {
    etcd::blueprint(servers, process, index, door)
}

#[cfg(feature = "etcd")]
fn reach(servers: &Servers) -> Result<(), String> {
    etcd::reach(servers)
}

#[cfg(not(feature = "etcd"))]
fn blueprint(_: &Servers, _: &str, _: usize, _: &Door) -> Result<Arc<dyn Blueprint>, String> {
    Err(NOT_BUILT.to_owned())
}

#[cfg(not(feature = "etcd"))]
fn reach(_: &Servers) -> Result<(), String> {
    Err(NOT_BUILT.to_owned())
}

#[cfg(not(feature = "etcd"))]
const NOT_BUILT: &str =
    "this build has no gateway to etcd: build it with `--features etcd` (needs protoc; `make engines` installs it)";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Servers, String> {
        servers(&Engine { role: "rcs".to_owned(), url: url.to_owned() })
    }

    #[test]
    fn a_url_names_the_servers_and_perhaps_the_keys() {
        let servers = read("etcd://a:1,b:2/test-7").unwrap();
        assert_eq!((servers.addresses, &*servers.name), (vec!["a:1".to_owned(), "b:2".to_owned()], "test-7"));
        assert_eq!(read("etcd://127.0.0.1:2379").unwrap().name, "stormproof");
    }

    #[test]
    fn a_wrong_engine_is_refused_with_its_remedy() {
        for bad in ["nats://a:1", "etcd://", "etcd://a", "etcd://a:b", "etcd://:1", "etcd://a:1/", "etcd://a:1/x/y"] {
            assert!(read(bad).unwrap_err().contains("write rcs=etcd://HOST:PORT"), "{bad}");
        }
        let other = Engine { role: "edge".to_owned(), url: "etcd://a:1".to_owned() };
        assert!(servers(&other).unwrap_err().contains("only for rcs"));
    }
}
