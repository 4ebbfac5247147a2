//! The arguments that name a model and its options, shared by all commands.

use anyhow::{Result, anyhow};
use clap::Args;
use kiln_codegen::cargo::{ModelFile, tuning_path};
use kiln_codegen::{Compiled, Options, Source, compile};
use std::path::PathBuf;

/// A model and how to compile it.
#[derive(Args, Clone)]
pub struct Model {
    /// The ONNX file
    #[arg(value_name = "MODEL")]
    pub path: PathBuf,
    /// Name of the generated type [default: from the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// A symbolic size: `batch=4`, or `seq<=512` for a bound; `input:axis=4` where it has no name
    #[arg(long = "dim", value_name = "SYMBOL=SIZE")]
    pub dims: Vec<String>,
    /// An input that becomes a constant: `sr=16000`
    #[arg(long = "pin", value_name = "INPUT=VALUE")]
    pub pins: Vec<String>,
    /// The elements of an input that is a sequence: `boxes=3`; `0` leaves an optional input out
    #[arg(long = "len", value_name = "INPUT=COUNT")]
    pub lens: Vec<String>,
    /// The shape of an input for which the model gives none: `x=1,3,224,224`
    #[arg(long = "shape", value_name = "INPUT=SIZES")]
    pub shapes: Vec<String>,
    /// Instruction sets, joined by commas: scalar, avx2, avx512, neon, wasm128, or all
    #[arg(long, default_value = "all")]
    pub isa: String,
    /// For applications without std: working memory inside the struct, `new` is const
    #[arg(long)]
    pub no_std: bool,
    /// Keep convolutions in their direct form: a little more exact, fewer bytes of weights, slower
    #[arg(long)]
    pub no_winograd: bool,
    /// Ignore the tuning file beside the model, which `kiln tune` writes
    #[arg(long)]
    pub no_tune: bool,
    /// Set by commands that have a say in it: `with_threads` beside `new`.
    #[arg(skip)]
    pub threads: bool,
    /// Set by commands that have a say in it: the time of each step is kept.
    #[arg(skip)]
    pub profile: bool,
    /// Path of a module that has the kernels, as `kiln kernels` writes it
    #[arg(long, value_name = "MODULE")]
    pub kernels: Option<String>,
}

impl Model {
    /// The options, as the library has them.
    pub fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        let mut set = |key: &str, value: &str| options.set(key, value).map_err(|e| anyhow!(e));
        self.name.iter().try_for_each(|name| set("name", name))?;
        self.dims.iter().try_for_each(|dim| set("dim", dim))?;
        self.pins.iter().try_for_each(|pin| set("pin", pin))?;
        self.lens.iter().try_for_each(|len| set("len", len))?;
        self.shapes.iter().try_for_each(|shape| set("shape", shape))?;
        set("isa", &self.isa)?;
        set("std", if self.no_std { "false" } else { "true" })?;
        set("winograd", if self.no_winograd { "false" } else { "true" })?;
        set("tune", if self.no_tune { "false" } else { "true" })?;
        set("threads", if self.threads { "true" } else { "false" })?;
        set("profile", if self.profile { "true" } else { "false" })?;
        self.kernels.iter().try_for_each(|path| set("kernels", path))?;
        Ok(options)
    }

    /// Reads and compiles the model.
    pub fn compile(&self) -> Result<Compiled> {
        let options = self.options()?;
        let file = ModelFile::read(&self.path).map_err(|e| anyhow!(e))?;
        file.with_source(|source| compile(source, &options)).map_err(|e| anyhow!("{e}"))
    }

    /// The same with this text for a tuning file, or none, whatever stands beside the model.
    pub fn compile_with(&self, tuning: Option<&str>) -> Result<Compiled> {
        let options = self.options()?;
        let file = ModelFile::read(&self.path).map_err(|e| anyhow!(e))?;
        let tuning = || Ok(tuning.map(str::to_string));
        file.with_source(|source| compile(&Source { tuning: &tuning, ..*source }, &options)).map_err(|e| anyhow!("{e}"))
    }

    /// Says on standard error if a tuning file chose anything.
    pub fn tell_tuned(&self, compiled: &Compiled) {
        let count = compiled.chosen().iter().filter(|chosen| chosen.is_tuned).count();
        if count > 0 {
            eprintln!("{} chooses for {count} layers", tuning_path(&self.path).display());
        }
    }
}
