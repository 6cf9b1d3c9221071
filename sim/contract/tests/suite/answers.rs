//! The answering side: a window of answers, the newest `capacity` of them.

use contract::calls::Answers;
use proptest::prelude::*;

#[test]
fn a_repeated_request_gets_the_answer_it_got_before() {
    let mut answers = Answers::new(2);
    answers.put((1, 10), "first");
    assert_eq!(answers.get((1, 10)), Some(&"first"));
    assert_eq!(answers.get((2, 10)), None, "another client's request with the same number is another request");
}

#[test]
fn the_oldest_answer_leaves_when_the_window_is_full() {
    let mut answers = Answers::new(2);
    for id in 1..=3 {
        answers.put(id, id * 10);
    }
    assert_eq!((answers.get(1), answers.get(2), answers.get(3)), (None, Some(&20), Some(&30)));
}

#[test]
fn answering_again_replaces_the_answer_and_takes_no_second_place() {
    let mut answers = Answers::new(2);
    answers.put(1, 'a');
    answers.put(2, 'b');
    answers.put(1, 'c');
    assert_eq!((answers.get(1), answers.get(2)), (Some(&'c'), Some(&'b')));
}

#[test]
#[should_panic(expected = "a window holds at least one answer")]
fn a_window_of_nothing_is_refused() {
    Answers::<u8, u8>::new(0);
}

proptest! {
    /// The model is a list in order of first answers, cut at the front.
    #[test]
    fn the_window_agrees_with_a_list(capacity in 1_usize..6, puts in prop::collection::vec((0_u8..10, any::<u8>()), 0..60)) {
        let mut answers = Answers::new(capacity);
        let mut model: Vec<(u8, u8)> = Vec::new();
        for (id, answer) in puts {
            answers.put(id, answer);
            match model.iter_mut().find(|(known, _)| *known == id) {
                Some(entry) => entry.1 = answer,
                None => model.push((id, answer)),
            }
            if model.len() > capacity {
                model.remove(0);
            }
            for id in 0..10 {
                let expected = model.iter().find(|(known, _)| *known == id).map(|(_, answer)| answer);
                prop_assert_eq!(answers.get(id), expected);
            }
        }
    }
}
