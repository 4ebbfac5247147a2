//! The text of the crates: a program that runs one of its cases on values from a file.

use super::bind::Ready;
use anyhow::Result;
use kiln_codegen::PortInfo;
use std::fmt::Write;

/// `src/main.rs` for cases of these names.
pub fn main(cases: &[String]) -> String {
    let modules: String = cases.iter().map(|case| format!("mod {case};\n")).collect();
    let arms: String = cases.iter().map(|case| format!("        {case:?} => {case}::call(&inputs),\n")).collect();
    MAIN.replace("MODULES\n", &modules).replace("        ARMS\n", &arms)
}

const MAIN: &str = r#"//! Runs one case: `program CASE INPUTS OUTPUTS`.
#![allow(dead_code)]

MODULES
mod kernels;
mod wire;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let inputs = wire::read(&words[2]);
    let outputs = match words[1].as_str() {
        ARMS
        other => Err(format!("no case is called {other}")),
    };
    match outputs {
        Ok(outputs) => wire::write(&words[3], &outputs),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(3);
        }
    }
}
"#;

/// `src/wire.rs`.
pub const WIRE: &str = r#"//! Values in files: rank, sizes, number of bytes, bytes; numbers are u64.

pub struct Value {
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// An element type.
pub trait Element: Copy {
    const BYTES: usize;
    fn get(bytes: &[u8]) -> Self;
    fn put(self, to: &mut Vec<u8>);
}

macro_rules! elements {
    ($($ty:ty)*) => {$(
        impl Element for $ty {
            const BYTES: usize = size_of::<$ty>();
            fn get(bytes: &[u8]) -> $ty {
                <$ty>::from_le_bytes(bytes.try_into().unwrap())
            }
            fn put(self, to: &mut Vec<u8>) {
                to.extend(self.to_le_bytes());
            }
        }
    )*};
}

elements!(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64);

impl Element for bool {
    const BYTES: usize = 1;
    fn get(bytes: &[u8]) -> bool {
        bytes[0] != 0
    }
    fn put(self, to: &mut Vec<u8>) {
        to.push(u8::from(self));
    }
}

impl Value {
    pub fn of<T: Element>(data: &[T], shape: &[usize]) -> Value {
        let mut bytes = Vec::new();
        data.iter().for_each(|&element| element.put(&mut bytes));
        Value { shape: shape.to_vec(), bytes }
    }

    /// Strings: the length of each, a u32, and its bytes.
    pub fn of_texts(texts: &[&str], shape: &[usize]) -> Value {
        let mut bytes = Vec::new();
        for text in texts {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        Value { shape: shape.to_vec(), bytes }
    }

    pub fn texts(&self) -> Vec<&str> {
        let (mut rest, mut texts) = (self.bytes.as_slice(), Vec::new());
        while let Some((len, after)) = rest.split_first_chunk() {
            let (text, after) = after.split_at(u32::from_le_bytes(*len) as usize);
            texts.push(std::str::from_utf8(text).unwrap());
            rest = after;
        }
        texts
    }

    pub fn elements<T: Element>(&self) -> Vec<T> {
        self.bytes.chunks_exact(T::BYTES).map(T::get).collect()
    }

    pub fn sizes<const R: usize>(&self) -> Result<[usize; R], String> {
        self.shape.as_slice().try_into().map_err(|_| format!("an input has {} axes and should have {R}", self.shape.len()))
    }
}

/// Elements on the heap: some inputs are too large for the stack.
pub fn fixed<T, const N: usize>(elements: &[T]) -> Result<&[T; N], String> {
    elements.try_into().map_err(|_| format!("an input has {} elements and should have {N}", elements.len()))
}

pub fn read(path: &str) -> Vec<Value> {
    let wire = std::fs::read(path).unwrap();
    let mut rest = wire.as_slice();
    let mut number = |rest: &mut &[u8]| {
        let (n, after) = rest.split_at(8);
        *rest = after;
        u64::from_le_bytes(n.try_into().unwrap()) as usize
    };
    let mut values = Vec::new();
    while !rest.is_empty() {
        let rank = number(&mut rest);
        let shape = (0..rank).map(|_| number(&mut rest)).collect();
        let len = number(&mut rest);
        let (bytes, after) = rest.split_at(len);
        rest = after;
        values.push(Value { shape, bytes: bytes.to_vec() });
    }
    values
}

pub fn write(path: &str, values: &[Value]) {
    let mut wire: Vec<u8> = Vec::new();
    for value in values {
        wire.extend((value.shape.len() as u64).to_le_bytes());
        value.shape.iter().for_each(|&size| wire.extend((size as u64).to_le_bytes()));
        wire.extend((value.bytes.len() as u64).to_le_bytes());
        wire.extend(&value.bytes);
    }
    std::fs::write(path, wire).unwrap();
}
"#;

/// The generated source, and a function that calls it with values as they come.
pub fn module(ready: &Ready) -> Result<String> {
    let signature = ready.compiled.signature();
    let ty = ready.compiled.type_name();
    let mut text = ready.source.clone();
    writeln!(text, "\n#[allow(unused_variables)]")?;
    writeln!(text, "pub fn call(inputs: &[crate::wire::Value]) -> Result<Vec<crate::wire::Value>, String> {{")?;
    let mut arguments = Vec::new();
    for (i, port) in signature.inputs.iter().enumerate() {
        let dtype = &port.dtype;
        match port.element == "string" {
            true => writeln!(text, "    let x{i} = inputs[{i}].texts();")?,
            false => writeln!(text, "    let x{i} = inputs[{i}].elements::<{dtype}>();")?,
        }
        arguments.push(if signature.dynamic {
            let rank = port.shape.len();
            format!(
                "{}::View::new(&x{i}, inputs[{i}].sizes::<{rank}>()?).map_err(|e| e.to_string())?",
                ready.compiled.module_name()
            )
        } else {
            format!("crate::wire::fixed(&x{i})?")
        });
    }
    let fails = if signature.dynamic { ".map_err(|e| e.to_string())?" } else { "" };
    writeln!(text, "    let mut model = {ty}::new();")?;
    writeln!(text, "    let out = model.run({}){fails};", arguments.join(", "))?;
    let fields = ready.compiled.output_fields();
    let value = |(port, field): (&PortInfo, &String)| {
        let value = if fields.len() == 1 { "out".to_string() } else { format!("out.{field}") };
        if port.element == "string" {
            return format!("crate::wire::Value::of_texts(&{value}.to_vec(), &{value}.shape)");
        }
        if signature.dynamic {
            return format!("crate::wire::Value::of({value}.data, &{value}.shape)");
        }
        let shape: Vec<usize> = port.shape.iter().map(|size| size.clone().unwrap_or(0)).collect();
        format!("crate::wire::Value::of(&{value}[..], &{shape:?})")
    };
    let outputs: Vec<String> = signature.outputs.iter().zip(&fields).map(value).collect();
    writeln!(text, "    Ok(vec![{}])\n}}", outputs.join(", "))?;
    Ok(text)
}
