//! Constant data: little-endian bytes with a type. Arithmetic on it goes through `f64` or `i64` lanes.

use super::{DType, Type};
use std::fmt;
use std::sync::Arc;

/// A constant of known shape, cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Arc<[u8]>,
}

// Weights go through here in builds whose compiler of models is not optimised itself: arrays, as the fewest calls for each number.
macro_rules! lanes {
    ($bytes:expr, $t:ty, $to:ty) => {
        $bytes.as_chunks().0.iter().map(|&c| <$t>::from_le_bytes(c) as $to).collect()
    };
}

impl Tensor {
    /// A tensor of `shape` from its bytes, or `None` where their number does not match.
    pub fn from_bytes(dtype: DType, shape: Vec<usize>, bytes: impl Into<Arc<[u8]>>) -> Option<Tensor> {
        let bytes = bytes.into();
        let len = shape.iter().try_fold(dtype.bytes(), |n, &d| n.checked_mul(d))?;
        (len == bytes.len()).then_some(Tensor { dtype, shape, bytes })
    }

    /// A tensor whose elements are `values` rounded to `dtype`; `shape` must hold as many.
    pub fn from_f64s(dtype: DType, shape: Vec<usize>, values: &[f64]) -> Tensor {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        let mut bytes = Vec::with_capacity(values.len() * dtype.bytes());
        for &v in values {
            match dtype {
                DType::F32 => bytes.extend((v as f32).to_le_bytes()),
                DType::F64 => bytes.extend(v.to_le_bytes()),
                DType::Bool => bytes.push(u8::from(v != 0.0)),
                // A cast from float to integer truncates; out of range it saturates, as Rust's `as` in generated code does.
                DType::U8 => bytes.push(v as u8),
                DType::I8 => bytes.extend((v as i8).to_le_bytes()),
                DType::U16 => bytes.extend((v as u16).to_le_bytes()),
                DType::I16 => bytes.extend((v as i16).to_le_bytes()),
                DType::U32 => bytes.extend((v as u32).to_le_bytes()),
                DType::I32 => bytes.extend((v as i32).to_le_bytes()),
                DType::U64 => bytes.extend((v as u64).to_le_bytes()),
                DType::I64 => bytes.extend((v as i64).to_le_bytes()),
            }
        }
        Tensor { dtype, shape, bytes: bytes.into() }
    }

    /// A tensor whose elements are `values` wrapped to `dtype`; `u64` lanes travel as `i64` bits.
    pub fn from_i64s(dtype: DType, shape: Vec<usize>, values: &[i64]) -> Tensor {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        let mut bytes = Vec::with_capacity(values.len() * dtype.bytes());
        for &v in values {
            match dtype {
                DType::F32 => bytes.extend((v as f32).to_le_bytes()),
                DType::F64 => bytes.extend((v as f64).to_le_bytes()),
                DType::Bool => bytes.push(u8::from(v != 0)),
                _ => bytes.extend(&v.to_le_bytes()[..dtype.bytes()]),
            }
        }
        Tensor { dtype, shape, bytes: bytes.into() }
    }

    /// A vector of 64-bit integers.
    pub fn ints(values: &[i64]) -> Tensor {
        Tensor::from_i64s(DType::I64, vec![values.len()], values)
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The type a value holding this has.
    pub fn ty(&self) -> Type {
        Type::new(self.dtype, self.shape.iter().copied())
    }

    /// The elements as `f64`.
    pub fn to_f64s(&self) -> Vec<f64> {
        let b = &self.bytes;
        match self.dtype {
            DType::Bool | DType::U8 => b.iter().map(|&x| f64::from(x)).collect(),
            DType::I8 => lanes!(b, i8, f64),
            DType::U16 => lanes!(b, u16, f64),
            DType::I16 => lanes!(b, i16, f64),
            DType::U32 => lanes!(b, u32, f64),
            DType::I32 => lanes!(b, i32, f64),
            DType::U64 => lanes!(b, u64, f64),
            DType::I64 => lanes!(b, i64, f64),
            DType::F32 => lanes!(b, f32, f64),
            DType::F64 => lanes!(b, f64, f64),
        }
    }

    /// The elements as `i64`; floats truncate, `u64` keeps its bits.
    pub fn to_i64s(&self) -> Vec<i64> {
        let b = &self.bytes;
        match self.dtype {
            DType::Bool | DType::U8 => b.iter().map(|&x| i64::from(x)).collect(),
            DType::I8 => lanes!(b, i8, i64),
            DType::U16 => lanes!(b, u16, i64),
            DType::I16 => lanes!(b, i16, i64),
            DType::U32 => lanes!(b, u32, i64),
            DType::I32 => lanes!(b, i32, i64),
            DType::U64 => lanes!(b, u64, i64),
            DType::I64 => lanes!(b, i64, i64),
            DType::F32 => lanes!(b, f32, i64),
            DType::F64 => lanes!(b, f64, i64),
        }
    }

    /// The elements as `f32`.
    pub fn to_f32s(&self) -> Vec<f32> {
        match self.dtype {
            DType::F32 => lanes!(self.bytes, f32, f32),
            _ => self.to_f64s().into_iter().map(|v| v as f32).collect(),
        }
    }

    /// The same elements under another shape of as many elements.
    pub fn reshaped(&self, shape: Vec<usize>) -> Tensor {
        debug_assert_eq!(shape.iter().product::<usize>(), self.len());
        Tensor { dtype: self.dtype, shape, bytes: self.bytes.clone() }
    }

    /// The elements at flat indices `picks`, under `shape`.
    pub fn picked(&self, shape: Vec<usize>, picks: impl Iterator<Item = usize>) -> Tensor {
        let size = self.dtype.bytes();
        let mut bytes = Vec::with_capacity(size * shape.iter().product::<usize>());
        for at in picks {
            bytes.extend_from_slice(&self.bytes[at * size..][..size]);
        }
        debug_assert_eq!(bytes.len(), size * shape.iter().product::<usize>());
        Tensor { dtype: self.dtype, shape, bytes: bytes.into() }
    }

    /// The one value every element has, if there is one.
    pub fn uniform(&self) -> Option<f64> {
        let size = self.dtype.bytes();
        let first = self.bytes.get(..size)?;
        self.bytes
            .chunks_exact(size)
            .all(|c| c == first)
            .then(|| Tensor { dtype: self.dtype, shape: vec![1], bytes: first.into() }.to_f64s()[0])
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.ty())?;
        if self.len() > 8 {
            return Ok(());
        }
        if self.dtype.is_float() { write!(f, "{:?}", self.to_f64s()) } else { write!(f, "{:?}", self.to_i64s()) }
    }
}

/// Flat index strides of a dense row-major tensor.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Every index of a tensor of `shape`, in row-major order.
pub fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let strides = strides(shape);
    (0..shape.iter().product::<usize>())
        .map(move |flat| strides.iter().zip(shape).map(|(&stride, &size)| flat / stride % size).collect())
}
