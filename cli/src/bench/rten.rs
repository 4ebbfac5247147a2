//! rten with one model, kept ready; see `peers.py` for what it answers.

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::Tensor;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

/// Little-endian elements of 32 bits, which is what rten's numbers have.
fn words<T>(bytes: &[u8], from: impl Fn([u8; 4]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&word| from(word)).collect()
}

fn value(dtype: &str, shape: &[usize], bytes: &[u8]) -> Result<Value, Failure> {
    Ok(match dtype {
        "f32" => Tensor::from_data(shape, words(bytes, f32::from_le_bytes)).into(),
        "i32" => Tensor::from_data(shape, words(bytes, i32::from_le_bytes)).into(),
        // rten's integers have 32 bits.
        "i64" => {
            let wide = bytes.as_chunks().0.iter().map(|&word| i64::from_le_bytes(word) as i32);
            Tensor::from_data(shape, wide.collect::<Vec<i32>>()).into()
        }
        other => return Err(format!("inputs of {other} are not tried").into()),
    })
}

fn load(path: &str) -> Result<(Model, Vec<(NodeId, Value)>, Vec<NodeId>), Failure> {
    let model = Model::load_file(path)?;
    let ports = std::fs::read_to_string("ports")?;
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for line in ports.lines() {
        let mut words = line.splitn(4, ' ');
        let (kind, dtype) = (words.next().unwrap(), words.next().unwrap());
        let (shape, name) = (words.next().unwrap(), words.next().unwrap());
        if kind == "out" {
            outputs.push(model.node_id(name)?);
            continue;
        }
        let shape: Vec<usize> = shape.split(',').filter(|size| !size.is_empty()).map(|size| size.parse().unwrap()).collect();
        let bytes = std::fs::read(format!("in{}.bin", inputs.len()))?;
        inputs.push((model.node_id(name)?, value(dtype, &shape, &bytes)?));
    }
    Ok((model, inputs, outputs))
}

fn main() {
    let threads = std::env::args().nth(2).unwrap().parse().unwrap();
    let pool = Arc::new(ThreadPool::with_num_threads(threads));
    let (model, inputs, outputs) = match load(&std::env::args().nth(1).unwrap()) {
        Ok(loaded) => loaded,
        Err(error) => return println!("refused {}", error.to_string().replace('\n', " ")),
    };
    let run = || {
        let feed = inputs.iter().map(|(id, value)| (*id, ValueOrView::from(value))).collect();
        let mut options = RunOptions::default();
        options.thread_pool = Some(pool.clone());
        model.run(feed, &outputs, Some(options))
    };
    if let Err(error) = run() {
        return println!("refused {}", error.to_string().replace('\n', " "));
    }
    println!("ready 0.27.0");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let Some(budget) = line.strip_prefix("run ") else { return println!() };
        let budget = Duration::from_millis(budget.parse().unwrap());
        let (mut times, start) = (Vec::new(), Instant::now());
        while times.len() < 3 || start.elapsed() < budget {
            let one = Instant::now();
            run().unwrap();
            times.push(one.elapsed().as_nanos());
        }
        times.sort();
        println!("{}", times[times.len() / 2]);
        std::io::stdout().flush().unwrap();
    }
}
