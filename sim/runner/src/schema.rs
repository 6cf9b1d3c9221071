//! The JSON Schema of scenario files, from the same tables that the parser reads, with this build's names in it.

use crate::registry::Registry;
use crate::scenario::keys::{self, Form, Key, NODES_MAX, Vocabulary};
use contract::knobs::{Knob, Unit};
use contract::plan::RoleKind;
use kernel::{FaultKind, Profile, Scope};
use serde_json::{Map, Value, json};

/// A number and a unit of time.
const TIME: &str = r"^\d+(\.\d{1,6})?\s*(ns|us|ms|s|m|h)$";
/// One or two of those.
const SPAN: &str = r"^\d+(\.\d{1,6})?\s*(ns|us|ms|s|m|h)(\s*\.\.\s*\d+(\.\d{1,6})?\s*(ns|us|ms|s|m|h))?$";
/// A number and a unit of size.
const SIZE: &str = r"^\d+(\.\d{1,6})?\s*(B|KiB|MiB|GiB)$";
/// One or two of those.
const SIZES: &str = r"^\d+(\.\d{1,6})?\s*(B|KiB|MiB|GiB)(\s*\.\.\s*\d+(\.\d{1,6})?\s*(B|KiB|MiB|GiB))?$";
/// One or two whole numbers.
const NUMBERS: &str = r"^\d+(\s*\.\.\s*\d+)?$";
/// A component and a name.
const MARK: &str = r"^[a-z0-9_]+(\.[a-z0-9_]+)+$";

/// The schema of a whole file.
pub fn schema(registry: &Registry) -> Value {
    let mut schema = table(keys::TOP, &["title", "nodes"], registry);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Stormproof scenario");
    schema
}

fn table(keys: &[Key], required: &[&str], registry: &Registry) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key, registry))).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn property(key: &Key, registry: &Registry) -> Value {
    let mut schema = match key.form {
        Form::Text => json!({ "type": "string" }),
        Form::Integer { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Form::Occurrences => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": 1, "maximum": u32::MAX } })
        }
        Form::Identities => {
            let one = json!({ "type": "string", "pattern": "^[0-9a-fA-F]{16}$" });
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Form::Time => json!({ "type": "string", "pattern": TIME }),
        Form::Span => json!({ "type": "string", "pattern": SPAN }),
        Form::Chance => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Form::Sizes => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": SIZES }] })
        }
        Form::Numbers { least, most } => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": NUMBERS },
        ] }),
        Form::Switch => json!({ "type": "boolean" }),
        Form::Seeds => json!({ "type": "string", "pattern": r"^\d+\s*\.\.\s*\d+$" }),
        Form::Name(vocabulary) => name(vocabulary, registry),
        Form::Names(vocabulary) => {
            let one = name(vocabulary, registry);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Form::Table(keys) => table(keys, &[], registry),
        Form::Tables(keys) => json!({ "type": "array", "items": table(keys, &["kind"], registry) }),
        Form::Counts => counts(registry, 1, &[RoleKind::System]),
        Form::Damage => counts(registry, 0, &[RoleKind::System, RoleKind::Workload]),
        Form::Knobs => knobs(registry),
        Form::Workloads => json!({ "type": "array", "items": { "oneOf": workloads(registry) } }),
    };
    schema["description"] = json!(key.about);
    schema
}

fn name(vocabulary: Vocabulary, registry: &Registry) -> Value {
    let names: Vec<&str> = match vocabulary {
        Vocabulary::Fault => FaultKind::ALL.iter().map(|kind| kind.name()).collect(),
        Vocabulary::Oracle => registry.oracles.iter().map(|oracle| oracle.name).collect(),
        Vocabulary::Workload => registry.role_names(RoleKind::Workload),
        Vocabulary::Defect => registry.defects.iter().map(|defect| defect.id).collect(),
        Vocabulary::Scope => Scope::ALL.iter().map(|(word, _)| *word).collect(),
        Vocabulary::Profile => Profile::ALL.iter().map(|(word, _)| *word).collect(),
        // Nodes depend on the file.
        Vocabulary::Target => return json!({ "type": "string" }),
        Vocabulary::Mark => return json!({ "type": "string", "pattern": MARK }),
    };
    json!({ "enum": names })
}

/// Numbers of nodes, by role.
fn counts(registry: &Registry, least: u64, kinds: &[RoleKind]) -> Value {
    let count = |name: &str| (name.to_owned(), json!({ "type": "integer", "minimum": least, "maximum": NODES_MAX }));
    let names = kinds.iter().flat_map(|kind| registry.role_names(*kind));
    let properties: Map<String, Value> = names.map(count).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1 })
}

fn knobs(registry: &Registry) -> Value {
    let systems = registry.roles.iter().filter(|role| role.kind == RoleKind::System);
    let role = |role: &contract::plan::Role| {
        let properties: Map<String, Value> =
            role.knobs.iter().map(|knob| (knob.name.to_owned(), knob_schema(knob))).collect();
        (role.name.to_owned(), json!({ "type": "object", "properties": properties, "additionalProperties": false }))
    };
    let properties: Map<String, Value> = systems.map(role).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn workloads(registry: &Registry) -> Vec<Value> {
    let workloads = registry.roles.iter().filter(|role| role.kind == RoleKind::Workload);
    let schema = |role: &contract::plan::Role| {
        let mut schema = table(keys::WORKLOAD, &["name"], registry);
        schema["properties"]["name"] = json!({ "const": role.name });
        schema["description"] = json!(role.about);
        for knob in role.knobs {
            schema["properties"][knob.name] = knob_schema(knob);
        }
        schema
    };
    workloads.map(schema).collect()
}

fn knob_schema(knob: &Knob) -> Value {
    let whole = json!({ "type": "integer", "minimum": knob.least, "maximum": knob.most });
    let mut schema = match knob.unit {
        Unit::Count => whole,
        Unit::Bytes => json!({ "anyOf": [whole, { "type": "string", "pattern": SIZE }] }),
        Unit::Time => json!({ "type": "string", "pattern": TIME }),
        Unit::Rate => {
            json!({ "type": "number", "minimum": knob.least as f64 / 1e6, "maximum": knob.most as f64 / 1e6 })
        }
        Unit::Flag => json!({ "type": "boolean" }),
    };
    schema["description"] =
        json!(format!("{} Default {}.", knob.about, crate::scenario::knob::show(knob, knob.default)));
    schema
}
