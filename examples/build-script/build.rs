//! Generates `digits.rs` and its weights in `OUT_DIR`, for the instruction sets of the target at hand.

fn main() {
    // The build script knows the target, so it can leave out what the target never runs.
    let isa = match std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => "avx512,avx2,scalar",
        Ok("aarch64") => "neon",
        _ => "scalar",
    };
    kiln_codegen::cargo::Builder::new("../digits/model/digits.onnx").set("isa", isa).build();
}
