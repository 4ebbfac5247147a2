//! Every option, once: the doors parse their own spelling of these and nothing else.

use std::collections::BTreeMap;

pub use crate::front::DimChoice;

/// What the user may choose. The default suits most models with fixed shapes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the generated type and module; the file's stem by default.
    pub name: Option<String>,
    /// Sizes of symbolic axes: by symbol, or by `input:axis` where the model has no name for it. Axes not named here stay free.
    pub dims: BTreeMap<String, DimChoice>,
    /// Inputs that become constants, their elements in row-major order; a single number fills any shape.
    pub pins: BTreeMap<String, Vec<f64>>,
    /// The number of elements of inputs that are sequences; of an optional input, whether it is there.
    pub lens: BTreeMap<String, usize>,
    /// Shapes of inputs for which the model gives none.
    pub shapes: BTreeMap<String, Vec<i64>>,
    /// Instruction sets to generate for, each with its own copy of every kernel used; all that the target may have if empty.
    pub isa: Vec<IsaChoice>,
    /// Whether the application has `std`. Without it the working memory is inside the struct and sizes must be fixed or bounded.
    pub std: bool,
    /// Whether convolutions may take Winograd's form, which has fewer multiplications, more weights and about one bit less of
    /// precision.
    pub winograd: bool,
    /// Whether the tuning file beside the model, as `kiln tune` writes it, chooses how layers are done; without one a cost
    /// model does.
    pub tune: bool,
    /// Whether the model can share its work among threads, by `with_threads`.
    pub threads: bool,
    /// Whether the model keeps the time of each step, which costs a few dozen nanoseconds a step.
    pub profile: bool,
    /// Where the kernels' source stands.
    pub kernels: Kernels,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: None,
            dims: BTreeMap::new(),
            pins: BTreeMap::new(),
            lens: BTreeMap::new(),
            shapes: BTreeMap::new(),
            isa: Vec::new(),
            std: true,
            winograd: true,
            tune: true,
            threads: false,
            profile: false,
            kernels: Kernels::Embedded,
        }
    }
}

/// An instruction set code is generated for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum IsaChoice {
    /// Plain Rust; any target.
    Scalar,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
    /// AArch64.
    Neon,
    /// WebAssembly with simd128.
    Wasm128,
}

/// Where the kernels' source stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kernels {
    /// Inside the generated module: only the files the model reaches.
    Embedded,
    /// In a module of the application, at this path, shared by several models; see `kiln kernels`.
    Shared(String),
}

impl Options {
    /// An option in use that the generated code needs `std` for.
    pub fn needs_std(&self) -> Option<&'static str> {
        [("threads", self.threads), ("profile", self.profile)].into_iter().find(|(_, on)| *on).map(|(name, _)| name)
    }

    /// Sets an option by its name, as macro and command line spell it.
    ///
    /// | key | value |
    /// |---|---|
    /// | `name` | an identifier |
    /// | `dim` | `symbol=8`, or `symbol<=8` for a bound |
    /// | `pin` | `input=16000` or `input=1,2,3` |
    /// | `len` | `input=3` for a sequence of three tensors, `input=0` for an optional that is left out |
    /// | `shape` | `input=1,3,224,224` where the model does not give it |
    /// | `isa` | `scalar`, `avx2`, `avx512`, `neon`, `wasm128`, several joined by commas, or `all` |
    /// | `std` | `true` or `false` |
    /// | `winograd` | `true` or `false` |
    /// | `tune` | `true` or `false` |
    /// | `threads` | `true` or `false` |
    /// | `profile` | `true` or `false` |
    /// | `kernels` | `embedded`, or the path of a module that has them |
    ///
    /// # Errors
    /// If there is no such option, or the value is not of its form; the text says what would be.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "name" => self.name = Some(value.to_string()),
            "dim" => {
                let (symbol, choice) = parse_dim(value)?;
                self.dims.insert(symbol, choice);
            }
            "pin" => {
                let (input, elements) = parse_pin(value)?;
                self.pins.insert(input, elements);
            }
            "len" => {
                let form = || format!("`{value}` is not of the form `input=3`");
                let (input, len) = value.rsplit_once('=').ok_or_else(form)?;
                self.lens.insert(input.trim().to_string(), len.trim().parse().map_err(|_| form())?);
            }
            "shape" => {
                let form = || format!("`{value}` is not of the form `input=1,3,224,224`");
                let (input, sizes) = value.rsplit_once('=').ok_or_else(form)?;
                let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
                let sizes = sizes.map(|size| size.parse().ok().filter(|&size| size >= 0)).collect::<Option<_>>();
                self.shapes.insert(input.trim().to_string(), sizes.ok_or_else(form)?);
            }
            "isa" if value == "all" => self.isa.clear(),
            "isa" => self.isa = value.split(',').map(|isa| parse_isa(isa.trim())).collect::<Result<_, _>>()?,
            "std" => self.std = flag(value)?,
            "winograd" => self.winograd = flag(value)?,
            "tune" => self.tune = flag(value)?,
            "threads" => self.threads = flag(value)?,
            "profile" => self.profile = flag(value)?,
            "kernels" if value == "embedded" => self.kernels = Kernels::Embedded,
            "kernels" => self.kernels = Kernels::Shared(value.to_string()),
            _ => {
                return Err(format!(
                    "there is no option `{key}`; there are name, dim, pin, len, shape, isa, std, winograd, tune, threads, profile and kernels"
                ));
            }
        }
        Ok(())
    }
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{text}` is neither true nor false"))
}

fn parse_dim(text: &str) -> Result<(String, DimChoice), String> {
    let form = || format!("`{text}` is not of the form `symbol=8` or `symbol<=8`");
    let (symbol, size) = text.split_once('=').ok_or_else(form)?;
    let size = size.trim().parse::<i64>().ok().filter(|&size| size >= 0).ok_or_else(form)?;
    Ok(match symbol.strip_suffix('<') {
        Some(symbol) => (symbol.trim().to_string(), DimChoice::Bounded(size)),
        None => (symbol.trim().to_string(), DimChoice::Fixed(size)),
    })
}

fn parse_pin(text: &str) -> Result<(String, Vec<f64>), String> {
    let form = || format!("`{text}` is not of the form `input=16000` or `input=1,2,3`");
    let (input, elements) = text.rsplit_once('=').ok_or_else(form)?;
    let number = |element: &str| match element.trim() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        number => number.parse().ok(),
    };
    let elements = elements.split(',').map(number).collect::<Option<Vec<f64>>>().ok_or_else(form)?;
    Ok((input.trim().to_string(), elements))
}

fn parse_isa(text: &str) -> Result<IsaChoice, String> {
    Ok(match text {
        "scalar" => IsaChoice::Scalar,
        "avx2" => IsaChoice::Avx2,
        "avx512" => IsaChoice::Avx512,
        "neon" => IsaChoice::Neon,
        "wasm128" => IsaChoice::Wasm128,
        _ => return Err(format!("`{text}` is no instruction set; there are scalar, avx2, avx512, neon and wasm128")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_set_by_name() {
        let mut options = Options::default();
        options.set("dim", "batch=4").unwrap();
        options.set("dim", "image:2 <= 640").unwrap();
        options.set("pin", "sr=16000").unwrap();
        options.set("isa", "avx2, scalar").unwrap();
        assert!(matches!(options.dims["batch"], DimChoice::Fixed(4)));
        assert!(matches!(options.dims["image:2"], DimChoice::Bounded(640)));
        assert_eq!(options.pins["sr"], [16000.0]);
        assert_eq!(options.isa, [IsaChoice::Avx2, IsaChoice::Scalar]);
        assert!(options.set("dim", "batch").unwrap_err().contains("symbol=8"));
        assert!(options.set("isa", "mmx").unwrap_err().contains("avx512"));
        assert!(options.set("nmae", "x").unwrap_err().contains("name"));
    }
}
