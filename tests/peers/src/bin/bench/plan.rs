//! What is run: the sections, and how much work each contestant gets in each.
//!
//! Work is scaled so that no run takes much more than a few seconds; all figures are per unit. A
//! peer that grows slower with the length of a run gets the full length.

pub const STORMPROOF: &str = "stormproof";
pub const MADSIM: &str = "madsim";
pub const MOONPOOL: &str = "moonpool";
pub const TURMOIL: &str = "turmoil";
pub const TURMOIL_NO_DISK: &str = "turmoil, no disk";

pub const A: &str = "a";
pub const A_DENSE: &str = "a-dense";
pub const B: &str = "b";
pub const SHORT: &str = "short";

pub struct PeerProgram {
    pub name: &'static str,
    pub program: &'static str,
    pub arguments: &'static [&'static str],
}

pub const PEERS: [PeerProgram; 4] = [
    PeerProgram { name: MADSIM, program: "peer-madsim", arguments: &[] },
    PeerProgram { name: MOONPOOL, program: "peer-moonpool", arguments: &[] },
    PeerProgram { name: TURMOIL, program: "peer-turmoil", arguments: &[] },
    PeerProgram { name: TURMOIL_NO_DISK, program: "peer-turmoil", arguments: &["--no-disk"] },
];

/// One table: contestants that do the same work.
pub struct Section {
    pub id: &'static str,
    /// Sections of one group, next to each other in the plan, are run contestant by contestant, so that
    /// what is compared between them (the same contestant at two sizes) is measured close together.
    pub group: &'static str,
    pub title: &'static str,
    /// The command line, without the number of units.
    arguments: &'static [&'static str],
    unit_flag: &'static str,
    pub unit: &'static str,
    work: &'static [Work],
}

struct Work {
    contestant: &'static str,
    units: u64,
    units_quick: u64,
    /// Rounds in which the contestant takes part, where a single run is already too long.
    rounds_max: u32,
}

/// How much one contestant does in one section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub units: u64,
    pub rounds: u32,
}

impl Section {
    /// The share of a contestant; `None` where it does not take part.
    pub fn share(&self, contestant: &str, quick: bool, rounds: u32) -> Option<Share> {
        let is_peer = PEERS.iter().any(|peer| peer.name == contestant);
        // Whoever is not a peer is Stormproof or one of its variants.
        let name = if is_peer { contestant } else { STORMPROOF };
        let work = self.work.iter().find(|work| work.contestant == name)?;
        let units = if quick { work.units_quick } else { work.units };
        (0 < units).then_some(Share { units, rounds: rounds.min(work.rounds_max) })
    }

    pub fn command_line(&self, units: u64) -> Vec<String> {
        let fixed = self.arguments.iter().map(|word| (*word).to_owned());
        fixed.chain([self.unit_flag.to_owned(), units.to_string()]).collect()
    }
}

const fn work(contestant: &'static str, units: u64, units_quick: u64) -> Work {
    Work { contestant, units, units_quick, rounds_max: u32::MAX }
}

pub const SECTIONS: [Section; 8] = [
    Section {
        id: A,
        group: A,
        title: "A: 64 nodes, one request under way at each, latency 1 to 10 ms",
        arguments: &["pingpong", "--nodes", "64", "--outstanding", "1"],
        unit_flag: "--deliveries",
        unit: "delivery",
        work: &[
            work(STORMPROOF, 1_000_000, 200_000),
            work(MADSIM, 1_000_000, 100_000),
            work(MOONPOOL, 250_000, 50_000),
            work(TURMOIL, 50_000, 5_000),
        ],
    },
    Section {
        id: A_DENSE,
        group: A_DENSE,
        title: "A dense: the same with 512 requests under way at each node",
        arguments: &["pingpong", "--nodes", "64", "--outstanding", "512"],
        unit_flag: "--deliveries",
        unit: "delivery",
        work: &[
            work(STORMPROOF, 1_000_000, 250_000),
            work(MADSIM, 500_000, 150_000),
            work(MOONPOOL, 500_000, 150_000),
            work(TURMOIL, 1_000_000, 250_000),
        ],
    },
    Section {
        id: B,
        group: B,
        title: "B: quorum log on three replicas, 128-byte records, write and sync on each, \
                a follower crashes every 1,000 appends",
        arguments: &["quorum-log"],
        unit_flag: "--appends",
        unit: "append",
        work: &[
            work(STORMPROOF, 100_000, 20_000),
            work(MADSIM, 100_000, 20_000),
            work(MOONPOOL, 100_000, 20_000),
            work(TURMOIL, 100_000, 20_000),
            work(TURMOIL_NO_DISK, 100_000, 20_000),
        ],
    },
    Section {
        id: "scaling-8",
        group: SCALING,
        title: "Scaling of A: 8 nodes",
        arguments: &["pingpong", "--nodes", "8", "--outstanding", "1"],
        unit_flag: "--deliveries",
        unit: "delivery",
        work: &[
            work(STORMPROOF, 1_000_000, 200_000),
            work(MADSIM, 500_000, 100_000),
            work(MOONPOOL, 250_000, 50_000),
            work(TURMOIL, 100_000, 20_000),
        ],
    },
    Section {
        id: SCALING_SMALL,
        group: SCALING,
        title: "Scaling of A: 64 nodes",
        arguments: &["pingpong", "--nodes", "64", "--outstanding", "1"],
        unit_flag: "--deliveries",
        unit: "delivery",
        work: &[
            work(STORMPROOF, 1_000_000, 200_000),
            work(MADSIM, 500_000, 100_000),
            work(MOONPOOL, 250_000, 50_000),
            work(TURMOIL, 20_000, 2_000),
        ],
    },
    Section {
        id: "scaling-512",
        group: SCALING,
        title: "Scaling of A: 512 nodes (turmoil: half a second for each simulated \
                millisecond, so it runs once)",
        arguments: &["pingpong", "--nodes", "512", "--outstanding", "1"],
        unit_flag: "--deliveries",
        unit: "delivery",
        work: &[
            work(STORMPROOF, 1_000_000, 200_000),
            work(MADSIM, 500_000, 100_000),
            work(MOONPOOL, 100_000, 20_000),
            Work { contestant: TURMOIL, units: 2_000, units_quick: 0, rounds_max: 1 },
        ],
    },
    Section {
        id: SCALING_LARGE,
        group: SCALING,
        title: "Scaling of A: 4,096 nodes (turmoil: left out, it walks 8 million links for each \
                host in each simulated millisecond)",
        arguments: &["pingpong", "--nodes", "4096", "--outstanding", "1"],
        unit_flag: "--deliveries",
        unit: "delivery",
        work: &[work(STORMPROOF, 1_000_000, 300_000), work(MADSIM, 500_000, 100_000), work(MOONPOOL, 50_000, 20_000)],
    },
    Section {
        id: SHORT,
        group: SHORT,
        title: "Seeds a second: whole runs of A with 1,000 messages, world set up and torn down",
        arguments: &["short", "--nodes", "64", "--deliveries", "1000"],
        unit_flag: "--runs",
        unit: "run",
        work: &[work(STORMPROOF, 1_000, 200), work(MADSIM, 200, 50), work(MOONPOOL, 100, 20), work(TURMOIL, 20, 5)],
    },
];

const SCALING: &str = "scaling";
pub const SCALING_SMALL: &str = "scaling-64";
pub const SCALING_LARGE: &str = "scaling-4096";

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: &str) -> &'static Section {
        SECTIONS.iter().find(|section| section.id == id).expect("a section of the plan")
    }

    #[test]
    fn variants_of_stormproof_get_its_share() {
        let section = section(A);
        let stormproof = section.share(STORMPROOF, false, 5);
        assert_eq!(section.share("untraced", false, 5), stormproof);
        assert_ne!(section.share(TURMOIL, false, 5), stormproof);
    }

    #[test]
    fn a_peer_can_be_left_out() {
        assert_eq!(section(A).share(TURMOIL_NO_DISK, false, 5), None);
        assert_eq!(section(SCALING_LARGE).share(TURMOIL, false, 5), None);
        let once = section("scaling-512").share(TURMOIL, false, 5);
        assert_eq!(once.map(|share| share.rounds), Some(1));
    }

    #[test]
    fn every_contestant_of_the_plan_exists() {
        for work in SECTIONS.iter().flat_map(|section| section.work) {
            let known = work.contestant == STORMPROOF || PEERS.iter().any(|peer| peer.name == work.contestant);
            assert!(known, "{:?}", work.contestant);
        }
    }
}
