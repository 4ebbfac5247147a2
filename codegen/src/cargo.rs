//! The build-script door: reads the model, writes the generated source and weights to `OUT_DIR`, tells cargo what to watch.

use crate::{Options, Source, WeightSource};
use std::path::{Path, PathBuf};

/// Generates a model from a build script.
///
/// ```no_run
/// // build.rs; then `include!(concat!(env!("OUT_DIR"), "/digits.rs"));` in the application.
/// kiln_codegen::cargo::Builder::new("model/digits.onnx").set("isa", "avx2,avx512").build();
/// ```
#[derive(Debug)]
pub struct Builder {
    model: PathBuf,
    options: Options,
    error: Option<String>,
}

impl Builder {
    /// A build of the model at `path`, seen from the package's root.
    pub fn new(path: impl AsRef<Path>) -> Builder {
        Builder { model: path.as_ref().to_path_buf(), options: Options::default(), error: None }
    }

    /// Sets an option by name; see [`Options::set`] for names and values.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Builder {
        if let Err(message) = self.options.set(key, value) {
            self.error.get_or_insert(message);
        }
        self
    }

    /// Takes all options from elsewhere.
    #[must_use]
    pub fn options(mut self, options: Options) -> Builder {
        self.options = options;
        self
    }

    /// Writes `NAME.rs` and its weights to `OUT_DIR`, or ends the build script with the reason why not.
    pub fn build(self) {
        if let Err(message) = self.try_build() {
            // A build script speaks to its user by failing: cargo shows what stands on standard error.
            eprintln!("{message}");
            std::process::exit(1);
        }
    }

    /// Writes `NAME.rs` and its weights to `OUT_DIR`, and gives the path of the source.
    ///
    /// # Errors
    /// If an option is wrong, the model cannot be read or compiled, or `OUT_DIR` cannot be written.
    pub fn try_build(self) -> Result<PathBuf, String> {
        if let Some(message) = self.error {
            return Err(message);
        }
        let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: this is for build scripts")?;
        let out = PathBuf::from(out);
        println!("cargo::rerun-if-changed={}", self.model.display());
        let model = ModelFile::read(&self.model)?;
        let compiled = model.with_source(|source| crate::compile(source, &self.options)).map_err(|e| e.to_string());
        for path in model.paths_beside() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        let compiled = compiled?;
        let name = crate::snake_case(&compiled.type_name());
        let weights = format!("{name}.weights");
        let text = compiled.emit(&WeightSource::OutDir(weights.clone()))?;
        write_if_changed(&out.join(weights), compiled.weights())?;
        let path = out.join(format!("{name}.rs"));
        write_if_changed(&path, text.as_bytes())?;
        Ok(path)
    }
}

/// A model file on disk, the data files beside it that it names, and its tuning file.
#[derive(Debug)]
pub struct ModelFile {
    path: PathBuf,
    name: String,
    bytes: Vec<u8>,
    external: std::cell::RefCell<Vec<PathBuf>>,
    tuning: Result<Option<String>, String>,
}

impl ModelFile {
    /// Reads the model at `path`.
    ///
    /// # Errors
    /// If it cannot be read; the text names it.
    pub fn read(path: &Path) -> Result<ModelFile, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("cannot read the model {}: {e}", path.display()))?;
        Ok(ModelFile {
            path: path.to_path_buf(),
            name: path.display().to_string(),
            bytes,
            external: Default::default(),
            tuning: read_tuning(&tuning_path(path)),
        })
    }

    /// The files beside the model that were read: data that it names, and its tuning file.
    pub fn paths_beside(&self) -> Vec<PathBuf> {
        // A tuning file that is not there cannot be watched: cargo takes what is missing for changed, and would build anew each
        // time. `kiln tune` makes the model file newer instead when it writes the first.
        let tuning = matches!(self.tuning, Ok(Some(_))).then(|| tuning_path(&self.path));
        self.external.borrow().iter().cloned().chain(tuning).collect()
    }

    /// Lends the model to the compiler with a resolver of external data that never leaves the model's folder.
    pub fn with_source<T>(&self, run: impl FnOnce(&Source) -> T) -> T {
        let resolve = |location: &str, offset: u64, len: Option<u64>| self.external(location, offset, len);
        let tuning = || self.tuning.clone();
        run(&Source { bytes: &self.bytes, name: &self.name, external: &resolve, tuning: &tuning })
    }

    fn external(&self, location: &str, offset: u64, len: Option<u64>) -> Result<Vec<u8>, String> {
        use std::io::{Read, Seek, SeekFrom};
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let fail = |e: std::io::Error| format!("cannot read external data {location:?}: {e}");
        let folder = folder.canonicalize().map_err(fail)?;
        let path = folder.join(location).canonicalize().map_err(fail)?;
        if !path.starts_with(&folder) {
            return Err(format!("external data {location:?} lies outside the model's folder"));
        }
        let mut file = std::fs::File::open(&path).map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        let rest = size.saturating_sub(offset);
        let len = len.unwrap_or(rest);
        if len > rest {
            return Err(format!(
                "external data {location:?} ends at byte {size}, before the {len} bytes from byte {offset} on"
            ));
        }
        self.external.borrow_mut().push(path);
        file.seek(SeekFrom::Start(offset)).map_err(fail)?;
        let mut bytes = Vec::new();
        file.take(len).read_to_end(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }
}

/// Where a model's tuning file is, if there is one: `m.onnx.tune` beside `m.onnx`.
pub fn tuning_path(model: &Path) -> PathBuf {
    let mut path = model.as_os_str().to_os_string();
    path.push(".tune");
    path.into()
}

fn read_tuning(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("cannot read the tuning file {}: {e}", path.display())),
    }
}

/// Leaves a file alone that already has this content, so that nothing is rebuilt for its sake.
///
/// # Errors
/// If it cannot be written; the text names it.
pub fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), String> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    std::fs::write(path, content).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
