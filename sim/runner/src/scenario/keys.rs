//! The keys of a scenario file, declared once: the parser, the error texts and the JSON Schema all read these tables.

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the file.
    pub name: &'static str,
    /// One sentence for the schema.
    pub about: &'static str,
    /// What it takes.
    pub form: Form,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Any text.
    Text,
    /// A whole number.
    Integer {
        /// The smallest legal one.
        least: u64,
        /// The largest legal one.
        most: u64,
    },
    /// A list of whole numbers from 1.
    Occurrences,
    /// One identity of a message or a list of them.
    Identities,
    /// A duration.
    Time,
    /// A span of durations.
    Span,
    /// A probability or a fraction, from 0 to 1.
    Chance,
    /// A size in bytes, or a span of sizes from which each seed draws one.
    Sizes,
    /// A whole number, or a span of them from which each seed draws one.
    Numbers {
        /// The smallest legal one.
        least: u64,
        /// The largest legal one.
        most: u64,
    },
    /// Yes or no.
    Switch,
    /// A range of seeds.
    Seeds,
    /// One name of a vocabulary.
    Name(Vocabulary),
    /// One name of a vocabulary or a list of them.
    Names(Vocabulary),
    /// A table with these keys.
    Table(&'static [Key]),
    /// Any number of tables with these keys.
    Tables(&'static [Key]),
    /// A table of role = count.
    Counts,
    /// A table of role = how many of its nodes may be damaged.
    Damage,
    /// A table of tables: the knobs of each role.
    Knobs,
    /// Any number of tables: the name of a workload and its knobs.
    Workloads,
}

/// Which names a key accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// Fault kinds.
    Fault,
    /// Roles and nodes of this scenario.
    Target,
    /// Oracles.
    Oracle,
    /// Workloads.
    Workload,
    /// Planted defects.
    Defect,
    /// How many nodes an occurrence strikes.
    Scope,
    /// File systems that a disk may behave like.
    Profile,
    /// Kinds of marks: `component.name`.
    Mark,
}

const fn key(name: &'static str, about: &'static str, form: Form) -> Key {
    Key { name, about, form }
}

const ANY: Form = Form::Integer { least: 0, most: i64::MAX as u64 };

/// The whole file.
pub const TOP: &[Key] = &[
    key("title", "What the scenario is about, in a sentence.", Form::Text),
    key("nodes", "How many nodes of each role: role = count.", Form::Counts),
    key("limits", "When a run is over.", Form::Table(LIMITS)),
    key("knobs", "Knobs of system roles: [knobs.ROLE].", Form::Knobs),
    key("machines", "What the machines are like.", Form::Table(MACHINES)),
    key("network", "The network's quiet behaviour.", Form::Table(NETWORK)),
    key("disk", "The disks' quiet behaviour.", Form::Table(DISK)),
    key("swarm", "What each seed draws for itself.", Form::Table(SWARM)),
    key("workload", "The clients that drive the system, with their knobs.", Form::Workloads),
    key("fault", "What goes wrong.", Form::Tables(FAULT)),
    key("budget", "How much durable data the faults may destroy.", Form::Table(BUDGET)),
    key("expect", "Who judges, and what a negative scenario must find.", Form::Table(EXPECT)),
    key("seed", "The seed of `run` and `replay` when none is given.", ANY),
    key("seeds", "The seeds of `sweep` when none are given.", Form::Seeds),
    key(
        "forks",
        "Where other seeds take over: MOMENT.SEED, the moment in nanoseconds, several joined by +.",
        Form::Text,
    ),
];

/// `[limits]`
pub const LIMITS: &[Key] = &[
    key("requests", "Operations that all workloads together issue.", Form::Integer { least: 1, most: 1_000_000_000 }),
    key("safety", "Virtual time during which faults strike.", Form::Time),
    key("liveness", "Virtual time that a healed system gets to converge.", Form::Time),
    key(
        "events",
        "Events of a whole run; one with more goes round in circles and has not converged.",
        Form::Integer { least: 1, most: 1_000_000_000_000 },
    ),
    key("restart", "Time from the end of a process to its next start by its supervisor.", Form::Span),
];

/// `[machines]`
pub const MACHINES: &[Key] = &[
    key("zones", "Availability zones; node n lies in zone n modulo this.", Form::Integer { least: 1, most: NODES_MAX }),
    key(
        "pid_max",
        "Process numbers start again after this one: a small one is soon used again.",
        Form::Integer { least: 8, most: 4_194_304 },
    ),
];

/// `[network]`
pub const NETWORK: &[Key] = &[
    key("latency", "One-way latency between two nodes.", Form::Span),
    key("local", "One-way latency between processes of one node.", Form::Span),
    key(
        "codec_sample",
        "Every n-th message moves as bytes through the codec; 0 for never.",
        Form::Integer { least: 0, most: 1_000_000 },
    ),
    key("buffer", "Messages that a slow receiver's buffer holds.", Form::Integer { least: 1, most: 1_000_000 }),
];

/// `[disk]`
pub const DISK: &[Key] = &[
    key("read", "Time of one read.", Form::Span),
    key("write", "Time of one write or directory operation.", Form::Span),
    key("sync", "Time of one sync.", Form::Span),
    key("capacity", "Bytes that a node's disk can hold; each seed draws from a span.", Form::Sizes),
    key(
        "inodes",
        "Files and directories that a node's disk can hold; each seed draws from a span.",
        Form::Numbers { least: 1, most: i64::MAX as u64 },
    ),
    key(
        "profile",
        "The file system that it behaves like when the power goes; what is right under posix-min is right under all.",
        Form::Name(Vocabulary::Profile),
    ),
    key("dir_sync", "Whether directories can be synced; false refuses it as some file systems do.", Form::Switch),
];

/// `[swarm]`
pub const SWARM: &[Key] = &[
    key("faults", "Each seed draws which faults exist and the rates that the file leaves open.", Form::Switch),
    key("knobs", "Some seeds draw some of the knobs that the file leaves open.", Form::Switch),
    key(
        "capacities",
        "Each seed draws what the file leaves open of [machines], [network] and [disk]; room on disks only within spans.",
        Form::Switch,
    ),
    key("choices", "Some seeds take rare legal choices inside actors.", Form::Switch),
    key("safety", "Some seeds heal the system early, in the middle of the storm.", Form::Switch),
    key(
        "liveness",
        "Each seed draws at which moments, and around which core, a copy of the run is healed and must converge.",
        Form::Switch,
    ),
];

/// `[[fault]]`
pub const FAULT: &[Key] = &[
    key("kind", "What goes wrong; `stormproof list` explains each kind.", Form::Name(Vocabulary::Fault)),
    key("target", "Whom it strikes: roles or nodes; every system node if left out.", Form::Names(Vocabulary::Target)),
    key(
        "peers",
        "The other ends of the links that it strikes: roles or nodes; everybody else if left out.",
        Form::Names(Vocabulary::Target),
    ),
    key(
        "scope",
        "How many targets one occurrence strikes: node, zone (every target in the zone of one) or all.",
        Form::Name(Vocabulary::Scope),
    ),
    key(
        "after",
        "Strikes right after the next mark of this kind by a target, counted from when it would have struck.",
        Form::Name(Vocabulary::Mark),
    ),
    key("every", "Time from one occurrence to the next.", Form::Span),
    key("at", "Time of a single occurrence; such a fault is never left out by the swarm.", Form::Span),
    key("lasts", "How long an occurrence lasts.", Form::Span),
    key("relief", "Another word for `lasts`.", Form::Span),
    key("chance", "Probability for each message or disk call; for clock drift the fraction.", Form::Chance),
    key("amount", "How late or how far off.", Form::Span),
    key("limit", "At most this many occurrences.", Form::Integer { least: 1, most: u32::MAX as u64 }),
    key(
        "key",
        "Keys its draws in place of its position in the file.",
        Form::Integer { least: 0, most: u32::MAX as u64 },
    ),
    key("occurrences", "Only these strike, the first being 1; the others pass in silence.", Form::Occurrences),
    key("messages", "Only the messages of these identities are met.", Form::Identities),
];

/// `[budget]`
pub const BUDGET: &[Key] = &[
    key("damage", "How many nodes of a role may lose durable data in one run: role = number.", Form::Damage),
    key(
        "unsurvivable",
        "Every copy may be lost: the system need not converge, but must fail loudly and never lie.",
        Form::Switch,
    ),
];

/// `[expect]`
pub const EXPECT: &[Key] = &[
    key("oracles", "The judges of this scenario; every known one if left out.", Form::Names(Vocabulary::Oracle)),
    key("defect", "The planted defect to switch on: the scenario is negative.", Form::Name(Vocabulary::Defect)),
    key("caught_by", "The oracle that must catch the defect.", Form::Name(Vocabulary::Oracle)),
    key("signature", "The failure that this file reproduces; `replay` compares.", Form::Text),
];

/// The keys of `[[workload]]` beside the knobs.
pub const WORKLOAD: &[Key] = &[
    key("name", "Which workload; `stormproof list` explains each one.", Form::Name(Vocabulary::Workload)),
    key("count", "How many client nodes.", Form::Integer { least: 1, most: NODES_MAX }),
];

/// No scenario has more nodes of one role.
pub const NODES_MAX: u64 = 4096;

impl Form {
    /// What to write, in words.
    pub fn expected(self) -> String {
        match self {
            Form::Text => "text".to_owned(),
            Form::Integer { least, most } if most >= i64::MAX as u64 => format!("a whole number from {least}"),
            Form::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Form::Occurrences => "a list of whole numbers from 1".to_owned(),
            Form::Identities => "one identity of 16 hexadecimal digits or a list of them".to_owned(),
            Form::Time => "a duration".to_owned(),
            Form::Span => "a duration or a span of durations".to_owned(),
            Form::Chance => "a fraction from 0 to 1".to_owned(),
            Form::Sizes => "a size in bytes or a span of sizes".to_owned(),
            Form::Numbers { least, .. } => format!("a whole number from {least} or a span of them"),
            Form::Switch => "true or false".to_owned(),
            Form::Seeds => "a range of seeds".to_owned(),
            Form::Name(vocabulary) => vocabulary.noun().to_owned(),
            Form::Names(vocabulary) => format!("{} or a list of them", vocabulary.noun()),
            Form::Table(_) | Form::Counts | Form::Damage | Form::Knobs => "a table".to_owned(),
            Form::Tables(_) | Form::Workloads => "an array of tables".to_owned(),
        }
    }

    /// An example of the right-hand side.
    pub const fn example(self) -> &'static str {
        match self {
            Form::Text => "\"disk fills, then the power goes\"",
            Form::Integer { .. } => "500",
            Form::Occurrences => "[1, 4]",
            Form::Identities => "[\"0123456789abcdef\"]",
            Form::Time => "\"120s\"",
            Form::Span => "\"5s..20s\"",
            Form::Chance => "0.05",
            Form::Sizes => "\"1MiB..64MiB\"",
            Form::Numbers { .. } => "\"100..5000\"",
            Form::Switch => "true",
            Form::Seeds => "\"0..1000\"",
            Form::Name(Vocabulary::Fault) => "\"power_loss\"",
            Form::Name(Vocabulary::Defect) => "\"P01\"",
            Form::Name(Vocabulary::Oracle) => "\"custody\"",
            Form::Name(Vocabulary::Scope) => "\"zone\"",
            Form::Name(Vocabulary::Profile) => "\"posix-min\"",
            Form::Name(Vocabulary::Mark) => "\"system.boot\"",
            Form::Name(_) => "\"ingest\"",
            Form::Names(Vocabulary::Oracle) => "[\"custody\", \"convergence\"]",
            Form::Names(_) => "[\"edge\", \"primary-0\"]",
            Form::Table(_) => "{ safety = \"120s\" }",
            Form::Counts => "{ edge = 2, primary = 1 }",
            Form::Damage => "{ edge = 1 }",
            Form::Knobs => "{ edge = { workers = 2 } }",
            Form::Tables(_) => "[{ kind = \"power_loss\" }]",
            Form::Workloads => "[{ name = \"ingest\" }]",
        }
    }
}

impl Vocabulary {
    /// One of its names, in words.
    pub const fn noun(self) -> &'static str {
        match self {
            Vocabulary::Fault => "a fault kind",
            Vocabulary::Target => "a role or a node",
            Vocabulary::Oracle => "an oracle",
            Vocabulary::Workload => "a workload",
            Vocabulary::Defect => "a planted defect",
            Vocabulary::Scope => "a scope",
            Vocabulary::Profile => "a file system profile",
            Vocabulary::Mark => "a kind of mark",
        }
    }

    /// The same without its article.
    pub fn noun_alone(self) -> &'static str {
        self.noun().trim_start_matches("an ").trim_start_matches("a ")
    }
}
