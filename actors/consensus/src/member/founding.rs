//! Hellos: how a cluster is founded, and how a replica with a new disk finds it. See [`super::hello`].

use super::hello::Hello;
use super::{Member, Phase, Timer};
use crate::raft::{Configuration, MemberId, Recovered, Snapshot, SnapshotMeta};
use crate::wal::message::Founding;
use contract::{Context, mark};
use std::collections::BTreeMap;

/// A replica whose disk belongs to no cluster yet.
#[derive(Clone, Debug)]
pub(super) struct Founders {
    me: MemberId,
    /// The disks of the others, by slot, as they said.
    disks: BTreeMap<u32, MemberId>,
    /// What is being made durable.
    chosen: Option<Founding>,
}

impl Founders {
    pub(super) fn new(me: u32, disk: u64) -> Self {
        Founders { me: MemberId { slot: me, disk }, disks: BTreeMap::new(), chosen: None }
    }

    /// The chosen founding is durable.
    pub(super) fn founded(&self) -> Option<(u64, Founding, Recovered)> {
        let founding = self.chosen.clone()?;
        let meta = SnapshotMeta { configuration: founding.genesis.clone(), ..SnapshotMeta::default() };
        let snapshot = Snapshot { meta, pages: Vec::new().into() };
        let before = snapshot.meta.at;
        let recovered = Recovered { hard: crate::raft::Hard::default(), snapshot, before, entries: Vec::new() };
        Some((self.me.disk, founding, recovered))
    }

    /// The first configuration, if this replica is the founder and knows everybody.
    fn genesis(&self, count: usize) -> Option<Configuration> {
        let all = self.me.slot == 0 && self.disks.len() + 1 == count;
        let voters = self.disks.values().copied().chain([self.me]).collect();
        all.then(|| Configuration { voters, learners: Default::default() })
    }
}

impl Member {
    /// Tells all others who this is, as long as it matters: until it stands in the configuration.
    pub(super) fn say_hello(&mut self, ctx: &mut Context<'_, Self>) {
        let hello = match &self.phase {
            Phase::Founding(founders) => Hello { from: founders.me, founding: None },
            Phase::Serving(serving) if !serving.is_member() => serving.hello(),
            _ => {
                // Somebody may take this replica out later, and its next disk has to be heard.
                ctx.set_timer(Timer::Hello, self.config.tuning.election_most * 4);
                return;
            }
        };
        for (slot, peer) in self.config.peers.clone().into_iter().enumerate() {
            if slot != self.config.me as usize {
                ctx.send(contract::plan::Directory::known(peer.process()), hello.clone());
            }
        }
        ctx.set_timer(Timer::Hello, self.config.tuning.election_most);
        self.found_alone(ctx);
    }

    pub(super) fn on_hello(&mut self, hello: Hello, ctx: &mut Context<'_, Self>) {
        let count = self.config.peers.len();
        let Hello { from, founding } = hello;
        if from.slot as usize >= count || from.slot == self.config.me {
            ctx.mark(mark!("member.stranger"));
            return;
        }
        match (&mut self.phase, founding) {
            (Phase::Serving(serving), founding) => {
                if founding.is_none() {
                    ctx.send(
                        contract::plan::Directory::known(self.config.peers[from.slot as usize].process()),
                        serving.hello(),
                    );
                }
                serving.on_newcomer(from);
            }
            (Phase::Founding(founders), Some(founding)) => {
                if founders.chosen.is_none() {
                    let founder = founding.genesis.voters.contains(&founders.me);
                    ctx.mark(if founder { mark!("member.joined") } else { mark!("member.came_with_a_new_disk") });
                    founders.chosen = Some(founding.clone());
                    self.disk.found(founding, ctx);
                }
            }
            (Phase::Founding(founders), None) => {
                founders.disks.insert(from.slot, from);
                self.found_alone(ctx);
            }
            (Phase::Opening, _) => {}
        }
    }

    /// The founder decides once everybody is known to belong nowhere.
    fn found_alone(&mut self, ctx: &mut Context<'_, Self>) {
        let Phase::Founding(founders) = &mut self.phase else { return };
        if founders.chosen.is_some() {
            return;
        }
        if let Some(genesis) = founders.genesis(self.config.peers.len()) {
            let founding = Founding { cluster: ctx.random().max(1), genesis };
            ctx.mark(mark!("member.founded"));
            founders.chosen = Some(founding.clone());
            self.disk.found(founding, ctx);
        }
    }
}
