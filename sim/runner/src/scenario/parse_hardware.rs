//! `[machines]`, `[network]` and `[disk]`: what the file says is kept, and remembered as said.

use crate::scenario::reader::Section;
use crate::scenario::{Hardware, keys};
use kernel::Profile;

/// Reads the three tables; what they leave out stays as it usually is.
pub fn read(top: &Section<'_>) -> Hardware {
    let mut hardware = Hardware::default();
    for (table, keys) in [("machines", keys::MACHINES), ("network", keys::NETWORK), ("disk", keys::DISK)] {
        let Some(section) = top.section(table) else { continue };
        hardware.said.extend(keys.iter().map(|key| key.name).filter(|name| section.get(name).is_some()));
        match table {
            "machines" => read_machines(&section, &mut hardware),
            "network" => read_network(&section, &mut hardware),
            _ => read_disk(&section, &mut hardware),
        }
    }
    hardware
}

fn read_machines(section: &Section<'_>, hardware: &mut Hardware) {
    hardware.zones = section.integer("zones").map_or(hardware.zones, |zones| zones as u32);
    hardware.pid_max = section.integer("pid_max").map_or(hardware.pid_max, |most| most as u32);
}

fn read_network(section: &Section<'_>, hardware: &mut Hardware) {
    let network = &mut hardware.network;
    network.latency = section.span("latency").unwrap_or(network.latency);
    network.local = section.span("local").unwrap_or(network.local);
    network.buffer = section.integer("buffer").map_or(network.buffer, |messages| messages as usize);
    hardware.codec_sample = section.integer("codec_sample").unwrap_or(hardware.codec_sample);
}

fn read_disk(section: &Section<'_>, hardware: &mut Hardware) {
    let disk = &mut hardware.disk;
    disk.read = section.span("read").unwrap_or(disk.read);
    disk.write = section.span("write").unwrap_or(disk.write);
    disk.sync = section.span("sync").unwrap_or(disk.sync);
    disk.profile = section.word("profile", &Profile::ALL).unwrap_or(disk.profile);
    disk.dir_sync = section.switch("dir_sync").unwrap_or(disk.dir_sync);
    hardware.capacity = section.sizes("capacity").unwrap_or(hardware.capacity);
    hardware.inodes = section.numbers("inodes").unwrap_or(hardware.inodes);
}
