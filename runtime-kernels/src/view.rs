//! Data with a shape known at run time: what models with free sizes take and give.

use core::fmt;

/// Dense row-major data and its sizes along `R` axes.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T, const R: usize> {
    /// The elements, as many as the sizes multiply to.
    pub data: &'a [T],
    /// Sizes, outermost axis first.
    pub shape: [usize; R],
}

impl<'a, T, const R: usize> View<'a, T, R> {
    /// `data` seen under `shape`.
    ///
    /// # Errors
    /// If the shape does not hold exactly as many elements.
    pub fn new(data: &'a [T], shape: [usize; R]) -> Result<View<'a, T, R>, ShapeError> {
        let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        if len != Some(data.len()) {
            return Err(ShapeError {
                what: "data",
                axis: 0,
                size: data.len() as i64,
                want: Want::Exactly(len.unwrap_or(0) as i64),
            });
        }
        Ok(View { data, shape })
    }
}

/// A shape that does not fit the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShapeError {
    what: &'static str,
    axis: usize,
    size: i64,
    want: Want,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Want {
    Exactly(i64),
    AtMost(i64),
    NotNegative,
    Equal(&'static str, i64),
    Within(i64),
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ShapeError { what, axis, size, want } = self;
        match want {
            Want::Exactly(want) => write!(f, "axis {axis} of `{what}` has size {size} and should have {want}"),
            Want::AtMost(want) => {
                write!(f, "axis {axis} of `{what}` has size {size}, more than the {want} the model was generated for")
            }
            Want::NotNegative => {
                write!(f, "axis {axis} of `{what}` would have size {size}: an input is too small for this model")
            }
            Want::Within(want) => write!(f, "{what}: {size}, more than the {want} the model was generated for"),
            Want::Equal(other, want) => {
                write!(f, "`{what}` is {size} and `{other}` is {want}; they must be equal for this model")
            }
        }
    }
}

impl core::error::Error for ShapeError {}

/// `size`, if it is no more than `bound`.
pub fn bounded(what: &'static str, axis: usize, size: usize, bound: i64) -> Result<i64, ShapeError> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if size > bound {
        return Err(ShapeError { what, axis, size, want: Want::AtMost(bound) });
    }
    Ok(size)
}

/// Nothing, if `size` is `want`.
pub fn expect(what: &'static str, axis: usize, size: usize, want: i64) -> Result<(), ShapeError> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if size != want {
        return Err(ShapeError { what, axis, size, want: Want::Exactly(want) });
    }
    Ok(())
}

/// Nothing, if `size` is not negative.
pub fn natural(what: &'static str, axis: usize, size: i64) -> Result<(), ShapeError> {
    if size < 0 {
        return Err(ShapeError { what, axis, size, want: Want::NotNegative });
    }
    Ok(())
}

/// Nothing, if two sizes, each named by its formula, are equal.
pub fn equal(what: &'static str, size: i64, other: &'static str, want: i64) -> Result<(), ShapeError> {
    if size != want {
        return Err(ShapeError { what, axis: 0, size, want: Want::Equal(other, want) });
    }
    Ok(())
}

/// Nothing, if a size that was found out is no more than `bound`.
pub fn within(what: &'static str, size: i64, bound: i64) -> Result<(), ShapeError> {
    if size > bound {
        return Err(ShapeError { what, axis: 0, size, want: Want::Within(bound) });
    }
    Ok(())
}

/// A slice of exactly `N` elements as an array.
///
/// # Panics
/// If it has another length, which generated code never lets happen.
#[inline(always)]
pub fn array<T, const N: usize>(x: &[T]) -> &[T; N] {
    match x.try_into() {
        Ok(array) => array,
        Err(_) => panic!("a value of fixed shape has another length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn says_which_axis_does_not_fit() {
        assert!(View::new(&[1.0f32, 2.0], [2, 1]).is_ok());
        assert!(View::new(&[1.0f32, 2.0], [usize::MAX, 2]).is_err());
        let error = bounded("image", 2, 641, 640).unwrap_err();
        assert_eq!(error.to_string(), "axis 2 of `image` has size 641, more than the 640 the model was generated for");
    }
}
