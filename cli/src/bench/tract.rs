//! tract with one model, kept ready; see `peers.py` for what it answers.

use std::io::Write;
use std::time::{Duration, Instant};
use tract_onnx::prelude::*;

type Ready = std::sync::Arc<TypedRunnableModel>;

fn tensor(dtype: &str, shape: &[usize], bytes: &[u8]) -> TractResult<Tensor> {
    macro_rules! each {
        ($($name:ident)*) => {
            match dtype {
                "bool" => Tensor::from_shape(shape, &bytes.iter().map(|&byte| byte != 0).collect::<Vec<bool>>()),
                $(stringify!($name) => {
                    let chunks = bytes.chunks_exact(size_of::<$name>());
                    let elements = chunks.map(|chunk| $name::from_le_bytes(chunk.try_into().unwrap()));
                    Tensor::from_shape(shape, &elements.collect::<Vec<$name>>())
                })*
                other => Err(TractError::msg(format!("inputs of {other} are not tried"))),
            }
        };
    }
    each!(f32 f64 i8 i16 i32 i64 u8 u16 u32 u64)
}

fn load(model: &str) -> TractResult<(Ready, TVec<TValue>)> {
    let ports = std::fs::read_to_string("ports")?;
    let inputs = ports.lines().filter_map(|line| line.strip_prefix("in ")).enumerate();
    let mut given = std::collections::BTreeMap::new();
    for (i, line) in inputs {
        let mut words = line.splitn(3, ' ');
        let (dtype, shape, name) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let shape: Vec<usize> = shape.split(',').filter(|size| !size.is_empty()).map(|size| size.parse().unwrap()).collect();
        let bytes = std::fs::read(format!("in{i}.bin"))?;
        given.insert(name.to_string(), tensor(dtype, &shape, &bytes)?);
    }
    let mut model = tract_onnx::onnx().with_ignore_output_shapes(true).model_for_path(model)?;
    let names: Vec<String> = model.input_outlets()?.iter().map(|outlet| model.node(outlet.node).name.clone()).collect();
    let mut feed = tvec![];
    for (i, name) in names.iter().enumerate() {
        let value = given.remove(name).unwrap();
        model.set_input_fact(i, InferenceFact::dt_shape(value.datum_type(), value.shape()))?;
        feed.push(value.into_tvalue());
    }
    let ready = model.into_optimized()?.into_runnable()?;
    ready.run(feed.clone())?;
    Ok((ready, feed))
}

fn main() {
    let loaded = std::panic::catch_unwind(|| load(&std::env::args().nth(1).unwrap()));
    let (ready, feed) = match loaded {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(error)) => return println!("refused {}", format!("{error:#}").replace('\n', " ")),
        Err(_) => return println!("refused it panics"),
    };
    println!("ready 0.23.9");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let Some(budget) = line.strip_prefix("run ") else { return println!() };
        let budget = Duration::from_millis(budget.parse().unwrap());
        let (mut times, start) = (Vec::new(), Instant::now());
        while times.len() < 3 || start.elapsed() < budget {
            let one = Instant::now();
            ready.run(feed.clone()).unwrap();
            times.push(one.elapsed().as_nanos());
        }
        times.sort();
        println!("{}", times[times.len() / 2]);
        std::io::stdout().flush().unwrap();
    }
}
