//! The timer table against a model: a map from each name to its latest setting.

use contract::timer::{Alarm, Timers};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Step {
    Set(u8),
    Cancel(u8),
    /// Fires the n-th alarm ever handed out.
    Fire(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_u8..5).prop_map(Step::Set),
        (0_u8..5).prop_map(Step::Cancel),
        (0_usize..40).prop_map(Step::Fire),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// An alarm runs its timer if and only if it is the latest setting of that name and has not fired;
    /// no alarm of the past ever passes for another timer's.
    #[test]
    fn only_the_latest_setting_of_a_name_fires(steps in steps()) {
        let mut timers = Timers::default();
        let mut latest: BTreeMap<u8, Alarm> = BTreeMap::new();
        let mut given: Vec<(Alarm, u8)> = Vec::new();
        for step in steps {
            match step {
                Step::Set(name) => {
                    let alarm = timers.set(name);
                    prop_assert!(given.iter().all(|(old, _)| *old != alarm), "an alarm was handed out twice");
                    latest.insert(name, alarm);
                    given.push((alarm, name));
                }
                Step::Cancel(name) => prop_assert_eq!(timers.cancel(name), latest.remove(&name).is_some()),
                Step::Fire(index) if !given.is_empty() => {
                    let (alarm, name) = given[index % given.len()];
                    let expected = (latest.get(&name) == Some(&alarm)).then_some(name);
                    prop_assert_eq!(timers.fire(alarm), expected);
                    if expected.is_some() {
                        latest.remove(&name);
                    }
                }
                Step::Fire(_) => prop_assert_eq!(timers.fire(Alarm { slot: 0, generation: 0 }), None),
            }
            for (alarm, name) in &given {
                prop_assert_eq!(timers.is_live(*alarm), latest.get(name) == Some(alarm));
            }
            for name in 0..5 {
                prop_assert_eq!(timers.is_set(name), latest.contains_key(&name));
            }
        }
    }
}

#[test]
fn slots_are_used_again_so_that_many_names_in_turn_need_few() {
    let mut timers = Timers::default();
    let mut highest = 0;
    for name in 0..1_000_u32 {
        let alarm = timers.set(name);
        highest = highest.max(alarm.slot);
        assert_eq!(timers.fire(alarm), Some(name));
    }
    assert_eq!(highest, 0, "one timer at a time needs one slot");
}

#[test]
fn a_copy_keeps_its_alarms_whatever_the_original_does() {
    let mut original = Timers::default();
    let alarm = original.set('a');
    let mut copy = original.clone();
    original.cancel('a');
    assert!(!original.is_live(alarm));
    assert_eq!(copy.fire(alarm), Some('a'));
}
