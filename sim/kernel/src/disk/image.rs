//! A file's bytes, in pages that copies of the world share until one of them writes.

use std::sync::Arc;

/// Bytes of a page of the page cache.
pub(super) const PAGE: usize = 4096;

/// Contents of one file.
#[derive(Clone, Debug, Default)]
pub struct Image {
    len: usize,
    pages: Vec<Arc<[u8; PAGE]>>,
}

impl Image {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies up to `into.len()` bytes from `offset`; returns how many there were.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> usize {
        let count = into.len().min(self.len.saturating_sub(offset));
        let mut done = 0;
        while done < count {
            let (page, at) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let step = (PAGE - at).min(count - done);
            into[done..done + step].copy_from_slice(&self.pages[page][at..at + step]);
            done += step;
        }
        count
    }

    /// The bytes of `offset..offset + len` that exist.
    pub fn slice(&self, offset: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len.min(self.len.saturating_sub(offset))];
        self.read(offset, &mut bytes);
        bytes
    }

    /// Writes `bytes` at `offset`; a gap behind the old end reads as zeros.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.len {
            self.resize(end);
        }
        let mut done = 0;
        while done < bytes.len() {
            let (page, at) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let step = (PAGE - at).min(bytes.len() - done);
            Arc::make_mut(&mut self.pages[page])[at..at + step].copy_from_slice(&bytes[done..done + step]);
            done += step;
        }
    }

    /// Sets the length; new bytes are zeros.
    pub fn resize(&mut self, len: usize) {
        let pages = len.div_ceil(PAGE);
        if len < self.len {
            self.pages.truncate(pages);
            let at = len % PAGE;
            if at != 0 {
                // What lies behind the end must read as zeros if the file grows again.
                Arc::make_mut(&mut self.pages[pages - 1])[at..].fill(0);
            }
        } else {
            self.pages.resize_with(pages, || Arc::new([0; PAGE]));
        }
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_a_vector(steps in prop::collection::vec((0usize..3, 0usize..20_000, 1usize..9_000, 1u8..255), 1..40)) {
            let (mut image, mut model) = (Image::default(), Vec::<u8>::new());
            for (kind, offset, len, byte) in steps {
                if kind == 0 {
                    image.resize(offset);
                    model.resize(offset, 0);
                } else {
                    let copy = image.clone();
                    let before = copy.slice(0, copy.len());
                    image.write(offset, &vec![byte; len]);
                    model.resize(model.len().max(offset + len), 0);
                    model[offset..offset + len].fill(byte);
                    prop_assert_eq!(copy.slice(0, copy.len()), before, "a copy does not change");
                }
                prop_assert_eq!(image.slice(0, image.len()), model.clone());
            }
        }
    }
}
