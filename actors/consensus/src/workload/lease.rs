//! A lease as its holder sees it: until when it may act on it.

use contract::{Actor, Context, Duration, Time, Wall};

/// A lease that was granted or renewed.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    id: u64,
    ttl: Duration,
    until: Time,
    /// By the date, counted from the answer, without a margin: only the planted defect P32 looks at it.
    until_wall: Wall,
}

impl Lease {
    /// The lease of an answer to a question that was sent at `asked`. The service counts from no earlier moment, by
    /// a clock whose rate differs by at most `drift_ppm` millionths from this one.
    pub fn granted<A: Actor>(id: u64, ttl: Duration, asked: Time, drift_ppm: u64, ctx: &Context<'_, A>) -> Self {
        let margin = part(ttl, drift_ppm);
        let wall = ctx.wall().0.saturating_add(i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX));
        Lease { id, ttl, until: asked + ttl.saturating_sub(margin), until_wall: Wall(wall) }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its time to live.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// What is left of it; zero when it may be over.
    pub fn remaining<A: Actor>(&self, ctx: &Context<'_, A>) -> Duration {
        self.until.since(ctx.now())
    }

    /// What is left of it by the date.
    pub fn remaining_by_wall<A: Actor>(&self, ctx: &Context<'_, A>) -> Duration {
        Duration::from_nanos(u64::try_from(self.until_wall.0.saturating_sub(ctx.wall().0)).unwrap_or(0))
    }
}

/// So many millionths of a span.
fn part(span: Duration, ppm: u64) -> Duration {
    let nanos = u128::from(contract::time::nanos(span)) * u128::from(ppm) / 1_000_000;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
