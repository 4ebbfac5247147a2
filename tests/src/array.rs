//! Arrays of any element type: what `.npy` files hold, or `.json` files for strings, and what models take and give. Nothing is computed on them here.

use std::fmt;
use std::path::Path;

/// An array, row-major.
#[derive(Clone, PartialEq, Debug)]
pub struct Array {
    /// Sizes along each axis.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Data,
}

/// A type that elements can have.
pub trait Element: Clone + 'static {
    /// Its name in Rust.
    const NAME: &'static str;
    /// Elements as an array holds them.
    fn hold(elements: Vec<Self>) -> Data;
    /// The elements of an array, if they are of this type.
    fn held(data: &Data) -> Option<&[Self]>;
}

/// Elements as little-endian bytes, as many as the type has.
trait Chunk {
    fn from_chunk(bytes: &[u8]) -> Self;
    fn to_chunk(&self) -> Vec<u8>;
}

macro_rules! chunks {
    ($($ty:ty),*) => {
        $(impl Chunk for $ty {
            fn from_chunk(bytes: &[u8]) -> $ty {
                <$ty>::from_le_bytes(bytes.try_into().unwrap_or_default())
            }

            fn to_chunk(&self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
        })*
    };
}

chunks!(f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

impl Chunk for bool {
    fn from_chunk(bytes: &[u8]) -> bool {
        bytes != [0]
    }

    fn to_chunk(&self) -> Vec<u8> {
        vec![u8::from(*self)]
    }
}

macro_rules! elements {
    ($($variant:ident($ty:ty)),*) => {
        /// Elements, all of one type.
        #[derive(Clone, PartialEq, Debug)]
        #[allow(missing_docs)] // each is named like its type
        pub enum Data {
            $($variant(Vec<$ty>),)*
            /// Strings.
            Text(Vec<String>),
        }

        impl Data {
            /// The element type's name in Rust.
            pub fn dtype(&self) -> &'static str {
                match self { $(Data::$variant(_) => <$ty as Element>::NAME,)* Data::Text(_) => "&str" }
            }

            /// Number of elements.
            pub fn len(&self) -> usize {
                match self { $(Data::$variant(elements) => elements.len(),)* Data::Text(texts) => texts.len() }
            }

            /// Whether there are no elements.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }

        $(impl Element for $ty {
            const NAME: &'static str = stringify!($ty);

            fn hold(elements: Vec<$ty>) -> Data {
                Data::$variant(elements)
            }

            fn held(data: &Data) -> Option<&[$ty]> {
                match data {
                    Data::$variant(elements) => Some(elements),
                    _ => None,
                }
            }
        })*

        impl Array {
            /// An array of little-endian `bytes`.
            ///
            /// # Errors
            /// If there is no such element type.
            pub fn from_bytes(dtype: &str, shape: &[usize], bytes: &[u8]) -> Result<Array, String> {
                let data = match dtype {
                    $(<$ty as Element>::NAME => Data::$variant(bytes.chunks_exact(size_of::<$ty>()).map(<$ty>::from_chunk).collect()),)*
                    "&str" => Data::Text(kiln_codegen::texts_from_bytes(bytes).ok_or("the strings are damaged")?),
                    _ => return Err(format!("there is no element type {dtype}")),
                };
                Ok(Array { shape: shape.to_vec(), data })
            }

            /// The elements, little-endian.
            pub fn bytes(&self) -> Vec<u8> {
                match &self.data { $(Data::$variant(elements) => elements.iter().flat_map(|v| v.to_chunk()).collect(),)* Data::Text(texts) => kiln_codegen::text_bytes(texts) }
            }
        }

        fn read_as(file: npyz::NpyFile<&[u8]>, code: &str) -> Result<Data, String> {
            match code {
                $(code if code == npy_code::<$ty>() => {
                    file.into_vec::<$ty>().map(Data::$variant).map_err(|e| e.to_string())
                })*
                _ => Err(format!("arrays of numpy's {code} are not supported")),
            }
        }
    };
}

elements! {
    F32(f32), F64(f64), I8(i8), I16(i16), I32(i32), I64(i64), U8(u8), U16(u16), U32(u32), U64(u64), Bool(bool)
}

/// How numpy names a type: its kind and its size in bytes.
fn npy_code<T: Element>() -> String {
    let kind = if T::NAME == "bool" { 'b' } else { T::NAME.chars().next().unwrap_or('?') };
    format!("{kind}{}", size_of::<T>())
}

impl Array {
    /// An array of `elements`.
    pub fn of<T: Element>(elements: &[T], shape: &[usize]) -> Array {
        Array { shape: shape.to_vec(), data: T::hold(elements.to_vec()) }
    }

    /// An array of strings.
    pub fn of_texts(texts: &[&str], shape: &[usize]) -> Array {
        Array { shape: shape.to_vec(), data: Data::Text(texts.iter().map(ToString::to_string).collect()) }
    }

    /// The strings, if it is made of strings.
    ///
    /// # Errors
    /// If they are something else.
    pub fn texts(&self) -> Result<Vec<&str>, String> {
        match &self.data {
            Data::Text(texts) => Ok(texts.iter().map(String::as_str).collect()),
            data => Err(format!("elements are {}, not strings", data.dtype())),
        }
    }

    fn read_texts(path: &Path) -> Result<Array, String> {
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let shape = serde_json::from_value(json["shape"].clone()).map_err(|e| e.to_string())?;
        let texts = serde_json::from_value(json["texts"].clone()).map_err(|e| e.to_string())?;
        Ok(Array { shape, data: Data::Text(texts) })
    }

    /// Reads a `.npy` file, or strings from a `.json` file.
    ///
    /// # Panics
    /// If it cannot be read; cases are part of the repository.
    pub fn read(path: &Path) -> Array {
        let read = || {
            let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
            let file = npyz::NpyFile::new(bytes.as_slice()).map_err(|e| e.to_string())?;
            if file.order() != npyz::Order::C && file.shape().len() > 1 {
                return Err("arrays in Fortran order are not supported".to_string());
            }
            let shape = file.shape().iter().map(|&size| size as usize).collect();
            let npyz::DType::Plain(ty) = file.dtype() else {
                return Err("structured arrays are not supported".to_string());
            };
            let code = ty.to_string();
            Ok(Array { shape, data: read_as(file, code.trim_matches(|c| "'<>|=".contains(c)))? })
        };
        let read = || if path.extension().is_some_and(|e| e == "json") { Array::read_texts(path) } else { read() };
        read().unwrap_or_else(|message| panic!("{}: {message}", path.display()))
    }

    /// The elements, if they are of type `T`.
    ///
    /// # Errors
    /// If they are of another type.
    pub fn elements<T: Element>(&self) -> Result<&[T], String> {
        T::held(&self.data).ok_or_else(|| format!("elements are {}, not {}", self.data.dtype(), T::NAME))
    }

    /// The elements as the array a static `run` takes.
    ///
    /// # Errors
    /// If type or number of elements differ.
    pub fn fixed<T: Element, const N: usize>(&self) -> Result<&[T; N], String> {
        let elements = self.elements::<T>()?;
        elements.try_into().map_err(|_| format!("there are {} elements, not {N}", elements.len()))
    }

    /// The sizes, if there are `R` axes.
    ///
    /// # Errors
    /// If there are not.
    pub fn sizes<const R: usize>(&self) -> Result<[usize; R], String> {
        self.shape.as_slice().try_into().map_err(|_| format!("there are {} axes, not {R}", self.shape.len()))
    }
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}{:?}", self.data.dtype(), self.shape)
    }
}
