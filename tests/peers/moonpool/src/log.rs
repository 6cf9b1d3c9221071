//! A replica's log: a file of moonpool's simulated storage, or memory with `--no-disk`.

use std::io::SeekFrom;
use std::sync::Mutex;

use anyhow::Result;
use futures::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use moonpool_core::{OpenOptions, StorageFile, StorageProvider};
use moonpool_sim::{SimStorageProvider, StorageConfiguration};
use stormproof_peers::quorum::{DISK_LATENCY_MAX, DISK_LATENCY_MIN, RECORD_BYTES, REPLICAS, Record};

use crate::world::uniform;

type File = <SimStorageProvider as StorageProvider>::File;

/// The disks of all replicas. What is written there outlives the replicas' crashes.
pub struct Disks {
    providers: Option<[SimStorageProvider; REPLICAS]>,
    memory: [Mutex<Vec<u8>>; REPLICAS],
}

/// A disk that takes the benchmark's time and injects no faults.
pub fn configuration() -> StorageConfiguration {
    StorageConfiguration {
        write_latency: uniform(DISK_LATENCY_MIN, DISK_LATENCY_MAX),
        sync_latency: uniform(DISK_LATENCY_MIN, DISK_LATENCY_MAX),
        ..StorageConfiguration::fast_local()
    }
}

impl Disks {
    /// Without providers, logs are kept in memory.
    pub fn new(providers: Option<[SimStorageProvider; REPLICAS]>) -> Self {
        Self { providers, memory: [const { Mutex::new(Vec::new()) }; REPLICAS] }
    }

    async fn open(&self, replica: usize) -> Result<Option<File>> {
        let Some(providers) = &self.providers else {
            return Ok(None);
        };
        let options = OpenOptions::new().read(true).write(true).create(true);
        // Paths are shared by all processes of a world.
        let path = format!("log-of-replica-{replica}");
        Ok(Some(providers[replica].open(&path, options).await?))
    }

    /// All that the replica's disk holds.
    pub async fn contents(&self, replica: usize) -> Result<Vec<u8>> {
        let Some(mut file) = self.open(replica).await? else {
            return Ok(self.memory[replica].lock().expect("one thread").clone());
        };
        let mut contents = Vec::new();
        file.read_to_end(&mut contents).await?;
        Ok(contents)
    }
}

pub struct Log<'disks> {
    memory: &'disks Mutex<Vec<u8>>,
    file: Option<File>,
    pub records: u64,
}

impl<'disks> Log<'disks> {
    pub async fn open(replica: usize, disks: &'disks Disks) -> Result<Self> {
        let memory = &disks.memory[replica];
        let mut file = disks.open(replica).await?;
        let bytes = match &mut file {
            Some(file) => file.size().await?,
            None => memory.lock().expect("one thread").len() as u64,
        };
        let records = bytes / RECORD_BYTES as u64;
        if let Some(file) = &mut file {
            let end = records * RECORD_BYTES as u64;
            file.seek(SeekFrom::Start(end)).await?;
        }
        Ok(Self { memory, file, records })
    }

    pub async fn append(&mut self, record: &Record) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(record).await?;
            file.sync_all().await?;
        } else {
            let mut memory = self.memory.lock().expect("one thread");
            memory.extend_from_slice(record);
        }
        self.records += 1;
        Ok(())
    }
}
