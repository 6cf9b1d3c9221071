//! Sealed lines: one line of JSON whose last member is the checksum of everything before it.
//!
//! `{"version":3,"data":{"a":1},"crc":"89abcdef"}` and a newline. The checksum is CRC-32 as zlib has it, over all bytes
//! before `,"crc":`, so that any language's standard library can seal and check.

/// Bytes of `,"crc":"xxxxxxxx"}` and the newline.
const SEAL: usize = 18 + 1;
const BEFORE: &[u8] = b",\"crc\":\"";
const AFTER: &[u8] = b"\"}\n";

/// Seals an object that lacks its closing brace.
pub fn seal(open_object: &str) -> Vec<u8> {
    assert!(open_object.starts_with('{') && !open_object.contains('\n'), "a line holds one object: {open_object:?}");
    let crc = crc32fast::hash(open_object.as_bytes());
    format!("{open_object},\"crc\":\"{crc:08x}\"}}\n").into_bytes()
}

/// Whether `line`, which ends with its newline, is as it was sealed.
pub fn is_sound(line: &[u8]) -> bool {
    checksum(line).is_some()
}

/// The checksum of `line`, which ends with its newline, if it is as it was sealed.
pub fn checksum(line: &[u8]) -> Option<u32> {
    let (object, seal) = line.split_at_checked(line.len().checked_sub(SEAL)?)?;
    let digits = seal.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
    let crc = crc32fast::hash(object);
    (digits == format!("{crc:08x}").as_bytes()).then_some(crc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_is_sound_and_no_other_of_its_length_that_differs_in_a_byte() {
        let line = seal("{\"a\":1");
        assert_eq!(line, b"{\"a\":1,\"crc\":\"a702fc6e\"}\n".to_vec());
        assert!(is_sound(&line));
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut bad = line.clone();
                bad[at] ^= 1 << bit;
                assert!(!is_sound(&bad), "byte {at}, bit {bit}");
            }
            assert!(!is_sound(&line[..at]) && !is_sound(&line[at + 1..]), "a part of it");
        }
    }
}
