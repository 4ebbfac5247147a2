//! Which tiles a product may be measured with.

use super::Lower;
use crate::options::IsaChoice;
use crate::plan::Arg;
use crate::tuning::Candidate;

/// Rows and columns from which on an instruction set with several kinds of tiles has a choice.
const LEAST_ROWS: usize = 24;
const LEAST_COLUMNS: usize = 33;

/// The direct forms of a product with strips of `rows` rows and with `cols` columns.
pub fn candidates(cx: &Lower, rows: usize, cols: usize) -> Vec<Candidate> {
    match may_be_avx512(cx) && rows >= LEAST_ROWS && cols >= LEAST_COLUMNS {
        true => vec![Candidate::Direct, Candidate::Tall, Candidate::Wide],
        false => vec![Candidate::Direct],
    }
}

/// Whether code may run with AVX-512, which has several kinds of tiles and those for packed rows.
pub fn may_be_avx512(cx: &Lower) -> bool {
    let isa = &cx.options().isa;
    isa.is_empty() || isa.contains(&IsaChoice::Avx512)
}

/// The kernels' word for a direct form.
pub fn arg(form: Candidate) -> Arg {
    let tiles = match form {
        Candidate::Tall => "Tall",
        Candidate::Wide => "Wide",
        Candidate::Direct | Candidate::Winograd | Candidate::Winograd2 => "Auto",
    };
    Arg::Path(format!("tiles::Tiles::{tiles}"))
}
