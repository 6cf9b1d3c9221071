//! Custody marks: in which place a record is, said in the words that the oracles read.
//!
//! A mark states what the disk calls before it have made true, never what is hoped for: `stored` follows
//! the sync, `removed` precedes the unlink (and must be justified then already), `moved` follows the rename.

use contract::{Actor, Context, mark};

/// The names of one owner's places, for example `edge-0/staging`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    owner: String,
}

impl Places {
    /// The places of the node of that name.
    pub fn of(node: &str) -> Self {
        Places { owner: format!("{node}/") }
    }

    /// The full name of a place.
    pub fn name(&self, place: &str) -> String {
        format!("{}{place}", self.owner)
    }

    /// The ids are durable in the place, as of now.
    pub fn stored<A: Actor>(&self, place: &str, ids: Vec<u64>, ctx: &mut Context<'_, A>) {
        ctx.mark(mark!("custody.stored", place = self.name(place), ids = ids));
    }

    /// The whole content of `from` is now at `to`, in the place of what was there.
    pub fn moved<A: Actor>(&self, from: &str, to: &str, ctx: &mut Context<'_, A>) {
        ctx.mark(mark!("custody.moved", from = self.name(from), to = self.name(to)));
    }

    /// The place's content is about to go.
    pub fn removed<A: Actor>(&self, place: &str, ctx: &mut Context<'_, A>) {
        ctx.mark(mark!("custody.removed", place = self.name(place)));
    }

    /// Exactly these ids were found at boot and are durable in the place.
    pub fn found<A: Actor>(&self, place: &str, ids: Vec<u64>, ctx: &mut Context<'_, A>) {
        ctx.mark(mark!("custody.found", place = self.name(place), ids = ids));
    }

    /// Every place of this owner has been stated with [`Places::found`].
    pub fn recovered<A: Actor>(&self, ctx: &mut Context<'_, A>) {
        ctx.mark(mark!("custody.recovered", node = self.owner.as_str()));
    }

    /// The promise about `id` is made now; the ack follows.
    pub fn accepted<A: Actor>(&self, id: u64, by: &str, ctx: &mut Context<'_, A>) {
        ctx.mark(mark!("custody.accepted", id = id, by = self.name(by)));
    }
}
