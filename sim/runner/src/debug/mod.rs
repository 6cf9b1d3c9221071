//! A debugger of runs: forward and back, a look at everything, faults by hand, another seed from here on.
//!
//! The [`Debugger`] takes one command a line and answers in text. It knows no terminal: [`script`] feeds it from a
//! file or a pipe, [`screen`] draws it and turns keys into commands.

mod act;
mod command;
mod hex;
mod names;
pub mod screen;
pub mod script;
mod show;
mod terminal;
mod timeline;

pub use terminal::run as run_in_terminal;
pub use timeline::{Target, Timeline};

use crate::draw;
use crate::exit::Exit;
use crate::registry::Registry;
use crate::run;
use crate::scenario::Scenario;
use command::Command;
use contract::plan::PlanError;

/// Events that a debugger keeps to be listed; those before are seen by going back.
const LISTED: usize = 512;

/// One run under the debugger.
pub struct Debugger {
    scenario: Scenario,
    seed: u64,
    timeline: Timeline,
}

/// What a command has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// For people, a line each.
    pub lines: Vec<String>,
    /// Whether the debugger is to be left.
    pub quit: bool,
}

impl Debugger {
    /// A run that is about to start. Fails only where the scenario's own plan cannot be built.
    pub fn new(scenario: &Scenario, registry: &Registry, seed: u64) -> Result<Debugger, PlanError> {
        let drawn = draw::draw(scenario, seed, LISTED, true)?;
        let timeline = Timeline::new(run::checked(scenario, registry, &drawn));
        Ok(Debugger { scenario: scenario.clone(), seed, timeline })
    }

    /// The run and its past.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Executes one line. An error says what is wrong with the line, and nothing has happened then.
    pub fn execute(&mut self, line: &str) -> Result<Answer, String> {
        let plan = self.timeline.engine().world().plan();
        let mut answer = Answer::default();
        let moves = match Command::parse(line, plan)? {
            Command::Nothing => return Ok(answer),
            Command::Quit => {
                answer.quit = true;
                return Ok(answer);
            }
            Command::Look(look) => {
                answer.lines = look.lines(self);
                return Ok(answer);
            }
            moves => moves,
        };
        answer.lines.extend(self.go(moves)?);
        answer.lines.extend(show::standing(self));
        Ok(answer)
    }

    /// Moves; what there is to say beside the new standing.
    fn go(&mut self, command: Command) -> Result<Option<String>, String> {
        let timeline = &mut self.timeline;
        let found = match command {
            Command::Next(count) => (0..count).all(|_| timeline.step()),
            Command::Back(count) => {
                timeline.back(count);
                true
            }
            Command::Mark(kind) => timeline.to_mark(&kind),
            Command::BackMark(kind) if !timeline.back_to_mark(&kind) => {
                return Err(format!("there is no earlier mark `{kind}`"));
            }
            Command::Run => {
                while timeline.step() {}
                true
            }
            Command::Go(target) => {
                timeline.go(target);
                true
            }
            Command::Act(act) => return timeline.act(act).map(|()| None),
            Command::BackMark(_) | Command::Look(_) | Command::Nothing | Command::Quit => true,
        };
        Ok((!found).then(|| "the run ended before".to_owned()))
    }

    /// What was done by hand, as commands that do it again from the start; empty if nothing was.
    pub fn script(&self) -> Vec<String> {
        show::acts(self)
    }

    /// How the run ended, as `stormproof run` would exit; passed while it is on its way.
    pub fn exit(&self) -> Exit {
        self.verdict().map_or(Exit::Passed, |verdict| verdict.exit)
    }

    /// The verdict, once the run is over.
    fn verdict(&self) -> Option<crate::verdict::Verdict> {
        let engine = self.timeline.engine();
        let over = matches!(engine.phase(), crate::engine::Phase::Over(_));
        over.then(|| run::finished(&self.scenario, self.seed, engine.clone().run()).verdict)
    }
}
