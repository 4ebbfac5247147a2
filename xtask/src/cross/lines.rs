//! What the digits programs print, and when two of them agree.
//!
//! One line an image: `digit <i> label <l> scores <bits> …`, ten scores as the hexadecimal bits
//! of an `f32`, so that a target needs no code to print floats and nothing is lost on the way.

use anyhow::{Context, Result, bail, ensure};

const RTOL: f32 = 1e-4;
const ATOL: f32 = 1e-5;

/// One line.
pub struct Digit {
    label: u8,
    scores: [f32; 10],
}

/// Reads the lines; they must count from 0 with none missing. Other text is an error: a panic
/// message must not go unnoticed.
pub fn parse(printed: &str) -> Result<Vec<Digit>> {
    let mut digits = Vec::new();
    for line in printed.lines() {
        let digit = parse_line(line, digits.len()).with_context(|| format!("line {line:?}"))?;
        digits.push(digit);
    }
    ensure!(!digits.is_empty(), "the program printed nothing");
    Ok(digits)
}

fn parse_line(line: &str, digit_idx: usize) -> Result<Digit> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["digit", idx, "label", label, "scores", bits @ ..] = words.as_slice() else {
        bail!("not of the form `digit <i> label <l> scores …`");
    };
    ensure!(idx.parse() == Ok(digit_idx), "image {digit_idx} should come here");
    let mut scores = [0.0; 10];
    ensure!(bits.len() == scores.len(), "{} scores, not 10", bits.len());
    for (score, bits) in scores.iter_mut().zip(bits) {
        *score = f32::from_bits(u32::from_str_radix(bits, 16)?);
    }
    Ok(Digit { label: label.parse()?, scores })
}

/// Agreement in a few words, or what differs.
pub fn compare(expected: &[Digit], found: &[Digit]) -> Result<String> {
    ensure!(expected.len() == found.len(), "{} digits, not {}", found.len(), expected.len());
    let (mut largest, mut n_right) = (0.0f32, 0);
    for (i, (want, got)) in expected.iter().zip(found).enumerate() {
        ensure!(want.label == got.label, "digit {i} is labelled {}, not {}", got.label, want.label);
        for (w, g) in want.scores.iter().zip(&got.scores) {
            let difference = (w - g).abs();
            // Written so that a NaN fails.
            ensure!(difference <= ATOL + RTOL * w.abs(), "digit {i} scores {g}, not {w}");
            largest = largest.max(difference);
        }
        let guess = best(&got.scores);
        ensure!(guess == best(&want.scores), "digit {i} is taken for {guess}");
        n_right += usize::from(guess == usize::from(got.label));
    }
    let n = found.len();
    Ok(format!("{n} digits as on the host (max abs {largest:.1e}), {n_right} recognised"))
}

fn best(scores: &[f32; 10]) -> usize {
    (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(digit_idx: usize, top: f32) -> String {
        let mut scores = [0.01f32; 10];
        scores[3] = top;
        let bits: Vec<String> = scores.iter().map(|s| format!("{:08x}", s.to_bits())).collect();
        format!("digit {digit_idx} label 3 scores {}\n", bits.join(" "))
    }

    #[test]
    fn agrees_with_itself() {
        let digits = parse(&(line(0, 0.9) + &line(1, 0.8))).unwrap();
        assert!(compare(&digits, &digits).unwrap().starts_with("2 digits"));
    }

    #[test]
    fn sees_a_score_that_differs_and_a_nan() {
        let want = parse(&line(0, 0.9)).unwrap();
        assert!(compare(&want, &parse(&line(0, 0.901)).unwrap()).is_err());
        assert!(compare(&want, &parse(&line(0, f32::NAN)).unwrap()).is_err());
    }

    #[test]
    fn refuses_text_between_the_lines_and_missing_lines() {
        assert!(parse("panicked at src/main.rs\n").is_err());
        assert!(parse(&line(1, 0.9)).is_err());
        assert!(parse("").is_err());
    }
}
