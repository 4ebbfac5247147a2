//! Inputs for a model: checked, or made up.

use crate::array::Array;
use anyhow::{Context, Result, bail};
use clap::Args;
use kiln_codegen::{Compiled, PortInfo};
use std::collections::BTreeMap;
use std::path::Path;

/// What a model is timed on.
#[derive(Args)]
pub struct Data {
    /// An input's data: `name=file.npy`, a .json file of lists for strings; inputs without are seeded random numbers
    #[arg(long = "input", value_name = "NAME=FILE.npy")]
    inputs: Vec<String>,
    /// Free sizes for random inputs: `batch=2,length=9` [default: 2 for each]
    #[arg(long = "size", value_name = "SYMBOL=SIZE,…", default_value = "")]
    sizes: String,
}

impl Data {
    /// What was given, and random numbers for the rest.
    pub fn arrays(&self, compiled: &Compiled) -> Result<Vec<Array>> {
        let sizes = if self.sizes.is_empty() { BTreeMap::new() } else { parse_sizes(&self.sizes)? };
        let mut given = BTreeMap::new();
        for input in &self.inputs {
            let (name, path) =
                input.rsplit_once('=').with_context(|| format!("`{input}` is not of the form name=file.npy"))?;
            given.insert(name.to_string(), Array::read(Path::new(path))?);
        }
        let mut random = Random::new(0);
        let ports = compiled.signature().inputs;
        if let Some(name) = given.keys().find(|name| !ports.iter().any(|port| port.name == **name)) {
            bail!("the compiled model has no input {name:?}");
        }
        let one = |port: &PortInfo| match given.remove(&port.name) {
            Some(array) => check_input(port, array),
            None => random.input(port, &sizes),
        };
        ports.iter().map(one).collect()
    }
}

/// `batch=2,length=9`
pub fn parse_sizes(text: &str) -> Result<BTreeMap<String, usize>> {
    let one = |size: &str| {
        let (name, size) = size.split_once('=').with_context(|| format!("`{size}` is not of the form symbol=2"))?;
        Ok((name.to_string(), size.parse().with_context(|| format!("`{size}` is no size"))?))
    };
    text.split(',').map(one).collect()
}

/// `array`, if it is what the port takes.
pub fn check_input(port: &PortInfo, mut array: Array) -> Result<Array> {
    // numpy has no name for most narrow types; their bits do.
    if array.dtype == port.dtype {
        array.dtype = port.element.clone();
    }
    let fits = array.shape.len() == port.shape.len()
        && array.shape.iter().zip(&port.shape).all(|(got, want)| want.as_ref().map_or(true, |want| want == got));
    if array.dtype != port.element || !fits {
        let want: Vec<String> =
            port.shape.iter().map(|d| d.as_ref().map_or_else(String::clone, usize::to_string)).collect();
        bail!(
            "input {:?} is {}{:?} and should be {}[{}]",
            port.name,
            array.dtype,
            array.shape,
            port.element,
            want.join(", ")
        );
    }
    Ok(array)
}

/// xorshift64*, so that a seed gives the same inputs on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Floats between -1 and 1, integers 0 or 1: in range for whatever an index may index; words for strings.
    pub fn input(&mut self, port: &PortInfo, sizes: &BTreeMap<String, usize>) -> Result<Array> {
        let shape: Vec<usize> = port
            .shape
            .iter()
            .map(|d| d.clone().unwrap_or_else(|symbol| sizes.get(&symbol).copied().unwrap_or(2)))
            .collect();
        if port.element == "string" {
            let words = ["", "a", "red", "Blue", "ÄÖ", "two words", "7", "the quick brown fox"];
            let len = shape.iter().product::<usize>();
            let texts: Vec<&str> = (0..len).map(|_| words[(self.unit() * words.len() as f64) as usize]).collect();
            return Ok(Array::from_texts(shape, &texts));
        }
        let float = port.element.starts_with('f') || port.element == "bf16";
        let values: Vec<f64> = (0..shape.iter().product::<usize>())
            .map(|_| if float { self.unit() * 2.0 - 1.0 } else { (self.unit() * 2.0).floor() })
            .collect();
        Array::from_f64s(&port.element, shape, &values)
    }
}
