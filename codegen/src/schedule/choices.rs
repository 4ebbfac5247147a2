//! What is chosen about layers, by the tuning file where it speaks and by an op's cost model where not.

use super::Lower;
use crate::ir::{Graph, Node};
use crate::tuning::{Candidate, Chosen, Kind, Layer, Tuning};

/// The choices so far.
#[derive(Default)]
pub(super) struct Choices<'g> {
    pub tuning: Option<&'g Tuning>,
    pub made: Vec<Chosen>,
}

impl Choices<'_> {
    /// Says where the steps end of the node whose choices are those from `first` on.
    pub fn end(&mut self, first: usize, steps: usize) {
        self.made[first..].iter_mut().for_each(|chosen| chosen.steps.end = steps);
    }
}

/// The name people know a node by: its own, or its first result's.
pub(super) fn name_of<'g>(graph: &'g Graph, node: &'g Node) -> &'g str {
    if node.name.is_empty() { &graph.value(node.outputs[0]).name } else { &node.name }
}

impl Lower<'_, '_> {
    /// Which of `candidates` the node gets: `by_cost` if no tuning file says otherwise. Whether an op asks must not hang on
    /// what was chosen before, so that layers of one name are counted alike in every build.
    pub fn choose(&mut self, kind: Kind, candidates: &[Candidate], by_cost: Candidate) -> Result<Candidate, String> {
        let node = name_of(self.scheduler.graph, self.node()).to_string();
        let steps = self.scheduler.steps.len();
        let choices = &mut self.scheduler.choices;
        let same = |chosen: &&Chosen| chosen.layer.node == node && chosen.kind == kind;
        let nth = 1 + choices.made.iter().filter(same).count();
        let layer = Layer { node, nth };
        let tuned = match choices.tuning {
            Some(tuning) => tuning.choice(&layer, kind, candidates)?,
            None => None,
        };
        let taken = tuned.unwrap_or(by_cost);
        choices.made.push(Chosen {
            layer,
            kind,
            candidates: candidates.to_vec(),
            taken,
            is_tuned: tuned.is_some(),
            steps: steps..steps,
        });
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::{DType, Dim, Graph, Tensor, Type};
    use crate::ops::conv::{Conv, Reads};
    use crate::options::Options;
    use crate::schedule::schedule;
    use crate::tuning::{Candidate, Chosen, Tuning};

    /// Two convolutions, one after the other, both called `c`.
    fn twins(batch: Dim) -> Graph {
        let mut graph = Graph::new("twins", Default::default());
        let [height, width, channels] = [32usize, 32, 64].map(Dim::from);
        let mut x = graph.add_input("x", Type { dtype: DType::F32, shape: vec![batch, height, width, channels] });
        let w = graph.add_const("w", Tensor::from_f64s(DType::F32, vec![64, 64, 3, 3], &[0.5; 64 * 64 * 9]));
        for _ in 0..2 {
            let (stride, dilation, pads) = (vec![1; 2], vec![1; 2], vec![(1, 1); 2]);
            let conv = Conv { stride, dilation, pads, groups: 1, bias: false, reads: Reads::Pixels, epilogue: None };
            x = graph.add_node1("c", conv, &[x, w]).unwrap();
        }
        graph.outputs.push(("y".to_string(), x));
        graph
    }

    fn chosen(lines: &str, options: &Options) -> Result<Vec<Chosen>, String> {
        let tuning = Tuning::parse("m.onnx.tune", &format!("sha256 {}\n{lines}", "0".repeat(64))).unwrap();
        let scheduled = schedule(&twins(Dim::symbol("n")), options, Some(&tuning));
        scheduled.map(|(_, chosen)| chosen).map_err(|(node, _, message)| format!("{node}: {message}"))
    }

    #[test]
    fn layers_of_one_name_are_told_apart() {
        let taken =
            |lines: &str| chosen(lines, &Options::default()).unwrap().iter().map(|c| c.taken).collect::<Vec<_>>();
        assert_eq!(taken(""), [Candidate::Winograd; 2]);
        assert_eq!(taken("c form direct\n"), [Candidate::Direct, Candidate::Winograd]);
        assert_eq!(taken("c@2 form direct\n"), [Candidate::Winograd, Candidate::Direct]);
        let both = chosen("c@2 form direct\n", &Options::default()).unwrap();
        assert_eq!(both.iter().map(|c| c.steps.clone()).collect::<Vec<_>>(), [0..1, 1..2]);
        assert_eq!(both.iter().map(|c| c.is_tuned).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn what_a_layer_cannot_have_is_refused() {
        let options = Options { winograd: false, ..Options::default() };
        assert!(chosen("c form direct\n", &options).is_ok());
        let message = chosen("c form winograd\n", &options).unwrap_err();
        assert!(message.starts_with("c: m.onnx.tune:2 wants the form winograd"), "{message}");
    }
}
