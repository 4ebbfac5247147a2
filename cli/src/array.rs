//! Arrays in `.npy` files, and as the raw little-endian bytes the scratch program reads and writes.

use anyhow::{Context, Result, bail};
use npyz::{DType, NpyFile, Order, WriterBuilder};
use std::path::Path;

/// An array of one of Rust's number types, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Element type, as Rust names it, a narrow type such as `bf16`, of which the elements are the bits, or `string`.
    pub dtype: String,
    /// Sizes along each axis.
    pub shape: Vec<usize>,
    /// Elements, little-endian; strings as [`kiln_codegen::text_bytes`] writes them.
    pub bytes: Vec<u8>,
}

macro_rules! each_type {
    ($dtype:expr, $apply:ident, $($rest:tt)*) => {
        match $dtype {
            "f32" => $apply!(f32, $($rest)*),
            "f64" => $apply!(f64, $($rest)*),
            "i8" => $apply!(i8, $($rest)*),
            "i16" => $apply!(i16, $($rest)*),
            "i32" => $apply!(i32, $($rest)*),
            "i64" => $apply!(i64, $($rest)*),
            "u8" => $apply!(u8, $($rest)*),
            "u16" => $apply!(u16, $($rest)*),
            "u32" => $apply!(u32, $($rest)*),
            "u64" => $apply!(u64, $($rest)*),
            other => bail!("arrays of {other} are not supported"),
        }
    };
}

impl Array {
    /// The elements as `f64`, for comparing and filling.
    pub fn to_f64s(&self) -> Result<Vec<f64>> {
        if let Some(values) = kiln_codegen::narrow_to_f64s(&self.dtype, &self.bytes) {
            return Ok(values);
        }
        if self.dtype == "bool" {
            return Ok(self.bytes.iter().map(|&b| f64::from(b)).collect());
        }
        macro_rules! convert {
            ($t:ty, $bytes:expr) => {
                Ok($bytes
                    .chunks_exact(size_of::<$t>())
                    .map(|c| <$t>::from_le_bytes(c.try_into().unwrap_or_default()) as f64)
                    .collect())
            };
        }
        each_type!(self.dtype.as_str(), convert, self.bytes)
    }

    /// An array whose elements are `values` converted to `dtype`.
    pub fn from_f64s(dtype: &str, shape: Vec<usize>, values: &[f64]) -> Result<Array> {
        if let Some(bytes) = kiln_codegen::narrow_from_f64s(dtype, values) {
            return Ok(Array { dtype: dtype.into(), shape, bytes });
        }
        if dtype == "bool" {
            return Ok(Array {
                dtype: dtype.into(),
                shape,
                bytes: values.iter().map(|&v| u8::from(v != 0.0)).collect(),
            });
        }
        macro_rules! convert {
            ($t:ty, $values:expr) => {
                $values.iter().flat_map(|&v| (v as $t).to_le_bytes()).collect()
            };
        }
        let bytes = each_type!(dtype, convert, values);
        Ok(Array { dtype: dtype.into(), shape, bytes })
    }

    /// The strings it is made of.
    pub fn to_texts(&self) -> Result<Vec<String>> {
        anyhow::ensure!(self.dtype == "string", "an array of {} holds no strings", self.dtype);
        kiln_codegen::texts_from_bytes(&self.bytes).context("an array of strings is damaged")
    }

    /// An array of strings.
    pub fn from_texts<T: AsRef<str>>(shape: Vec<usize>, texts: &[T]) -> Array {
        Array { dtype: "string".into(), shape, bytes: kiln_codegen::text_bytes(texts) }
    }

    /// Reads strings from JSON: lists in lists, or `{"shape": [2], "texts": ["a", "b"]}`.
    fn from_json(text: &str) -> Result<Array> {
        let json: serde_json::Value = serde_json::from_str(text)?;
        let (mut shape, mut texts) = (Vec::new(), Vec::new());
        match json.as_object() {
            Some(object) => {
                shape = serde_json::from_value(object.get("shape").cloned().context("it gives no shape")?)?;
                texts = serde_json::from_value(object.get("texts").cloned().context("it gives no texts")?)?;
            }
            None => {
                let mut level = &json;
                while let Some(list) = level.as_array() {
                    shape.push(list.len());
                    let Some(first) = list.first() else { break };
                    level = first;
                }
                collect(&json, &shape, &mut texts)?;
            }
        }
        anyhow::ensure!(
            shape.iter().product::<usize>() == texts.len(),
            "{} strings have no shape {shape:?}",
            texts.len()
        );
        Ok(Array::from_texts(shape, &texts))
    }

    /// Writes `name.npy`, or `name.json` for strings, for Python to read.
    pub fn store(&self, dir: &Path, name: &str) -> Result<()> {
        if self.dtype != "string" {
            return self.write(&dir.join(format!("{name}.npy")));
        }
        let json = serde_json::json!({ "shape": self.shape, "texts": self.to_texts()? });
        Ok(std::fs::write(dir.join(format!("{name}.json")), json.to_string())?)
    }

    /// Reads what Python wrote in the same way.
    pub fn stored(dir: &Path, name: &str) -> Result<Array> {
        let texts = dir.join(format!("{name}.json"));
        Array::read(&if texts.exists() { texts } else { dir.join(format!("{name}.npy")) })
    }

    /// Reads a `.npy` file, or strings from a `.json` file.
    pub fn read(path: &Path) -> Result<Array> {
        if path.extension().is_some_and(|ending| ending == "json") {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            return Array::from_json(&text).with_context(|| format!("in {}", path.display()));
        }
        let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Array::from_npy(std::io::BufReader::new(file)).with_context(|| format!("in {}", path.display()))
    }

    /// Reads the content of a `.npy` file.
    pub fn from_npy(reader: impl std::io::Read) -> Result<Array> {
        Array::from_open(NpyFile::new(reader)?)
    }

    /// Reads the elements behind a header that was read already.
    pub fn from_open(file: NpyFile<impl std::io::Read>) -> Result<Array> {
        if file.order() != Order::C && file.shape().len() > 1 {
            bail!("arrays in Fortran order are not supported; save with numpy.ascontiguousarray");
        }
        let shape: Vec<usize> = file.shape().iter().map(|&d| d as usize).collect();
        let DType::Plain(ty) = file.dtype() else { bail!("structured arrays are not supported") };
        let text = ty.to_string();
        let dtype = match text.trim_matches(|c| "'<>|=".contains(c)) {
            "f2" => "f16",
            "f4" => "f32",
            "f8" => "f64",
            "i1" => "i8",
            "i2" => "i16",
            "i4" => "i32",
            "i8" => "i64",
            "u1" => "u8",
            "u2" => "u16",
            "u4" => "u32",
            "u8" => "u64",
            "b1" => "bool",
            other if other.starts_with(['U', 'S', 'O']) => {
                bail!("numpy's arrays of strings are not supported; give a .json file of lists of strings")
            }
            other => bail!("arrays of type {other} are not supported"),
        };
        if dtype == "bool" {
            let bytes = file.into_vec::<bool>()?.into_iter().map(u8::from).collect();
            return Ok(Array { dtype: dtype.into(), shape, bytes });
        }
        if dtype == "f16" {
            let bytes = file.into_vec::<half::f16>()?.into_iter().flat_map(half::f16::to_le_bytes).collect();
            return Ok(Array { dtype: dtype.into(), shape, bytes });
        }
        macro_rules! read {
            ($t:ty, $file:expr) => {
                $file.into_vec::<$t>()?.into_iter().flat_map(<$t>::to_le_bytes).collect()
            };
        }
        let bytes = each_type!(dtype, read, file);
        Ok(Array { dtype: dtype.into(), shape, bytes })
    }

    /// Writes a `.npy` file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let shape: Vec<u64> = self.shape.iter().map(|&d| d as u64).collect();
        if self.dtype == "bool" {
            let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
            writer.extend(self.bytes.iter().map(|&b| b != 0))?;
            return Ok(writer.finish()?);
        }
        if self.dtype == "f16" {
            let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
            writer.extend(self.bytes.as_chunks().0.iter().map(|&bits| half::f16::from_le_bytes(bits)))?;
            return Ok(writer.finish()?);
        }
        macro_rules! write {
            ($t:ty, $bytes:expr) => {{
                let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
                writer.extend(
                    $bytes.chunks_exact(size_of::<$t>()).map(|c| <$t>::from_le_bytes(c.try_into().unwrap_or_default())),
                )?;
                writer.finish()?
            }};
        }
        each_type!(self.dtype.as_str(), write, self.bytes);
        Ok(())
    }
}

/// The strings in lists of the lengths `shape`.
fn collect(json: &serde_json::Value, shape: &[usize], texts: &mut Vec<String>) -> Result<()> {
    match (json, shape) {
        (serde_json::Value::String(text), []) => texts.push(text.clone()),
        (serde_json::Value::Array(list), [len, rest @ ..]) if list.len() == *len => {
            list.iter().try_for_each(|json| collect(json, rest, texts))?;
        }
        _ => bail!("its lists are not all as long, or hold something else than strings"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_lists_of_json() {
        let array = Array::from_json(r#"[["a", ""], ["ö", "b"]]"#).unwrap();
        assert_eq!((array.shape.as_slice(), array.to_texts().unwrap().join("|")), ([2, 2].as_slice(), "a||ö|b".into()));
        assert_eq!(Array::from_json(r#"{"shape": [0, 3], "texts": []}"#).unwrap().shape, [0, 3]);
        assert!(Array::from_json(r#"[["a"], []]"#).is_err());
        assert!(Array::from_json("[1]").is_err());
    }

    #[test]
    fn halves_are_what_numpy_writes() {
        let halves = Array::from_f64s("f16", vec![2, 2], &[1.0, -0.5, 65504.0, 0.1]).unwrap();
        assert_eq!(halves.bytes, [0x00, 0x3c, 0x00, 0xb8, 0xff, 0x7b, 0x66, 0x2e]);
        let path = std::env::temp_dir().join(format!("kiln-halves-{}.npy", std::process::id()));
        halves.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("'<f2'"));
        assert_eq!(Array::from_npy(bytes.as_slice()).unwrap(), halves);
    }
}
