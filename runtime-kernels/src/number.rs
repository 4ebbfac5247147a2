//! Arithmetic common to the element types of kernels that are generic over them.

/// A number of any element type. Integers wrap; `min` and `max` give NaN where either operand is NaN.
pub trait Number: Copy + PartialOrd + 'static {
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Not above any number.
    const LOWEST: Self;
    /// `self + other`
    fn plus(self, other: Self) -> Self;
    /// `self * other`
    fn times(self, other: Self) -> Self;
    /// The lesser.
    fn lesser(self, other: Self) -> Self;
    /// The greater.
    fn greater(self, other: Self) -> Self;
    /// Whether it is not a number.
    fn is_nan(self) -> bool;

    /// Whether `self` comes after `other` in ascending order, where NaN comes last.
    #[inline(always)]
    fn is_above(self, other: Self) -> bool {
        self > other || (self.is_nan() && !other.is_nan())
    }
}

macro_rules! floats {
    ($($t:ident)*) => {
        $(impl Number for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = $t::NEG_INFINITY;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn lesser(self, other: Self) -> Self {
                if self < other || self != self { self } else { other }
            }
            #[inline(always)]
            fn greater(self, other: Self) -> Self {
                if self > other || self != self { self } else { other }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self != self
            }
        })*
    };
}

macro_rules! integers {
    ($($t:ident)*) => {
        $(impl Number for $t {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LOWEST: Self = $t::MIN;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn lesser(self, other: Self) -> Self {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn greater(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
        })*
    };
}

floats! { f32 f64 }
integers! { i8 i16 i32 i64 u8 u16 u32 u64 }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_nan_through() {
        for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
            assert!(a.lesser(b).is_nan() && a.greater(b).is_nan());
        }
        assert_eq!((1f64.lesser(2.0), 1f64.greater(2.0), 3u8.lesser(4), 3i64.greater(4)), (1.0, 2.0, 3, 4));
        assert!(f32::NAN.is_above(f32::INFINITY) && !f32::NAN.is_above(f32::NAN) && !1f32.is_above(f32::NAN));
    }

    #[test]
    fn wraps_integers() {
        assert_eq!((255u8.plus(2), i8::MIN.times(-1)), (1, i8::MIN));
    }
}
