//! Indices that come from data: wrapped once where negative, then checked.

/// An integer that indices come as.
pub trait Index: Copy {
    /// This index along an axis of `len` elements, counted from its end where negative, if there is such an element.
    fn find(self, len: usize) -> Option<usize>;

    /// The same; panics where there is no such element.
    fn at(self, len: usize) -> usize;
}

impl Index for i64 {
    #[inline(always)]
    fn find(self, len: usize) -> Option<usize> {
        let index = if self < 0 { self.wrapping_add(len as i64) } else { self };
        // What is still negative is far above any length.
        if (index as u64) < len as u64 { Some(index as usize) } else { None }
    }

    #[inline(always)]
    fn at(self, len: usize) -> usize {
        match self.find(len) {
            Some(index) => index,
            None => outside(self, len),
        }
    }
}

impl Index for i32 {
    #[inline(always)]
    fn find(self, len: usize) -> Option<usize> {
        i64::from(self).find(len)
    }

    #[inline(always)]
    fn at(self, len: usize) -> usize {
        i64::from(self).at(len)
    }
}

#[cold]
#[inline(never)]
fn outside(index: i64, len: usize) -> ! {
    panic!("index {index} is outside an axis of {len} elements")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn wraps_once() {
        assert_eq!((0i64.at(3), 2i32.at(3), (-1i64).at(3), (-3i32).at(3)), (0, 2, 2, 0));
        for (index, len) in [(3, 3), (-4, 3), (0, 0), (-1, 0), (i64::MIN, 3), (i64::MAX, 3)] {
            assert!(catch_unwind(|| index.at(len)).is_err());
        }
    }
}
