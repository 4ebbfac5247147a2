//! Every held-out digit's scores as `cargo xtask cross` compares them between machines: a line
//! `digit <i> label <l> scores <bits> …` each, the bits of ten `f32` in hexadecimal.

kiln::include_model!("model/digits.onnx", name = Digits);

static HELD_OUT: &[u8] = include_bytes!("../data/heldout.bin");

fn main() {
    let mut model = Digits::new();
    // After the count, 64 pixels and a label each; `train.py` describes the format.
    for (i, image) in HELD_OUT[4..].chunks_exact(65).enumerate() {
        let pixels = std::array::from_fn(|p| f32::from(image[p]) / 16.0);
        let bits: Vec<String> = model.run(&pixels).iter().map(|score| format!("{:08x}", score.to_bits())).collect();
        println!("digit {i} label {} scores {}", image[64], bits.join(" "));
    }
}
