//! How the axes of a value lie in the memory of another.

use crate::ir::{Dim, Shape};
use crate::ops::slice::SliceAxis;

/// Each axis of a value as axes of another, its base: one, or several that lie apart there and are one axis of the value, the
/// outer ones first. Every axis of the base belongs to one of the value.
#[derive(Clone, PartialEq, Debug)]
pub struct Order(Vec<Vec<usize>>);

impl Order {
    /// A value that is its base.
    pub fn identity(rank: usize) -> Order {
        Order((0..rank).map(|axis| vec![axis]).collect())
    }

    /// Axis `i` of the result is axis `perm[i]`.
    pub fn permuted(&self, perm: &[usize]) -> Order {
        Order(perm.iter().map(|&axis| self.0[axis].clone()).collect())
    }

    /// Axes of the value.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The base's axes in the order in which the value has them.
    pub fn perm(&self) -> Vec<usize> {
        self.0.concat()
    }

    /// The base's axes in the order that is the value's, if each is an axis of the value.
    pub fn whole(&self) -> Option<Vec<usize>> {
        (0..self.rank()).map(|axis| self.single(axis)).collect()
    }

    /// The base's axis that is this one of the value, if it is one.
    pub fn single(&self, axis: usize) -> Option<usize> {
        let [axis] = self.0[axis][..] else { return None };
        Some(axis)
    }

    /// The base's axes in an order in which all pieces of an axis lie side by side, where the last of them lies, and how the value
    /// lies in a base of that order.
    pub fn settled(&self) -> (Vec<usize>, Order) {
        let mut axes: Vec<&Vec<usize>> = self.0.iter().collect();
        axes.sort_by_key(|pieces| pieces.iter().max());
        let perm: Vec<usize> = axes.into_iter().flatten().copied().collect();
        let place = |axis: &usize| perm.iter().position(|other| other == axis).unwrap_or(0);
        let order = Order(self.0.iter().map(|pieces| pieces.iter().map(place).collect()).collect());
        (perm, order)
    }

    /// The base's axes that are these of the value, in ascending order.
    pub fn all(&self, axes: &[usize]) -> Vec<usize> {
        let mut all: Vec<usize> = axes.iter().flat_map(|&axis| self.0[axis].iter().copied()).collect();
        all.sort_unstable();
        all
    }

    /// The value and its base without these axes of the value.
    pub fn without(&self, axes: &[usize]) -> Order {
        let gone = self.all(axes);
        let left = (0..self.rank()).filter(|axis| !axes.contains(axis)).map(|axis| &self.0[axis]);
        let place = |axis: &usize| axis - gone.iter().filter(|gone| *gone < axis).count();
        Order(left.map(|axes| axes.iter().map(place).collect()).collect())
    }

    /// Whether a value of the base `sizes` and one of the base `others` have this order, and cut their axes at the same places.
    pub fn fits(&self, sizes: &[Dim], others: &[Dim]) -> bool {
        self.0.iter().filter(|axes| axes.len() > 1).flatten().all(|&axis| sizes[axis] == others[axis])
    }

    /// The shape of an operand that elementwise ops combine with the value, its axes cut as the value's are, in the value's
    /// order; `sizes` are the base's.
    pub fn cut(&self, sizes: &[Dim], operand: &[Dim]) -> Option<Shape> {
        let missing = self.rank().checked_sub(operand.len())?;
        let mut shape = vec![];
        for (i, axes) in self.0.iter().enumerate() {
            let size = i.checked_sub(missing).map_or(Dim::from(1), |i| operand[i].clone());
            match axes[..] {
                [_] => shape.push(size),
                _ if size.is(1) => shape.extend(axes.iter().map(|_| Dim::from(1))),
                _ if Dim::product(axes.iter().map(|&axis| &sizes[axis])) == size => {
                    shape.extend(axes.iter().map(|&axis| sizes[axis].clone()));
                }
                _ => return None,
            }
        }
        Some(shape)
    }

    /// What a selection of the value selects of a base of `sizes`: of an axis that is several, all, or what whole steps of the
    /// outermost select.
    pub fn sliced(&self, sizes: &[Dim], selected: &[SliceAxis]) -> Option<Vec<SliceAxis>> {
        let all = |size: &Dim| SliceAxis { start: Dim::from(0), step: 1, len: size.clone() };
        let mut result: Vec<SliceAxis> = sizes.iter().map(all).collect();
        for (axes, selected) in self.0.iter().zip(selected) {
            let (outer, inner) = axes.split_first()?;
            if inner.is_empty() {
                result[*outer] = selected.clone();
                continue;
            }
            let below = Dim::product(inner.iter().map(|&axis| &sizes[axis]));
            if selected.step != 1 {
                return None;
            }
            result[*outer].start = selected.start.exact_div(&below)?;
            result[*outer].len = selected.len.exact_div(&below)?;
        }
        Some(result)
    }

    /// The value under another shape: the shape of a base that has the same elements in the same places as the base of `sizes`, and
    /// how the value lies in it. Axes of the base are cut where they have to be, and joined where they may be.
    pub fn reshaped(&self, sizes: &[Dim], shape: &[Dim]) -> Option<(Shape, Order)> {
        if sizes.iter().chain(shape).any(|size| size.is(0)) {
            return None;
        }
        // What each axis of the base is cut to, and which of these pieces each axis of the value is.
        let mut cuts: Vec<Shape> = vec![vec![]; sizes.len()];
        let mut axes: Vec<Vec<(usize, usize)>> = vec![];
        let mut old = self.perm().into_iter().map(|axis| (axis, sizes[axis].clone())).filter(|(_, size)| !size.is(1));
        let mut left = None;
        for size in shape {
            let (mut wanted, mut pieces) = (size.clone(), vec![]);
            while !wanted.is(1) {
                let (axis, size) = left.take().or_else(|| old.next())?;
                let piece = if let Some(rest) = wanted.exact_div(&size) {
                    wanted = rest;
                    size
                } else {
                    left = Some((axis, size.exact_div(&wanted)?));
                    std::mem::replace(&mut wanted, Dim::from(1))
                };
                pieces.push((axis, cuts[axis].len()));
                cuts[axis].push(piece);
            }
            axes.push(pieces);
        }
        if left.is_some() || old.next().is_some() {
            return None;
        }
        // Numbers of the pieces as they lie in memory.
        let firsts: Vec<usize> = (0..sizes.len()).map(|axis| cuts[..axis].iter().map(Vec::len).sum()).collect();
        let axes: Vec<Vec<usize>> =
            axes.iter().map(|pieces| pieces.iter().map(|&(axis, piece)| firsts[axis] + piece).collect()).collect();
        let mut joins = vec![false; cuts.iter().map(Vec::len).sum()];
        axes.iter().flat_map(|pieces| pieces.windows(2)).for_each(|pair| joins[pair[1]] = pair[0] + 1 == pair[1]);
        // Axes of size one stand first.
        let mut base: Shape = shape.iter().filter(|size| size.is(1)).cloned().collect();
        let mut unit = 0..base.len();
        let mut places = vec![];
        for (piece, joins) in cuts.into_iter().flatten().zip(&joins) {
            match base.last_mut() {
                Some(last) if *joins => *last = last.clone() * piece,
                _ => base.push(piece),
            }
            places.push(base.len() - 1);
        }
        let axes = axes.iter().map(|pieces| match pieces.is_empty() {
            true => unit.next().into_iter().collect(),
            false => pieces.iter().filter(|&&piece| !joins[piece]).map(|&piece| places[piece]).collect(),
        });
        Some((base, Order(axes.collect())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dims(sizes: &[i64]) -> Shape {
        sizes.iter().map(|&size| Dim::from(size)).collect()
    }

    /// Channels-last pictures seen as channels first.
    fn planes() -> Order {
        Order::identity(4).permuted(&[0, 3, 1, 2])
    }

    #[test]
    fn a_shuffle_of_channels_moves_two_pieces_of_one_axis() {
        let (base, split) = planes().reshaped(&dims(&[2, 5, 7, 12]), &dims(&[2, 3, 4, 5, 7])).unwrap();
        assert_eq!((base.clone(), split.perm()), (dims(&[2, 5, 7, 3, 4]), vec![0, 3, 4, 1, 2]));
        let (base, shuffled) = split.permuted(&[0, 2, 1, 3, 4]).reshaped(&base, &dims(&[2, 12, 5, 7])).unwrap();
        assert_eq!((base, shuffled.perm()), (dims(&[2, 5, 7, 3, 4]), vec![0, 4, 3, 1, 2]));
        assert_eq!((shuffled.single(1), shuffled.single(2)), (None, Some(1)));
        assert_eq!(shuffled.permuted(&[0, 2, 3, 1]).perm(), [0, 1, 2, 4, 3]);
        let (perm, settled) = shuffled.settled();
        assert_eq!((perm, settled.perm()), (vec![0, 1, 2, 4, 3], vec![0, 3, 4, 1, 2]));
    }

    #[test]
    fn what_lies_together_is_joined() {
        let (base, joined) = planes().reshaped(&dims(&[2, 5, 7, 12]), &dims(&[2, 12, 35])).unwrap();
        assert_eq!((base, joined.perm()), (dims(&[2, 35, 12]), vec![0, 2, 1]));
        // Cut and put together again.
        let (base, cut) = planes().reshaped(&dims(&[2, 5, 7, 12]), &dims(&[2, 12, 35, 1])).unwrap();
        let (base, whole) = cut.reshaped(&base, &dims(&[2, 12, 5, 7])).unwrap();
        assert_eq!((base, whole), (dims(&[2, 5, 7, 12]), planes()));
    }

    #[test]
    fn free_sizes_are_cut_where_they_divide() {
        let n = Dim::symbol("n");
        let four = |size: &Dim| size.clone() * Dim::from(4);
        let order = Order::identity(2).permuted(&[1, 0]);
        let (base, cut) = order.reshaped(&[four(&n), Dim::from(6)], &[Dim::from(6), n.clone(), Dim::from(4)]).unwrap();
        assert_eq!((base, cut.perm()), (vec![n.clone(), Dim::from(4), Dim::from(6)], vec![2, 0, 1]));
        assert_eq!(order.reshaped(&[n.clone(), Dim::from(6)], &[n.clone(), Dim::from(6)]), None);
        assert_eq!(order.reshaped(&dims(&[0, 6]), &dims(&[0])), None);
    }

    #[test]
    fn selections_take_whole_steps_of_the_outer_piece() {
        let order = Order(vec![vec![0], vec![2, 1]]);
        let sizes = dims(&[5, 3, 4]);
        let select = |start: i64, len: i64| {
            let axes = [(0, 5), (start, len)];
            axes.map(|(start, len)| SliceAxis { start: Dim::from(start), step: 1, len: Dim::from(len) })
        };
        let sliced = order.sliced(&sizes, &select(6, 6)).unwrap();
        assert_eq!(sliced.iter().map(|axis| axis.len.clone()).collect::<Shape>(), dims(&[5, 3, 2]));
        assert_eq!(sliced[2].start, Dim::from(2));
        assert_eq!(order.sliced(&sizes, &select(5, 6)), None);
    }
}
