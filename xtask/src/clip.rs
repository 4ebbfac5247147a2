//! `cargo xtask clip`: `target/models/speech.wav`, speech in noise with silences between, for
//! the voice-activity example.
//!
//! Beside it, `speech.txt` has the true intervals: a line `start end` in seconds for each burst.

use crate::{paths, process, python};
use anyhow::Result;
use std::process::Command;

/// Makes the clip, unless it is there.
pub fn make() -> Result<()> {
    let (wav, intervals) = (paths::target("models/speech.wav"), paths::target("models/speech.txt"));
    if wav.exists() && intervals.exists() {
        return Ok(());
    }
    python::make()?;
    process::apt_install_unless_found(&["espeak-ng"], &["espeak-ng"])?;
    std::fs::create_dir_all(paths::target("models"))?;
    let mut script = Command::new(python::interpreter());
    process::run(script.arg(paths::script("make_clip.py")).arg(&wav).arg(&intervals))
}
