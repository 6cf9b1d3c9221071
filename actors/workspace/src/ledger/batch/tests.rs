//! Every cut, every hole and every flipped bit of a small ledger, and random damage to larger ones.

use super::*;

fn event(key: u64, bytes: usize) -> NewEvent {
    NewEvent { domain: "tx".to_owned(), key: key.to_string(), payload: format!("\"{}\"", "x".repeat(bytes)) }
}

/// A ledger of batches of these sizes, and where each batch ends.
fn ledger(sizes: &[usize]) -> (Vec<u8>, Vec<End>) {
    let (mut bytes, mut ends, mut last) = (Vec::new(), Vec::new(), 0);
    for size in sizes {
        let events: Vec<NewEvent> = (0..*size as u64).map(|nth| event(nth, 3 * *size)).collect();
        bytes.append(&mut write(&events, last + 1, 7).unwrap().0);
        last += *size as u64;
        ends.push(End { end: bytes.len(), last });
    }
    (bytes, ends)
}

/// The end that a crash in the last batch leaves, whatever it did to it.
fn before_the_last(ends: &[End]) -> End {
    ends.iter().rev().nth(1).copied().unwrap_or(End { end: 0, last: 0 })
}

#[test]
fn batches_read_back_one_after_the_other() {
    let (bytes, ends) = ledger(&[1, 3, 2]);
    let mut from = 0;
    for end in &ends {
        let batch = read(&bytes, from).unwrap();
        assert_eq!((batch.end, batch.last()), (end.end, end.last));
        from = batch.end;
    }
    assert_eq!(read(&bytes, from), None);
    assert_eq!(end(&bytes, Some(0)), Seen::End(ends[2]));
    assert_eq!(end(b"", Some(0)), Seen::End(End { end: 0, last: 0 }));
}

#[test]
fn a_last_batch_that_was_cut_anywhere_is_a_tail() {
    for sizes in [&[3][..], &[1, 3], &[2, 1], &[1, 1, 4]] {
        let (bytes, ends) = ledger(sizes);
        let expected = before_the_last(&ends);
        for cut in expected.end..bytes.len() {
            assert_eq!(end(&bytes[..cut], Some(0)), Seen::End(expected), "{sizes:?} cut at {cut}");
        }
    }
}

#[test]
fn a_last_batch_with_zeros_or_garbage_anywhere_in_it_is_a_tail() {
    let (bytes, ends) = ledger(&[2, 4]);
    let expected = before_the_last(&ends);
    for width in [1, 5, 60, 200] {
        for from in expected.end..bytes.len() - width {
            for filler in [0, b'\n', b'}', 0xff] {
                let mut holed = bytes.clone();
                if holed[from..from + width].iter().all(|byte| *byte == filler) {
                    continue;
                }
                holed[from..from + width].fill(filler);
                assert_eq!(end(&holed, Some(0)), Seen::End(expected), "{width} bytes of {filler} at {from}");
            }
        }
    }
}

#[test]
fn a_batch_whose_earlier_line_is_gone_is_no_batch_although_its_last_line_is_whole() {
    let (bytes, ends) = ledger(&[1, 3]);
    let mut holed = bytes.clone();
    let line = next_line(&bytes, ends[0].end).unwrap();
    holed[ends[0].end..line].fill(0);
    assert_eq!(end(&holed, Some(0)), Seen::End(ends[0]));
    assert_eq!(end_by_last_line(&holed), Some(ends[1]), "who looks at the last line only is deceived");
}

#[test]
fn bad_bytes_with_a_complete_batch_behind_them_are_damage() {
    let (bytes, ends) = ledger(&[2, 2, 1]);
    // Without the newline between them the next batch begins on no line of its own.
    for bit in ends[0].end * 8..(ends[1].end - 1) * 8 {
        let mut rotten = bytes.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(end(&rotten, Some(0)), Seen::Damage(ends[0].end), "bit {bit}");
    }
    let missing = [&bytes[..ends[0].end], &bytes[ends[1].end..]].concat();
    assert_eq!(end(&missing, Some(0)), Seen::Damage(ends[0].end), "a batch in the middle is gone");
}

#[test]
fn the_last_bytes_tell_the_same_as_all_of_them_or_that_they_are_too_few() {
    for sizes in [&[3, 1, 2][..], &[1, 5], &[4]] {
        let (bytes, ends) = ledger(sizes);
        for tail in [0, 1, 40] {
            let torn = [&bytes[..], &vec![0; tail]].concat();
            for from in 1..torn.len() {
                match end(&torn[from..], None) {
                    Seen::End(seen) => {
                        assert_eq!((seen.end + from, seen.last), (bytes.len(), ends.last().unwrap().last));
                    }
                    Seen::Short => assert!(from + 1 > before_the_last(&ends).end, "{sizes:?} from {from}"),
                    Seen::Damage(at) => panic!("{sizes:?} from {from}: damage at {at}"),
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_into_a_batch_is_refused() {
    assert_eq!(write(&[], 1, 0), Err(Unfit::Batch));
    assert_eq!(write(&vec![event(1, 1); BATCH_EVENTS_MAX + 1], 1, 0), Err(Unfit::Batch));
    assert_eq!(write(&vec![event(1, BATCH_BYTES_MAX / 5); 5], 1, 0), Err(Unfit::Batch));
}

/// Splitmix64, so that the same damage is done everywhere.
fn mix(seed: &mut u64) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (word ^ (word >> 27)) as u32 as usize
}

#[test]
fn whatever_the_bytes_the_end_lies_behind_complete_batches_only() {
    for seed in 0..3_000 {
        let mut seed = seed;
        let sizes: Vec<usize> = (0..1 + mix(&mut seed) % 4).map(|_| 1 + mix(&mut seed) % 4).collect();
        let (mut bytes, ends) = ledger(&sizes);
        for _ in 0..1 + mix(&mut seed) % 3 {
            let at = mix(&mut seed) % bytes.len();
            match mix(&mut seed) % 4 {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] ^= 1 << (mix(&mut seed) % 8),
                2 => drop(bytes.drain(at..(at + mix(&mut seed) % 50).min(bytes.len() - 1).max(at))),
                _ => bytes.splice(at..at, vec![0; mix(&mut seed) % 50]).for_each(drop),
            }
        }
        if let Seen::End(found) = end(&bytes, Some(0)) {
            assert!(found.end == 0 || ends.contains(&found), "{found:?} is no end of a batch: {ends:?}");
        }
    }
}
