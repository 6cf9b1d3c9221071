//! Decoders do not allocate what a length field claims: measured with a counting allocator.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts and passes on")]

use contract::codec::{self, BODY_MAX, CodecError, Frame, RecordAt, read_record};
use contract::{ProcessId, Protocol};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

/// The largest single allocation since the last reset, in bytes.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The largest allocation that `run` makes, in bytes.
fn largest(run: impl FnOnce()) -> usize {
    LARGEST.store(0, Ordering::Relaxed);
    run();
    LARGEST.load(Ordering::Relaxed)
}

/// A claim of `len` things in bincode's longest form, with nothing behind it.
fn claim(len: u64) -> Vec<u8> {
    let mut bytes = vec![0xfd];
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes
}

/// One test, so that no other thread of this program allocates meanwhile.
#[test]
fn a_short_input_that_claims_much_costs_little() {
    for len in [1_000, BODY_MAX as u64, 1 << 32, u64::MAX] {
        let bytes = claim(len);
        // A 32-bit machine reads 2^32 as none, which is wrong and not ours: see `codec::decode`.
        let cut_to_none = usize::try_from(len).is_err() && len.trailing_zeros() >= usize::BITS;
        let cost = largest(|| {
            assert!(matches!(codec::decode::<String>(&bytes), Err(CodecError::Invalid(_))));
            for refused in [codec::decode::<Vec<u8>>(&bytes).err(), codec::decode::<Vec<[u64; 8]>>(&bytes).err()] {
                assert_eq!(matches!(refused, Some(CodecError::Invalid(_))), !cut_to_none, "a claim of {len}");
            }
        });
        assert!(cost <= BODY_MAX, "a claim of {len} allocated {cost} bytes");
    }
    let whole = Frame { from: ProcessId(1), to: ProcessId(2), protocol: Protocol(3), body: vec![0; BODY_MAX] };
    let mut header = Vec::new();
    whole.write(&mut header).expect("a body of legal length");
    header.truncate(40);
    assert!(largest(|| assert_eq!(Frame::read(&header), Ok(None))) < 1_024, "a frame that is still to come");
    let log = [0xff_u8; 4_096];
    let cost = largest(|| assert_eq!(read_record(&log, 0), RecordAt::Damaged { resumes_at: None }));
    assert!(cost < 1_024, "a damaged log allocated {cost} bytes");
}
