//! The distinct rows of a matrix: ONNX `Unique`. Rows compare from their first element on; NaN comes last and equals itself.

use super::number::Number;
use super::simd::{Simd, Task};
use core::cmp::Ordering;

/// Writes the distinct rows and gives back how many there are. Outputs of one element a distinct row have room for all rows, and
/// their beginning is used.
pub struct Unique<'a, T: Number> {
    /// `[count][width]`
    pub out: &'a mut [T],
    /// The first place of each distinct row, `[count]`.
    pub first: &'a mut [i64],
    /// The distinct row of each row, `[rows]`.
    pub inverse: &'a mut [i64],
    /// How often each distinct row occurs, `[count]`.
    pub counts: &'a mut [i64],
    /// `[rows][width]`
    pub x: &'a [T],
    /// `[2][rows]`
    pub scratch: &'a mut [i64],
    /// Number of rows.
    pub rows: usize,
    /// Elements a row.
    pub width: usize,
    /// Ascending, rather than in the order of first places.
    pub sorted: bool,
}

impl<T: Number> Task for Unique<'_, T> {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        let Self { out, first, inverse, counts, x, scratch, rows, width, sorted } = self;
        assert_eq!(x.len(), rows * width);
        let row = |i: i64| &x[i as usize * width..][..width];
        let (order, rank) = scratch.split_at_mut(rows);
        (0..).zip(order.iter_mut()).for_each(|(i, slot)| *slot = i);
        // Equal rows stand in the order of their places.
        order.sort_unstable_by(|&a, &b| compare(row(a), row(b)).then(a.cmp(&b)));
        let mut count = 0;
        for i in 0..rows {
            let place = order[i];
            if i == 0 || compare(row(order[i - 1]), row(place)) != Ordering::Equal {
                first[count] = place;
                counts[count] = 0;
                count += 1;
            }
            counts[count - 1] += 1;
            inverse[place as usize] = count as i64 - 1;
        }
        if !sorted {
            // `order` becomes the distinct rows by first place, `rank` where each of them went.
            let order = &mut order[..count];
            (0..).zip(order.iter_mut()).for_each(|(i, slot)| *slot = i);
            order.sort_unstable_by_key(|&i| first[i as usize]);
            (0..).zip(order.iter()).for_each(|(to, &from)| rank[from as usize] = to);
            inverse.iter_mut().for_each(|distinct| *distinct = rank[*distinct as usize]);
            // Counts are found anew; first places only need sorting.
            first[..count].sort_unstable();
            counts[..count].fill(0);
            inverse.iter().for_each(|&distinct| counts[distinct as usize] += 1);
        }
        for (i, &place) in first[..count].iter().enumerate() {
            out[i * width..][..width].copy_from_slice(row(place));
        }
        count
    }
}

/// The order of two rows of one length.
#[inline(always)]
fn compare<T: Number>(a: &[T], b: &[T]) -> Ordering {
    for (&a, &b) in a.iter().zip(b) {
        if a.is_above(b) {
            return Ordering::Greater;
        }
        if b.is_above(a) {
            return Ordering::Less;
        }
    }
    Ordering::Equal
}
