//! Constant data of the model file.

use super::Source;
use super::onnx::{OptionalProto, SequenceProto, TensorProto};
use crate::ir::{DType, Narrow, Outer, Tensor, Texts};
use prost::Message;
use std::fmt;

/// An element type of ONNX: the type it is computed in, and the one it stands for if that is another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element {
    /// The type of values inside the graph.
    pub dtype: DType,
    /// What they are outside.
    pub outer: Option<Outer>,
}

impl From<DType> for Element {
    fn from(dtype: DType) -> Element {
        Element { dtype, outer: None }
    }
}

impl From<Narrow> for Element {
    fn from(narrow: Narrow) -> Element {
        Outer::Narrow(narrow).into()
    }
}

impl From<Outer> for Element {
    fn from(outer: Outer) -> Element {
        Element { dtype: outer.computed(), outer: Some(outer) }
    }
}

impl Element {
    /// What holds an element outside the graph.
    fn stored(self) -> DType {
        self.outer.map_or(self.dtype, Outer::stored)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.outer {
            Some(outer) => write!(f, "{outer}"),
            None => write!(f, "{}", self.dtype),
        }
    }
}

/// The element type of ONNX's number.
pub fn element(number: i32) -> Result<Element, String> {
    Ok(match number {
        1 => DType::F32.into(),
        2 => DType::U8.into(),
        3 => DType::I8.into(),
        4 => DType::U16.into(),
        5 => DType::I16.into(),
        6 => DType::I32.into(),
        7 => DType::I64.into(),
        8 => Outer::Text.into(),
        9 => DType::Bool.into(),
        10 => Narrow::F16.into(),
        11 => DType::F64.into(),
        12 => DType::U32.into(),
        13 => DType::U64.into(),
        16 => Narrow::Bf16.into(),
        17 => Narrow::F8E4m3fn.into(),
        18 => Narrow::F8E4m3fnuz.into(),
        19 => Narrow::F8E5m2.into(),
        20 => Narrow::F8E5m2fnuz.into(),
        21 => Narrow::U4.into(),
        22 => Narrow::I4.into(),
        23 => Narrow::F4E2m1.into(),
        24 => Narrow::F8E8m0.into(),
        other => {
            let name = match other {
                0 => "no type",
                14 => "complex64",
                15 => "complex128",
                25 | 26 => "a 2-bit integer",
                _ => return Err(format!("element type {other} does not exist in ONNX")),
            };
            return Err(format!(
                "elements of {name} are not supported\nhelp: numbers of 4 bits and more, bools and strings are"
            ));
        }
    })
}

/// The same, for a number from an attribute.
pub fn element_of(number: i64) -> Result<Element, String> {
    element(i32::try_from(number).unwrap_or(i32::MAX))
}

/// The tensor a message holds, as it is computed with, and its element type; external data comes from `source`, and strings become
/// numbers in `texts`.
pub fn tensor(proto: &TensorProto, source: &Source, texts: &Texts) -> Result<(Tensor, Element), String> {
    let element = element(proto.data_type)?;
    if element.outer == Some(Outer::Text) {
        let (shape, strings) = strings(proto)?;
        return Ok((texts.tensor(shape, &strings), element));
    }
    let stored = stored(proto, element, source)?;
    let Some(narrow) = element.outer.and_then(Outer::coded) else { return Ok((stored, element)) };
    let values: Vec<f64> = stored.to_i64s().into_iter().map(|bits| narrow.decode(bits)).collect();
    Ok((Tensor::from_f64s(element.dtype, stored.shape().to_vec(), &values), element))
}

/// Shape and elements of a message that holds strings.
fn strings(proto: &TensorProto) -> Result<(Vec<usize>, Vec<String>), String> {
    let shape = shape(&proto.dims)?;
    let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
    if len != Some(proto.string_data.len()) {
        return Err(format!("it has {} strings where its shape is {shape:?}", proto.string_data.len()));
    }
    let text = |bytes: &prost::bytes::Bytes| {
        String::from_utf8(bytes.to_vec()).map_err(|_| "a string in it is not UTF-8".to_string())
    };
    Ok((shape, proto.string_data.iter().map(text).collect::<Result<_, _>>()?))
}

/// The elements of a message, those of a narrow type as their bits.
fn stored(proto: &TensorProto, element: Element, source: &Source) -> Result<Tensor, String> {
    let dtype = element.stored();
    let packed = element.outer.and_then(Outer::narrow).filter(|narrow| narrow.is_packed());
    let shape = shape(&proto.dims)?;
    // Strides are products of the sizes that are not zero.
    let extent = shape.iter().filter(|&&size| size > 0).try_fold(dtype.bytes(), |len, &size| len.checked_mul(size));
    let len = extent.and_then(|_| shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size)));
    let bytes =
        len.and_then(|len| if packed.is_some() { Some(len.div_ceil(2)) } else { len.checked_mul(dtype.bytes()) });
    let (Some(len), Some(bytes)) = (len, bytes) else { return Err(format!("its shape {shape:?} overflows")) };
    let wrong = |got: usize| format!("it has {got} elements where its shape {shape:?} needs {len}");
    let data = if proto.data_location == 1 {
        let data = external(proto, source, bytes)?;
        if data.len() != bytes {
            return Err(format!("its external data is not {bytes} bytes long"));
        }
        Some(data)
    } else {
        proto.raw_data.as_ref().map(|raw| raw.to_vec())
    };
    if let Some(data) = data {
        if data.len() != bytes {
            return Err(format!(
                "its data is {} bytes long where its type and shape {shape:?} need {bytes}",
                data.len()
            ));
        }
        let data = packed.map_or_else(|| data.clone(), |narrow| unpacked(&data, len, narrow));
        return Tensor::from_bytes(dtype, shape.clone(), data).ok_or_else(|| wrong(0));
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
    if let Some(narrow) = packed {
        // One number holds one byte.
        let data: Vec<u8> = values.iter().map(|&v| v as u8).collect();
        let tensor = (data.len() == bytes).then(|| unpacked(&data, len, narrow));
        return tensor
            .and_then(|data| Tensor::from_bytes(dtype, shape.clone(), data))
            .ok_or_else(|| wrong(values.len().saturating_mul(2)));
    }
    if values.len() == len { Ok(Tensor::from_i64s(dtype, shape, &values)) } else { Err(wrong(values.len())) }
}

/// The `len` elements of 4 bits in `data`, two to a byte and the lower half first, one to a byte.
fn unpacked(data: &[u8], len: usize, narrow: Narrow) -> Vec<u8> {
    let halves = data.iter().flat_map(|byte| [byte & 15, byte >> 4]).take(len);
    match narrow {
        Narrow::I4 => halves.map(|half| (half ^ 8).wrapping_sub(8)).collect(),
        _ => halves.collect(),
    }
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

/// What a file of ONNX's `test_data_set_N` folders holds: the tensors of a sequence or optional, or one.
///
/// # Errors
/// If the file is not of the form that `type_text`, a type as [`Summary`](super::Summary) words it, says.
pub fn values_from_proto(bytes: &[u8], type_text: &str) -> Result<Vec<StoredTensor>, String> {
    let damaged = |e: prost::DecodeError| format!("not an ONNX value: {e}");
    let protos = if type_text.starts_with("sequence") {
        SequenceProto::decode(bytes).map_err(damaged)?.tensor_values
    } else if type_text.starts_with("optional") {
        let optional = OptionalProto::decode(bytes).map_err(damaged)?;
        let sequence = optional.sequence_value.unwrap_or_default().tensor_values;
        optional.tensor_value.into_iter().chain(sequence).collect()
    } else {
        return Ok(vec![tensor_from_proto(bytes)?]);
    };
    protos.iter().map(|proto| tensor_from_proto(&proto.encode_to_vec())).collect()
}

/// Element type, shape and bytes.
pub type StoredTensor = (String, Vec<usize>, Vec<u8>);

/// Element type as kiln names it, shape and bytes of a tensor in a file of its own, as in ONNX's `test_data_set_N` folders.
/// Elements of a narrow type are their bits, one of 4 bits in a byte; a string is its length, a `u32`, and its bytes.
///
/// # Errors
/// If the file is not a tensor kiln can hold.
pub fn tensor_from_proto(bytes: &[u8]) -> Result<StoredTensor, String> {
    let proto = TensorProto::decode(bytes).map_err(|e| format!("not an ONNX tensor: {e}"))?;
    let external = |_: &str, _: u64, _: Option<u64>| Err("it has external data".into());
    let source = Source { bytes, name: "", external: &external, tuning: &|| Ok(None) };
    let element = element(proto.data_type)?;
    if element.outer == Some(Outer::Text) {
        let (shape, strings) = strings(&proto)?;
        return Ok((element.to_string(), shape, crate::text_bytes(&strings)));
    }
    let tensor = stored(&proto, element, &source)?;
    Ok((element.to_string(), tensor.shape().to_vec(), tensor.bytes().to_vec()))
}
