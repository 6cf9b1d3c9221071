//! Workload A: every node asks a random node, waits for the reply, asks the next.

use contract::cell::blueprint;
use contract::plan::{NodePlan, Plan, ProcessPlan, RoleKind};
use contract::{Actor, Addr, Context, Halt, NodeId, ProcessId, inbox, message};
use serde::{Deserialize, Serialize};

/// The 16 bytes that travel there and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Who asked.
    asker: u64,
    /// Its how-manieth question.
    serial: u64,
}

/// One message of the game.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ball {
    /// A question.
    Ping(Body),
    /// Its answer, with the same bytes.
    Pong(Body),
}
message!(Ball = "bench.pingpong/1");
inbox! {
    /// What a player accepts.
    pub enum Inbox {
        /// A ball.
        Ball(Ball),
    }
}

/// What a player is told.
pub struct Config {
    nodes: u32,
    outstanding: u32,
}

/// One node's player.
#[derive(Clone, Debug)]
pub struct Player {
    nodes: u32,
    sent: u64,
    answered: u64,
}

impl Player {
    fn ask(&mut self, ctx: &mut Context<'_, Self>) {
        let other = ctx.random_below(u64::from(self.nodes) - 1) as u32;
        // Everybody but oneself.
        let other = if other >= ctx.me().0 { other + 1 } else { other };
        let body = Body { asker: u64::from(ctx.me().0), serial: self.sent };
        self.sent += 1;
        ctx.send(player(other), Ball::Ping(body));
    }
}

/// The players' plan gives player k process k.
fn player(process: u32) -> Addr<Ball> {
    contract::plan::Directory::known(ProcessId(process))
}

impl Actor for Player {
    type Config = Config;
    type Inbox = Inbox;
    type Timer = ();

    fn boot(config: &Config, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let mut player = Player { nodes: config.nodes, sent: 0, answered: 0 };
        for _ in 0..config.outstanding {
            player.ask(ctx);
        }
        Ok(player)
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Ball(Ball::Ping(body)) => ctx.send(player(from.0), Ball::Pong(body)),
            Inbox::Ball(Ball::Pong(body)) => {
                assert!(body.asker == u64::from(ctx.me().0), "an answer comes back to whoever asked");
                self.answered += 1;
                self.ask(ctx);
            }
        }
        Ok(())
    }

    fn on_timer(&mut self, (): (), _ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
}

/// `nodes` machines with one player each.
pub fn plan(nodes: u32, outstanding: u32) -> Plan {
    assert!(nodes > 1, "nobody plays alone");
    let mut plan = Plan::default();
    for node in 0..nodes {
        let name = format!("player-{node}");
        plan.nodes.push(NodePlan { name: name.clone(), role: "player", kind: RoleKind::System });
        let blueprint = blueprint::<Player>(Config { nodes, outstanding });
        plan.processes.push(ProcessPlan { name, node: NodeId(node), blueprint });
    }
    plan
}
