//! Constant data of the model file.

use super::Source;
use super::onnx::TensorProto;
use crate::ir::{DType, Tensor};
use prost::Message;

/// ONNX's number for an element type, as kiln's.
pub fn dtype(number: i32) -> Result<DType, String> {
    Ok(match number {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        other => {
            let name = match other {
                0 => "no type",
                8 => "string",
                10 => "float16",
                14 => "complex64",
                15 => "complex128",
                16 => "bfloat16",
                17..=20 => "an 8-bit float",
                21 | 22 => "a 4-bit integer",
                23 => "float4e2m1",
                _ => return Err(format!("element type {other} does not exist in ONNX")),
            };
            return Err(format!(
                "elements of {name} are not supported yet\nhelp: convert the model to float32, for example with onnxconverter-common"
            ));
        }
    })
}

/// The same, for a number from an attribute.
pub fn dtype_of(number: i64) -> Result<DType, String> {
    dtype(i32::try_from(number).unwrap_or(i32::MAX))
}

/// The tensor a message holds; external data comes from `source`.
pub fn tensor(proto: &TensorProto, source: &Source) -> Result<Tensor, String> {
    let dtype = dtype(proto.data_type)?;
    let shape = shape(&proto.dims)?;
    // Strides are products of the sizes that are not zero.
    let extent = shape.iter().filter(|&&size| size > 0).try_fold(dtype.bytes(), |len, &size| len.checked_mul(size));
    let len = extent.and_then(|_| shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size)));
    let bytes = len.and_then(|len| len.checked_mul(dtype.bytes()));
    let (Some(len), Some(bytes)) = (len, bytes) else { return Err(format!("its shape {shape:?} overflows")) };
    let wrong = |got: usize| format!("it has {got} elements where its shape {shape:?} needs {len}");
    if proto.data_location == 1 {
        let data = external(proto, source, bytes)?;
        return Tensor::from_bytes(dtype, shape.clone(), data)
            .ok_or_else(|| format!("its external data is not {bytes} bytes long"));
    }
    if let Some(raw) = &proto.raw_data {
        if raw.len() != bytes {
            return Err(format!(
                "its data is {} bytes long where its type and shape {shape:?} need {bytes}",
                raw.len()
            ));
        }
        return Tensor::from_bytes(dtype, shape.clone(), &raw[..]).ok_or_else(|| wrong(raw.len()));
    }
    let values: Vec<i64> = match dtype {
        DType::F32 => {
            let values: Vec<f64> = proto.float_data.iter().map(|&v| f64::from(v)).collect();
            return if values.len() == len {
                Ok(Tensor::from_f64s(dtype, shape, &values))
            } else {
                Err(wrong(values.len()))
            };
        }
        DType::F64 => {
            let values = &proto.double_data;
            return if values.len() == len {
                Ok(Tensor::from_f64s(dtype, shape, values))
            } else {
                Err(wrong(values.len()))
            };
        }
        DType::I64 => proto.int64_data.clone(),
        DType::U64 | DType::U32 => proto.uint64_data.iter().map(|&v| v as i64).collect(),
        _ => proto.int32_data.iter().map(|&v| i64::from(v)).collect(),
    };
    if values.len() == len { Ok(Tensor::from_i64s(dtype, shape, &values)) } else { Err(wrong(values.len())) }
}

fn shape(dims: &[i64]) -> Result<Vec<usize>, String> {
    let size = |&size: &i64| usize::try_from(size).map_err(|_| format!("its shape {dims:?} has a negative size"));
    dims.iter().map(size).collect()
}

fn external(proto: &TensorProto, source: &Source, bytes: usize) -> Result<Vec<u8>, String> {
    let entry = |key: &str| proto.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let location = entry("location").ok_or("its external data names no location")?;
    let outside = location.starts_with(['/', '\\'])
        || location.contains(':')
        || location.split(['/', '\\']).any(|part| part == "..");
    if outside {
        return Err(format!("its external data {location:?} lies outside the model's folder"));
    }
    let number = |key: &str| match entry(key).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(format!("the {key} of its external data {location:?} is not a number")),
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if length.is_some_and(|length| length != bytes as u64) {
        return Err(format!(
            "its external data {location:?} is {} bytes long and should be {bytes}",
            length.unwrap_or(0)
        ));
    }
    (source.external)(location, offset, Some(bytes as u64))
}

/// Element type as Rust names it, shape and bytes of a tensor in a file of its own, as in ONNX's `test_data_set_N` folders.
///
/// # Errors
/// If the file is not a tensor kiln can hold.
pub fn tensor_from_proto(bytes: &[u8]) -> Result<(String, Vec<usize>, Vec<u8>), String> {
    let proto = TensorProto::decode(bytes).map_err(|e| format!("not an ONNX tensor: {e}"))?;
    let source = Source { bytes, name: "", external: &|_, _, _| Err("it has external data".into()) };
    let tensor = tensor(&proto, &source)?;
    Ok((tensor.dtype().to_string(), tensor.shape().to_vec(), tensor.bytes().to_vec()))
}
