//! A graph run again and again, as often as is known only at run time or too often to unroll.

use super::operands::is_of;
use super::{Lower, Rules};
use crate::eval::eval_inner;
use crate::ir::{DType, Dim, Graph, Tensor, Type};
use std::fmt;

/// ONNX Loop. Operands: how often at most (one i64, if `trips`), whether to begin (one bool, if `condition`), the start of what is
/// carried, then what the body reads from outside. The body's inputs: the turn (i64), what is carried, what is read; its outputs:
/// whether to go on (if `going`), what is carried, and what each turn puts out. Results: what is carried at last, and the turns'
/// outputs under a new first axis.
#[derive(Clone, PartialEq)]
pub struct Repeat {
    /// What runs each turn.
    pub body: Box<Graph>,
    /// Values carried from turn to turn.
    pub carried: usize,
    /// Whether there is a limit of turns.
    pub trips: bool,
    /// Whether there is a condition to begin.
    pub condition: bool,
    /// Whether the body decides to go on.
    pub going: bool,
    /// The number of turns as a size, where something is put out.
    pub length: Dim,
    /// The symbol of that number, if it is found out at run time.
    pub count: Option<String>,
}

impl Rules for Repeat {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        let mut given = inputs.iter().copied();
        let controls = [(self.trips, "the trip count", DType::I64), (self.condition, "the condition", DType::Bool)];
        for (_, what, dtype) in controls.into_iter().filter(|(there, ..)| *there) {
            is_of(what, given.next().ok_or_else(|| format!("{what} is missing"))?, dtype)?;
        }
        let body = &self.body;
        let own: Vec<&Type> = body.inputs.iter().map(|&id| body.ty(id)).skip(1).collect();
        let given: Vec<&Type> = given.collect();
        if own != given {
            return Err(format!("its body takes {own:?} and is given {given:?}"));
        }
        let mut results: Vec<Type> = body.outputs.iter().map(|(_, id)| body.ty(*id).clone()).collect();
        if self.going {
            results.remove(0);
        }
        for (i, result) in results.iter_mut().enumerate() {
            if i >= self.carried {
                result.shape.insert(0, self.length.clone());
            } else if *result != *given[i] {
                return Err(format!(
                    "what it carries is {} at first and {result} after a turn\nhelp: only values that keep their shape can be carried where the number of turns is not known",
                    given[i]
                ));
            }
        }
        Ok(results)
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let mut given = inputs.iter().copied();
        let number = |tensor: Option<&Tensor>| tensor.and_then(|t| t.to_i64s().first().copied()).unwrap_or(0);
        let trips = if self.trips { number(given.next()) } else { i64::MAX };
        let mut going = !self.condition || number(given.next()) != 0;
        let mut carried: Vec<Tensor> = given.by_ref().take(self.carried).cloned().collect();
        let read: Vec<&Tensor> = given.collect();
        let mut scans: Vec<Vec<Tensor>> =
            vec![Vec::new(); self.body.outputs.len() - self.carried - usize::from(self.going)];
        let mut turn = 0;
        while going && turn < trips {
            let at = Tensor::from_i64s(DType::I64, vec![], &[turn]);
            let operands: Vec<&Tensor> = std::iter::once(&at).chain(&carried).chain(read.iter().copied()).collect();
            let mut results = eval_inner(&self.body, &operands)?.into_iter();
            if self.going {
                going = number(results.next().as_ref()) != 0;
            }
            carried = results.by_ref().take(self.carried).collect();
            scans.iter_mut().zip(results).for_each(|(scan, result)| scan.push(result));
            turn += 1;
        }
        for (scan, (_, id)) in scans.into_iter().zip(&self.body.outputs[self.carried + usize::from(self.going)..]) {
            let inner = match scan.first() {
                Some(first) => first.shape().to_vec(),
                None => self.body.ty(*id).dims().ok_or("it never ran, so what it puts out has no known shape")?,
            };
            let bytes: Vec<u8> = scan.iter().flat_map(|tensor| tensor.bytes().to_vec()).collect();
            let shape = [&[scan.len()], inner.as_slice()].concat();
            let dtype = self.body.ty(*id).dtype;
            carried.push(Tensor::from_bytes(dtype, shape, bytes).ok_or("its turns put out different shapes")?);
        }
        Ok(carried)
    }

    fn dims_mut(&mut self) -> Vec<&mut Dim> {
        let mut dims = self.body.dims_mut();
        dims.push(&mut self.length);
        dims
    }

    fn graphs_mut(&mut self) -> Vec<&mut Graph> {
        vec![&mut self.body]
    }

    fn count(&self) -> Option<&str> {
        self.count.as_deref()
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let _ = cx;
        Err("has no kernel: it is scheduled as a block".into())
    }
}

impl fmt::Debug for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Repeat { body, carried, trips, condition, going, length, .. } = self;
        write!(
            f,
            "Repeat[carried {carried}, trips {trips}, condition {condition}, going {going}, length {length}] {{\n{body}\n}}"
        )
    }
}
