//! What seeds draw: within the file's bounds, each decision by its own name, and never more damage than the
//! budget allows.

use crate::fixture::{Folder, command, registry};
use contract::NodeId;
use kernel::{FaultKind, FaultSpec, Profile, Scope, Settings, Span};
use runner::draw::{Drawn, draw};
use runner::{Exit, Scenario};
use std::collections::BTreeSet;

/// Four tellers, a client, and whatever else.
#[track_caller]
fn scenario(rest: &str) -> Scenario {
    let head = "title = \"t\"\nnodes = { teller = 4 }\n";
    let text = format!("{head}{rest}\n[[workload]]\nname = \"burst\"\n");
    match Scenario::parse("scenarios/a.toml", &text, &registry()) {
        Ok(scenario) => scenario,
        Err(errors) => panic!("{}", errors.render(false)),
    }
}

/// What the first thousand seeds draw.
fn thousand(scenario: &Scenario) -> Vec<Drawn> {
    (0..1_000).map(|seed| draw(scenario, seed, 16, false).unwrap()).collect()
}

/// The settings without the faults.
fn bare(drawn: &Drawn) -> Settings {
    Settings { faults: Vec::new(), ..drawn.settings.clone() }
}

const TWO: &str = "[[fault]]\nkind = \"loss\"\n[[fault]]\nkind = \"clock_jump\"\nscope = \"all\"\n";

#[test]
fn another_fault_in_a_file_changes_no_other_decision() {
    let (few, more) = (scenario(TWO), scenario(&format!("[[fault]]\nkind = \"pause\"\n{TWO}")));
    for (few, more) in thousand(&few).iter().zip(&thousand(&more)) {
        assert_eq!(few.settings.faults, more.settings.faults[1..], "seed {}", few.seed);
        assert_eq!(few.present, more.present[1..]);
        assert_eq!((bare(few), few.safety), (bare(more), more.safety));
        assert!(few.knobs == more.knobs, "seed {}: knobs", few.seed);
    }
}

#[test]
fn a_capacity_that_the_file_says_leaves_the_other_draws_alone() {
    let said = "[machines]\nzones = 3\n[network]\nlatency = \"1ms..2ms\"\n[disk]\nprofile = \"strict\"\ninodes = 900\n";
    for (open, said) in thousand(&scenario(TWO)).iter().zip(&thousand(&scenario(&format!("{TWO}{said}")))) {
        let settings = bare(said);
        assert_eq!((settings.zones, settings.network.latency), (3, Span::millis(1, 2)));
        assert_eq!((settings.disk.profile, settings.disk.inodes), (Profile::Strict, 900));
        let mut expected = bare(open);
        (expected.zones, expected.network.latency) = (3, Span::millis(1, 2));
        (expected.disk.profile, expected.disk.inodes) = (Profile::Strict, 900);
        assert_eq!(settings, expected, "seed {}", open.seed);
        assert_eq!(open.settings.faults, said.settings.faults);
    }
}

#[test]
fn open_capacities_reach_their_whole_ranges_and_room_on_disks_is_left_alone() {
    let drawn: Vec<Settings> = thousand(&scenario("")).iter().map(bare).collect();
    let usual = Settings::default();
    let weakest = drawn.iter().filter(|settings| settings.disk.profile == Profile::PosixMin).count();
    assert!((440..560).contains(&weakest), "{weakest} of 1000 have the weakest promises");
    let count = |profile| drawn.iter().filter(|settings| settings.disk.profile == profile).count();
    assert!(Profile::ALL.iter().all(|(_, profile)| count(*profile) > 90));
    let values = |of: fn(&Settings) -> u64| drawn.iter().map(of).collect::<BTreeSet<u64>>();
    assert_eq!(values(|s| s.codec_sample), BTreeSet::from([0, 1, 16, 64]));
    assert_eq!(values(|s| u64::from(s.zones)), BTreeSet::from([1, 2, 3, 4]));
    let pids = values(|s| u64::from(s.pid_max));
    assert_eq!((pids.first(), pids.last()), (Some(&8), Some(&4_096)));
    let buffers = values(|s| s.network.buffer as u64);
    assert!(buffers.first() == Some(&1) && *buffers.last().unwrap() > 200 && *buffers.last().unwrap() <= 256);
    let quick = drawn.iter().filter(|settings| settings.network.latency.most < usual.network.latency.most).count();
    let slow = drawn.iter().filter(|settings| settings.network.latency.most > usual.network.latency.most).count();
    assert!(quick > 200 && slow > 200 && quick + slow < 560, "{quick} quicker, {slow} slower");
    let spans: fn(&Settings) -> [Span; 5] =
        |s| [s.network.latency, s.network.local, s.disk.read, s.disk.write, s.disk.sync];
    for (span, usual) in drawn.iter().flat_map(|settings| spans(settings).into_iter().zip(spans(&usual))) {
        assert!(span.least <= span.most && span.most <= usual.most * 8 && span.most >= usual.most / 9, "{span:?}");
    }
    assert!(drawn.iter().all(|s| (s.disk.capacity, s.disk.inodes) == (usual.disk.capacity, usual.disk.inodes)));
}

#[test]
fn room_on_disks_is_drawn_from_its_span_and_nothing_else_with_the_switch_off() {
    let room = "[disk]\ncapacity = \"1MiB..64MiB\"\ninodes = \"100..5000\"\n";
    let drawn = thousand(&scenario(&format!("{room}[swarm]\ncapacities = false\n")));
    let usual = Settings::default();
    let disks = || drawn.iter().map(|drawn| drawn.settings.disk);
    assert!(disks().all(|disk| (1 << 20..=64 << 20).contains(&disk.capacity) && (100..=5_000).contains(&disk.inodes)));
    assert!(disks().filter(|disk| disk.capacity < 2 << 20).count() > 80, "small disks are as likely as large ones");
    assert!(disks().filter(|disk| disk.inodes > 2_500).count() > 80);
    for drawn in &drawn {
        let mut settings = bare(drawn);
        (settings.disk.capacity, settings.disk.inodes) = (usual.disk.capacity, usual.disk.inodes);
        settings.choices = false;
        assert_eq!((settings.network, settings.disk), (usual.network, usual.disk));
        assert_eq!((settings.zones, settings.pid_max), (usual.zones, usual.pid_max));
    }
}

/// The targets of the faults that damage.
fn damaging(drawn: &Drawn) -> impl Iterator<Item = &FaultSpec> {
    drawn.settings.faults.iter().filter(|spec| spec.kind.damages())
}

const DAMAGE: &str = "[[fault]]\nkind = \"host_loss\"\n[[fault]]\nkind = \"bit_rot\"\n[[fault]]\nkind = \"pause\"\n";

#[test]
fn damage_never_goes_beyond_the_budget_and_reaches_every_node() {
    let scenario = scenario(&format!("[budget]\ndamage = {{ teller = 2 }}\n{DAMAGE}"));
    let mut ever = BTreeSet::new();
    for drawn in thousand(&scenario) {
        let struck: BTreeSet<NodeId> = damaging(&drawn).flat_map(|spec| spec.targets.iter().copied()).collect();
        assert_eq!(struck.len(), 2, "seed {}: all faults share the nodes: {struck:?}", drawn.seed);
        assert!(!scenario.is_beyond_budget(&struck));
        assert_eq!(drawn.settings.faults[2].targets.len(), 4, "a pause may strike everybody");
        ever.insert(struck);
    }
    assert_eq!(ever.len(), 6, "every pair of the four nodes");
    assert!(scenario.is_beyond_budget(&(0..3).map(NodeId).collect()));
}

#[test]
fn a_damaging_fault_whose_targets_are_spared_is_left_out_of_that_run() {
    let aimed = "[[fault]]\nkind = \"host_loss\"\ntarget = \"teller-1\"\n[[fault]]\nkind = \"bit_rot\"\ntarget = \"teller-3\"\n";
    let scenario = scenario(&format!("[budget]\ndamage = {{ teller = 1 }}\n[swarm]\nfaults = false\n{aimed}"));
    let drawn = thousand(&scenario);
    let only = |slot: usize| drawn.iter().filter(|drawn| drawn.present[slot] && !drawn.present[1 - slot]).count();
    assert!(only(0) > 400 && only(1) > 400 && only(0) + only(1) == 1_000, "one of them in each run");
    for drawn in &drawn {
        let absent = usize::from(drawn.present[0]);
        assert_eq!(drawn.settings.faults[absent].limit, 0);
    }
}

#[test]
fn an_unsurvivable_scenario_may_damage_everybody() {
    let scenario = scenario(&format!("[budget]\nunsurvivable = true\n{DAMAGE}"));
    for drawn in thousand(&scenario) {
        assert!(damaging(&drawn).all(|spec| spec.targets.len() == 4));
    }
    assert!(scenario.is_beyond_budget(&BTreeSet::from([NodeId(3)])) && !scenario.is_beyond_budget(&BTreeSet::new()));
}

#[test]
fn scope_peers_and_after_reach_the_kernel_and_the_plan_that_a_run_prints() {
    let text = "[[fault]]\nkind = \"partition\"\ntarget = \"teller-0\"\npeers = [\"teller-1\", \"burst\"]\nscope = \"zone\"\n\
                after = \"fixture.kept\"\nevery = \"10ms..100ms\"\n[[fault]]\nkind = \"loss\"\nchance = 0.5\nevery = \"0s..1s\"\npeers = \"burst\"\nscope = \"all\"\n\
                [machines]\nzones = 2\n[swarm]\nfaults = false\n";
    let parsed = scenario(text);
    let drawn = draw(&parsed, 1, 16, false).unwrap();
    let [cut, loss] = &drawn.settings.faults[..] else { panic!("two faults") };
    assert_eq!((cut.kind, cut.scope, cut.after.as_deref()), (FaultKind::Partition, Scope::Zone, Some("fixture.kept")));
    assert_eq!((&*cut.targets, &*cut.peers), (&[NodeId(0)][..], &[NodeId(1), NodeId(4)][..]));
    assert_eq!((loss.scope, loss.targets.len(), &*loss.peers), (Scope::All, 4, &[NodeId(4)][..]));

    let folder = Folder::new("scoped");
    let head =
        "title = \"t\"\nnodes = { teller = 4 }\nlimits = { requests = 40, safety = \"20s\", liveness = \"60s\" }\n";
    let file = folder.write("a.toml", &format!("{head}{text}[[workload]]\nname = \"burst\"\n"));
    let printed = command(&registry(), &["run", &file, "--seed", "1"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
    for shown in [
        "after fixture.kept, on a zone of teller-0, towards teller-1 burst-0",
        "on every node at once, towards burst-0",
        "zones 2",
    ] {
        assert!(printed.out.contains(shown), "{shown}:\n{}", printed.out);
    }
}
