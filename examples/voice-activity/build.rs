//! Generates the model if `cargo xtask models` has fetched it: it is not ours to commit.

use std::path::Path;

const MODEL: &str = "../../target/models/silero_vad/model.onnx";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(model)");
    println!("cargo::rerun-if-changed={MODEL}");
    if !Path::new(MODEL).exists() {
        println!("cargo::warning=Silero VAD is not here: `cargo xtask models` fetches it");
        return;
    }
    println!("cargo::rustc-cfg=model");
    kiln_codegen::cargo::Builder::new(MODEL)
        .set("name", "Vad")
        // 32 ms of sound after the 4 ms before them, one stream, at 16 kHz.
        .set("dim", "input:0=1")
        .set("dim", "input:1=576")
        .set("dim", "state:1=1")
        .set("pin", "sr=16000")
        .build();
}
