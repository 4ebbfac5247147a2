//! The digits model through the build-script door: the same struct as `include_model!` gives.

include!(concat!(env!("OUT_DIR"), "/digits.rs"));

fn main() {
    let mut model = Digits::new();
    // A coarse 7, drawn by hand.
    let drawing = [
        "........", //
        ".######.", //
        ".....##.", //
        "....##..", //
        "...##...", //
        "...##...", //
        "...#....", //
        "........",
    ];
    let image: [f32; 64] = std::array::from_fn(|i| if drawing[i / 8].as_bytes()[i % 8] == b'#' { 1.0 } else { 0.0 });
    let scores = model.run(&image);
    let best = (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
    drawing.iter().for_each(|row| println!("  {row}"));
    println!("read as {best}, with a score of {:.3}", scores[best]);
}
