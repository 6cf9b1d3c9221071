//! The graph of dependencies, and a shortest cycle of the worst kind in it.

use contract::Value;
use std::collections::VecDeque;

/// No more searches for a shortest cycle of one kind than this; the shortest found until then is taken.
pub(super) const STARTS_MAX: usize = 1_000;

/// Why one transaction comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// ww: the later one appended the next version.
    Overwrites,
    /// wr: the later one read what the earlier one appended.
    Reads,
    /// rw, the anti-dependency: the earlier one did not see what the later one appended.
    Misses,
}

/// A dependency, with the key and the value that show it.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) to: usize,
    pub(super) kind: Kind,
    pub(super) key: Value,
    pub(super) value: u64,
}

/// A cycle, from its first transaction over each edge back to it.
#[derive(Clone, Debug)]
pub(super) struct Cycle {
    pub(super) invariant: &'static str,
    pub(super) first: usize,
    pub(super) edges: Vec<Edge>,
}

/// Dependencies between transactions by number.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    edges: Vec<Vec<Edge>>,
}

type Keep = fn(Kind) -> bool;

fn writes(kind: Kind) -> bool {
    kind == Kind::Overwrites
}

fn flow(kind: Kind) -> bool {
    kind != Kind::Misses
}

fn any(_: Kind) -> bool {
    true
}

impl Graph {
    pub(super) fn new(transactions: usize) -> Self {
        Graph { edges: vec![Vec::new(); transactions] }
    }

    /// Adds a dependency; nobody depends on itself.
    pub(super) fn add(&mut self, from: usize, edge: Edge) {
        assert!(from < self.edges.len() && edge.to < self.edges.len(), "an edge is between transactions");
        if from != edge.to {
            self.edges[from].push(edge);
        }
    }

    /// A cycle of the worst kind that there is, and a shortest one of that kind.
    pub(super) fn worst_cycle(&self) -> Option<Cycle> {
        let named = |invariant, found: Option<(usize, Vec<Edge>)>| {
            found.map(|(first, edges)| Cycle { invariant, first, edges })
        };
        named("G0", self.shortest(writes))
            .or_else(|| named("G1c", self.shortest(flow)))
            .or_else(|| named("G-single", self.shortest_single()))
            .or_else(|| named("G2-item", self.shortest(any)))
    }

    /// A shortest cycle over edges of these kinds.
    fn shortest(&self, keep: Keep) -> Option<(usize, Vec<Edge>)> {
        let component = self.components(keep);
        let starts = (0..self.edges.len()).filter(|&start| component[start].is_some());
        let cycles =
            starts.take(STARTS_MAX).filter_map(|start| Some((start, self.path(start, start, keep, &component)?)));
        cycles.min_by_key(|(_, edges)| edges.len())
    }

    /// A shortest cycle with one anti-dependency.
    fn shortest_single(&self) -> Option<(usize, Vec<Edge>)> {
        let component = self.components(any);
        let inside = |from: usize, to: usize| component[from].is_some() && component[from] == component[to];
        let misses = self.edges.iter().enumerate().flat_map(|(from, edges)| edges.iter().map(move |edge| (from, edge)));
        let misses = misses.filter(|(from, edge)| edge.kind == Kind::Misses && inside(*from, edge.to));
        let cycles = misses.take(STARTS_MAX).filter_map(|(from, edge)| {
            let back = self.path(edge.to, from, flow, &component)?;
            Some((from, [std::slice::from_ref(edge), &back[..]].concat()))
        });
        cycles.min_by_key(|(_, edges)| edges.len())
    }

    /// A shortest path of at least one edge, inside one component.
    fn path(&self, from: usize, to: usize, keep: Keep, component: &[Option<usize>]) -> Option<Vec<Edge>> {
        let mut came: Vec<Option<(usize, &Edge)>> = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for edge in self.edges[at].iter().filter(|edge| keep(edge.kind) && component[edge.to] == component[from]) {
                if edge.to == to {
                    let mut path = vec![edge.clone()];
                    let mut back = at;
                    while back != from {
                        let Some((before, edge)) = came[back] else { unreachable!("the search came by there") };
                        path.push(edge.clone());
                        back = before;
                    }
                    path.reverse();
                    return Some(path);
                }
                if came[edge.to].is_none() && edge.to != from {
                    came[edge.to] = Some((at, edge));
                    queue.push_back(edge.to);
                }
            }
        }
        None
    }

    /// The strongly connected component of each transaction, `None` for those alone in theirs (Tarjan 1972,
    /// with a stack of its own, since histories are long).
    fn components(&self, keep: Keep) -> Vec<Option<usize>> {
        let count = self.edges.len();
        let mut walk = Walk { number: vec![usize::MAX; count], low: vec![0; count], stack: Vec::new(), next: 0 };
        let mut on_stack = vec![false; count];
        let mut component = vec![None; count];
        for root in 0..count {
            if walk.number[root] != usize::MAX {
                continue;
            }
            let mut frames = vec![(root, 0)];
            walk.enter(root, &mut on_stack);
            while let Some((at, edge)) = frames.last_mut() {
                let at = *at;
                if let Some(next) = self.edges[at].get(*edge) {
                    *edge += 1;
                    if !keep(next.kind) {
                        continue;
                    }
                    if walk.number[next.to] == usize::MAX {
                        walk.enter(next.to, &mut on_stack);
                        frames.push((next.to, 0));
                    } else if on_stack[next.to] {
                        walk.low[at] = walk.low[at].min(walk.number[next.to]);
                    }
                    continue;
                }
                frames.pop();
                if let Some((parent, _)) = frames.last() {
                    walk.low[*parent] = walk.low[*parent].min(walk.low[at]);
                }
                if walk.low[at] == walk.number[at] {
                    walk.leave(at, &mut on_stack, &mut component);
                }
            }
        }
        component
    }
}

/// Where the search for components is.
struct Walk {
    number: Vec<usize>,
    low: Vec<usize>,
    stack: Vec<usize>,
    next: usize,
}

impl Walk {
    fn enter(&mut self, at: usize, on_stack: &mut [bool]) {
        self.number[at] = self.next;
        self.low[at] = self.next;
        self.next += 1;
        self.stack.push(at);
        on_stack[at] = true;
    }

    /// All above `at` on the stack, and it, are one component.
    fn leave(&mut self, at: usize, on_stack: &mut [bool], component: &mut [Option<usize>]) {
        let start = self.stack.iter().rposition(|&other| other == at);
        let Some(start) = start else { unreachable!("the root of a component is on the stack") };
        let members = self.stack.split_off(start);
        for &member in &members {
            on_stack[member] = false;
            component[member] = (members.len() > 1).then_some(at);
        }
    }
}
