//! Boxes kept because no better one covers them: ONNX `NonMaxSuppression`.

use super::simd::{Simd, Task};

/// Writes batch, class and box of all that is kept, best first within a class, and gives back how many there are.
pub struct NonMaxSuppression<'a> {
    /// `[count][3]` on return, at the beginning of what has room for every box of every class.
    pub out: &'a mut [i64],
    /// `[batches][n][4]`
    pub boxes: &'a [f32],
    /// `[batches][classes][n]`
    pub scores: &'a [f32],
    /// How many to keep of a class, one number.
    pub most: &'a [i64],
    /// The overlap above which a box is dropped, one number.
    pub overlap: &'a [f32],
    /// What a score must be above, one number.
    pub least: &'a [f32],
    /// `[n]`
    pub scratch: &'a mut [i64],
    /// Number of batches.
    pub batches: usize,
    /// Number of classes.
    pub classes: usize,
    /// Boxes a batch.
    pub n: usize,
    /// Boxes as centre and size, rather than two opposite corners.
    pub centred: bool,
}

impl Task for NonMaxSuppression<'_> {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        let Self { out, boxes, scores, most, overlap, least, scratch, batches, classes, n, centred } = self;
        assert!(boxes.len() == batches * n * 4 && scores.len() == batches * classes * n);
        let (most, overlap, least) = (most[0].max(0) as usize, overlap[0], least[0]);
        let mut count = 0;
        if n == 0 {
            return 0;
        }
        for (batch, boxes) in boxes.chunks_exact(n * 4).enumerate() {
            let boxes = boxes.as_chunks::<4>().0;
            for class in 0..classes {
                let scores = &scores[(batch * classes + class) * n..][..n];
                let mut candidates = 0;
                for (i, &score) in scores.iter().enumerate() {
                    if score > least {
                        scratch[candidates] = i as i64;
                        candidates += 1;
                    }
                }
                let order = &mut scratch[..candidates];
                order.sort_unstable_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
                let begin = count;
                for &at in order.iter() {
                    if count - begin == most {
                        break;
                    }
                    let own = corners(boxes[at as usize], centred);
                    let kept = out[3 * begin..3 * count].as_chunks::<3>().0;
                    let covered =
                        kept.iter().any(|&[.., other]| shared(own, corners(boxes[other as usize], centred)) > overlap);
                    if !covered {
                        out[3 * count..][..3].copy_from_slice(&[batch as i64, class as i64, at]);
                        count += 1;
                    }
                }
            }
        }
        count
    }
}

/// The least and greatest coordinate along either axis.
#[inline(always)]
fn corners([a, b, c, d]: [f32; 4], centred: bool) -> [f32; 4] {
    if centred {
        [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0]
    } else {
        [a.min(c), b.min(d), a.max(c), b.max(d)]
    }
}

/// The part of two boxes' union that both cover.
#[inline(always)]
fn shared(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |of: [f32; 4]| (of[2] - of[0]) * (of[3] - of[1]);
    let (own, other) = (area(a), area(b));
    let both = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let union = own + other - both;
    if own <= 0.0 || other <= 0.0 || union <= 0.0 { 0.0 } else { both / union }
}
