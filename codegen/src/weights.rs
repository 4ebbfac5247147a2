//! The blob of constants: each run of bytes once, each aligned for vector loads.

use std::collections::HashMap;

/// Alignment of every constant, a cache line.
const ALIGN: usize = 64;

/// Constants gathered so far.
#[derive(Default)]
pub struct Blob {
    bytes: Vec<u8>,
    /// Offsets of known runs by their hash and length.
    known: HashMap<(u64, usize), Vec<usize>>,
}

impl Blob {
    /// The offset of `run` in the blob, which holds it once however often it is added.
    pub fn add(&mut self, run: &[u8]) -> usize {
        if run.is_empty() {
            return 0;
        }
        let candidates = self.known.entry((hash(run), run.len())).or_default();
        if let Some(&at) = candidates.iter().find(|&&at| &self.bytes[at..at + run.len()] == run) {
            return at;
        }
        let at = self.bytes.len().next_multiple_of(ALIGN);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(run);
        candidates.push(at);
        at
    }

    /// The finished blob, its length a multiple of the alignment.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        self.bytes
    }
}

fn hash(run: &[u8]) -> u64 {
    use std::hash::Hasher;
    // Fixed keys: only used within one run, but the same input must give the same bytes anyhow.
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(run);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_equal_runs_once_and_aligned() {
        let mut blob = Blob::default();
        let (a, b) = (blob.add(&[1, 2, 3]), blob.add(&[4]));
        assert_eq!((a, b), (0, 64));
        assert_eq!(blob.add(&[1, 2, 3]), a);
        assert_eq!(blob.finish().len(), 128);
    }
}
