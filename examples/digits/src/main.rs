//! Reads handwritten digits: shows some, then tells accuracy and time over the whole held-out set.

mod heldout;

use heldout::{Digit, SIDE};
use std::time::Instant;

kiln::include_model!("model/digits.onnx");

fn main() {
    let mut model = Digits::new();
    for digit in heldout::all().take(3) {
        show(&digit, model.run(&digit.image));
    }

    let digits: Vec<Digit> = heldout::all().collect();
    let right = digits.iter().filter(|digit| best(model.run(&digit.image)) == usize::from(digit.label)).count();
    println!("held-out accuracy {:.4} ({right} of {} images)", right as f64 / digits.len() as f64, digits.len());
    println!("{:.2} microseconds per inference on one core", microseconds(&mut model, &digits));
    println!(
        "{} bytes of weights, {} bytes of working memory, {} multiply-adds, no dependencies",
        Digits::WEIGHT_BYTES,
        Digits::ARENA_BYTES,
        Digits::MACS
    );
}

/// The median over many rounds of the whole set.
fn microseconds(model: &mut Digits, digits: &[Digit]) -> f64 {
    let mut rounds: Vec<f64> = (0..50)
        .map(|_| {
            let start = Instant::now();
            for digit in digits {
                std::hint::black_box(model.run(std::hint::black_box(&digit.image)));
            }
            start.elapsed().as_secs_f64() * 1e6 / digits.len() as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn best(scores: &[f32; 10]) -> usize {
    (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0)
}

/// The image in shades beside a bar for each score.
fn show(digit: &Digit, scores: &[f32; 10]) {
    const SHADES: [&str; 5] = ["  ", "░░", "▒▒", "▓▓", "██"];
    println!("label {}, read as {}", digit.label, best(scores));
    for (row, score) in scores.iter().enumerate() {
        let pixels = match row.checked_sub(1).filter(|row| *row < SIDE) {
            Some(row) => (0..SIDE).map(|col| SHADES[(digit.image[row * SIDE + col] * 4.0).round() as usize]).collect(),
            None => " ".repeat(2 * SIDE),
        };
        let bar = "━".repeat((score * 30.0).round() as usize);
        println!("  {pixels}   {row} {score:5.3} {bar}");
    }
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_held_out_digits() {
        let mut model = Digits::new();
        let n = heldout::all().count();
        let right = heldout::all().filter(|digit| best(model.run(&digit.image)) == usize::from(digit.label)).count();
        assert!(right as f64 >= 0.97 * n as f64, "{right} of {n}");
    }

    #[test]
    fn scores_are_probabilities() {
        let mut model = Digits::new();
        for digit in heldout::all() {
            let sum: f32 = model.run(&digit.image).iter().sum();
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        }
    }
}
