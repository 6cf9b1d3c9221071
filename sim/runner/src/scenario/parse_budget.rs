//! `[budget]`: how many nodes of each role may lose what they had made durable, and which faults that allows.

use crate::diagnostic::unknown;
use crate::scenario::reader::{self, Place, Section};
use crate::scenario::{Budget, Group, Scenario};
use contract::NodeId;
use kernel::FaultKind;
use toml::Spanned;
use toml::de::DeValue;

/// Reads the table; without it nothing may be damaged.
pub fn read(top: &Section<'_>, groups: &[Group]) -> Budget {
    let mut budget = Budget { damage: vec![0; groups.len()], unsurvivable: false };
    let Some(section) = top.section("budget") else { return budget };
    budget.unsurvivable = section.switch("unsurvivable").unwrap_or(false);
    let Some(table) = section.get("damage").and_then(|value| Section::open("damage", value, &[], section.sink()))
    else {
        return budget;
    };
    for (role, place, value) in table.entries() {
        if let Some((index, damaged)) = read_role(&table, groups, role, place, value) {
            budget.damage[index] = damaged;
        }
    }
    budget
}

fn read_role(
    table: &Section<'_>,
    groups: &[Group],
    role: &str,
    place: Place,
    value: &Spanned<DeValue<'_>>,
) -> Option<(usize, usize)> {
    let Some(index) = groups.iter().position(|group| group.role.name == role) else {
        let known: Vec<&str> = groups.iter().map(|group| group.role.name).collect();
        table.sink().push(unknown("role of this scenario", role, place, &known));
        return None;
    };
    let count = groups[index].count;
    match reader::integer(value.get_ref()) {
        Some(Ok(damaged)) if damaged <= count as u64 => Some((index, damaged as usize)),
        Some(_) => {
            let help = Some(format!("the scenario has {count} of them; `unsurvivable = true` lifts every limit"));
            table.push(format!("`{role}` must lie in 0..={count}"), value.span(), "out of range", help);
            None
        }
        None => {
            let message = format!("`{role}` must be a number of nodes");
            let help = Some(format!("for example damage = {{ {role} = 1 }}"));
            table.push(message, value.span(), reader::found(value.get_ref()), help);
            None
        }
    }
}

/// A fault that damages needs a target that may be damaged.
pub fn check(section: &Section<'_>, scenario: &Scenario, kind: FaultKind, targets: &[NodeId]) {
    let budget = &scenario.budget;
    let allowed = |node: &NodeId| scenario.group_of(*node).is_some_and(|group| budget.damage[group] > 0);
    let Some(first) = targets.first() else { return };
    if !kind.damages() || budget.unsurvivable || targets.iter().any(allowed) {
        return;
    }
    let role = scenario.group_of(*first).map_or("edge", |group| scenario.groups[group].role.name);
    let message = format!("`{}` destroys durable data, and the budget allows that on none of its targets", kind.name());
    let help = format!(
        "write under [budget] on how many nodes another copy repairs it, damage = {{ {role} = 1 }}; \
         or, where no copy need survive, unsurvivable = true"
    );
    let place = section.get("kind").map_or(section.place(), |value| value.span());
    section.push(message, place, "nothing may be damaged", Some(help));
}
