//! Finds speech in a 16 kHz WAV file with Silero VAD.
//!
//!     cargo xtask models            fetches the model, and makes a clip of speech between noise
//!     cargo run --release -p voice-activity [FILE.wav]
//!
//! The network sees 32 ms at a time. What it remembers between calls is the application's: the last 4 ms of sound and the
//! recurrent state, both plain arrays.

#[cfg(model)]
mod stream;

#[cfg(model)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::time::Instant;
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/models/speech.wav").into());
    let mut reader = hound::WavReader::open(&path).map_err(|e| format!("cannot read {path}: {e}"))?;
    let spec = reader.spec();
    if (spec.sample_rate, spec.channels, spec.bits_per_sample) != (16_000, 1, 16) {
        return Err(format!("{path} is not 16 kHz, one channel, 16 bits").into());
    }
    let samples: Vec<f32> =
        reader.samples::<i16>().map(|s| s.map(|s| f32::from(s) / 32768.0)).collect::<Result<_, _>>()?;

    let mut stream = stream::Stream::new();
    let start = Instant::now();
    let scores: Vec<f32> = samples.chunks_exact(stream::CHUNK).map(|chunk| stream.push(chunk)).collect();
    let elapsed = start.elapsed();

    draw(&scores);
    println!("\n   start      end");
    for (from, to) in stream::intervals(&scores) {
        println!("{:6.2} s {:6.2} s  speech", stream::seconds(from), stream::seconds(to));
    }
    println!(
        "\n{:.1} s of sound in {:.1} ms: {:.1} microseconds for each 32 ms",
        samples.len() as f64 / 16e3,
        elapsed.as_secs_f64() * 1e3,
        elapsed.as_secs_f64() * 1e6 / scores.len().max(1) as f64
    );
    Ok(())
}

/// One character for each 96 ms, one line for each 6 seconds.
#[cfg(model)]
fn draw(scores: &[f32]) {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    for (i, line) in scores.chunks(3 * 63).enumerate() {
        let bars: String = line
            .chunks(3)
            .map(|cell| LEVELS[(cell.iter().copied().fold(0.0, f32::max) * 8.0).round() as usize])
            .collect();
        println!("{:5.1} s {bars}", stream::seconds(i * 3 * 63));
    }
}

#[cfg(not(model))]
fn main() {
    eprintln!("Silero VAD is not here; `cargo xtask models` fetches it, then build this again");
    std::process::exit(1);
}
