//! Handwritten digits on a microcontroller: no operating system, no allocator, the model in a
//! `static`, its weights in flash.
//!
//!     cargo xtask cross       builds this for a Cortex-M4 and runs it under QEMU
//!     cargo run -p firmware   runs the same program on this machine
//!
//! It prints a line `digit <i> label <l> scores <bits> …` for each image, the bits of ten `f32`
//! in hexadecimal; the two machines' lines are compared.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod boot;
mod images;
mod once;
#[cfg(target_os = "none")]
mod semihosting;

use core::fmt::{self, Write};
use once::Once;

kiln::include_model!("../digits/model/digits.onnx", name = Digits, std = false, isa = scalar);

// All of it is zero at the start, so it takes RAM but no flash.
static MODEL: Once<Digits> = Once::new(Digits::new());

/// Classifies every image and prints its line.
fn classify(out: &mut impl Write) -> fmt::Result {
    let Some(model) = MODEL.take() else { return Err(fmt::Error) };
    for (i, image) in images::all().enumerate() {
        write!(out, "digit {i} label {} scores", image.label)?;
        for score in model.run(&image.pixels) {
            write!(out, " {:08x}", score.to_bits())?;
        }
        out.write_str("\n")?;
    }
    Ok(())
}

/// Where the host starts; the board starts in `boot`.
#[cfg(not(target_os = "none"))]
fn main() -> fmt::Result {
    let mut text = String::new();
    classify(&mut text)?;
    print!("{text}");
    Ok(())
}
