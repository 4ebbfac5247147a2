//! Values between files, xtask and the programs it builds.

use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::Path;

/// An array whose element type kiln names.
#[derive(Clone, Debug)]
pub struct Value {
    pub dtype: String,
    pub shape: Vec<usize>,
    /// Row-major, little-endian.
    pub bytes: Vec<u8>,
}

impl Value {
    /// What a `.pb` file holds, for a type as `Summary` words it: several tensors if it is a sequence.
    pub fn read_all(path: &Path, type_text: &str) -> Result<Vec<Value>> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let values = kiln_codegen::values_from_proto(&bytes, type_text).map_err(|e| anyhow!(e))?;
        Ok(values.into_iter().map(|(dtype, shape, bytes)| Value { dtype, shape, bytes }).collect())
    }

    /// ONNX's dummy data.
    pub fn ramp(shape: Vec<usize>) -> Value {
        let n: usize = shape.iter().product();
        let bytes = (0..n).flat_map(|i| ((i as f64 / n as f64) as f32).to_le_bytes()).collect();
        Value { dtype: "f32".into(), shape, bytes }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The elements as floats, which holds those of every type but large 64-bit integers.
    pub fn floats(&self) -> Vec<f64> {
        if let Some(floats) = kiln_codegen::narrow_to_f64s(&self.dtype, &self.bytes) {
            return floats;
        }
        macro_rules! of {
            ($ty:ty) => {
                self.bytes.as_chunks().0.iter().map(|&chunk| <$ty>::from_le_bytes(chunk) as f64).collect()
            };
        }
        match self.dtype.as_str() {
            "f32" => of!(f32),
            "f64" => of!(f64),
            "i8" => of!(i8),
            "i16" => of!(i16),
            "i32" => of!(i32),
            "i64" => of!(i64),
            "u16" => of!(u16),
            "u32" => of!(u32),
            "u64" => of!(u64),
            _ => self.bytes.iter().map(|&byte| f64::from(byte)).collect(),
        }
    }
}

/// Writes what a built program reads: for each value its rank, sizes, number of bytes and bytes, all numbers `u64`.
pub fn write(path: &Path, values: &[&Value]) -> Result<()> {
    let mut wire = Vec::new();
    let number = |wire: &mut Vec<u8>, n: usize| wire.extend((n as u64).to_le_bytes());
    for value in values {
        number(&mut wire, value.shape.len());
        value.shape.iter().for_each(|&size| number(&mut wire, size));
        number(&mut wire, value.bytes.len());
        wire.extend(&value.bytes);
    }
    fs::write(path, wire).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads what a built program wrote in the same form; `dtypes` says what it holds.
pub fn read(path: &Path, dtypes: &[String]) -> Result<Vec<Value>> {
    let wire = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut rest = wire.as_slice();
    let mut values = Vec::new();
    for dtype in dtypes {
        let rank = number(&mut rest)?;
        let shape = (0..rank).map(|_| number(&mut rest)).collect::<Result<Vec<_>>>()?;
        let len = number(&mut rest)?;
        let Some((bytes, after)) = rest.split_at_checked(len) else { bail!("the program's output ends early") };
        rest = after;
        values.push(Value { dtype: dtype.clone(), shape, bytes: bytes.to_vec() });
    }
    Ok(values)
}

fn number(rest: &mut &[u8]) -> Result<usize> {
    let (bytes, after) = rest.split_first_chunk::<8>().context("the program's output ends early")?;
    *rest = after;
    Ok(u64::from_le_bytes(*bytes) as usize)
}
