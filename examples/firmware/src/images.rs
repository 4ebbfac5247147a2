//! The first held-out images of the digits example, as `examples/digits/train.py` writes them.

const N_IMAGES: usize = 50;
const N_PIXELS: usize = 64;
/// The pixels, then the label.
const IMAGE_BYTES: usize = N_PIXELS + 1;

static IMAGES: [[u8; IMAGE_BYTES]; N_IMAGES] = first(include_bytes!("../../digits/data/heldout.bin"));

/// An image as the model takes it.
pub struct Image {
    /// Row by row, 0 to 1.
    pub pixels: [f32; N_PIXELS],
    /// What the writer meant.
    pub label: u8,
}

/// Every image.
pub fn all() -> impl Iterator<Item = Image> {
    IMAGES
        .iter()
        .map(|bytes| Image { pixels: core::array::from_fn(|i| f32::from(bytes[i]) / 16.0), label: bytes[N_PIXELS] })
}

/// Cut at compile time, so that the images not shown take no flash.
const fn first(file: &[u8]) -> [[u8; IMAGE_BYTES]; N_IMAGES] {
    let mut images = [[0; IMAGE_BYTES]; N_IMAGES];
    let mut i = 0;
    while i < N_IMAGES * IMAGE_BYTES {
        images[i / IMAGE_BYTES][i % IMAGE_BYTES] = file[4 + i];
        i += 1;
    }
    images
}
