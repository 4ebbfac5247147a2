//! Hands the linker the board's memory map, when building for a board.

fn main() {
    println!("cargo::rerun-if-changed=board.ld");
    let bare_metal = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if bare_metal && let Ok(folder) = std::env::var("CARGO_MANIFEST_DIR") {
        println!("cargo::rustc-link-arg-bins=-T{folder}/board.ld");
    }
}
