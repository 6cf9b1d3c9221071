//! The search: sequences from short to long, a crash at each point, and the judgement of all that follows.

use super::disk::TrialDisk;
use super::restart::{Outcome, Restart, Restarts, apply, recover};
use super::{Counts, Crash, Failure, Options, Report};
use contract::FileProtocol;
use contract::file_protocol::Event;
use kernel::disk::FileSystem;
use kernel::disk::fates::Fates;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A failure, on its way to the report.
type Checked = Result<(), Box<Failure>>;

/// A sequence that was done without a crash.
struct Node<P: FileProtocol> {
    disk: TrialDisk,
    state: P::State,
    model: P::Model,
    steps: Vec<String>,
    /// A call of it was refused.
    refused: bool,
}

/// A point that is crashed: what it takes to tell of it.
struct Scene {
    steps: Vec<String>,
    disk: FileSystem,
    place: String,
}

/// A recovery that was judged; what comes after it is judged later, so that the first failure is simple.
struct Later<P: FileProtocol> {
    scene: Rc<Scene>,
    fates: Option<Fates>,
    /// Before and after the recovery.
    models: (P::Model, P::Model),
    restart: Rc<Restart<P>>,
}

/// One search.
pub struct Explorer<'p, P: FileProtocol> {
    protocol: &'p P,
    options: &'p Options,
    tick: &'p mut dyn FnMut(&Counts),
    counts: Counts,
    restarts: Restarts<'p, P>,
    /// Models and disks that were judged together.
    judged: BTreeSet<(P::Model, u128)>,
    /// The recoveries of the sequences of this length.
    later: Vec<Later<P>>,
}

impl<'p, P: FileProtocol> Explorer<'p, P> {
    /// Before the first sequence.
    pub fn new(protocol: &'p P, options: &'p Options, tick: &'p mut dyn FnMut(&Counts)) -> Self {
        let restarts = Restarts::new(protocol, options);
        let (counts, judged, later) = (Counts::default(), BTreeSet::new(), Vec::new());
        Explorer { protocol, options, tick, counts, restarts, judged, later }
    }

    /// Searches until the first failure, or to the end.
    pub fn run(mut self) -> Report {
        let failure = self.search().err().map(|failure| *failure);
        (self.tick)(&self.counts);
        Report { counts: self.counts, failure }
    }

    fn search(&mut self) -> Checked {
        let mut level = vec![self.first_start()?];
        self.judge_second_crashes()?;
        for length in 1..=self.options.length {
            let shorter = std::mem::take(&mut self.later);
            let mut longer = Vec::new();
            for node in level {
                for op in self.protocol.operations(length - 1) {
                    let children = self.extend(&node, &op, length)?;
                    if length < self.options.length {
                        longer.extend(children);
                    }
                    (self.tick)(&self.counts);
                }
            }
            level = longer;
            self.judge_second_crashes()?;
            // With one more operation these are as long as the sequences of this length.
            self.judge_one_more(&shorter)?;
        }
        self.judge_one_more(&self.later)
    }

    /// The sequence of no operations: the first start on an empty disk, crashed at every point.
    fn first_start(&mut self) -> Result<Node<P>, Box<Failure>> {
        let mut disk = TrialDisk::empty(self.options.profile);
        self.counts.sequences += 1;
        let recovered = recover(self.protocol, 0, &mut disk);
        let mut model = P::Model::default();
        for point in disk.take_points() {
            self.crash(&model, point.disk, format!("in the first start, after `{}`", point.call), &[])?;
        }
        let (state, found) = recovered.map_err(|why| Story::of(&[]).refused(why))?;
        self.find(&mut model, &Ok(found), || Story::of(&[]))?;
        self.crash(&model, disk.now().clone(), "after the first start".to_owned(), &[])?;
        Ok(Node { disk, state, model, steps: Vec::new(), refused: false })
    }

    /// Does `op` after `node`, as it is and with each refusal, and crashes it at every point.
    fn extend(&mut self, node: &Node<P>, op: &P::Op, length: usize) -> Result<Vec<Node<P>>, Box<Failure>> {
        let mut children = Vec::new();
        let takers = self.done(node, op, None, length, &mut children)?;
        if self.options.refusals && !node.refused {
            for refusal in 0..takers {
                self.done(node, op, Some(refusal), length, &mut children)?;
            }
        }
        Ok(children)
    }

    /// Does `op` once; returns how many of its calls took space.
    fn done(
        &mut self,
        node: &Node<P>,
        op: &P::Op,
        refusal: Option<u32>,
        length: usize,
        children: &mut Vec<Node<P>>,
    ) -> Result<u32, Box<Failure>> {
        self.counts.sequences += 1;
        let (mut disk, mut state) = (node.disk.clone(), node.state.clone());
        disk.refuse(refusal);
        let ack = apply(self.protocol, &mut state, op, &mut disk);
        let takers = disk.takers();
        disk.refuse(None);
        let words = format!("{length}. {op:?}{}", refusal.map_or("", |_| " (a call found no space)"));
        let mut steps = node.steps.clone();
        steps.push(words);
        let mut cut = node.model.clone();
        self.event(&mut cut, Event::Cut(op), &steps)?;
        for point in disk.take_points() {
            self.crash(&cut, point.disk, format!("in operation {length}, after `{}`", point.call), &steps)?;
        }
        let told = match &ack {
            Ok(ack) => format!(" -> {ack:?}"),
            Err(why) => format!(" ended the process: {why}"),
        };
        steps[length - 1] += &told;
        let Ok(ack) = ack else {
            self.crash(&cut, disk.now().clone(), format!("after operation {length}"), &steps)?;
            return Ok(takers);
        };
        let mut model = node.model.clone();
        self.event(&mut model, Event::Acknowledged(op, &ack), &steps)?;
        self.crash(&model, disk.now().clone(), format!("after operation {length} was acknowledged"), &steps)?;
        children.push(Node { disk, state, model, steps, refused: node.refused || refusal.is_some() });
        Ok(takers)
    }

    /// All states that a crash here may leave, and all that can come after them.
    fn crash(&mut self, model: &P::Model, disk: FileSystem, place: String, steps: &[String]) -> Checked {
        self.counts.points += 1;
        let mut all = Vec::new();
        self.restarts.crash(&disk, 0, &mut self.counts, &mut |left| all.push(left));
        self.counts.states += all.len() as u64;
        let scene = Rc::new(Scene { steps: steps.to_vec(), disk, place });
        for left in all {
            if self.judged.insert((model.clone(), left.digest)) {
                let restart = self.restarts.restart(&left, &mut self.counts);
                let mut after = model.clone();
                self.find(&mut after, &restart.outcome, || scene.story(left.fates.as_ref()))?;
                let models = (model.clone(), after);
                self.later.push(Later { scene: Rc::clone(&scene), fates: left.fates, models, restart });
            }
        }
        Ok(())
    }

    /// Tells the model of a second crash, in and after each recovery of this length.
    fn judge_second_crashes(&self) -> Checked {
        for Later { scene, fates, models: (before, after), restart } in &self.later {
            let story = || scene.story(fates.as_ref());
            for next in &restart.inside {
                self.find(&mut before.clone(), &next.outcome, || story().second(&next.crash))?;
            }
            for next in &restart.end {
                self.find(&mut after.clone(), &next.outcome, || story().then(restart.words()).second(&next.crash))?;
            }
        }
        Ok(())
    }

    /// Tells the model of one more operation after each of these recoveries.
    fn judge_one_more(&self, later: &[Later<P>]) -> Checked {
        for Later { scene, fates, models: (_, after), restart } in later {
            for more in &restart.more {
                let mut model = after.clone();
                let (event, told) = match &more.ack {
                    Ok(ack) => (Event::Acknowledged(&more.op, ack), format!("{:?} -> {ack:?}", more.op)),
                    Err(why) => (Event::Cut(&more.op), format!("{:?} ended the process: {why}", more.op)),
                };
                let story = || scene.story(fates.as_ref()).then(restart.words()).then(told.clone());
                self.protocol.judge(&mut model, event).map_err(|why| story().broken(String::new(), why))?;
                for next in &more.ends {
                    self.find(&mut model.clone(), &next.outcome, || story().second(&next.crash))?;
                }
            }
        }
        Ok(())
    }

    fn find(&self, model: &mut P::Model, outcome: &Outcome<P>, story: impl FnOnce() -> Story) -> Checked {
        match outcome {
            Err(why) => Err(story().refused(why.clone())),
            Ok(found) => {
                let judged = self.protocol.judge(model, Event::Found(found));
                judged.map_err(|why| story().broken(format!("{found:?}"), why))
            }
        }
    }

    fn event(&self, model: &mut P::Model, event: Event<'_, P>, steps: &[String]) -> Checked {
        self.protocol.judge(model, event).map_err(|why| Story::of(steps).broken(String::new(), why))
    }
}

impl Scene {
    fn story(&self, fates: Option<&Fates>) -> Story {
        Story { crash: Some(Crash::new(&self.disk, fates, &self.place)), ..Story::of(&self.steps) }
    }
}

impl<P: FileProtocol> Restart<P> {
    fn words(&self) -> String {
        match &self.outcome {
            Ok(found) => format!("the recovery read back {found:?}"),
            Err(why) => format!("the recovery ended: {why}"),
        }
    }
}

/// How it came to a failure.
struct Story {
    steps: Vec<String>,
    crash: Option<Crash>,
    then: Vec<String>,
    second: Option<Crash>,
}

impl Story {
    fn of(steps: &[String]) -> Story {
        Story { steps: steps.to_vec(), crash: None, then: Vec::new(), second: None }
    }

    fn then(mut self, what: String) -> Story {
        self.then.push(what);
        self
    }

    fn second(self, crash: &Crash) -> Story {
        Story { second: Some(crash.clone()), ..self }
    }

    fn refused(self, why: String) -> Box<Failure> {
        self.broken(why, "the recovery did not come to its end, and nothing but crashes had happened".to_owned())
    }

    fn broken(self, found: String, why: String) -> Box<Failure> {
        let Story { steps, crash, then, second } = self;
        Box::new(Failure { steps, crash, then, second, found, why })
    }
}
