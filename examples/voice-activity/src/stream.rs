//! A stream of sound through Silero VAD.

include!(concat!(env!("OUT_DIR"), "/vad.rs"));

/// Samples a call takes.
pub const CHUNK: usize = 512;
/// Samples before them that the network wants to see again.
const CONTEXT: usize = 64;
const STATE: usize = 2 * 128;

/// The network and what it remembers.
pub struct Stream {
    model: Vad,
    /// The context, then the chunk.
    window: [f32; CONTEXT + CHUNK],
    state: [f32; STATE],
}

impl Stream {
    /// A stream that has heard nothing.
    pub fn new() -> Stream {
        Stream { model: Vad::new(), window: [0.0; CONTEXT + CHUNK], state: [0.0; STATE] }
    }

    /// Probability that `chunk`, the next [`CHUNK`] samples, is speech.
    pub fn push(&mut self, chunk: &[f32]) -> f32 {
        self.window.copy_within(CHUNK.., 0);
        self.window[CONTEXT..].copy_from_slice(chunk);
        let result = self.model.run(&self.window, &self.state);
        self.state = *result.state_n;
        result.output[0]
    }
}

/// When chunk `at` begins.
pub fn seconds(at: usize) -> f64 {
    (at * CHUNK) as f64 / 16e3
}

/// Runs of chunks that are speech: they begin above one half, end once eight in a row stay under 0.35.
pub fn intervals(scores: &[f32]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    for (i, &score) in scores.iter().enumerate() {
        open = match open {
            None if score >= 0.5 => Some((i, i + 1)),
            Some((from, _)) if score >= 0.35 => Some((from, i + 1)),
            Some((from, to)) if i - to >= 8 => {
                found.push((from, to));
                None
            }
            state => state,
        };
    }
    found.extend(open);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_not_speech() {
        let mut stream = Stream::new();
        for _ in 0..20 {
            assert!(stream.push(&[0.0; CHUNK]) < 0.1);
        }
    }

    #[test]
    fn short_pauses_do_not_end_speech() {
        let mut scores = vec![0.9; 4];
        scores.extend([0.1; 4]);
        scores.extend([0.9; 4]);
        scores.extend([0.0; 20]);
        assert_eq!(intervals(&scores), [(0, 12)]);
    }
}
