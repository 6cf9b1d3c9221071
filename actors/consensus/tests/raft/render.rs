//! Messages and effects as lines of a story.

use consensus::raft::{Appended, Body, Effect, Entry, MemberId, Payload, Position};

fn at(position: Position) -> String {
    format!("{}.{}", position.term, position.index)
}

fn who(member: Option<MemberId>) -> String {
    member.map_or("nobody".to_owned(), |member| format!("n{}", member.slot))
}

fn entry(entry: &Entry) -> String {
    match &entry.payload {
        Payload::Noop => format!("{} no-op", at(entry.at)),
        Payload::Command(_) => format!("{} command", at(entry.at)),
        Payload::Configure(configuration) => {
            let names = |members: &std::collections::BTreeSet<MemberId>| {
                members.iter().map(|member| format!("n{}", member.slot)).collect::<Vec<_>>().join(" ")
            };
            let learners = names(&configuration.learners);
            let learners = if learners.is_empty() { learners } else { format!(", learners {learners}") };
            format!("{} voters {}{learners}", at(entry.at), names(&configuration.voters))
        }
    }
}

/// A message that arrives. Positions are written term.index.
pub fn letter(from: usize, to: usize, term: u64, body: &Body) -> String {
    let said = match body {
        Body::PreVote { last } => format!("would you vote for me? my log ends at {}", at(*last)),
        Body::PreVoteReply { granted } => format!("I {}", if *granted { "would" } else { "would not" }),
        Body::Vote { last, transfer } => {
            format!(
                "vote for me{}: my log ends at {}",
                if *transfer { ", as the leader wishes" } else { "" },
                at(*last)
            )
        }
        Body::VoteReply { granted } => format!("you {} my vote", if *granted { "have" } else { "do not get" }),
        Body::Append { previous, entries, commit, round } => {
            let entries = entries.iter().map(entry).collect::<Vec<_>>().join(", ");
            let entries = if entries.is_empty() { "nothing".to_owned() } else { entries };
            format!("after {}: {entries} (committed {commit}, round {round})", at(*previous))
        }
        Body::AppendReply { round, outcome: Appended::Matched(index) } => format!("I have {index} (round {round})"),
        Body::AppendReply { round, outcome: Appended::Conflict(hint) } => {
            format!("that does not fit; try {} (round {round})", at(*hint))
        }
        Body::Page { meta, page, pages, round, .. } => {
            format!("snapshot {} page {} of {pages} (round {round})", at(meta.at), page + 1)
        }
        Body::PageReply { index, wanted, round } => {
            format!("of snapshot {index} I want page {} (round {round})", wanted + 1)
        }
        Body::TimeoutNow => "stand now".to_owned(),
        Body::ReadIndex { context } => format!("from where may read {context} be answered?"),
        Body::ReadIndexReply { context, index } => format!("read {context} from {index}"),
    };
    format!("n{from} -> n{to} [{term}] {said}")
}

/// What a machine does beside sending.
pub fn effect(n: usize, effect: &Effect) -> Option<String> {
    let said = match effect {
        Effect::Send { .. } | Effect::Mark(_) => return None,
        Effect::Commit(entries) => format!("applies {}", entries.iter().map(entry).collect::<Vec<_>>().join(", ")),
        Effect::Install(snapshot) => format!("becomes snapshot {}", at(snapshot.meta.at)),
        Effect::ReadAt { context, index } => format!("may answer read {context} from {index}"),
        Effect::ReadLost { context } => format!("loses read {context}"),
        Effect::Leader { leader, term } => format!("follows {} in term {term}", who(*leader)),
    };
    Some(format!("   n{n} {said}"))
}
