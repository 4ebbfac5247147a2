//! Where things are in the work tree. Nothing here creates anything.

use std::path::{Path, PathBuf};

/// The repository's root folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A path under `target/`, where everything fetched or generated goes. This is the work tree's
/// own `target`, whatever `CARGO_TARGET_DIR` says: tests look for the models there.
pub fn target(path: &str) -> PathBuf {
    root().join("target").join(path)
}

/// A script of `xtask/py`.
pub fn script(name: &str) -> PathBuf {
    root().join("xtask/py").join(name)
}
