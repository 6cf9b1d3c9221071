//! Log records: round trips, torn tails, rot in the middle, and what fills a file after a crash.

use contract::codec::{BODY_MAX, CodecError, RECORD_HEADER, RecordAt, read_record, write_record};
use proptest::prelude::*;

fn log(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut log = Vec::new();
    for body in bodies {
        write_record(body, &mut log).expect("a short body");
    }
    log
}

/// The bodies before the first place that is no record, and what stands there.
fn read_all(log: &[u8]) -> (Vec<Vec<u8>>, RecordAt<'_>) {
    let (mut bodies, mut offset) = (Vec::new(), 0);
    loop {
        match read_record(log, offset) {
            RecordAt::Record(body, next) => {
                assert!(next > offset, "reading gets on");
                bodies.push(body.to_vec());
                offset = next;
            }
            other => return (bodies, other),
        }
    }
}

fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..6)
}

proptest! {
    #[test]
    fn a_whole_log_is_read_to_its_end(bodies in bodies()) {
        let whole = log(&bodies);
        prop_assert_eq!(read_all(&whole), (bodies, RecordAt::End));
    }

    /// Everything before the tear is kept; nothing follows it.
    #[test]
    fn a_log_cut_anywhere_loses_only_its_last_record(bodies in bodies(), cut in any::<prop::sample::Index>()) {
        let whole = log(&bodies);
        let len = cut.index(whole.len());
        let (kept, end) = read_all(&whole[..len]);
        prop_assert_eq!(&kept[..], &bodies[..kept.len()]);
        let boundary = log(&kept).len() == len;
        prop_assert_eq!(end, if boundary { RecordAt::End } else { RecordAt::Damaged { resumes_at: None } });
    }

    /// Any one flipped bit: the record that holds it is not taken, and those behind it say that it is no torn tail.
    #[test]
    fn a_log_with_any_bit_flipped_shows_rot_in_the_middle(bodies in bodies(), at in any::<prop::sample::Index>()) {
        let whole = log(&bodies);
        let bit = at.index(whole.len() * 8);
        let mut rotten = whole.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        let (kept, found) = read_all(&rotten);
        prop_assert_eq!(&kept[..], &bodies[..kept.len()]);
        let start = log(&kept).len();
        let end = start + RECORD_HEADER + bodies[kept.len()].len();
        prop_assert!((start..end).contains(&(bit / 8)), "exactly the record with the flip is refused");
        let resumes_at = (end < whole.len()).then_some(end);
        prop_assert_eq!(found, RecordAt::Damaged { resumes_at });
    }

    /// A torn append before the power went: a file grown by zeros, or by whatever stood in its sectors.
    #[test]
    fn a_tail_of_zeros_is_damage_and_no_record(bodies in bodies(), zeros in 1_usize..1_000) {
        let mut torn = log(&bodies);
        torn.resize(torn.len() + zeros, 0);
        prop_assert_eq!(read_all(&torn), (bodies, RecordAt::Damaged { resumes_at: None }));
    }

    #[test]
    fn arbitrary_bytes_at_any_offset_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..300), offset in 0_usize..400) {
        let expected = if offset >= bytes.len() { RecordAt::End } else { RecordAt::Damaged { resumes_at: None } };
        prop_assert_eq!(read_record(&bytes, offset), expected);
    }
}

#[test]
fn a_body_is_neither_empty_nor_too_long() {
    let mut out = b"before".to_vec();
    assert_eq!(write_record(&vec![1; BODY_MAX + 1], &mut out), Err(CodecError::TooLong));
    let empty = write_record(b"", &mut out);
    assert!(matches!(&empty, Err(CodecError::Invalid(_))), "an empty body is not too long: {empty:?}");
    assert_eq!(out, b"before", "a refusal writes nothing");
    write_record(&vec![1; BODY_MAX], &mut out).expect("the longest body fits");
}

#[test]
fn the_last_offset_there_is_ends_the_log() {
    assert_eq!(read_record(b"", 0), RecordAt::End);
    assert_eq!(read_record(b"abc", usize::MAX), RecordAt::End);
}

/// The limit of what a damaged log can tell: whoever stores records of others inside records checks their
/// sequence as well.
#[test]
fn a_record_inside_a_damaged_record_passes_for_the_next_one() {
    let inner = log(&[b"inner".to_vec()]);
    let mut damaged = log(&[inner, b"next".to_vec()]);
    damaged[4] ^= 1;
    assert_eq!(read_record(&damaged, 0), RecordAt::Damaged { resumes_at: Some(RECORD_HEADER) });
}

#[test]
fn two_damaged_records_in_a_row_are_one_damage() {
    let mut damaged = log(&[b"first".to_vec(), b"second".to_vec(), b"third".to_vec()]);
    let third = log(&[b"first".to_vec(), b"second".to_vec()]).len();
    damaged[RECORD_HEADER] ^= 1;
    damaged[2 * RECORD_HEADER + 5] ^= 1;
    assert_eq!(read_record(&damaged, 0), RecordAt::Damaged { resumes_at: Some(third) });
}
