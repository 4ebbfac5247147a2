//! The images the network never saw in training; `train.py` writes them and says how.

/// Width and height of an image.
pub const SIDE: usize = 8;

static FILE: &[u8] = include_bytes!("../data/heldout.bin");

/// One image and what it shows.
pub struct Digit {
    /// Pixels from 0 to 1, row by row.
    pub image: [f32; SIDE * SIDE],
    /// The digit, 0 to 9.
    pub label: u8,
}

/// All held-out images.
pub fn all() -> impl Iterator<Item = Digit> {
    // Behind the count: 64 bytes of pixels from 0 to 16 and one of label, for each image.
    FILE[4..].chunks_exact(SIDE * SIDE + 1).map(|record| {
        let (pixels, label) = record.split_at(SIDE * SIDE);
        Digit { image: std::array::from_fn(|i| f32::from(pixels[i]) / 16.0), label: label[0] }
    })
}
