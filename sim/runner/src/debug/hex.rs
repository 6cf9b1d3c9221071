//! A file's bytes for people: sixteen a line, as hexadecimal numbers and as text.

use std::ops::Range;

/// Bytes of a file that are shown.
const SHOWN: usize = 4096;

/// The lines of a dump. A line with bytes in one of the `unsynced` ranges has a `*`.
pub fn dump(bytes: &[u8], unsynced: &[Range<u64>]) -> Vec<String> {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let mut lines: Vec<String> =
        shown.chunks(16).enumerate().map(|(nth, line)| one(nth as u64 * 16, line, unsynced)).collect();
    if bytes.len() > SHOWN {
        lines.push(format!("... {} more bytes", bytes.len() - SHOWN));
    }
    lines
}

fn one(at: u64, bytes: &[u8], unsynced: &[Range<u64>]) -> String {
    let end = at + bytes.len() as u64;
    let open = unsynced.iter().any(|range| range.start < end && at < range.end);
    let numbers: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    let text: String = bytes.iter().map(printable).collect();
    format!("{at:06x}{} {:<47}  {text}", if open { '*' } else { ' ' }, numbers.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bytes_a_line_and_unsynced_lines_have_a_star() {
        let bytes: Vec<u8> = (0..18).map(|nth| b'A' + nth).collect();
        let lines = dump(&bytes, std::slice::from_ref(&(17..18)));
        assert_eq!(lines[0], "000000  41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP");
        assert_eq!(lines[1], format!("000010* {:<47}  QR", "51 52"));
        assert_eq!(dump(&[0; SHOWN + 3], &[]).last().map(String::as_str), Some("... 3 more bytes"));
    }
}
