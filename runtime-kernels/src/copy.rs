//! Copying one contiguous run, without the cost of a call to `memcpy` where the run is short.

/// Copies `x` to `out`; panics unless they have the same length.
#[inline(always)]
pub fn copy_run<T: Copy>(out: &mut [T], x: &[T]) {
    let len = out.len();
    assert_eq!(len, x.len());
    match len {
        0 => {}
        1..4 => {
            // The middle twice or thrice, for want of a branch.
            let (first, middle, last) = (x[0], x[len / 2], x[len - 1]);
            out[0] = first;
            out[len / 2] = middle;
            out[len - 1] = last;
        }
        4..8 => copy_ends::<4, T>(out, x),
        8..16 => copy_ends::<8, T>(out, x),
        16..=32 => copy_ends::<16, T>(out, x),
        _ => out.copy_from_slice(x),
    }
}

/// Copies `N` to `2 * N` elements as the first `N` and the last `N`.
#[inline(always)]
fn copy_ends<const N: usize, T: Copy>(out: &mut [T], x: &[T]) {
    let (Some(first), Some(last)) = (x.first_chunk::<N>(), x.last_chunk::<N>()) else { return };
    let (first, last) = (*first, *last);
    if let Some(out) = out.first_chunk_mut() {
        *out = first;
    }
    if let Some(out) = out.last_chunk_mut() {
        *out = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_every_length() {
        let x: [u16; 70] = core::array::from_fn(|i| i as u16 + 1);
        for len in 0..=70 {
            let mut out = [0; 70];
            copy_run(&mut out[..len], &x[..len]);
            assert_eq!(out[..len], x[..len]);
            assert!(out[len..].iter().all(|&y| y == 0));
        }
    }
}
